package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

// A key file is one PEM block. Its headers say whose key it is and, if it is
// encrypted, under which scrypt salt (RFC 7914); the body is then a 24-byte nonce
// and XChaCha20-Poly1305 ciphertext, bound to instance and name, so that no file
// can stand in for another.
const (
	blockType       = "STINT SIGNER KEY"
	headerInstance  = "Instance"
	headerName      = "Name"
	headerSalt      = "Salt"
	headerCipher    = "Encryption"
	cipherName      = "scrypt-xchacha20-poly1305"
	maxKeyFile      = 16 << 10
	saltLength      = 16
	scryptCost      = 1 << 16 // 64 MiB with r = 8: a fraction of a second
	scryptBlockSize = 8
)

// sealer reads and writes the key files of one instance. Files that are written
// together share a salt, so that the passphrase is stretched once for all.
type sealer struct {
	instance   string
	passphrase []byte // empty: files are not encrypted
	cost       int    // scryptCost, but for tests
	forgotten  bool   // it neither reads nor writes any more

	salt   []byte // of cipher
	cipher []byte // what the passphrase is stretched to
}

func newSealer(settings Settings) *sealer {
	return &sealer{instance: settings.Instance, passphrase: settings.Passphrase, cost: scryptCost}
}

// errForgotten keeps a caller that comes late from writing a key in the clear.
var errForgotten = errors.New("the signer is ending")

// forget overwrites what opens the files.
func (s *sealer) forget() {
	clear(s.passphrase)
	clear(s.cipher)
	s.passphrase, s.cipher, s.forgotten = nil, nil, true
}

func (s *sealer) cipherKey(salt []byte) ([]byte, error) {
	if s.cipher == nil || !bytes.Equal(salt, s.salt) {
		key, err := scrypt.Key(s.passphrase, salt, s.cost, scryptBlockSize, 1, chacha20poly1305.KeySize)
		if err != nil {
			return nil, err
		}
		s.salt, s.cipher = salt, key
	}
	return s.cipher, nil
}

// newSalt chooses the salt of all files that are written from here on.
func (s *sealer) newSalt(random io.Reader) error {
	s.salt, s.cipher = make([]byte, saltLength), nil
	_, err := io.ReadFull(random, s.salt)
	return err
}

func (s *sealer) bound(name string) []byte {
	return []byte(blockType + "\n" + s.instance + "\n" + name + "\n")
}

func (s *sealer) write(dir, name string, secret []byte, random io.Reader) error {
	return s.writeAs(filepath.Join(dir, name), name, secret, random)
}

// writeAs writes the file of the key name at path, replacing what a kill left there,
// and brings it to the disk.
func (s *sealer) writeAs(path, name string, secret []byte, random io.Reader) error {
	if s.forgotten {
		return errForgotten
	}
	block := &pem.Block{
		Type:    blockType,
		Headers: map[string]string{headerInstance: s.instance, headerName: name},
		Bytes:   secret,
	}
	if len(s.passphrase) > 0 {
		nonce := make([]byte, chacha20poly1305.NonceSizeX)
		if _, err := io.ReadFull(random, nonce); err != nil {
			return err
		}
		key, err := s.cipherKey(s.salt)
		if err != nil {
			return err
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return err
		}
		block.Headers[headerCipher] = cipherName
		block.Headers[headerSalt] = base64.StdEncoding.EncodeToString(s.salt)
		block.Bytes = aead.Seal(bytes.Clone(nonce), nonce, secret, s.bound(name))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(file, block), file.Sync(), file.Close())
}

func (s *sealer) read(dir, name string) ([]byte, error) {
	if s.forgotten {
		return nil, errForgotten
	}
	path := filepath.Join(dir, name)
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s may be read by others (mode %04o): take that away (chmod 600), and think about new keys", path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", name, err)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != blockType || len(rest) != 0 {
		return nil, fmt.Errorf("%s is not a key file of the signer", path)
	}
	if block.Headers[headerInstance] != s.instance || block.Headers[headerName] != name {
		return nil, fmt.Errorf("the key file %s is for %q of instance %q, not for %q of %q", path,
			block.Headers[headerName], block.Headers[headerInstance], name, s.instance)
	}
	return s.open(block, name)
}

func (s *sealer) open(block *pem.Block, name string) ([]byte, error) {
	encryption := block.Headers[headerCipher]
	switch {
	case encryption == "" && len(s.passphrase) == 0:
		return block.Bytes, nil
	case encryption == "":
		// Else whoever can write files could swap an encrypted key for a plain one of their own.
		return nil, fmt.Errorf("the key %s is not encrypted, though there is a passphrase", name)
	case encryption != cipherName:
		return nil, fmt.Errorf("the key %s is encrypted in an unknown way (%q)", name, encryption)
	case len(s.passphrase) == 0:
		return nil, fmt.Errorf("the key %s is encrypted: set key_passphrase_file or key_passphrase_credential", name)
	}
	salt, err := base64.StdEncoding.DecodeString(block.Headers[headerSalt])
	if err != nil || len(salt) != saltLength || len(block.Bytes) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("the key file %s is damaged", name)
	}
	key, err := s.cipherKey(salt)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	nonce, sealed := block.Bytes[:chacha20poly1305.NonceSizeX], block.Bytes[chacha20poly1305.NonceSizeX:]
	secret, err := aead.Open(nil, nonce, sealed, s.bound(name))
	if err != nil {
		return nil, fmt.Errorf("the key %s does not open: the passphrase is wrong or the file damaged", name)
	}
	return secret, nil
}
