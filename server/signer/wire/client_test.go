package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"stint/server/border"
)

// answering is a client of a server that gives one answer to everything.
func answering(t *testing.T, status int, kind, body string) *Client {
	t.Helper()
	return of(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// of is a client of a server.
func of(t *testing.T, serve http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(serve)
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate, err := x509.ParseCertificate(server.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(server.URL, border.KeyOf(certificate), tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: server.TLS.Certificates[0].PrivateKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	problem := `{"status":403,"code":"ended","title":"This request was ended."}`
	for name, c := range map[string]struct {
		status     int
		kind, body string
		refusal    string // the code, where it is one
		fails      bool
	}{
		"good":                        {200, "application/json", `{"instance":"k3f9x2mq","entries":1,"policy_digest":"","issuer_known":true}`, "", false},
		"a refusal":                   {403, ProblemType, problem, "ended", true},
		"a refusal with more":         {403, ProblemType, strings.Replace(problem, "{", `{"more":1,`, 1), "", true},
		"a fault":                     {500, ProblemType, strings.Replace(problem, "403", "500", 1), "", true},
		"an unknown field":            {200, "application/json", `{"instance":"k3f9x2mq","alarm":true}`, "", true},
		"two values":                  {200, "application/json", `{} {}`, "", true},
		"a page of a gateway":         {502, "text/html", "<h1>Bad Gateway</h1>", "", true},
		"a problem in the wrong kind": {403, "text/plain", problem, "", true},
		"a redirect":                  {302, "text/plain", "", "", true},
		"nothing":                     {200, "application/json", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := answering(t, c.status, c.kind, c.body).Health(context.Background())
			if (err != nil) != c.fails {
				t.Fatalf("Health: %v", err)
			}
			refused, ok := errors.AsType[*Error](err)
			if ok != (c.refusal != "") || ok && refused.Code != c.refusal {
				t.Errorf("error %v, want the refusal %q", err, c.refusal)
			}
		})
	}
}

// TestWhatIsSentAgain: a connection that dies under a call says nothing about whether
// the call was heard.
func TestWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		call func(*Client) error
		sent int64
	}{
		"an ending":  {func(c *Client) error { _, err := c.End(context.Background(), EndRequest{}); return err }, 2},
		"a rotation": {func(c *Client) error { _, err := c.Rotate(context.Background(), RotateRequest{}); return err }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard atomic.Int64
			client := of(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != PathHealth && heard.Add(1) == 1 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/json")
				w.Write([]byte("{}"))
			})
			if _, err := client.Health(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := c.call(client); (err == nil) != (c.sent > 1) || heard.Load() != c.sent {
				t.Errorf("it was sent %d times: %v", heard.Load(), err)
			}
		})
	}
}
