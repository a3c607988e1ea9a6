package signer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/internal/journal"
	"stint/server/signer/wire"
)

// signer decides and signs. Its methods are the calls of the wire.
type signer struct {
	config Config
	log    *slog.Logger
	keyring
	book     *book
	issuer   *issuer
	refusals refusals
	sessions *limiter // signatures for people, by request
	again    *limiter // those once more, by request: asking takes no sign-in, and must not use up the others
	targets  *limiter // signatures for proxies, by request
	hosts    *limiter // host certificates, by proxy
	// changes of what the signer believes, by call; endings of requests and
	// suspensions of people that the ledger does not know, all together
	changes, unknown, strangers *limiter
	witnesses                   []*cosigner
	challenger                  *evidence.Challenger // of devices' TPMs

	mu       sync.Mutex
	cosigned string // the newest checkpoint that a witness has cosigned
}

// openSigner opens the data directory, or begins it at the first start, with the
// first policy. The clock says what time it is.
func openSigner(ctx context.Context, config Config, clock func() time.Time, log *slog.Logger) (s *signer, err error) {
	// 1. The directory, for this process alone.
	if err := journal.PrivateDirectory(config.Data); err != nil {
		return nil, err
	}
	lock, err := journal.Acquire(config.Data)
	if err != nil {
		return nil, err
	}
	// 2. The keys.
	lives, err := config.Keys.lives()
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	ring, begun, err := openKeys(config, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	// 3. The ledger, folded into the state. The lock is the journal's from here on.
	state := newState(config)
	identity := journal.Log{Origin: ring.Log().Name(), Signer: ring.Log(), Verifier: ring.Verifier()}
	leaves, err := journal.Open(lock, identity, func(index int64, leaf []byte) error {
		entry, err := decodeEntry(leaf)
		if err != nil {
			return err
		}
		change, err := state.fold(index, entry)
		if err != nil {
			return err
		}
		change()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s = &signer{
		config: config, log: log, keyring: keyring{ring: ring, lives: lives, rotations: newLimiter(6, 1./300)},
		book:   &book{journal: leaves, clock: clock, state: state, standing: newStanding()},
		issuer: newIssuer(config.Issuer.URL, clock),
		// An engineer's scripts may start a session a second for a while, and
		// open connections much faster; nobody needs more.
		sessions: newLimiter(120, 2),
		again:    newLimiter(120, 2),
		targets:  newLimiter(600, 60),
		hosts:    newLimiter(30, 0.1),
		// Signatures are dear to check. What the ledger does not know makes it grow:
		// a stolen broker is not to fill the disk.
		changes:   newLimiter(120, 1),
		unknown:   newLimiter(5000, 10),
		strangers: newLimiter(500, 1./60),
	}
	if s.challenger, err = evidence.NewChallenger(rand.Reader); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.witnesses, err = newWitnesses(config.Witnesses); err != nil {
		return nil, errors.Join(err, s.close())
	}
	// 4. A ledger that was only now begun, and its log key with it, cannot be older
	// than what anybody saw. Every other one takes no entry until it is confirmed, even
	// if it is empty.
	if begun && state.entries == 0 {
		s.book.standing.confirm()
	}
	// 5. Keys and policy in force are in the ledger before anything is signed.
	if err := s.openRing(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if !s.book.standing.isConfirmed() {
		return s, nil // a policy that is missing is taken over once it is
	}
	if err := s.beginPolicy(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *signer) close() error { return errors.Join(s.book.journal.Close(), s.ring.Close()) }

// beginPolicy takes the first policy from its directory. Later ones come by a
// statement of the administrators.
func (s *signer) beginPolicy(ctx context.Context) error {
	var known string
	s.book.view(func(state *state) { known = state.beliefs.PolicyDigest() })
	if known != "" {
		return nil
	}
	bundle, err := policies.Load(os.DirFS(s.config.Policy))
	if err != nil {
		return fmt.Errorf("loading the policy in %s: %w", s.config.Policy, err)
	}
	if err := s.book.note(ctx, true, evidence.Entry{Policy: &evidence.PolicyEntry{Digest: bundle.Digest(), Files: bundle.Files()}}); err != nil {
		return fmt.Errorf("recording the policy in %s: %w", s.config.Policy, err)
	}
	s.log.Info("the first policy is in force", "digest", bundle.Digest(), "quorum", bundle.Quorum())
	return nil
}

// belief is what the signer holds true at one moment. It never changes.
type belief struct {
	latest int64 // the entry that it came with
	now    time.Time
	trust  evidence.Trust
	policy *policies.Bundle // with the targets of inventories; nil where this version cannot load it
	digest string
}

// beliefOf is what to verify with at a moment: only keys that the provider has
// now. The caller holds the book's mutex.
func beliefOf(state *state, now time.Time) belief {
	return belief{
		latest: state.beliefs.Latest(), now: now,
		trust: state.beliefs.Trust(now), policy: state.beliefs.Policy(now), digest: state.beliefs.PolicyDigest(),
	}
}

// believe is beliefOf with the time of a decision that will be made on it.
func (s *signer) believe() (b belief, err error) {
	err = s.book.look(true, func(state *state, now time.Time) { b = beliefOf(state, now) })
	return b, err
}

// needKeys sees to it that the provider's key of this id is known if the provider
// has it. When the provider is away, the keys that are known stay in force.
func (s *signer) needKeys(ctx context.Context, id string) error {
	var known []evidence.IssuerKey
	s.book.view(func(state *state) { known, _ = state.beliefs.IssuerKeys() })
	if len(known) > 0 && (id == "" || knows(known, id)) {
		return nil
	}
	err := s.refreshKeys(ctx)
	if err != nil && !errors.Is(err, errTooSoon) {
		s.log.Warn("the identity provider's keys cannot be fetched", "issuer", s.config.Issuer.URL, "error", err)
	}
	s.book.view(func(state *state) { known, _ = state.beliefs.IssuerKeys() })
	if len(known) == 0 {
		return refuse(http.StatusServiceUnavailable, "issuer-away",
			"The identity provider's keys are not known yet, since it does not answer the signer. Try again in a moment.").because(err)
	}
	return nil
}

// refreshKeys fetches the provider's keys, and records them if they changed.
func (s *signer) refreshKeys(ctx context.Context) error {
	fetched, err := s.issuer.fetch(ctx)
	if err != nil {
		return err
	}
	index, err := s.book.decide(true, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		current, changed := mergeKeys(state, fetched, now)
		if !changed {
			return nil, -1, nil
		}
		return &evidence.Entry{Keys: &evidence.KeysEntry{Issuer: current}}, 0, nil
	})
	if err != nil || index < 0 {
		return err
	}
	return s.book.journal.Wait(ctx, index)
}

// mergeKeys lists the fetched keys in the order in which they were first seen.
func mergeKeys(state *state, fetched []string, now time.Time) (current []evidence.IssuerKey, changed bool) {
	inUse, issued := state.beliefs.IssuerKeys()
	for _, known := range issued {
		if slices.Contains(fetched, known.JWK) {
			current = append(current, known)
		}
	}
	for _, jwk := range fetched {
		if !slices.ContainsFunc(current, func(known evidence.IssuerKey) bool { return known.JWK == jwk }) {
			current = append(current, evidence.IssuerKey{JWK: jwk, Seen: now})
		}
	}
	return current, !slices.EqualFunc(current, inUse, func(a, b evidence.IssuerKey) bool { return a.JWK == b.JWK })
}

// healthy answers wire.PathHealth.
func (s *signer) healthy() (wire.Health, error) {
	if err := s.book.journal.Err(); err != nil {
		return wire.Health{}, err
	}
	_, entries := s.book.journal.Checkpoint()
	health := wire.Health{Instance: s.config.Instance, Entries: entries}
	s.book.view(func(state *state) {
		inUse, _ := state.beliefs.IssuerKeys()
		health.PolicyDigest, health.IssuerKnown = state.beliefs.PolicyDigest(), len(inUse) > 0
	})
	return health, nil
}
