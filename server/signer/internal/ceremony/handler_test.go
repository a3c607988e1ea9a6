package ceremony

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

const origin = "https://stint.example.com:8443"

func open(t *testing.T) *Ceremony {
	t.Helper()
	c, err := New(Config{
		Instance: "k3f9x2mq", RelyingParty: "stint.example.com", Origin: origin,
		People:    []policies.Person{{Subject: policies.Subject{Issuer: "https://id.example.com", Subject: "carol"}, Name: "Carol"}},
		LinksFile: filepath.Join(t.TempDir(), "ceremony.json"),
		Attested:  func([]string) bool { return true }, Joined: func(policies.Subject) bool { return false },
		Enrol: func(context.Context, evidence.EnrolmentEvidence) error { return nil }, Now: time.Now,
		Refused: func(string, wire.Error) bool { return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestThePageIsForItselfAlone: nothing else may run in it, frame it or call it.
func TestThePageIsForItselfAlone(t *testing.T) {
	t.Parallel()
	handler := open(t).Handler()
	ask := func(method, path, host, from, kind, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, path, strings.NewReader(body))
		request.Host = host
		request.Header.Set("Content-Type", kind)
		if from != "" {
			request.Header.Set("Origin", from)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder
	}
	const host = "stint.example.com:8443"
	for _, path := range []string{"/", "/ceremony.js", "/ceremony.css", "/icon.svg"} {
		answer := ask("GET", path, host, "", "", "")
		csp := answer.Header().Get("Content-Security-Policy")
		if answer.Code != http.StatusOK || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "require-trusted-types-for 'script'") ||
			strings.Contains(csp, "unsafe") || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, answer.Code, answer.Header())
		}
		if body := answer.Body.String(); strings.Contains(body, "innerHTML") || strings.Contains(body, "style=") || strings.Contains(body, "onclick") || strings.Contains(body, "://") && path != "/icon.svg" {
			t.Errorf("%s holds what the policy forbids, or an address elsewhere", path)
		}
	}
	for name, c := range map[string]struct {
		method, path, host, from, kind, body string
		status                               int
	}{
		"another host":       {"GET", "/", "evil.example.com:8443", "", "", "", 421},
		"another origin":     {"POST", PathBegin, host, "https://evil.example.com", "application/json", `{"secret":"x"}`, 403},
		"no origin":          {"POST", PathBegin, host, "", "application/json", `{"secret":"x"}`, 403},
		"a form":             {"POST", PathBegin, host, origin, "text/plain", `{"secret":"x"}`, 415},
		"a member too many":  {"POST", PathBegin, host, origin, "application/json", `{"secret":"x","more":1}`, 400},
		"a member twice":     {"POST", PathBegin, host, origin, "application/json", `{"secret":"x","secret":"y"}`, 400},
		"too long":           {"POST", PathBegin, host, origin, "application/json", `{"secret":"` + strings.Repeat("x", maxBody) + `"}`, 400},
		"a wrong secret":     {"POST", PathBegin, host, origin, "application/json", `{"secret":""}`, 403},
		"no such call":       {"POST", "/everything", host, origin, "application/json", `{}`, 404},
		"reading what calls": {"GET", PathBegin, host, "", "", "", 405},
	} {
		if answer := ask(c.method, c.path, c.host, c.from, c.kind, c.body); answer.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", name, answer.Code, c.status, answer.Body)
		}
	}
}

// TestAFloodIsToldOnce: whoever reaches the page cannot fill the log, and no secret
// that was tried is in it.
func TestAFloodIsToldOnce(t *testing.T) {
	t.Parallel()
	config := open(t).config
	var log bytes.Buffer
	counts := map[string]int{}
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	config.Refused = func(call string, problem wire.Error) bool {
		counts[call+" "+problem.Code]++
		return counts[call+" "+problem.Code] == 1
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	handler := c.Handler()
	for range 100 {
		for _, path := range []string{PathBegin, PathRegister} {
			request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"secret":"guessed"}`))
			request.Host = "stint.example.com:8443"
			request.Header.Set("Origin", origin)
			request.Header.Set("Content-Type", "application/json")
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusForbidden || !strings.Contains(recorder.Body.String(), "ceremony-link") {
				t.Fatalf("%d %s", recorder.Code, recorder.Body)
			}
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || strings.Contains(log.String(), "guessed") ||
		counts[PathBegin+" ceremony-link"] != 100 || counts[PathRegister+" ceremony-link"] != 100 {
		t.Errorf("%d lines of log for %v:\n%s", lines, counts, log.String())
	}
}

// TestThePasskeySaysItsMakeWhereThePolicyWantsIt: the browser is asked for it.
func TestThePasskeySaysItsMakeWhereThePolicyWantsIt(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, wanted := range []bool{true, false} {
		c.config.Attested = func([]string) bool { return wanted }
		got := c.creationOptions(c.config.People[0], "challenge", "handle")
		if direct := got["attestation"] == "direct"; direct != wanted {
			t.Errorf("wanted %v, asked for %v", wanted, got["attestation"])
		}
	}
}

// TestLinks: they are kept for who has not joined, and made anew where they are not ours.
func TestLinks(t *testing.T) {
	t.Parallel()
	c := open(t)
	again, err := New(c.config)
	if err != nil || again.Waiting()[0] != c.Waiting()[0] || !strings.HasPrefix(c.Waiting()[0].URL, origin+"/#") {
		t.Errorf("%v, then %v: %v", c.Waiting(), again.Waiting(), err)
	}
	moved := c.config
	moved.Origin = "https://stint.example.com:9443"
	if again, err = New(moved); err != nil || again.Waiting()[0] == c.Waiting()[0] {
		t.Errorf("a page elsewhere keeps the link: %v", err)
	}
	moved.Joined = func(policies.Subject) bool { return true }
	if again, err = New(moved); err != nil || len(again.Waiting()) != 0 {
		t.Errorf("everybody has joined: %v, %v", again.Waiting(), err)
	}
	select {
	case <-again.Done():
	default:
		t.Error("it is not done")
	}
	if links, err := readLinks(moved.LinksFile); err != nil || len(links) != 0 {
		t.Errorf("links are left: %v %v", links, err)
	}
}

// FuzzParsePasskey: whatever a browser answers, it is a passkey that a statement can
// hold, or refused.
func FuzzParsePasskey(f *testing.F) {
	f.Fuzz(func(t *testing.T, client, object, id []byte) {
		answer := registered{ID: encode(id), RawID: encode(id), Type: "public-key"}
		answer.Response.ClientData, answer.Response.Object = encode(client), encode(object)
		made, err := parsePasskey(answer, "c", "localhost", "http://localhost:1")
		if err != nil {
			return
		}
		if made.credential != encode(id) || made.publicKey == "" || len(made.aaguid) != 32 || len(id) == 0 {
			t.Fatalf("%+v", made)
		}
	})
}
