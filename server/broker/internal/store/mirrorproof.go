package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"stint/server/ledger"
)

// RequestLeaves lists the leaves of a request from one number on and below another,
// oldest first.
func (s *Store) RequestLeaves(ctx context.Context, log int64, request string, from, below int64, limit int) (leaves []MirroredLeaf, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		// The index holds the leaves that are of a request.
		leaves, err = all(db.Where("log = ? AND request = ? AND request <> '' AND number >= ? AND number < ?", log, request, from, below).
			Order("number").Limit(max(1, min(limit, maxRun))), leafOfMirror.leaf)
		return err
	})
	return leaves, err
}

// ProveMirrored proves leaves to be in the tree over the first size leaves of a
// log, in the order of the numbers.
func (s *Store) ProveMirrored(ctx context.Context, log MirroredLog, size int64, numbers []int64) (proofs []ledger.Inclusion, err error) {
	if size > log.Size {
		return nil, fmt.Errorf("store: %d leaves are not mirrored of %s", size, log.Origin)
	}
	err = s.view(ctx, func(db *gorm.DB) error {
		hashes := remembered(mirrorHashes(db, log.ID))
		for _, number := range numbers {
			proof, err := ledger.ProveInclusion(number, size, hashes)
			if err != nil {
				return err
			}
			proofs = append(proofs, proof)
		}
		return nil
	})
	return proofs, err
}

// ContinueMirrored proves that the first size leaves of a log continue its first
// from leaves. It reads the hashes once, whatever is asked.
func (s *Store) ContinueMirrored(ctx context.Context, log MirroredLog, from, size int64) (proof ledger.Consistency, err error) {
	if size > log.Size {
		return proof, fmt.Errorf("store: %d leaves are not mirrored of %s", size, log.Origin)
	}
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		proof, err = ledger.ProveConsistency(from, size, mirrorHashes(db, log.ID))
		return err
	})
	return proof, err
}

// remembered reads each hash once: the paths of one tree share most of theirs.
func remembered(stored ledger.HashReader) ledger.HashReader {
	known := map[int64]ledger.Hash{}
	return ledger.HashReaderFunc(func(numbers []int64) ([]ledger.Hash, error) {
		hashes, err := overlaid(known, stored).ReadHashes(numbers)
		for i := range hashes {
			known[numbers[i]] = hashes[i]
		}
		return hashes, err
	})
}
