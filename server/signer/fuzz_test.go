package signer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"stint/server/signer/wire"
)

// FuzzCalls: whatever a broker or a proxy sends, the signer answers or refuses in the
// one form that there is; nothing of it is a fault of its own.
func FuzzCalls(f *testing.F) {
	w := openWorld(f)
	w.unlimited()
	handler := newServer(w.signer, w.quiet()).handler()
	f.Fuzz(func(t *testing.T, path string, body []byte, byProxy bool) {
		by := w.broker
		if byProxy {
			by = w.proxy
		}
		if !strings.HasPrefix(path, "/") || path == wire.PathRotate {
			return // a rotation for each would fill the disk
		}
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		request.URL.Path = path
		if len(body) == 0 {
			request.Method = http.MethodGet
			request.URL.Path, request.URL.RawQuery, _ = strings.Cut(path, "?")
		}
		request.Header.Set("Content-Type", "application/json")
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{by.Leaf}}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code == http.StatusOK || answer.Code/100 == 3 {
			return
		}
		var problem wire.Error
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil && answer.Code != http.StatusMethodNotAllowed || answer.Code == http.StatusInternalServerError ||
			err == nil && (problem.Status != answer.Code || problem.Code == "" || problem.Title == "") {
			t.Errorf("%s %s %q: %d %s", request.Method, path, body, answer.Code, answer.Body)
		}
	})
}

// FuzzReadConfig: a configuration that is taken is taken again once it is written.
func FuzzReadConfig(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "signer.json")
		write(t, path, string(text))
		config, err := ReadConfig(path)
		if err != nil {
			return
		}
		again, err := json.Marshal(config)
		must(t, err)
		write(t, path, string(again))
		second, err := ReadConfig(path)
		must(t, err)
		if written, err := json.Marshal(second); err != nil || !bytes.Equal(again, written) {
			t.Errorf("%s reads as %s (%v)", again, written, err)
		}
		if keys := len(config.Proxies) + 1; len(newServer(&signer{config: config}, nil).callers) != keys {
			t.Errorf("%s: two callers are one", text)
		}
	})
}

// FuzzSignatureKeys: of what a provider publishes only public keys are kept, in one
// spelling, no more than there is room for.
func FuzzSignatureKeys(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if json.Unmarshal(text, &set) != nil {
			return
		}
		keys, err := signatureKeys(set.Keys)
		if err != nil {
			return
		}
		if len(keys) == 0 || len(keys) > maxIssuerKeys {
			t.Fatalf("%d keys", len(keys))
		}
		for _, text := range keys {
			var key jose.JSONWebKey
			if err := key.UnmarshalJSON([]byte(text)); err != nil || !key.IsPublic() || !key.Valid() || key.Use == "enc" || len(key.Certificates) > 0 {
				t.Fatalf("%s is kept: %v", text, err)
			}
			if again, err := signatureKeys([]json.RawMessage{json.RawMessage(text)}); err != nil || len(again) != 1 || again[0] != text {
				t.Fatalf("%s is written %q, %v", text, again, err)
			}
		}
	})
}

// FuzzSentence: whatever a check says ends up as one line of bounded length.
func FuzzSentence(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		line := sentence(text)
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\t") || utf8.RuneCountInString(line) > 402 {
			t.Errorf("%q is told as %q", text, line)
		}
		if again := sentence(line); again != line && utf8.RuneCountInString(line) <= 400 {
			t.Errorf("%q is told as %q, then %q", text, line, again)
		}
	})
}
