package signer

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// enrol is the roster after an Enrolment entry of the ledger. Whether the
// enrolment may be is decided before the entry is made; here, and after every
// restart, the entry is taken at its word.
func enrol(roster evidence.Roster, entry *evidence.EnrolmentEntry, at time.Time) (after evidence.Roster, credential string, err error) {
	statement, err := evidence.DecodeAs[*evidence.Enrolment](entry.Evidence.Statement)
	if err != nil {
		return roster, "", fmt.Errorf("its enrolment statement: %w", err)
	}
	return roster.Enrol(*statement, entry.Attested, at), statement.Credential, nil
}

// pin takes a passkey into the roster.
func (s *signer) pin(ctx context.Context, in wire.EnrolRequest) (wire.EnrolResult, error) {
	none := wire.EnrolResult{}
	// 1. Parse strictly.
	statement, err := evidence.DecodeAs[*evidence.Enrolment](in.Evidence.Statement)
	if err != nil {
		return none, refuse(http.StatusForbidden, "evidence.enrolment", sentence(err.Error()))
	}
	if login := in.Evidence.Login; login != nil {
		if err := s.needKeys(ctx, keyID(login.Binding.IDToken)); err != nil {
			return none, err
		}
	}
	// 2 to 4. Verify, decide, and stage the entry.
	index, err := untilUnchanged(func() (int64, error) { return s.admitEnrolment(in.Evidence, statement) })
	if err != nil {
		return none, err
	}
	// 5. It counts once it is on the disk.
	entry, err := s.book.settle(ctx, index)
	if err != nil {
		return none, err
	}
	return wire.EnrolResult{Person: statement.Enrolled(), Proof: entry.proof}, nil
}

func (s *signer) admitEnrolment(given evidence.EnrolmentEvidence, statement *evidence.Enrolment) (int64, error) {
	var beliefs belief
	var known place
	var again bool
	var clock time.Time
	err := s.book.look(true, func(state *state, now time.Time) {
		beliefs, clock = s.beliefOf(state), now
		known, again = state.enrolled[statement.Credential]
	})
	if err != nil {
		return 0, err
	}
	// 2. The very same enrolment once more: the caller missed the answer.
	if again && known.digest == evidence.Digest(given.Statement) {
		return known.index, nil
	}
	// 3. Possession and authority.
	verified, err := evidence.VerifyEnrolment(given, beliefs.trust, clock)
	if err != nil {
		return 0, refuseEvidence(err)
	}
	// 4. Nothing of this changed meanwhile, and an administrator is left.
	return s.book.decide(true, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		if state.version != beliefs.version {
			return nil, 0, errChanged
		}
		entry := verified.Entry()
		after, _, err := enrol(state.roster, entry, now)
		if err != nil {
			return nil, 0, err
		}
		if administrators(after, now) == 0 && administrators(state.roster, now) > 0 {
			return nil, 0, refuseLastAdministrator()
		}
		return &evidence.Entry{Enrolment: entry}, 0, nil
	})
}

// removePasskey takes a passkey out of the roster. It needs no proof and is not
// held up by the clock.
func (s *signer) removePasskey(ctx context.Context, in wire.RemovePasskeyRequest) (wire.Done, error) {
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		if earlier, done := state.removed[in.Credential]; done {
			return nil, earlier, nil
		}
		after, ok := state.roster.Remove(in.Credential, now)
		if !ok {
			return nil, 0, refuse(http.StatusNotFound, "no-such-passkey", "The roster holds no such passkey.")
		}
		if administrators(after, now) == 0 && administrators(state.roster, now) > 0 {
			return nil, 0, refuseLastAdministrator()
		}
		return &evidence.Entry{Removal: &evidence.RemovalEntry{Credential: in.Credential, By: in.By}}, 0, nil
	})
	return s.done(ctx, index, err)
}

// done answers a call that leaves nothing but an entry.
func (s *signer) done(ctx context.Context, index int64, err error) (wire.Done, error) {
	if err != nil {
		return wire.Done{}, err
	}
	entry, err := s.book.settle(ctx, index)
	return wire.Done{Proof: entry.proof}, err
}

func refuseLastAdministrator() error {
	return refuse(http.StatusConflict, "last-administrator",
		"This would leave nobody who can enrol passkeys. Enrol another administrator first.")
}
