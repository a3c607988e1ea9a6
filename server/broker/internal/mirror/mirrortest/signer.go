// Package mirrortest holds a signer's ledger for tests of what mirrors it: a real
// Merkle log with a real key, which may be made to lie.
package mirrortest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"stint/server/evidence"
	"stint/server/ledger"
	"stint/server/signer/wire"
)

// Signer answers as the signer's wire does.
type Signer struct {
	t          testing.TB
	signer     note.Signer
	Key        string // verifier key
	PageLength int    // entries of a page at most, if not zero

	mu         sync.Mutex
	leaves     []string
	hashes     []ledger.Hash
	away       bool
	cosigned   string
	confirmed  []string
	rolledBack bool
}

// New begins a ledger.
func New(t testing.TB, origin string) *Signer {
	t.Helper()
	signerKey, verifierKey, err := ledger.NewKey(rand.Reader, origin)
	must(t, err)
	signer, err := note.NewSigner(signerKey)
	must(t, err)
	return &Signer{t: t, signer: signer, Key: verifierKey}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Origin is the log's name.
func (s *Signer) Origin() string { return s.signer.Name() }

// Size is how many leaves there are.
func (s *Signer) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.leaves))
}

// Add appends leaves.
func (s *Signer) Add(leaves ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, leaf := range leaves {
		hashes, _, err := ledger.Append(int64(len(s.leaves)), []byte(leaf), s.reader())
		must(s.t, err)
		s.hashes = append(s.hashes, hashes...)
		s.leaves = append(s.leaves, leaf)
	}
}

// AddEntry appends an entry and gives the serial of what it issues.
func (s *Signer) AddEntry(entry evidence.Entry) (serial uint64) {
	leaf, err := json.Marshal(entry)
	must(s.t, err)
	s.Add(string(leaf))
	return uint64(s.Size())
}

// Truncate puts the ledger back to its first leaves.
func (s *Signer) Truncate(size int64) {
	s.mu.Lock()
	leaves := s.leaves[:size:size]
	s.leaves, s.hashes = nil, nil
	s.mu.Unlock()
	s.Add(leaves...)
}

// Away makes every call fail.
func (s *Signer) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// RollBack makes the signer say that it was put back to an older state.
func (s *Signer) RollBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rolledBack = true
}

// Cosigned makes the signer hand out such a checkpoint.
func (s *Signer) Cosigned(checkpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cosigned = checkpoint
}

// Confirmed are the checkpoints that it was confirmed with.
func (s *Signer) Confirmed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.confirmed...)
}

// Checkpoint is signed over all there is.
func (s *Signer) Checkpoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkpoint()
}

func (s *Signer) checkpoint() string {
	size := int64(len(s.leaves))
	root, err := ledger.Root(size, s.reader())
	must(s.t, err)
	signed, err := ledger.Sign(ledger.Checkpoint{Origin: s.signer.Name(), Size: size, Root: root}, s.signer)
	must(s.t, err)
	return string(signed)
}

func (s *Signer) reader() ledger.HashReader {
	return ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		out := make([]ledger.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = s.hashes[index]
		}
		return out, nil
	})
}

var errAway = errors.New("the signer is away")

// Trust tells the log key.
func (s *Signer) Trust(context.Context) (wire.TrustResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return wire.TrustResult{}, errAway
	}
	return wire.TrustResult{Trust: evidence.Trust{Log: s.Key}, Confirmed: true}, nil
}

// Ledger is a page.
func (s *Signer) Ledger(_ context.Context, from int64, limit int) (wire.LedgerPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return wire.LedgerPage{}, errAway
	}
	if s.PageLength > 0 {
		limit = min(limit, s.PageLength)
	}
	page := wire.LedgerPage{From: from, Entries: []string{}, Checkpoint: s.checkpoint(), Cosigned: s.cosigned}
	if size := int64(len(s.leaves)); from < size {
		page.Entries = append(page.Entries, s.leaves[from:min(size, from+int64(limit))]...)
	}
	return page, nil
}

// Consistency proves from a size on.
func (s *Signer) Consistency(_ context.Context, from int64) (wire.ConsistencyResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return wire.ConsistencyResult{}, errAway
	}
	proof, err := ledger.ProveConsistency(from, int64(len(s.leaves)), s.reader())
	return wire.ConsistencyResult{Proof: proof, Checkpoint: s.checkpoint()}, err
}

// Confirm takes a broker's word.
func (s *Signer) Confirm(_ context.Context, request wire.ConfirmRequest) (wire.ConfirmResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rolledBack {
		return wire.ConfirmResult{}, &wire.Error{Status: 409, Code: wire.CodeRolledBack, Title: "The ledger was put back."}
	}
	s.confirmed = append(s.confirmed, request.Checkpoint)
	return wire.ConfirmResult{Confirmed: true}, nil
}
