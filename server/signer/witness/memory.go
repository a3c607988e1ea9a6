package witness

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
	"stint/server/signer/internal/journal"
)

// log is one log that the witness knows.
type log struct {
	verifier note.Verifier
	path     string // of the file with the newest checkpoint seen

	mu   sync.Mutex
	seen ledger.Checkpoint
}

// memory is what a witness keeps on its disk.
type memory struct {
	lock   *journal.Lock
	signer note.Signer
	key    string // verifier key
	logs   map[string]*log
}

// openMemory opens the data directory, or begins it, for this process alone.
func openMemory(config Config, clock func() time.Time) (m *memory, err error) {
	if err := journal.PrivateDirectory(config.Data); err != nil {
		return nil, err
	}
	lock, err := journal.Acquire(config.Data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Release())
		}
	}()
	m = &memory{lock: lock, logs: map[string]*log{}}
	if err := m.openKey(config, clock); err != nil {
		return nil, err
	}
	for _, key := range config.Logs {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(verifier.Name()))
		l := &log{verifier: verifier, path: filepath.Join(config.Data, "log-"+hex.EncodeToString(sum[:]))}
		if err := l.remember(); err != nil {
			return nil, err
		}
		m.logs[verifier.Name()] = l
	}
	return m, nil
}

// openKey loads the witness's key, or makes it at the first start.
func (m *memory) openKey(config Config, clock func() time.Time) error {
	path := filepath.Join(config.Data, "key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		witnessKey, verifierKey, err := ledger.NewWitnessKey(rand.Reader, config.Name)
		if err != nil {
			return err
		}
		text = []byte(witnessKey + "\n" + verifierKey + "\n")
		if err := writeWhole(path, text); err != nil {
			return fmt.Errorf("keeping the witness's key: %w", err)
		}
	} else if err != nil {
		return err
	}
	witnessKey, verifierKey, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), "\n")
	if m.signer, err = ledger.NewWitnessSigner(witnessKey, clock); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if m.signer.Name() != config.Name {
		return fmt.Errorf("the key in %s is of the witness %s, not %s: keep the name, or begin another data directory", path, m.signer.Name(), config.Name)
	}
	m.key = verifierKey
	return nil
}

// remember reads what was seen of a log last.
func (l *log) remember() error {
	text, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		root, err := ledger.Root(0, nil)
		l.seen = ledger.Checkpoint{Origin: l.verifier.Name(), Root: root}
		return err
	}
	if err != nil {
		return err
	}
	if l.seen, err = ledger.Open(text, l.verifier.Name(), l.verifier); err != nil {
		return fmt.Errorf("%s, which holds what was seen of %s: %w", l.path, l.verifier.Name(), err)
	}
	return nil
}

// keep makes a checkpoint the newest seen; it is on the disk when keep returns.
func (l *log) keep(signed []byte, checkpoint ledger.Checkpoint) error {
	if err := writeWhole(l.path, signed); err != nil {
		return fmt.Errorf("keeping a checkpoint of %s: %w", checkpoint.Origin, err)
	}
	l.seen = checkpoint
	return nil
}

// writeWhole makes a file appear whole or not at all, and durably.
func writeWhole(path string, data []byte) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
