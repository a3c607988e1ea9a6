package access

import (
	"context"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

const purposePresence = "presence"

// asksPresence is by when whose session it is must have said again that they are there;
// zero where nobody asks. The proxy keeps it, by what the signer told when the session was
// opened.
func (m moment) asksPresence(session Session) time.Time {
	role, ok := m.policy.Role(session.Role)
	if !ok || role.Session.Reauthenticate == 0 || !session.Live() || session.KillReason != "" {
		return time.Time{}
	}
	from := session.Started
	if session.Present.After(from) {
		from = session.Present
	}
	return from.Add(role.Session.Reauthenticate)
}

// PresenceChallenge makes the statement by which whose session it is says that they are
// there; for ChallengeLife and one attempt.
func (s *Service) PresenceChallenge(ctx context.Context, by policies.Person, id string) (SigningChallenge, error) {
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		q, with, err := c.presentable(c, by, id)
		if err != nil {
			return err
		}
		statement, err := evidence.PresenceOf(q.Revision.Statement, id, seconds(c.now), evidence.NewNonce(nonce))
		if err != nil {
			return err
		}
		text, err := evidence.Encode(statement)
		if err != nil {
			return err
		}
		challenge, err = c.handOut(purposePresence, id, by.Subject, text, with)
		return err
	})
	return challenge, err
}

// presentable reads the request by which a live session of the caller's own was opened,
// and with which of their passkeys they say that they are there.
func (m moment) presentable(r Reader, by policies.Person, id string) (Request, []string, error) {
	if err := m.mayGive(); err != nil {
		return Request{}, nil, err
	}
	session, q, err := m.seenSession(r, by, id)
	if err != nil {
		return q, nil, err
	}
	switch {
	case by.Subject != session.Person.Subject:
		return q, nil, fail(Forbidden, CodeForbidden, "This is %s's session; they alone say that they are there.", session.Person.Name)
	case !session.Live() || session.KillReason != "":
		return q, nil, fail(Conflict, CodeSessionEnded, "The session has ended already.")
	case m.asksPresence(session).IsZero():
		return q, nil, fail(Conflict, CodeNothingToConfirm, "There is nothing to confirm: the role does not ask whether you are there.")
	}
	role, _ := m.policy.Role(session.Role)
	with := m.confirmsWith(by.Subject, role.Passkey.Requester)
	if len(with) == 0 {
		return q, nil, fail(Forbidden, CodeNotPinned, "You have no passkey%s in the signer's roster to confirm with. Enrol one, then confirm.", ofStrength(role.Passkey.Requester))
	}
	return q, with, nil
}

// ConfirmPresence takes the signature over the text that PresenceChallenge handed out to
// the signer. The session's proxy hears of it with the next lease, and asks the signer.
func (s *Service) ConfirmPresence(ctx context.Context, by policies.Person, id string, signed evidence.SignedByPasskey) error {
	// 1. Exactly the text that was handed out, once.
	if err := s.takeChallenge(ctx, purposePresence, id, by.Subject, signed.Statement); err != nil {
		return err
	}
	statement, err := evidence.DecodeAs[*evidence.Presence](signed.Statement)
	if err != nil {
		return err // it was encoded by PresenceChallenge
	}
	// 2. The session still goes on, and a passkey of theirs signed.
	err = s.read(ctx, func(r Reader, m moment) error {
		q, _, err := m.presentable(r, by, id)
		if err != nil {
			return err
		}
		if statement.RequestDigest != q.Revision.Digest {
			return statementUnknown()
		}
		_, err = m.verifyPasskey(signed, by.Subject)
		return err
	})
	if err != nil {
		return err
	}
	// 3. The signer, outside any transaction: the proxy believes nobody else.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.Presence(calling, signed); err != nil {
		return err
	}
	// 4. Row and event.
	return s.writeDown(ctx, func(c *change) error {
		if err := c.Tx.NotePresence(id, statement.Issued); err != nil {
			return err
		}
		if err := c.notePasskey(signed.Assertion.Credential); err != nil {
			return err
		}
		_, err := c.record(AuditEvent{
			Kind: EventPresence, Actor: ActorOf(by), Request: statement.Request, Session: id,
			Text: by.Name + " confirmed with a passkey that they are there, in their session as " + statement.Login + " on " + statement.Target + ".",
		}, signed)
		return err
	})
}
