package signer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/internal/keys"
	"stint/server/signer/wire"
)

const (
	keysEvery = time.Minute            // how often it is asked, at least, whether a key is due
	keysPause = 100 * time.Millisecond // at least between two rotations
	keysRetry = 10 * time.Second       // while too many keys before one are still accepted
	// keysSeldom is the longest between two tries of what fails.
	keysSeldom = time.Hour
	// maxAccepted bounds how many retired keys of a purpose can still be accepted:
	// lives far shorter than grants would make the list grow without end.
	maxAccepted = 32
	maxReason   = 300 // characters
)

// purposes are what there are keys for, in the order of the ledger's entries.
var purposes = []string{evidence.PurposeUserCA, evidence.PurposeTargetCA, evidence.PurposeHostCA, evidence.PurposeToken}

// errTurned means that the key changed between an entry and its signature.
var errTurned = errors.New("the key changed after the entry")

// authority signs for an entry. A key signs what stands in the ledger between the
// entry that made it the current one and the entry that ends this, and nothing else.
func (s *signer) authority(purpose string, index int64) (ssh.Signer, error) {
	var l line
	var signs bool
	s.book.view(func(state *state) { l, signs = state.signing[purpose], state.signing.signs(purpose, index) })
	if !signs {
		return nil, errTurned
	}
	return s.ring.Authority(l.Current)
}

// issue stages an entry, waits until it is on the disk, and signs what it stands
// for; anew when the key changed meanwhile.
func (s *signer) issue(ctx context.Context, admit func() (int64, error), certify func(settled) (string, error)) (settled, string, error) {
	for range maxAttempts {
		index, err := untilUnchanged(admit)
		if err != nil {
			return settled{}, "", err
		}
		entry, err := s.book.settle(ctx, index)
		if err != nil {
			return settled{}, "", err
		}
		certificate, err := certify(entry)
		if !errors.Is(err, errTurned) && !errors.Is(err, keys.ErrMissing) {
			return entry, certificate, err
		}
	}
	return settled{}, "", refuse(http.StatusServiceUnavailable, "busy", "The signer's keys are changing. Try again in a moment.").because(errTurned)
}

// openRing makes sure that every key that the ledger lets sign is here. Where the
// ledger is known to be the newest there is a first one of each purpose afterwards;
// else that waits until it is.
func (s *signer) openRing(ctx context.Context) error {
	var known []evidence.SigningKey
	var log string
	s.book.view(func(state *state) { known, log = state.beliefs.Keys(), state.beliefs.Log() })
	if log != "" && log != s.ring.VerifierKey() {
		return fmt.Errorf("the log key in %s/keys is not the one that the ledger names: restore it", s.config.Data)
	}
	for _, key := range known {
		if key.State != evidence.KeyCurrent && key.State != evidence.KeyNext {
			continue
		}
		if err := s.ring.Open(key.Purpose, key.Key); err != nil {
			return fmt.Errorf("the ledger names a key that is not usable; restore it: %w", err)
		}
	}
	if !s.book.standing.isConfirmed() {
		return nil
	}
	_, err := s.turn(ctx, rotation{})
	return err
}

// keyring is what the signer has its keys by.
type keyring struct {
	ring      *keys.Ring
	lives     map[string]time.Duration // how long keys sign, by purpose
	rotations *limiter                 // those that somebody asks for

	turning sync.Mutex        // held while keys change
	made    map[string]string // by purpose, the key that no entry names yet
	kept    []string          // what the store held when it was last tidied
}

// rotation is what is asked of turn.
type rotation struct {
	scheduled bool     // those whose life is over
	withdraw  []string // purposes whose current key counts no longer, from now on
	reason    string
}

// turn brings the keys of all purposes to where they should be: there is one that
// signs, and one that follows, known long before it signs. It returns the index of
// the entry by which it did what was asked, or -1. It is the only function that changes keys.
func (s *signer) turn(ctx context.Context, asked rotation) (index int64, err error) {
	s.turning.Lock()
	defer s.turning.Unlock()
	if err := s.nameLog(ctx); err != nil {
		return -1, err
	}
	// A first key comes alone: only a key that the ledger holds can name its
	// follower. Then nothing is missing, and what is asked can be done.
	for _, step := range []rotation{{}, {}, asked} {
		if index, err = s.turnOnce(ctx, step); err != nil {
			return -1, err
		}
	}
	s.tidy()
	return index, nil
}

// tidy deletes what signs no longer, and with it a key that a kill kept out of the
// ledger. What cannot be deleted is wiped from memory all the same, and tried again.
func (s *signer) tidy() {
	var here []string
	s.book.view(func(state *state) {
		for _, key := range state.beliefs.Keys() {
			if key.State == evidence.KeyCurrent || key.State == evidence.KeyNext {
				here = append(here, key.Key)
			}
		}
	})
	// A ledger that may not be the newest does not know which keys are done.
	if len(s.made) == 0 && slices.Equal(here, s.kept) || !s.book.standing.isConfirmed() {
		return
	}
	s.made, s.kept = nil, nil
	if err := s.ring.Keep(here); err != nil {
		s.log.Error("keys that sign no longer cannot be deleted where they are kept; it is tried again", "error", err)
		return
	}
	s.kept = here
}

// nameLog records the log key in a ledger that does not name it yet.
func (s *signer) nameLog(ctx context.Context) error {
	var log string
	s.book.view(func(state *state) { log = state.beliefs.Log() })
	if log != "" {
		return nil
	}
	return s.book.note(ctx, true, evidence.Entry{Keys: &evidence.KeysEntry{Log: s.ring.VerifierKey()}})
}

// move is what becomes of the keys of one purpose.
type move struct {
	purpose  string
	follower string                // the key that is made
	vouched  *evidence.SignedByKey // by whom it follows; nil for the first
	turns    bool                  // next becomes current
	withdraw bool                  // and what was current is accepted no longer
}

// turnOnce makes one entry, or none where nothing is to be done (-1).
func (s *signer) turnOnce(ctx context.Context, asked rotation) (int64, error) {
	// 1. What is to be done.
	var moves []move
	var known []evidence.SigningKey
	err := s.book.look(false, func(state *state, now time.Time) {
		known = state.beliefs.Keys()
		for _, purpose := range purposes {
			if m := s.moveOf(known, purpose, asked, now); m != nil {
				moves = append(moves, *m)
			}
		}
	})
	if err != nil || len(moves) == 0 {
		return -1, err
	}
	// 2. The new keys, kept for good, each with its predecessor's word.
	for i := range moves {
		if err := s.follow(&moves[i], known); err != nil {
			return -1, err
		}
	}
	// 3. The entry. Nobody else changes keys meanwhile.
	index, err := s.book.decide(len(asked.withdraw) == 0, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		return &evidence.Entry{Keys: &evidence.KeysEntry{Keys: after(state, moves, now), Reason: asked.reason}}, 0, nil
	})
	if err != nil {
		return -1, err
	}
	for _, m := range moves {
		delete(s.made, m.purpose)
	}
	// 4. It is on the disk before any of them signs, whether or not whoever asked is there.
	if err := s.book.journal.Wait(context.WithoutCancel(ctx), index); err != nil {
		return -1, err
	}
	for _, m := range moves {
		s.log.Info("keys change", "purpose", m.purpose, "rotated", m.turns, "withdrawn", m.withdraw, "entry", index, "reason", asked.reason)
	}
	return index, nil
}

// moveOf says what is to be done for a purpose; nil: nothing.
func (s *signer) moveOf(known []evidence.SigningKey, purpose string, asked rotation, now time.Time) *move {
	current, next := keyIn(known, purpose, evidence.KeyCurrent), keyIn(known, purpose, evidence.KeyNext)
	switch {
	case current == nil || next == nil:
		return &move{purpose: purpose}
	case slices.Contains(asked.withdraw, purpose):
		return &move{purpose: purpose, turns: true, withdraw: true}
	case asked.scheduled && !now.Before(s.due(*current)):
		count := 0
		for _, key := range known {
			if key.Purpose == purpose && key.State == evidence.KeyRetired && key.IsAccepted(now) {
				count++
			}
		}
		if count < maxAccepted {
			return &move{purpose: purpose, turns: true}
		}
	}
	return nil
}

func keyIn(all []evidence.SigningKey, purpose, state string) *evidence.SigningKey {
	i := slices.IndexFunc(all, func(key evidence.SigningKey) bool { return key.Purpose == purpose && key.State == state })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// due is when a current key's life is over.
func (s *signer) due(key evidence.SigningKey) time.Time { return key.Current.Add(s.lives[key.Purpose]) }

// follow makes the key of a move, and has the key in front of it sign for it: the
// one that signs when it comes into the world.
func (s *signer) follow(m *move, known []evidence.SigningKey) error {
	// 1. The key. One that an attempt before this one made serves: else a store that
	// makes keys and then fails would fill up with them.
	if s.made[m.purpose] == "" {
		made, err := s.ring.Make(m.purpose)
		if err != nil {
			return err
		}
		if s.made == nil {
			s.made = map[string]string{}
		}
		s.made[m.purpose] = made
	}
	m.follower = s.made[m.purpose]
	// 2. It signs: that it does not would show when it is the only one that may.
	follower, err := s.ring.Signer(m.follower)
	if err != nil {
		return err
	}
	if _, err := evidence.SignWithAuthority(keys.ProofText, follower); err != nil {
		return fmt.Errorf("the new key for %s: %w", m.purpose, err)
	}
	// 3. Its predecessor's word.
	predecessor := keyIn(known, m.purpose, evidence.KeyCurrent)
	if m.turns {
		predecessor = keyIn(known, m.purpose, evidence.KeyNext)
	}
	if predecessor == nil {
		return nil
	}
	key, err := s.ring.Signer(predecessor.Key)
	if err != nil {
		return err
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	statement, err := evidence.Encode(&evidence.Succession{
		Instance: s.config.Instance, Purpose: m.purpose, Key: m.follower, Predecessor: predecessor.Key,
		Issued: s.book.clock().UTC().Truncate(time.Second), Nonce: evidence.NewNonce(random),
	})
	if err != nil {
		return fmt.Errorf("writing the succession of a key: %w", err)
	}
	vouched, err := evidence.SignWithAuthority(statement, key)
	m.vouched = &vouched
	return err
}

// after lists the keys as they are once the moves are made.
func after(state *state, moves []move, now time.Time) []evidence.SigningKey {
	all := slices.Clone(state.beliefs.Keys())
	for _, m := range moves {
		if m.turns {
			current, next := keyIn(all, m.purpose, evidence.KeyCurrent), keyIn(all, m.purpose, evidence.KeyNext)
			current.Retired = &now
			if current.State = evidence.KeyRetired; m.withdraw {
				current.State = evidence.KeyWithdrawn
			} else {
				accepted := now
				if ends := state.signing[m.purpose].Ends; ends.After(now) {
					accepted = ends
				}
				current.Accepted = &accepted
			}
			next.State, next.Current = evidence.KeyCurrent, &now
		}
		follower := evidence.SigningKey{Purpose: m.purpose, Key: m.follower, State: evidence.KeyNext, Made: now, Succession: m.vouched}
		if m.vouched == nil {
			follower.State, follower.Current = evidence.KeyCurrent, &now
		}
		all = append(all, follower)
	}
	return withoutLongGone(all, now)
}

// keepRing rotates every key when its life is over, until ctx ends.
func (s *signer) keepRing(ctx context.Context) {
	failing := keysEvery
	for {
		wait := keysEvery
		if _, err := s.turn(ctx, rotation{scheduled: true}); err != nil {
			if ctx.Err() != nil {
				return
			}
			s.log.Error("keys cannot be rotated", "error", err)
			// Each try may leave something in a key service that nobody can take away.
			if !sleep(ctx, failing) {
				return
			}
			failing = min(2*failing, keysSeldom)
			continue
		}
		failing = keysEvery
		s.book.view(func(state *state) {
			now := s.book.clock()
			for _, key := range state.beliefs.Keys() {
				if key.State != evidence.KeyCurrent {
					continue
				}
				left := s.due(key).Sub(now)
				if left <= 0 {
					left = keysRetry
				}
				wait = min(wait, max(keysPause, left))
			}
		})
		if !sleep(ctx, wait) {
			return
		}
	}
}

// rotate replaces keys at once: what was current is accepted no longer. Whoever
// holds a certificate under it asks for another, for which nobody is asked again.
func (s *signer) rotate(ctx context.Context, in wire.RotateRequest) (wire.RotateResult, error) {
	none := wire.RotateResult{}
	// 1. Parse strictly.
	which := []string{in.Purpose}
	if in.Purpose == wire.AllPurposes {
		which = purposes
	}
	if !slices.Contains(purposes, which[0]) {
		return none, refuse(http.StatusBadRequest, "purpose", "The purpose of a key is user-ca, target-ca, host-ca, token or all.")
	}
	if in.Reason == "" || policies.CheckText(in.Reason, maxReason) != nil {
		return none, refuse(http.StatusBadRequest, "reason", fmt.Sprintf("Say why the key is replaced, in one line of at most %d characters.", maxReason))
	}
	if err := checkBy(in.By); err != nil {
		return none, err
	}
	if !s.rotations.allow("", s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Keys were rotated many times just now. Wait a few minutes.")
	}
	// 2. The entry is on the disk before any key signs.
	index, err := s.turn(ctx, rotation{withdraw: which, reason: in.Reason})
	if err != nil {
		return none, err
	}
	entry, err := s.book.settle(ctx, index)
	if err != nil {
		return none, err
	}
	s.log.Warn("keys were withdrawn", "purpose", in.Purpose, "reason", in.Reason, "by", in.By.Subject, "entry", index)
	return wire.RotateResult{Keys: entry.entry.Keys.Keys, Proof: entry.proof}, nil
}
