package facts

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stint/policies"
	"stint/server/access"
)

func serve(t *testing.T, now func() time.Time, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := NewClient(server.URL+"/stint", "token", time.Minute, roots, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

var query = access.FactQuery{
	Facts:  []string{"on-call", "risk", "team", "ticket-open"},
	Person: policies.Person{Subject: policies.Subject{Issuer: "https://id.example.com", Subject: "f3a9"}, Name: "Alice", Groups: []string{"engineering"}},
	Ask:    policies.Ask{Role: "shell", Target: "db1", Login: "postgres", Duration: time.Hour, Reason: "why", Ticket: "OPS-1"},
}

const body = `{"facts":["on-call","risk","team","ticket-open"],"person":{"issuer":"https://id.example.com","subject":"f3a9","name":"Alice","groups":["engineering"]},` +
	`"ask":{"role":"shell","target":"db1","login":"postgres","duration_seconds":3600,"reason":"why","ticket":"OPS-1","break_glass":false}}`

func TestFacts(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	var now atomic.Int64
	client := serve(t, func() time.Time { return time.Unix(now.Load(), 0) }, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		sent, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/stint" || r.Header.Get("Authorization") != "Bearer token" || string(sent) != body {
			t.Errorf("%s %s with %q: %s", r.Method, r.URL, r.Header.Get("Authorization"), sent)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"facts": {"ticket-open": true, "risk": -7, "team": "storage", "on-call": null}}`)
	})
	want := []policies.Assertion{{Name: "risk", Value: "-7"}, {Name: "team", Value: "storage"}, {Name: "ticket-open", Value: "true"}}
	for _, at := range []int64{0, 4, 5} {
		now.Store(at)
		got, err := client.Facts(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if calls.Load() != 2 {
		t.Errorf("the source was asked %d times; an answer serves 5 seconds", calls.Load())
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status      int
		media, text string
	}{
		"an error":        {500, "application/json", `{"facts": {}}`},
		"a redirect":      {302, "application/json", `{"facts": {}}`},
		"no JSON":         {200, "text/html", `{"facts": {}}`},
		"no facts":        {200, "application/json", `{}`},
		"more than asked": {200, "application/json", `{"facts": {"admin": true}}`},
		"unknown fields":  {200, "application/json", `{"facts": {}, "more": 1}`},
		"two values":      {200, "application/json", `{"facts": {}} {}`},
		"a fraction":      {200, "application/json", `{"facts": {"risk": 1.5}}`},
		"a list":          {200, "application/json", `{"facts": {"risk": [1]}}`},
		"too much":        {200, "application/json", `{"facts": {"team": "` + strings.Repeat("x", maxAnswer) + `"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, time.Now, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.media)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.text)
			})
			if facts, err := client.Facts(t.Context(), query); err == nil {
				t.Errorf("got %v", facts)
			}
		})
	}
}

func TestASlowSource(t *testing.T) {
	t.Parallel()
	client := serve(t, time.Now, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	client.timeout = 50 * time.Millisecond
	if _, err := client.Facts(context.Background(), query); err == nil {
		t.Error("it waited for ever")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://facts.example.com/stint": true, "http://127.0.0.1:80/x": true, "http://localhost/": true,
		"http://facts.example.com/": false, "https://u:p@facts.example.com/": false, "ftp://localhost/": false, "": false,
	} {
		if err := CheckAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := NewClient("https://facts.example.com/", "two words", 0, nil, time.Now); err == nil {
		t.Error("a token of two words was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"facts": {"risk": 1}}`, `{"facts": {"ticket-open": true, "team": "x"}}`, `{"facts": {"risk": null}}`, `{"facts": {"risk": 1e3}}`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := parse(data, query.Facts)
		if err != nil {
			return
		}
		for i, fact := range facts {
			if i > 0 && facts[i-1].Name >= fact.Name {
				t.Errorf("%v is not sorted", facts)
			}
		}
		if !json.Valid(data) {
			t.Errorf("%q is no JSON", data)
		}
	})
}
