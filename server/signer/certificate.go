package signer

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// backdate is how far before its entry a certificate begins, for clocks that are
// a little behind.
const backdate = time.Minute

// serialOf is the serial of the certificate that entry index stands for: unique
// without any memory beside the ledger, the same after a restart, and it leads
// whoever finds it in a host's log straight to the entry. Zero, which OpenSSH
// takes for "none", is left out.
func serialOf(index int64) uint64 { return uint64(index) + 1 }

// template is what certificates differ in.
type template struct {
	kind       uint32
	serial     uint64
	keyID      string
	publicKey  string
	principals []string
	ends       time.Time
	options    map[string]string // critical ones
	extensions map[string]string
}

// certify makes and signs the certificate of a settled entry. The same entry
// gives the same bytes, where the authority signs with Ed25519: the nonce, whose
// purpose is that nobody chooses all that is signed, is drawn from the entry's leaf.
func certify(e settled, t template, authority ssh.Signer) (string, error) {
	// 1. The entry is this certificate's own.
	if t.serial != serialOf(e.index) {
		return "", fmt.Errorf("entry %d of the ledger holds the serial %d", e.index, t.serial)
	}
	// 2. A certificate without a principal is good for everybody.
	if len(t.principals) == 0 || slices.Contains(t.principals, "") {
		return "", fmt.Errorf("entry %d of the ledger holds no principal, or an empty one", e.index)
	}
	// 3. It ends. Fractions of a second are cut off: it never ends later than said.
	begins := e.entry.Time.Add(-backdate)
	if !begins.Before(t.ends) || t.ends.Unix() <= 0 {
		return "", fmt.Errorf("the certificate of entry %d of the ledger ends before it begins", e.index)
	}
	key, err := evidence.ParseKey(t.publicKey)
	if err != nil {
		return "", fmt.Errorf("the key in entry %d of the ledger: %w", e.index, err)
	}
	publicKey, err := ssh.NewPublicKey(key)
	if err != nil {
		return "", err
	}
	certificate := &ssh.Certificate{
		Key:             publicKey,
		Serial:          t.serial,
		CertType:        t.kind,
		KeyId:           t.keyID,
		ValidPrincipals: t.principals,
		ValidAfter:      uint64(begins.Unix()),
		ValidBefore:     uint64(t.ends.Unix()),
		Permissions:     ssh.Permissions{CriticalOptions: t.options, Extensions: t.extensions},
	}
	nonce := sha256.Sum256([]byte("stint certificate nonce 1\n" + e.proof.Entry))
	if err := certificate.SignCert(io.MultiReader(bytes.NewReader(nonce[:]), rand.Reader), authority); err != nil {
		return "", fmt.Errorf("signing the certificate of entry %d: %w", e.index, err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(certificate))), nil
}

// certifySession signs for a person: the proxy accepts it, targets do not.
func (s *signer) certifySession(e settled) (string, error) {
	session := e.entry.Session
	if session == nil {
		return "", errors.New("the entry is not that of a session")
	}
	authority, err := s.authority(evidence.PurposeUserCA, e.index)
	if err != nil {
		return "", err
	}
	return certify(e, template{
		kind: ssh.UserCert, serial: session.Serial, keyID: session.Request, publicKey: session.SessionKey,
		principals: []string{session.Principal}, ends: session.Ends, options: evidence.UserCriticalOptions(session.Networks),
		extensions: map[string]string{"permit-pty": ""},
	}, authority)
}

// certifyTarget signs for a proxy: one login on one target accepts it, and allows
// there what the extensions say, by the role as it is today.
func (s *signer) certifyTarget(e settled, extensions map[string]string) (string, error) {
	target := e.entry.Target
	if target == nil {
		return "", errors.New("the entry is not that of a target certificate")
	}
	authority, err := s.authority(evidence.PurposeTargetCA, e.index)
	if err != nil {
		return "", err
	}
	return certify(e, template{
		kind: ssh.UserCert, serial: target.Serial, keyID: target.Request, publicKey: target.PublicKey,
		principals: []string{target.Principal}, ends: target.Ends, extensions: extensions,
	}, authority)
}

// certifyHost signs a proxy's host key.
func (s *signer) certifyHost(e settled) (string, error) {
	host := e.entry.Host
	if host == nil {
		return "", errors.New("the entry is not that of a host certificate")
	}
	authority, err := s.authority(evidence.PurposeHostCA, e.index)
	if err != nil {
		return "", err
	}
	return certify(e, template{
		kind: ssh.HostCert, serial: host.Serial, keyID: host.Proxy, publicKey: host.PublicKey,
		principals: host.Principals, ends: host.Ends,
	}, authority)
}
