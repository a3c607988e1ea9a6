package access

import (
	"context"
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
	err := s.read(ctx, func(r Reader, m moment) error {
		var err error
		if p.Ask, err = m.complete(ask); err != nil {
			return err
		}
		draft := Request{Requester: by, Revision: Revision{Ask: p.Ask, Asked: seconds(m.now)}}
		if p.Decision, _, err = m.evaluate(r, draft); err != nil {
			return err
		}
		p.Approvers = m.approversOf(p.Decision, by)
		p.Summary = Summarise(p.Decision, p.Approvers)
		return nil
	})
	return p, err
}

// complete fills in a role's defaults and checks what policy leaves open.
func (m moment) complete(ask policies.Ask) (policies.Ask, error) {
	role, ok := m.policy.Role(ask.Role)
	if !ok {
		return ask, invalid("role", "There is no role %q. Choose one from the list of roles.", clip(ask.Role))
	}
	if _, ok := m.policy.Target(ask.Target); !ok {
		return ask, invalid("target", "There is no target %q. Choose one that the role reaches.", clip(ask.Target))
	}
	if ask.Login == "" && len(role.Logins) > 0 {
		ask.Login = role.Logins[0]
	}
	if ask.Duration == 0 {
		ask.Duration = role.Duration.Default
	}
	if ask.Duration <= 0 || ask.Duration%time.Second != 0 {
		return ask, invalid("duration_seconds", "The duration must be a whole number of seconds, and more than none.")
	}
	if err := policies.CheckText(ask.Reason, policies.MostReason); err != nil {
		return ask, invalid("reason", "The reason cannot be used: %v.", err).because(err)
	}
	return ask, nil
}

func clip(text string) string {
	if utf8.RuneCountInString(text) > 64 {
		return string([]rune(text)[:64]) + "…"
	}
	return text
}

// Ask stores a request, unless policy refuses it whoever approves. A role that
// needs no approval is granted at once.
func (s *Service) Ask(ctx context.Context, by policies.Person, ask policies.Ask) (RequestView, error) {
	id, err := s.newID("req-", 10)
	if err != nil {
		return RequestView{}, err
	}
	nonce, err := s.newNonce()
	if err != nil {
		return RequestView{}, err
	}
	err = s.write(ctx, func(c *change) error {
		// 1. What giving needs.
		if err := c.mayGive(); err != nil {
			return err
		}
		// 2. Policy, before anything is stored.
		ask, err := c.complete(ask)
		if err != nil {
			return err
		}
		q := Request{ID: id, Requester: by, State: Pending}
		q.Revision = Revision{Number: 1, Ask: ask, Asked: seconds(c.now), Expires: seconds(c.now.Add(s.config.PendingLife))}
		if q.Decision, _, err = c.evaluate(c, q); err != nil {
			return err
		}
		if q.Decision.Outcome == policies.Refused {
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
		q.Number, err = c.record(AuditEvent{
			Kind: EventAsked, Actor: ActorOf(by), Request: id,
			Text: by.Name + " asked for " + describe(ask) + ".",
		}, askedData{Statement: q.Revision.Statement, Policy: q.Decision.Digest})
		if err != nil {
			return err
		}
		if err := c.AddRequest(q); err != nil {
			return err
		}
		c.wake = true // Run learns when it expires
		// 5. Nobody has to agree: the grant begins.
		if q.Decision.Outcome == policies.Allowed {
			return c.grant(&q, policies.Person{}, "The role needs no approval")
		}
		return nil
	})
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

type askedData struct {
	Statement string `json:"statement"`
	Policy    string `json:"policy"`
}

// grant turns a pending request whose decision is Allowed into a grant.
func (c *change) grant(q *Request, actor policies.Person, why string) error {
	q.Begins, q.Ends = q.Decision.Ends.Add(-q.Decision.Duration), q.Decision.Ends
	return c.move(q, movement{
		by: ToApprove, actor: actor, kind: EventApproved,
		text: why + ": " + q.Requester.Name + " has " + describe(q.Revision.Ask) + " until " + clock(q.Ends) + ".",
		data: grantData{Begins: q.Begins, Ends: q.Ends, Policy: q.Decision.Digest},
	})
}

type grantData struct {
	Begins time.Time `json:"begins"`
	Ends   time.Time `json:"ends"`
	Policy string    `json:"policy"`
}
