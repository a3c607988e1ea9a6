package access

import (
	"context"

	"stint/policies"
	"stint/server/evidence"
)

const purposeConfirmation = "confirmation"

// AskChallenge makes the statement by which a requester confirms, with a passkey of
// theirs, what they ask for; for ChallengeLife and one attempt.
func (s *Service) AskChallenge(ctx context.Context, by policies.Person, id string) (SigningChallenge, error) {
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		if err := c.mayGive(); err != nil {
			return err
		}
		q, err := c.confirmable(by, id)
		if err != nil {
			return err
		}
		decision, _, err := c.evaluate(c, q)
		if err != nil {
			return err
		}
		switch {
		case decision.Outcome == policies.Refused:
			return refusal(decision)
		case decision.Confirm == "":
			return fail(Conflict, CodeNothingToConfirm, "There is nothing to confirm: %s does not ask for it, or you have confirmed already.", q.Revision.Ask.Role)
		}
		with := c.confirmsWith(by.Subject, decision.Confirm)
		if len(with) == 0 {
			return fail(Forbidden, CodeNotPinned, "You have no passkey%s in the signer's roster to confirm with. Enrol one, then confirm.", ofStrength(decision.Confirm))
		}
		statement, err := evidence.ConfirmationOf(q.Revision.Statement, seconds(c.now), evidence.NewNonce(nonce))
		if err != nil {
			return err
		}
		text, err := evidence.Encode(statement)
		if err != nil {
			return err
		}
		challenge, err = c.handOut(purposeConfirmation, id, by.Subject, text, with)
		return err
	})
	return challenge, err
}

func ofStrength(strength string) string {
	if strength == policies.PasskeyAttested {
		return " of a make that the organization lists"
	}
	return ""
}

// confirmsWith lists a person's passkeys of at least such a strength.
func (m moment) confirmsWith(of policies.Subject, strength string) []string {
	return credentials(m.passkeysOf(of), func(v voice) bool { return strength != policies.PasskeyAttested || v.Attested != "" })
}

// confirmable reads a request of the caller's own that is pending or a grant not used
// yet: what they confirmed may be stale when they come to use it.
func (c *change) confirmable(by policies.Person, id string) (Request, error) {
	q, err := c.visible(c, by, id)
	if err != nil {
		return q, err
	}
	if err := ownOnly(by, q, "confirm"); err != nil {
		return q, err
	}
	if present := q.at(c.now); present.State != Pending && present.State != Approved {
		return q, present.stuck(ToApprove)
	}
	return q, nil
}

// ConfirmAsk stores a requester's signature over the text that AskChallenge handed out.
// Where that was all that lacked, the grant begins.
func (s *Service) ConfirmAsk(ctx context.Context, by policies.Person, id string, signed evidence.SignedByPasskey) (RequestView, error) {
	// 1. Exactly the text that was handed out, once.
	if err := s.takeChallenge(ctx, purposeConfirmation, id, by.Subject, signed.Statement); err != nil {
		return RequestView{}, err
	}
	statement, err := evidence.DecodeAs[*evidence.Confirmation](signed.Statement)
	if err != nil {
		return RequestView{}, err // it was encoded by AskChallenge
	}
	asserted, err := s.factsOf(ctx, by, id)
	if err != nil {
		return RequestView{}, err
	}
	err = s.write(ctx, func(c *change) error {
		// 2. The request, as it is now.
		if err := c.mayGive(); err != nil {
			return err
		}
		q, err := c.confirmable(by, id)
		if err != nil {
			return err
		}
		if statement.Revision != q.Revision.Number || statement.RequestDigest != q.Revision.Digest {
			return statementUnknown()
		}
		// 3. The signature, by a passkey that the signer's roster has for the requester.
		passkey, err := c.verifyPasskey(signed, by.Subject)
		if err != nil {
			return err
		}
		q.Confirmation = &AskConfirmation{Revision: q.Revision.Number, Issued: statement.Issued, Signed: signed, PasskeyName: passkey.Name}
		if err := c.notePasskey(signed.Assertion.Credential); err != nil {
			return err
		}
		// 4. Policy, with this word.
		q.Asserted = asserted
		if q.Decision, _, err = c.evaluate(c, q); err != nil {
			return err
		}
		if q.Decision.Outcome == policies.Refused {
			return refusal(q.Decision)
		}
		// 5. The event, and the grant if that was all that lacked.
		if _, err := c.record(AuditEvent{
			Kind: EventConfirmed, Actor: ActorOf(by), Request: q.ID, Text: by.Name + " confirmed with a passkey that they ask for " + describe(q.Revision.Ask) + ".",
		}, signed); err != nil {
			return err
		}
		if q.State == Pending && granted(q.Decision) {
			return c.grant(&q, by, "Nothing is missing any more")
		}
		return c.lost(q, ToApprove, c.MoveRequest(q, q.State))
	})
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

// granted says whether every rule is satisfied, now or from a later time on.
func granted(d policies.Decision) bool {
	return d.Outcome == policies.Allowed || d.Outcome == policies.Scheduled
}
