package access

import (
	"context"
	"slices"

	"stint/policies"
	"stint/server/evidence"
)

// EnrolmentChallenge gives the statement to the passkey that is to allow it: an
// administrator's, or an earlier one of the same person. The text is the
// enrolment's own, so that everybody signs the same.
func (s *Service) EnrolmentChallenge(ctx context.Context, by policies.Person, id string) (SigningChallenge, error) {
	var challenge SigningChallenge
	err := s.read(ctx, func(r Reader, m moment) error {
		view, err := m.seenEnrolment(r, by, id)
		if err != nil {
			return err
		}
		if view.State != NeedsAuthority {
			return wrongStep(view)
		}
		with := m.administratorsPasskeys(by.Subject)
		if by.Subject == view.Person.Subject {
			if with = m.earlierPasskeys(view.Enrolment); !slices.Contains(view.May, "authorise") {
				return fail(Forbidden, CodeForbidden, "You have no passkey that could allow this; administrators have to.")
			}
		} else if err := m.maySign(by, view.Gathered, view.Person); err != nil {
			return err
		}
		challenge = m.signingChallenge(view.Statement, with, view.Expires.Sub(m.now))
		return nil
	})
	return challenge, err
}

// AuthoriseEnrolment takes an authority's yes: an administrator's signature is
// kept until the quorum has signed, anything else goes to the signer at once.
func (s *Service) AuthoriseEnrolment(ctx context.Context, by policies.Person, id string, authority EnrolmentAuthority) (EnrolmentView, error) {
	view, err := s.Enrolment(ctx, by, id)
	if err != nil {
		return EnrolmentView{}, err
	}
	if authority.Passkey != nil && by.Subject != view.Person.Subject && view.State != EnrolmentPinned {
		if view, err = s.signEnrolment(ctx, by, id, *authority.Passkey); err != nil || view.Missing() > 0 {
			return view, err
		}
		return s.SendEnrolment(ctx, by, id)
	}
	return s.pin(ctx, by, view, evidence.EnrolmentEvidence{Own: authority.Passkey, Login: authority.Login})
}

// signEnrolment keeps one administrator's signature.
func (s *Service) signEnrolment(ctx context.Context, by policies.Person, id string, assertion evidence.Assertion) (EnrolmentView, error) {
	var view EnrolmentView
	err := s.write(ctx, func(c *change) (err error) {
		if err := c.needSigner(); err != nil {
			return err
		}
		if view, err = c.seenEnrolment(c, by, id); err != nil {
			return err
		}
		if view.State != NeedsAuthority {
			return wrongStep(view)
		}
		if err := c.maySign(by, view.Gathered, view.Person); err != nil {
			return err
		}
		if err := c.sign(by, id, view.Statement, assertion); err != nil {
			return err
		}
		if _, err := c.record(AuditEvent{
			Kind: EventEnrolmentSigned, Actor: ActorOf(by),
			Text: by.Name + " signed the enrolment of the passkey " + view.Passkey + " of " + view.Person.Name + ".",
		}, enrolmentData{ID: id, Credential: view.Credential, Signed: &assertion}); err != nil {
			return err
		}
		view, err = c.viewEnrolment(c, by, view.Enrolment)
		return err
	})
	return view, err
}

// SendEnrolment takes an enrolment that the quorum has signed to the signer.
// Doing so again is harmless.
func (s *Service) SendEnrolment(ctx context.Context, by policies.Person, id string) (EnrolmentView, error) {
	view, err := s.Enrolment(ctx, by, id)
	if err != nil {
		return EnrolmentView{}, err
	}
	if missing := view.Missing(); view.State == NeedsAuthority && missing > 0 {
		return EnrolmentView{}, fail(Conflict, CodeEnrolmentState, "%d more of the administrators have to sign.", missing)
	}
	return s.pin(ctx, by, view, evidence.EnrolmentEvidence{Administrators: view.assertions()})
}

// pin has the signer judge an enrolment, with the authority that is set in proof.
func (s *Service) pin(ctx context.Context, by policies.Person, view EnrolmentView, proof evidence.EnrolmentEvidence) (EnrolmentView, error) {
	id := view.ID
	// 1. It waits for this.
	if view.State != NeedsAuthority && view.State != EnrolmentPinned {
		return EnrolmentView{}, wrongStep(view)
	}
	// 2. The signer checks everything, unless it has the passkey already and only
	// our note of it was lost.
	if view.State == NeedsAuthority {
		calling, cancel := heldOpen(ctx)
		defer cancel()
		proof.Statement, proof.Possession, proof.Attestation = view.Statement, *view.Possession, view.Attestation
		if err := s.config.Signer.Enrol(calling, proof); err != nil {
			return EnrolmentView{}, err
		}
	}
	// 3. Written down.
	err := s.writeDown(ctx, func(c *change) error {
		e, err := c.Tx.Enrolment(id)
		if err != nil {
			return err
		}
		if !e.open() { // another call was faster
			view, err = c.viewEnrolment(c, by, e)
			return err
		}
		from := e.State
		e.State = EnrolmentPinned
		if err := c.MoveEnrolment(e, from); err != nil {
			return err
		}
		if view, err = c.viewEnrolment(c, by, e); err != nil {
			return err
		}
		if proof.Own != nil {
			if err := c.notePasskey(proof.Own.Credential); err != nil {
				return err
			}
		}
		_, err = c.record(AuditEvent{
			Kind: EventEnrolmentPinned, Actor: ActorOf(by),
			Text: "The passkey " + e.Passkey + " of " + e.Person.Name + " is in the signer's roster.",
		}, enrolmentData{ID: id, Credential: e.Credential})
		return err
	})
	if err != nil || view.State != EnrolmentRejected {
		return view, err
	}
	// 4. It was rejected while the signer worked: the rejection stands.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.RemovePasskey(calling, view.Credential, by.Subject); err != nil {
		return EnrolmentView{}, err
	}
	return EnrolmentView{}, wrongStep(view)
}
