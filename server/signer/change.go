package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// change takes a change of somebody's standing that a quorum of administrators
// signed.
func (s *signer) change(ctx context.Context, in wire.ChangeRequest) (wire.Done, error) {
	return s.doneChange(s.settleChange(ctx, wire.PathChange, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyChange(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Change: verified.Entry()}, nil
	}))
}

// changePolicy takes a policy bundle that a quorum of administrators signed, in the
// place of the one in force.
func (s *signer) changePolicy(ctx context.Context, in wire.PolicyRequest) (wire.Done, error) {
	return s.doneChange(s.settleChange(ctx, wire.PathPolicy, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyPolicy(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Policy: verified.Entry()}, nil
	}))
}

// changeInventory takes the targets that an inventory holds from here on. A key
// that the policy names signed them.
func (s *signer) changeInventory(ctx context.Context, in wire.InventoryRequest) (wire.Done, error) {
	return s.doneChange(s.settleChange(ctx, wire.PathInventory, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyInventory(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Inventory: verified.Entry()}, nil
	}))
}

func (s *signer) doneChange(entry settled, err error) (wire.Done, error) {
	return wire.Done{Proof: entry.proof}, err
}

// settleChange records what a statement changes in the signer's beliefs, once
// verify has found it proven by the beliefs in front of it. Those with one source are
// counted together, by the limiter.
func (s *signer) settleChange(ctx context.Context, source, statement string, verify func(belief) (evidence.Entry, error)) (settled, error) {
	if !s.changes.allow(source, s.book.clock()) {
		return settled{}, refuse(http.StatusTooManyRequests, "rate-limited", "Too many changes were sent. Wait a minute.")
	}
	index, err := untilUnchanged(func() (int64, error) { return s.admitChange(evidence.Digest(statement), verify) })
	if err != nil {
		return settled{}, err
	}
	// 4. It counts once it is on the disk.
	return s.book.settle(ctx, index)
}

func (s *signer) admitChange(digest string, verify func(belief) (evidence.Entry, error)) (int64, error) {
	var beliefs belief
	var earlier int64
	var again bool
	err := s.book.look(true, func(state *state, now time.Time) {
		beliefs = beliefOf(state, now)
		earlier, again = state.statements[digest]
	})
	if err != nil {
		return 0, err
	}
	// 1. The very same statement once more: the caller missed the answer. It was
	// verified then; whoever repeats it changes nothing.
	if again {
		return earlier, nil
	}
	if beliefs.policy == nil {
		return 0, refuseNoPolicy()
	}
	// 2. Who signed it, and whether it fits what it changes.
	entry, err := verify(beliefs)
	if err != nil {
		return 0, refuseEvidence(err)
	}
	// 3. Nothing that this stands on changed meanwhile.
	return s.book.decide(true, func(state *state, _ time.Time, _ int64) (*evidence.Entry, int64, error) {
		if state.beliefs.Latest() != beliefs.latest {
			return nil, 0, errChanged
		}
		return &entry, 0, nil
	})
}
