package journal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

func newLog(t *testing.T) Log {
	t.Helper()
	signerKey, verifierKey, err := ledger.NewKey(rand.Reader, "test/journal")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	return Log{"test/journal", signer, verifier}
}

// open opens the log and returns the leaves that were replayed.
func open(dir string, log Log) (*Journal, []string, error) {
	lock, err := Acquire(dir)
	if err != nil {
		return nil, nil, err
	}
	var leaves []string
	j, err := Open(lock, log, func(index int64, leaf []byte) error {
		if index != int64(len(leaves)) {
			return fmt.Errorf("replayed %d as %d", len(leaves), index)
		}
		leaves = append(leaves, string(leaf))
		return nil
	})
	return j, leaves, err
}

func mustOpen(t *testing.T, dir string, log Log) (*Journal, []string) {
	t.Helper()
	j, leaves, err := open(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	return j, leaves
}

func add(t *testing.T, j *Journal, leaf string) int64 {
	t.Helper()
	index, err := j.Stage([]byte(leaf))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Wait(context.Background(), index); err != nil {
		t.Fatal(err)
	}
	return index
}

// check proves leaf index by what the journal hands out.
func check(t *testing.T, j *Journal, log Log, index int64, leaf string) {
	t.Helper()
	inclusion, signed, err := j.Prove(index)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := ledger.Open(signed, log.Origin, log.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if err := inclusion.Check(ledger.LeafHash([]byte(leaf)), checkpoint); err != nil {
		t.Fatal(err)
	}
	got, err := j.Read(index)
	if err != nil || string(got) != leaf {
		t.Fatalf("Read(%d) = %q, %v; want %q", index, got, err, leaf)
	}
}

func TestLeavesAreProvedAndSurviveARestart(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	var want []string
	for round := range 4 {
		j, leaves := mustOpen(t, dir, log)
		if !slices.Equal(leaves, want) {
			t.Fatalf("round %d replayed %q, want %q", round, leaves, want)
		}
		for n := range 5 {
			leaf := fmt.Sprintf("round %d leaf %d", round, n)
			want = append(want, leaf)
			if index := add(t, j, leaf); index != int64(len(want)-1) {
				t.Fatalf("index %d, want %d", index, len(want)-1)
			}
		}
		for i, leaf := range want {
			check(t, j, log, int64(i), leaf)
		}
		if _, _, err := j.Prove(int64(len(want))); err == nil {
			t.Fatal("proved a leaf that is not there")
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyWritersShareTheLog(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	var group sync.WaitGroup
	for writer := range 16 {
		group.Go(func() {
			for n := range 25 {
				leaf := fmt.Sprintf("writer %d leaf %d", writer, n)
				index, err := j.Stage([]byte(leaf))
				if err == nil {
					err = j.Wait(context.Background(), index)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := j.Read(index); err != nil || string(got) != leaf {
					t.Errorf("Read(%d) = %q, %v; want %q", index, got, err, leaf)
				}
			}
		})
	}
	group.Wait()
	if j.Size() != 400 {
		t.Fatalf("size %d", j.Size())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, leaves := mustOpen(t, dir, log)
	defer j.Close()
	slices.Sort(leaves)
	if len(slices.Compact(leaves)) != 400 {
		t.Fatal("leaves are missing or doubled")
	}
}

// TestATornTail cuts the file at every byte of its last two frames, with a
// checkpoint from before them and with one that covers them.
func TestATornTail(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	add(t, j, "first")
	add(t, j, "second")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	early := read(t, dir, "head")
	acknowledged := len(read(t, dir, "ledger"))
	j, _ = mustOpen(t, dir, log)
	add(t, j, "third")
	middle := len(read(t, dir, "ledger"))
	add(t, j, "fourth")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	late := read(t, dir, "head")
	whole := read(t, dir, "ledger")

	for cut := range len(whole) {
		torn := lay(t, whole[:cut], early)
		j, leaves, err := open(torn, log)
		if cut < acknowledged {
			if err == nil {
				t.Fatalf("cut at %d of %d: an acknowledged entry is gone and nobody noticed", cut, acknowledged)
			}
		} else {
			want := []string{"first", "second"}
			if cut >= middle {
				want = append(want, "third")
			}
			if err != nil || !slices.Equal(leaves, want) {
				t.Fatalf("cut at %d: %q, %v; want %q", cut, leaves, err, want)
			}
			check(t, j, log, add(t, j, "again"), "again")
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j, leaves = mustOpen(t, torn, log)
			if !slices.Equal(leaves, append(want, "again")) {
				t.Fatalf("cut at %d and continued: %q", cut, leaves)
			}
			j.Close()
		}
		if j, _, err := open(lay(t, whole[:cut], late), log); err == nil {
			j.Close()
			t.Fatalf("cut at %d: all four entries were acknowledged and nobody noticed", cut)
		}
	}
}

func TestDamageRefusesToOpen(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	for _, leaf := range []string{"first", "second", "third"} {
		add(t, j, leaf)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, head := read(t, dir, "ledger"), read(t, dir, "head")
	for at := range whole {
		changed := bytes.Clone(whole)
		changed[at] ^= 0x20
		if j, _, err := open(lay(t, changed, head), log); err == nil {
			j.Close()
			t.Fatalf("byte %d was changed and nobody noticed", at)
		}
	}
	for name, c := range map[string]struct {
		ledger, head []byte
		says         string
	}{
		"replaced":         {appendFrame(appendFrame(appendFrame([]byte(header), []byte("first")), []byte("SECOND")), []byte("third")), head, "altered"},
		"emptied":          {nil, head, "cut short"},
		"foreign head":     {whole, []byte("somebody else's\n"), "no checkpoint"},
		"another file":     {[]byte("SQLite format 3\x00 and more"), head, "not a ledger"},
		"frames reordered": {appendFrame(appendFrame(appendFrame([]byte(header), []byte("second")), []byte("first")), []byte("third")), head, "altered"},
	} {
		j, _, err := open(lay(t, c.ledger, c.head), log)
		if err == nil {
			j.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want it to say %q", name, err, c.says)
		}
	}
	if j, _, err := open(lay(t, whole, head), newLog(t)); err == nil {
		j.Close()
		t.Error("opened under another log key")
	}
}

func TestOneProcessADirectory(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	if _, _, err := open(dir, log); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("a second journal opened: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, _ = mustOpen(t, dir, log)
	j.Close()
}

func TestAReplayErrorRefuses(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	add(t, j, "first")
	j.Close()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("not understood")
	if _, err := Open(lock, log, func(int64, []byte) error { return wrong }); !errors.Is(err, wrong) {
		t.Fatalf("Open = %v", err)
	}
	j, _ = mustOpen(t, dir, log) // the lock was released
	j.Close()
}

func TestAFailedDiskAcknowledgesNothingMore(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog(t)
	j, _ := mustOpen(t, dir, log)
	add(t, j, "first")
	j.file.Close() // every write fails from here on
	index, err := j.Stage([]byte("second"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Wait(context.Background(), index); err == nil {
		t.Fatal("acknowledged what was never written")
	}
	select {
	case <-j.Failed():
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
	if _, err := j.Stage([]byte("third")); err == nil {
		t.Fatal("the log takes more after a failed write")
	}
	if _, _, err := j.Prove(1); err == nil {
		t.Fatal("proved what was never written")
	}
	j.Close()
	j, leaves := mustOpen(t, dir, log)
	defer j.Close()
	if !slices.Equal(leaves, []string{"first"}) {
		t.Fatalf("leaves %q", leaves)
	}
}

func TestWaitGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	j, _ := mustOpen(t, t.TempDir(), newLog(t))
	defer j.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.Wait(ctx, 7); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait = %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	// The key is always the same, so that the corpus stays signed.
	signerKey, verifierKey, err := ledger.NewKey(bytes.NewReader(make([]byte, 32)), "test/journal")
	if err != nil {
		f.Fatal(err)
	}
	signer, _ := note.NewSigner(signerKey)
	verifier, _ := note.NewVerifier(verifierKey)
	log := Log{"test/journal", signer, verifier}
	f.Fuzz(func(t *testing.T, frames, head []byte) {
		dir := lay(t, frames, head)
		j, leaves, err := open(dir, log)
		if err != nil {
			return
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j, again := mustOpen(t, dir, log) // what opened once opens always, and alike
		defer j.Close()
		if !slices.Equal(leaves, again) {
			t.Fatalf("first %q, then %q", leaves, again)
		}
	})
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lay writes a directory with these two files.
func lay(t *testing.T, frames, head []byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"ledger": frames, "head": head} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
