//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// TestCertificateOpensOneTarget shows each kind of certificate to real sshds and
// to the proxy: it opens the one target that it names, through the one door that
// it is for.
func TestCertificateOpensOneTarget(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	granted := s.grant("web-1", "30m")
	config := s.alice.useConfig()
	s.alice.exits(0, "here\n", "", "ssh", "-F", config, s.Login+"@web-1", "echo here")

	// The proxy's own way: a target certificate, at every target's sshd.
	key, certificate := s.targetCertificate(granted.ID)
	if certificate.Login != s.Login || certificate.Target != "web-1" || certificate.Address != s.address("web-1") {
		t.Errorf("the certificate for the grant leads to %s@%s at %s", certificate.Login, certificate.Target, certificate.Address)
	}
	s.alice.exits(0, "here\n", "", "ssh", s.direct("web-1", key, key+"-cert.pub", "echo here")...)
	for _, other := range []string{"demo", "vault", "customers-db"} {
		s.alice.refused([]string{"Permission denied"}, "ssh", s.direct(other, key, key+"-cert.pub", "echo here")...)
	}

	s.setUpTarget(certificate.Certificate)

	// Alice's own certificate opens the proxy, for web-1; no sshd takes it, so
	// nobody goes round the recorder.
	socket := filepath.Join(s.alice.home, ".stint", "agent.sock")
	own := filepath.Join(s.alice.home, ".stint", "ssh", s.Login+"@web-1")
	with := []string{"-o", "IdentityAgent=" + socket}
	for _, target := range []string{"web-1", "demo"} {
		s.alice.refused([]string{"Permission denied"}, "ssh", append(with, s.direct(target, own+".pub", own+"-cert.pub", "echo here")...)...)
	}
	through := []string{"-o", "IdentityAgent=" + socket, "-o", "IdentityFile=" + own + ".pub", "-o", "CertificateFile=" + own + "-cert.pub"}
	_, port, _ := net.SplitHostPort(s.Proxy)
	hop := append(through, "-F", "none", "-p", port, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile="+filepath.Join(s.alice.home, ".stint", "known_hosts"))
	s.alice.exits(0, "here\n", "", "ssh", append(hop, s.Login+"@web-1@localhost", "echo here")...)
	for _, other := range []string{s.Login + "@demo", "root@web-1"} {
		s.alice.refused([]string{"stint: your certificate is for " + s.Login + "@web-1 and not for " + other}, "ssh", append(hop, other+"@localhost", "echo here")...)
	}
	s.alice.refused([]string{"stint: "}, "ssh", append(through, "-F", config, "-J", "stint", s.Login+"@demo", "echo here")...)

	// The signer knows who may ask for what, and for which grants.
	waiting := s.asked("web-1", "20m")
	s.targetRefused("not-activated", waiting.ID)
	s.approve(waiting.ID)
	s.targetRefused("not-activated", waiting.ID)
	s.targetRefused("not-activated", "req-unheard-of")
	if _, err := s.signerAs("broker").SignTarget(t.Context(), wire.TargetRequest{Request: granted.ID, PublicKey: evidence.FormatKey(freshKey(t))}); err == nil {
		t.Error("the signer gives the broker a certificate for a target")
	}
	if _, err := s.signerAs("proxy-1").SignSession(t.Context(), wire.SessionRequest{}); err == nil {
		t.Error("the signer takes evidence from a proxy")
	}
	s.alice.must("stint", "drop", granted.ID)
	s.eventually("the signer knows that the grant is given back", func() error {
		_, err := s.signTarget(granted.ID)
		return wantRefusal(err, "ended")
	})
}

// targetCertificate has the signer make a certificate for a grant's target, as
// the proxy does, and writes it with its key. It returns the key's path.
func (s *story) targetCertificate(request string) (path string, certificate wire.TargetCertificate) {
	s.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	certificate, err = s.signerAs("proxy-1").SignTarget(s.t.Context(), wire.TargetRequest{Request: request, PublicKey: evidence.FormatKey(public)})
	if err != nil {
		s.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		s.t.Fatal(err)
	}
	path = filepath.Join(s.alice.home, "target")
	for name, text := range map[string][]byte{path: pem.EncodeToMemory(block), path + "-cert.pub": []byte(certificate.Certificate + "\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return path, certificate
}

func freshKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func (s *story) signTarget(request string) (wire.TargetCertificate, error) {
	s.t.Helper()
	return s.signerAs("proxy-1").SignTarget(s.t.Context(), wire.TargetRequest{Request: request, PublicKey: evidence.FormatKey(freshKey(s.t))})
}

// targetRefused fails the test unless the signer refuses the proxy a certificate
// for a request, for that reason.
func (s *story) targetRefused(code, request string) {
	s.t.Helper()
	_, err := s.signTarget(request)
	if err := wantRefusal(err, code); err != nil {
		s.t.Errorf("a target certificate for %s: %v", request, err)
	}
}

// wantRefusal is nil where the signer's answer is a refusal with the code.
func wantRefusal(err error, code string) error {
	if err == nil {
		return errors.New("the signer signed")
	}
	var refusal *wire.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		return err
	}
	return nil
}

// address is where a target listens, as the policy says.
func (w *world) address(target string) string {
	w.t.Helper()
	bundle, err := policies.Load(os.DirFS(filepath.Join(w.data, "policy")))
	if err != nil {
		w.t.Fatal(err)
	}
	found, ok := bundle.Target(target)
	if !ok {
		w.t.Fatalf("the policy knows no target %s", target)
	}
	return found.Address
}

// direct is ssh's arguments for reaching a target's sshd without the proxy.
func (s *story) direct(target, key, certificate, command string) []string {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.address(target))
	if err != nil {
		s.t.Fatal(err)
	}
	return []string{
		"-F", "none", "-p", port, "-o", "IdentityFile=" + key, "-o", "CertificateFile=" + certificate, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", s.Login + "@" + host, command,
	}
}
