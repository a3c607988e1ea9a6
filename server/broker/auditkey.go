package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"stint/server/broker/internal/portal"
	"stint/server/ledger"
)

// auditKeyFile is the file of the key that signs checkpoints of the audit log,
// in the encodings of C2SP signed-note.
type auditKeyFile struct {
	Signer   string `json:"signer"`
	Verifier string `json:"verifier"`
}

// openAuditKey reads the key, and makes one at first start. Who reads the file
// can sign for the log, so others must not be able to.
func openAuditKey(path, origin string, random io.Reader) (portal.AuditKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeAuditKey(path, origin, random)
	}
	if err != nil {
		return portal.AuditKey{}, fmt.Errorf("reading the audit key: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return portal.AuditKey{}, fmt.Errorf("reading the audit key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return portal.AuditKey{}, fmt.Errorf("%s can be read by others; run: chmod 600 %s", path, path)
	}
	var stored auditKeyFile
	if err := json.Unmarshal(text, &stored); err != nil {
		return portal.AuditKey{}, fmt.Errorf("reading the audit key: %s is not the JSON of a key", path)
	}
	signer, err := note.NewSigner(stored.Signer)
	if err != nil {
		return portal.AuditKey{}, fmt.Errorf("reading the audit key: %w", err)
	}
	verifier, err := note.NewVerifier(stored.Verifier)
	if err != nil {
		return portal.AuditKey{}, fmt.Errorf("reading the audit key: %w", err)
	}
	if signer.Name() != origin || verifier.Name() != origin || signer.KeyHash() != verifier.KeyHash() {
		return portal.AuditKey{}, fmt.Errorf("%s holds the key of %q, not of %q", path, signer.Name(), origin)
	}
	return portal.AuditKey{Origin: origin, Signer: signer, Verifier: stored.Verifier}, nil
}

// makeAuditKey writes a new key, whole and durable or not at all.
func makeAuditKey(path, origin string, random io.Reader) ([]byte, error) {
	signer, verifier, err := ledger.NewKey(random, origin)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(auditKeyFile{Signer: signer, Verifier: verifier})
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".audit-key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(file.Name()))
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	return text, directory.Sync()
}
