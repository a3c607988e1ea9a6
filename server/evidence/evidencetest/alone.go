package evidencetest

import (
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Delegation lets a member approve on another's behalf, from a minute ago, when it was
// made, for a day.
func (w *World) Delegation(from, to *Member, groups ...string) *evidence.Delegation {
	return &evidence.Delegation{
		Instance: w.Trust.Instance, Delegator: from.Person.Subject, DelegatorName: from.Person.Name,
		Delegate: to.Person.Subject, DelegateName: to.Person.Name, Groups: groups,
		Issued: w.Now.Add(-time.Minute), Begins: w.Now.Add(-time.Minute), Ends: w.Now.Add(24 * time.Hour), Nonce: Nonce(),
	}
}

// Given puts a delegation into the world's trust, and returns it for a test to alter.
func (w *World) Given(from, to *Member, groups ...string) *evidence.GivenDelegation {
	w.Trust.Delegations = append(w.Trust.Delegations, evidence.GivenDelegation{
		Digest: evidence.Digest(Nonce()), Delegator: from.Person.Subject, Credential: from.Passkey.Credential, Delegate: to.Person.Subject, Groups: groups,
		Begins: w.Now.Add(-time.Hour), Ends: w.Now.Add(time.Hour),
	})
	return &w.Trust.Delegations[len(w.Trust.Delegations)-1]
}

// ApprovalFor is a member's approval on another's behalf.
func (w *World) ApprovalFor(t testing.TB, by, behalf *Member) *evidence.Approval {
	t.Helper()
	a := w.Approval(t, by)
	a.For, a.ForName = behalf.Person.Subject, behalf.Person.Name
	return a
}

// Confirmed is the confirmation of the world's request, given four minutes ago.
func (w *World) Confirmed(t testing.TB) *evidence.Confirmation {
	t.Helper()
	c, err := evidence.ConfirmationOf(w.RequestText(t), w.Now.Add(-4*time.Minute), Nonce())
	check(t, err)
	return c
}

// Emergency is the world's request as somebody used it alone two minutes ago, for one.
func (w *World) Emergency(t testing.TB) evidence.Emergency {
	return evidence.Emergency{
		Request: w.Request.Request, Digest: evidence.Digest(w.RequestText(t)), Role: w.Request.Ask.Role, Requester: w.Alice, Begun: w.Now.Add(-2 * time.Minute),
		Ends: w.Now.Add(-time.Minute),
	}
}

// Presence is the requester's word that they are there, for a session under the world's
// request.
func (w *World) Presence(t testing.TB, session string) *evidence.Presence {
	t.Helper()
	p, err := evidence.PresenceOf(w.RequestText(t), session, w.Now, Nonce())
	check(t, err)
	return p
}

// Review is a member's review of the world's request.
func (w *World) Review(t testing.TB, m *Member) *evidence.Review {
	t.Helper()
	r, err := evidence.ReviewOf(w.RequestText(t), policies.Person{Subject: m.Person.Subject, Name: m.Person.Name}, "as they said", w.Now, Nonce())
	check(t, err)
	return r
}
