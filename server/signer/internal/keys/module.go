//go:build pkcs11

package keys

import (
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"

	"stint/server/evidence"
)

// moduleRetry is the least time between two sign-ins at a token.
const moduleRetry = 10 * time.Second

// module is the store of a PKCS#11 token. Keys are made in it and never leave it;
// they are P-256, which every module knows. The label of a key is its purpose in
// this ledger, and several keys share it: the public half tells them apart.
type module struct {
	settings Module
	prefix   string // of labels
	random   io.Reader

	mu      sync.RWMutex      // held by whoever uses the context
	context *crypto11.Context // nil while the token is away
	opened  time.Time
}

func openModule(settings Settings) (store, error) {
	m := &module{settings: *settings.Module, prefix: "stint/" + settings.Instance + "/" + settings.ledger + "/", random: settings.Random}
	var err error
	if m.context, err = m.signIn(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *module) signIn() (*crypto11.Context, error) {
	m.opened = time.Now()
	context, err := crypto11.Configure(&crypto11.Config{Path: m.settings.Library, TokenLabel: m.settings.Token, Pin: m.settings.PIN})
	if err != nil {
		return nil, fmt.Errorf("opening the PKCS#11 token %q with %s: %w", m.settings.Token, m.settings.Library, err)
	}
	return context, nil
}

// use does something in the token; again in a new session where it fails, since a token
// that was away for a moment has forgotten the old one.
func (m *module) use(act func(*crypto11.Context) error) error {
	m.mu.RLock()
	context := m.context
	err := errors.New("the PKCS#11 token is away")
	if context != nil {
		err = act(context)
	}
	m.mu.RUnlock()
	if err == nil || errors.Is(err, ErrMissing) {
		return err
	}
	if renewErr := m.renew(context); renewErr != nil {
		return errors.Join(err, renewErr)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.context == nil || m.context == context {
		return err
	}
	return act(m.context)
}

// renew signs in anew, unless somebody did since, or did a moment ago.
func (m *module) renew(failed *crypto11.Context) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.context != failed || time.Since(m.opened) < moduleRetry {
		return nil
	}
	if m.context != nil {
		err = m.context.Close()
	}
	var signInErr error
	m.context, signInErr = m.signIn()
	return errors.Join(err, signInErr)
}

func (m *module) label(purpose string) []byte { return []byte(m.prefix + purpose) }

func (m *module) create(purpose string) (crypto.Signer, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(m.random, id); err != nil {
		return nil, err
	}
	return m.key(purpose, func(context *crypto11.Context) (crypto.Signer, error) {
		return context.GenerateECDSAKeyPairWithLabel(id, m.label(purpose), elliptic.P256())
	})
}

func (m *module) open(purpose, public string) (crypto.Signer, error) {
	return m.key(purpose, func(context *crypto11.Context) (crypto.Signer, error) { return m.find(context, purpose, public) })
}

// key is what get returns, for as long as the store is open.
func (m *module) key(purpose string, get func(*crypto11.Context) (crypto.Signer, error)) (crypto.Signer, error) {
	key := &moduleKey{store: m, purpose: purpose}
	err := m.use(func(context *crypto11.Context) (err error) {
		key.context = context
		key.key, err = get(context)
		return err
	})
	if err != nil {
		return nil, err
	}
	key.public = key.key.Public()
	return key, nil
}

func (m *module) find(context *crypto11.Context, purpose, public string) (crypto.Signer, error) {
	found, err := context.FindKeyPairs(nil, m.label(purpose))
	if err != nil {
		return nil, err
	}
	for _, key := range found {
		if text, err := evidence.FormatAuthorityKey(key.Public()); err == nil && text == public && signsAs(key) {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: the token holds no such key with the label %s", ErrMissing, m.label(purpose))
}

func (m *module) keep(keeping func(public string) bool) error {
	var faults []error
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeHostCA, evidence.PurposeToken} {
		faults = append(faults, m.use(func(context *crypto11.Context) error {
			found, err := context.FindKeyPairs(nil, m.label(purpose))
			if err != nil {
				return err
			}
			var faults []error
			for _, key := range found {
				if text, err := evidence.FormatAuthorityKey(key.Public()); err == nil && !keeping(text) && signsAs(key) {
					faults = append(faults, key.Delete())
				}
			}
			return errors.Join(faults...)
		}))
	}
	return errors.Join(faults...)
}

// signsAs tells whether a key is the one that its public half says. The token finds
// the two by their name: one that somebody put beside them under the same name, which
// some tokens let anybody do, would hide that a key is to be kept.
func signsAs(key crypto.Signer) bool {
	digest := sha256.Sum256([]byte(ProofText))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	return err == nil && fits(key.Public(), digest[:], signature)
}

func (m *module) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.context == nil {
		return nil
	}
	return m.context.Close()
}

// moduleKey signs with a key of a token, in whatever session there is.
type moduleKey struct {
	store   *module
	purpose string
	public  crypto.PublicKey

	mu      sync.Mutex
	context *crypto11.Context // in which key was found
	key     crypto.Signer
}

// Public is the key's public half.
func (k *moduleKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer; the token has its own randomness.
func (k *moduleKey) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) (signature []byte, err error) {
	err = k.store.use(func(context *crypto11.Context) error {
		key, err := k.in(context)
		if err != nil {
			return err
		}
		signature, err = key.Sign(random, digest, options)
		return err
	})
	return signature, err
}

// in is the key as a session knows it.
func (k *moduleKey) in(context *crypto11.Context) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.context == context {
		return k.key, nil
	}
	public, err := evidence.FormatAuthorityKey(k.public)
	if err != nil {
		return nil, err
	}
	key, err := k.store.find(context, k.purpose, public)
	if err == nil {
		k.context, k.key = context, key
	}
	return key, err
}
