package access

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"stint/policies"
	"stint/server/evidence"
)

// Preview is what would come of an ask.
type Preview struct {
	Ask       policies.Ask // with the role's defaults filled in
	Decision  policies.Decision
	Approvers [][]policies.Person // who could approve, for each stage of Decision
	Summary   string
}

// Preview says what policy would say to an ask. Nothing is stored.
func (s *Service) Preview(ctx context.Context, by policies.Person, ask policies.Ask) (Preview, error) {
	var p Preview
	asserted := s.askFacts(ctx, by, ask)
	err := s.read(ctx, func(r Reader, m moment) error {
		var err error
		if p.Ask, err = complete(m.policy, ask); err != nil {
			return err
		}
		draft := Request{Requester: by, Revision: Revision{Ask: p.Ask, Asked: seconds(m.now)}, Asserted: asserted}
		if p.Decision, _, err = m.evaluate(r, draft); err != nil {
			return err
		}
		panel, err := m.panel(r, draft, p.Decision)
		if err != nil {
			return err
		}
		p.Approvers = panel.approvers()
		p.Summary = Summarise(p.Decision, p.Approvers)
		return nil
	})
	return p, err
}

// complete fills in a role's defaults and checks what policy leaves open.
func complete(policy *policies.Bundle, ask policies.Ask) (policies.Ask, error) {
	role, ok := policy.Role(ask.Role)
	if !ok {
		return ask, invalid("role", "There is no role %q. Choose one from the list of roles.", clip(ask.Role))
	}
	if _, ok := policy.Target(ask.Target); !ok {
		return ask, invalid("target", "There is no target %q. Choose one that the role reaches.", clip(ask.Target))
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
	if ask.Duration <= 0 || ask.Duration%time.Second != 0 {
		return ask, invalid("duration_seconds", "The duration must be a whole number of seconds, and more than none.")
	}
	if err := policies.CheckText(ask.Login, policies.MostName); err != nil {
		return ask, invalid("login", "The login cannot be used: %v.", err).because(err)
	}
	if err := policies.CheckText(ask.Reason, policies.MostReason); err != nil {
		return ask, invalid("reason", "The reason cannot be used: %v.", err).because(err)
	}
	if err := policies.CheckText(ask.Ticket, evidence.MostTicket); err != nil {
		return ask, invalid("ticket", "The ticket cannot be used: %v.", err).because(err)
	}
	if !ask.Start.Equal(seconds(ask.Start)) {
		return ask, invalid("start", "The start must be in whole seconds.")
	}
	if ask.Start = ask.Start.UTC(); ask.Start.Year() < 0 || ask.Start.Year() > 9999 {
		return ask, invalid("start", "The start must be in the years 0 to 9999.")
	}
	return ask, nil
}

// PendingOf is how long a request for a role waits for approvals.
func PendingOf(role policies.Role) time.Duration {
	waits := role.Pending
	if waits <= 0 {
		waits = policies.DefaultPending
	}
	return min(waits, evidence.LongestPending)
}

func clip(text string) string {
	if utf8.RuneCountInString(text) > 64 {
		return string([]rune(text)[:64]) + "…"
	}
	return text
}

// Ask stores a request, unless policy refuses it whoever approves; what it refused is
// written down beside, see Refusal. A role that needs no approval is granted at once.
func (s *Service) Ask(ctx context.Context, by policies.Person, ask policies.Ask) (RequestView, error) {
	id, err := s.newID("req-", 10)
	if err != nil {
		return RequestView{}, err
	}
	alarm, err := s.newID("alm-", 10)
	if err != nil {
		return RequestView{}, err
	}
	nonce, err := s.newNonce()
	if err != nil {
		return RequestView{}, err
	}
	asserted := s.askFacts(ctx, by, ask)
	var refused *Refusal
	err = s.write(ctx, func(c *change) error {
		refused = nil
		// 1. What giving needs.
		if err := c.mayGive(); err != nil {
			return err
		}
		// 2. Policy, before anything is stored.
		ask, err := complete(c.policy, ask)
		if err != nil {
			return err
		}
		role, _ := c.policy.Role(ask.Role)
		q := Request{ID: id, Requester: by, State: Pending, Asserted: asserted}
		q.Revision = Revision{Number: 1, Ask: ask, Asked: seconds(c.now), Expires: seconds(c.now.Add(PendingOf(role)))}
		if q.Decision, _, err = c.evaluate(c, q); err != nil {
			return err
		}
		if q.Decision.Outcome == policies.Refused {
			refused = refusedAsk(q)
			return refusal(q.Decision)
		}
		// 3. The statement that approvals repeat and the activation names.
		statement := evidence.Request{
			Instance: s.config.Instance, Request: id, Revision: 1,
			Requester: by.Subject, RequesterName: by.Name, Ask: ask,
			Policy: q.Decision.Digest, Issued: q.Revision.Asked, Expires: q.Revision.Expires,
			Nonce: evidence.NewNonce(nonce),
		}
		if q.Revision.Statement, err = evidence.Encode(&statement); err != nil {
			return invalid("reason", "This cannot be put into a statement that people could sign: %v.", err).because(err)
		}
		q.Revision.Digest = evidence.Digest(q.Revision.Statement)
		// 4. Event and row; the event's place in the log orders requests.
		event := AuditEvent{Kind: EventAsked, Actor: ActorOf(by), Request: id, Text: by.Name + " asked for " + describe(ask) + "."}
		if ask.BreakGlass {
			event.Kind, event.Text = EventBreakGlass, by.Name+" asked to act alone, in an emergency, as "+describe(ask)+"."
		}
		q.Number, err = c.record(event, askedData{Statement: q.Revision.Statement, Policy: q.Decision.Digest, Asserted: q.Asserted})
		if err != nil {
			return err
		}
		c.retell(&q)
		if err := c.AddRequest(q); err != nil {
			return err
		}
		c.wake = true // Run learns when it expires
		// 5. An emergency is loud.
		if ask.BreakGlass {
			if err := c.alarmBreakGlass(alarm, q); err != nil {
				return err
			}
		}
		// 6. Nobody has to agree: the grant begins.
		if granted(q.Decision) {
			return c.grant(&q, policies.Person{}, "The role needs no approval")
		}
		return nil
	})
	if refused != nil {
		s.noteRefusal(*refused)
	}
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

type askedData struct {
	Statement string `json:"statement"`
	Policy    string `json:"policy"`
	// Asserted are the facts of the outside that policy was asked with.
	Asserted []policies.Assertion `json:"asserted,omitempty"`
}

// alarmBreakGlass raises the alarm that somebody acts alone, and tells all who might
// have approved, or are to review it.
func (c *change) alarmBreakGlass(id string, q Request) error {
	if _, _, err := c.raise(id, Alarm{
		Kind: AlarmBreakGlass, Cause: AlarmBreakGlass + ": " + q.ID, Request: q.ID,
		Title:  q.Requester.Name + " asked to act alone, in an emergency, as " + describe(q.Revision.Ask) + ".",
		Detail: q.Revision.Ask.Reason,
	}); err != nil {
		return err
	}
	groups := append(c.policy.ApproverGroupsOf(q.Requester, q.Revision.Ask), c.reviewGroups(q.Revision.Ask.Role)...)
	slices.Sort(groups)
	return c.tellPeople(q, occasion{kind: TellBreakGlass, due: q.Revision.Asked, groups: slices.Compact(groups)})
}

// grant turns a pending request, all of whose rules are satisfied, into a grant: one
// that begins now, later, or at its first use.
func (c *change) grant(q *Request, actor policies.Person, why string) error {
	d := q.Decision
	q.Begins, q.Ends = d.Begins, d.Ends
	text := q.Requester.Name + " has " + describe(q.Revision.Ask) + " until " + clock(q.Ends) + "."
	switch {
	case !d.UseBy.IsZero():
		q.Begins, q.Ends = time.Time{}, d.UseBy
		text = q.Requester.Name + " has " + describe(q.Revision.Ask) + " from its first use on, which must be by " + date(d.UseBy) + "."
	case d.Begins.After(c.now):
		text = q.Requester.Name + " has " + describe(q.Revision.Ask) + " from " + date(q.Begins) + " until " + date(q.Ends) + "."
	}
	return c.move(q, movement{
		by: ToApprove, actor: actor, kind: EventApproved, text: why + ": " + text,
		data: grantData{Begins: q.Begins, Ends: q.Ends, UseBy: d.UseBy, Policy: d.Digest, Asserted: q.Asserted},
	})
}

type grantData struct {
	Begins time.Time `json:"begins,omitzero"`
	Ends   time.Time `json:"ends"`
	UseBy  time.Time `json:"use_by,omitzero"`
	Policy string    `json:"policy"`
	// Asserted are the facts of the outside that policy was asked with.
	Asserted []policies.Assertion `json:"asserted,omitempty"`
}
