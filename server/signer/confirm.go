package signer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stint/server/ledger"
	"stint/server/signer/wire"
)

// confirmPatience is how long a call waits for the ledger to be confirmed: a
// broker does it within a second or two of the signer's start.
const confirmPatience = 8 * time.Second

// standing says whether the ledger on this disk is known to be the newest. A disk
// that was put back to an older state is in itself without a fault: signatures
// and hashes all fit. Only somebody else's memory tells, so a ledger that is not
// empty takes no entry, not even one that takes something away, until a witness
// outside the signer's storage has confirmed it.
type standing struct {
	confirmed chan struct{} // closed when the ledger may be appended to
	doubted   chan struct{} // closed when the ledger is known not to be the newest

	mu    sync.Mutex
	doubt error
}

func newStanding() *standing {
	return &standing{confirmed: make(chan struct{}), doubted: make(chan struct{})}
}

// isConfirmed says whether entries may be appended.
func (s *standing) isConfirmed() bool {
	select {
	case <-s.doubted:
		return false
	default:
	}
	select {
	case <-s.confirmed:
		return true
	default:
		return false
	}
}

// confirm lets the ledger be appended to.
func (s *standing) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.confirmed:
	default:
		close(s.confirmed)
	}
}

// doubtIt ends the signer: from here on nothing is appended. The first reason stays.
func (s *standing) doubtIt(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doubt == nil {
		s.doubt = why
		close(s.doubted)
	}
}

// why is the reason of a doubt.
func (s *standing) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt
}

// check refuses every entry while there is a doubt.
func (s *standing) check() error {
	if s.isConfirmed() {
		return nil
	}
	return refuseUnconfirmed().because(s.why())
}

// wait returns when the ledger is confirmed, or refuses.
func (s *standing) wait(ctx context.Context) error {
	if s.isConfirmed() {
		return nil
	}
	timer := time.NewTimer(confirmPatience)
	defer timer.Stop()
	select {
	case <-s.confirmed:
	case <-s.doubted:
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.check()
}

func refuseUnconfirmed() *refusal {
	return refuse(http.StatusPreconditionRequired, wire.CodeUnconfirmed,
		"The signer has begun anew and nobody has confirmed its ledger yet, so it signs and records nothing. The broker does that by itself; is it running?")
}

// rolledBackError says that somebody has seen what this ledger does not hold.
type rolledBackError struct{ sentence string }

// Error is the sentence.
func (e *rolledBackError) Error() string { return e.sentence }

// shorter is the case in which the ledger ends before what was seen.
func shorter(who string, seen, held int64) error {
	return &rolledBackError{fmt.Sprintf("the ledger was put back to an older state: %s has seen %d entries, and this data directory holds %d, "+
		"so entries %d to %d are gone; restore the data directory from a copy that holds all %d entries", who, seen, held, held, seen-1, seen)}
}

// other is the case in which the ledger's beginning is not what was seen.
func other(who string, seen int64) error {
	return &rolledBackError{fmt.Sprintf("the ledger is not the one that %s has seen: its first %d entries are others; "+
		"it was put back to an older state and continued, or altered; restore the data directory from a copy with the entries that were seen", who, seen)}
}

// confirm takes the broker's word, which is a checkpoint that the signer itself
// has signed: the last one that the broker has mirrored. A ledger that does not
// contain it was rolled back. The word counts for a confirmation only where no
// witness is configured.
func (s *signer) confirm(in wire.ConfirmRequest) (wire.ConfirmResult, error) {
	if in.Checkpoint != "" {
		seen, err := ledger.Open([]byte(in.Checkpoint), s.ring.Log().Name(), s.ring.Verifier())
		if err != nil {
			return wire.ConfirmResult{}, refuse(http.StatusForbidden, "checkpoint",
				"The checkpoint is not of this signer's ledger. If the signer was begun anew on purpose, acknowledge the alarm about it at the broker.").because(err)
		}
		if err := s.contains(seen, "the broker's mirror"); err != nil {
			s.doubt(err)
			return wire.ConfirmResult{}, refuse(http.StatusConflict, wire.CodeRolledBack, sentence(err.Error())).because(err)
		}
	}
	if len(s.witnesses) == 0 {
		s.book.standing.confirm()
	}
	return wire.ConfirmResult{Confirmed: s.book.standing.isConfirmed()}, nil
}

// contains says whether the ledger begins with what somebody has seen.
func (s *signer) contains(seen ledger.Checkpoint, who string) error {
	_, held := s.book.journal.Checkpoint()
	if seen.Size > held {
		return shorter(who, seen.Size, held)
	}
	root, err := s.book.journal.Root(seen.Size)
	if err != nil {
		return err
	}
	if root != seen.Root {
		return other(who, seen.Size)
	}
	return nil
}

// doubt ends the signer if err says that the ledger was rolled back.
func (s *signer) doubt(err error) {
	if _, ok := errors.AsType[*rolledBackError](err); ok {
		s.book.standing.doubtIt(err)
	}
}

// whenConfirmed runs f once the ledger may be appended to.
func (s *signer) whenConfirmed(ctx context.Context, f func(context.Context)) {
	select {
	case <-s.book.standing.confirmed:
		f(ctx)
	case <-ctx.Done():
	}
}

// consistency proves that the ledger continues the one of from entries.
func (s *signer) consistency(from int64) (wire.ConsistencyResult, error) {
	checkpoint, size := s.book.journal.Checkpoint()
	if from > size {
		return wire.ConsistencyResult{}, refuse(http.StatusConflict, "ahead", fmt.Sprintf("The ledger holds %d entries, fewer than the %d to prove from.", size, from))
	}
	proof, err := s.book.journal.Consistency(from, size)
	if err != nil {
		return wire.ConsistencyResult{}, err
	}
	return wire.ConsistencyResult{Proof: proof, Checkpoint: string(checkpoint)}, nil
}
