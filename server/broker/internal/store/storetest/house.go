// Package storetest tests the store, and the flow on the store: one suite that
// runs on every database. A House is a small installation for such tests, with a
// signer that really verifies and passkeys that really sign.
package storetest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// Open opens a fresh, empty database for one test.
type Open func(t testing.TB) *store.Store

// House is an installation: the flow on a store, with a signer, a clock that
// stands still, and the people of evidencetest.World.
type House struct {
	*access.Service
	World    *evidencetest.World
	Store    *store.Store
	Signer   *Signer
	Fleet    *Fleet
	Facts    *Facts
	Clock    *Clock
	Notices  *Notices
	policy   *policies.Bundle
	policyMu sync.Mutex
}

// NewHouse makes one on an open store.
func NewHouse(t testing.TB, st *store.Store) *House {
	t.Helper()
	w := evidencetest.NewWorld(t)
	h := &House{World: w, Store: st, Fleet: &Fleet{}, Facts: &Facts{}, Clock: NewClock(w.Now), Notices: &Notices{}}
	challenger, err := evidence.NewChallenger(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.Signer = &Signer{t: t, trust: w.Trust, clock: h.Clock, ended: map[string]string{}, challenger: challenger}
	h.Signer.changed = h.usePolicy
	h.Signer.Withdraw(t)
	h.SetPolicy(t, evidencetest.Policy)
	h.Service = h.Another(t)
	return h
}

// Another is one more broker on the same store.
func (h *House) Another(t testing.TB) *access.Service {
	t.Helper()
	s, err := access.New(access.Config{
		Instance: evidencetest.Instance, Store: h.Store, Signer: h.Signer, Fleet: h.Fleet, Facts: h.Facts, Notifier: h.Notices, Clock: h.Clock,
		Random: rand.Reader, Policy: h.Policy, Lease: 15 * time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Running runs the service until stop is called.
func (h *House) Running(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// Policy is the bundle the house decides by.
func (h *House) Policy() *policies.Bundle {
	h.policyMu.Lock()
	defer h.policyMu.Unlock()
	return h.policy
}

// SetPolicy changes it.
func (h *House) SetPolicy(t testing.TB, text string) {
	t.Helper()
	bundle, err := policies.Parse(map[string]string{"policy.yaml": text})
	if err != nil {
		t.Fatal(err)
	}
	h.usePolicy(bundle)
}

func (h *House) usePolicy(bundle *policies.Bundle) {
	h.policyMu.Lock()
	defer h.policyMu.Unlock()
	h.policy = bundle
}

// Dave reviews, by the identity provider's word; he is in no roster.
func (h *House) Dave() policies.Person { return evidencetest.Person("dave", "security") }

// Ask is what Alice wants in these tests: two stages have to agree.
func Ask() policies.Ask {
	return policies.Ask{Role: "production-shell", Target: "web-1", Login: "app", Duration: time.Hour, Reason: "disk full"}
}

// Sign fetches the text for a member to sign, and signs it.
func (h *House) Sign(t testing.TB, m *evidencetest.Member, id string, d time.Duration) evidence.SignedByPasskey {
	t.Helper()
	challenge, err := h.Challenge(t.Context(), m.Person, id, d)
	if err != nil {
		t.Fatalf("challenge for %s: %v", m.Person.Name, err)
	}
	return evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: m.Passkey.Sign(t, challenge.Statement)}
}

// Pending asks as Alice.
func (h *House) Pending(t testing.TB) access.RequestView {
	t.Helper()
	v, err := h.Service.Ask(t.Context(), h.World.Alice, Ask())
	if err != nil {
		t.Fatalf("asking: %v", err)
	}
	return v
}

// Approved asks, and has Bob and Carol approve.
func (h *House) Approved(t testing.TB) access.RequestView {
	t.Helper()
	v := h.Pending(t)
	for _, m := range []*evidencetest.Member{h.World.Bob, h.World.Carol} {
		var err error
		if v, err = h.Approve(t.Context(), m.Person, v.ID, h.Sign(t, m, v.ID, 0)); err != nil {
			t.Fatalf("%s approving: %v", m.Person.Name, err)
		}
	}
	return v
}

// Activation is what Alice's command line sends for a request.
func (h *House) Activation(t testing.TB, v access.RequestView) (evidence.SignedByKey, evidence.LoginBinding) {
	t.Helper()
	statement, err := evidence.ActivationOf(v.Revision.Statement, evidencetest.NewKey(t).Public, h.Clock.Now().Truncate(time.Second), evidencetest.Nonce())
	if err != nil {
		t.Fatal(err)
	}
	claims := h.World.Issuer.Claims(h.World.Alice, h.World.Login.Nonce(t), h.Clock.Now())
	binding := h.World.Binding(t, func(c map[string]any) {
		for name, value := range claims {
			c[name] = value
		}
	})
	return evidence.SignWithKey(evidencetest.Text(t, statement), h.World.Login.Private), *binding
}

// Active asks, approves and activates.
func (h *House) Active(t testing.TB) (access.RequestView, access.Certificate) {
	t.Helper()
	v := h.Approved(t)
	activation, login := h.Activation(t, v)
	certificate, err := h.Activate(t.Context(), h.World.Alice, v.ID, activation, login, nil)
	if err != nil {
		t.Fatalf("activating: %v", err)
	}
	if v, err = h.Request(t.Context(), h.World.Alice, v.ID); err != nil {
		t.Fatal(err)
	}
	return v, certificate
}

// Start is what a proxy says of a connection under a certificate.
func Start(v access.RequestView, c access.Certificate, id string) access.SessionStart {
	activation, err := evidence.DecodeAs[*evidence.Activation](c.Bundle.Activation.Statement)
	if err != nil {
		panic(err) // it was activated by the house
	}
	return access.SessionStart{
		Session: id, Request: v.ID, Serial: c.Serial, SessionKey: activation.SessionKey, Login: v.Revision.Ask.Login, Target: v.Revision.Ask.Target,
		Proxy: "proxy-1", ClientAddress: "127.0.0.1:50000", ClientVersion: "SSH-2.0-OpenSSH_9.2",
	}
}
