package portal

import (
	"crypto/rand"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stint/server/api"
	"stint/web"
)

// A binary from a plain go build has the committed placeholder and nothing else
// of the web: whoever opens the portal reads that, and the API serves.
func TestBuiltWithoutTheWeb(t *testing.T) {
	t.Parallel()
	embedded, _ := web.Assets()
	placeholder, err := fs.ReadFile(embedded, web.Placeholder)
	if err != nil {
		t.Fatal(err)
	}
	p := &Portal{config: Config{Now: time.Now, Random: rand.Reader}, hosts: map[string]bool{"stint.example": true}, log: slog.New(slog.DiscardHandler)}
	if p.assets, err = loadAssets(fstest.MapFS{web.Placeholder: {Data: placeholder}}, false); err != nil {
		t.Fatal(err)
	}
	if err := p.route(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		status int
		media  string
		words  []string
	}{
		"/":                       {http.StatusServiceUnavailable, "text/html", []string{"built without the portal", "make build"}},
		"/approvals/req-01234567": {http.StatusServiceUnavailable, "text/html", []string{"built without the portal", "make build"}},
		"/" + web.Placeholder:     {http.StatusNotFound, "application/problem+json", []string{"path.not-found"}},
		"/assets/index.js":        {http.StatusNotFound, "application/problem+json", []string{"path.not-found"}},
		api.PathOpenAPI:           {http.StatusOK, "application/json", []string{`"openapi": "3.`, `"/api/requests"`}},
		"/api/nowhere":            {http.StatusNotFound, "application/problem+json", []string{"path.not-found"}},
	} {
		answer := httptest.NewRecorder()
		p.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://stint.example"+path, nil))
		if answer.Code != want.status || !strings.HasPrefix(answer.Header().Get("Content-Type"), want.media) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Header().Get("Content-Type"))
		}
		for _, words := range want.words {
			if !strings.Contains(answer.Body.String(), words) {
				t.Errorf("%s does not say %q:\n%.500s", path, words, answer.Body)
			}
		}
		if policy := answer.Header().Get("Content-Security-Policy"); policy != web.ContentSecurityPolicy {
			t.Errorf("%s comes under the policy %q", path, policy)
		}
		if kept := answer.Header().Get("Cache-Control"); kept != "no-store" {
			t.Errorf("%s may be kept: %q", path, kept)
		}
	}
}
