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
	"Emergencies that had not been reviewed at that time are left out. Asks that were refused when they were asked (ref-…) are among them for 90 days, 100 a day of one person at most; " +
	"facts of the outside are not known of whoever could not ask for the role at all."

// longestLook is how far back any rule looks.
const longestLook = 366 * 24 * time.Hour

// mostReplayed bounds the recorded requests that one backtest decides anew, and beside them
// the refused asks, so that no flood of these displaces what was granted.
const mostReplayed = 500

// Recorded lists requests, and asks that were refused, as facts that policy decides by,
// newest first, for reviewers and administrators. before and next are as in Requests.
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
	requests, err := allRequests(r)(before, limit)
	if err != nil {
		return nil, 0, err
	}
	refused, err := allRefused(r)(before, limit)
	if err != nil {
		return nil, 0, err
	}
	rows := byNumber(append(requests, refused...))
	if len(rows) >= limit {
		rows = rows[:limit]
		next = rows[limit-1].Number
	}
	recorded, err = m.recount(r, rows)
	return recorded, next, err
}

// newest are the requests and refused asks that a backtest decides anew.
func (m moment) newest(r Reader) ([]analysis.Recorded, error) {
	var rows []Request
	for _, list := range []lister{allRequests(r), allRefused(r)} {
		found, err := list.newest(mostReplayed)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return m.recount(r, byNumber(rows))
}

// recount makes up the facts of each.
func (m moment) recount(r Reader, rows []Request) ([]analysis.Recorded, error) {
	recorded := make([]analysis.Recorded, len(rows))
	for i, q := range rows {
		facts, err := m.factsThen(r, q)
		if err != nil {
			return nil, err
		}
		recorded[i] = analysis.Recorded{Request: q.ID, Facts: facts, Outcome: q.Decision.Outcome}
	}
	return recorded, nil
}

// lister lists by falling Number, as RequestQuery's Before and Limit say.
type lister func(before int64, limit int) ([]Request, error)

func allRequests(r Reader) lister {
	return func(before int64, limit int) ([]Request, error) {
		return r.Requests(RequestQuery{Before: before, Limit: limit})
	}
}

// allRefused takes refused asks as requests that got nowhere.
func allRefused(r Reader) lister {
	return func(before int64, limit int) ([]Request, error) {
		refused, err := r.Refusals(before, limit)
		rows := make([]Request, len(refused))
		for i, one := range refused {
			rows[i] = Request{
				ID: one.ID(), Number: one.Number, Requester: one.Requester, Revision: Revision{Ask: one.Ask, Asked: one.Asked},
				Asserted: one.Asserted, Decision: policies.Decision{Outcome: policies.Refused},
			}
		}
		return rows, err
	}
}

func (list lister) newest(most int) (rows []Request, err error) {
	for before := int64(0); len(rows) < most; {
		limit := min(most-len(rows), MaxPage)
		page, err := list(before, limit)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page...)
		if len(page) < limit {
			break
		}
		before = page[limit-1].Number
	}
	return rows, nil
}

// byNumber sorts the newest to the front.
func byNumber(rows []Request) []Request {
	slices.SortFunc(rows, func(a, b Request) int { return cmp.Compare(b.Number, a.Number) })
	return rows
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
