//go:build pkcs11

package keys

import (
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/ThalesGroup/crypto11"

	"stint/server/evidence"
)

// module is the store of a PKCS#11 token. Keys are made in it and never leave it;
// they are P-256, which every module knows. The label of a key is its purpose in
// this ledger, and several keys share it: the public half tells them apart.
type module struct {
	context *crypto11.Context
	prefix  string // of labels
	random  io.Reader
}

func openModule(settings Settings) (store, error) {
	context, err := crypto11.Configure(&crypto11.Config{
		Path: settings.Module.Library, TokenLabel: settings.Module.Token, Pin: settings.Module.PIN,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the PKCS#11 token %q with %s: %w", settings.Module.Token, settings.Module.Library, err)
	}
	return &module{context: context, prefix: "stint/" + settings.Instance + "/" + settings.ledger + "/", random: settings.Random}, nil
}

func (m *module) label(purpose string) []byte { return []byte(m.prefix + purpose) }

func (m *module) create(purpose string) (crypto.Signer, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(m.random, id); err != nil {
		return nil, err
	}
	return m.context.GenerateECDSAKeyPairWithLabel(id, m.label(purpose), elliptic.P256())
}

func (m *module) open(purpose, public string) (crypto.Signer, error) {
	found, err := m.context.FindKeyPairs(nil, m.label(purpose))
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
		found, err := m.context.FindKeyPairs(nil, m.label(purpose))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, key := range found {
			if text, err := evidence.FormatAuthorityKey(key.Public()); err == nil && !keeping(text) && signsAs(key) {
				faults = append(faults, key.Delete())
			}
		}
	}
	return errors.Join(faults...)
}

// signsAs tells whether a key is the one that its public half says. The token finds
// the two by their name: one that somebody put beside them under the same name, which
// some tokens let anybody do, would hide that a key is to be kept.
func signsAs(key crypto.Signer) bool {
	digest := sha256.Sum256([]byte("stint signer: this key signs\n"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	return err == nil && fits(key.Public(), digest[:], signature)
}

func (m *module) close() error { return m.context.Close() }
