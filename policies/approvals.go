package policies

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// gather lets everybody in whose approval may count, and tells of each other approval why
// it does not (in what dismissed adds to the reasons, last).
func (j *judgement) gather(stages []askedStage) *hall {
	h := &hall{stages: stages, asked: j.f.Ask.Duration, since: j.f.Asked, apart: j.b.organization.Independence.PolicyChangeDays > 0}
	approvals := inOrder(j.f.Approvals)
	h.votes, h.voters = make([]vote, 0, len(approvals)), make([]voter, 0, len(approvals))
	j.people = make([][]Person, 0, len(approvals))
	for i := range approvals {
		a := &approvals[i]
		person, other := j.person(&a.Approver), -1
		if a.For != nil {
			other = j.person(a.For)
		}
		var fits uint64
		for s := range stages {
			if stages[s].fits(a, j.f.Asked) {
				fits |= 1 << s
			}
		}
		circle := [][]Person{j.people[person]}
		if other >= 0 {
			circle = append(circle, j.people[other])
		}
		rule, why, remedy := j.dismiss(a, circle...)
		if rule == "" && fits == 0 {
			rule, why, remedy = j.unfit(a, stages)
		}
		if rule != "" {
			j.turnedAway = append(j.turnedAway, Reason{Rule: rule, Text: why, Remedy: remedy})
			continue
		}
		v := slices.IndexFunc(h.voters, func(v voter) bool { return v.person == person && v.other == other })
		if v < 0 {
			v = len(h.voters)
			h.voters = append(h.voters, voter{person: person, other: other, first: len(h.votes)})
		}
		if h.apart && !h.voters[v].changed {
			h.voters[v].changed = slices.ContainsFunc(circle, func(ids []Person) bool { return j.changedRules(ids, a.Issued) })
		}
		h.votes = append(h.votes, vote{Approval: a, voter: v, fits: fits})
	}
	return h
}

// pending is how long a request waits for approvals.
func (r *Role) pending() time.Duration {
	if r.Pending <= 0 {
		return DefaultPending
	}
	return r.Pending
}

// person numbers a person: the identities of one person have one number. Approvals link
// nothing by themselves, the known identities do.
func (j *judgement) person(p *Person) int {
	for i, ids := range j.people {
		if j.b.oneOf(ids, p) {
			if !slices.ContainsFunc(ids, func(q Person) bool { return q.Subject == p.Subject && q.Email == p.Email }) {
				j.people[i] = append(ids, *p)
			}
			return i
		}
	}
	j.people = append(j.people, j.b.Identities(*p, j.f.Known))
	return len(j.people) - 1
}

// inOrder sorts approvals by when they were given, so that it does not matter
// in which order they are told. Equal times are told apart by all the rest.
func inOrder(approvals []Approval) []Approval {
	if slices.IsSortedFunc(approvals, compareApprovals) {
		return approvals
	}
	return slices.SortedStableFunc(slices.Values(approvals), compareApprovals)
}

func compareApprovals(a, b Approval) int {
	if order := cmp.Or(a.Issued.Compare(b.Issued), comparePeople(&a.Approver, &b.Approver), cmp.Compare(a.Duration, b.Duration)); order != 0 {
		return order
	}
	if a.Attested != b.Attested {
		return cmp.Compare(length(a.Attested), length(b.Attested))
	}
	if a.For == nil || b.For == nil {
		return cmp.Compare(length(a.For != nil), length(b.For != nil))
	}
	return comparePeople(a.For, b.For)
}

func comparePeople(p, q *Person) int {
	return cmp.Or(
		cmp.Compare(p.Subject.Subject, q.Subject.Subject),
		cmp.Compare(p.Issuer, q.Issuer),
		cmp.Compare(p.Email, q.Email),
		cmp.Compare(p.Name, q.Name),
		slices.Compare(p.Groups, q.Groups),
	)
}

// length orders no before yes.
func length(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// dismiss says by which rule an approval cannot count, whatever the stages take, and why; no
// rule if it may. by are the identities of whoever gives it, and of whom they do it for.
func (j *judgement) dismiss(a *Approval, by ...[]Person) (rule, why, remedy string) {
	name := a.called()
	switch {
	case a.Approver.Subject == j.f.Requester.Subject:
		return "approval", a.Approver.called() + " asked for this, so " + a.Approver.called() + " cannot approve it.", "Somebody else must approve."
	case j.isRequester(&a.Approver):
		return "approval", fmt.Sprintf("%s is the same person as %s, who asked for this, and cannot approve it.", a.Approver.Subject, j.f.Requester.Subject), "Somebody else must approve."
	case a.For != nil && j.isRequester(a.For):
		return "approval", fmt.Sprintf("%s approved on behalf of %s, who asked for this, so it does not count.", a.Approver.called(), a.For.called()), "Somebody else must approve."
	case a.Duration > j.f.Ask.Duration:
		return "approval", fmt.Sprintf("%s agreed to %s, which is longer than the %s that was asked for, so it does not count.", name, FormatDuration(a.Duration), FormatDuration(j.f.Ask.Duration)), ""
	case a.Duration <= 0:
		return "approval", name + " agreed to no time at all, so it does not count.", ""
	case a.Issued.Before(j.f.Asked):
		return "approval", "The approval by " + name + " is older than what was asked for, so it does not count.", name + " may approve again."
	case a.Issued.After(j.f.Asked.Add(j.role.pending())):
		return "approval", fmt.Sprintf("%s approved more than %s after the asking, which is as long as a request for %s waits, so it does not count.", name, FormatDuration(j.role.pending()), j.role.Name), "Ask anew."
	case a.Issued.After(j.f.Now.Add(Skew)):
		return "approval", "The approval by " + name + " is dated in the future, so it does not count.", ""
	case j.role.Passkey.Approvers == PasskeyAttested && !a.Attested:
		return "approval", fmt.Sprintf("%s signed with a passkey of an unproven make; %s needs one that the organization lists.", name, j.role.Name), name + " may approve with such a passkey."
	}
	for _, ids := range by {
		if rule, why := j.tooClose(ids, a); rule != "" {
			return rule, why, "Somebody else must approve."
		}
	}
	return "", "", ""
}

// unfit says why no stage takes an approval.
func (j *judgement) unfit(a *Approval, stages []askedStage) (rule, why, remedy string) {
	name := a.called()
	by, from := a.speaksFor(), time.Time{}
	for i := range stages {
		for _, e := range stages[i].Escalate {
			if at := j.f.Asked.Add(e.After); by.inAny(e.Groups) && (from.IsZero() || at.Before(from)) {
				from = at
			}
		}
	}
	if !from.IsZero() {
		return "approval", fmt.Sprintf("%s may approve %s from %s on, and approved before.", name, j.role.Name, moment(from)), name + " may approve again then."
	}
	return "approval", name + " is in no group that may approve " + j.role.Name + ".", ""
}

// dismissed tells of each approval that does not count, and of those that were not needed.
func (j *judgement) dismissed(h *hall, s *seating) {
	j.reasons = append(j.reasons, j.turnedAway...)
	for k := range h.votes {
		if v := h.votes[k].voter; s.seats[v] >= 0 && k != s.seatedVote(v) {
			j.reasons = append(j.reasons, h.again(s, k))
		}
	}
	for v := range h.voters {
		if s.seats[v] >= 0 {
			continue
		}
		j.reasons = append(j.reasons, j.standing(h, s, v))
	}
}

// again says why a vote of a voter who is seated by another does not count.
func (h *hall) again(s *seating, k int) Reason {
	a := &h.votes[k]
	i := s.seats[a.voter]
	if waits := h.stages[i].after; a.fits&(1<<i) != 0 && !s.ready[i].takes(k) {
		return Reason{Rule: "approval", Text: fmt.Sprintf("%s approved before %s full, and again after; the first does not count.", a.called(), h.were(waits))}
	}
	return Reason{Rule: "approval", Text: a.called() + " already approved; each person counts once."}
}

// standing says why a voter without a place has none.
func (j *judgement) standing(h *hall, s *seating, v int) Reason {
	a := h.votes[h.voters[v].first]
	for w, i := range s.seats {
		if i >= 0 && h.voters[w].meets(&h.voters[v]) {
			return Reason{Rule: "approval", Text: fmt.Sprintf("%s approved too, but %s counts already: of whoever approves on behalf of another and that other, one counts.", a.called(), h.votes[h.voters[w].first].called())}
		}
	}
	// Stages that this person may approve: by a vote that was given in time, or too early.
	var open, early uint64
	for k := range h.votes {
		if h.votes[k].voter == v {
			open |= s.open(k)
			early |= h.votes[k].fits
		}
	}
	var before uint64
	for i := range h.stages {
		free := len(s.places[i]) < h.stages[i].Count
		switch {
		case open&(1<<i) != 0 && free && h.voters[v].changed:
			who := a.Approver.called()
			if a.For != nil {
				who += " or " + a.For.called()
			}
			return Reason{
				Rule:   "independence:policy-change",
				Text:   fmt.Sprintf("%s signed a change of %s in the last %s, and so did everybody else who approved; one of them does not count.", who, j.role.Name, dayCount(j.b.organization.Independence.PolicyChangeDays)),
				Remedy: "Somebody who did not sign that change must approve.",
			}
		case open == 0 && early&(1<<i) != 0 && free:
			before |= h.stages[i].after
		}
	}
	if before != 0 {
		return Reason{Rule: "approval", Text: fmt.Sprintf("%s approved before %s full, so it does not count.", a.called(), h.were(before)), Remedy: a.called() + " may approve again then."}
	}
	return Reason{Rule: "approval", Met: true, Text: a.called() + " approved too; it was not needed."}
}

// were lists stages by their bits, as "a was" and "a and b were".
func (h *hall) were(stages uint64) string {
	var names []string
	for i := range h.stages {
		if stages&(1<<i) != 0 {
			names = append(names, h.stages[i].Name)
		}
	}
	if len(names) == 1 {
		return names[0] + " was"
	}
	return list(names, "and") + " were"
}
