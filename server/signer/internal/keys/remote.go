//go:build awskms || gcpkms || azurekms

package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"stint/server/evidence"
)

// remoteDeadline bounds every act of a key service: making, finding, deleting, signing.
const remoteDeadline = 30 * time.Second

// keyService is what differs between the clouds. Every key is P-256, is made in the
// service and never leaves it, and bears the instance and the purpose in its name.
type keyService interface {
	// make makes a key, which list finds from then on.
	make(ctx context.Context, purpose string) (remoteKey, error)
	// list returns the keys of a purpose in this installation that can sign, and
	// no key of another installation: what it returns may be deleted.
	list(ctx context.Context, purpose string) ([]remoteKey, error)
	// sign signs a SHA-256 digest; the signature is in ASN.1 (RFC 3279).
	sign(ctx context.Context, id string, digest []byte) ([]byte, error)
	// end makes the service delete a key. It signs nothing from then on.
	end(ctx context.Context, id string) error
	// refuses tells whether an error means that the caller is unknown or may not.
	refuses(err error) bool
	close() error
}

// remoteKey is a key of a service.
type remoteKey struct {
	id     string // as the service names it for good
	public *ecdsa.PublicKey
}

// remote is the store of a key service.
type remote struct {
	service  keyService
	name     string          // for errors
	lasting  context.Context // ends with the store
	end      context.CancelFunc
	deadline time.Duration
}

func newRemote(name string, service keyService) *remote {
	lasting, end := context.WithCancel(context.Background())
	return &remote{service: service, name: name, lasting: lasting, end: end, deadline: remoteDeadline}
}

// act does something with the service in the time there is, and says what to do
// about errors.
func (r *remote) act(what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.lasting, r.deadline)
	defer cancel()
	err := do(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == context.DeadlineExceeded:
		return fmt.Errorf("%s did not finish %s within %s; look whether this machine reaches it: %w", r.name, what, r.deadline, err)
	case r.service.refuses(err):
		return fmt.Errorf("%s refuses %s; give the signer's own identity there the permissions that docs/operations/keys.md lists: %w", r.name, what, err)
	default:
		return fmt.Errorf("%s fails at %s; look at the signer's credentials, at the configured place and at the network: %w", r.name, what, err)
	}
}

func (r *remote) create(purpose string) (crypto.Signer, error) {
	var made remoteKey
	err := r.act("making a key", func(ctx context.Context) (err error) {
		made, err = r.service.make(ctx, purpose)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &remoteSigner{store: r, key: made}, nil
}

func (r *remote) open(purpose, public string) (crypto.Signer, error) {
	var signer *remoteSigner
	err := r.act("finding a key", func(ctx context.Context) error {
		found, err := r.service.list(ctx, purpose)
		for _, key := range found {
			if text, err := evidence.FormatAuthorityKey(key.public); err == nil && text == public {
				signer = &remoteSigner{store: r, key: key}
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case signer == nil:
		return nil, fmt.Errorf("%w: %s holds no such key that can sign; if it is disabled or to be deleted there, restore it", ErrMissing, r.name)
	}
	return signer, nil
}

func (r *remote) keep(keeping func(public string) bool) error {
	var faults []error
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeHostCA, evidence.PurposeToken} {
		faults = append(faults, r.act("deleting keys", func(ctx context.Context) error {
			found, err := r.service.list(ctx, purpose)
			if err != nil {
				return err
			}
			var faults []error
			for _, key := range found {
				if text, err := evidence.FormatAuthorityKey(key.public); err == nil && !keeping(text) {
					faults = append(faults, r.service.end(ctx, key.id))
				}
			}
			return errors.Join(faults...)
		}))
	}
	return errors.Join(faults...)
}

func (r *remote) close() error {
	r.end()
	return r.service.close()
}

// remoteSigner signs with a key of a service.
type remoteSigner struct {
	store *remote
	key   remoteKey
}

// Public is the key's public half.
func (s *remoteSigner) Public() crypto.PublicKey { return s.key.public }

// Sign implements crypto.Signer for SHA-256 digests; the service has its own randomness.
func (s *remoteSigner) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) (signature []byte, err error) {
	if options.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, fmt.Errorf("%s signs SHA-256 digests only", s.store.name)
	}
	err = s.store.act("signing", func(ctx context.Context) (err error) {
		signature, err = s.store.service.sign(ctx, s.key.id, digest)
		return err
	})
	return signature, err
}

// parseP256 reads a public key in PKIX form (RFC 5280 section 4.1).
func parseP256(der []byte) (*ecdsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("it is not a P-256 key")
	}
	return public, nil
}
