package signer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
	"stint/server/ledger"
	"stint/server/signer/ceremonytest"
	"stint/server/signer/wire"
)

const (
	origin   = "http://localhost:8420"
	instance = "k3f9x2mq"
	cli      = "stint-cli"
	portal   = "stint-portal"
)

// world is an installation around one signer.
type world struct {
	t        testing.TB
	clock    *fakeClock
	provider *provider
	config   Config
	signer   *signer

	alice, bob, carol, mallory *person // engineer, lead, administrator, engineer
	authority                  *authority
	broker, proxy              tls.Certificate
}

// newWorld makes an installation whose signer is not yet open.
func newWorld(t testing.TB) *world {
	dir := t.TempDir()
	w := &world{
		t: t, clock: &fakeClock{now: time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)}, provider: newProvider(t),
		alice:     newPerson(t, "alice", "Alice Adams", "engineering"),
		bob:       newPerson(t, "bob", "Bob Brown", "engineering"),
		carol:     newPerson(t, "carol", "Carol Clark"),
		mallory:   newPerson(t, "mallory", "Mallory Moss", "engineering"),
		authority: newAuthority(t),
	}
	w.broker, w.proxy = w.authority.issue(t, "broker"), w.authority.issue(t, "proxy-1")
	certificate := w.authority.issue(t, "signer")
	w.config = Config{
		Instance: instance, Data: filepath.Join(dir, "signer"), Listen: "127.0.0.1:0",
		TLS:    TLSFiles{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")},
		Broker: keyOf(w.broker), Proxies: []ProxyConfig{{Name: "proxy-1", Key: keyOf(w.proxy), Names: []string{"stint", "localhost"}}},
		Policy: filepath.Join(dir, "policy"), Issuer: IssuerConfig{w.provider.server.URL, cli},
		RelyingParty: "localhost", Origins: []string{origin},
	}
	listen, ceremony := ceremonytest.Address(t)
	w.config.Ceremony = &CeremonyConfig{Listen: listen, Origin: ceremony, Administrators: []policies.Person{w.listing(w.carol)}}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	must(t, err)
	write(t, w.config.TLS.Certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	write(t, w.config.TLS.Key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	write(t, w.config.TLS.Authority, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.authority.certificate.Raw})))
	must(t, os.Mkdir(w.config.Policy, 0o755))
	w.setPolicy(defaultPolicy(t))
	return w
}

// openWorld is newWorld with an open signer, carol an administrator, and bob a lead.
func openWorld(t testing.TB) *world {
	w := newWorld(t)
	w.open()
	t.Cleanup(w.shut)
	w.staff()
	return w
}

func (w *world) staff() {
	w.join(w.carol)
	w.enrolBy(w.carol, w.bob, "leads")
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.signer, err = openSigner(context.Background(), w.config, w.clock.Now, w.quiet())
	must(w.t, err)
	if !w.signer.book.standing.isConfirmed() {
		w.confirm()
		must(w.t, w.signer.beginPolicy(context.Background()))
	}
}

// confirm says what a broker says that has mirrored all there is.
func (w *world) confirm() {
	w.t.Helper()
	checkpoint, _ := w.signer.book.journal.Checkpoint()
	result, err := w.signer.confirm(wire.ConfirmRequest{Checkpoint: string(checkpoint)})
	must(w.t, err)
	if !result.Confirmed {
		w.t.Fatal("the signer is not confirmed by its own checkpoint")
	}
}

func (w *world) shut() {
	if w.signer != nil {
		must(w.t, w.signer.close())
		w.signer = nil
	}
}

func (w *world) subject(p *person) policies.Subject {
	return policies.Subject{Issuer: w.provider.server.URL, Subject: p.subject}
}

func (w *world) person(p *person) policies.Person {
	return policies.Person{Subject: w.subject(p), Name: p.name}
}

// enrolment is a statement that pins p's passkey.
func (w *world) enrolment(p *person, groups ...string) string {
	now := w.clock.Now().Truncate(time.Second)
	return w.encode(&evidence.Enrolment{
		Instance: instance, Person: w.subject(p), Name: p.name, Email: p.subject + "@example.com", Groups: groups,
		Credential: p.credential(), PublicKey: p.passkey.PublicKey, AAGUID: strings.Repeat("0", 32), PasskeyName: "Laptop",
		Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	})
}

// listing is p as the ceremony lists them.
func (w *world) listing(p *person) policies.Person {
	person := w.person(p)
	person.Email = p.subject + "@example.com"
	return person
}

// joining is evidence of p's joining in the ceremony.
func (w *world) joining(p *person) evidence.EnrolmentEvidence {
	statement := w.enrolment(p, "administrators")
	return evidence.EnrolmentEvidence{Statement: statement, Possession: p.sign(w.t, statement), Ceremony: true}
}

// join makes p an administrator as the ceremony's page does.
func (w *world) join(p *person) {
	w.t.Helper()
	must(w.t, w.signer.enrolInCeremony(context.Background(), w.joining(p)))
}

// enrolledBy is evidence of an enrolment that administrators signed.
func (w *world) enrolledBy(admin, p *person, groups ...string) evidence.EnrolmentEvidence {
	statement := w.enrolment(p, groups...)
	return evidence.EnrolmentEvidence{Statement: statement, Possession: p.sign(w.t, statement), Administrators: w.signed(statement, admin)}
}

// signed are administrators' assertions over a statement.
func (w *world) signed(statement string, admins ...*person) (assertions []evidence.Assertion) {
	for _, admin := range admins {
		assertions = append(assertions, admin.sign(w.t, statement))
	}
	return assertions
}

// enrolBy pins p's passkey with an administrator's.
func (w *world) enrolBy(admin, p *person, groups ...string) {
	w.t.Helper()
	_, err := w.signer.pin(context.Background(), wire.EnrolRequest{Evidence: w.enrolledBy(admin, p, groups...)})
	must(w.t, err)
}

// standing is a change of p's standing; what the roster says of p is in it.
func (w *world) standing(change string, p *person, groups []string, passkeys ...string) string {
	now := w.clock.Now().Truncate(time.Second)
	slices.Sort(groups)
	return w.encode(&evidence.RosterChange{
		Instance: instance, Change: change, Person: w.subject(p), Name: p.name, Email: p.subject + "@example.com",
		Groups: groups, Passkeys: passkeys, Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	})
}

func (w *world) change(statement string, admins ...*person) (wire.Done, error) {
	return w.signer.change(context.Background(), wire.ChangeRequest{Evidence: evidence.ChangeEvidence{
		Statement: statement, Administrators: w.signed(statement, admins...),
	}})
}

// proposed is evidence of a policy that administrators signed; changes edits the
// statement before it is written.
func (w *world) proposed(files map[string]string, changes func(*evidence.PolicyChange), admins ...*person) evidence.PolicyEvidence {
	w.t.Helper()
	beliefs := w.beliefs()
	after, err := policies.Parse(files)
	must(w.t, err)
	now := w.clock.Now().Truncate(time.Second)
	proposal := &evidence.PolicyChange{
		Instance: instance, Before: beliefs.digest, After: after.Digest(), Changes: policies.Difference(beliefs.policy, after),
		Reason: "It is time.", Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	}
	if changes != nil {
		changes(proposal)
	}
	statement := w.encode(proposal)
	return evidence.PolicyEvidence{Statement: statement, Files: files, Administrators: w.signed(statement, admins...)}
}

func (w *world) suspend(p *person) (wire.Done, error) {
	return w.signer.suspend(context.Background(), wire.SuspendRequest{Person: w.subject(p), Name: p.name, By: w.subject(w.bob)})
}

// ask is a request of p's; change edits it before it is written.
func (w *world) ask(p *person, id string, change ...func(*evidence.Request)) string {
	now := w.clock.Now().Truncate(time.Second)
	r := &evidence.Request{
		Instance: instance, Request: id, Revision: 1, Requester: w.subject(p), RequesterName: p.name,
		Ask:    policies.Ask{Role: "db-read", Target: "db1", Login: "postgres", Duration: time.Hour, Reason: "The nightly report is wrong."},
		Policy: "sha256:" + strings.Repeat("0", 64), Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	}
	for _, f := range change {
		f(r)
	}
	return w.encode(r)
}

func (w *world) approve(request string, p *person, duration time.Duration) evidence.SignedByPasskey {
	approval, err := evidence.ApprovalOf(request, w.person(p), nil, duration, w.clock.Now().Truncate(time.Second), nonce())
	must(w.t, err)
	text := w.encode(approval)
	return evidence.SignedByPasskey{Statement: text, Assertion: p.sign(w.t, text)}
}

// login binds p's login key by the token's nonce.
func (w *world) login(p *person) *evidence.LoginBinding {
	salt := make([]byte, evidence.SaltSize)
	rand.Read(salt)
	nonce, err := evidence.LoginNonce(p.loginKey(), salt)
	must(w.t, err)
	return &evidence.LoginBinding{IDToken: w.provider.token(w.t, p, cli, nonce, w.clock.Now()), LoginKey: p.loginKey(), NonceSalt: b64(salt)}
}

func (w *world) activate(request string, p *person, sessionKey string) *evidence.SignedByKey {
	activation, err := evidence.ActivationOf(request, sessionKey, w.clock.Now().Truncate(time.Second), nonce())
	must(w.t, err)
	signed := evidence.SignWithKey(w.encode(activation), p.login)
	return &signed
}

// bundle is everything alice needs for a certificate: bob has agreed.
func (w *world) bundle(id, sessionKey string, change ...func(*evidence.Request)) evidence.Bundle {
	request := w.ask(w.alice, id, change...)
	return w.bundleOf(request, sessionKey)
}

func (w *world) bundleOf(request, sessionKey string) evidence.Bundle {
	decoded, err := evidence.DecodeAs[*evidence.Request](request)
	must(w.t, err)
	return evidence.Bundle{
		Version: 1, Request: request,
		Approvals:  []evidence.SignedByPasskey{w.approve(request, w.bob, decoded.Ask.Duration)},
		Login:      w.login(w.alice),
		Activation: w.activate(request, w.alice, sessionKey),
	}
}

func (w *world) sign(b evidence.Bundle) (wire.SessionCertificate, error) {
	return w.signer.signSession(context.Background(), wire.SessionRequest{Bundle: b})
}

func (w *world) mustSign(b evidence.Bundle) wire.SessionCertificate {
	w.t.Helper()
	c, err := w.sign(b)
	must(w.t, err)
	return c
}

func (w *world) signTarget(id string) (wire.TargetCertificate, error) {
	return w.signer.signTarget(context.Background(), w.config.Proxies[0], wire.TargetRequest{Request: id, PublicKey: newKey(w.t)})
}

func (w *world) endRequest(id string) {
	w.t.Helper()
	_, err := w.signer.end(context.Background(), wire.EndRequest{Request: id, Reason: "revoked", By: w.subject(w.bob)})
	must(w.t, err)
}

func (w *world) encode(s evidence.Statement) string {
	w.t.Helper()
	text, err := evidence.Encode(s)
	must(w.t, err)
	return text
}

func (w *world) setPolicy(files map[string]string) {
	for name, text := range files {
		write(w.t, filepath.Join(w.config.Policy, name), text)
	}
}

// policyWith are the files in force, with one of them otherwise.
func (w *world) policyWith(name, text string) map[string]string {
	w.t.Helper()
	files := w.beliefs().policy.Files()
	files[name] = text
	return files
}

// beliefs are what the signer holds true now.
func (w *world) beliefs() belief {
	w.t.Helper()
	b, err := w.signer.believe()
	must(w.t, err)
	return b
}

// enforce brings a policy in force with one file otherwise.
func (w *world) enforce(name, text string) {
	w.t.Helper()
	_, err := w.signer.changePolicy(context.Background(), wire.PolicyRequest{Evidence: w.proposed(w.policyWith(name, text), nil, w.carol)})
	must(w.t, err)
}

// authority signs the certificates of mutual TLS.
type authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(raw)
	must(t, err)
	return &authority{certificate, key}
}

func (a *authority) issue(t testing.TB, name string) tls.Certificate {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, public, a.key)
	must(t, err)
	leaf, err := x509.ParseCertificate(raw)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

func keyOf(c tls.Certificate) string { return border.KeyOf(c.Leaf) }

func newKey(t testing.TB) string {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return evidence.FormatKey(public)
}

func nonce() string {
	var random [16]byte
	rand.Read(random[:])
	return evidence.NewNonce(random)
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// parse reads a certificate and checks it as a server would.
func parse(t testing.TB, text string) *ssh.Certificate {
	t.Helper()
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	must(t, err)
	certificate, ok := key.(*ssh.Certificate)
	if !ok || len(rest) != 0 {
		t.Fatalf("not one certificate: %q", text)
	}
	return certificate
}

// prove checks an entry's proof against what the signer says of itself.
func (w *world) prove(proof evidence.Proof) evidence.Entry {
	w.t.Helper()
	return prove(w.t, w.signer.ring.VerifierKey(), proof)
}

func prove(t testing.TB, verifierKey string, proof evidence.Proof) evidence.Entry {
	t.Helper()
	checkpoint := openCheckpoint(t, verifierKey, proof.Checkpoint)
	must(t, proof.Inclusion.Check(ledger.LeafHash([]byte(proof.Entry)), checkpoint))
	entry, err := decodeEntry([]byte(proof.Entry))
	must(t, err)
	return entry
}

// refused checks which check said no.
func refused(t testing.TB, err error, code string) {
	t.Helper()
	no, ok := err.(*refusal)
	if !ok {
		t.Fatalf("got %v (%T), want a refusal %q", err, err, code)
	}
	if no.problem.Code != code {
		t.Fatalf("refused with %s, want %q", no, code)
	}
	if no.problem.Title == "" || no.problem.Status < 400 {
		t.Fatalf("the refusal tells too little: %+v", no.problem)
	}
}

// entries counts entries in the ledger.
func (w *world) entries() int64 { return w.signer.book.journal.Size() }

func (w *world) quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
