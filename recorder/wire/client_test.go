package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stint/server/border"
)

// serve starts a broker that knows this client's certificate, and returns the
// client.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := NewClient(server.URL, border.KeyOf(server.Certificate()), certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestOnlyTheBrokersKeyCounts(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(respond(200, `{"bytes":1}`))
	defer server.Close()
	client, err := NewClient(server.URL, strings.Repeat("0", 64), certificate(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RecordingState(t.Context(), "s"); err == nil || !strings.Contains(err.Error(), "is not the broker") {
		t.Errorf("a stranger was believed: %v", err)
	}
}

func TestNewClientRefusesBadWiring(t *testing.T) {
	t.Parallel()
	key, own := strings.Repeat("0", 64), certificate(t)
	for name, make := range map[string]func() (*Client, error){
		"http":           func() (*Client, error) { return NewClient("http://127.0.0.1:1", key, own) },
		"a path":         func() (*Client, error) { return NewClient("https://127.0.0.1:1/x", key, own) },
		"no key":         func() (*Client, error) { return NewClient("https://127.0.0.1:1", "", own) },
		"half a key":     func() (*Client, error) { return NewClient("https://127.0.0.1:1", key[:32], own) },
		"no certificate": func() (*Client, error) { return NewClient("https://127.0.0.1:1", key, tls.Certificate{}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRefusalsAndFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		refused string // code; empty when the broker did not answer, which is tried again
	}{
		{"a refusal", respond(403, `{"status":403,"code":"grant-ended","title":"It ended."}`), "grant-ended"},
		{"a refusal that says more", respond(409, `{"status":409,"code":"x","title":"y","detail":"z"}`), "x"},
		{"a failure of the broker", respond(500, `{"status":500,"code":"internal","title":"Sorry."}`), ""},
		{"somebody else's page", respond(404, `<html>`), ""},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, ""},
		{"no lease", respond(200, `{"session":"s"}`), ""},
		{"another session", respond(200, `{"session":"t","lease":5}`), ""},
		{"an unknown field", respond(200, `{"session":"s","lease":5,"new":1}`), ""},
		{"half an answer", respond(200, `{"session":"s"`), ""},
		{"two answers", respond(200, `{"session":"s","lease":5}{}`), ""},
		{"an endless answer", respond(200, `{"session":"`+strings.Repeat("s", maxAnswer)+`"}`), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, test.handler).StartSession(t.Context(), SessionStart{Session: "s"})
			problem := &Error{}
			refused := errors.As(err, &problem)
			if err == nil || refused != (test.refused != "") || refused && problem.Code != test.refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestVerdictsMustFit(t *testing.T) {
	t.Parallel()
	for body, good := range map[string]bool{
		`{"verdicts":[{"session":"a","lease":1},{"session":"b","ended":"revoked","by":"Bob"}]}`: true,
		`{"verdicts":[{"session":"a","lease":1}]}`:                                              false,
		`{"verdicts":[{"session":"b","lease":1},{"session":"a","lease":1}]}`:                    false,
		`{}`: false,
	} {
		_, err := serve(t, respond(200, body)).RenewLeases(t.Context(), LeaseRequest{Sessions: []string{"a", "b"}})
		if (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if r.Method != http.MethodPut || r.URL.Path != "/v1/sessions/a b/recording" || r.URL.Query().Get("offset") != "7" || r.ContentLength != 5 || err != nil {
			respond(400, `{"status":400,"code":"bad","title":"no"}`)(w, r)
			return
		}
		respond(200, fmt.Sprintf(`{"bytes":%d}`, 7+len(data)))(w, r)
	})
	state, err := client.Upload(t.Context(), "a b", 7, strings.NewReader("hello, and more"), 5)
	if err != nil || state.Bytes != 12 {
		t.Errorf("got %+v, %v", state, err)
	}
	if _, err := client.Upload(t.Context(), "s", 0, strings.NewReader(""), MaxChunk+1); err == nil {
		t.Error("a chunk that is too large was sent")
	}
}

func TestEndings(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}\n\n{\"request\":\"r-1\",\"reason\":\"revoked\",\"by\":\"Bob\"}\n")
	})
	connected := 0
	var heard []Ending
	err := client.Endings(t.Context(), func() { connected++ }, func(e Ending) { heard = append(heard, e) })
	if err == nil || connected != 1 || len(heard) != 2 || heard[1].Request != "r-1" || heard[1].By != "Bob" {
		t.Errorf("connected %d times, heard %+v, %v", connected, heard, err)
	}
	refused := serve(t, respond(403, `{"status":403,"code":"unknown-proxy","title":"no"}`))
	if err := refused.Endings(t.Context(), func() { t.Error("connected") }, func(Ending) {}); err == nil {
		t.Error("a refused stream is no error")
	}
	garbled := serve(t, respond(200, "{\"request\":\"r-1\",\"surprise\":1}\n"))
	if err := garbled.Endings(t.Context(), func() {}, func(e Ending) { t.Errorf("heard %+v", e) }); err == nil {
		t.Error("a line that is not understood is no error")
	}
}

func TestSilentStreamBreaks(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{}\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for range 3 { // this machine may stand still meanwhile, though not each time
		began := time.Now()
		err := client.Endings(context.Background(), func() {}, func(Ending) {})
		took := time.Since(began)
		t.Logf("it took %v: %v", took, err)
		if err == nil || took < EndingsPing {
			t.Errorf("it took %v: %v", took, err)
		}
		if took <= 3*EndingsPing {
			return
		}
	}
	t.Errorf("not once within %v", 3*EndingsPing)
}
