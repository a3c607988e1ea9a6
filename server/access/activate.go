package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Activate asks the signer for a certificate under the caller's own grant. The
// activation is signed by the login key, which the broker does not hold, and by the
// key of the device that it names, if it names one.
func (s *Service) Activate(ctx context.Context, by policies.Person, id string, activation evidence.SignedByKey, login evidence.LoginBinding, device *evidence.DeviceProof) (Certificate, error) {
	// 1. The grant is live, and policy still says yes.
	var q Request
	var bundle evidence.Bundle
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		if q, err = m.visible(r, by, id); err != nil {
			return err
		}
		return ownOnly(by, q, "activate")
	})
	if err != nil {
		return Certificate{}, err
	}
	q.Asserted = s.askFacts(ctx, q.Requester, q.Revision.Ask)
	err = s.read(ctx, func(r Reader, m moment) error {
		now, err := r.Request(id)
		if err != nil {
			return err
		}
		now.Asserted = q.Asserted
		q = now
		bundle, err = m.bundleFor(r, q)
		return err
	})
	if err != nil {
		return Certificate{}, err
	}
	// 2. The activation is for this request. Everything else in it is the
	// signer's to check, and it is the one who does not trust us.
	statement, err := evidence.DecodeAs[*evidence.Activation](activation.Statement)
	if err != nil {
		return Certificate{}, invalid("statement", "This is not an activation statement; update the command line.").because(err)
	}
	if statement.Request != id || statement.RequestDigest != q.Revision.Digest {
		return Certificate{}, fail(Conflict, CodeActivation, "The activation is for another request, or for an earlier revision of it. Activate again.")
	}
	bundle.Activation, bundle.Login, bundle.Device = &activation, &login, device
	// 3. Fleet's word of the device, where the role asks for it: the signer does not.
	if err := s.heedFleet(ctx, by.Subject, q.Revision.Ask.Role, statement.Device); err != nil {
		return Certificate{}, err
	}
	// 4. The signer, outside any transaction.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	signed, err := s.config.Signer.SignSession(calling, bundle, q.Asserted)
	if err != nil {
		return Certificate{}, err
	}
	// 5. Written down whatever happened meanwhile: every certificate has its
	// grant here, or it will look like a forgery. It is handed out only if the grant
	// still stands.
	return s.storeCertificate(ctx, by, q, bundle, signed)
}

// bundleFor is the evidence that the broker holds for a live grant.
func (m moment) bundleFor(r Reader, q Request) (evidence.Bundle, error) {
	if present := q.at(m.now); !present.State.Live() {
		return evidence.Bundle{}, present.stuck(ToActivate)
	}
	if err := m.mayGive(); err != nil {
		return evidence.Bundle{}, err
	}
	decision, approvals, err := m.evaluate(r, q)
	if err != nil {
		return evidence.Bundle{}, err
	}
	if err := stillAllowed(q, decision); err != nil {
		return evidence.Bundle{}, err
	}
	return evidenceOf(q, approvals), nil
}

// stillAllowed refuses a grant that policy would not give any more, or not yet.
func stillAllowed(q Request, d policies.Decision) error {
	switch {
	case d.Outcome == policies.Allowed:
		return nil
	case d.Outcome == policies.Scheduled:
		return fail(Conflict, CodeScheduled, "%s is scheduled: it begins at %s, and nothing may be used before.", q.ID, date(d.Begins))
	case d.Outcome == policies.NeedsApproval && d.Confirm != "" && !slices.ContainsFunc(d.Stages, func(stage policies.StageResult) bool { return len(stage.Given) < stage.Count }):
		return fail(Conflict, CodeConfirmFirst, "Confirm %s with your passkey%s first, in the portal: what you confirmed is too old, or does not count any more.", q.ID, ofStrength(d.Confirm))
	}
	refused := refusal(d)
	refused.Message = "Policy no longer allows this grant: " + refused.Message
	return refused
}

// evidenceOf gathers a request's statement and the approvals that count.
func evidenceOf(q Request, approvals []CountedApproval) evidence.Bundle {
	b := evidence.Bundle{Version: 1, Request: q.Revision.Statement, Approvals: []evidence.SignedByPasskey{}}
	for _, a := range approvals {
		if a.Counts {
			b.Approvals = append(b.Approvals, a.Signed)
		}
	}
	if c := q.Confirmation; c != nil && c.Revision == q.Revision.Number {
		b.Confirmation = &c.Signed
	}
	return b
}

type certificateData struct {
	Serial    string    `json:"serial"` // decimal
	Principal string    `json:"principal"`
	Ends      time.Time `json:"ends"`
	Ledger    int64     `json:"ledger_index"`       // leaf of the signer's ledger
	Reissues  string    `json:"reissues,omitempty"` // serial of the one in whose place it was issued
}

func (s *Service) storeCertificate(ctx context.Context, by policies.Person, asked Request, bundle evidence.Bundle, signed SignedCertificate) (Certificate, error) {
	var stored Certificate
	var stood error
	err := s.writeDown(ctx, func(c *change) error {
		q, err := c.Request(asked.ID)
		if err != nil {
			return err
		}
		stood = nil
		if present := q.at(c.now); !present.State.Live() || q.Revision.Number != asked.Revision.Number {
			stood = fail(Conflict, CodeCertificateHeld, "%s", present.standing())
		}
		stored = Certificate{
			Serial: signed.Serial, Request: q.ID, Principal: q.Revision.Ask.Login + "@" + q.Revision.Ask.Target,
			Certificate: signed.Certificate, Issued: c.now, Ends: signed.Ends,
			Bundle: bundle, Proof: signed.Proof, Withheld: stood != nil,
		}
		if err := c.AddCertificate(stored); err != nil {
			return err
		}
		if err := c.learnOf(bundle.Device); err != nil {
			return err
		}
		q.Asserted = asked.Asserted
		if err := c.use(&q, FirstUse{Used: signed.Used, Ends: signed.Ends, Bundle: bundle}); err != nil {
			return err
		}
		data := certificateData{
			Serial: fmt.Sprint(signed.Serial), Principal: stored.Principal, Ends: signed.Ends, Ledger: signed.Proof.Inclusion.Index,
		}
		if stood != nil {
			if _, err := c.record(AuditEvent{
				Kind: EventCertificateHeld, Actor: ActorOf(by), Request: q.ID,
				Text: "A certificate for " + stored.Principal + " was issued, but the grant had ended; nobody got it.",
			}, data); err != nil {
				return err
			}
			c.retell(&q)
			return c.MoveRequest(q, q.State)
		}
		if err := c.move(&q, movement{
			by: ToActivate, actor: by, kind: EventCertificateIssued,
			text: by.Name + " got a certificate for " + stored.Principal + " until " + clock(signed.Ends) + ".", data: data,
		}); err != nil {
			return err
		}
		return c.offerExtension(q)
	})
	if err != nil {
		return Certificate{}, err
	}
	if stood != nil {
		return Certificate{}, stood
	}
	return stored, nil
}

// approversIn are those who approved in a bundle, and those on whose behalf they did. What
// cannot be read, in the signer's ledger, is nobody's approval.
func approversIn(b evidence.Bundle) []policies.Subject {
	var who []policies.Subject
	for _, signed := range b.Approvals {
		a, err := evidence.DecodeAs[*evidence.Approval](signed.Statement)
		if err != nil {
			continue
		}
		if who = append(who, a.Approver); a.For != (policies.Subject{}) {
			who = append(who, a.For)
		}
	}
	return who
}
