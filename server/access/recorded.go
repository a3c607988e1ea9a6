package access

import (
	"cmp"
	"context"
	"slices"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// RecordedNote says what of recorded facts is approximated.
const RecordedNote = "The facts are made up from what is stored of each request: the moment is when it was last decided. Groups of the requester are those of the asking, " +
	"and groups of an approver those of the approval. Which identities are one person's, which passkeys are attested, and which policy changes came before, are as known now. " +
	"Emergencies that had not been reviewed at that time are left out."

// longestLook is how far back any rule looks.
const longestLook = 366 * 24 * time.Hour

// mostReplayed bounds the recorded requests that one backtest decides anew.
const mostReplayed = 500

// Recorded lists requests as facts that policy decides by, newest first, for reviewers
// and administrators. before and next are as in Requests.
func (s *Service) Recorded(ctx context.Context, by policies.Person, before int64, limit int) (recorded []analysis.Recorded, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayReadPolicy(by); err != nil {
			return err
		}
		recorded, next, err = m.recorded(r, before, page(limit))
		return err
	})
	return recorded, next, err
}

func (m moment) recorded(r Reader, before int64, limit int) (recorded []analysis.Recorded, next int64, err error) {
	rows, err := r.Requests(RequestQuery{Before: before, Limit: limit})
	if err != nil {
		return nil, 0, err
	}
	recorded = make([]analysis.Recorded, 0, len(rows))
	for _, q := range rows {
		facts, err := m.factsThen(r, q)
		if err != nil {
			return nil, 0, err
		}
		recorded = append(recorded, analysis.Recorded{Request: q.ID, Facts: facts, Outcome: q.Decision.Outcome})
	}
	if len(rows) == limit {
		next = rows[len(rows)-1].Number
	}
	return recorded, next, nil
}

// newest are the requests that a backtest decides anew.
func (m moment) newest(r Reader) (recorded []analysis.Recorded, err error) {
	for before := int64(0); len(recorded) < mostReplayed; {
		page, next, err := m.recorded(r, before, MaxPage)
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, page...)
		if before = next; next == 0 {
			break
		}
	}
	return recorded[:min(len(recorded), mostReplayed)], nil
}

// factsThen makes up the facts by which a request was last decided.
func (m moment) factsThen(r Reader, q Request) (policies.Facts, error) {
	f := policies.Facts{Asked: q.Revision.Asked, Requester: q.Requester, Ask: q.Revision.Ask, Asserted: q.Asserted, Known: m.trust.Roster.Known(m.now)}
	// 1. What was agreed, and by when nothing came any more.
	f.Now = q.Revision.Asked
	given, err := r.Approvals(q.ID, q.Revision.Number)
	if err != nil {
		return f, err
	}
	for _, a := range given {
		passkey, _ := m.roster(a.Approver.Subject).Active(a.Signed.Assertion.Credential, m.now)
		f.Approvals = append(f.Approvals, policies.Approval{
			Approver: a.Approver, For: a.For, Duration: a.Duration, Issued: a.Issued, Attested: passkey.Attested != "",
		})
		f.Now = later(f.Now, a.Issued)
	}
	if c := q.Confirmation; c != nil {
		passkey, _ := m.roster(q.Requester.Subject).Active(c.Signed.Assertion.Credential, m.now)
		f.Confirmed = &policies.Confirmation{Issued: c.Issued, Attested: passkey.Attested != ""}
		f.Now = later(f.Now, c.Issued)
	}
	// 2. What the requester had, and agreed to, by then.
	own := m.identities(q.Requester)
	if err := m.hadThen(r, own, q, &f); err != nil {
		return f, err
	}
	var subjects []policies.Subject
	for _, p := range own {
		subjects = append(subjects, p.Subject)
	}
	agreed, err := r.Agreements(subjects, f.Asked.Add(-longestLook))
	if err != nil {
		return f, err
	}
	f.History.Agreed = slices.DeleteFunc(agreed, func(a policies.PastApproval) bool { return a.Request == q.ID || a.At.After(f.Now) })
	// 3. The changes of the policy that it knew.
	for _, changed := range m.trust.Changes {
		if !changed.At.After(f.Now) {
			f.Changes = append(f.Changes, changed)
		}
	}
	return f, nil
}

func (m moment) hadThen(r Reader, own []policies.Person, q Request, f *policies.Facts) error {
	var roles []string
	for _, role := range m.policy.Roles() {
		roles = append(roles, role.Name)
	}
	used, err := r.GrantsUsed(own, roles, f.Asked.Add(-longestLook))
	if err != nil {
		return err
	}
	for _, g := range used {
		if g.ID == q.ID || g.Used.After(f.Now) || !m.isOneOf(own, g.Requester) {
			continue
		}
		role := g.Revision.Ask.Role
		f.History.Grants = append(f.History.Grants, policies.PastGrant{Request: g.ID, Role: role, Begun: g.Used, Ended: g.over()})
		if f.Now.Before(g.over()) {
			f.Held = append(f.Held, policies.Held{Request: g.ID, Role: role})
		}
	}
	slices.SortStableFunc(f.History.Grants, func(a, b policies.PastGrant) int {
		return cmp.Or(a.Begun.Compare(b.Begun), cmp.Compare(a.Request, b.Request))
	})
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Backtest is what the newest recorded requests would come to under another policy.
type Backtest struct {
	analysis.Replay
	Since time.Time            // when the oldest of them was asked for; zero for none
	Asked map[string]time.Time // of each request
}

func (m moment) backtest(r Reader, after *policies.Bundle) (*Backtest, error) {
	recorded, err := m.newest(r)
	if err != nil {
		return nil, err
	}
	b := &Backtest{Replay: analysis.Backtest(m.policy, after, recorded), Asked: map[string]time.Time{}}
	for _, one := range recorded {
		b.Asked[one.Request], b.Since = one.Facts.Asked, one.Facts.Asked
	}
	return b, nil
}

// BacktestChange decides recorded requests by the policy that a pending change would bring;
// nil for any other change.
func (s *Service) BacktestChange(ctx context.Context, view ChangeView) (tested *Backtest, err error) {
	if view.Kind != PolicyChange || view.State != ChangePending || view.After == nil {
		return nil, nil
	}
	after, err := policies.Parse(view.After)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		tested, err = m.backtest(r, after)
		return err
	})
	return tested, err
}
