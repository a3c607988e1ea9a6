package signer

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stint/server/evidence"
	"stint/server/ledger"
)

// targetTrust states, under the log key, which target CA keys open targets now,
// together with the head of the ledger and the proof that it continues the from
// entries that a target has seen. Nothing in it is secret.
func (s *signer) targetTrust(ctx context.Context, from int64) (evidence.TargetTrustEvidence, error) {
	// A ledger that was rolled back would state what was withdrawn since as accepted.
	if err := s.book.standing.wait(ctx); err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	// 1. What the ledger amounts to, at one size, and when: never before its last
	// entry. Telling is not giving: a clock that is behind must not keep a
	// withdrawal from the targets.
	var statement evidence.TargetTrust
	var answer evidence.TargetTrustEvidence
	var size int64
	if err := s.book.look(false, func(state *state, now time.Time) {
		statement.Issued, size = now.Truncate(time.Second), state.entries
		statement.Keys, statement.Withdrawn = targetKeys(state.beliefs.Keys(), state.targets, now)
		answer.Successions = append([]evidence.SignedByKey{}, state.targets.successions...) // a list, even where it is empty
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
	root, err := s.book.journal.Root(size)
	if err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	statement.Checkpoint = ledger.Checkpoint{Origin: s.ring.Log().Name(), Size: size, Root: root}
	if answer.Consistency, err = s.book.journal.Consistency(from, size); err != nil {
		return evidence.TargetTrustEvidence{}, err
	}
	// 4. The log key signs both as one.
	answer.Note, err = evidence.SignTargetTrust(statement, s.ring.Log())
	return answer, err
}

// mostWithdrawn bounds what a note states as withdrawn: those withdrawn last. A
// target remembers what it was told, and accepts only keys that are accepted now.
const mostWithdrawn = 32

// targetKeys lists the target CA keys that targets accept, and those that they
// must accept no longer.
func targetKeys(keys []evidence.SigningKey, history targetHistory, now time.Time) (accepted []evidence.TargetKey, withdrawn []string) {
	for _, k := range keys {
		if k.Purpose == evidence.PurposeTargetCA && k.IsAccepted(now) {
			accepted = append(accepted, evidence.TargetKey{State: k.State, Key: k.Key})
		}
	}
	return accepted, history.withdrawn[max(0, len(history.withdrawn)-mostWithdrawn):]
}

// mostRemembered bounds each list of a history: twenty years of weekly keys. A
// broker can rotate keys without end, and targets read a bounded number of
// successions (evidence.FollowSuccessions).
const mostRemembered = 1024

// targetHistory is what targets that were away for long need of keys that the
// ledger's last entry on keys may name no longer. Its lists are never written to.
type targetHistory struct {
	successions []evidence.SignedByKey
	withdrawn   []string
}

// after is the history once an entry on keys is in the ledger.
func (h targetHistory) after(e *evidence.KeysEntry) targetHistory {
	for _, k := range e.Keys {
		if k.Purpose != evidence.PurposeTargetCA {
			continue
		}
		if k.Succession != nil && !slices.Contains(h.successions, *k.Succession) {
			h.successions = remember(h.successions, *k.Succession)
		}
		if k.State == evidence.KeyWithdrawn && !slices.Contains(h.withdrawn, k.Key) {
			h.withdrawn = remember(h.withdrawn, k.Key)
		}
	}
	return h
}

// remember is a list with one more at its end; the oldest are forgotten.
func remember[T any](list []T, one T) []T {
	return append(slices.Clip(list[max(0, len(list)+1-mostRemembered):]), one)
}
