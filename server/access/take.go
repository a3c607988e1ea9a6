package access

import (
	"context"

	"stint/policies"
)

// Deny says no to a pending request. It needs no proof.
func (s *Service) Deny(ctx context.Context, by policies.Person, id, reason string) (RequestView, error) {
	return s.take(ctx, by, id, reason, taking{
		by: ToDeny, kind: EventDenied, verb: "denied",
		may: func(c *change, q Request) error {
			return c.othersMay(by, q, "deny")
		},
	})
}

// Withdraw takes back the caller's own pending request.
func (s *Service) Withdraw(ctx context.Context, by policies.Person, id, reason string) (RequestView, error) {
	return s.take(ctx, by, id, reason, taking{
		by: ToWithdraw, kind: EventWithdrawn, verb: "withdrew",
		may: func(c *change, q Request) error { return ownOnly(by, q, "withdraw") },
	})
}

// Drop ends the caller's own grant: they are done.
func (s *Service) Drop(ctx context.Context, by policies.Person, id, reason string) (RequestView, error) {
	return s.take(ctx, by, id, reason, taking{
		by: ToDrop, kind: EventGrantEnded, verb: "dropped",
		may: func(c *change, q Request) error { return ownOnly(by, q, "drop") },
	})
}

// Revoke ends somebody's grant. It needs no proof.
func (s *Service) Revoke(ctx context.Context, by policies.Person, id, reason string) (RequestView, error) {
	return s.take(ctx, by, id, reason, taking{
		by: ToRevoke, kind: EventGrantEnded, verb: "revoked",
		may: func(c *change, q Request) error {
			return c.othersMay(by, q, "revoke")
		},
	})
}

func ownOnly(by policies.Person, q Request, verb string) error {
	if by.Subject != q.Requester.Subject {
		return fail(Forbidden, CodeForbidden, "Only %s can %s this.", q.Requester.Name, verb)
	}
	return nil
}

func (c *change) othersMay(by policies.Person, q Request, verb string) error {
	if !c.mayEnd(by, q) {
		return fail(Forbidden, CodeForbidden,
			"You cannot %s this: that is for its approvers, reviewers and administrators.", verb)
	}
	return nil
}

// taking is a transition that takes away.
type taking struct {
	by   Transition
	kind string
	verb string
	may  func(c *change, q Request) error
}

type takenData struct {
	Reason string    `json:"reason,omitempty"`
	Ends   EndReason `json:"end_reason,omitempty"`
}

// take makes a transition that takes away. It works with any clock and while
// the signer is away: the outbox carries the end to it.
func (s *Service) take(ctx context.Context, by policies.Person, id, reason string, t taking) (RequestView, error) {
	err := s.write(ctx, func(c *change) error {
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		q, err := c.visible(c, by, id)
		if err != nil {
			return err
		}
		if err := t.may(c, q); err != nil {
			return err
		}
		step, _ := Next(q.State, t.by)
		text := by.Name + " " + t.verb + " " + q.Requester.Name + "'s " + describe(q.Revision.Ask)
		if reason != "" {
			text += ": " + reason
		}
		return c.move(&q, movement{by: t.by, actor: by, kind: t.kind, text: text + ".", data: takenData{reason, step.Reason}})
	})
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

// expire writes down what time has ended. Nothing depends on it for safety.
func (s *Service) expire(ctx context.Context, id string) error {
	return s.write(ctx, func(c *change) error {
		q, err := c.Request(id)
		if err != nil {
			return err
		}
		if !q.Due(c.now) {
			return nil // another broker was faster
		}
		present := q.at(c.now)
		kind, text := EventGrantEnded, "The time of "+q.Requester.Name+"'s "+describe(q.Revision.Ask)+" is over."
		switch {
		case q.State == Pending:
			kind, text = EventExpired, "Nobody decided in time on "+q.Requester.Name+"'s "+describe(q.Revision.Ask)+"."
		case present.EndReason == EndExpired:
			text = "The time of " + q.Requester.Name + "'s " + describe(q.Revision.Ask) + " is over; it was never used."
		}
		return c.move(&q, movement{by: ToExpire, kind: kind, text: text, data: takenData{Ends: present.EndReason}})
	})
}
