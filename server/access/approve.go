package access

import (
	"context"
	"errors"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// SigningChallenge is a text for a passkey to sign: the WebAuthn challenge is
// the SHA-256 of Statement.
type SigningChallenge struct {
	Statement    string
	Digest       string
	RelyingParty string
	Credentials  []string // that the person can sign it with
	Valid        time.Duration
	For          *policies.Person // on whose behalf they would approve; nil: in their own right
}

func (m moment) signingChallenge(statement string, credentials []string, valid time.Duration) SigningChallenge {
	return SigningChallenge{
		Statement: statement, Digest: evidence.Digest(statement),
		RelyingParty: m.trust.RelyingParty, Credentials: credentials, Valid: valid,
	}
}

// handOut remembers a text that somebody may sign, about something, for ChallengeLife and one attempt.
func (c *change) handOut(purpose, about string, to policies.Subject, text string, credentials []string) (SigningChallenge, error) {
	return c.signingChallenge(text, credentials, ChallengeLife), c.PutChallenge(Challenge{
		Purpose: purpose, About: about, Person: to, Statement: text, Expires: c.now.Add(ChallengeLife),
	})
}

const (
	purposeApproval = "approval"
	purposeLogin    = "login"
)

// Challenge makes the approval statement that this person may sign next for a
// request, for ChallengeLife and one attempt. duration may shorten what was
// asked; 0 leaves it.
func (s *Service) Challenge(ctx context.Context, by policies.Person, id string, duration time.Duration) (SigningChallenge, error) {
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	asserted, err := s.factsOf(ctx, by, id)
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		if err := c.mayGive(); err != nil {
			return err
		}
		q, err := c.visible(c, by, id)
		if err != nil {
			return err
		}
		if q = q.at(c.now); q.State != Pending {
			return q.stuck(ToApprove)
		}
		if duration == 0 {
			duration = q.Revision.Ask.Duration
		}
		if duration <= 0 || duration > q.Revision.Ask.Duration || duration%time.Second != 0 {
			return invalid("duration_seconds", "An approval may shorten what was asked for, %s, not lengthen it.", spell(q.Revision.Ask.Duration))
		}
		q.Asserted = asserted
		draft := Approval{Request: id, Revision: q.Revision.Number, Approver: c.roster(by.Subject).Person, Duration: duration, Issued: seconds(c.now)}
		with, err := c.drafted(q, by, &draft)
		if err != nil {
			return err
		}
		statement, err := evidence.ApprovalOf(q.Revision.Statement, draft.Approver, draft.For, duration, draft.Issued, evidence.NewNonce(nonce))
		if err != nil {
			return err
		}
		text, err := evidence.Encode(statement)
		if err != nil {
			return err
		}
		challenge, err = c.handOut(purposeApproval, id, by.Subject, text, with)
		challenge.For = draft.For
		return err
	})
	return challenge, err
}

// drafted picks by which right the person would approve, the own one first, and says
// with which passkeys; the error of the own right where none counts.
func (c *change) drafted(q Request, by policies.Person, draft *Approval) ([]string, error) {
	panel, err := c.panel(c, q, q.Decision)
	if err != nil {
		return nil, err
	}
	if err := panel.admits(by); err != nil {
		return nil, err
	}
	var first error
	for _, usable := range c.approvesBy(by, q) {
		usable = panel.best(by, usable)
		draft.For, draft.Signed.Assertion.Credential = usable.behalf, usable.passkeys[0].Credential
		_, err := panel.decide(*draft)
		if err == nil {
			return credentials(usable.passkeys, anyVoice), nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// Approve stores an approver's signature over the text that Challenge handed
// out. When it is the last one needed, the grant begins.
func (s *Service) Approve(ctx context.Context, by policies.Person, id string, signed evidence.SignedByPasskey) (RequestView, error) {
	// 1. Exactly the text that was handed out, once. It is used up before
	// anything about the answer is believed.
	if err := s.takeChallenge(ctx, purposeApproval, id, by.Subject, signed.Statement); err != nil {
		return RequestView{}, err
	}
	statement, err := evidence.DecodeAs[*evidence.Approval](signed.Statement)
	if err != nil {
		return RequestView{}, err // it was encoded by Challenge
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
		q, err := c.visible(c, by, id)
		if err != nil {
			return err
		}
		if present := q.at(c.now); present.State != Pending {
			return present.stuck(ToApprove)
		}
		if statement.Revision != q.Revision.Number || statement.RequestDigest != q.Revision.Digest || statement.Approver != by.Subject {
			return statementUnknown()
		}
		// 3. The signature, by a passkey that the signer's roster has for this person.
		passkey, err := c.verifyPasskey(signed, by.Subject)
		if err != nil {
			return err
		}
		a := Approval{
			Request: id, Revision: q.Revision.Number, Approver: c.roster(by.Subject).Person,
			Duration: statement.Ask.Duration, Issued: statement.Issued, Signed: signed, PasskeyName: passkey.Name,
		}
		if statement.For != (policies.Subject{}) {
			behalf, ok := c.delegator(statement.For, by.Subject, statement.Issued)
			if !ok {
				return statementUnknown()
			}
			a.For = &behalf
		}
		q.Asserted = asserted
		// 4. Policy, with this approval among the others.
		panel, err := c.panel(c, q, q.Decision)
		if err != nil {
			return err
		}
		if err := panel.admits(by); err != nil {
			return err
		}
		if q.Decision, err = panel.decide(a); err != nil {
			return err
		}
		// 5. The approval, and the grant if that was all that lacked.
		if err := c.addApproval(q, a); err != nil {
			return err
		}
		if granted(q.Decision) {
			return c.grant(&q, a.Approver, "All approvals are given")
		}
		c.retell(&q)
		return c.lost(q, ToApprove, c.MoveRequest(q, Pending)) // the decision, for lists
	})
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

func (c *change) addApproval(q Request, a Approval) error {
	if err := c.AddApproval(a); errors.Is(err, ErrRowExists) {
		return fail(Conflict, CodeAlreadyApproved, "You have approved this already; it waits for somebody else.")
	} else if err != nil {
		return err
	}
	if err := c.notePasskey(a.Signed.Assertion.Credential); err != nil {
		return err
	}
	who := a.Approver.Name
	if a.For != nil {
		who += ", on behalf of " + a.For.Name + ","
	}
	text := who + " approved " + describe(q.Revision.Ask) + " for " + q.Requester.Name
	if a.Duration < q.Revision.Ask.Duration {
		text += ", shortened to " + spell(a.Duration)
	}
	_, err := c.record(AuditEvent{Kind: EventApprovalGiven, Actor: ActorOf(a.Approver), Request: q.ID, Text: text + "."}, a.Signed)
	return err
}

// takeChallenge uses up a text that was handed out for the person to sign, in a
// transaction of its own: an attempt that fails has used it too.
func (s *Service) takeChallenge(ctx context.Context, purpose, about string, person policies.Subject, statement string) error {
	var taken Challenge
	var now time.Time
	err := s.write(ctx, func(c *change) (err error) {
		now = c.now
		taken, err = c.TakeChallenge(purpose, about, person, statement)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return statementUnknown()
	}
	if err != nil {
		return err
	}
	if taken.Statement != statement || !now.Before(taken.Expires) {
		return statementUnknown()
	}
	return nil
}

func statementUnknown() *Error {
	return fail(Conflict, CodeStatementUnknown,
		"This text was not handed out for you to sign, or it was used already or is too old. Read the request again and sign the new text.")
}

// verifyPasskey checks the signature by a pinned passkey of that person.
func (m moment) verifyPasskey(signed evidence.SignedByPasskey, of policies.Subject) (evidence.Passkey, error) {
	passkey, ok := m.active(m.roster(of), signed.Assertion.Credential)
	if !ok {
		return evidence.Passkey{}, fail(Forbidden, CodeNotPinned,
			"This passkey is not in the signer's roster for you. Use one that is, or have it enrolled.")
	}
	if err := evidence.VerifyAssertion(signed.Assertion, signed.Statement, passkey, m.trust.Trust); err != nil {
		return evidence.Passkey{}, fail(Forbidden, CodeAssertion,
			"The passkey's signature does not fit the text. Try again; if it happens again, tell an administrator.").because(err)
	}
	return passkey, nil
}

// notePasskey notes when a passkey was last used, if it was registered here.
func (c *change) notePasskey(credential string) error {
	if err := c.Tx.PasskeyUsed(credential, c.now); err != nil && err != ErrNoRow {
		return err
	}
	return nil
}
