package signing

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/border"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// answers is a server that speaks the signer's wire and says what it is told to.
type answers struct {
	mu     sync.Mutex
	status int
	body   any
	trust  wire.TrustResult

	origins    []string // that were confirmed
	rolledBack error    // what the mirror says to it
	afterwards any      // what the signer says once it is confirmed
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	status, body := a.status, a.body
	if r.URL.Path == wire.PathTrust {
		status, body = http.StatusOK, a.trust
	}
	w.Header().Set("Content-Type", "application/json")
	if status != http.StatusOK {
		w.Header().Set("Content-Type", wire.ProblemType)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *answers) say(status int, body any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body = status, body
}

const organization = "kind: Organization\nreviewers: [security]\n"

func start(t *testing.T) (*Client, *answers, *httptest.Server) {
	t.Helper()
	own, err := policies.Parse(map[string]string{"o.yaml": organization})
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{trust: wire.TrustResult{Trust: evidence.Trust{Policy: own.Files()}, PolicyDigest: own.Digest(), Ceremony: true, Confirmed: true}}
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	signer, err := wire.NewClient(server.URL, border.KeyOf(server.Certificate()), certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(signer.Close)
	return New(signer, own, a.confirmed, slog.New(slog.DiscardHandler)), a, server
}

// confirmed is the mirror's part: the signer is confirmed by it, unless it says no.
func (a *answers) confirmed(_ context.Context, origin string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.origins = append(a.origins, origin)
	if a.rolledBack != nil {
		return a.rolledBack
	}
	a.trust.Confirmed, a.status, a.body = true, http.StatusOK, a.afterwards
	return nil
}

// TestASignerThatBeganAnewIsConfirmed: by itself, at the call that meets it.
func TestASignerThatBeganAnewIsConfirmed(t *testing.T) {
	t.Parallel()
	c, a, _ := start(t)
	a.trust.Trust.Log, a.trust.Confirmed, a.afterwards = "stint-signer/a+00000000+AAAA", false, wire.Done{}
	a.say(http.StatusPreconditionRequired, &wire.Error{Status: http.StatusPreconditionRequired, Code: wire.CodeUnconfirmed, Title: "Wait."})
	ending := access.Ending{Request: "req-1", Reason: "revoked"}
	if err := c.End(t.Context(), ending); err != nil {
		t.Fatalf("the call was not made again: %v", err)
	}
	if len(a.origins) != 1 || a.origins[0] != "stint-signer/a" || c.Trouble() != "" {
		t.Errorf("confirmed %q, trouble %q", a.origins, c.Trouble())
	}

	// What the mirror contradicts is not confirmed, and people are told.
	a.trust.Confirmed, a.rolledBack = false, errors.New("rolled back")
	a.say(http.StatusPreconditionRequired, &wire.Error{Status: http.StatusPreconditionRequired, Code: wire.CodeUnconfirmed, Title: "Wait."})
	if err := c.End(t.Context(), ending); !access.IsCode(err, access.CodeSignerUnavailable) || c.Trouble() == "" {
		t.Errorf("%v, trouble %q", err, c.Trouble())
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	c, a, server := start(t)
	if _, err := c.Trust(t.Context()); !access.IsCode(err, access.CodeSignerUnavailable) || c.Trouble() == "" {
		t.Errorf("before the signer was heard: %v, %q", err, c.Trouble())
	}
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-c.Heard()
	if trust, err := c.Trust(t.Context()); err != nil || !trust.Ceremony || c.Trouble() != "" || c.Differs() != "" {
		t.Errorf("heard: %+v, %v, %q, %q", trust, err, c.Trouble(), c.Differs())
	}

	// A policy that is not what its digest says is not taken.
	a.mu.Lock()
	a.trust.PolicyDigest = "sha256:00"
	a.mu.Unlock()
	if err := c.Refresh(t.Context()); err == nil || c.Trouble() == "" || !c.Policy().IsReviewer(policies.Person{Groups: []string{"security"}}) {
		t.Errorf("with another digest: %v, %q", err, c.Trouble())
	}

	// The signer's own policy decides, and the difference is told.
	other, err := policies.Parse(map[string]string{"o.yaml": "kind: Organization\nreviewers: [audit]\n"})
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	a.trust.Trust.Policy, a.trust.PolicyDigest = other.Files(), other.Digest()
	a.mu.Unlock()
	if err := c.Refresh(t.Context()); err != nil || c.Policy().Digest() != other.Digest() || c.Differs() == "" {
		t.Errorf("with another policy: %v, %q", err, c.Differs())
	}
	c.SetOwn(other)
	if c.Differs() != "" {
		t.Errorf("with the same policy again: %q", c.Differs())
	}

	// What was heard stays while the signer is away, and that it is away is told.
	server.Close()
	if err := c.Refresh(t.Context()); err == nil || c.Trouble() == "" {
		t.Errorf("away: %v, %q", err, c.Trouble())
	}
	if _, err := c.Trust(t.Context()); err != nil {
		t.Errorf("while the signer is away its trust is gone: %v", err)
	}
}

func TestRefusalsAndOutages(t *testing.T) {
	t.Parallel()
	c, a, _ := start(t)
	by := policies.Subject{Issuer: "https://idp.example.com", Subject: "alice"}
	calls := map[string]func() error{
		"sign": func() error { _, err := c.SignSession(t.Context(), evidence.Bundle{}, nil); return err },
		"end": func() error {
			return c.End(t.Context(), access.Ending{Request: "req-1", Reason: "revoked", By: policies.Person{Subject: by}})
		},
		"suspend": func() error {
			return c.Suspend(t.Context(), access.Suspension{Person: policies.Person{Subject: by}})
		},
		"roster":    func() error { return c.ChangeRoster(t.Context(), evidence.ChangeEvidence{}) },
		"policy":    func() error { return c.ChangePolicy(t.Context(), evidence.PolicyEvidence{}) },
		"inventory": func() error { return c.TakeInventory(t.Context(), evidence.InventoryEvidence{}) },
		"enrol":     func() error { return c.Enrol(t.Context(), evidence.EnrolmentEvidence{}) },
		"remove":    func() error { return c.RemovePasskey(t.Context(), "AAAA", by) },
		"rotate":    func() error { return c.RotateKeys(t.Context(), "all", "why", by) },
		"delegate":  func() error { return c.Delegate(t.Context(), evidence.SignedByPasskey{}) },
		"end one":   func() error { return c.EndDelegation(t.Context(), "sha256:00", by) },
		"review":    func() error { _, err := c.Review(t.Context(), evidence.SignedByPasskey{}); return err },
	}
	for name, call := range calls {
		a.say(http.StatusForbidden, &wire.Error{Status: http.StatusForbidden, Code: "evidence.policy", Title: "Policy says no."})
		var refusal *access.Error
		if err := call(); !errors.As(err, &refusal) || refusal.Problem != access.SignerRefused || refusal.Code != "signer.evidence.policy" || refusal.Message != "Policy says no." {
			t.Errorf("%s refused: %v", name, err)
		}
		a.say(http.StatusServiceUnavailable, &wire.Error{Status: http.StatusServiceUnavailable, Code: "busy", Title: "Busy."})
		if err := call(); !access.IsCode(err, access.CodeSignerUnavailable) {
			t.Errorf("%s while the signer is busy: %v", name, err)
		}
		// A signer of another version has not done it.
		a.say(http.StatusNotFound, &wire.Error{Status: http.StatusNotFound, Code: "no-such-call", Title: "No such call."})
		if err := call(); err == nil {
			t.Errorf("%s passed for done", name)
		}
		a.say(http.StatusOK, map[string]any{"surprise": true})
		if err := call(); !access.IsCode(err, access.CodeSignerUnavailable) {
			t.Errorf("%s with an answer that is not understood: %v", name, err)
		}
	}
	a.say(http.StatusNotFound, &wire.Error{Status: http.StatusNotFound, Code: "no-such-passkey", Title: "None."})
	if err := calls["remove"](); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
	a.say(http.StatusNotFound, &wire.Error{Status: http.StatusNotFound, Code: wire.CodeNoSuchDelegation, Title: "None."})
	if err := calls["end one"](); err != nil {
		t.Errorf("ending a delegation that is long over: %v", err)
	}
}
