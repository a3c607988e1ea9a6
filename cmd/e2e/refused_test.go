//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// TestForwardsAreRecordedAndWhatTheRoleDoesNotGiveIsRefused tries what OpenSSH can
// open beside shells, commands and sftp. What is refused is so with a reason that the
// user sees.
func TestForwardsAreRecordedAndWhatTheRoleDoesNotGiveIsRefused(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	granted := s.grant("web-1", "30m")
	config, there := s.alice.useConfig(), s.Login+"@web-1"

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(connection, "behind the target")
			connection.Close()
		}
	}()
	address, behind := freeAddress(t), listener.Addr().String()
	open := s.alice.open("ssh", "-F", config, "-L", address+":"+behind, there, "echo 'at'-work; cat")
	open.sees("at-work")
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience))
	if answer, err := io.ReadAll(connection); err != nil || string(answer) != "behind the target" {
		t.Errorf("behind the forwarded port somebody says %q (%v)", answer, err)
	}
	open.command.Process.Kill()

	s.alice.refused([]string{"stint: on the way to a target only its port 22 is possible, not web-1 port 5432"}, "ssh", "-F", config, "-W", "web-1:5432", "stint")
	s.alice.refused([]string{"stint: there is no target example.com"}, "ssh", "-F", config, "-W", "example.com:22", "stint")
	s.alice.refused([]string{"stint: only the subsystem sftp goes through the proxy"}, "ssh", "-F", config, "-s", there, "netconf")

	// These are asked for beside a command, which runs without them.
	s.alice.env = append(s.alice.env, "DISPLAY=127.0.0.1:99")
	for what, arguments := range map[string][]string{
		"agent (ssh -A)": {"-o", "ForwardAgent=" + filepath.Join(s.alice.home, ".stint", "agent.sock")},
		"x11 (ssh -X)":   {"-Y"},
	} {
		out, complaints, err := s.alice.run("ssh", append(append([]string{"-F", config}, arguments...), there, "echo here; env")...)
		if err != nil || !strings.HasPrefix(out, "here\n") {
			t.Errorf("with %s asked for, the command says %q (%v)", what, out, err)
		}
		if strings.Contains(out, "SSH_AUTH_SOCK") || strings.Contains(out, "DISPLAY") {
			t.Errorf("%s reached the target:\n%s", what, out)
		}
		if want := "stint: this role gives no " + what; !strings.Contains(complaints, want) {
			t.Errorf("with %v, ssh does not say %q:\n%s", arguments, want, complaints)
		}
	}

	// Reviewers see what was done and tried, once the recordings have arrived.
	for _, want := range []string{"connection to " + behind, "only the subsystem sftp", "agent (ssh -A)", "x11 (ssh -X)"} {
		s.eventually("a recording holds "+want, func() error {
			var page api.Sessions
			s.carol.json(&page, "sessions", "--request", granted.ID, "--limit", "200")
			for _, session := range page.Items {
				if out, _, _ := s.carol.run("stint", "export", session.ID, "--format", "text"); strings.Contains(out, want) {
					return nil
				}
			}
			return fmt.Errorf("none of %d recordings does", len(page.Items))
		})
	}
}

// freeAddress is a port of this machine that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestBadCallsChangeNothing calls the API as a confused or hostile page would:
// every answer is a problem with a stable code, and nothing is stored.
func TestBadCallsChangeNothing(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t)}
	alice := s.signIn("alice", "/", nil)
	alice.see("text=What you may ask for")
	cookie := s.sessionCookie(alice)

	const good = `{"role":"production-shell","target":"web-1","reason":"Look into the queue"}`
	cases := []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		code, field              string
	}{
		{"an unknown field", "POST", "/api/requests", `{"role":"production-shell","target":"web-1","reason":"why","approved":true}`, nil, 422, "input.invalid", "body.approved"},
		{"a field of another type", "POST", "/api/requests", `{"role":"production-shell","target":7,"reason":"why"}`, nil, 422, "input.invalid", "body.target"},
		{"a missing field", "POST", "/api/requests", `{"role":"production-shell","reason":"why"}`, nil, 422, "input.invalid", "body.target"},
		{"no JSON", "POST", "/api/requests", `{"role":`, nil, 400, "input.malformed", ""},
		{"another media type", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "input.media-type", ""},
		{"too much", "POST", "/api/requests", `{"reason":"` + strings.Repeat("x", 4<<20) + `"}`, nil, 413, "input.too-large", ""},
		{"a role of others", "POST", "/api/requests", `{"role":"demo-shell","target":"demo","reason":"why"}`, nil, 403, "policy.refused", ""},
		{"a duration beyond the role's", "POST", "/api/requests", `{"role":"production-shell","target":"web-1","reason":"why","duration_seconds":86400}`, nil, 403, "policy.refused", ""},
		{"another origin", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403, "origin.refused", ""},
		{"the origin null", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, "origin.refused", ""},
		{"no origin", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Del("Origin") }, 403, "origin.refused", ""},
		{"no cookie", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Del("Cookie") }, 401, "sign-in.needed", ""},
		{"a made-up cookie", "POST", "/api/requests", good, func(r *http.Request) { r.Header.Set("Cookie", strings.SplitAfter(cookie, "=")[0]+"AAAA") }, 401, "sign-in.needed", ""},
		{"no cookie, and no sign-in needed to read", "GET", "/api/requests", "", func(r *http.Request) { r.Header.Del("Cookie") }, 401, "sign-in.needed", ""},
		{"another host", "GET", "/api/requests", "", func(r *http.Request) { r.Host = "evil.example" }, 421, "host.unknown", ""},
		{"an unknown query parameter", "GET", "/api/requests?vew=all", "", nil, 422, "input.invalid", "query.vew"},
		{"a view that is not alice's", "GET", "/api/requests?view=all", "", nil, 403, "forbidden", ""},
		{"the audit log", "GET", "/api/audit", "", nil, 403, "forbidden", ""},
		{"an unknown request", "GET", "/api/requests/req-0000000000", "", nil, 404, "request.not-found", ""},
		{"an unknown path", "GET", "/api/secrets", "", nil, 404, "path.not-found", ""},
		{"another method", "PUT", "/api/requests", good, nil, 405, "method.not-allowed", ""},
	}
	before := s.count(alice)
	for _, c := range cases {
		request, err := http.NewRequest(c.method, s.Portal+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Cookie", cookie)
		request.Header.Set("Origin", s.Portal)
		if c.body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		if c.change != nil {
			c.change(request)
		}
		problem, answer := s.problem(request)
		if answer.StatusCode != c.status || problem.Code != c.code || problem.Status != c.status || problem.Title == "" {
			t.Errorf("%s: %s, %+v; want %d %s", c.name, answer.Status, problem, c.status, c.code)
		}
		if kind := answer.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: the answer is %s", c.name, kind)
		}
		if c.field != "" && !slices.ContainsFunc(problem.Fields, func(f api.FieldError) bool { return f.Field == c.field }) {
			t.Errorf("%s: the answer names the fields %+v, not %s", c.name, problem.Fields, c.field)
		}
	}
	if after := s.count(alice); after != before {
		t.Errorf("there are %d requests after %d", after, before)
	}
	// The same call as it should be.
	request, err := http.NewRequest("POST", s.Portal+"/api/requests", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Cookie": {cookie}, "Origin": {s.Portal}, "Content-Type": {"application/json"}}
	if _, answer := s.problem(request); answer.StatusCode != http.StatusCreated || s.count(alice) != before+1 {
		t.Errorf("the good call is answered %s and leaves %d requests", answer.Status, s.count(alice))
	}
}

// sessionCookie is the tab's sign-in as a header has it. It is out of reach of
// the page's scripts and of other sites' forms.
func (s *story) sessionCookie(b *tab) string {
	s.t.Helper()
	for _, cookie := range get[[]struct {
		Name, Value, Domain, SameSite string
		HTTPOnly                      bool
	}](b, "cookies", nil) {
		if cookie.Name != "stint_"+s.Instance {
			continue
		}
		if !cookie.HTTPOnly || cookie.SameSite != "Lax" || cookie.Domain != "localhost" {
			s.t.Errorf("the cookie is %+v", cookie)
		}
		return cookie.Name + "=" + cookie.Value
	}
	s.t.Fatal("the tab has no cookie of the portal")
	return ""
}

// problem makes a call and decodes the body of a refusal.
func (s *story) problem(request *http.Request) (problem api.Error, answer *http.Response) {
	s.t.Helper()
	answer, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer.StatusCode >= 400 {
		if err := json.Unmarshal(text, &problem); err != nil {
			s.t.Errorf("%s %s: %s, %v:\n%.500s", request.Method, request.URL.Path, answer.Status, err, text)
		}
	}
	return problem, answer
}

// count is how many requests the tab's person has.
func (s *story) count(b *tab) int {
	s.t.Helper()
	return get[int](b, "evaluate", arguments{"expression": "fetch('/api/requests').then((answer) => answer.json()).then((page) => page.items.length)"})
}
