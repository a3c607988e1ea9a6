package broker

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/api"
)

// FuzzOperations: whatever somebody signed in sends to the portal, it answers, or
// refuses with a problem document; nothing of it is a fault of its own.
func FuzzOperations(f *testing.F) {
	w := newWorld(f, options{log: io.Discard})
	dana, alice := w.administrator(), w.portalSignIn("alice")
	origin := mustURL(f, w.config.URL)
	as := map[bool][]*http.Cookie{false: alice.browser.Jar.Cookies(origin), true: dana.browser.Jar.Cookies(origin)}
	portal := w.broker.portal
	f.Fuzz(func(t *testing.T, method, target string, body []byte, administrator bool) {
		path, query, _ := strings.Cut(target, "?")
		if !strings.HasPrefix(path, "/api/") || path == api.PathLogout || path == api.PathRotateKeys {
			return
		}
		request := httptest.NewRequest(http.MethodPost, w.config.URL, bytes.NewReader(body))
		request.Method, request.URL = method, &url.URL{Path: path, RawQuery: query}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Origin", w.config.URL)
		for _, cookie := range as[administrator] {
			request.AddCookie(cookie)
		}
		answer := httptest.NewRecorder()
		portal.ServeHTTP(answer, request)
		if answer.Code/100 == 2 || answer.Code/100 == 3 {
			return
		}
		var problem api.Error
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Status != answer.Code || problem.Code == "" || problem.Title == "" ||
			answer.Code == http.StatusInternalServerError {
			t.Errorf("%s %s %q: %d %s", method, target, body, answer.Code, answer.Body)
		}
	})
}

// FuzzCredentials: whatever somebody shows in the place of a token or a cookie, nobody
// is let in, and told no more than that.
func FuzzCredentials(f *testing.F) {
	w := newWorld(f, options{log: io.Discard, withoutSigner: true})
	real := w.portalSignIn("alice").browser.Jar.Cookies(mustURL(f, w.config.URL))
	portal := w.broker.portal
	f.Fuzz(func(t *testing.T, authorization, cookies, host, origin string) {
		request := httptest.NewRequest(http.MethodGet, w.config.URL+api.PathMe, nil)
		for name, value := range map[string]string{"Authorization": authorization, "Cookie": cookies, "Origin": origin} {
			if value != "" {
				request.Header[name] = []string{value}
			}
		}
		if host != "" {
			request.Host = host
		}
		answer := httptest.NewRecorder()
		portal.ServeHTTP(answer, request)
		var problem api.Error
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Status != answer.Code || problem.Code == "" ||
			answer.Code != http.StatusUnauthorized && answer.Code != http.StatusMisdirectedRequest {
			t.Errorf("%q, %q at %q: %d %s", authorization, cookies, host, answer.Code, answer.Body)
		}
		for _, cookie := range real {
			if cookie.Value != "" && strings.Contains(answer.Body.String(), cookie.Value) {
				t.Error("somebody's cookie is told")
			}
		}
	})
}

// FuzzAuditKey: a key file that is taken signs for this log, by a key that its verifier
// key is of.
func FuzzAuditKey(f *testing.F) {
	const origin = "stint-broker/test1234"
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "audit.key")
		must(t, os.WriteFile(path, text, 0o600))
		key, err := openAuditKey(path, origin, strings.NewReader(""))
		if err != nil {
			return
		}
		if key.Origin != origin || key.Signer.Name() != origin || !strings.HasPrefix(key.Verifier, origin+"+") {
			t.Errorf("%q is %+v", text, key)
		}
		if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, text) {
			t.Errorf("the file was changed to %q, %v", kept, err)
		}
	})
}
