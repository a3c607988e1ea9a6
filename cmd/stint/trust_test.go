package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/cmd/stint/internal/proof"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// A target from its first sync with the trust file to a broker that is away for
// too long, as an operator sees it.
func TestTrustSync(t *testing.T) {
	secret, verifier, err := ledger.NewKey(strings.NewReader(strings.Repeat("s", 32)), "stint-signer/test/1")
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	key := evidence.FormatKey([]byte(strings.Repeat("k", 32)))
	root, err := ledger.Root(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	document := evidence.TargetTrust{
		Checkpoint: ledger.Checkpoint{Origin: log.Name(), Root: root}, Issued: time.Now().Truncate(time.Second),
		Keys: []evidence.TargetKey{{State: evidence.KeyCurrent, Key: key}},
	}
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != api.PathTargetTrust || r.Header.Get("Authorization") != "" {
			http.NotFound(w, r)
			return
		}
		text, err := evidence.SignTargetTrust(document, log)
		if err != nil {
			t.Error(err)
		}
		data, _ := json.Marshal(evidence.TargetTrustEvidence{Note: text, Consistency: ledger.Consistency{Path: []ledger.Hash{}}})
		_ = json.NewEncoder(w).Encode(api.TargetTrust{Evidence: data})
	}))
	t.Cleanup(broker.Close)

	dir := filepath.Join(t.TempDir(), "not yet there")
	trust := filepath.Join(t.TempDir(), "trust.json")
	text, err := json.Marshal(proof.Anchor{Version: 1, Log: verifier, TargetCA: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trust, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sync := func(want int, says string, flags ...string) {
		t.Helper()
		line := append([]string{"trust", "sync", "--broker", broker.URL, "--write-ca", filepath.Join(dir, "ca.pub"), "--write-krl", filepath.Join(dir, "krl")}, flags...)
		code, out, errOut := command(t, line...)
		if code != want || !strings.Contains(out+errOut, says) {
			t.Errorf("%q: exit %d, want %d: %s%s", flags, code, want, out, errOut)
		}
	}
	sync(exitFailed, "pinned no signer yet")
	sync(0, "1 key is trusted", "--trust", trust)
	if written, err := os.ReadFile(filepath.Join(dir, "ca.pub")); err != nil || !strings.HasSuffix(string(written), "\n"+key+"\n") {
		t.Errorf("%v %s", err, written)
	}
	sync(0, "Nothing changed")
	document.Keys[0].Key = evidence.FormatKey([]byte(strings.Repeat("x", 32)))
	sync(exitUnproven, "was not named by any key")
	broker.Close()
	sync(0, "stays in force")
	document.Issued = document.Issued.Add(-time.Hour)
	sync(exitStale, "out of date", "--max-age", "1ns")
}
