package signer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// longestMemory is how far back a rule may look, 366 days, and the time that a request
// may wait for its use besides.
const longestMemory = 400 * 24 * time.Hour

// past is what the ledger tells of people's doings, found by the marks of each identity
// (policies.Marks): a decision costs the same however many other people there are.
type past struct {
	grants map[string][]*grant // in the order of their first use
	agreed map[string][]policies.PastApproval
	// Emergencies by the digest of the request statement; those of a role that nobody has
	// reviewed besides.
	emergencies map[string]*emergency
	open        map[string][]*emergency
}

// emergency is the use of one revision of a request by somebody who acted alone.
type emergency struct {
	evidence.Emergency
	grant  *grant // that was used
	closed int64  // the entry of its review; 0, which is never one: nobody has reviewed it
}

func newPast() past {
	return past{
		grants: map[string][]*grant{}, agreed: map[string][]policies.PastApproval{},
		emergencies: map[string]*emergency{}, open: map[string][]*emergency{},
	}
}

// use keeps a grant under the marks of whoever uses it.
func (p past) use(g *grant) {
	for _, mark := range policies.Marks(g.requester) {
		if slices.Contains(g.marks, mark) {
			continue
		}
		g.marks = append(g.marks, mark)
		of := p.grants[mark]
		for len(of) > 0 && g.used.Sub(of[0].over()) > longestMemory {
			of = of[1:]
		}
		p.grants[mark] = append(of, g)
	}
}

// agree keeps who approved what is used from now on, by which identity and on whose behalf.
func (p past) agree(approvers []policies.Subject, one policies.PastApproval) {
	for _, approver := range approvers {
		mark := policies.Marks(policies.Person{Subject: approver})[0]
		of := p.agreed[mark]
		for len(of) > 0 && one.At.Sub(of[0].At) > longestMemory {
			of = of[1:]
		}
		p.agreed[mark] = append(of, one)
	}
}

// alone keeps the use of a revision by somebody who acted alone.
func (p past) alone(g *grant, e evidence.Emergency) {
	if p.emergencies[e.Digest] != nil {
		return
	}
	one := &emergency{Emergency: e, grant: g}
	p.emergencies[e.Digest] = one
	p.open[e.Role] = append(p.open[e.Role], one)
}

// known is the emergency with its end, as far as the ledger has that.
func (e *emergency) known() evidence.Emergency {
	known := e.Emergency
	known.Ends, known.Ended = e.grant.ends, e.grant.ended
	return known
}

// review closes an emergency with an entry, unless one has already.
func (p past) review(one *emergency, index int64) {
	if one.closed != 0 {
		return
	}
	one.closed = index
	p.open[one.Role] = slices.DeleteFunc(p.open[one.Role], func(e *emergency) bool { return e == one })
}

// circumstances are what a decision on a request at a moment depends on beside its
// bundle: what the ledger tells of the requester, under any of their identities, that the
// role's rules look at. The same state gives the same.
func (s *state) circumstances(policy *policies.Bundle, requester policies.Person, request *evidence.Request, now time.Time) evidence.Circumstances {
	c := evidence.Circumstances{Now: now, Held: []policies.Held{}}
	if g := s.grants[request.Request]; g != nil && g.revision == request.Revision {
		c.Used = g.used
	}
	needs := policy.Needs(request.Ask.Role)
	marks := map[string]bool{}
	for _, p := range policy.Identities(requester, s.beliefs.Roster().Known(now)) {
		for _, mark := range policy.MarksOf(p) {
			marks[mark] = true
		}
	}
	for _, g := range found(s.past.grants, marks) {
		// An earlier revision is past as anything else is, or nobody who edits a request would
		// have had what it was before. Only an extension of it is not held against it.
		own := g.request == request.Request
		if own && g.revision >= request.Revision {
			continue
		}
		if g.isLive(now) && !(own && g.role == request.Ask.Role) {
			c.Held = append(c.Held, policies.Held{Request: g.request, Role: g.role})
		}
		if back, matters := needs.Grants[g.role]; matters && request.Issued.Sub(g.over()) < back {
			c.History.Grants = append(c.History.Grants, policies.PastGrant{Request: g.request, Role: g.role, Begun: g.used, Ended: g.over()})
		}
	}
	for _, one := range found(s.past.agreed, marks) {
		if needs.Agreed > 0 && one.Request != request.Request && request.Issued.Sub(one.At) < needs.Agreed {
			c.History.Agreed = append(c.History.Agreed, one)
		}
	}
	if open := s.past.open[request.Ask.Role]; len(open) > 0 {
		// Its own can be reviewed only once it is over, so it does not count against itself.
		own := ""
		if text, err := evidence.Encode(request); err == nil {
			own = evidence.Digest(text)
		}
		for _, e := range open {
			if e.Digest == own {
				continue
			}
			c.History.Reviews = append(c.History.Reviews, policies.OpenReview{Request: e.Request, Begun: e.Begun})
		}
	}
	inOrder(&c)
	return c
}

// found is what is kept under any of the marks, once each.
func found[T comparable](kept map[string][]T, marks map[string]bool) []T {
	var all []T
	seen := map[T]bool{}
	for mark := range marks {
		for _, one := range kept[mark] {
			if !seen[one] {
				seen[one] = true
				all = append(all, one)
			}
		}
	}
	return all
}

// inOrder sorts each list by its times, and what is of one time by all the rest.
func inOrder(c *evidence.Circumstances) {
	slices.SortFunc(c.Held, func(a, b policies.Held) int {
		return cmp.Or(strings.Compare(a.Request, b.Request), strings.Compare(a.Role, b.Role))
	})
	slices.SortFunc(c.History.Grants, func(a, b policies.PastGrant) int {
		return cmp.Or(a.Begun.Compare(b.Begun), strings.Compare(a.Request, b.Request), strings.Compare(a.Role, b.Role), a.Ended.Compare(b.Ended))
	})
	slices.SortFunc(c.History.Agreed, func(a, b policies.PastApproval) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Request, b.Request), strings.Compare(a.Requester.String(), b.Requester.String()))
	})
	slices.SortFunc(c.History.Reviews, func(a, b policies.OpenReview) int {
		return cmp.Or(a.Begun.Compare(b.Begun), strings.Compare(a.Request, b.Request))
	})
}

// approversOf are those who approved in a bundle, and those on whose behalf they did.
func approversOf(b evidence.Bundle) ([]policies.Subject, error) {
	var approvers []policies.Subject
	for _, signed := range b.Approvals {
		a, err := evidence.DecodeAs[*evidence.Approval](signed.Statement)
		if err != nil {
			return nil, fmt.Errorf("its approval statement: %w", err)
		}
		for _, who := range []policies.Subject{a.Approver, a.For} {
			if who != (policies.Subject{}) && !slices.Contains(approvers, who) {
				approvers = append(approvers, who)
			}
		}
	}
	return approvers, nil
}
