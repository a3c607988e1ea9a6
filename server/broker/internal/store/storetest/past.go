package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

// past is what the signer's ledger tells of people's doings.
type past struct {
	grants []*usedGrant // in the order of their first use
}

// usedGrant is a grant under which a certificate was issued.
type usedGrant struct {
	asked      evidence.Request
	digest     string
	requester  policies.Person
	used, ends time.Time
	ended      time.Time // early; zero: not
	agreed     []policies.Subject
	reviewed   *evidence.SignedByPasskey // nil: by nobody
}

func (g *usedGrant) over() time.Time {
	if !g.ended.IsZero() && g.ended.Before(g.ends) {
		return g.ended
	}
	return g.ends
}

func (p *past) of(request string) *usedGrant {
	i := slices.IndexFunc(p.grants, func(g *usedGrant) bool { return g.asked.Request == request })
	if i < 0 {
		return nil
	}
	return p.grants[i]
}

// circumstances are what a decision depends on beside its bundle, as the signer process
// takes it from its ledger.
func (s *Signer) circumstances(policy *policies.Bundle, requester policies.Person, request evidence.Request, asserted []policies.Assertion) evidence.Circumstances {
	now := s.clock.Now()
	c := evidence.Circumstances{Now: now, Asserted: asserted}
	known, needs := s.trust.Roster.Known(now), policy.Needs(request.Ask.Role)
	own := policy.Identities(requester, known)
	isOwn := func(p policies.Person) bool {
		return slices.ContainsFunc(own, func(q policies.Person) bool { return policy.SamePerson(p, q) })
	}
	for _, g := range s.past.grants {
		if g.asked.Request == request.Request {
			c.Used = g.used
			continue
		}
		role := g.asked.Ask.Role
		if isOwn(g.requester) {
			if now.Before(g.over()) {
				c.Held = append(c.Held, policies.Held{Request: g.asked.Request, Role: role})
			}
			if back, matters := needs.Grants[role]; matters && request.Issued.Sub(g.over()) < back {
				c.History.Grants = append(c.History.Grants, policies.PastGrant{Request: g.asked.Request, Role: role, Begun: g.used, Ended: g.over()})
			}
		}
		if needs.Agreed > 0 && request.Issued.Sub(g.used) < needs.Agreed && slices.ContainsFunc(own, func(p policies.Person) bool { return slices.Contains(g.agreed, p.Subject) }) {
			c.History.Agreed = append(c.History.Agreed, policies.PastApproval{Request: g.asked.Request, Requester: g.asked.Requester, At: g.used})
		}
		if g.asked.Ask.BreakGlass && g.reviewed == nil && role == request.Ask.Role {
			c.History.Reviews = append(c.History.Reviews, policies.OpenReview{Request: g.asked.Request, Begun: g.used})
		}
	}
	slices.SortFunc(c.Held, func(a, b policies.Held) int { return strings.Compare(a.Request, b.Request) })
	return c
}

// use records an issue.
func (s *Signer) use(b evidence.Bundle, v evidence.Verified) (*usedGrant, error) {
	g := s.past.of(v.Request().Request)
	if g == nil {
		g = &usedGrant{asked: v.Request(), digest: v.RequestDigest(), requester: v.Requester(), used: s.clock.Now()}
		for _, signed := range b.Approvals {
			a, err := evidence.DecodeAs[*evidence.Approval](signed.Statement)
			if err != nil {
				return nil, err
			}
			g.agreed = append(g.agreed, a.Approver, a.For)
		}
		s.past.grants = append(s.past.grants, g)
	}
	g.ends = v.Ends()
	return g, nil
}

// SignSession verifies and counts serials.
func (s *Signer) SignSession(ctx context.Context, b evidence.Bundle, asserted []policies.Assertion) (access.SignedCertificate, error) {
	if s.Before != nil {
		s.Before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return access.SignedCertificate{}, s.down
	}
	refused := func(err error) (access.SignedCertificate, error) {
		return access.SignedCertificate{}, &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: err.Error()}
	}
	request, err := evidence.DecodeAs[*evidence.Request](b.Request)
	if err != nil {
		return refused(err)
	}
	requester, err := evidence.VerifyLogin(*b.Login, s.trust, s.clock.Now())
	if err != nil {
		return refused(err)
	}
	policy, err := s.trust.Bundle(s.clock.Now())
	if err != nil {
		return refused(err)
	}
	v, err := evidence.Verify(b, s.trust, s.circumstances(policy, requester, *request, asserted))
	if err != nil {
		return refused(err)
	}
	if _, ended := s.ended[v.Request().Request]; ended {
		return access.SignedCertificate{}, &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: "ended"}
	}
	g, err := s.use(b, v)
	if err != nil {
		return refused(err)
	}
	if err := ctx.Err(); err != nil {
		return access.SignedCertificate{}, err // it is in the ledger, and nobody hears of it
	}
	signed, err := s.certify(v.Request().Request, v.Principal(), v.SessionKey(), v.Ends())
	signed.Used = g.used
	return signed, err
}

// Delegate verifies, and takes.
func (s *Signer) Delegate(_ context.Context, signed evidence.SignedByPasskey) error {
	return s.judge(func() error {
		v, err := evidence.VerifyDelegation(signed, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		d := v.Delegation()
		s.trust.Delegations = append(slices.Clone(s.trust.Delegations), evidence.GivenDelegation{
			Digest: evidence.Digest(signed.Statement), Delegator: d.Delegator, Credential: signed.Assertion.Credential, Delegate: d.Delegate, Groups: d.Groups, Begins: d.Begins, Ends: d.Ends,
		})
		return nil
	})
}

// EndDelegation ends.
func (s *Signer) EndDelegation(_ context.Context, digest string, _ policies.Subject) error {
	return s.judge(func() error {
		now := s.clock.Now()
		s.trust.Delegations = slices.Clone(s.trust.Delegations)
		for i := range s.trust.Delegations {
			if d := &s.trust.Delegations[i]; d.Digest == digest && d.Revoked == nil {
				d.Revoked = &now
			}
		}
		return nil
	})
}

// Presence verifies.
func (s *Signer) Presence(_ context.Context, signed evidence.SignedByPasskey) error {
	return s.judge(func() error {
		statement, err := evidence.DecodeAs[*evidence.Presence](signed.Statement)
		if err != nil {
			return err
		}
		g := s.past.of(statement.Request)
		if g == nil {
			return errors.New("nothing was activated under this request")
		}
		text, err := evidence.Encode(&g.asked)
		if err != nil {
			return err
		}
		_, err = evidence.VerifyPresence(signed, text, s.trust, s.clock.Now())
		return err
	})
}

// Review verifies, and closes; of two the first did.
func (s *Signer) Review(_ context.Context, signed evidence.SignedByPasskey) (taken evidence.SignedByPasskey, err error) {
	err = s.judge(func() error {
		statement, err := evidence.DecodeAs[*evidence.Review](signed.Statement)
		if err != nil {
			return err
		}
		g := s.past.of(statement.Request)
		if g == nil {
			return errors.New("nobody acted alone under this request")
		}
		if g.reviewed == nil {
			of := evidence.Emergency{Request: statement.Request, Digest: g.digest, Role: g.asked.Ask.Role, Requester: g.requester, Begun: g.used, Ends: g.ends, Ended: g.ended}
			if _, err := evidence.VerifyReview(signed, of, s.trust, s.clock.Now()); err != nil {
				return err
			}
			g.reviewed = &signed
		}
		taken = *g.reviewed
		return nil
	})
	return taken, err
}
