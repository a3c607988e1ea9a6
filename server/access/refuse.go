package access

import (
	"context"
	"fmt"
	"time"

	"stint/policies"
)

// Refusal is an ask that policy refused whoever would have approved, so that no request
// came of it. It is kept for RefusalLife, for another policy to be tried on: the audit
// event stays.
type Refusal struct {
	// Number is the leaf of the audit log that records it. Requests have theirs of the
	// same log, so that one order holds them all.
	Number    int64
	Requester policies.Person // as signed in then
	Ask       policies.Ask    // with the role's defaults filled in
	Asked     time.Time
	Asserted  []policies.Assertion // by which it was decided
	Rule      string               // that refused it
	Text      string               // what the rule said, in a sentence
	Policy    string               // digest of the bundle that decided
}

const (
	// RefusalLife is how long a refused ask is kept.
	RefusalLife = 90 * 24 * time.Hour
	// MostRefusals bounds the refused asks of one identity that are kept of refusalDay;
	// whatever else is refused to it meanwhile is only counted in the log.
	MostRefusals = 100
	refusalDay   = 24 * time.Hour
	// mostRefusalsWaiting bounds those that wait to be written down, and refusalBatch
	// those that one transaction writes.
	mostRefusalsWaiting = 256
	refusalBatch        = 32
)

// ID names it where it stands among requests.
func (r Refusal) ID() string { return fmt.Sprintf("ref-%d", r.Number) }

// refusedAsk is a request that policy refuses.
func refusedAsk(q Request) *Refusal {
	reason, _ := unmet(q.Decision)
	return &Refusal{
		Requester: q.Requester, Ask: q.Revision.Ask, Asked: q.Revision.Asked, Asserted: q.Asserted,
		Rule: reason.Rule, Text: reason.Text, Policy: q.Decision.Digest,
	}
}

// noteRefusal leaves a refusal for Run to write down, and never waits: who was refused has
// the answer, whatever becomes of the note.
func (s *Service) noteRefusal(r Refusal) {
	select {
	case s.refusals <- r:
	default:
		s.lostRefusal(r, "too many wait")
	}
}

func (s *Service) lostRefusal(r Refusal, why any) {
	s.config.Log.Warn("an ask was refused, which could not be written down",
		"subject", r.Requester.Subject.String(), "role", r.Ask.Role, "target", r.Ask.Target, "rule", r.Rule, "error", why)
}

// keepRefusals writes down what was refused until ctx is done, and then what still waits.
func (s *Service) keepRefusals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.keep(ctx, s.waitingRefusals(mostRefusalsWaiting))
			return
		case r := <-s.refusals:
			s.keep(ctx, append([]Refusal{r}, s.waitingRefusals(refusalBatch-1)...))
		}
	}
}

func (s *Service) waitingRefusals(most int) (waiting []Refusal) {
	for len(waiting) < most {
		select {
		case r := <-s.refusals:
			waiting = append(waiting, r)
		default:
			return waiting
		}
	}
	return waiting
}

// keep stores refusals with their audit events, of each identity as many as the bound
// leaves.
func (s *Service) keep(ctx context.Context, refused []Refusal) {
	if len(refused) == 0 {
		return
	}
	var beyond map[policies.Subject]int
	err := s.writeDown(ctx, func(c *change) error {
		beyond = map[policies.Subject]int{}
		for _, r := range refused {
			who := r.Requester.Subject
			kept, err := c.RefusalsOf(who, c.now.Add(-refusalDay))
			if err != nil {
				return err
			}
			if kept >= MostRefusals {
				beyond[who]++
				continue
			}
			r.Number, err = c.record(AuditEvent{
				Kind: EventRefused, Actor: ActorOf(r.Requester),
				Text: r.Requester.Name + " asked for " + describe(r.Ask) + ", and was refused: " + r.Text,
			}, refusedAskData{Ask: r.Ask, Rule: r.Rule, Policy: r.Policy, Asserted: r.Asserted})
			if err != nil {
				return err
			}
			if err := c.AddRefusal(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, r := range refused {
			s.lostRefusal(r, err)
		}
		return
	}
	for who, number := range beyond {
		s.config.Log.Warn("somebody is refused too often for each time to be kept", "subject", who.String(), "not_kept", number)
	}
}

type refusedAskData struct {
	Ask    policies.Ask `json:"ask"`
	Rule   string       `json:"rule"`
	Policy string       `json:"policy"`
	// Asserted are the facts of the outside that policy was asked with.
	Asserted []policies.Assertion `json:"asserted,omitempty"`
}
