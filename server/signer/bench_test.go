package signer

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// BenchmarkSignTarget is one connection through the proxy: verification, entry,
// fsync, signature.
func BenchmarkSignTarget(b *testing.B) {
	w := openWorld(b)
	w.signer.targets = newLimiter(1e9, 1e9)
	w.mustSign(w.bundle("r1", newKey(b)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.signTarget("r1"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkVerify is the part of it that is no disk.
func BenchmarkVerify(b *testing.B) {
	w := openWorld(b)
	w.mustSign(w.bundle("r0", newKey(b)))
	bundle, trust := w.bundle("r1", newKey(b)), w.beliefs().trust
	for b.Loop() {
		if _, err := evidence.Verify(bundle, trust, evidence.Circumstances{Now: w.clock.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignCert is what both are held against: a bare Ed25519 certificate.
func BenchmarkSignCert(b *testing.B) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(newKey(b)))
	if err != nil {
		b.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	authority, err := ssh.NewSignerFromKey(private)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c := &ssh.Certificate{Key: key, CertType: ssh.UserCert, ValidPrincipals: []string{"app@web-1"}, ValidBefore: ssh.CertTimeInfinity}
		if err := c.SignCert(rand.Reader, authority); err != nil {
			b.Fatal(err)
		}
	}
}
