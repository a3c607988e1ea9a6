package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Why people were told of a request. They are stable.
const (
	TellReminder   = "reminder"    // they have not answered
	TellEscalation = "escalation"  // they may approve now too
	TellBreakGlass = "break-glass" // somebody acts alone
	TellReview     = "review"      // an emergency waits for its review
)

// Telling is one time that people were told of a request.
type Telling struct {
	Request string
	Kind    string // TellReminder and so on
	Stage   string // of reminders and escalations
	Due     time.Time
	At      time.Time
	People  []policies.Person
	Text    string
}

// lateReviews is how often people are told of a review once the role is locked.
const lateReviews = 24 * time.Hour

// occasion is something of which people are to be told at a time.
type occasion struct {
	kind, stage string
	due         time.Time
	groups      []string
}

// occasions lists those of a request that are due, and when the next one is; zero for
// never. Of reminders and reviews that were missed only the last is told, and of what waits
// for approvals nothing once it is over.
func (m moment) occasions(q Request) (due []occasion, next time.Time) {
	role, _ := m.policy.Role(q.Revision.Ask.Role) // one that is gone can still be locked
	add := func(o occasion) {
		if !o.due.After(m.now) {
			due = append(due, o)
		} else if next.IsZero() || o.due.Before(next) {
			next = o.due
		}
	}
	// every adds the last time that is due and the first that is not.
	every := func(o occasion, from time.Time, each time.Duration) {
		passed := max(m.now.Sub(from)/each, 0)
		for _, n := range []time.Duration{passed, passed + 1} {
			if n > 0 {
				o.due = from.Add(n * each)
				add(o)
			}
		}
	}
	if q.State == Pending && !q.Due(m.now) {
		for _, result := range q.Decision.Stages {
			stage, ok := stageOf(role, result.Name)
			if !ok || len(result.Given) >= result.Count {
				continue
			}
			for _, e := range stage.Escalate {
				add(occasion{TellEscalation, stage.Name, q.Revision.Asked.Add(e.After), e.Groups})
			}
			if stage.Remind > 0 && len(result.After) == 0 {
				every(occasion{TellReminder, stage.Name, time.Time{}, result.Groups}, q.Revision.Asked, stage.Remind)
			}
		}
	}
	if q.OpenReview {
		review := m.policy.ReviewRule(q.Revision.Ask.Role)
		if !m.locks(q) {
			add(occasion{TellReview, "", q.Used.Add(review.Within / 2), review.Groups})
		}
		// When the role locks, and each time after that.
		every(occasion{TellReview, "", time.Time{}, review.Groups}, m.reviewDue(q).Add(-lateReviews), lateReviews)
	}
	return due, next
}

// stageOf finds a stage of a role by name, one that a restriction adds too.
func stageOf(role policies.Role, name string) (policies.Stage, bool) {
	stages := role.Approval
	for _, r := range role.Restrict {
		stages = append(slices.Clip(stages), r.Add...)
	}
	i := slices.IndexFunc(stages, func(s policies.Stage) bool { return s.Name == name })
	if i < 0 {
		return policies.Stage{}, false
	}
	return stages[i], true
}

// retell sets when somebody is to be told of a request next. What is due already stays
// so until tell has told it. A review that turns out to be due is told at once: its use was
// found late, or another policy leaves less time for it. A reminder is not: whose turn has
// only come has forgotten nothing.
func (m moment) retell(q *Request) {
	if q.Tell.IsZero() || q.Tell.After(m.now) {
		due, next := m.occasions(*q)
		if q.OpenReview && len(due) > 0 {
			next = m.now // what was told is told once
		}
		q.Tell = next
	}
}

// tell is a pass of Run: it tells people of requests that wait. What was told is
// stored, so that of many brokers one tells each.
func (s *Service) tell(ctx context.Context) (time.Duration, error) {
	var due []Request
	rest := longestRest
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		if due, err = r.ToTell(m.now, runBatch); err != nil {
			return err
		}
		next, err := r.NextToTell()
		if errors.Is(err, ErrNoRow) {
			return nil
		}
		rest = min(rest, next.Sub(m.now))
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, q := range due {
		if err := s.tellOf(ctx, q.ID); err != nil {
			return 0, err
		}
	}
	if len(due) > 0 {
		return 0, nil
	}
	return max(rest, time.Millisecond), nil
}

// tellOf tells of one request what is due.
func (s *Service) tellOf(ctx context.Context, id string) error {
	return s.write(ctx, func(c *change) error {
		q, err := c.Request(id)
		if err != nil || q.Tell.IsZero() || q.Tell.After(c.now) {
			return err // another broker was faster
		}
		// 1. Who is asked by now: an escalation has come, or a stage is full.
		if q.State == Pending && !q.Due(c.now) {
			if q.Decision, _, err = c.evaluate(c, q); err != nil {
				return err
			}
		}
		// 2. Each occasion once.
		due, next := c.occasions(q)
		for _, o := range due {
			if err := c.tellPeople(q, o); err != nil {
				return err
			}
		}
		q.Tell = next
		return c.MoveRequest(q, q.State)
	})
}

// tellPeople stores that people were told, and puts it into the audit log; unless they
// were. Who is to approve is told where it would count, who is to watch in any case.
func (c *change) tellPeople(q Request, o occasion) error {
	people := c.members(o.groups, q.Requester)
	if o.kind == TellReminder || o.kind == TellEscalation {
		panel, err := c.panel(c, q, q.Decision)
		if err != nil {
			return err
		}
		people = panel.among(o.groups, true)
	}
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = p.Name
	}
	whom := shorten(names)
	if len(names) == 0 {
		whom = "nobody, since nobody in " + strings.Join(o.groups, ", ") + " has a passkey"
	}
	what := q.Requester.Name + "'s " + describe(q.Revision.Ask)
	texts := map[string]string{
		TellReminder:   "Reminded " + whom + ": " + what + " waits for an approval (stage " + o.stage + ").",
		TellEscalation: "Escalated to " + whom + ": " + what + " has waited, and they may approve it too (stage " + o.stage + ").",
		TellBreakGlass: "Told " + whom + ": " + q.Requester.Name + " asks to act alone, in an emergency, as " + describe(q.Revision.Ask) + ".",
		TellReview:     "Told " + whom + ": the emergency " + what + " waits for its review.",
	}
	kinds := map[string]string{
		TellReminder: EventReminded, TellEscalation: EventEscalated, TellBreakGlass: EventBreakGlassTold, TellReview: EventReviewDue,
	}
	told := Telling{Request: q.ID, Kind: o.kind, Stage: o.stage, Due: o.due, At: c.stamp, People: people, Text: texts[o.kind]}
	if o.kind == TellReview && c.locks(q) {
		told.Text = "Told " + whom + ": the role " + q.Revision.Ask.Role + " is locked until somebody reviews the emergency " + what + "."
	}
	if err := c.AddTelling(told); errors.Is(err, ErrRowExists) {
		return nil
	} else if err != nil {
		return err
	}
	_, err := c.record(AuditEvent{Kind: kinds[o.kind], Request: q.ID, Text: told.Text}, toldData{Stage: o.stage, Groups: o.groups, People: subjectsOf(people)})
	return err
}

type toldData struct {
	Stage  string             `json:"stage,omitempty"`
	Groups []string           `json:"groups"`
	People []policies.Subject `json:"people"`
}

func subjectsOf(people []policies.Person) []policies.Subject {
	subjects := make([]policies.Subject, len(people))
	for i, p := range people {
		subjects[i] = p.Subject
	}
	return subjects
}

// NewsItem is something that a person was told and that still waits.
type NewsItem struct {
	RequestItem
	Told   Telling
	Due    time.Time // of a review: when the role locks; zero for what is none
	Locked bool      // the role is, because the review is late
}

// mostNews bounds the requests that one call for news looks at.
const mostNews = 50

// News lists what the caller was told and that still waits for somebody, newest first.
func (s *Service) News(ctx context.Context, by policies.Person) (news []NewsItem, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		news = []NewsItem{}
		var waiting []RequestItem
		var next int64
		wanted := func(g glance) (bool, error) {
			if g.Revision.Ask.BreakGlass && m.maySee(by, g.Request) {
				return true, nil
			}
			return g.mayApprove(by)
		}
		if err := m.fillPage(r, by, RequestQuery{States: []State{Pending, Approved}, Limit: mostNews}, wanted, &waiting, &next); err != nil {
			return err
		}
		open, err := r.OpenReviews("", mostNews)
		if err != nil {
			return err
		}
		for _, q := range open {
			if !m.maySee(by, q) {
				continue // they were told once, and have left since
			}
			item, err := m.glance(r, q).item(by)
			if err != nil {
				return err
			}
			waiting = append(waiting, item)
		}
		for _, item := range waiting {
			told, err := r.Tellings(item.ID)
			if err != nil {
				return err
			}
			for _, t := range slices.Backward(told) {
				if slices.ContainsFunc(t.People, func(p policies.Person) bool { return p.Subject == by.Subject }) {
					one := NewsItem{RequestItem: item, Told: t}
					if t.Kind == TellReview {
						one.Due, one.Locked = m.reviewDue(item.Request), m.locks(item.Request)
					}
					news = append(news, one)
					break
				}
			}
		}
		slices.SortStableFunc(news, func(a, b NewsItem) int { return b.Told.At.Compare(a.Told.At) })
		return nil
	})
	return news, err
}
