package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/policies/bundle"
	"stint/server/api"
	"stint/server/evidence"
)

// keyFile writes a private key as ssh-keygen does.
func keyFile(t *testing.T, key any, passphrase string) string {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is signed is what a verifier with the policy's key accepts, whatever kind
// of key that is; and keys that sign no inventory are refused with a sentence.
func TestInventorySign(t *testing.T) {
	t.Parallel()
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	host, err := evidence.FormatAuthorityKey(public)
	if err != nil {
		t.Fatal(err)
	}
	targets := filepath.Join(t.TempDir(), "targets.yaml")
	text := "kind: Target\nname: worker-7\naddress: 127.0.0.1:2207\nhostKey: " + host + "\nlabels: {env: staging}\n"
	if err := os.WriteFile(targets, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	sign := func(key string) (string, string, int) {
		var out, complaints bytes.Buffer
		e := &environment{out: &out, err: &complaints, in: strings.NewReader(""), now: func() time.Time { return now }, random: rand.Reader}
		code := run(t.Context(), e, []string{"inventory", "sign", targets, "--name", "scaling", "--number", "7", "--instance", "k3f9x2mq", "--key", key})
		return out.String(), complaints.String(), code
	}
	for name, key := range map[string]struct{ private, public any }{"ed25519": {ed, public}, "ecdsa": {curve, &curve.PublicKey}} {
		out, complaints, code := sign(keyFile(t, key.private, ""))
		var draft api.InventoryDraft
		if code != 0 || json.Unmarshal([]byte(out), &draft) != nil {
			t.Fatalf("%s: %d %s%s", name, code, out, complaints)
		}
		formatted, err := evidence.FormatAuthorityKey(key.public)
		if err != nil {
			t.Fatal(err)
		}
		policy := "kind: Organization\nreviewers: [security]\ninventories:\n  - {name: scaling, key: \"" + formatted + "\", labels: {env: [staging]}}\n"
		verified, err := evidence.VerifyInventory(evidence.InventoryEvidence(draft), evidence.Trust{
			Version: 1, Instance: "k3f9x2mq", Policy: map[string]string{"policy.yaml": policy},
		}, now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := verified.Change(); got.Number != 7 || !got.Expires.Equal(now.Add(24*time.Hour)) || len(verified.Targets()) != 1 {
			t.Errorf("%s: it says %+v", name, got)
		}
	}
	for name, test := range map[string]struct{ key, says string }{
		"a passphrase": {keyFile(t, ed, "secret"), "passphrase"}, "RSA": {keyFile(t, large, ""), "of a type that signs no inventory"}, "no key": {targets, "reading the key"},
	} {
		if out, complaints, code := sign(test.key); code != exitFailed || out != "" || !strings.Contains(complaints, test.says) {
			t.Errorf("%s: %d %s%s", name, code, out, complaints)
		}
	}
}

// What --output prints instead of the files must not look like having written them.
func TestPolicyIsWrittenOrPrinted(t *testing.T) {
	t.Parallel()
	var out, complaints bytes.Buffer
	e := &environment{out: &out, err: &complaints, in: strings.NewReader(""), now: time.Now, random: rand.Reader}
	code := run(t.Context(), e, []string{"policy", "show", "--write", t.TempDir(), "--output", "json"})
	if code != exitUsage || !strings.Contains(complaints.String(), "give one") {
		t.Errorf("%d %s%s", code, out.String(), complaints.String())
	}
}

// A file that the broker names never leads out of the directory.
func TestPolicyFilesStayInside(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "policy")
	for _, name := range []string{"../evil.yaml", "/etc/evil.yaml", "sub/evil.yaml", "..", ""} {
		if err := writePolicy(dir, name, "x"); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if err := writePolicy(dir, "roles.yaml", "x"); err != nil {
		t.Error(err)
	}
}

// A broker can add files that the digest does not name; they are not written.
func TestPolicyShowWritesWhatTheDigestNames(t *testing.T) {
	defaults, err := policies.Load(bundle.Files)
	if err != nil {
		t.Fatal(err)
	}
	answer := api.Policy{Digest: defaults.Digest(), Quorum: 2, Files: defaults.Files()}
	answer.Files[".envrc"], answer.Files["authorized_keys"] = "rm -rf ~\n", "ssh-ed25519 AAAA thief\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	signInto(t, server.URL)
	directory := t.TempDir()
	if code, _, said := command(t, "policy", "show", "--write", directory); code != 0 {
		t.Fatalf("ended with %d: %s", code, said)
	}
	written, err := os.ReadDir(directory)
	if err != nil || len(written) != len(defaults.Files()) {
		t.Errorf("it wrote %v, %v", written, err)
	}
}
