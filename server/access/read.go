package access

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// RequestView is a request with everything that belongs to it, as one person
// may see it. Its State is as time has made it.
type RequestView struct {
	Request
	Headline     string
	Decision     policies.Decision // now, while pending or live; else the last
	Summary      string
	Approvers    [][]policies.Person // who could approve, for each stage of Decision
	Approvals    []CountedApproval
	Certificates []Certificate
	Sessions     []Session
	Timeline     []AuditLeaf // oldest first
	Told         []Telling   // oldest first
	ReviewDue    time.Time   // of an emergency that was used; zero for none
	ReviewGroups []string    // whose members close that review
	Locked       bool        // the role is, because nobody has
	SingleUse    bool        // one session may be opened under it
	// ApproveFor is on whose behalf the person would approve; nil: in their own right.
	ApproveFor *policies.Person
	May        []string // approve, confirm, deny, withdraw, drop, revoke, activate, extend, review
}

// RequestItem is a request as lists show it.
type RequestItem struct {
	Request
	Headline string
	WaitsFor string // whom a pending request waits for
	May      []string
}

// visible reads a request that this person may see. One that they may not see
// is as one that does not exist.
func (m moment) visible(r RequestReader, by policies.Person, id string) (Request, error) {
	q, err := r.Request(id)
	if errors.Is(err, ErrNoRow) || err == nil && !m.maySee(by, q) {
		return Request{}, fail(NotFound, CodeRequestNotFound, "There is no request %q that you may see.", clip(id))
	}
	return q, err
}

// isAsked says whether a pending request asks for groups for which a person speaks, who is
// neither who asked nor counts already. Whether they would count a panel says.
func (m moment) isAsked(by policies.Person, q Request) bool {
	if m.behind || q.at(m.now).State != Pending || counts(q.Decision, by.Subject) {
		return false
	}
	return slices.ContainsFunc(m.rights(by, q.Requester), func(r right) bool {
		return slices.ContainsFunc(q.Decision.Stages, func(stage policies.StageResult) bool {
			return isOpen(stage) && r.speaksFor(stage.Groups)
		})
	})
}

// glance is a request, as it is stored, that somebody sees. Its panel is dear, and gathered
// when it is first asked for.
type glance struct {
	Request
	m     moment
	panel func() (panel, error)
}

// glance is for a request with the decision to go by.
func (m moment) glance(r Reader, q Request) glance {
	return glance{q, m, sync.OnceValues(func() (panel, error) { return m.panel(r, q, q.Decision) })}
}

// mayApprove says whether a person's approval would count now.
func (g glance) mayApprove(by policies.Person) (bool, error) {
	if !g.m.isAsked(by, g.Request) {
		return false, nil
	}
	p, err := g.panel()
	if err != nil {
		return false, err
	}
	_, yes := p.awaits(by)
	return yes, nil
}

// may lists what a person may do with it now.
func (g glance) may(by policies.Person) ([]string, error) {
	may := []string{}
	counts, err := g.mayApprove(by)
	if err != nil {
		return may, err
	}
	m, q := g.m, g.at(g.m.now)
	own := by.Subject == q.Requester.Subject
	switch {
	case q.State == Pending:
		if counts {
			may = append(may, string(ToApprove))
		}
		if own && q.Decision.Confirm != "" {
			may = append(may, "confirm")
		}
		// Nobody decides on their own; they take it back.
		if m.mayEnd(by, q) && !m.isRequester(by, q.Requester) {
			may = append(may, string(ToDeny))
		}
		if own {
			may = append(may, string(ToWithdraw))
		}
	case q.State.Live():
		if own {
			if q.Decision.Confirm != "" && q.State == Approved {
				may = append(may, "confirm")
			}
			may = append(may, string(ToActivate), string(ToDrop))
			if role, ok := m.policy.Role(q.Revision.Ask.Role); ok && !role.SingleUse && q.State == Active {
				may = append(may, "extend")
			}
		}
		if m.mayEnd(by, q) {
			may = append(may, string(ToRevoke))
		}
	}
	if m.awaitsReview(q) && len(m.reviewsWith(by, q)) > 0 {
		may = append(may, "review")
	}
	return may, nil
}

// Request reads one request with all that belongs to it.
func (s *Service) Request(ctx context.Context, by policies.Person, id string) (RequestView, error) {
	var v RequestView
	err := s.read(ctx, func(r Reader, m moment) error {
		q, err := m.visible(r, by, id)
		if err != nil {
			return err
		}
		v = RequestView{Request: q.at(m.now), Decision: q.Decision}
		decision, counted, err := m.evaluate(r, q)
		if err != nil {
			return err
		}
		v.Approvals = counted
		if !v.State.Final() && m.heard {
			v.Decision = decision
		} else {
			// What counted then; today's policy says nothing about the past.
			for i := range v.Approvals {
				v.Approvals[i].Counts = counts(q.Decision, v.Approvals[i].Approver.Subject)
			}
		}
		if v.Certificates, err = r.Certificates(id); err != nil {
			return err
		}
		if v.Sessions, err = r.Sessions(SessionQuery{Request: id, Limit: MaxPage}); err != nil {
			return err
		}
		if v.Timeline, err = timeline(r, id); err != nil {
			return err
		}
		if v.Told, err = r.Tellings(id); err != nil {
			return err
		}
		if q.OpenReview || q.Review != nil {
			v.ReviewDue, v.ReviewGroups = m.reviewDue(q), m.reviewGroups(q.Revision.Ask.Role)
			v.Locked = m.locks(q)
		}
		role, _ := m.policy.Role(q.Revision.Ask.Role)
		v.SingleUse = role.SingleUse
		v.Headline = Headline(v.Request)
		q.Decision = v.Decision
		seen := m.glance(r, q)
		panel, err := seen.panel()
		if err != nil {
			return err
		}
		v.Approvers = panel.approvers()
		v.Summary = Summarise(v.Decision, v.Approvers)
		if v.May, err = seen.may(by); err != nil {
			return err
		}
		if slices.Contains(v.May, string(ToApprove)) {
			v.ApproveFor, _ = panel.awaits(by)
		}
		return nil
	})
	return v, err
}

// timeline gives a request's events, oldest first. A grant may have seen
// hundreds of short sessions: then its beginning and its newest events are given.
func timeline(r AuditReader, id string) ([]AuditLeaf, error) {
	oldest, err := r.AuditEvents(AuditQuery{Request: id, Oldest: true, Limit: MaxPage})
	if err != nil || len(oldest) < MaxPage {
		return oldest, err
	}
	newest, err := r.AuditEvents(AuditQuery{Request: id, Limit: MaxPage})
	if err != nil {
		return nil, err
	}
	slices.Reverse(newest)
	last := oldest[len(oldest)-1].Index
	return append(oldest, slices.DeleteFunc(newest, func(l AuditLeaf) bool { return l.Index <= last })...), nil
}

// Views of Requests.
const (
	ViewMine      = "mine"       // what the caller asked for
	ViewToApprove = "to-approve" // pending, and the caller's approval would count
	ViewAll       = "all"        // for reviewers and administrators
)

// Requests lists newest first. before is the Number to continue below, 0 for the
// first page; next is the before of the next page, 0 when there is none.
func (s *Service) Requests(ctx context.Context, by policies.Person, view string, states []State, before int64, limit int) (items []RequestItem, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		items, next = []RequestItem{}, 0
		q := RequestQuery{States: states, Before: before, Limit: page(limit)}
		wanted := func(glance) (bool, error) { return true, nil }
		switch view {
		case ViewMine:
			q.Requester = by.Subject
		case ViewToApprove:
			q.States = []State{Pending}
			wanted = func(g glance) (bool, error) { return g.mayApprove(by) }
		case ViewAll:
			if !m.isReviewer(by) && !m.isAdministrator(by.Subject) {
				return fail(Forbidden, CodeForbidden, "Only reviewers and administrators see everybody's requests.")
			}
		default:
			return invalid("view", "There is no view %q; take mine, to-approve or all.", clip(view))
		}
		return m.fillPage(r, by, q, wanted, &items, &next)
	})
	return items, next, err
}

// maxScan bounds how many rows one page looks at to find those that are wanted.
const maxScan = 10 * MaxPage

func (m moment) fillPage(r Reader, by policies.Person, q RequestQuery, wanted func(glance) (bool, error), items *[]RequestItem, next *int64) error {
	for scanned := 0; scanned < maxScan; {
		rows, err := r.Requests(q)
		if err != nil {
			return err
		}
		for i, row := range rows {
			q.Before = row.Number
			seen := m.glance(r, row)
			if is, err := wanted(seen); err != nil {
				return err
			} else if !is {
				continue
			}
			item, err := seen.item(by)
			if err != nil {
				return err
			}
			*items = append(*items, item)
			if len(*items) == q.Limit {
				if i < len(rows)-1 || len(rows) == q.Limit {
					*next = row.Number
				}
				return nil
			}
		}
		if len(rows) < q.Limit {
			return nil
		}
		scanned += len(rows)
	}
	*next = q.Before
	return nil
}

func (g glance) item(by policies.Person) (item RequestItem, err error) {
	present := g.at(g.m.now)
	item = RequestItem{Request: present, Headline: Headline(present)}
	if item.State == Pending {
		panel, err := g.panel()
		if err != nil {
			return item, err
		}
		item.WaitsFor = Summarise(g.Decision, panel.approvers())
	}
	item.May, err = g.may(by)
	return item, err
}

func page(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, MaxPage)
}

// Evidence is what the broker has of a request's evidence; the signer's ledger has
// the rest.
type Evidence struct {
	// Certificates are those that were issued. The text of one that was withheld, and
	// so was handed to nobody, is empty until its end: here too.
	Certificates []Certificate
	Agreed       *evidence.Bundle // the approvals so far, where there is no certificate
	// History says that the person may have the history too that the evidence stands
	// on: everybody's enrolments, in which there are ID tokens of theirs.
	History bool
}

// Evidence gives what proves a request, to those who may see it. Only reviewers and
// administrators have the history.
func (s *Service) Evidence(ctx context.Context, by policies.Person, id string) (found Evidence, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		q, err := m.visible(r, by, id)
		if err != nil {
			return err
		}
		found = Evidence{History: m.isReviewer(by) || m.isAdministrator(by.Subject)}
		if found.Certificates, err = r.Certificates(id); err != nil || len(found.Certificates) > 0 {
			for i := range found.Certificates {
				if c := &found.Certificates[i]; c.Withheld && m.now.Before(c.Ends) {
					c.Certificate = ""
				}
			}
			return err
		}
		approvals, err := r.Approvals(id, q.Revision.Number)
		if err != nil {
			return err
		}
		counted := make([]CountedApproval, len(approvals))
		for i, a := range approvals {
			counted[i] = CountedApproval{Approval: a, Counts: true}
		}
		bundle := evidenceOf(q, counted)
		found.Agreed = &bundle
		return nil
	})
	return found, err
}

// Audit lists the audit log newest first, for reviewers and administrators.
// before and next are as in Requests, but index 0 exists: next is 0 at the end.
func (s *Service) Audit(ctx context.Context, by policies.Person, before int64, limit int) (leaves []AuditLeaf, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayAudit(by); err != nil {
			return err
		}
		next = 0
		leaves, err = r.AuditEvents(AuditQuery{Before: before, Limit: page(limit)})
		if err == nil && len(leaves) == page(limit) {
			next = leaves[len(leaves)-1].Index // 0: that was the first leaf
		}
		return err
	})
	return leaves, next, err
}

// MayAudit says whether a person may read the audit log.
func (s *Service) MayAudit(ctx context.Context, by policies.Person) error {
	return s.read(ctx, func(_ Reader, m moment) error { return m.mayAudit(by) })
}

func (m moment) mayAudit(by policies.Person) error {
	if !m.isReviewer(by) && !m.isAdministrator(by.Subject) {
		return fail(Forbidden, CodeForbidden, "Only reviewers and administrators read the audit log.")
	}
	return nil
}
