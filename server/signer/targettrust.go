package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
)

// targetTrust states, under the log key, which target CA keys open targets now,
// together with the head of the ledger and the proof that it continues the from
// entries that a target has seen. Nothing in it is secret.
func (s *signer) targetTrust(ctx context.Context, from int64) (evidence.TargetTrustEvidence, error) {
	// 1. What the ledger amounts to, at one size, and when: never before its last
	// entry. Telling is not giving: a clock that is behind must not keep a
	// withdrawal from the targets.
	var statement evidence.TargetTrust
	var answer evidence.TargetTrustEvidence
	var size int64
	if err := s.book.look(false, func(state *state, now time.Time) {
		statement.Issued, size = now.Truncate(time.Second), state.entries
		statement.Keys, statement.Withdrawn, answer.Successions = targetKeys(state)
	}); err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	if from > size {
		return evidence.TargetTrustEvidence{}, refuse(http.StatusConflict, "from",
			"The target has seen more of the ledger than the signer holds: either it pinned another signer, or this ledger was rolled back.")
	}
	// 2. Nothing is told that a power cut could still undo.
	if err := s.book.journal.Wait(ctx, size-1); err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	// 3. The ledger at that very size, and the proof up to it.
	var err error
	if statement.Checkpoint, answer.Consistency, err = s.book.journal.Continue(from, size); err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	// 4. The log key signs both as one.
	answer.Note, err = evidence.SignTargetTrust(statement, s.ring.Log())
	return answer, err
}

// targetKeys lists the target CA keys that targets accept, those that they must
// accept no longer, and how each followed the one before it.
func targetKeys(state *state) (accepted []evidence.TargetKey, withdrawn []string, successions []evidence.SignedByKey) {
	for _, key := range state.keys.TargetCA {
		accepted = append(accepted, evidence.TargetKey{State: "current", Key: key})
	}
	return accepted, []string{}, []evidence.SignedByKey{}
}
