package recorder_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

// pair is a key, and the same key with a certificate for a grant.
func (r *rig) pair(t *testing.T, g recordertest.Grant) (plain, certified ssh.Signer) {
	t.Helper()
	plain = recordertest.NewKey(t)
	certificate := r.Signer.UserCertificate(g, plain.PublicKey())
	if err := certificate.SignCert(rand.Reader, r.Signer.UserCA); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(certificate, plain)
	if err != nil {
		t.Fatal(err)
	}
	return plain, certified
}

// A client that knows no certificates shows the plain key inside a connection that the
// certificate over this very key opened, and only there.
func TestPlainKeyInsideItsCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	elsewhere := hour(recordertest.Grant{Request: "r-2", Login: "web", Target: "db2"})
	r.Signer.AddTarget("db2", r.target)
	r.Signer.Allow(elsewhere)
	plain, certified := r.pair(t, hour(grant))
	plainElsewhere, certifiedElsewhere := r.pair(t, elsewhere)
	through := func(certified ssh.Signer) *ssh.Client {
		t.Helper()
		outer, err := r.client(t, "anybody", certified)
		if err != nil {
			t.Fatal(err)
		}
		return outer
	}

	inner := r.mustInside(t, through(certified), plain)
	if got := execute(t, inner, "echo inside", ""); got.stdout != "inside\n" || got.err != nil {
		t.Errorf("got %+v", got)
	}
	inner.Close()
	if session := r.Broker.AwaitDelivered(t, "r-1"); session.Start.Serial != 7 || !read(t, session.Recording).holds("Command:echo inside") {
		t.Errorf("the session is %+v", session.Start)
	}

	for what, test := range map[string]struct {
		outer, inner ssh.Signer
		want         string
	}{
		"another key":                     {certified, recordertest.NewKey(t), "accepts certificates only"},
		"the key of another's connection": {certifiedElsewhere, plain, "accepts certificates only"},
		"a certificate of another target": {certifiedElsewhere, plainElsewhere, "is for web@db2 and not for web@db1"},
	} {
		if _, err := r.inside(t, through(test.outer), test.inner); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := r.client(t, "web@db1", plain); err == nil || !strings.Contains(err.Error(), "accepts certificates only") {
		t.Errorf("in one hop: %v", err)
	}
}
