// Package keys holds the signer's private keys: one file a key, 0600, encrypted
// when there is a passphrase. Nothing outside this package sees a private key;
// callers get things that sign.
//
// The keys in one directory are made together, once. Later a key may have a next
// and a retired one beside it; the functions that return public keys return lists
// for that reason.
package keys

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

// Names of the key files.
const (
	userCA   = "user-ca"
	targetCA = "target-ca"
	hostCA   = "host-ca"
	logKey   = "log"
)

// ErrNone means that the directory holds no keys yet.
var ErrNone = errors.New("there are no keys yet")

// Ring is the signer's keys.
type Ring struct {
	user, target, host ssh.Signer
	log                note.Signer
	verifier           note.Verifier
	verifierKey        string
}

// User signs certificates for people: they open the proxy, nothing else.
func (r *Ring) User() ssh.Signer { return r.user }

// Target signs certificates for proxies: they open targets. Targets trust this
// key only, so that nobody goes round the recorder.
func (r *Ring) Target() ssh.Signer { return r.target }

// Host signs the proxies' host certificates.
func (r *Ring) Host() ssh.Signer { return r.host }

// Log signs checkpoints; its name is the log's origin.
func (r *Ring) Log() note.Signer { return r.log }

// Verifier checks what Log signs.
func (r *Ring) Verifier() note.Verifier { return r.verifier }

// VerifierKey is the log's public key as package note encodes it.
func (r *Ring) VerifierKey() string { return r.verifierKey }

// Public is a key's public half in authorized_keys form, without a comment.
func Public(signer ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// Load reads the keys of an instance from directory dir. It returns ErrNone when
// the directory does not exist, and another error when a file is missing, is
// readable by others, or does not open.
func Load(dir, instance string, passphrase []byte) (*Ring, error) {
	return load(dir, &sealer{instance: instance, passphrase: passphrase, cost: scryptCost})
}

func load(dir string, box *sealer) (*Ring, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	ring := &Ring{}
	for name, place := range map[string]*ssh.Signer{userCA: &ring.user, targetCA: &ring.target, hostCA: &ring.host} {
		seed, err := box.read(dir, name)
		if err != nil {
			return nil, err
		}
		if len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("the key file %s holds no Ed25519 key", name)
		}
		if *place, err = ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed)); err != nil {
			return nil, err
		}
	}
	text, err := box.read(dir, logKey)
	if err != nil {
		return nil, err
	}
	signerKey, verifierKey, _ := strings.Cut(string(text), "\n")
	if ring.log, err = note.NewSigner(signerKey); err != nil {
		return nil, fmt.Errorf("the key file %s: %w", logKey, err)
	}
	if ring.verifier, err = note.NewVerifier(verifierKey); err != nil {
		return nil, fmt.Errorf("the key file %s: %w", logKey, err)
	}
	ring.verifierKey = verifierKey
	return ring, nil
}

// Generate makes new keys for an instance in directory dir, which must not exist,
// and returns them loaded. Either all files are there afterwards or, after a kill
// at any moment, the directory does not exist. The log's origin is new each time,
// so that no two beginnings of a log are taken for one.
func Generate(dir, instance string, passphrase []byte, random io.Reader) (*Ring, error) {
	return generate(dir, &sealer{instance: instance, passphrase: passphrase, cost: scryptCost}, random)
}

func generate(dir string, box *sealer, random io.Reader) (*Ring, error) {
	// 1. The keys.
	secrets := map[string][]byte{}
	for _, name := range []string{userCA, targetCA, hostCA} {
		seed := make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, fmt.Errorf("making the key %s: %w", name, err)
		}
		secrets[name] = seed
	}
	origin := make([]byte, 4)
	if _, err := io.ReadFull(random, origin); err != nil {
		return nil, fmt.Errorf("naming the log: %w", err)
	}
	signerKey, verifierKey, err := ledger.NewKey(random, "stint-signer/"+box.instance+"/"+hex.EncodeToString(origin))
	if err != nil {
		return nil, fmt.Errorf("making the log key: %w", err)
	}
	secrets[logKey] = []byte(signerKey + "\n" + verifierKey)
	// 2. All files, in a directory of another name.
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return nil, err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return nil, err
	}
	if err := box.newSalt(random); err != nil {
		return nil, err
	}
	for name, secret := range secrets {
		if err := box.write(unfinished, name, secret, random); err != nil {
			return nil, fmt.Errorf("writing the key %s: %w", name, err)
		}
	}
	if err := syncDirectory(unfinished); err != nil {
		return nil, err
	}
	// 3. Its name, at once. Renaming fails where dir holds keys already.
	if err := os.Rename(unfinished, dir); err != nil {
		return nil, err
	}
	if err := syncDirectory(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	return load(dir, box)
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
