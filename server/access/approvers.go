package access

import (
	"slices"

	"stint/policies"
	"stint/server/evidence"
)

// crowd is what is worked out of the whole roster, once a moment and when it is first
// asked for.
type crowd struct {
	suspended *[]policies.Person
	approvers []approver       // those who could approve anything, in the order of the roster
	in        map[string][]int // of approvers, by group that they speak for; nil until asked
}

// approver is somebody with the rights by which they could approve.
type approver struct {
	person policies.Person
	rights []right
}

// isSuspended says whether somebody is, under whatever identity: as the signer sees it.
func (m moment) isSuspended(p policies.Person) bool {
	if m.crowd.suspended == nil {
		suspended := []policies.Person{}
		for _, q := range m.trust.Roster.People {
			if q.IsSuspended(m.now) {
				suspended = append(suspended, q.Person)
			}
		}
		m.crowd.suspended = &suspended
	}
	return slices.ContainsFunc(*m.crowd.suspended, func(q policies.Person) bool { return m.linked(p, q) })
}

// speakers are the approvers who speak for one of the groups, in the order of the roster.
func (m moment) speakers(groups []string) []approver {
	c := m.crowd
	if c.in == nil {
		c.in = map[string][]int{}
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
				for _, speaking := range r.speaking {
					for _, group := range speaking.Groups {
						c.in[group] = append(c.in[group], len(c.approvers))
					}
				}
			}
			c.approvers = append(c.approvers, approver{p.Person, rights})
		}
	}
	var found []int
	for _, group := range groups {
		found = append(found, c.in[group]...)
	}
	slices.Sort(found)
	var speakers []approver
	for _, n := range slices.Compact(found) {
		speakers = append(speakers, c.approvers[n])
	}
	return speakers
}

// members are those of the roster who could act for one of the groups on somebody's
// request, their delegates included.
func (m moment) members(groups []string, requester policies.Person) []policies.Person {
	people := []policies.Person{}
	for _, a := range m.speakers(groups) {
		if slices.ContainsFunc(m.against(a.rights, a.person, requester), func(r right) bool { return sharesGroup(r.speaking, groups) }) {
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
	facts    policies.Facts // with the approvals that are given
	decision policies.Decision
	judge    policies.Approvers
}

// panel is for a request with what was last decided on it.
func (m moment) panel(r Reader, q Request, decision policies.Decision) (panel, error) {
	p := panel{m: m, q: q, decision: decision}
	var given []Approval
	var err error
	if q.ID != "" {
		if given, err = r.Approvals(q.ID, q.Revision.Number); err != nil {
			return p, err
		}
	}
	if p.facts, err = m.facts(r, q, given); err != nil {
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
	for k, speaking := range by.speaking {
		if sharesGroup([]policies.Person{speaking}, groups) && p.counts(person, by, k, now) {
			return true
		}
	}
	return false
}

// counts says whether an approval with the k-th passkey of a right could count; where it
// would be given now, beside the others that are given.
func (p panel) counts(person policies.Person, by right, k int, now bool) bool {
	a, ok := p.approval(person, by, k)
	if !ok || p.judge.Dismissal(a) != nil {
		return false
	}
	if !now || !p.dependsOnOthers(a) {
		return true
	}
	facts := p.facts
	facts.Approvals = append(slices.Clip(facts.Approvals), a)
	return counts(p.m.policy.Decide(facts), person.Subject)
}

// approval is one that the k-th passkey of a right would sign now.
func (p panel) approval(person policies.Person, by right, k int) (policies.Approval, bool) {
	approver := p.m.roster(person.Subject)
	passkey, ok := p.m.active(approver, by.credentials[k])
	return policies.Approval{
		Approver: approver.With(passkey), For: by.behalf, Attested: passkey.Attested != "",
		Duration: p.q.Revision.Ask.Duration, Issued: seconds(p.m.now),
	}, ok
}

// best keeps the passkeys of a right that are strong enough for the role; all where none is.
func (p panel) best(person policies.Person, by right) right {
	kept := right{behalf: by.behalf}
	for k := range by.credentials {
		if a, ok := p.approval(person, by, k); ok && p.judge.Dismissal(a) == nil {
			kept.credentials, kept.speaking = append(kept.credentials, by.credentials[k]), append(kept.speaking, by.speaking[k])
		}
	}
	if len(kept.credentials) == 0 {
		return by
	}
	return kept
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
