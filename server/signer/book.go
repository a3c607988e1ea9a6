package signer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stint/server/evidence"
	"stint/server/signer/internal/journal"
)

// clockTolerance is how far the clock may be behind the last entry, as clocks
// that are steered are, before giving stops.
const clockTolerance = 2 * time.Second

// book is the signer's memory: the ledger, and the state that is its fold. One
// decision is made at a time, on the state that all decisions before it left,
// whether or not these are on the disk yet: nothing leaves the signer before its
// own entry, and with it every earlier one, is.
type book struct {
	journal  *journal.Journal
	clock    func() time.Time
	standing *standing

	mu    sync.Mutex
	state *state
}

// settled is an entry that is on the disk and under a signed checkpoint. Only
// book.settle makes one. Functions that use a private key take a settled entry,
// so that no signature exists without its entry.
type settled struct {
	index int64
	entry evidence.Entry
	proof evidence.Proof
}

// now is the time of the next entry: never before the last one. When the clock is
// behind, giving stops; taking away goes on.
func (b *book) now(giving bool) (time.Time, error) {
	now := b.clock().UTC().Round(0)
	if now.Before(b.state.last) {
		if giving && b.state.last.Sub(now) > clockTolerance {
			return now, refuse(http.StatusServiceUnavailable, "clock-behind",
				"The signer's clock is behind the last entry of its ledger. Nothing is signed until it is set right.").
				because(fmt.Errorf("clock %s, last entry %s", now, b.state.last))
		}
		now = b.state.last
	}
	return now, nil
}

// decide calls f with the state, the time and the index that the entry will have.
// If f returns an entry, it is staged, and decide returns its index; if f returns
// the index of an earlier entry that already says the same, decide returns that. An
// entry that an auditor would refuse, such as one that leaves no quorum, is refused.
// The caller must settle the index before anything leaves the signer.
func (b *book) decide(giving bool, f func(s *state, now time.Time, index int64) (entry *evidence.Entry, earlier int64, err error)) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.standing.check(); err != nil {
		return 0, err
	}
	now, err := b.now(giving)
	if err != nil {
		return 0, err
	}
	index := b.state.entries
	entry, earlier, err := f(b.state, now, index)
	if err != nil {
		return 0, err
	}
	if entry == nil {
		return earlier, nil
	}
	entry.Time, entry.Believed = now, b.state.beliefs.Latest()
	// An auditor checks it at this very time: what was over by now, though it was not
	// when it was verified, would spoil the ledger for good.
	if entry.ChangesBeliefs() {
		if err := b.state.beliefs.Check(*entry); err != nil {
			return 0, refuseEvidence(err)
		}
	}
	if err := b.stage(index, *entry); err != nil {
		return 0, err
	}
	return index, nil
}

// stage puts an entry into the ledger and folds it into the state; the caller
// holds the mutex.
func (b *book) stage(index int64, entry evidence.Entry) error {
	leaf, err := encodeEntry(entry)
	if err != nil {
		return fmt.Errorf("encoding a ledger entry: %w", err)
	}
	// What is folded is what the next start will read.
	decoded, err := decodeEntry(leaf)
	if err != nil {
		return fmt.Errorf("encoding a ledger entry: %w", err)
	}
	change, err := b.state.fold(index, decoded)
	if err != nil {
		return fmt.Errorf("folding a ledger entry: %w", err)
	}
	staged, err := b.journal.Stage(leaf)
	if errors.Is(err, journal.ErrBusy) {
		return refuse(http.StatusServiceUnavailable, "busy", "The signer's disk does not keep up. Try again in a moment.").because(err)
	}
	if err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	if staged != index {
		// Somebody else appends: the state is no longer the ledger's fold.
		panic(fmt.Sprintf("entry %d of the ledger was staged as %d", index, staged))
	}
	change()
	return nil
}

// settle waits until entry index is on the disk and under a signed checkpoint, and
// reads it back from there.
func (b *book) settle(ctx context.Context, index int64) (settled, error) {
	if err := b.journal.Wait(ctx, index); err != nil {
		return settled{}, err
	}
	leaf, err := b.journal.Read(index)
	if err != nil {
		return settled{}, err
	}
	entry, err := decodeEntry(leaf)
	if err != nil {
		return settled{}, fmt.Errorf("entry %d of the ledger: %w", index, err)
	}
	inclusion, checkpoint, err := b.journal.Prove(index)
	if err != nil {
		return settled{}, err
	}
	return settled{index, entry, evidence.Proof{Entry: string(leaf), Inclusion: inclusion, Checkpoint: string(checkpoint)}}, nil
}

// note records an entry that is not part of an answer: keys, policy, refusals.
func (b *book) note(ctx context.Context, giving bool, entry evidence.Entry) error {
	index, err := b.decide(giving, func(*state, time.Time, int64) (*evidence.Entry, int64, error) { return &entry, 0, nil })
	if err != nil {
		return err
	}
	return b.journal.Wait(ctx, index)
}

// view calls f with the state; f copies what it needs and keeps nothing else.
func (b *book) view(f func(s *state)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.state)
}

// look calls f with the state and the time of a decision that will be made on it.
func (b *book) look(giving bool, f func(s *state, now time.Time)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, err := b.now(giving)
	if err != nil {
		return err
	}
	f(b.state, now)
	return nil
}
