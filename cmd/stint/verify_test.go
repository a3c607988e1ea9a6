package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/cmd/stint/internal/account"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/ledger"
)

// memoryLog is a Merkle log in memory with the key that signs its checkpoints.
type memoryLog struct {
	t        *testing.T
	name     string
	signer   note.Signer
	verifier string
	hashes   []ledger.Hash
	leaves   [][]byte
}

func newLog(t *testing.T, name string) *memoryLog {
	t.Helper()
	secret, verifier, err := ledger.NewKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return &memoryLog{t: t, name: name, signer: signer, verifier: verifier}
}

func (l *memoryLog) reader() ledger.HashReader {
	return ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		found := make([]ledger.Hash, 0, len(indexes))
		for _, i := range indexes {
			found = append(found, l.hashes[i])
		}
		return found, nil
	})
}

func (l *memoryLog) append(leaf []byte) {
	l.t.Helper()
	hashes, _, err := ledger.Append(int64(len(l.leaves)), leaf, l.reader())
	if err != nil {
		l.t.Fatal(err)
	}
	l.hashes = append(l.hashes, hashes...)
	l.leaves = append(l.leaves, leaf)
}

func (l *memoryLog) checkpoint() string {
	l.t.Helper()
	root, err := ledger.Root(int64(len(l.leaves)), l.reader())
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := ledger.Sign(ledger.Checkpoint{Origin: l.name, Size: int64(len(l.leaves)), Root: root}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(signed)
}

// command runs one command line of stint and returns what it said.
func command(t *testing.T, arguments ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &environment{out: &stdout, err: &stderr, in: strings.NewReader(""), now: time.Now, random: rand.Reader}
	code = run(context.Background(), e, arguments)
	return code, stdout.String(), stderr.String()
}

// issued is an export of evidence for one certificate, with the trust to check it by.
func issued(t *testing.T) (api.Evidence, evidence.Trust) {
	t.Helper()
	world := evidencetest.NewWorld(t)
	bundle := world.Bundle(t)
	verified, err := evidence.Verify(bundle, world.Trust, world.Circumstances())
	if err != nil {
		t.Fatal(err)
	}
	log := newLog(t, "test-signer")
	log.append([]byte(`{"something":"before"}`))
	entry, err := json.Marshal(evidence.Entry{Time: world.Circumstances().Now, Session: &evidence.SessionEntry{
		Bundle: bundle, Circumstances: world.Circumstances(), PolicyDigest: verified.Decision().Digest, Request: verified.Request().Request,
		Requester: verified.Requester().Subject, Role: verified.Request().Ask.Role, Principal: verified.Principal(), Serial: 2,
		SessionKey: verified.SessionKey(), Ends: verified.Ends(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	log.append(entry)
	inclusion, err := ledger.ProveInclusion(1, 2, log.reader())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := json.Marshal(evidence.Proof{Entry: string(entry), Inclusion: inclusion, Checkpoint: log.checkpoint()})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	trust := world.Trust
	trust.Log = log.verifier
	return api.Evidence{Version: 1, Bundles: []string{string(text)}, Proofs: []string{string(proof)}}, trust
}

// replace changes the first bundle's text, wherever old stands in it.
func replace(e *api.Evidence, old, new string) {
	e.Bundles = []string{strings.ReplaceAll(e.Bundles[0], old, new)}
}

func writeJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEvidenceIsVerifiedOffline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		alter func(*api.Evidence, *evidence.Trust)
		code  int
		says  string
	}{
		{"as it was issued", func(*api.Evidence, *evidence.Trust) {}, 0, "agreed with a passkey"},
		{"without the certificate", func(e *api.Evidence, _ *evidence.Trust) { e.Proofs = nil }, 0, "No certificate was issued for it."},
		{"another reason in the request", func(e *api.Evidence, _ *evidence.Trust) { replace(e, `disk full`, `disk empty`) }, exitUnproven, ""},
		{"a signature with another end", func(e *api.Evidence, _ *evidence.Trust) {
			e.Proofs = nil
			replace(e, `"signature":"`, `"signature":"AA`)
		}, exitUnproven, "approval"},
		{"a proof for other evidence", func(e *api.Evidence, _ *evidence.Trust) {
			other, _ := issued(t)
			e.Bundles = other.Bundles
		}, exitUnproven, "other evidence"},
		{"a log of another key", func(_ *api.Evidence, trust *evidence.Trust) { trust.Log = newLog(t, "test-signer").verifier }, exitUnproven, "checkpoint"},
		{"nobody in the roster", func(_ *api.Evidence, trust *evidence.Trust) { trust.Roster = evidence.Roster{} }, exitUnproven, "roster"},
		{"another installation", func(_ *api.Evidence, trust *evidence.Trust) { trust.Instance = "elsewhere" }, exitUnproven, "instance"},
		{"a later version", func(e *api.Evidence, _ *evidence.Trust) { e.Version = 2 }, exitUnproven, "version"},
		{"nothing", func(e *api.Evidence, _ *evidence.Trust) { e.Bundles, e.Proofs = nil, nil }, exitUnproven, "no evidence"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found, trust := issued(t)
			test.alter(&found, &trust)
			code, out, errOut := command(t, "evidence", "verify", writeJSON(t, found), "--trust", writeJSON(t, trust))
			if code != test.code || !strings.Contains(out+errOut, test.says) {
				t.Fatalf("exit %d, want %d\n%s%s", code, test.code, out, errOut)
			}
		})
	}
}

// auditBroker serves a log as a broker would, a few leaves a page.
func auditBroker(t *testing.T, log *memoryLog, alter func(*api.AuditLog)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		page := api.AuditLog{From: int64(from), Leaves: []api.AuditLeaf{}, Checkpoint: log.checkpoint(), Key: log.verifier}
		for i := from; i < len(log.leaves) && i < from+3; i++ {
			hash, err := json.Marshal(log.hashes[ledger.LeafIndex(int64(i))])
			if err != nil {
				t.Error(err)
			}
			page.Leaves = append(page.Leaves, api.AuditLeaf{Data: string(log.leaves[i]), Hash: strings.Trim(string(hash), `"`)})
		}
		alter(&page)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(server.Close)
	return server
}

// signInto makes the sign-in of a test point at a broker.
func signInto(t *testing.T, url string) {
	t.Helper()
	t.Setenv("STINT_HOME", t.TempDir())
	if err := (&account.Account{URL: url, Token: "t", Expires: time.Now().Add(time.Hour), Key: make([]byte, 32)}).Save(); err != nil {
		t.Fatal(err)
	}
}

func TestAuditVerifyNamesTheFirstBreak(t *testing.T) {
	log := newLog(t, "test-audit")
	for i := range 10 {
		log.append([]byte(fmt.Sprintf(`{"event":%d}`, i)))
	}
	tests := []struct {
		name  string
		alter func(*api.AuditLog)
		code  int
		says  string
	}{
		{"whole", func(*api.AuditLog) {}, 0, "10 entries"},
		{"altered", func(p *api.AuditLog) {
			if p.From == 6 {
				p.Leaves[1].Data = `{"event":70}`
			}
		}, exitUnproven, "entry 7"},
		{"dropped from the end", func(p *api.AuditLog) {
			if p.From == 9 {
				p.Leaves = nil
			}
		}, exitUnproven, "9"},
		{"swapped", func(p *api.AuditLog) {
			if p.From == 3 {
				p.Leaves[0], p.Leaves[1] = p.Leaves[1], p.Leaves[0]
			}
		}, exitUnproven, "moved"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			signInto(t, auditBroker(t, log, test.alter).URL)
			code, out, errOut := command(t, "audit", "verify")
			if code != test.code || !strings.Contains(out+errOut, test.says) {
				t.Fatalf("exit %d, want %d\n%s%s", code, test.code, out, errOut)
			}
		})
	}
}

// A broker that rewrites or cuts its log after it was verified is found out.
func TestAuditVerifyRemembers(t *testing.T) {
	log := newLog(t, "test-audit")
	for i := range 8 {
		log.append([]byte(fmt.Sprintf(`{"event":%d}`, i)))
	}
	whole := *log
	server := auditBroker(t, log, func(*api.AuditLog) {})
	signInto(t, server.URL)
	verify := func(want int, says string) {
		t.Helper()
		if code, out, errOut := command(t, "audit", "verify"); code != want || !strings.Contains(out+errOut, says) {
			t.Fatalf("exit %d, want %d: %s%s", code, want, out, errOut)
		}
	}
	verify(0, "8 entries")
	log.append([]byte(`{"event":8}`))
	verify(0, "9 entries")

	// 1. Cut, and signed anew.
	*log = memoryLog{t: t, name: log.name, signer: log.signer, verifier: log.verifier}
	for i := range 5 {
		log.append(whole.leaves[i])
	}
	verify(exitUnproven, "dropped")

	// 2. Rewritten at the same length, and signed anew.
	for i := 5; i < 12; i++ {
		log.append([]byte(`{"event":"forged"}`))
	}
	verify(exitUnproven, "")

	// 3. Signed by another key.
	*log = *newLog(t, "test-audit")
	log.append([]byte(`{}`))
	verify(exitUnproven, "another key")
}

func TestExitCodes(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	t.Setenv("STINT_URL", "")
	tests := []struct {
		line string
		code int
		says string
	}{
		{"requests", exitSignedOut, "stint login"},
		{"nonsense", exitUsage, "nonsense"},
		{"request", exitUsage, "role"},
		{"request r --target t --duration soon", exitUsage, "duration"},
		{"request r", exitUsage, "--target"},
		{"requests extra", exitUsage, "no arguments"},
		{"login", exitUsage, "STINT_URL"},
		{"login --url ftp://x", exitUsage, "URL"},
		{"login --url http://127.0.0.1:1", exitAway, "does not answer"},
		{"show", exitUsage, "request"},
		{"ssh", exitUsage, "target"},
		{"export x --format gif", exitUsage, "gif"},
		{"play x --speed 0", exitUsage, "--speed"},
		{"requests -o xml", exitUsage, "json"},
		{"trust sync", exitUsage, "--broker"},
		{"trust sync --broker http://127.0.0.1:1 --sshd-log journal", exitUsage, "--target"},
		{"trust sync --broker http://127.0.0.1:1 --log-key k", exitUsage, "together"},
		{"trust sync --broker http://127.0.0.1:1 --max-age 0s", exitUsage, "--max-age"},
		{"trust sync --broker http://127.0.0.1:1 --trust nowhere.json", exitUsage, "nowhere"},
		{"trust install", exitUsage, "--target"},
		{"evidence verify nowhere.json --trust nowhere.json", exitFailed, "nowhere"},
	}
	for _, test := range tests {
		code, out, errOut := command(t, strings.Fields(test.line)...)
		if code != test.code || !strings.Contains(out+errOut, test.says) {
			t.Errorf("stint %s: exit %d, want %d: %s%s", test.line, code, test.code, out, errOut)
		}
	}
}

func TestWhatOthersWroteCannotActOnTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"look\x1b]52;c;eA==\x07": "look?]52;c;eA==?",
		"two\nlines":             "two lines",
		"a\u202eb":               "a?b",
		"für Zoë":                "für Zoë",
		"\u009b31m":              "?31m",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}
