// Package prooftest makes exports of evidence for tests: a signer's ledger in
// memory, from its first key to a request that was approved, used and ended.
package prooftest

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// Log is a Merkle log in memory with the key that signs its checkpoints.
type Log struct {
	t        testing.TB
	Name     string
	Verifier string // the key's public half
	signer   note.Signer
	hashes   []ledger.Hash
	Leaves   []string
}

// NewLog makes an empty log with a fresh key.
func NewLog(t testing.TB, name string) *Log {
	t.Helper()
	secret, verifier, err := ledger.NewKey(rand.Reader, name)
	check(t, err)
	signer, err := note.NewSigner(secret)
	check(t, err)
	return &Log{t: t, Name: name, Verifier: verifier, signer: signer}
}

// Size is the number of leaves.
func (l *Log) Size() int64 { return int64(len(l.Leaves)) }

func (l *Log) reader() ledger.HashReader {
	return ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		found := make([]ledger.Hash, 0, len(indexes))
		for _, i := range indexes {
			found = append(found, l.hashes[i])
		}
		return found, nil
	})
}

// Append adds a leaf.
func (l *Log) Append(leaf string) {
	l.t.Helper()
	hashes, _, err := ledger.Append(l.Size(), []byte(leaf), l.reader())
	check(l.t, err)
	l.hashes, l.Leaves = append(l.hashes, hashes...), append(l.Leaves, leaf)
}

// Cut drops all but the first leaves.
func (l *Log) Cut(size int) {
	l.t.Helper()
	kept := l.Leaves[:size]
	l.hashes, l.Leaves = nil, nil
	for _, leaf := range kept {
		l.Append(leaf)
	}
}

// Hash is the stored hash of a leaf.
func (l *Log) Hash(index int64) ledger.Hash { return l.hashes[ledger.LeafIndex(index)] }

// Checkpoint is the log's head, signed by its key and by others.
func (l *Log) Checkpoint(others ...note.Signer) string {
	l.t.Helper()
	root, err := ledger.Root(l.Size(), l.reader())
	check(l.t, err)
	signed, err := ledger.Sign(ledger.Checkpoint{Origin: l.Name, Size: l.Size(), Root: root}, append([]note.Signer{l.signer}, others...)...)
	check(l.t, err)
	return string(signed)
}

// Prove is a leaf with its place in the log as it is now.
func (l *Log) Prove(index int64) api.ProvenEntry {
	l.t.Helper()
	inclusion, err := ledger.ProveInclusion(index, l.Size(), l.reader())
	check(l.t, err)
	proven := api.ProvenEntry{Index: index, Entry: l.Leaves[index], Path: []string{}}
	for _, hash := range inclusion.Path {
		proven.Path = append(proven.Path, hash.String())
	}
	return proven
}

// JSON encodes a value.
func JSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	check(t, err)
	return string(text)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *World) read(leaf string) (e evidence.Entry) {
	w.t.Helper()
	check(w.t, json.Unmarshal([]byte(leaf), &e))
	return e
}

// Witness is a key that cosigns checkpoints.
type Witness struct {
	Signer   note.Signer
	Verifier string
}

// NewWitness makes a witness with a fresh key.
func NewWitness(t testing.TB, name string) Witness {
	t.Helper()
	secret, verifier, err := ledger.NewWitnessKey(rand.Reader, name)
	check(t, err)
	signer, err := ledger.NewWitnessSigner(secret, time.Now)
	check(t, err)
	return Witness{signer, verifier}
}
