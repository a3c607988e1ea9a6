package sshproxy

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// hostSigner signs host certificates of an hour, at a time that the test sets.
type hostSigner struct {
	t      *testing.T
	ca     ssh.Signer
	now    time.Time
	away   bool
	digest string
	brings []evidence.Inventory
	signed int
	change func(*ssh.Certificate)
}

func (s *hostSigner) Trust(context.Context) (wire.TrustResult, error) {
	if s.away {
		return wire.TrustResult{}, errors.New("away")
	}
	return wire.TrustResult{Trust: evidence.Trust{UserCA: []string{authorizedKey(s.ca.PublicKey())}, HostCA: []string{authorizedKey(s.ca.PublicKey())}, Inventories: s.brings}, PolicyDigest: s.digest}, nil
}

func (s *hostSigner) SignHost(_ context.Context, request wire.HostRequest) (wire.HostCertificate, error) {
	key, err := parseKey(request.PublicKey)
	if err != nil {
		return wire.HostCertificate{}, err
	}
	s.signed++
	certificate := &ssh.Certificate{
		Key: key, CertType: ssh.HostCert, ValidPrincipals: []string{"stint", "db1"}, Serial: uint64(s.signed),
		ValidAfter: uint64(s.now.Unix()), ValidBefore: uint64(s.now.Add(time.Hour).Unix()),
	}
	if s.change != nil {
		s.change(certificate)
	}
	return wire.HostCertificate{Certificate: authorizedKey(sign(s.t, certificate, s.ca))}, nil
}

func (s *hostSigner) SignTarget(context.Context, wire.TargetRequest) (wire.TargetCertificate, error) {
	return wire.TargetCertificate{}, errors.New("not asked here")
}

func (s *hostSigner) Continue(context.Context, wire.ContinueRequest) (wire.ContinueResult, error) {
	return wire.ContinueResult{}, errors.New("not asked here")
}

func (s *hostSigner) Present(context.Context, wire.PresentRequest) (wire.PresentResult, error) {
	return wire.PresentResult{}, errors.New("not asked here")
}

func newHostSigner(t *testing.T) *hostSigner {
	return &hostSigner{t: t, ca: newKey(t), now: now, digest: "sha256:1"}
}

func openTest(t *testing.T, directory string, s *hostSigner) *identity {
	t.Helper()
	i, err := openIdentity(directory, s, slog.New(slog.DiscardHandler), func() time.Time { return s.now })
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func isReady(i *identity) bool {
	select {
	case <-i.ready:
		return true
	default:
		return false
	}
}

func TestHostCertificateIsKeptAndRenewed(t *testing.T) {
	t.Parallel()
	directory, s := t.TempDir(), newHostSigner(t)
	i := openTest(t, directory, s)
	if isReady(i) {
		t.Fatal("it is ready before the signer was asked")
	}
	ask := func(i *identity, want int, when string) {
		t.Helper()
		if err := i.refresh(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if s.signed != want || i.certificate.Serial != uint64(want) || !isReady(i) {
			t.Errorf("%s: %d certificates were issued and number %d is shown, want %d", when, s.signed, i.certificate.Serial, want)
		}
	}
	ask(i, 1, "at first")
	ask(i, 1, "at once again")
	if !i.answersFor("db1") || i.answersFor("db2") {
		t.Error("it answers for other names than the certificate's")
	}
	s.now = s.now.Add(39 * time.Minute)
	ask(i, 1, "before two thirds of its life")
	s.now = s.now.Add(2 * time.Minute)
	ask(i, 2, "after two thirds of its life")
	s.digest = "sha256:2"
	ask(i, 3, "after a change of policy")
	bring := func(number int64, names ...string) {
		s.brings = []evidence.Inventory{{Name: "scaling", Number: number}}
		for _, name := range names {
			s.brings[0].Targets = append(s.brings[0].Targets, policies.Target{Name: name})
		}
	}
	bring(1, "worker-1", "worker-2")
	ask(i, 4, "when an inventory brings targets")
	ask(i, 4, "once they are in it")
	bring(2, "worker-2", "worker-1")
	ask(i, 4, "when it brings the same ones again")
	bring(3, "worker-1", "worker-3")
	ask(i, 5, "when one is replaced")
	bring(4)
	ask(i, 6, "when all are gone")

	key := i.key.PublicKey().Marshal()
	s.away = true
	again := openTest(t, directory, s)
	if !isReady(again) || again.certificate.Serial != 6 || string(again.key.PublicKey().Marshal()) != string(key) || len(again.userAuthorities()) != 1 {
		t.Error("a restart without the signer does not go on with what was known")
	}
	s.away = false
	ask(again, 6, "after a restart")

	s.now = s.now.Add(time.Hour)
	if late := openTest(t, directory, s); isReady(late) {
		t.Error("a host certificate that has ended is shown")
	}
}

func TestHostCertificateMustBeOurs(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ssh.Certificate){
		"for a user":     func(c *ssh.Certificate) { c.CertType = ssh.UserCert },
		"of another key": func(c *ssh.Certificate) { c.Key = newKey(t).PublicKey() },
		"ended":          func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter },
		"without a name": func(c *ssh.Certificate) { c.ValidPrincipals = nil },
	} {
		s := newHostSigner(t)
		s.change = change
		i := openTest(t, t.TempDir(), s)
		if err := i.refresh(t.Context()); err == nil || isReady(i) {
			t.Errorf("%s: it was taken over (%v)", name, err)
		}
	}
}

func TestIdentityRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, text string }{
		{hostKeyFile, "no key"}, {trustFile, "{"}, {trustFile, `{"user_ca":["ssh-rsa x"]}`},
	} {
		directory := t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, test.file), []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openIdentity(directory, newHostSigner(t), slog.New(slog.DiscardHandler), time.Now); err == nil {
			t.Errorf("%s: %q was read", test.file, test.text)
		}
	}
}

func TestHostKeyIsPrivate(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	openTest(t, directory, newHostSigner(t))
	status, err := os.Stat(filepath.Join(directory, hostKeyFile))
	if err != nil || status.Mode().Perm() != 0o600 {
		t.Errorf("the host key's file: %v, %v", status, err)
	}
}
