package agent

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
)

// RenewCertificate is the extension (SSH agent protocol, section 3.8) by which this agent
// takes a certificate, as SSH sends it, in the place of the one that it holds for the
// same key. It needs no private key from whoever asks, who has none: where the agent is
// forwarded, that may be anybody on a target. So nothing but serial, beginning and
// authority may differ, and no key stays for longer than it was given for.
const RenewCertificate = "renew-certificate@stint"

// keyring is one that knows RenewCertificate.
type keyring struct{ sshagent.ExtendedAgent }

func newKeyring() keyring { return keyring{sshagent.NewKeyring().(sshagent.ExtendedAgent)} }

// Extension renews a certificate; there is no other.
func (k keyring) Extension(kind string, contents []byte) ([]byte, error) {
	if kind != RenewCertificate {
		return nil, sshagent.ErrExtensionUnsupported
	}
	public, err := ssh.ParsePublicKey(contents)
	certificate, ok := public.(*ssh.Certificate)
	if err != nil || !ok {
		return nil, errors.New("it is not a certificate")
	}
	// 1. The one before, and the plain key beside it.
	held, err := k.List()
	if err != nil {
		return nil, err
	}
	var before *sshagent.Key
	for _, key := range held {
		public, err := ssh.ParsePublicKey(key.Blob)
		if of, ok := public.(*ssh.Certificate); err == nil && ok && standsFor(certificate, of) {
			before = key
		}
	}
	signers, err := k.Signers()
	if err != nil {
		return nil, err
	}
	var plain ssh.Signer
	for _, signer := range signers {
		if bytes.Equal(signer.PublicKey().Marshal(), certificate.Key.Marshal()) {
			plain = signer
		}
	}
	if before != nil && bytes.Equal(before.Blob, contents) {
		return nil, nil
	}
	left := int64(certificate.ValidBefore) - time.Now().Unix()
	if before == nil || plain == nil || left <= 0 {
		return nil, errors.New("no certificate is held for the same key, request, principal and end, or this one is over")
	}
	// 2. Its place.
	if err := k.Remove(before); err != nil {
		return nil, fmt.Errorf("removing the certificate before: %w", err)
	}
	return nil, k.Add(sshagent.AddedKey{
		PrivateKey: heldKey{plain}, Certificate: certificate, Comment: before.Comment, LifetimeSecs: uint32(min(left+1, 1<<31)),
	})
}

// standsFor tells whether a certificate is for what another is.
func standsFor(c, other *ssh.Certificate) bool {
	return bytes.Equal(c.Key.Marshal(), other.Key.Marshal()) && c.CertType == other.CertType && c.KeyId == other.KeyId &&
		slices.Equal(c.ValidPrincipals, other.ValidPrincipals) && c.ValidBefore == other.ValidBefore
}

// heldKey signs with a key that the keyring holds already.
type heldKey struct{ ssh.Signer }

// Public is the key's public half.
func (s heldKey) Public() crypto.PublicKey {
	return s.PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey()
}

// Sign signs a message with Ed25519, whose signature SSH sends as it is.
func (s heldKey) Sign(random io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	signature, err := s.Signer.Sign(random, message)
	if err != nil {
		return nil, err
	}
	return signature.Blob, nil
}
