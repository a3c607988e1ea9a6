package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const origin = "http://localhost:8420"

// approver is a WebAuthn user with whatever credentials it has.
type approver struct{ credentials []webauthn.Credential }

func (a approver) WebAuthnID() []byte                         { return []byte("random handle") }
func (a approver) WebAuthnName() string                       { return "demo-approver" }
func (a approver) WebAuthnDisplayName() string                { return "demo-approver" }
func (a approver) WebAuthnCredentials() []webauthn.Credential { return a.credentials }

// A server that knows nothing of us must take the key for a passkey with user
// verification.
func TestPasskeyIsOne(t *testing.T) {
	t.Parallel()
	server, err := webauthn.New(&webauthn.Config{RPID: relyingParty, RPDisplayName: "Stint", RPOrigins: []string{origin}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := openPasskey(filepath.Join(t.TempDir(), "passkey"), origin)
	if err != nil {
		t.Fatal(err)
	}
	creation, session, err := server.BeginRegistration(approver{}, webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired}))
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(creation.Response)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := key.register(options)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := server.CreateCredential(approver{}, *session, parsed)
	if err != nil {
		t.Fatal(err)
	}

	statement := "stint approval 1\nall of it\n"
	challenge := sha256.Sum256([]byte(statement))
	_, session, err = server.BeginLogin(approver{[]webauthn.Credential{*credential}}, webauthn.WithChallenge(challenge[:]), webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := key.sign(statement)
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		body, err := json.Marshal(map[string]any{
			"id": assertion.Credential, "rawId": assertion.Credential, "type": "public-key",
			"response": map[string]any{"authenticatorData": assertion.AuthenticatorData, "clientDataJSON": assertion.ClientData, "signature": text},
		})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := protocol.ParseCredentialRequestResponseBytes(body)
		if err != nil {
			return err
		}
		_, err = server.ValidateLogin(approver{[]webauthn.Credential{*credential}}, *session, parsed)
		return err
	}
	if err := check(assertion.Signature); err != nil {
		t.Error(err)
	}
	other, err := key.sign(statement + "and more\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(other.Signature); err == nil {
		t.Error("the signature of another statement fits")
	}
}

func TestPasskeyServesOnePortalOnly(t *testing.T) {
	t.Parallel()
	key, err := openPasskey(filepath.Join(t.TempDir(), "passkey"), origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.register(json.RawMessage(`{"challenge": "AAAA", "rp": {"id": "stint.example.com"}}`)); err == nil {
		t.Error("it registered with another relying party")
	}
}

func TestPasskeyIsKeptUntilDestroyed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passkey")
	open := func() *passkey {
		key, err := openPasskey(path, origin)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first, again := open(), open()
	if first.credential() != again.credential() {
		t.Error("an interrupted demo finds another key")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v", info, err)
	}
	before := first.credential()
	for range 2 { // a second time is harmless
		if err := again.destroy(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the key is still there")
	}
	if open().credential() == before {
		t.Error("the key came back")
	}
}

func TestProgressIsRemembered(t *testing.T) {
	t.Parallel()
	config := Config{Dir: t.TempDir()}
	d, err := Open(config)
	if err != nil || d.Done() {
		t.Fatalf("a new demo: %v, done %v", err, d.Done())
	}
	d.progress = progress{Request: "req-1", Performed: true, Done: true}
	if err := d.remember(); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(config); err != nil || again.progress != d.progress {
		t.Errorf("it remembers %+v, %v", again.progress, err)
	}
	// What is done needs nobody: there is no portal in this configuration.
	if err := d.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(d.file("progress.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config); err == nil {
		t.Error("a damaged file was read")
	}
}

// A shell here takes the place of the target; the whole of the work is done by
// the end to end tests.
func TestWorkIsTypedToItsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// In the place of stint, so that "stint ssh target" is a shell.
	script := filepath.Join(dir, "stint")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec /bin/sh -i 2>&1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := &terminal{stint: script, home: dir}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	steps := work()
	if err := c.shell(ctx, "demo", append(steps[:4:4], steps[len(steps)-1]), 0.01); err != nil {
		t.Error(err)
	}
	err := c.shell(ctx, "demo", []step{{"exit 7\r", 0}}, 0.01)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("a session that ends badly: %v", err)
	}
}
