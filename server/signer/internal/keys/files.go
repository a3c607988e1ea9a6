package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"stint/server/evidence"
)

// files is the store of key files, one a key. A file is named after the purpose
// and the public key; its name is sealed with it, so that none stands in for another.
type files struct {
	directory string
	box       *sealer
	random    io.Reader
}

// secretSize is that of an Ed25519 seed (RFC 8032) and of a P-256 scalar.
const secretSize = 32

// filePattern are the names of key files, but for the log's; with .tmp, of one that
// a kill left unfinished.
var filePattern = regexp.MustCompile(`^[a-z-]+-[0-9a-f]{16}(\.tmp)?$`)

func fileName(purpose, public string) string {
	sum := sha256.Sum256([]byte(public))
	return purpose + "-" + hex.EncodeToString(sum[:8])
}

// newKey makes a key of the kind that the purpose needs: identity tokens are for
// clouds, which know P-256 and not Ed25519.
func newKey(purpose string, secret []byte) (crypto.Signer, error) {
	if purpose == evidence.PurposeToken {
		return ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	}
	if len(secret) != ed25519.SeedSize {
		return nil, errors.New("it holds no Ed25519 key")
	}
	return ed25519.NewKeyFromSeed(secret), nil
}

// wipe overwrites a private key that is in this process's memory.
func wipe(key crypto.Signer) {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		clear(key)
	case *ecdsa.PrivateKey:
		//lint:ignore SA1019 the number is spoilt on purpose: the key signs no more
		clear(key.D.Bits())
	}
}

func (f *files) create(purpose string) (crypto.Signer, error) {
	secret := make([]byte, secretSize)
	defer clear(secret)
	var key crypto.Signer
	for range 4 { // one P-256 scalar in 2^32 is out of range
		if _, err := io.ReadFull(f.random, secret); err != nil {
			return nil, err
		}
		var err error
		if key, err = newKey(purpose, secret); err == nil {
			break
		}
	}
	if key == nil {
		return nil, errors.New("the random numbers make no key")
	}
	public, err := evidence.FormatAuthorityKey(key.Public())
	if err != nil {
		return nil, err
	}
	// Whole under its own name, or not there.
	name := fileName(purpose, public)
	path := filepath.Join(f.directory, name)
	if err := f.box.writeAs(path+".tmp", name, secret, f.random); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return nil, err
	}
	return key, syncDirectory(f.directory)
}

func (f *files) open(purpose, public string) (crypto.Signer, error) {
	name := fileName(purpose, public)
	secret, err := f.box.read(f.directory, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no file %s", ErrMissing, filepath.Join(f.directory, name))
	}
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, err := newKey(purpose, secret)
	if err != nil {
		return nil, fmt.Errorf("the key file %s: %w", name, err)
	}
	return key, nil
}

func (f *files) keep(keeping func(public string) bool) error {
	entries, err := os.ReadDir(f.directory)
	if err != nil {
		return err
	}
	var faults []error
	for _, entry := range entries {
		name := entry.Name()
		if !filePattern.MatchString(name) || f.kept(name, keeping) {
			continue
		}
		faults = append(faults, os.Remove(filepath.Join(f.directory, name)))
	}
	return errors.Join(append(faults, syncDirectory(f.directory))...)
}

// kept tells whether a file's key is to be kept. A file that does not open is: it
// may be what somebody needs to put things right.
func (f *files) kept(name string, keeping func(public string) bool) bool {
	if strings.HasSuffix(name, ".tmp") {
		return false
	}
	secret, err := f.box.read(f.directory, name)
	if err != nil {
		return true
	}
	defer clear(secret)
	purpose := name[:strings.LastIndexByte(name, '-')]
	key, err := newKey(purpose, secret)
	if err != nil {
		return true
	}
	defer wipe(key)
	public, err := evidence.FormatAuthorityKey(key.Public())
	return err != nil || keeping(public)
}

func (f *files) close() error {
	f.box.forget()
	return nil
}
