package signer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// start runs the signer as Run does, and returns where it listens.
func (w *world) start() (address string, stop func() error) {
	w.t.Helper()
	return w.startWith(slog.Default())
}

func (w *world) startWith(log *slog.Logger) (address string, stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- Run(ctx, w.config, log, func(r Ready) error { ready <- r.Listen; return nil })
	}()
	select {
	case listen := <-ready:
		return "https://" + listen, sync.OnceValue(func() error { cancel(); return <-ended })
	case err := <-ended:
		cancel()
		w.t.Fatal(err)
		return "", nil
	}
}

func (w *world) client(address string, certificate tls.Certificate) *wire.Client {
	w.t.Helper()
	pair, err := tls.LoadX509KeyPair(w.config.TLS.Certificate, w.config.TLS.Key)
	must(w.t, err)
	client, err := wire.NewClient(address, keyOf(pair), certificate)
	must(w.t, err)
	w.t.Cleanup(client.Close)
	return client
}

// realTime makes statements of now, for what Run verifies.
func (w *world) realTime() { w.clock.real = true }

func code(err error) string {
	if refused, ok := errors.AsType[*wire.Error](err); ok {
		return refused.Code
	}
	return fmt.Sprint(err)
}

func TestTheWholePathOverTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.realTime()
	address, stop := w.start()
	broker, proxy := w.client(address, w.broker), w.client(address, w.proxy)
	ctx := context.Background()

	trust, err := broker.Trust(ctx)
	must(t, err)
	if !trust.Ceremony || trust.Trust.Instance != instance || len(trust.Trust.UserCA) != 2 || trust.Trust.UserCA[0] == trust.Trust.TargetCA[0] {
		t.Errorf("trust %+v", trust)
	}
	openCheckpoint(t, trust.Trust.Log, trust.Checkpoint)
	if _, err := broker.Enrol(ctx, wire.EnrolRequest{Evidence: w.joining(w.carol)}); code(err) != "evidence.authority-ceremony" {
		t.Errorf("a ceremony over the wire: %v", err)
	}
	w.joinByPage(w.carol)
	if trust, err = broker.Trust(ctx); err != nil || trust.Ceremony || len(trust.Trust.Roster.People) != 1 {
		t.Errorf("after the ceremony: %v, %+v", err, trust)
	}
	enrolled, err := broker.Enrol(ctx, wire.EnrolRequest{Evidence: w.enrolledBy(w.carol, w.bob, "leads")})
	must(t, err)
	prove(t, trust.Trust.Log, enrolled.Proof)

	_, err = proxy.SignTarget(ctx, wire.TargetRequest{Request: "r1", PublicKey: newKey(t)})
	if code(err) != "not-activated" {
		t.Errorf("before the activation: %v", err)
	}
	session, err := broker.SignSession(ctx, wire.SessionRequest{Bundle: w.bundle("r1", newKey(t))})
	must(t, err)
	parse(t, session.Certificate)
	prove(t, trust.Trust.Log, session.Proof)
	target, err := proxy.SignTarget(ctx, wire.TargetRequest{Request: "r1", PublicKey: newKey(t)})
	must(t, err)
	parse(t, target.Certificate)
	host, err := proxy.SignHost(ctx, wire.HostRequest{PublicKey: newKey(t)})
	must(t, err)
	parse(t, host.Certificate)
	done, err := broker.End(ctx, wire.EndRequest{Request: "r1", Reason: "revoked", By: w.subject(w.bob)})
	must(t, err)
	prove(t, trust.Trust.Log, done.Proof)
	if _, err = proxy.SignTarget(ctx, wire.TargetRequest{Request: "r1", PublicKey: newKey(t)}); code(err) != "ended" {
		t.Errorf("after the end: %v", err)
	}
	_, err = broker.RemovePasskey(ctx, wire.RemovePasskeyRequest{Credential: w.bob.credential(), By: w.subject(w.carol)})
	must(t, err)
	health, err := proxy.Health(ctx)
	must(t, err)
	if !health.IssuerKnown || health.Entries == 0 || health.Instance != instance {
		t.Errorf("health %+v", health)
	}

	// Who may call what.
	for name, call := range map[string]func() error{
		"session":   func() error { _, err := proxy.SignSession(ctx, wire.SessionRequest{}); return err },
		"enrol":     func() error { _, err := proxy.Enrol(ctx, wire.EnrolRequest{}); return err },
		"end":       func() error { _, err := proxy.End(ctx, wire.EndRequest{Request: "r2", Reason: "revoked"}); return err },
		"suspend":   func() error { _, err := proxy.Suspend(ctx, wire.SuspendRequest{}); return err },
		"change":    func() error { _, err := proxy.Change(ctx, wire.ChangeRequest{}); return err },
		"policy":    func() error { _, err := proxy.Policy(ctx, wire.PolicyRequest{}); return err },
		"inventory": func() error { _, err := proxy.Inventory(ctx, wire.InventoryRequest{}); return err },
		"remove":    func() error { _, err := proxy.RemovePasskey(ctx, wire.RemovePasskeyRequest{}); return err },
		"ledger":    func() error { _, err := proxy.Ledger(ctx, 0, 10); return err },
		"target":    func() error { _, err := broker.SignTarget(ctx, wire.TargetRequest{}); return err },
		"host":      func() error { _, err := broker.SignHost(ctx, wire.HostRequest{}); return err },
	} {
		if got := code(call()); got != "not-allowed" {
			t.Errorf("%s by the wrong kind of caller: %s", name, got)
		}
	}
	stranger := w.client(address, w.authority.issue(t, "broker"))
	if _, err := stranger.Health(ctx); code(err) != "not-pinned" {
		t.Errorf("a stranger with a certificate: %v", err)
	}
	if _, err := w.client(address, newAuthority(t).issue(t, "broker")).Health(ctx); err == nil || code(err) == "not-pinned" {
		t.Errorf("a stranger of another authority: %v", err)
	}
	must(t, stop())

	// What was refused is in the ledger.
	address, stop = w.start()
	broker = w.client(address, w.broker)
	entries := verifyLedger(t, trust.Trust.Log, func(from int64, limit int) wire.LedgerPage {
		page, err := broker.Ledger(ctx, from, limit)
		must(t, err)
		return page
	}, 4)
	found := map[string]bool{}
	for _, e := range entries {
		if e.Refusal != nil {
			found[e.Refusal.Caller+" "+e.Refusal.Check] = true
		}
	}
	for _, want := range []string{"proxy-1 not-activated", "proxy-1 ended", "proxy-1 not-allowed", "broker not-allowed", "unknown not-pinned"} {
		if !found[want] {
			t.Errorf("the ledger does not know %q: %v", want, found)
		}
	}
	must(t, stop())
}

func TestTheDoorIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, stop := w.start()
	defer stop()
	raw := func(change func(*tls.Config)) *http.Client {
		config := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{w.broker}}
		change(config)
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: time.Minute}
	}
	plain := raw(func(*tls.Config) {})
	for name, c := range map[string]struct {
		method, path, kind, body string
		status                   int
		code                     string
	}{
		"unknown field":   {"POST", wire.PathEnd, "application/json", `{"request":"r1","reason":"revoked","force":true}`, 400, "malformed"},
		"two values":      {"POST", wire.PathEnd, "application/json", `{"request":"r1","reason":"revoked"} {}`, 400, "malformed"},
		"not JSON":        {"POST", wire.PathEnd, "application/json", `request=r1`, 400, "malformed"},
		"a form":          {"POST", wire.PathEnd, "application/x-www-form-urlencoded", `{}`, 415, "media-type"},
		"too long":        {"POST", wire.PathEnd, "application/json", `{"request":"` + strings.Repeat("r", wire.MaxBody) + `"}`, 413, "too-large"},
		"no such call":    {"POST", "/v1/sign/everything", "application/json", `{}`, 404, "no-such-call"},
		"page too large":  {"GET", wire.PathLedger + "?from=0&limit=501", "", "", 400, "page"},
		"page from -1":    {"GET", wire.PathLedger + "?from=-1&limit=5", "", "", 400, "page"},
		"page of nothing": {"GET", wire.PathLedger, "", "", 400, "page"},
		"bad reason":      {"POST", wire.PathEnd, "application/json", `{"request":"r1","reason":"bored","by":{"issuer":"","subject":""}}`, 400, "reason"},
	} {
		request, err := http.NewRequest(c.method, address+c.path, bytes.NewReader([]byte(c.body)))
		must(t, err)
		request.Header.Set("Content-Type", c.kind)
		response, err := plain.Do(request)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		var problem wire.Error
		must(t, json.Unmarshal(body, &problem))
		if response.StatusCode != c.status || problem.Code != c.code || problem.Status != c.status || problem.Title == "" ||
			response.Header.Get("Content-Type") != wire.ProblemType || response.ProtoMajor != 1 {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	for name, client := range map[string]*http.Client{
		"TLS 1.2":        raw(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
		"no certificate": raw(func(c *tls.Config) { c.Certificates = nil }),
	} {
		if response, err := client.Get(address + wire.PathHealth); err == nil {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
}

func TestTheClientKnowsItsSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, stop := w.start()
	defer stop()
	client, err := wire.NewClient(address, keyOf(w.proxy), w.broker)
	must(t, err)
	if _, err := client.Health(context.Background()); err == nil || !strings.Contains(err.Error(), "is not the signer") {
		t.Errorf("another server: %v", err)
	}
	for _, c := range [][2]string{{"http://127.0.0.1:1", keyOf(w.proxy)}, {address, "abc"}, {address + "/path", keyOf(w.proxy)}} {
		if _, err := wire.NewClient(c[0], c[1], w.broker); err == nil {
			t.Errorf("made a client of %v", c)
		}
	}
	if _, err := wire.NewClient(address, keyOf(w.proxy), tls.Certificate{}); err == nil {
		t.Error("made a client without a certificate")
	}
	broker := w.client(address, w.broker)
	_, err = broker.SignSession(context.Background(), wire.SessionRequest{Bundle: evidence.Bundle{Request: strings.Repeat("x", wire.MaxBody)}})
	if code(err) != "too-large" {
		t.Errorf("a long call: %v", err)
	}
	must(t, stop())
	if _, err := broker.Health(context.Background()); err == nil || code(err) == "" {
		t.Error("a signer that is gone answers")
	}
}

// TestHangupChangesNothing: the signal at which the policy was once read anew
// neither does that nor ends the signer.
func TestHangupChangesNothing(t *testing.T) {
	w := newWorld(t)
	said := &lockedBuffer{}
	address, stop := w.startWith(slog.New(slog.NewTextHandler(said, nil)))
	defer stop()
	broker := w.client(address, w.broker)
	before, err := broker.Health(context.Background())
	must(t, err)
	w.setPolicy(map[string]string{"targets.yaml": targetsText(t, "staging")})
	must(t, syscall.Kill(syscall.Getpid(), syscall.SIGHUP))
	for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), "SIGHUP changes nothing"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it says only %s", said)
		}
	}
	after, err := broker.Health(context.Background())
	must(t, err)
	if after.PolicyDigest != before.PolicyDigest {
		t.Error("the policy directory was read")
	}
}
