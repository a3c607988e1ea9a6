package recordertest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast/casttest"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// Signer holds authorities and signs for a proxy, by grants that the test
// gives it instead of evidence.
type Signer struct {
	UserCA, TargetCA, HostCA ssh.Signer // those that sign; see Rotate
	server                   *server

	mu      sync.Mutex
	retired []string // user CAs that still count
	names   []string
	targets map[string]Target
	grants  map[string]Grant
	present map[string]time.Time // when the person said that they are there, by request
	used    map[string]bool      // requests for which a target certificate was signed
	serial  uint64
	digest  string
}

// Target is where a target listens and whom to expect there.
type Target struct {
	Address string
	HostKey ssh.PublicKey
	// HangUp closes every connection of an in-process target.
	HangUp func()
	// Connections is how many came to an in-process target.
	Connections func() int
}

// Grant is what a request came to.
type Grant struct {
	Request, Login, Target string
	Ends                   time.Time
	// Rules are what the role says of sessions. Where Rules.Recipients.Session is nil,
	// they are recorded for casttest's.
	Rules wire.SessionRules
}

func newSigner(t testing.TB) *Signer {
	t.Helper()
	return &Signer{
		UserCA: NewKey(t), TargetCA: NewKey(t), HostCA: NewKey(t),
		names: []string{"localhost", "127.0.0.1", "stint"}, targets: map[string]Target{}, grants: map[string]Grant{}, used: map[string]bool{}, present: map[string]time.Time{}, digest: "sha256:0",
	}
}

// NewKey makes an Ed25519 key.
func NewKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	key, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return key
}

// AddTarget puts a target into the policy.
func (s *Signer) AddTarget(name string, target Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets[name] = target
	s.digest = "sha256:" + strings.Repeat("1", len(s.targets))
}

// Allow enters a grant into the ledger.
func (s *Signer) Allow(grant Grant) {
	if to := &grant.Rules.Recipients; to.Session == nil {
		*to = wire.Recipients{Session: casttest.Session(), First: casttest.First(), Second: casttest.Second()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[grant.Request] = grant
}

// Rotate replaces the user CA and the host CA, as the signer does when their life is
// over, or, if withdrawn, at once and with nothing under the old ones accepted.
func (s *Signer) Rotate(t testing.TB, withdrawn bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, line(s.UserCA.PublicKey()))
	if withdrawn {
		s.retired = nil
	}
	s.UserCA, s.HostCA = NewKey(t), NewKey(t)
}

// Stop makes the signer unreachable; Start brings it back.
func (s *Signer) Stop() { s.server.stop() }

// Start brings a stopped signer back at its address.
func (s *Signer) Start() { s.server.start() }

// UserCertificate is the certificate of a grant, before it is signed, over key.
func (s *Signer) UserCertificate(grant Grant, key ssh.PublicKey) *ssh.Certificate {
	return &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: grant.Request, Serial: 7,
		ValidPrincipals: []string{grant.Login + "@" + grant.Target},
		ValidAfter:      uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(grant.Ends.Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
}

// Identity is a key with a certificate for a grant.
func (s *Signer) Identity(t testing.TB, grant Grant) ssh.Signer {
	t.Helper()
	key := NewKey(t)
	certificate := s.UserCertificate(grant, key.PublicKey())
	must(t, certificate.SignCert(rand.Reader, s.UserCA))
	identity, err := ssh.NewCertSigner(certificate, key)
	must(t, err)
	return identity
}

// IdentityFile writes a key and its certificate where ssh -i finds both.
func (s *Signer) IdentityFile(t testing.TB, grant Grant) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	key, err := ssh.NewSignerFromKey(private)
	must(t, err)
	certificate := s.UserCertificate(grant, key.PublicKey())
	must(t, certificate.SignCert(rand.Reader, s.UserCA))
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	path := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	must(t, os.WriteFile(path+"-cert.pub", ssh.MarshalAuthorizedKey(certificate), 0o600))
	return path
}

func (s *Signer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathTrust, func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, wire.TrustResult{Trust: evidence.Trust{
			Version: 1, UserCA: append([]string{line(s.UserCA.PublicKey())}, s.retired...), HostCA: []string{line(s.HostCA.PublicKey())},
		}, PolicyDigest: s.digest})
	})
	mux.HandleFunc("POST "+wire.PathSignHost, s.signHost)
	mux.HandleFunc("POST "+wire.PathSignTarget, s.signTarget)
	mux.HandleFunc("POST "+wire.PathContinue, s.continueSession)
	mux.HandleFunc("POST "+wire.PathPresent, s.tellPresent)
	return mux
}

func (s *Signer) signHost(w http.ResponseWriter, r *http.Request) {
	var request wire.HostRequest
	key, ok := s.readKey(w, r, &request, &request.PublicKey)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(s.names)
	for name := range s.targets {
		names = append(names, name)
	}
	certificate := s.sign(s.HostCA, &ssh.Certificate{
		Key: key, CertType: ssh.HostCert, KeyId: "proxy-1", ValidPrincipals: names,
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	})
	answer(w, wire.HostCertificate{Certificate: certificate, Principals: names, Ends: time.Now().Add(time.Hour)})
}

func (s *Signer) signTarget(w http.ResponseWriter, r *http.Request) {
	var request wire.TargetRequest
	key, ok := s.readKey(w, r, &request, &request.PublicKey)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	grant, ok := s.grants[request.Request]
	if !ok || !time.Now().Before(grant.Ends) {
		refuse(w, http.StatusForbidden, "ended", "The signer knows no live grant of this request; ask again.")
		return
	}
	if grant.Rules.SingleUse && s.used[request.Request] {
		refuse(w, http.StatusForbidden, "used", "This grant was for one session, which was opened. Ask again: stint request")
		return
	}
	s.used[request.Request] = true
	target := s.targets[grant.Target]
	ends := time.Now().Add(wire.TargetLife)
	certificate := s.sign(s.TargetCA, &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: grant.Request, ValidPrincipals: []string{grant.Login + "@" + grant.Target},
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(ends.Unix()),
		Permissions: ssh.Permissions{Extensions: grant.Rules.Extensions()},
	})
	answer(w, wire.TargetCertificate{
		Certificate: certificate, Login: grant.Login, Target: grant.Target,
		Address: target.Address, HostKey: line(target.HostKey), Ends: ends, GrantEnds: grant.Ends, Role: "role", Rules: grant.Rules,
	})
}

func (s *Signer) continueSession(w http.ResponseWriter, r *http.Request) {
	var request wire.ContinueRequest
	if err := read(r, &request); err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, next := s.grants[request.Opened], s.grants[request.Next]
	if next.Login != opened.Login || next.Target != opened.Target || !time.Now().Before(next.Ends) {
		refuse(w, http.StatusForbidden, "other-principal", "The extension is for another login or target. Open a session by it.")
		return
	}
	answer(w, wire.ContinueResult{GrantEnds: next.Ends, Rules: next.Rules})
}

// IsPresent has the person of every session under a request say at a moment that they are
// there.
func (s *Signer) IsPresent(request string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present[request] = at
}

func (s *Signer) tellPresent(w http.ResponseWriter, r *http.Request) {
	var request wire.PresentRequest
	if err := read(r, &request); err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer(w, wire.PresentResult{At: s.present[request.Opened]})
}

func (s *Signer) readKey(w http.ResponseWriter, r *http.Request, request any, text *string) (ssh.PublicKey, bool) {
	err := read(r, request)
	var key ssh.PublicKey
	if err == nil {
		key, _, _, _, err = ssh.ParseAuthorizedKey([]byte(*text))
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
	}
	return key, err == nil
}

func (s *Signer) sign(by ssh.Signer, certificate *ssh.Certificate) string {
	s.serial++
	certificate.Serial = s.serial
	if err := certificate.SignCert(rand.Reader, by); err != nil {
		panic(err)
	}
	return line(certificate)
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }
