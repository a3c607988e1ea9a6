package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
)

func certify(t *testing.T, key ssh.PublicKey, serial uint64, ends time.Time) *ssh.Certificate {
	t.Helper()
	return certifyOf(t, key, serial, ends, "req-1", "demo@db1")
}

func certifyOf(t *testing.T, key ssh.PublicKey, serial uint64, ends time.Time, request, principal string) *ssh.Certificate {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	authority, err := ssh.NewSignerFromKey(private)
	must(t, err)
	c := &ssh.Certificate{Key: key, Serial: serial, CertType: ssh.UserCert, KeyId: request, ValidPrincipals: []string{principal}, ValidBefore: uint64(ends.Unix())}
	must(t, c.SignCert(rand.Reader, authority))
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve is a client of an agent of ours.
func serve(t *testing.T) sshagent.ExtendedAgent {
	t.Helper()
	server, client := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = sshagent.ServeAgent(newKeyring(), server)
	}()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-ended
	})
	return sshagent.NewClient(client)
}

// The agent signs for a certificate that came later, with the key that it was given
// with the first, and keeps no other.
func TestACertificateTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	keys, now := serve(t), time.Now()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	first := certify(t, signer.PublicKey(), 1, now.Add(time.Hour))
	for _, c := range []*ssh.Certificate{nil, first} {
		must(t, keys.Add(sshagent.AddedKey{PrivateKey: private, Certificate: c, Comment: "stint demo@db1", LifetimeSecs: 3600}))
	}
	for _, serial := range []uint64{2, 3, 3} {
		next := certify(t, signer.PublicKey(), serial, now.Add(time.Hour))
		_, err := keys.Extension(RenewCertificate, next.Marshal())
		must(t, err)
		held, err := keys.List()
		must(t, err)
		if len(held) != 2 || string(held[0].Blob) != string(signer.PublicKey().Marshal()) || string(held[1].Blob) != string(next.Marshal()) || held[1].Comment != "stint demo@db1" {
			t.Fatalf("with number %d it holds %v", serial, held)
		}
		signature, err := keys.Sign(next, []byte("a challenge"))
		must(t, err)
		must(t, next.Verify([]byte("a challenge"), signature))
		_, err = keys.Sign(first, []byte("a challenge"))
		if err == nil {
			t.Error("it signs for the one before")
		}
		_, err = keys.Extension(RenewCertificate, next.Marshal())
		must(t, err)
	}

	stranger, err := ssh.NewSignerFromKey(generate(t))
	must(t, err)
	for name, contents := range map[string][]byte{
		"nothing":                      {},
		"a key":                        signer.PublicKey().Marshal(),
		"a certificate of another key": certify(t, stranger.PublicKey(), 4, now.Add(time.Hour)).Marshal(),
		"one that lasts longer":        certify(t, signer.PublicKey(), 4, now.Add(24*time.Hour)).Marshal(),
		"one for elsewhere":            certifyOf(t, signer.PublicKey(), 4, now.Add(time.Hour), "req-1", "root@db1").Marshal(),
		"one of another request":       certifyOf(t, signer.PublicKey(), 4, now.Add(time.Hour), "req-2", "demo@db1").Marshal(),
		"one that is over":             certify(t, signer.PublicKey(), 4, now.Add(-time.Hour)).Marshal(),
	} {
		if _, err := keys.Extension(RenewCertificate, contents); err == nil {
			t.Errorf("it takes %s", name)
		}
	}
	if _, err := keys.Extension("session-bind@openssh.com", nil); err == nil {
		t.Error("it knows another extension")
	}
	must(t, keys.Lock([]byte("secret")))
	if _, err := keys.Extension(RenewCertificate, certify(t, signer.PublicKey(), 5, now.Add(time.Hour)).Marshal()); err == nil {
		t.Error("it takes one while it is locked")
	}
	must(t, keys.Unlock([]byte("secret")))
	if held, err := keys.List(); err != nil || len(held) != 2 {
		t.Errorf("in the end it holds %v, %v", held, err)
	}
}

func generate(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return private
}
