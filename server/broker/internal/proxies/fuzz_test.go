package proxies

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stint/recorder/wire"
	"stint/server/border"
	"stint/server/broker/internal/mirror/mirrortest"
	"stint/server/broker/internal/recordings"
	"stint/server/broker/internal/store/storetest"
)

// FuzzCalls: whatever a proxy sends, the broker answers or refuses in the one form
// that there is; nothing of it is a fault of its own, and no session begins that no
// grant allows.
func FuzzCalls(f *testing.F) {
	house := storetest.NewHouse(f, mirrortest.OpenStore(f))
	kept, err := recordings.Open(f.TempDir(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = kept.Close() })
	shown := &x509.Certificate{RawSubjectPublicKeyInfo: []byte("key"), Subject: pkix.Name{CommonName: "proxy-1"}}
	s := &Server{
		flow: house, marker: house.Store, endings: NewEndings(), statuses: NewStatuses(time.Now), recordings: kept, log: slog.New(slog.DiscardHandler),
		names: map[string]string{border.KeyOf(shown): "proxy-1"}, uploads: make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	handler := s.routes()
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		path, query, _ := strings.Cut(target, "?")
		if !strings.HasPrefix(path, "/") || path == wire.PathEndings {
			return // a stream
		}
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		request.Method, request.URL.Path, request.URL.RawQuery = method, path, query
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code/100 == 3 || answer.Code == http.StatusMethodNotAllowed && answer.Body.Len() < 40 {
			return // the multiplexer's own
		}
		if answer.Code/100 != 2 {
			var problem wire.Error
			if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Status != answer.Code || problem.Code == "" || problem.Title == "" ||
				answer.Code >= http.StatusInternalServerError {
				t.Errorf("%s %s %q: %d %s", method, target, body, answer.Code, answer.Body)
			}
			return
		}
		var leases wire.LeaseResult
		if path != wire.PathLeases || json.Unmarshal(answer.Body.Bytes(), &leases) != nil {
			t.Fatalf("%s %s %q is answered: %s", method, target, body, answer.Body)
		}
		for _, verdict := range leases.Verdicts {
			if verdict.Lease != 0 || verdict.Ended == "" {
				t.Errorf("%q has a lease: %+v", body, verdict)
			}
		}
	})
}
