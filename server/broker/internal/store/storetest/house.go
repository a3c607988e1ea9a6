// Package storetest tests the store, and the flow on the store: one suite that
// runs on every database. A House is a small installation for such tests, with a
// signer that really verifies and passkeys that really sign.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
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

// Signer verifies as the signer process does, and keeps endings. Its ledger is no real
// one.
type Signer struct {
	t     testing.TB
	mu    sync.Mutex
	trust evidence.Trust
	clock access.Clock
	ended map[string]string
	calls int
	// Down, while set, is what every call answers; Unheard hides the trust too.
	down    error
	unheard bool
	certifier
	past
	changed func(*policies.Bundle) // a policy came into force
	// challenger challenges devices' TPMs.
	challenger *evidence.Challenger
	// Before, if set, runs in the middle of SignSession, of Enrol and of changes.
	Before func()
}

// SetDown makes every call fail, or work again.
func (s *Signer) SetDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// SetUnheard hides the trust, as before the signer was heard for the first time.
func (s *Signer) SetUnheard(unheard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheard = unheard
}

// ChangeTrust alters whom the signer trusts.
func (s *Signer) ChangeTrust(change func(*evidence.Trust)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.trust)
}

// Ended gives the reason under which an ending arrived.
func (s *Signer) Ended(request string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason, ok := s.ended[request]
	return reason, ok
}

// Trust is the world's.
func (s *Signer) Trust(context.Context) (access.Trust, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unheard {
		return access.Trust{}, errors.New("never heard")
	}
	return access.Trust{Trust: s.trust}, nil
}

// End keeps the first reason.
func (s *Signer) End(_ context.Context, e access.Ending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.down != nil {
		return s.down
	}
	if _, ended := s.ended[e.Request]; !ended {
		s.ended[e.Request] = e.Reason
		if g := s.past.of(e.Request); g != nil {
			g.ended = s.clock.Now()
		}
	}
	return nil
}

// Enrol verifies, and pins.
func (s *Signer) Enrol(_ context.Context, e evidence.EnrolmentEvidence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	v, err := evidence.VerifyEnrolment(e, s.trust, s.clock.Now())
	if err != nil {
		return &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: err.Error()}
	}
	s.trust.Roster = s.trust.Roster.Enrol(v.Enrolment(), v.Attested(), s.clock.Now())
	if s.Before != nil {
		s.mu.Unlock()
		s.Before()
		s.mu.Lock()
	}
	return nil
}

// RemovePasskey removes.
func (s *Signer) RemovePasskey(_ context.Context, credential string, _ policies.Subject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.trust.Roster, _ = s.trust.Roster.Remove(credential, s.clock.Now())
	return nil
}

// Suspend suspends.
func (s *Signer) Suspend(_ context.Context, suspended access.Suspension) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.trust.Roster, _ = s.trust.Roster.Suspend(suspended.Person.Subject, suspended.Person.Name, s.clock.Now())
	return nil
}

// ChangeRoster verifies, and changes.
func (s *Signer) ChangeRoster(_ context.Context, e evidence.ChangeEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyChange(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		s.trust.Roster, err = s.trust.Roster.Change(v.Change(), s.clock.Now())
		return err
	})
}

// ChangePolicy verifies, and changes. The house's own policy follows.
func (s *Signer) ChangePolicy(_ context.Context, e evidence.PolicyEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyPolicy(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		s.trust = s.trust.WithPolicy(v.Bundle())
		s.changed(v.Bundle())
		return nil
	})
}

// TakeInventory verifies, and takes.
func (s *Signer) TakeInventory(_ context.Context, e evidence.InventoryEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyInventory(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		taken := v.Change()
		s.trust.Inventories = []evidence.Inventory{{Name: taken.Inventory, Number: taken.Number, Targets: v.Targets(), Expires: taken.Expires}}
		return nil
	})
}

// ChallengeDevice verifies, and challenges.
func (s *Signer) ChallengeDevice(_ context.Context, e evidence.DeviceEvidence) (challenge evidence.DeviceChallenge, err error) {
	err = s.judge(func() error {
		v, err := evidence.VerifyDevice(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		challenge, err = s.challenger.Challenge(v, s.clock.Now())
		return err
	})
	return challenge, err
}

// EnrolDevice verifies, and keeps the device.
func (s *Signer) EnrolDevice(_ context.Context, e evidence.DeviceEvidence, answer *evidence.DeviceAnswer) error {
	return s.judge(func() error {
		v, err := evidence.VerifyDevice(e, s.trust, s.clock.Now())
		if err == nil && answer != nil {
			v, err = s.challenger.Answered(v, *answer, s.clock.Now())
		}
		if err != nil {
			return err
		}
		entry, err := v.Entry()
		if err != nil {
			return err
		}
		s.trust.Devices = s.trust.Devices.Enrol(v.Device(), entry.MakerRoot, s.clock.Now())
		return nil
	})
}

// BlockDevice blocks.
func (s *Signer) BlockDevice(_ context.Context, device string, _ policies.Subject) error {
	return s.judge(func() error {
		s.trust.Devices, _ = s.trust.Devices.Block(device, s.clock.Now())
		return nil
	})
}

// judge runs what the signer decides, and refuses as it does.
func (s *Signer) judge(decide func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	if err := decide(); err != nil {
		return &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: err.Error()}
	}
	if s.Before != nil {
		s.mu.Unlock()
		s.Before()
		s.mu.Lock()
	}
	return nil
}

// Notices gathers what proxies would be told.
type Notices struct {
	mu  sync.Mutex
	all []access.Notice
}

// Notify adds one.
func (n *Notices) Notify(notice access.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, notice)
}

// All is what was told so far.
func (n *Notices) All() []access.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]access.Notice(nil), n.all...)
}

// Clock stands still until it is moved.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []alarm
}

type alarm struct {
	at time.Time
	c  chan time.Time
}

// NewClock begins at a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After sends once the clock was moved that far.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := alarm{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		a.c <- c.now
		return a.c
	}
	c.alarms = append(c.alarms, a)
	return a.c
}

// Move moves the clock, back too.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var waiting []alarm
	for _, a := range c.alarms {
		if a.at.After(c.now) {
			waiting = append(waiting, a)
			continue
		}
		a.c <- c.now
	}
	c.alarms = waiting
}
