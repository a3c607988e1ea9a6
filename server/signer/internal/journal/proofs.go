package journal

import (
	"fmt"

	"stint/server/ledger"
)

// Root is the root over the first size acknowledged leaves.
func (j *Journal) Root(size int64) (ledger.Hash, error) {
	hashes, err := j.acknowledged(size)
	if err != nil {
		return ledger.Hash{}, err
	}
	return ledger.Root(size, hashes)
}

// Consistency proves that the first size acknowledged leaves continue the first
// from of them.
func (j *Journal) Consistency(from, size int64) (ledger.Consistency, error) {
	hashes, err := j.acknowledged(size)
	if err != nil {
		return ledger.Consistency{}, err
	}
	return ledger.ProveConsistency(from, size, hashes)
}

// acknowledged reads hashes outside the mutex: they are only ever appended to.
func (j *Journal) acknowledged(size int64) (ledger.HashReader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if size < 0 || size > j.durable {
		return nil, fmt.Errorf("the ledger holds %d acknowledged entries, not %d", j.durable, size)
	}
	hashes := j.hashes
	return ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) { return readHashes(hashes, indexes) }), nil
}

// Advanced returns a channel that is closed when more is acknowledged, or the log
// fails. Ask for it before looking at what there is.
func (j *Journal) Advanced() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.advanced
}
