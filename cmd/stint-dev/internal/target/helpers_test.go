package target

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// authority is a target CA made for a test.
type authority struct{ ssh.Signer }

func newAuthority(t *testing.T) authority {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return authority{signer}
}

func (a authority) line() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(a.PublicKey())))
}

// certify makes a key and a certificate over it for the principals.
func (a authority) certify(t *testing.T, principals ...string) (ed25519.PrivateKey, *ssh.Certificate) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	certificate := &ssh.Certificate{
		Key: public, CertType: ssh.UserCert, KeyId: "test", Serial: 1, ValidPrincipals: principals,
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Minute).Unix()),
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	if err := certificate.SignCert(rand.Reader, a); err != nil {
		t.Fatal(err)
	}
	return private, certificate
}

// trust is the files of a target that trusts this authority. The list of revoked
// keys is the empty one (OpenSSH, PROTOCOL.krl).
func (a authority) trust(t *testing.T, login Login) Trust {
	t.Helper()
	base, err := login.Base(t.TempDir(), "trust-"+strings.ToLower(rand.Text()[:8]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	trust := Trust{CA: base + "/ca.pub", KRL: base + "/revoked.krl"}
	for path, text := range map[string]string{
		trust.CA: a.line() + "\n", trust.KRL: "SSHKRL\n\x00\x00\x00\x00\x01" + strings.Repeat("\x00", 8+8+8+4+4),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return trust
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// newTarget makes a target whose directory its login can reach.
func newTarget(t *testing.T, login Login, base, name string) *Target {
	t.Helper()
	made, err := New(base, name, freeAddress(t), login)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func findLogin(t *testing.T) (Login, string) {
	t.Helper()
	login, err := FindLogin()
	if err != nil {
		t.Fatal(err)
	}
	// The space is sshd's to bear: data may lie anywhere.
	base, err := login.Base(t.TempDir(), "a test-"+strings.ToLower(rand.Text()[:8]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	return login, base
}
