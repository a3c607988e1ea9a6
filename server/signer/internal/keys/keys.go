// Package keys holds the signer's private keys. Nothing outside this package sees
// one; callers get things that sign.
//
// The ring knows keys by their public halves and nothing of what they are allowed
// to do: that one is next, current or retired stands in the ledger, which is the
// only memory. A key is kept for good before Make returns, so that the ledger never
// names one that a power cut takes away; one that the ledger does not name, or names
// no longer, is deleted by Keep.
//
// Where keys are kept is a store: files that a passphrase encrypts; a PKCS#11 module
// in builds with the tag pkcs11; or a cloud's key management service in builds with
// the tag awskms, gcpkms or azurekms. The log key, which signs checkpoints and never
// changes, is always a file.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/server/evidence"
	"stint/server/ledger"
)

// logKey is the file of the log key.
const logKey = "log"

// Errors that callers tell apart.
var (
	ErrNone    = errors.New("there are no keys yet")
	ErrMissing = errors.New("the private key is not here")
)

// ProofText is what a key signs to show that it does. It means nothing else.
const ProofText = "stint signer: this key signs\n"

// Settings say where keys are kept.
type Settings struct {
	Directory  string // of the key files
	Instance   string
	Passphrase []byte // that encrypts the files; empty: they are not
	Random     io.Reader
	Module     *Module  // nil: none
	Service    *Service // nil: none; without either, all keys are files

	// ledger is what the log's name ends with, new for each beginning. Keys outside
	// the directory bear it: a ledger that begins with an empty directory, because its
	// disk is not mounted or somewhere else, must not delete those of another.
	ledger string
}

// Module is a PKCS#11 module that keeps every key but the log's.
type Module struct {
	Library string // path of the module's shared library
	Token   string // label of the token
	PIN     string
}

// store keeps private keys for good. It is used by one caller at a time, but for
// the keys that it returned.
type store interface {
	// create makes a key; it is kept when create returns.
	create(purpose string) (crypto.Signer, error)
	// open returns a key that create made; ErrMissing where it is not there.
	open(purpose, public string) (crypto.Signer, error)
	// keep deletes every key that keeping does not name.
	keep(keeping func(public string) bool) error
	close() error
}

// Ring is the signer's keys. It is safe for concurrent use.
type Ring struct {
	log         note.Signer
	verifier    note.Verifier
	verifierKey string

	changing sync.Mutex // held while the store is asked, which may be slow
	store    store

	mu   sync.Mutex       // never held while the store is asked: who signs needs it
	open map[string]*held // by public key
}

// held is an open key; taken from it, a key signs no more.
type held struct {
	public crypto.PublicKey
	mu     sync.RWMutex
	key    crypto.Signer
}

// Public is the key's public half.
func (h *held) Public() crypto.PublicKey { return h.public }

// Sign implements crypto.Signer. What does not fit the public half is an error: it may
// be under another key, or damaged, and a damaged Ed25519 signature gives the key away.
func (h *held) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.key == nil {
		return nil, ErrMissing
	}
	signature, err := h.key.Sign(random, digest, options)
	if err != nil {
		return nil, err
	}
	if !fits(h.public, digest, signature) {
		return nil, errors.New("what signed with the key returned a signature that is not this key's")
	}
	return signature, nil
}

// fits checks a signature as crypto.Signer makes it, with an Ed25519 or a P-256 key.
func fits(public crypto.PublicKey, digest, signature []byte) bool {
	switch public := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	}
	return false
}

// forget waits for signatures that are being made, and makes all later ones fail.
func (h *held) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	wipe(h.key)
	h.key = nil
}

// Log signs checkpoints; its name is the log's origin.
func (r *Ring) Log() note.Signer { return r.log }

// Verifier checks what Log signs.
func (r *Ring) Verifier() note.Verifier { return r.verifier }

// VerifierKey is the log's public key as package note encodes it.
func (r *Ring) VerifierKey() string { return r.verifierKey }

// Make makes a key for a purpose, of evidence's Purpose constants, and returns its
// public half in the form of evidence.ParseAuthorityKey. The key is kept for good
// when Make returns.
func (r *Ring) Make(purpose string) (public string, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	key, err := r.store.create(purpose)
	if err != nil {
		return "", fmt.Errorf("making a key for %s: %w", purpose, err)
	}
	if public, err = evidence.FormatAuthorityKey(key.Public()); err != nil {
		return "", fmt.Errorf("making a key for %s: %w", purpose, err)
	}
	r.hold(public, key)
	return public, nil
}

func (r *Ring) hold(public string, key crypto.Signer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[public] = &held{public: key.Public(), key: key}
}

// Open makes sure that a key is here, so that Signer finds it. It returns an error
// that wraps ErrMissing where it is not.
func (r *Ring) Open(purpose, public string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if _, err := r.Signer(public); err == nil {
		return nil
	}
	key, err := r.store.open(purpose, public)
	if err != nil {
		return fmt.Errorf("opening the key for %s: %w", purpose, err)
	}
	// A store that hands out another key than was asked for would sign with it.
	if same, err := evidence.FormatAuthorityKey(key.Public()); err != nil || same != public {
		return fmt.Errorf("opening the key for %s: the store holds another one in its place", purpose)
	}
	r.hold(public, key)
	return nil
}

// Signer signs with a key that Make or Open returned; ErrMissing with any other.
func (r *Ring) Signer(public string) (crypto.Signer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := r.open[public]
	if key == nil {
		return nil, ErrMissing
	}
	return key, nil
}

// Authority is Signer for certificates.
func (r *Ring) Authority(public string) (ssh.Signer, error) {
	key, err := r.Signer(public)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromSigner(key)
}

// Keep wipes every key that is not in the list from memory, whatever the store says,
// and deletes it from where it is kept. The caller's list must be the ledger's, settled.
func (r *Ring) Keep(public []string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	keeping := func(key string) bool { return slices.Contains(public, key) }
	r.forget(keeping)
	if err := r.store.keep(keeping); err != nil {
		return fmt.Errorf("deleting keys that are used no longer: %w", err)
	}
	return nil
}

// forget wipes the keys that keeping does not name from memory.
func (r *Ring) forget(keeping func(public string) bool) {
	r.mu.Lock()
	var gone []*held
	for key, one := range r.open {
		if !keeping(key) {
			gone = append(gone, one)
			delete(r.open, key)
		}
	}
	r.mu.Unlock()
	for _, one := range gone {
		one.forget()
	}
}

// Close wipes all keys from memory.
func (r *Ring) Close() error {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.forget(func(string) bool { return false })
	return r.store.close()
}

// Load opens the keys of an instance. It returns ErrNone when the directory does
// not exist, and another error when the log key is missing, is readable by others,
// or does not open.
func Load(settings Settings) (*Ring, error) { return load(settings, newSealer(settings)) }

func load(settings Settings, box *sealer) (*Ring, error) {
	if _, err := os.Lstat(settings.Directory); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	ring, err := loadLog(settings, box)
	if err != nil {
		return nil, err
	}
	settings.ledger = path.Base(ring.log.Name())
	if ring.store, err = openStore(settings, box); err != nil {
		return nil, err
	}
	return ring, nil
}

// loadLog loads a ring that has the log key alone.
func loadLog(settings Settings, box *sealer) (*Ring, error) {
	text, err := box.read(settings.Directory, logKey)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	ring := &Ring{open: map[string]*held{}}
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

func openStore(settings Settings, box *sealer) (store, error) {
	switch {
	case settings.Module != nil:
		return openModule(settings)
	case settings.Service != nil:
		return openService(settings)
	default:
		return &files{directory: settings.Directory, box: box, random: settings.Random}, nil
	}
}

// Generate begins a ring in a directory that must not exist, with a log key alone,
// and returns it loaded. Either the directory is there afterwards with the key or,
// after a kill at any moment, it does not exist. The log's origin is new each time,
// so that no two beginnings of a log are taken for one.
func Generate(settings Settings) (*Ring, error) { return generate(settings, newSealer(settings)) }

func generate(settings Settings, box *sealer) (ring *Ring, err error) {
	// 1. Where the others will be: with a wrong PIN nothing begins.
	origin := make([]byte, 4)
	if _, err := io.ReadFull(settings.Random, origin); err != nil {
		return nil, fmt.Errorf("naming the log: %w", err)
	}
	settings.ledger = hex.EncodeToString(origin)
	store, err := openStore(settings, box)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.close())
		}
	}()
	// 2. The key.
	signerKey, verifierKey, err := ledger.NewKey(settings.Random, "stint-signer/"+settings.Instance+"/"+settings.ledger)
	if err != nil {
		return nil, fmt.Errorf("making the log key: %w", err)
	}
	secret := []byte(signerKey + "\n" + verifierKey)
	defer clear(secret)
	// 3. Its file, in a directory of another name.
	unfinished := settings.Directory + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return nil, err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return nil, err
	}
	if err := box.newSalt(settings.Random); err != nil {
		return nil, err
	}
	if err := box.write(unfinished, logKey, secret, settings.Random); err != nil {
		return nil, fmt.Errorf("writing the log key: %w", err)
	}
	if err := syncDirectory(unfinished); err != nil {
		return nil, err
	}
	// 4. Its name, at once. Renaming fails where the directory holds keys already.
	if err := os.Rename(unfinished, settings.Directory); err != nil {
		return nil, err
	}
	if err := syncDirectory(filepath.Dir(settings.Directory)); err != nil {
		return nil, err
	}
	if ring, err = loadLog(settings, box); err != nil {
		return nil, err
	}
	ring.store = store
	return ring, nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
