package access

import (
	"slices"
	"sync"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// crowd is what is worked out of the whole roster, once a moment and when it is first
// asked for.
type crowd struct {
	suspended func() []policies.Person
	approvers func() approvers
}

// approvers are those who could approve anything, in the order of the roster.
type approvers struct {
	all []approver
	in  map[string][]int // of all, by group that they speak for
}

// approver is somebody with the rights by which they could approve.
type approver struct {
	person policies.Person
	rights []right
}

// withCrowd is the moment with a crowd of its own. What that is worked out of stays as it is.
func (m moment) withCrowd() moment {
	m.crowd = &crowd{}
	m.crowd.suspended = sync.OnceValue(m.allSuspended)
	m.crowd.approvers = sync.OnceValue(m.allApprovers)
	return m
}

// imagined is the moment as it would be by a policy and at a time.
func (m moment) imagined(policy *policies.Bundle, at time.Time) moment {
	m.policy, m.now = policy, at
	return m.withCrowd()
}

func (m moment) allSuspended() (suspended []policies.Person) {
	for _, q := range m.trust.Roster.People {
		if q.IsSuspended(m.now) {
			suspended = append(suspended, q.Person)
		}
	}
	return suspended
}

func (m moment) allApprovers() approvers {
	found := approvers{in: map[string][]int{}}
	given := map[policies.Subject][]evidence.GivenDelegation{}
	for _, d := range m.trust.Delegations {
		given[d.Delegate] = append(given[d.Delegate], d)
	}
	for _, p := range m.trust.Roster.People {
		rights := m.rightsWith(p.Person.Subject, given[p.Person.Subject])
		if len(rights) == 0 {
			continue
		}
		for _, r := range rights {
			for _, v := range r.passkeys {
				for _, group := range v.speaks.Groups {
					found.in[group] = append(found.in[group], len(found.all))
				}
			}
		}
		found.all = append(found.all, approver{p.Person, rights})
	}
	return found
}

// isSuspended says whether somebody is, under whatever identity: as the signer sees it.
func (m moment) isSuspended(p policies.Person) bool {
	return slices.ContainsFunc(m.crowd.suspended(), func(q policies.Person) bool { return m.linked(p, q) })
}

// speakers are the approvers who speak for one of the groups, in the order of the roster.
func (m moment) speakers(groups []string) []approver {
	known := m.crowd.approvers()
	var found []int
	for _, group := range groups {
		found = append(found, known.in[group]...)
	}
	slices.Sort(found)
	var speakers []approver
	for _, n := range slices.Compact(found) {
		speakers = append(speakers, known.all[n])
	}
	return speakers
}

// members are those of the roster who could act for one of the groups on somebody's
// request, their delegates included.
func (m moment) members(groups []string, requester policies.Person) []policies.Person {
	people := []policies.Person{}
	for _, a := range m.speakers(groups) {
		if slices.ContainsFunc(m.against(a.rights, a.person, requester), func(r right) bool { return r.speaksFor(groups) }) {
			people = append(people, a.person)
		}
	}
	return people
}

// panel judges whose approval of one request would count now, by the rules by which it is
// decided.
type panel struct {
	m        moment
	q        Request
	given    []Approval
	facts    policies.Facts // with those that are given
	decision policies.Decision
	judge    policies.Approvers
}

// panel is for a request with what was last decided on it.
func (m moment) panel(r Reader, q Request, decision policies.Decision) (panel, error) {
	p := panel{m: m, q: q, decision: decision}
	var err error
	if q.ID != "" {
		if p.given, err = r.Approvals(q.ID, q.Revision.Number); err != nil {
			return p, err
		}
	}
	if p.facts, err = m.facts(r, q, p.given); err != nil {
		return p, err
	}
	p.judge = m.policy.Approvers(p.facts)
	return p, nil
}

// approvers lists, for each stage, whose approval could count: the roster's members of its
// groups who have a passkey for one, and those to whom such a member delegated it, who are
// far enough from who asks. Of a stage whose turn it is, it lists those for whom there is a
// place.
func (p panel) approvers() [][]policies.Person {
	lists := make([][]policies.Person, len(p.decision.Stages))
	for i, stage := range p.decision.Stages {
		lists[i] = p.among(stage.Groups, isOpen(stage))
	}
	return lists
}

// among lists those who speak for one of the groups and whose approval could count; where
// it would be given now, beside the others that are given.
func (p panel) among(groups []string, now bool) []policies.Person {
	people := []policies.Person{}
	for _, a := range p.m.speakers(groups) {
		if slices.ContainsFunc(p.m.against(a.rights, a.person, p.q.Requester), func(r right) bool { return p.fills(a.person, r, groups, now) }) {
			people = append(people, a.person)
		}
	}
	return people
}

// awaits says whether an open stage could take a person's approval now, and on whose behalf
// it would be: nil for their own.
func (p panel) awaits(by policies.Person) (behalf *policies.Person, yes bool) {
	for _, r := range p.m.rights(by, p.q.Requester) {
		for _, stage := range p.decision.Stages {
			if isOpen(stage) && p.fills(by, r, stage.Groups, true) {
				return r.behalf, true
			}
		}
	}
	return nil, false
}

// isOpen says whether a stage takes approvals now.
func isOpen(s policies.StageResult) bool { return len(s.Given) < s.Count && len(s.After) == 0 }

// fills says whether an approval by a right could count for one of the groups.
func (p panel) fills(person policies.Person, by right, groups []string, now bool) bool {
	return slices.ContainsFunc(by.passkeys, func(v voice) bool { return v.in(groups) && p.counts(p.approval(person, by, v), now) })
}

// counts says whether an approval could count; where it would be given now, beside the
// others that are given.
func (p panel) counts(a policies.Approval, now bool) bool {
	if p.judge.Dismissal(a) != nil {
		return false
	}
	return !now || !p.dependsOnOthers(a) || counts(p.m.policy.Decide(p.with(a)), a.Approver.Subject)
}

// with is what is decided by where one more approval is given.
func (p panel) with(a policies.Approval) policies.Facts {
	facts := p.facts
	facts.Approvals = append(slices.Clip(facts.Approvals), a)
	return facts
}

// approval is one that a passkey of a right would sign now.
func (p panel) approval(person policies.Person, by right, v voice) policies.Approval {
	return policies.Approval{
		Approver: p.m.roster(person.Subject).With(v.Passkey), For: by.behalf, Attested: v.Attested != "",
		Duration: p.q.Revision.Ask.Duration, Issued: seconds(p.m.now),
	}
}

// best keeps the passkeys of a right that are strong enough for the role; all where none is.
func (p panel) best(person policies.Person, by right) right {
	kept := right{behalf: by.behalf}
	for _, v := range by.passkeys {
		if p.judge.Dismissal(p.approval(person, by, v)) == nil {
			kept.passkeys = append(kept.passkeys, v)
		}
	}
	if len(kept.passkeys) == 0 {
		return by
	}
	return kept
}

// admits refuses somebody who cannot approve the request at all, or has done so.
func (p panel) admits(by policies.Person) error {
	switch {
	case by.Subject == p.q.Requester.Subject:
		return fail(Forbidden, CodeForbidden, "You asked for this yourself; somebody else has to approve it.")
	case slices.ContainsFunc(p.given, func(g Approval) bool { return g.Approver.Subject == by.Subject }):
		return fail(Conflict, CodeAlreadyApproved, "You have approved this already; it waits for somebody else.")
	case len(p.given) >= evidence.MostApprovals:
		return fail(Conflict, CodeNotCounted, "%d people have approved this, and no more can prove it together. Whoever asked must ask anew.", len(p.given))
	case !p.m.mayApprove(by, p.q):
		return fail(Forbidden, CodeForbidden,
			"You cannot approve this: no stage of %s asks for a group for which the signer's roster has a passkey of yours.", p.q.Revision.Ask.Role)
	}
	return nil
}

// decide decides with one more approval, and refuses one that would not count.
func (p panel) decide(a Approval) (policies.Decision, error) {
	counting, ok := p.m.approval(a)
	if !ok {
		return policies.Decision{}, fail(Conflict, CodeNotCounted, "Your approval would not count: your passkey speaks for nobody who may approve this. Use another of yours.")
	}
	decision := p.m.policy.Decide(p.with(counting))
	switch {
	case decision.Outcome == policies.Refused:
		return policies.Decision{}, refusal(decision)
	case counts(decision, a.Approver.Subject):
		return decision, nil
	}
	why := p.m.policy.Uncounted(p.facts, counting)
	if why == nil || why.Met {
		return policies.Decision{}, fail(Conflict, CodeNotCounted,
			"Your approval would not count: what you could agree to is agreed to already. It waits for somebody else.")
	}
	return policies.Decision{}, notCounted(*why)
}

// notCounted refuses an approval that policy would not count, with its reason.
func notCounted(why policies.Reason) *Error {
	text := "Your approval would not count: " + why.Text
	if why.Remedy != "" {
		text += " " + why.Remedy
	}
	return fail(Conflict, CodeNotCounted, "%s", text)
}

// dependsOnOthers says whether more than a free place decides whether an approval counts:
// whoever changed the rules leaves the last place to others, and of an approver and who
// acts on their behalf one counts.
func (p panel) dependsOnOthers(a policies.Approval) bool {
	if a.For != nil || p.judge.ChangedRules(a) {
		return true
	}
	return slices.ContainsFunc(p.facts.Approvals, func(given policies.Approval) bool {
		return p.m.linked(given.Approver, a.Approver) || given.For != nil && p.m.linked(*given.For, a.Approver)
	})
}
