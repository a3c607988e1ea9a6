package policies

import (
	"fmt"
	"slices"
	"time"
)

// Approvers judges approvals of one request, each by itself, whatever others there are. What
// one costs does not grow with how many were judged.
type Approvers struct{ j *judgement }

// Approvers is for the request of f, whose own approvals do not matter here.
func (b *Bundle) Approvers(f Facts) Approvers {
	role := b.role(f.Ask.Role)
	if role == nil {
		return Approvers{}
	}
	return Approvers{newJudgement(b, role, &f)}
}

// Dismissal says why Decide would not count an approval, whoever else approves and whatever
// the stages take; nil where it may count.
func (a Approvers) Dismissal(approval Approval) *Reason {
	if a.j == nil {
		return &Reason{Rule: "role", Text: "There is no such role."}
	}
	rule, why, remedy := a.j.dismiss(&approval, a.identities(approval)...)
	if rule == "" {
		return nil
	}
	return &Reason{Rule: rule, Text: why, Remedy: remedy}
}

// Uncounted says why Decide would not count one more approval beside those of f; nil where
// it would. A reason that is Met stands against nobody: the approval is not needed.
func (b *Bundle) Uncounted(f Facts, approval Approval) *Reason {
	// 1. It could not count, whatever others there are.
	if why := b.Approvers(f).Dismissal(approval); why != nil {
		return why
	}
	f.Approvals = append(slices.Clip(f.Approvals), approval)
	j := newJudgement(b, b.role(f.Ask.Role), &f)
	h := j.gather(j.restricted(j.spared()))
	k := slices.IndexFunc(h.votes, func(v vote) bool { return compareApprovals(*v.Approval, approval) == 0 })
	if k < 0 {
		rule, why, remedy := j.unfit(&approval, h.stages)
		return &Reason{Rule: rule, Text: why, Remedy: remedy}
	}
	// 2. It counts.
	s := h.seat()
	v := h.votes[k].voter
	if s.seats[v] >= 0 && s.seatedVote(v) == k {
		return nil
	}
	// 3. Its stage waits for others.
	for i, stage := range h.results(s) {
		if h.votes[k].fits&(1<<i) != 0 && len(stage.After) > 0 {
			return &Reason{Rule: "approval", Text: fmt.Sprintf("The stage %s waits until %s full.", stage.Name, list(stage.After, "and")+are(len(stage.After))), Remedy: approval.called() + " may approve then."}
		}
	}
	// 4. Others sit where it would.
	why := j.standing(h, s, v)
	if s.seats[v] >= 0 {
		why = h.again(s, k)
	}
	return &why
}

// ChangedRules tells whether whoever gives an approval, or on whose behalf they do, changed
// the role's rules so lately that somebody else has to approve too.
func (a Approvers) ChangedRules(approval Approval) bool {
	return a.j != nil && a.j.b.organization.Independence.PolicyChangeDays > 0 &&
		slices.ContainsFunc(a.identities(approval), func(ids []Person) bool { return a.j.changedRules(ids, approval.Issued) })
}

// identities are those of whoever approves, and of whom they do it for.
func (a Approvers) identities(approval Approval) [][]Person {
	people := [][]Person{a.j.b.Identities(approval.Approver, a.j.f.Known)}
	if approval.For != nil {
		people = append(people, a.j.b.Identities(*approval.For, a.j.f.Known))
	}
	return people
}

// tooClose says by which rule of independence a person, given by all their identities, cannot
// approve what the requester asks for, and why; no rule where they can.
func (j *judgement) tooClose(ids []Person, a *Approval) (rule, why string) {
	rules := &j.b.organization.Independence
	requester := j.f.Requester.called()
	name := ids[0].called()
	if len(j.teams) > 0 {
		groups := j.b.everyGroup(ids, j.f.Known)
		for _, i := range j.teams {
			if team := &j.b.teams[i]; sharesAny(groups, team.Members) {
				return "independence:direct-reports", fmt.Sprintf("%s manages the team %s, which %s is in, so %s cannot approve what %s asks for.", requester, team.Name, name, name, requester)
			}
		}
	}
	if rules.ReciprocalDays > 0 {
		since := a.Issued.Add(-days(rules.ReciprocalDays))
		var last time.Time
		for i := range j.f.History.Agreed {
			// What they used of the requester's approval after this was used looks back at this,
			// and not the other way round. Before, the order in which both approved is no excuse.
			past := &j.f.History.Agreed[i]
			later := !j.f.Used.IsZero() && past.At.After(j.f.Used)
			if past.At.After(since) && !later && past.At.After(last) && j.b.oneOf(ids, &Person{Subject: past.Requester}) {
				last = past.At
			}
		}
		if !last.IsZero() {
			return "independence:reciprocal", fmt.Sprintf("%s approved for %s at %s, so %s cannot approve for %s within %s of that.", requester, name, moment(last), name, requester, dayCount(rules.ReciprocalDays))
		}
	}
	return "", ""
}

// changedRules tells whether a person signed a change of the role's rules that an approval at
// that time may have waited for, or that came after it.
func (j *judgement) changedRules(ids []Person, at time.Time) bool {
	since := at.Add(-days(j.b.organization.Independence.PolicyChangeDays))
	return slices.ContainsFunc(j.f.Changes, func(c PolicyChange) bool {
		return c.At.After(since) && slices.Contains(c.Roles, j.role.Name) &&
			slices.ContainsFunc(c.By, func(s Subject) bool { return j.b.oneOf(ids, &Person{Subject: s}) })
	})
}

func dayCount(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
