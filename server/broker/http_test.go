package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stint/server/api"
	"stint/server/broker/internal/portal"
	"stint/server/broker/internal/providertest"
	"stint/web"
)

// call is one HTTP request as a test writes it.
type call struct {
	method, path, body string
	header             map[string]string
}

func (w *world) do(browser *http.Client, c call) answer {
	w.t.Helper()
	if browser == nil {
		browser = &http.Client{}
	}
	request, err := http.NewRequestWithContext(w.t.Context(), c.method, w.config.URL+c.path, strings.NewReader(c.body))
	must(w.t, err)
	if c.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.method != http.MethodGet {
		request.Header.Set("Origin", w.config.URL)
	}
	for name, value := range c.header {
		switch {
		case name == "Host":
			request.Host = value
		case value == "":
			request.Header.Del(name)
		default:
			request.Header.Set(name, value)
		}
	}
	noRedirects := *browser
	noRedirects.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := noRedirects.Do(request)
	must(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(w.t, err)
	return answer{response.StatusCode, response.Header, body}
}

// problem reads an error answer, and fails the test if it has not the one shape.
func (a answer) problem(t *testing.T) api.Error {
	t.Helper()
	var problem api.Error
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&problem); err != nil || a.header.Get("Content-Type") != "application/problem+json" ||
		problem.Status != a.status || problem.Code == "" || problem.Title == "" {
		t.Errorf("status %d with %q is no problem document: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	return problem
}

// operations lists every operation of the OpenAPI document.
func operations(t *testing.T) (all []call) {
	t.Helper()
	text, err := portal.OpenAPI()
	must(t, err)
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody *struct{} `json:"requestBody"`
			Security    []map[string][]string
		} `json:"paths"`
	}
	must(t, json.Unmarshal(text, &document))
	for path, methods := range document.Paths {
		for method, operation := range methods {
			c := call{method: strings.ToUpper(method), path: path, header: map[string]string{}}
			for _, name := range []string{"id", "session", "credential", "enrolment", "code", "change", "alarm", "delegation", "name"} {
				c.path = strings.ReplaceAll(c.path, "{"+name+"}", "unknown-thing-0000")
			}
			if operation.RequestBody != nil {
				c.body = "{}"
			}
			if len(operation.Security) == 1 && len(operation.Security[0]) == 0 {
				c.header["open"] = "true"
			}
			all = append(all, c)
		}
	}
	if len(all) < 74 {
		t.Fatalf("the document has %d operations only", len(all))
	}
	return all
}

func TestEveryOperationKnowsWhoCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true})
	alice := w.portalSignIn("alice")
	open := map[string]bool{
		api.PathHealth: true, api.PathConfiguration: true, api.PathSignIn: true,
		api.PathInventories: true, api.PathAcceptedSerials: true, api.PathTargetTrust: true,
		api.PathReissue: true,
	}
	large := map[string]bool{api.PathPolicyCheck: true, api.PathPolicySimulate: true, api.PathPolicyChanges: true, api.PathInventories: true} // they carry files
	before := w.leaves()
	for _, c := range operations(t) {
		isOpen := c.header["open"] != ""
		delete(c.header, "open")
		if isOpen != open[c.path] {
			t.Errorf("%s %s: open is %v", c.method, c.path, isOpen)
		}
		name := c.method + " " + c.path
		// Nobody; a bearer token that is none; a cookie that is none.
		for _, header := range []map[string]string{{}, {"Authorization": "Bearer stint_token_x"}, {"Authorization": "Basic YTpi"}, {"Cookie": "stint_test1234=x"}} {
			c.header = header
			got := w.do(nil, c)
			if !isOpen && (got.status != http.StatusUnauthorized || got.problem(t).Code != "sign-in.needed") {
				t.Errorf("%s with %v: %d %s", name, header, got.status, got.body)
			}
		}
		if c.method == http.MethodGet {
			continue
		}
		// Another site's page, with alice's cookie.
		for _, origin := range []string{"https://evil.example", "null", "", w.config.URL + "/", strings.Replace(w.config.URL, "http", "https", 1), "http://localhost"} {
			c.header = map[string]string{"Origin": origin}
			got := w.do(alice.browser, c)
			if got.status != http.StatusForbidden || got.problem(t).Code != "origin.refused" {
				t.Errorf("%s from %q: %d %s", name, origin, got.status, got.body)
			}
		}
		// A bearer token does not excuse a foreign origin.
		c.header = map[string]string{"Origin": "https://evil.example", "Authorization": "Bearer stint_token_x"}
		if got := w.do(nil, c); got.status != http.StatusForbidden {
			t.Errorf("%s from elsewhere with a token: %d", name, got.status)
		}
		// A body that is none, too large, or of another kind.
		if c.body == "" {
			continue
		}
		most := 128 << 10
		if large[c.path] {
			most = 1 << 20
		}
		for _, wrong := range []struct {
			body, media string
			status      int
		}{
			{`{"unheard_of": 1}`, "application/json", http.StatusUnprocessableEntity},
			{`[]`, "application/json", http.StatusUnprocessableEntity},
			{`{`, "application/json", http.StatusBadRequest},
			{`{} {}`, "application/json", http.StatusBadRequest},
			{`{"reason": "` + strings.Repeat("x", most) + `"}`, "application/json", http.StatusRequestEntityTooLarge},
			{`{}`, "text/plain", http.StatusUnsupportedMediaType},
		} {
			c.body, c.header = wrong.body, map[string]string{"Content-Type": wrong.media}
			got := w.do(alice.browser, c)
			if problem := got.problem(t); got.status != wrong.status || wrong.status == http.StatusUnprocessableEntity && len(problem.Fields) == 0 {
				t.Errorf("%s with %.30q as %s: %d %s", name, wrong.body, wrong.media, got.status, got.body)
			}
		}
	}
	if after := w.leaves(); after != before {
		t.Errorf("refused calls left %d events", after-before)
	}
}

// leaves is the size of the audit log: whatever is stored leaves an event.
func (w *world) leaves() int64 {
	w.t.Helper()
	_, size, err := w.broker.store.Checkpoint(w.t.Context(), "stint-broker/test1234", auditSigner(w))
	must(w.t, err)
	return size
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	alice, erin := w.commandLine("alice"), w.portalSignIn("erin")
	request, err := alice.api.Ask(t.Context(), api.Ask{Role: "production-shell", Target: "web-1", Reason: "the disk is full"})
	must(t, err)
	before := w.leaves()
	for name, c := range map[string]struct {
		call
		status      int
		code, field string
	}{
		"role missing":           {call{"POST", "/api/requests", `{"target":"web-1"}`, nil}, 422, "input.invalid", "body.role"},
		"role unknown":           {call{"POST", "/api/requests", `{"role":"root","target":"web-1","reason":"x"}`, nil}, 422, "input.invalid", "body.role"},
		"role too long":          {call{"POST", "/api/requests", `{"role":"` + strings.Repeat("r", 64) + `","target":"web-1"}`, nil}, 422, "input.invalid", "body.role"},
		"target unknown":         {call{"POST", "/api/requests", `{"role":"production-shell","target":"nowhere","reason":"x"}`, nil}, 422, "input.invalid", "body.target"},
		"duration of wrong type": {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","duration_seconds":"1h"}`, nil}, 422, "input.invalid", "body.duration_seconds"},
		"duration below zero":    {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","duration_seconds":-1}`, nil}, 422, "input.invalid", "body.duration_seconds"},
		"duration beyond int":    {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","duration_seconds":9223372036854775807,"reason":"x"}`, nil}, 422, "input.invalid", "body.duration_seconds"},
		"reason too long":        {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","reason":"` + strings.Repeat("r", 2001) + `"}`, nil}, 422, "input.invalid", "body.reason"},
		"reason with control":    {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","reason":"a\u0007b"}`, nil}, 422, "input.invalid", "body.reason"},
		"reason with bidi":       {call{"POST", "/api/requests", `{"role":"production-shell","target":"web-1","reason":"a\u202eb"}`, nil}, 422, "input.invalid", "body.reason"},
		"field in capitals":      {call{"POST", "/api/requests", `{"Role":"production-shell","target":"web-1"}`, nil}, 422, "input.invalid", "body.Role"},
		"limit too large":        {call{"GET", "/api/requests?limit=201", "", nil}, 422, "input.invalid", "query.limit"},
		"limit not a number":     {call{"GET", "/api/requests?limit=many", "", nil}, 422, "input.invalid", "query.limit"},
		"view unknown":           {call{"GET", "/api/requests?view=theirs", "", nil}, 422, "input.invalid", "query.view"},
		"state unknown":          {call{"GET", "/api/requests?state=pending,gone", "", nil}, 422, "input.invalid", "query.state[1]"},
		"parameter unknown":      {call{"GET", "/api/requests?sort=up", "", nil}, 422, "input.invalid", "query.sort"},
		"cursor foreign":         {call{"GET", "/api/requests?cursor=abc", "", nil}, 422, "input.invalid", "query.cursor"},
		"session cursor foreign": {call{"GET", "/api/sessions?cursor=12", "", nil}, 422, "input.invalid", "query.cursor"},
		"everybody's requests":   {call{"GET", "/api/requests?view=all", "", nil}, 403, "forbidden", ""},
		"audit log":              {call{"GET", "/api/audit", "", nil}, 403, "forbidden", ""},
		"audit leaves":           {call{"GET", "/api/audit/log", "", nil}, 403, "forbidden", ""},
		"another's request":      {call{"GET", "/api/requests/" + request.ID, "", nil}, 404, "request.not-found", ""},
		"another's evidence":     {call{"GET", "/api/requests/" + request.ID + "/evidence", "", nil}, 404, "request.not-found", ""},
		"withdraw another's":     {call{"POST", "/api/requests/" + request.ID + "/withdraw", `{}`, nil}, 404, "request.not-found", ""},
		"deny as nobody":         {call{"POST", "/api/requests/" + request.ID + "/deny", `{}`, nil}, 404, "request.not-found", ""},
		"challenge as nobody":    {call{"POST", "/api/requests/" + request.ID + "/challenge", `{}`, nil}, 404, "request.not-found", ""},
		"no authority":           {call{"POST", "/api/enrolments/enr-0000000000/authorisation", `{}`, nil}, 422, "input.invalid", "body"},
		"passkey name":           {call{"POST", "/api/passkeys/registration", `{"name":"\u202e"}`, nil}, 422, "input.invalid", "body.name"},
		"registration unknown":   {call{"POST", "/api/enrolments", `{"ceremony":"x","credential":{},"groups":[]}`, nil}, 409, "registration.over", ""},
		"passkey unknown":        {call{"DELETE", "/api/passkeys/AAAA", "", nil}, 404, "passkey.not-found", ""},
		"path unknown":           {call{"GET", "/api/nothing", "", nil}, 404, "path.not-found", ""},
		"method unknown":         {call{"PUT", "/api/requests", "", nil}, 405, "method.not-allowed", ""},
		"file unknown":           {call{"GET", "/assets/none.js", "", nil}, 404, "path.not-found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.do(erin.browser, c.call)
			problem := got.problem(t)
			named := slices.ContainsFunc(problem.Fields, func(f api.FieldError) bool { return f.Field == c.field })
			if got.status != c.status || problem.Code != c.code || (c.field != "" && !named) {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	if after := w.leaves(); after != before {
		t.Errorf("refused calls left %d events", after-before)
	}
}

func TestHeadersAndCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true})

	// Every answer carries the headers, errors too.
	for _, path := range []string{"/", "/requests/req-0", "/healthz", "/api/me", "/api/nothing", api.PathOpenAPI, "/auth/callback"} {
		header := w.do(nil, call{method: "GET", path: path}).header
		for name, want := range map[string]string{
			"Content-Security-Policy": web.ContentSecurityPolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s of %s is %q", name, path, got)
			}
		}
		if !strings.Contains(header.Get("Permissions-Policy"), "publickey-credentials-get=(self)") || header.Get("X-Request-Id") == "" {
			t.Errorf("%s has no permissions policy or no request id", path)
		}
		if header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may be read by others", path)
		}
	}

	// Other hosts are refused, whatever is asked for; health checks come by address.
	for _, host := range []string{"evil.example", "127.0.0.1", "localhost", "localhost:1", strings.TrimPrefix(w.config.URL, "http://") + ".evil.example"} {
		for _, path := range []string{"/", "/api/me", api.PathPortalSignIn, api.PathOpenAPI} {
			if got := w.do(nil, call{method: "GET", path: path, header: map[string]string{"Host": host}}); got.status != http.StatusMisdirectedRequest {
				t.Errorf("%s at %s: %d", path, host, got.status)
			}
		}
		if got := w.do(nil, call{method: "GET", path: api.PathHealth, header: map[string]string{"Host": host}}); got.status != http.StatusOK {
			t.Errorf("health at %s: %d", host, got.status)
		}
	}

	// The cookies: of the attempt and of the session.
	begun := w.do(nil, call{method: "GET", path: api.PathPortalSignIn + "?return_to=/requests"})
	cookies := (&http.Response{Header: begun.header}).Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/auth/" || cookies[0].Domain != "" {
		t.Errorf("beginning to sign in sets %v", begun.header["Set-Cookie"])
	}
	alice := w.portalSignIn("alice")
	at, err := url.Parse(w.config.URL)
	must(t, err)
	jar := alice.browser.Jar.(*cookiejar.Jar).Cookies(at)
	if len(jar) != 1 || jar[0].Name != "stint_test1234" || len(jar[0].Value) != 43 {
		t.Errorf("signed in, the browser holds %v", jar)
	}
	out := w.do(alice.browser, call{method: "POST", path: api.PathLogout})
	if out.status != http.StatusNoContent || !strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out: %d %s", out.status, out.header.Get("Set-Cookie"))
	}
	if got := w.do(nil, call{method: "GET", path: api.PathMe, header: map[string]string{"Cookie": "stint_test1234=" + jar[0].Value}}); got.status != http.StatusUnauthorized {
		t.Errorf("the cookie still counts after signing out: %d", got.status)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true})

	// The way back is to a page of the portal, whatever the link said.
	for _, c := range []struct{ asked, back string }{
		{"/requests/req-1?tab=2", "/requests/req-1?tab=2"}, {"", "/"}, {"//evil.example", "/"}, {"https://evil.example/", "/"},
		{`/\evil.example`, "/"}, {"/\t/evil.example", "/"}, {"/auth/login", "/"}, {"/api/me", "/"}, {"javascript:alert(1)", "/"},
	} {
		browser := providertest.UpTo(t, w.config.URL+api.PathCallback)
		address := w.config.URL + api.PathPortalSignIn + "?return_to=" + url.QueryEscape(c.asked)
		callback := w.signInUpToCallback(browser, address, "alice")
		got := w.do(browser, call{method: "GET", path: callback})
		if got.status != http.StatusSeeOther || got.header.Get("Location") != c.back {
			t.Errorf("asked for %q, sent to %q (%d)", c.asked, got.header.Get("Location"), got.status)
		}
		// The answer counts once.
		if again := w.do(browser, call{method: "GET", path: callback}); again.header.Get("Location") != "/sign-in?error=sign-in-expired" {
			t.Errorf("the same answer again leads to %q", again.header.Get("Location"))
		}
	}

	// An answer counts in the browser that began, and with its own state.
	browser := providertest.UpTo(t, w.config.URL+api.PathCallback)
	callback := w.signInUpToCallback(browser, w.config.URL+api.PathPortalSignIn, "alice")
	if got := w.do(nil, call{method: "GET", path: callback}); got.header.Get("Location") != "/sign-in?error=sign-in-expired" {
		t.Errorf("in another browser it leads to %q", got.header.Get("Location"))
	}
	altered, err := url.Parse(callback)
	must(t, err)
	query := altered.Query()
	query.Set("state", query.Get("state")[:8]+strings.Repeat("A", 35))
	if got := w.do(browser, call{method: "GET", path: altered.Path + "?" + query.Encode()}); got.header.Get("Location") != "/sign-in?error=sign-in-expired" || sessionCookie(got) {
		t.Errorf("with another state it leads to %q", got.header.Get("Location"))
	}
	for _, path := range []string{"/auth/callback", "/auth/callback?state=x", "/auth/callback?state=" + strings.Repeat("/", 40), "/auth/callback?error=access_denied"} {
		if got := w.do(nil, call{method: "GET", path: path}); got.status != http.StatusSeeOther || sessionCookie(got) {
			t.Errorf("%s: %d", path, got.status)
		}
	}

	// The provider's no is told as such.
	browser = providertest.UpTo(t, w.config.URL+api.PathCallback)
	callback = w.signInUpToCallback(browser, w.config.URL+api.PathPortalSignIn, "alice")
	refused, err := url.Parse(callback)
	must(t, err)
	no := url.Values{"state": {refused.Query().Get("state")}, "error": {"access_denied"}}
	if got := w.do(browser, call{method: "GET", path: refused.Path + "?" + no.Encode()}); got.header.Get("Location") != "/sign-in?error=sign-in-refused" {
		t.Errorf("refused, it leads to %q", got.header.Get("Location"))
	}
}

func sessionCookie(a answer) bool {
	return slices.ContainsFunc((&http.Response{Header: a.header}).Cookies(), func(c *http.Cookie) bool { return c.Name == "stint_test1234" })
}

func TestAssetsAndFallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true})
	_, built := web.Assets()
	want := http.StatusOK
	if !built {
		want = http.StatusServiceUnavailable
	}
	for _, path := range []string{"/", "/requests/req-0123456789", "/approvals", "/sign-in?error=x"} {
		got := w.do(nil, call{method: "GET", path: path})
		if got.status != want || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || !bytes.Contains(got.body, []byte("<")) {
			t.Errorf("%s: %d %s", path, got.status, got.header.Get("Content-Type"))
		}
		if strings.Contains(got.header.Get("Cache-Control"), "immutable") {
			t.Errorf("the page is cached for ever")
		}
	}
	if got := w.do(nil, call{method: "GET", path: "/../../etc/passwd"}); got.status == http.StatusOK && bytes.Contains(got.body, []byte("root:")) {
		t.Error("files outside are served")
	}
	document, err := portal.OpenAPI()
	must(t, err)
	if got := w.do(nil, call{method: "GET", path: api.PathOpenAPI}); !bytes.Equal(got.body, document) {
		t.Error("what is served is not the OpenAPI document")
	}
}

func TestStartsWhileTheSignerIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true})
	var health api.Health
	must(t, json.Unmarshal(w.do(nil, call{method: "GET", path: api.PathHealth}).body, &health))
	if health.Status != "degraded" || !strings.Contains(fmt.Sprint(health.Troubles), "signer") {
		t.Errorf("health is %+v", health)
	}
	alice := w.portalSignIn("alice")
	if me, err := alice.api.Me(t.Context()); err != nil || me.Approver || me.Administrator {
		t.Errorf("alice is %+v, %v", me, err)
	}
	_, err := alice.api.Ask(t.Context(), api.Ask{Role: "production-shell", Target: "web-1", Reason: "x"})
	if problem, ok := err.(*api.Error); !ok || problem.Code != "signer.unavailable" || problem.Status != http.StatusServiceUnavailable {
		t.Errorf("asking without the signer: %v", err)
	}
}
