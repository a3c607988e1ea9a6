package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// madeCertificate is what the signer makes, with one thing changed. It is the same each time.
func madeCertificate(t testing.TB, change func(*ssh.Certificate)) string {
	t.Helper()
	signer := func(seed byte) ssh.Signer {
		signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
		if err != nil {
			t.Fatal(err)
		}
		return signer
	}
	c := &ssh.Certificate{
		Key: signer(1).PublicKey(), Serial: 7, CertType: ssh.UserCert, KeyId: "req-1", ValidPrincipals: []string{"app@web-1"}, ValidBefore: 1_800_000_000,
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	change(c)
	if err := c.SignCert(bytes.NewReader(make([]byte, 64)), signer(2)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c)))
}

func unreadable(t testing.TB) map[string]string {
	good := madeCertificate(t, func(*ssh.Certificate) {})
	return map[string]string{
		"nothing":        "",
		"a key":          strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mustKey(t, good).(*ssh.Certificate).Key))),
		"a comment":      good + " alice",
		"options":        "no-pty " + good,
		"two":            good + "\n" + good,
		"for a host":     madeCertificate(t, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }),
		"no principal":   madeCertificate(t, func(c *ssh.Certificate) { c.ValidPrincipals = nil }),
		"two principals": madeCertificate(t, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"a@b", "c@d"} }),
		"no end":         madeCertificate(t, func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }),
	}
}

func mustKey(t testing.TB, text string) ssh.PublicKey {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestReadUserCertificate(t *testing.T) {
	t.Parallel()
	text := madeCertificate(t, func(*ssh.Certificate) {})
	got, err := evidence.ReadUserCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.ParseKey(got.SessionKey); err != nil {
		t.Error(err)
	}
	if _, err := evidence.ParseAuthorityKey(got.Authority); err != nil || got.Authority == got.SessionKey {
		t.Error(got.Authority, err)
	}
	if got.Serial != 7 || got.Request != "req-1" || got.Principal != "app@web-1" || got.Ends.Unix() != 1_800_000_000 {
		t.Errorf("it says %+v", got)
	}
	for name, text := range unreadable(t) {
		if _, err := evidence.ReadUserCertificate(text); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzReadUserCertificate(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		c, err := evidence.ReadUserCertificate(text)
		if err == nil && (c.SessionKey == "" || c.Authority == "" || c.Ends.Unix() < 0) {
			t.Errorf("%q is read as %+v", text, c)
		}
	})
}

// The entries of certificates are bytes that stay: a leaf that is written otherwise is
// another leaf.
func TestEntryVectors(t *testing.T) {
	t.Parallel()
	for name, reissues := range map[string]uint64{"issued": 0, "issued-again": 12} {
		data, err := os.ReadFile(filepath.Join("testdata", "entries", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		var entry evidence.Entry
		if err := decoder.Decode(&entry); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, err := json.Marshal(entry); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s is written as\n%s (%v)", name, again, err)
		}
		if s := entry.Session; s == nil || s.Reissues != reissues || (s.Bundle.Version == 1) != (reissues == 0) || s.Reissues >= s.Serial {
			t.Errorf("%s is %+v", name, entry)
		}
	}
}

func TestVerifyCertificateSignature(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		made, altered func(*ssh.Certificate)
		holds         bool
	}{
		"as it is":             {holds: true},
		"conditions":           {made: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true", "x": ""} }, holds: true},
		"for everybody":        {made: func(c *ssh.Certificate) { c.ValidPrincipals = nil }, holds: true},
		"for a host":           {made: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }, holds: true},
		"later, without end":   {made: func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = math.MaxInt64, ssh.CertTimeInfinity }, holds: true},
		"never valid":          {made: func(c *ssh.Certificate) { c.ValidAfter = c.ValidBefore }},
		"valid too late":       {made: func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = math.MaxInt64+1, ssh.CertTimeInfinity }},
		"another serial":       {altered: func(c *ssh.Certificate) { c.Serial++ }},
		"another principal":    {altered: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"root@web-1"} }},
		"a condition taken":    {made: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": ""} }, altered: func(c *ssh.Certificate) { c.CriticalOptions = nil }},
		"another authority":    {altered: func(c *ssh.Certificate) { c.SignatureKey = c.Key }},
		"no signature":         {altered: func(c *ssh.Certificate) { c.Signature = nil }},
		"no authority":         {altered: func(c *ssh.Certificate) { c.SignatureKey = nil }},
		"an empty signature":   {altered: func(c *ssh.Certificate) { c.Signature = &ssh.Signature{} }},
		"another key's format": {altered: func(c *ssh.Certificate) { c.Signature.Format = ssh.KeyAlgoECDSA256 }},
	} {
		nothing := func(*ssh.Certificate) {}
		if c.made == nil {
			c.made = nothing
		}
		if c.altered == nil {
			c.altered = nothing
		}
		certificate := mustKey(t, madeCertificate(t, c.made)).(*ssh.Certificate)
		c.altered(certificate)
		if err := evidence.VerifyCertificateSignature(certificate); (err == nil) != c.holds {
			t.Errorf("%s: %v", name, err)
		}
	}
}
