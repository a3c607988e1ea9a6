package access

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"

	"stint/policies"
	"stint/server/evidence"
)

// Deny says no to a pending request. It needs no proof.
func (s *Service) Deny(ctx context.Context, by policies.Person, id, reason string, word ...EndWord) (RequestView, error) {
	return s.take(ctx, by, id, reason, word, taking{
		by: ToDeny, kind: EventDenied, verb: "denied",
		may: func(c *change, q Request) error {
			return c.othersMay(by, q, "deny")
		},
	})
}

// Withdraw takes back the caller's own pending request.
func (s *Service) Withdraw(ctx context.Context, by policies.Person, id, reason string, word ...EndWord) (RequestView, error) {
	return s.take(ctx, by, id, reason, word, taking{
		by: ToWithdraw, kind: EventWithdrawn, verb: "withdrew",
		may: func(c *change, q Request) error { return ownOnly(by, q, "withdraw") },
	})
}

// Drop ends the caller's own grant: they are done.
func (s *Service) Drop(ctx context.Context, by policies.Person, id, reason string, word ...EndWord) (RequestView, error) {
	return s.take(ctx, by, id, reason, word, taking{
		by: ToDrop, kind: EventGrantEnded, verb: "dropped",
		may: func(c *change, q Request) error { return ownOnly(by, q, "drop") },
	})
}

// Revoke ends somebody's grant. It needs no proof.
func (s *Service) Revoke(ctx context.Context, by policies.Person, id, reason string, word ...EndWord) (RequestView, error) {
	return s.take(ctx, by, id, reason, word, taking{
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
	// Word is the person's own, where they signed one.
	Word *EndWord `json:"word,omitempty"`
}

// EndWord is a person's own word that they end a request, signed with the login
// key of their sign-in. It is evidence of who did it; taking away never needs it.
type EndWord struct {
	Signed   evidence.SignedByKey `json:"signed"`
	LoginKey string               `json:"login_key"` // of the sign-in, authorized_keys form
}

// check refuses a word that is about anything else.
func (w EndWord) check(instance, request, change string, by policies.Subject, reason string) error {
	s, err := evidence.DecodeAs[*evidence.End](w.Signed.Statement)
	if err != nil {
		return invalid("evidence", "The end statement cannot be read: %v.", err).because(err)
	}
	if s.Instance != instance || s.Request != request || s.Change != change || s.Person != by || s.Reason != reason {
		return invalid("evidence", "The end statement is about something else than what was asked.")
	}
	key, err := evidence.ParseKey(w.LoginKey)
	if err != nil {
		return invalid("evidence", "This sign-in has no login key that could sign; leave the end statement out.").because(err)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(w.Signed.Signature)
	if err != nil || !ed25519.Verify(key, []byte(w.Signed.Statement), signature) {
		return invalid("evidence", "The end statement was not signed with the login key of this sign-in.")
	}
	return nil
}

// take makes a transition that takes away. It works with any clock and while
// the signer is away: the outbox carries the end to it.
func (s *Service) take(ctx context.Context, by policies.Person, id, reason string, words []EndWord, t taking) (RequestView, error) {
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
		data := takenData{Reason: reason, Ends: step.Reason}
		text := by.Name + " " + t.verb + " " + q.Requester.Name + "'s " + describe(q.Revision.Ask)
		if reason != "" {
			text += ": " + reason
		}
		text += "."
		var signed *evidence.SignedByKey
		for _, word := range words {
			if err := word.check(s.config.Instance, id, step.word(), by.Subject, reason); err != nil {
				return err
			}
			signed, data.Word = &word.Signed, &word
			text += " The login key of " + by.Name + "'s sign-in signed that."
		}
		return c.move(&q, movement{by: t.by, actor: by, kind: t.kind, text: text, data: data, signed: signed})
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
