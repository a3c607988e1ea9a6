// Package recordertest is what a proxy's tests need around it: a broker and a
// signer that speak the real contracts over mutual TLS, and targets. Only tests
// import it.
package recordertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stint/recorder"
	"stint/server/border"
)

// Installation is a broker and a signer, and the configuration of a proxy for
// them.
type Installation struct {
	Broker *Broker
	Signer *Signer
	Config recorder.Config
}

// New starts a broker and a signer, which end with the test.
func New(t testing.TB) *Installation {
	t.Helper()
	directory := t.TempDir()
	proxy := newPeer(t, "proxy-1")
	certificate, key := filepath.Join(directory, "proxy.crt"), filepath.Join(directory, "proxy.key")
	must(t, os.WriteFile(certificate, proxy.certificatePEM, 0o600))
	must(t, os.WriteFile(key, proxy.keyPEM, 0o600))

	broker, brokerPeer := newBroker(t), newPeer(t, "broker")
	signer, signerPeer := newSigner(t), newPeer(t, "signer")
	broker.server = serveTLS(t, brokerPeer, proxy.pin, broker.handler())
	signer.server = serveTLS(t, signerPeer, proxy.pin, signer.handler())
	return &Installation{Broker: broker, Signer: signer, Config: recorder.Config{
		Name: "proxy-1", Instance: "test", Data: filepath.Join(directory, "data"), Listen: "127.0.0.1:0",
		TLS:    recorder.TLS{Certificate: certificate, Key: key},
		Signer: recorder.Peer{URL: signer.server.url(), Key: signerPeer.pin},
		Broker: recorder.Peer{URL: broker.server.url(), Key: brokerPeer.pin},
	}}
}

// peer is a self-signed TLS identity.
type peer struct {
	certificate            tls.Certificate
	certificatePEM, keyPEM []byte
	pin                    string
}

func newPeer(t testing.TB, name string) peer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	p := peer{
		certificatePEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
	p.certificate, err = tls.X509KeyPair(p.certificatePEM, p.keyPEM)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	p.pin = border.KeyOf(parsed)
	return p
}

// server is an HTTPS server that can go away and come back at its address.
type server struct {
	t       testing.TB
	address string
	config  *tls.Config
	handler http.Handler

	mu      sync.Mutex
	running *http.Server
}

func serveTLS(t testing.TB, self peer, client string, handler http.Handler) *server {
	t.Helper()
	s := &server{t: t, address: "127.0.0.1:0", handler: handler, config: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{self.certificate}, ClientAuth: tls.RequireAnyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			if border.KeyOf(state.PeerCertificates[0]) != client {
				return errors.New("a stranger's certificate")
			}
			return nil
		},
	}}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) url() string { return "https://" + s.address }

func (s *server) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	listener, err := net.Listen("tcp", s.address)
	must(s.t, err)
	s.address = listener.Addr().String()
	running := &http.Server{
		Handler: s.handler, TLSConfig: s.config, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.running = running
	go func() { _ = running.ServeTLS(listener, "", "") }()
}

// stop hangs up on everybody.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		_ = s.running.Close()
		s.running = nil
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func refuse(w http.ResponseWriter, status int, code, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "title": title})
}
