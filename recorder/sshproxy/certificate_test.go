package sshproxy

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"math"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var from net.Addr = &net.TCPAddr{IP: net.IPv4(10, 1, 0, 7), Port: 40000}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// good is a certificate to which nobody could object, before it is signed.
func good(t testing.TB) *ssh.Certificate {
	t.Helper()
	return &ssh.Certificate{
		Key: newKey(t).PublicKey(), CertType: ssh.UserCert, KeyId: "r-7Fq2", Serial: 12,
		ValidPrincipals: []string{"postgres@db1"},
		ValidAfter:      uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
}

func sign(t testing.TB, certificate *ssh.Certificate, by ssh.Signer) *ssh.Certificate {
	t.Helper()
	if err := certificate.SignCert(rand.Reader, by); err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	ours, second, stranger := newKey(t), newKey(t), newKey(t)
	authorities := []ssh.PublicKey{ours.PublicKey(), second.PublicKey()}
	signed := func(change func(*ssh.Certificate)) ssh.PublicKey {
		certificate := good(t)
		if change != nil {
			change(certificate)
		}
		return sign(t, certificate, ours)
	}
	altered := func(change func(*ssh.Certificate)) ssh.PublicKey {
		certificate := sign(t, good(t), ours)
		change(certificate)
		return certificate
	}
	for _, test := range []struct {
		name  string
		key   ssh.PublicKey
		check string // that refuses; empty when it is good
	}{
		{"good", signed(nil), ""},
		{"by another of our authorities", sign(t, good(t), second), ""},
		{"a login with an @", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"alice@corp@db1"} }), ""},
		{"in its last second", signed(func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Unix()) + 1 }), ""},
		{"in its first second", signed(func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Unix()) }), ""},

		{"a plain key", newKey(t).PublicKey(), "not-a-certificate"},
		{"the authority's own key", ours.PublicKey(), "not-a-certificate"},
		{"no key at all", nil, "not-a-certificate"},
		{"by a stranger", sign(t, good(t), stranger), "authority"},
		{"by its own key", func() ssh.PublicKey {
			self := newKey(t)
			certificate := good(t)
			certificate.Key = self.PublicKey()
			return sign(t, certificate, self)
		}(), "authority"},
		{"a host certificate", signed(func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), "type"},
		{"of no type", signed(func(c *ssh.Certificate) { c.CertType = 0 }), "type"},
		{"of a certificate", func() ssh.PublicKey {
			certificate := sign(t, good(t), ours)
			certificate.Key = sign(t, good(t), ours)
			return certificate
		}(), "nested"},
		{"by a certificate", altered(func(c *ssh.Certificate) { c.SignatureKey = sign(t, good(t), ours) }), "nested"},
		{"unsigned", good(t), "unsigned"},

		{"no principal", signed(func(c *ssh.Certificate) { c.ValidPrincipals = nil }), "principals"},
		{"an empty principal", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{""} }), "principals"},
		{"two principals", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@db1", "root@db1"} }), "principals"},
		{"the same principal twice", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@db1", "postgres@db1"} }), "principals"},
		{"a principal without a target", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres"} }), "principals"},
		{"a principal with an empty target", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@"} }), "principals"},
		{"a principal with an empty login", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"@db1"} }), "principals"},

		{"any login", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"*@db1"} }), "principals"},
		{"any target", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@*"} }), "principals"},
		{"a target with any last letter", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@db?"} }), "principals"},
		{"a list in one principal", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@db1,root@db1"} }), "principals"},
		{"all but one target", signed(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"postgres@!db1"} }), "principals"},

		{"ended", signed(func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Unix()) }), "validity"},
		{"not begun", signed(func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Unix()) + 1 }), "validity"},
		{"without an end", signed(func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }), "validity"},
		{"an end that is negative when signed", signed(func(c *ssh.Certificate) { c.ValidBefore = math.MaxInt64 + 1 }), "signature"},
		{"ends before it begins", signed(func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = c.ValidBefore, c.ValidAfter }), "signature"},

		{"an unknown critical option", signed(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"verify-required": ""} }), "critical-option"},
		{"a forced command", signed(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "ls"} }), "critical-option"},
		{"from its networks", signed(func(c *ssh.Certificate) {
			c.CriticalOptions = evidence.UserCriticalOptions([]string{"2001:db8::/32", "10.0.0.0/8"})
		}), ""},
		{"from elsewhere", signed(func(c *ssh.Certificate) {
			c.CriticalOptions = evidence.UserCriticalOptions([]string{"2001:db8::/32", "10.2.0.0/16"})
		}), "network"},
		{"networks that are none", signed(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8,"} }), "critical-option"},
		{"networks and a forced command", signed(func(c *ssh.Certificate) {
			c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8", "force-command": "ls"}
		}), "critical-option"},
		{"no key id", signed(func(c *ssh.Certificate) { c.KeyId = "" }), "key-id"},
		{"a key id that is no request", signed(func(c *ssh.Certificate) { c.KeyId = "alice@example.com" }), "key-id"},

		{"lengthened after signing", altered(func(c *ssh.Certificate) { c.ValidBefore += 3600 }), "signature"},
		{"another principal after signing", altered(func(c *ssh.Certificate) { c.ValidPrincipals = []string{"root@db1"} }), "signature"},
		{"another key after signing", altered(func(c *ssh.Certificate) { c.Key = newKey(t).PublicKey() }), "signature"},
		{"an option removed after signing", func() ssh.PublicKey {
			certificate := good(t)
			certificate.CriticalOptions = map[string]string{"verify-required": ""}
			sign(t, certificate, ours)
			certificate.CriticalOptions = nil
			return certificate
		}(), "signature"},
		{"a stranger's signature under our name", func() ssh.PublicKey {
			certificate := sign(t, good(t), stranger)
			certificate.SignatureKey = ours.PublicKey()
			return certificate
		}(), "signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := checkCertificate(test.key, authorities, from, now)
			refused := &refusedCertificate{}
			switch {
			case test.check == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case test.check == "" && (got.Request != "r-7Fq2" || got.Serial != 12 || got.Target != "db1"):
				t.Errorf("read as %+v", got)
			case test.check != "" && !errors.As(err, &refused):
				t.Fatalf("accepted as %+v", got)
			case test.check != "" && (refused.check != test.check || got != pass{}):
				t.Errorf("refused by %q (%v) with %+v, want %q", refused.check, err, got, test.check)
			}
		})
	}
	if _, err := checkCertificate(signed(nil), nil, from, now); err == nil {
		t.Error("without any authority a certificate counted")
	}
}

func TestRefusalsTellStrangersLittle(t *testing.T) {
	t.Parallel()
	ended := good(t)
	ended.ValidBefore = uint64(now.Unix())
	sign(t, ended, newKey(t))
	_, err := checkCertificate(ended, []ssh.PublicKey{newKey(t).PublicKey()}, from, now)
	refused := &refusedCertificate{}
	if !errors.As(err, &refused) || refused.ours {
		t.Errorf("a stranger's certificate was taken for ours: %v", err)
	}
}

func TestPassIsForOnePrincipal(t *testing.T) {
	t.Parallel()
	granted := pass{Login: "postgres", Target: "db1"}
	for principal, fits := range map[string]bool{
		"postgres@db1": true, "postgres@db2": false, "root@db1": false, "postgres": false, "": false, "postgres@db1 ": false, "Postgres@db1": false,
	} {
		if err := mustBe(granted, principal); (err == nil) != fits {
			t.Errorf("%q: %v", principal, err)
		}
	}
}

// FuzzCheckCertificate: whatever a client shows, signed by our own authority or not,
// what lets it in is a certificate of ours for one login on one target, and is known
// for what it says.
func FuzzCheckCertificate(f *testing.F) {
	// The key is always the same, so that the corpus stays signed.
	ours, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		f.Fatal(err)
	}
	authorities := []ssh.PublicKey{ours.PublicKey()}
	f.Fuzz(func(t *testing.T, data []byte, signed bool) {
		key, err := ssh.ParsePublicKey(data)
		if err != nil {
			return
		}
		if certificate, ok := key.(*ssh.Certificate); ok && signed && certificate.SignCert(rand.Reader, ours) != nil {
			return
		}
		got, err := checkCertificate(key, authorities, from, now)
		if err != nil {
			if refused := (*refusedCertificate)(nil); !errors.As(err, &refused) || refused.why == "" || printable(refused.why) != refused.why {
				t.Errorf("%q is refused with %v", data, err)
			}
			return
		}
		certificate := key.(*ssh.Certificate)
		altered := *certificate
		altered.Serial++
		if _, err := checkCertificate(&altered, authorities, from, now); err == nil {
			t.Errorf("it holds with another serial: %+v", certificate)
		}
		if !bytes.Equal(certificate.SignatureKey.Marshal(), ours.PublicKey().Marshal()) || len(certificate.ValidPrincipals) != 1 || certificate.CertType != ssh.UserCert ||
			got.principal() != certificate.ValidPrincipals[0] || got.Request != certificate.KeyId || !now.Before(got.Ends) || uint64(now.Unix()) < certificate.ValidAfter {
			t.Errorf("accepted %+v as %+v", certificate, got)
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e' || r == '\u2028' {
				t.Errorf("%q shows as %q", text, printable(text))
			}
		}
	})
}
