package access

import (
	"cmp"
	"slices"
	"time"

	"stint/policies"
)

// lookBack fills in what the rules of the request's role look at of the past, and the
// facts of the outside that they read: what the signer takes from its ledger. own are
// the identities of the requester.
func (m moment) lookBack(r Reader, own []policies.Person, q Request, f *policies.Facts) error {
	role := q.Revision.Ask.Role
	needs := m.policy.Needs(role)
	if err := m.grantsBefore(r, own, q, needs, f); err != nil {
		return err
	}
	if needs.Agreed > 0 {
		var subjects []policies.Subject
		for _, p := range own {
			subjects = append(subjects, p.Subject)
		}
		agreed, err := r.Agreements(subjects, q.Revision.Asked.Add(-needs.Agreed))
		if err != nil {
			return err
		}
		f.History.Agreed = slices.DeleteFunc(agreed, func(a policies.PastApproval) bool { return a.Request == q.ID })
		slices.SortStableFunc(f.History.Agreed, func(a, b policies.PastApproval) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Request, b.Request))
		})
	}
	open, err := r.OpenReviews(role, MaxPage)
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.ID != q.ID {
			f.History.Reviews = append(f.History.Reviews, policies.OpenReview{Request: o.ID, Begun: o.Used})
		}
	}
	if needs.Changes > 0 {
		since := q.Revision.Asked.Add(-needs.Changes)
		for _, changed := range m.trust.Changes {
			if changed.At.After(since) && slices.Contains(changed.Roles, role) {
				f.Changes = append(f.Changes, changed)
			}
		}
	}
	for _, a := range q.Asserted {
		if slices.Contains(needs.Asserted, a.Name) {
			f.Asserted = append(f.Asserted, a)
		}
	}
	return nil
}

// grantsBefore fills in the requester's grants that were used.
func (m moment) grantsBefore(r Reader, own []policies.Person, q Request, needs policies.Needs, f *policies.Facts) error {
	if len(needs.Grants) == 0 {
		return nil
	}
	var roles []string
	var furthest time.Duration
	for role, span := range needs.Grants {
		roles, furthest = append(roles, role), max(furthest, span)
	}
	slices.Sort(roles)
	used, err := r.GrantsUsed(own, roles, q.Revision.Asked.Add(-furthest))
	if err != nil {
		return err
	}
	for _, g := range used {
		past := policies.PastGrant{Request: g.ID, Role: g.Revision.Ask.Role, Begun: g.Used, Ended: g.over()}
		if g.ID != q.ID && m.isOneOf(own, g.Requester) && past.Ended.After(q.Revision.Asked.Add(-needs.Grants[past.Role])) {
			f.History.Grants = append(f.History.Grants, past)
		}
	}
	return nil
}

// over is when a grant ended, or will.
func (r Request) over() time.Time {
	if !r.EndedAt.IsZero() && r.EndedAt.Before(r.Ends) {
		return r.EndedAt
	}
	return r.Ends
}
