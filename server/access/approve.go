package access

import (
	"context"
	"errors"
	"slices"
	"strings"
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
	var first error
	for _, usable := range append(c.approvesBy(by, q), right{}) {
		usable = panel.best(by, usable)
		draft.For, draft.Signed.Assertion.Credential = usable.behalf, ""
		if len(usable.credentials) > 0 {
			draft.Signed.Assertion.Credential = usable.credentials[0]
		} else if first != nil {
			break // there was a right, and it does not count
		}
		_, err := c.tryApproval(q, by, *draft)
		if err == nil {
			return usable.credentials, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// tryApproval decides with one more approval, and refuses one that would not count.
func (c *change) tryApproval(q Request, by policies.Person, a Approval) (policies.Decision, error) {
	if by.Subject == q.Requester.Subject {
		return policies.Decision{}, fail(Forbidden, CodeForbidden, "You asked for this yourself; somebody else has to approve it.")
	}
	if !c.mayApprove(by, q) {
		return policies.Decision{}, fail(Forbidden, CodeForbidden,
			"You cannot approve this: no stage of %s asks for a group for which the signer's roster has a passkey of yours.", q.Revision.Ask.Role)
	}
	given, err := c.Approvals(q.ID, q.Revision.Number)
	if err != nil {
		return policies.Decision{}, err
	}
	if slices.ContainsFunc(given, func(g Approval) bool { return g.Approver.Subject == by.Subject }) {
		return policies.Decision{}, fail(Conflict, CodeAlreadyApproved, "You have approved this already; it waits for somebody else.")
	}
	facts, err := c.facts(c, q, append(given, a))
	if err != nil {
		return policies.Decision{}, err
	}
	decision := c.policy.Decide(facts)
	switch {
	case decision.Outcome == policies.Refused:
		return policies.Decision{}, refusal(decision)
	case counts(decision, by.Subject):
		return decision, nil
	}
	if counting, ok := c.approval(a); ok {
		if why := c.policy.Approvers(facts).Dismissal(counting); why != nil {
			return policies.Decision{}, notCounted(*why)
		}
	}
	for _, stage := range decision.Stages {
		if len(stage.After) > 0 && sharesGroup(speakers(c.approvesBy(by, q)), stage.Groups) {
			return policies.Decision{}, fail(Conflict, CodeNotCounted,
				"Your approval would not count yet: the stage %s waits until %s is done.", stage.Name, strings.Join(stage.After, ", "))
		}
	}
	// What the decision with it says that the one without it does not.
	before, err := c.facts(c, q, given)
	if err != nil {
		return policies.Decision{}, err
	}
	without := c.policy.Decide(before).Reasons
	for _, reason := range decision.Reasons {
		if !reason.Met && (reason.Rule == "approval" || strings.HasPrefix(reason.Rule, "independence:")) && !slices.Contains(without, reason) {
			return policies.Decision{}, notCounted(reason)
		}
	}
	return policies.Decision{}, fail(Conflict, CodeNotCounted,
		"Your approval would not count: what you could agree to is agreed to already. It waits for somebody else.")
}

func speakers(rights []right) (people []policies.Person) {
	for _, r := range rights {
		people = append(people, r.speaking...)
	}
	return people
}

// notCounted refuses an approval that policy would not count, with its reason.
func notCounted(why policies.Reason) *Error {
	text := "Your approval would not count: " + why.Text
	if why.Remedy != "" {
		text += " " + why.Remedy
	}
	return fail(Conflict, CodeNotCounted, "%s", text)
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
		if q.Decision, err = c.tryApproval(q, by, a); err != nil {
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
