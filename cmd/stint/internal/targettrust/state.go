package targettrust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/server/border"
	"stint/server/evidence"
)

// State is what a target remembers from one sync to the next.
type State struct {
	Version     int         `json:"version"` // 1
	Log         string      `json:"log"`     // key of the signer's log, pinned
	Authorities []Authority `json:"authorities"`
	// Note is the last document that was accepted; empty before the first.
	Note string `json:"note,omitempty"`
	// Reloaded is the digest of the files with which sshd was last told to reload.
	Reloaded string `json:"reloaded,omitempty"`
	// Reported is how far sshd's log was read and its serials sent.
	Reported *Position `json:"reported,omitempty"`
}

// Authority is a target CA key that this target trusts or trusted.
type Authority struct {
	Key       string     `json:"key"` // authorized_keys form
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
}

// Pin begins the state of a target whose operator says whom to believe: the key
// of the signer's log, and the target CA keys.
func Pin(logKey string, authorities []string) (State, error) {
	if _, err := note.NewVerifier(logKey); err != nil {
		return State{}, fmt.Errorf("the key of the signer's log: %w", err)
	}
	if len(authorities) == 0 {
		return State{}, errors.New("no target CA key is given to begin with")
	}
	s := State{Version: 1, Log: logKey}
	for _, key := range authorities {
		if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(key)); err != nil || len(rest) != 0 {
			return State{}, fmt.Errorf("%.60q is no target CA key", key)
		}
		s.Authorities = append(s.Authorities, Authority{Key: key})
	}
	return s, nil
}

// Load reads a state file. The error is fs.ErrNotExist where there is none yet.
func Load(path string) (State, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	var s State
	if err = border.DecodeStrict(data, &s); err == nil && (s.Version != 1 || len(s.Authorities) == 0) {
		err = errors.New("it is of another version")
	}
	if err == nil {
		_, err = s.document()
	}
	if err != nil {
		return State{}, fmt.Errorf("the state in %s is damaged; put it back from a copy, or remove it and pin the signer again: %w", path, err)
	}
	return s, nil
}

func (s State) save(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append(data, '\n'))
}

// document opens the last accepted note; zero before the first.
func (s State) document() (evidence.TargetTrust, error) {
	if s.Note == "" {
		return evidence.TargetTrust{}, nil
	}
	return evidence.OpenTargetTrust(s.Note, s.Log)
}

// withdrawn tells whether a key was withdrawn, by any document so far.
func (s State) withdrawn(key string) bool {
	return slices.ContainsFunc(s.Authorities, func(a Authority) bool { return a.Key == key && a.Withdrawn != nil })
}

// files are what sshd reads, made from the state alone.
func (s State) files() (authorities, revoked []byte, err error) {
	document, err := s.document()
	if err != nil {
		return nil, nil, err
	}
	var text strings.Builder
	text.WriteString("# Written by stint trust sync, which will write it again.\n")
	for _, k := range document.Keys {
		text.WriteString(k.Key + "\n")
	}
	var withdrawn []string
	var since time.Time
	for _, a := range s.Authorities {
		if a.Withdrawn != nil {
			withdrawn = append(withdrawn, a.Key)
			if a.Withdrawn.After(since) {
				since = *a.Withdrawn
			}
		}
	}
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	revoked, err = KRL(uint64(len(withdrawn)), since, "stint", withdrawn)
	return []byte(text.String()), revoked, err
}

// replace puts a file in place in one step and brings it to the disk: whoever
// reads it finds the old or the new one, whole, whatever happens meanwhile. The
// mode and owner of a file that is there are kept; a new one is readable by all.
func replace(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the file, not the link to it
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// One name, which only whoever holds the lock uses: a kill leaves one file
	// behind, and the next sync takes it away.
	directory := filepath.Dir(path)
	name := filepath.Join(directory, "."+filepath.Base(path)+".next")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(name) // gone already where all went well
	mode := fs.FileMode(0o644)
	if before, err := os.Stat(path); err == nil {
		mode = before.Mode().Perm()
		if err := keepOwner(next, before); err != nil {
			return errors.Join(fmt.Errorf("writing %s: %w", path, err), next.Close())
		}
	}
	_, err = next.Write(data)
	err = errors.Join(err, next.Chmod(mode), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(name, path)
	}
	if err == nil {
		err = syncDirectory(directory)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
