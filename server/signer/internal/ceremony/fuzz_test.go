package ceremony

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// zeroes is a source of secrets that a corpus can name.
type zeroes struct{}

// Read fills with zeroes.
func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzCalls: whatever somebody sends to the page's calls, it is answered or refused;
// without the secret of a link nothing is told.
func FuzzCalls(f *testing.F) {
	carol := policies.Subject{Issuer: "https://id.example.com", Subject: "carol"}
	c, err := New(Config{
		Instance: "k3f9x2mq", RelyingParty: "stint.example.com", Origin: origin, People: []policies.Person{{Subject: carol, Name: "Carol"}},
		LinksFile: filepath.Join(f.TempDir(), "ceremony.json"), Random: zeroes{}, Now: time.Now,
		Attested: func([]string) bool { return true }, Joined: func(policies.Subject) bool { return false },
		Enrol:   func(context.Context, evidence.EnrolmentEvidence) error { return nil },
		Refused: func(string, wire.Error) bool { return true },
	})
	if err != nil {
		f.Fatal(err)
	}
	handler, secret := c.Handler(), strings.Repeat("A", 32)
	f.Fuzz(func(t *testing.T, path string, body []byte, begun bool) {
		if !slices.Contains([]string{PathBegin, PathRegister, PathEnrol}, path) {
			return
		}
		clear(c.pending)
		if begun {
			if _, err := c.begin(secret); err != nil {
				t.Fatal(err)
			}
		}
		request := httptest.NewRequest(http.MethodPost, origin+path, bytes.NewReader(body))
		request.Header.Set("Origin", origin)
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code == http.StatusOK {
			var knocked struct{ Secret string }
			if json.Unmarshal(body, &knocked) != nil || knocked.Secret != secret || path != PathBegin && !begun {
				t.Errorf("%s %q is answered: %s", path, body, answer.Body)
			}
			return
		}
		var problem wire.Error
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Status != answer.Code || problem.Code == "" || problem.Title == "" || answer.Code/100 != 4 {
			t.Errorf("%s %q: %d %s", path, body, answer.Code, answer.Body)
		}
	})
}

// FuzzReadLinks: links that are read are kept as they are; one that counts as ours
// leads to this page with a secret as long as those that are made.
func FuzzReadLinks(f *testing.F) {
	const origin = "https://stint.example.com:8443"
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "ceremony.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		links, err := readLinks(path)
		if err != nil {
			return
		}
		for _, link := range links {
			if secret, here := strings.CutPrefix(link.URL, origin+"/#"); ours(link.URL, origin) && (!here || len(secret) != 32) {
				t.Errorf("%q counts as ours", link.URL)
			}
		}
		if err := keepLinks(path, links); err != nil {
			t.Fatal(err)
		}
		if again, err := readLinks(path); err != nil || !slices.Equal(again, links) {
			t.Errorf("%+v, then %+v, %v", links, again, err)
		}
	})
}
