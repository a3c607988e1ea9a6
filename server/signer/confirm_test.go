package signer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/server/ledger"
	"stint/server/signer/wire"
)

// snapshot copies the data directory, as a backup does.
func (w *world) snapshot() string {
	w.t.Helper()
	copied := filepath.Join(w.t.TempDir(), "signer")
	must(w.t, os.CopyFS(copied, os.DirFS(w.config.Data)))
	return copied
}

// putBack makes the data directory what it was at a snapshot.
func (w *world) putBack(snapshot string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(w.config.Data))
	must(w.t, os.CopyFS(w.config.Data, os.DirFS(snapshot)))
	must(w.t, filepath.WalkDir(w.config.Data, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		} else if err == nil {
			return os.Chmod(path, 0o600)
		}
		return err
	}))
}

func (w *world) checkpoint() string {
	checkpoint, _ := w.signer.book.journal.Checkpoint()
	return string(checkpoint)
}

func (w *world) reopen() {
	w.t.Helper()
	w.shut()
	var err error
	w.signer, err = openSigner(context.Background(), w.config, w.clock.Now, w.quiet())
	must(w.t, err)
}

// TestALedgerTakesNothingUntilItIsConfirmed: neither what gives nor what takes away.
func TestALedgerTakesNothingUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r0", newKey(t)))
	bundle := w.bundle("r1", newKey(t))
	w.reopen()
	before := w.entries()
	_, err := w.sign(bundle)
	refused(t, err, wire.CodeUnconfirmed)
	_, err = w.signer.end(context.Background(), wire.EndRequest{Request: "r2", Reason: "revoked", By: w.subject(w.bob)})
	refused(t, err, wire.CodeUnconfirmed)
	trust, err := w.signer.trust(context.Background())
	must(t, err)
	if trust.Confirmed || w.entries() != before {
		t.Fatalf("confirmed: %v; %d entries, there were %d", trust.Confirmed, w.entries(), before)
	}
	must(t, w.signer.recordRefusals(context.Background())) // they wait
	w.confirm()
	w.mustSign(bundle)
	w.endRequest("r2")
}

func TestABrokerWithoutMirrorConfirms(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.reopen()
	if result, err := w.signer.confirm(wire.ConfirmRequest{}); err != nil || !result.Confirmed {
		t.Fatalf("%+v %v", result, err)
	}
}

// TestAnEmptiedLedgerIsNoNewBeginning: one under keys that were there before is as
// much of a rollback as any other, and would fork the log under its own key.
func TestAnEmptiedLedgerIsNoNewBeginning(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	mirrored := w.checkpoint()
	w.shut()
	for _, name := range []string{"ledger", "head"} {
		must(t, os.Remove(filepath.Join(w.config.Data, name)))
	}
	w.reopen()
	err := w.signer.enrolInCeremony(context.Background(), w.joining(w.mallory))
	if err == nil || w.entries() != 0 {
		t.Fatalf("it takes entries: %d of them", w.entries())
	}
	_, err = w.signer.confirm(wire.ConfirmRequest{Checkpoint: mirrored})
	refused(t, err, wire.CodeRolledBack)
}

// TestAKillBeforeTheFirstEntry: nobody has seen anything, and the broker says so.
func TestAKillBeforeTheFirstEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open()
	w.shut()
	for _, name := range []string{"ledger", "head"} {
		must(t, os.Remove(filepath.Join(w.config.Data, name)))
	}
	w.reopen()
	_, err := w.signer.confirm(wire.ConfirmRequest{})
	must(t, err)
	must(t, w.signer.beginPolicy(context.Background()))
	_, err = w.signer.turn(context.Background(), rotation{scheduled: true})
	must(t, err)
	t.Cleanup(w.shut)
	w.staff()
	w.mustSign(w.bundle("r1", newKey(t)))
	w.audit()
	if w.beliefs().trust.Log != w.signer.ring.VerifierKey() {
		t.Error("the ledger does not name its log key")
	}
}

// TestARolledBackLedgerIsRefused puts an older copy of the data directory back.
func TestARolledBackLedgerIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after func(*world) // what happens to the older copy before the broker comes
		says  string
	}{
		"older": {func(*world) {}, "entries 7 to 8 are gone; restore the data directory from a copy that holds all 9 entries"},
		"older and continued": {func(w *world) {
			w.confirm()
			for _, id := range []string{"x1", "x2", "x3"} {
				w.endRequest(id)
			}
		}, "its first 9 entries are others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			for w.entries() < 7 {
				w.endRequest("r" + string(rune('0'+w.entries())))
			}
			w.shut()
			older := w.snapshot()
			w.open()
			w.endRequest("later-1")
			w.endRequest("later-2")
			mirrored := w.checkpoint()
			w.shut()
			w.putBack(older)
			w.reopen()
			c.after(w)
			_, err := w.signer.confirm(wire.ConfirmRequest{Checkpoint: mirrored})
			refused(t, err, wire.CodeRolledBack)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, not %q", err, c.says)
			}
			// From here on nothing helps but another start with all entries.
			before := w.entries()
			_, err = w.signer.confirm(wire.ConfirmRequest{})
			must(t, err)
			_, err = w.signer.end(context.Background(), wire.EndRequest{Request: "r9", Reason: "revoked"})
			refused(t, err, wire.CodeUnconfirmed)
			if w.entries() != before {
				t.Error("a rolled-back ledger was appended to")
			}
		})
	}
}

// TestARolledBackSignerEnds is the same over the wire, in a process of its own.
func TestARolledBackSignerEnds(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.realTime()
	w.shut()
	older := w.snapshot()
	w.open()
	w.endRequest("later")
	mirrored := w.checkpoint()
	w.shut()
	w.putBack(older)
	c := w.spawn()
	_, err := w.client(c.address, w.broker).Confirm(context.Background(), wire.ConfirmRequest{Checkpoint: mirrored})
	if code(err) != wire.CodeRolledBack {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.command.Wait() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(c.stderr.String(), "restore the data directory from a copy") {
			t.Fatalf("%v: %s", err, c.stderr)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
}

func TestAnotherLogsCheckpointConfirmsNothing(t *testing.T) {
	t.Parallel()
	w, other := openWorld(t), openWorld(t)
	w.reopen()
	_, err := w.signer.confirm(wire.ConfirmRequest{Checkpoint: other.checkpoint()})
	refused(t, err, "checkpoint")
	_, err = w.signer.confirm(wire.ConfirmRequest{Checkpoint: strings.Replace(other.checkpoint(), "\n", "x\n", 1)})
	refused(t, err, "checkpoint")
	if w.signer.book.standing.isConfirmed() || w.signer.book.standing.why() != nil {
		t.Error("a checkpoint of another log counts for something")
	}
}

// TestCallsWaitForTheConfirmation: people see no hiccup after a restart.
func TestCallsWaitForTheConfirmation(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.realTime()
	w.shut()
	c := w.spawn()
	broker := w.client(c.address, w.broker)
	answers := make(chan error, 1)
	go func() {
		_, err := broker.End(context.Background(), wire.EndRequest{Request: "r1", Reason: "revoked"})
		answers <- err
	}()
	time.Sleep(50 * time.Millisecond)
	_, err := broker.Confirm(context.Background(), wire.ConfirmRequest{})
	must(t, err)
	must(t, <-answers)
}

func TestConsistency(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	before, err := ledger.Open([]byte(w.checkpoint()), w.signer.ring.Log().Name(), w.signer.ring.Verifier())
	must(t, err)
	w.endRequest("r1")
	w.endRequest("r2")
	result, err := w.signer.consistency(before.Size)
	must(t, err)
	now, err := ledger.Open([]byte(result.Checkpoint), w.signer.ring.Log().Name(), w.signer.ring.Verifier())
	must(t, err)
	must(t, result.Proof.Check(before, now))
	_, err = w.signer.consistency(now.Size + 1)
	refused(t, err, "ahead")
}
