package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/internal/keys"
)

// keyFiles counts the private keys on the disk, the log's left out.
func (w *world) keyFiles() int {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.config.Data, "keys", "*-*"))
	must(w.t, err)
	return len(files)
}

// TestRotationsThatFail: one that fails over and over makes one key, which serves as
// soon as it can; one whose old key cannot be deleted is done all the same.
func TestRotationsThatFail(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	before := w.keyFiles()
	next := w.key(evidence.PurposeUserCA, evidence.KeyNext)
	// The predecessor's word is not to be had.
	var here []string
	w.signer.book.view(func(s *state) {
		for _, key := range s.beliefs.Keys() {
			if key.Key != next.Key {
				here = append(here, key.Key)
			}
		}
	})
	file := "user-ca-" + nextFile(t, next.Key)
	aside, err := os.ReadFile(filepath.Join(w.config.Data, "keys", file))
	must(t, err)
	must(t, w.signer.ring.Keep(here))
	for range 5 {
		if _, err := w.rotateNow(evidence.PurposeUserCA); !errors.Is(err, keys.ErrMissing) {
			t.Fatalf("it rotates without its next key: %v", err)
		}
	}
	if n := w.keyFiles(); n != before { // one is gone, one was made
		t.Errorf("of %d keys there are %d", before, n)
	}
	write(t, filepath.Join(w.config.Data, "keys", file), string(aside))
	must(t, w.signer.ring.Open(evidence.PurposeUserCA, next.Key))

	// A file that cannot be deleted.
	stuck := filepath.Join(w.config.Data, "keys", "user-ca-0123456789abcdef.tmp")
	must(t, os.MkdirAll(filepath.Join(stuck, "in the way"), 0o700))
	_, err = w.rotateNow(evidence.PurposeUserCA)
	must(t, err)
	if now := w.key(evidence.PurposeUserCA, evidence.KeyCurrent); now.Key != next.Key {
		t.Error("it did not rotate")
	}
	must(t, os.Remove(filepath.Join(stuck, "in the way")))
	w.rotate()
	if n := w.keyFiles(); n != before {
		t.Errorf("of %d keys there are %d", before, n)
	}

	// A signer whose ledger is doubted deletes nothing: it may not know the newest keys.
	_, err = w.signer.ring.Make(evidence.PurposeUserCA)
	must(t, err)
	w.signer.kept = nil
	w.signer.book.standing.doubtIt(errors.New("a witness has seen more"))
	w.rotate()
	if n := w.keyFiles(); n != before+1 {
		t.Errorf("of %d keys there are %d", before+1, n)
	}
}

// nextFile is what the file of a key is named after.
func nextFile(t *testing.T, public string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(public))
	return hex.EncodeToString(sum[:8])
}

// TestClockStepsAroundRotations: a clock that ran ahead and came back stops giving, and
// with it rotation by the clock, which makes a key of each purpose and no more; replacing a key that may
// have been stolen goes on.
func TestClockStepsAroundRotations(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	before, current := w.keyFiles(), w.key(evidence.PurposeUserCA, evidence.KeyCurrent)
	w.clock.add(keyLife + time.Hour)
	w.endRequest("r1") // an entry from then
	w.clock.add(-keyLife)
	for range 5 {
		_, err := w.signer.turn(context.Background(), rotation{scheduled: true})
		refused(t, err, "clock-behind")
	}
	if n := w.keyFiles(); n != before+3 || w.key(evidence.PurposeUserCA, evidence.KeyCurrent).Key != current.Key {
		t.Errorf("of %d keys there are %d", before, n)
	}
	_, err := w.rotateNow(evidence.PurposeUserCA)
	must(t, err)
	if n := w.keyFiles(); n != before || w.key(evidence.PurposeUserCA, evidence.KeyWithdrawn).Key != current.Key {
		t.Errorf("of %d keys there are %d", before, n)
	}
	// Ahead by many lives: one step each.
	w.clock.add(20 * keyLife)
	at := w.entries()
	w.rotate()
	w.rotate()
	if w.entries() != at+1 || w.keyFiles() != before {
		t.Errorf("%d entries, %d keys", w.entries()-at, w.keyFiles())
	}
	w.replay()
}
