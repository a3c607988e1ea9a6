package certificates

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

var processes = []string{"broker", "signer", "proxy-1"}

func mustOpen(t *testing.T, dir string, now time.Time) *Set {
	t.Helper()
	set, err := Open(dir, processes, now)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	set := mustOpen(t, t.TempDir(), time.Now())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{set.Identities["signer"].pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: set.pool}
	server.StartTLS()
	defer server.Close()

	call := func(set *Set, expect string) (string, error) {
		config, err := set.Client("broker", expect)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: config}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	}
	if who, err := call(set, "signer"); err != nil || who != "broker" {
		t.Errorf("the server saw %q, %v", who, err)
	}
	if _, err := call(set, "proxy-1"); err == nil {
		t.Error("the signer was taken for the proxy")
	}
	if _, err := call(mustOpen(t, t.TempDir(), time.Now()), "signer"); err == nil {
		t.Error("another installation's authority was believed")
	}
	if _, err := set.Client("broker", "nobody"); err == nil {
		t.Error("a configuration for nobody")
	}
}

func TestKeysStayAndCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	dir, start := t.TempDir(), time.Now()
	first := mustOpen(t, dir, start)
	leaf := func(s *Set) *tls.Certificate { c := s.Identities["broker"].pair; return &c }
	for _, step := range []struct {
		after   time.Duration
		renewed bool
	}{
		{time.Minute, false}, {leafLife - renewBefore - time.Hour, false}, {leafLife - renewBefore + time.Hour, true}, {authorityLife, true},
	} {
		again := mustOpen(t, dir, start.Add(step.after))
		if again.Identities["broker"].Pin != first.Identities["broker"].Pin {
			t.Errorf("after %v the key is another", step.after)
		}
		if renewed := !leaf(again).Leaf.Equal(leaf(first).Leaf); renewed != step.renewed {
			t.Errorf("after %v renewed: %v", step.after, renewed)
		}
		if until := leaf(again).Leaf.NotAfter; until.Before(start.Add(step.after)) {
			t.Errorf("after %v the certificate has ended at %v", step.after, until)
		}
		first = again
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"authority.key", "authority.crt", "broker.key", "broker.crt"} {
		dir := t.TempDir()
		mustOpen(t, dir, time.Now())
		if err := os.WriteFile(dir+"/"+file, []byte("-----BEGIN"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, processes, time.Now()); err == nil {
			t.Errorf("a damaged %s was accepted", file)
		}
	}
}
