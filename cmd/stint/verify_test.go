package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/cmd/stint/internal/report"
	"stint/server/api"
	"stint/server/evidence"
)

// command runs one command line of stint and returns what it said.
func command(t *testing.T, arguments ...string) (code int, out, errOut string) {
	t.Helper()
	return commandAt(t, time.Now, arguments...)
}

// commandAt is command at a time of the test's choice.
func commandAt(t *testing.T, now func() time.Time, arguments ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &environment{out: &stdout, err: &stderr, in: strings.NewReader(""), now: now, random: rand.Reader}
	code = run(context.Background(), e, arguments)
	return code, stdout.String(), stderr.String()
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEvidenceIsVerifiedOffline(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	whole := prooftest.JSON(t, w.Export(true))
	page, err := report.Page(w.Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	other := w.Anchor
	other.Administrators = nil
	tests := []struct {
		name   string
		file   string
		anchor proof.Anchor
		code   int
		says   string
	}{
		{"as it was exported", whole, w.Anchor, 0, "agreed with a passkey"},
		{"as a page", string(page), w.Anchor, 0, "agreed with a passkey"},
		{"without the history", prooftest.JSON(t, w.Export(false)), w.Anchor, exitUnproven, "does not prove who agreed"},
		{"another reason", strings.ReplaceAll(whole, "disk full", "disk gone"), w.Anchor, exitUnproven, "inclusion: entry 11"},
		{"another reason in the page", strings.ReplaceAll(string(page), "disk full", "disk gone"), w.Anchor, exitUnproven, "inclusion: entry 11"},
		{"another first administrator", whole, other, exitUnproven, "ceremony"},
		{"a later version", strings.Replace(whole, `"version":1`, `"version":2`, 1), w.Anchor, exitUnproven, "version 2"},
		{"more than there is", strings.Replace(whole, `"version":1`, `"version":1,"more":1`, 1), w.Anchor, exitUnproven, "more"},
		{"nothing", `{"version":1,"request":"req-1","checkpoint":"","entries":[],"certificates":[]}`, w.Anchor, exitUnproven, "no evidence"},
		{"no page", "<!doctype html>", w.Anchor, exitUnproven, "carries no evidence"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, trust := writeFile(t, "evidence", []byte(test.file)), writeFile(t, "trust.json", []byte(prooftest.JSON(t, test.anchor)))
			code, out, errOut := command(t, "evidence", "verify", file, "--trust", trust)
			if code != test.code || !strings.Contains(out+errOut, test.says) {
				t.Fatalf("exit %d, want %d\n%s%s", code, test.code, out, errOut)
			}
			if code, out, _ = command(t, "evidence", "verify", file, "--trust", trust, "-o", "json"); code != test.code || code == 0 && !json.Valid([]byte(out)) {
				t.Errorf("as JSON: exit %d, want %d\n%s", code, test.code, out)
			}
		})
	}
}

// The broker's answers become the trust file, the export file and the page.
func TestEvidenceIsExported(t *testing.T) {
	w := prooftest.Story(t)
	altered := false
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		var answer any
		switch r.URL.Path {
		case api.PathTrust:
			trust := w.Beliefs.Trust(w.Now)
			trust.HostCA = []string{evidence.FormatKey(make([]byte, ed25519.PublicKeySize))} // the story's signer has none
			answer = map[string]any{"trust": trust, "proxies": []any{}, "targets": []any{}}
		case api.PathBeginning:
			beginning := w.Beginning()
			if altered {
				beginning.Entries = beginning.Entries[:2]
				beginning.Entries[1].Entry = strings.Replace(beginning.Entries[1].Entry, "Dana", "Dora", 1)
			}
			answer = beginning
		case "/api/requests/" + w.Request.Request + "/evidence":
			answer = w.Export(true)
		}
		if err := json.NewEncoder(rw).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	signInto(t, server.URL)
	if code, out, errOut := command(t, "evidence", "export", w.Request.Request, "--html"); code != exitUsage {
		t.Fatalf("a page without trust: exit %d: %s%s", code, out, errOut)
	}
	code, out, errOut := command(t, "trust", "export")
	if code != 0 || strings.TrimSpace(out) == "" {
		t.Fatalf("trust export: exit %d: %s%s", code, out, errOut)
	}
	file := filepath.Join(t.TempDir(), "evidence")
	for _, arguments := range [][]string{{}, {"--html"}} {
		if code, out, errOut := command(t, append([]string{"evidence", "export", w.Request.Request, "-o", file}, arguments...)...); code != 0 || out != "" {
			t.Fatalf("export %v: exit %d: %s%s", arguments, code, out, errOut)
		}
		if code, out, errOut := command(t, "evidence", "verify", file); code != 0 {
			t.Errorf("what export %v wrote: exit %d: %s%s", arguments, code, out, errOut)
		}
		if code, out, _ := command(t, append([]string{"evidence", "export", w.Request.Request}, arguments...)...); code != 0 || !strings.Contains(out, w.Request.Request) {
			t.Errorf("export %v to standard output: exit %d", arguments, code)
		}
	}
	altered = true
	if code, out, errOut := command(t, "trust", "export"); code != exitUnproven || !strings.Contains(errOut, "inclusion") {
		t.Errorf("a beginning that nobody signed: exit %d: %s%s", code, out, errOut)
	}
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
