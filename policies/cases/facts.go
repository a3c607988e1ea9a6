package cases

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// Bundle is the policy with the targets of the tests, none of which the policy has. The
// error names every fault, as that of Parse.
func (s *Suite) Bundle(b *policies.Bundle) (*policies.Bundle, error) {
	r := &reader{}
	for _, t := range s.Targets {
		if _, twice := b.Target(t.Name); twice {
			r.note(s.targets[t.Name], nil, problem{[]any{"name"}, fmt.Sprintf("the policy has a target %s itself; rename this one, or leave it out", t.Name)})
		}
	}
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return b.WithTargets(s.Targets...)
}

func (c Case) asked() time.Time {
	if at, err := c.Asked.read(); err == nil && !at.IsZero() {
		return at
	}
	return defaultAsked
}

// Facts are what the case says, completed from the policy, which has the targets of the
// tests (Bundle). Somebody or a role that does not exist stays so, for Decide to refuse.
func (s *Suite) Facts(b *policies.Bundle, c Case) policies.Facts {
	return s.facts(b, c, Known(s.People))
}

// facts are Facts, with those whom the signer knows.
func (s *Suite) facts(b *policies.Bundle, c Case, known *policies.People) policies.Facts {
	asked := c.asked()
	requester, _ := s.People.Find(c.By)
	f := policies.Facts{
		Asked:     asked,
		Requester: requester.Person,
		Ask:       c.Ask.complete(b, asked),
		Approvals: []policies.Approval{},
		Held:      []policies.Held{},
		Known:     known,
	}
	last := asked
	for _, a := range c.Approvals {
		approval := s.approval(f.Ask, asked, a)
		last = latest(last, approval.Issued)
		f.Approvals = append(f.Approvals, approval)
	}
	for i, role := range c.Held {
		f.Held = append(f.Held, policies.Held{Request: fmt.Sprintf("held-%d", i+1), Role: role})
	}
	if c.Confirmed != nil {
		f.Confirmed = &policies.Confirmation{Issued: asked.Add(c.Confirmed.After.duration()), Attested: c.Confirmed.Attested}
		last = latest(last, f.Confirmed.Issued)
	}
	if c.Used != nil {
		f.Used = c.Used.at(asked)
		last = latest(last, f.Used)
	}
	f.Now = last
	if c.At != nil {
		f.Now = c.At.at(asked)
	}
	f.History = s.history(c, asked)
	f.Changes = s.changes(c, asked)
	for _, name := range slices.Sorted(maps.Keys(c.Asserted)) {
		f.Asserted = append(f.Asserted, policies.Assertion{Name: name, Value: c.Asserted[name]})
	}
	return f
}

// Known are the identities of a population as the signer knows them: those with a passkey,
// in the groups of its roster. In which groups the directory has them it learns of nobody but
// the requester.
func Known(people *analysis.Population) *policies.People {
	var known []policies.Person
	for _, p := range people.People() {
		if len(p.Passkeys) == 0 {
			continue
		}
		groups := slices.Clone(p.Roster)
		for _, k := range p.Passkeys {
			groups = append(groups, k.Groups...)
		}
		slices.Sort(groups)
		p.Person.Groups = slices.Compact(groups)
		known = append(known, p.Person)
	}
	return policies.NewPeople(known)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// complete fills in what was left out.
func (a Ask) complete(b *policies.Bundle, asked time.Time) policies.Ask {
	ask := policies.Ask{Role: a.Role, Target: a.Target, Login: a.Login, Duration: a.Duration.duration(), Reason: "To see what the policy says"}
	if a.Reason != nil {
		ask.Reason = *a.Reason
	}
	if a.Ticket != nil {
		ask.Ticket = *a.Ticket
	}
	if a.BreakGlass != nil {
		ask.BreakGlass = *a.BreakGlass
	}
	if a.Start != nil {
		ask.Start = a.Start.at(asked)
	}
	role, _ := b.Role(a.Role)
	if targets := b.TargetsOf(a.Role); ask.Target == "" && len(targets) > 0 {
		ask.Target = targets[0].Name
	}
	if ask.Login == "" && len(role.Logins) > 0 {
		ask.Login = role.Logins[0]
	}
	if ask.Duration == 0 {
		ask.Duration = role.Duration.Default
		if ask.BreakGlass && role.BreakGlass != nil {
			ask.Duration = min(ask.Duration, role.BreakGlass.Longest)
		}
	}
	return ask
}

// approval is one that somebody gave with a passkey of theirs.
func (s *Suite) approval(ask policies.Ask, asked time.Time, a Approval) policies.Approval {
	by, _ := s.People.Find(a.By)
	approver, attested := Approver(by, a.Attested)
	approval := policies.Approval{Approver: approver, Attested: attested, Duration: cmp.Or(a.Duration.duration(), ask.Duration), Issued: asked.Add(a.After.duration())}
	if a.For != "" {
		other, _ := s.People.Find(a.For)
		on, _ := Approver(other, nil)
		if len(a.Groups) > 0 {
			on.Groups = slices.DeleteFunc(slices.Clone(on.Groups), func(g string) bool { return !slices.Contains(a.Groups, g) })
		}
		approval.For = &on
	}
	return approval
}

// Approver is a person as they approve: with the groups of one of their passkeys, one of
// a listed make or not where that is said, and of these the one that speaks for most groups.
func Approver(p analysis.Person, attested *bool) (policies.Person, bool) {
	var with analysis.Passkey
	for _, k := range p.Passkeys {
		if (attested == nil || *attested == k.Attested) && (len(k.Groups) > len(with.Groups) || len(k.Groups) == len(with.Groups) && k.Attested) {
			with = k
		}
	}
	approver := p.Person
	approver.Groups = with.Groups
	return approver, with.Attested
}

func (s *Suite) history(c Case, asked time.Time) policies.History {
	var h policies.History
	if c.History == nil {
		return h
	}
	for i, g := range c.History.Grants {
		begun := asked.Add(-g.Ago.duration())
		h.Grants = append(h.Grants, policies.PastGrant{Request: fmt.Sprintf("past-%d", i+1), Role: g.Role, Begun: begun, Ended: begun.Add(cmp.Or(g.Lasted.duration(), time.Hour))})
	}
	for i, a := range c.History.Agreed {
		asker, _ := s.People.Find(a.For)
		h.Agreed = append(h.Agreed, policies.PastApproval{Request: fmt.Sprintf("agreed-%d", i+1), Requester: asker.Subject, At: asked.Add(-a.Ago.duration())})
	}
	for i, r := range c.History.Reviews {
		h.Reviews = append(h.Reviews, policies.OpenReview{Request: fmt.Sprintf("emergency-%d", i+1), Begun: asked.Add(-r.Ago.duration())})
	}
	slices.SortStableFunc(h.Grants, func(a, b policies.PastGrant) int { return a.Begun.Compare(b.Begun) })
	slices.SortStableFunc(h.Agreed, func(a, b policies.PastApproval) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(h.Reviews, func(a, b policies.OpenReview) int { return a.Begun.Compare(b.Begun) })
	return h
}

func (s *Suite) changes(c Case, asked time.Time) []policies.PolicyChange {
	var changes []policies.PolicyChange
	for _, change := range c.Changes {
		signed := policies.PolicyChange{At: asked.Add(-change.Ago.duration()), Roles: change.Roles}
		if len(signed.Roles) == 0 {
			signed.Roles = []string{c.Ask.Role}
		}
		for _, name := range change.By {
			person, _ := s.People.Find(name)
			signed.By = append(signed.By, person.Subject)
		}
		changes = append(changes, signed)
	}
	slices.SortStableFunc(changes, func(a, b policies.PolicyChange) int { return a.At.Compare(b.At) })
	return changes
}
