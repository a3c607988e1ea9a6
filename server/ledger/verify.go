package ledger

import (
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// Leaf is one entry of a log as a store or an export holds it.
type Leaf struct {
	Data []byte
	// Hash is the leaf's hash as it was stored at the time, at [LeafIndex]. It
	// serves to name the entry that was altered. Zero means unknown: the whole is
	// still checked against the checkpoints, the place is known less exactly.
	Hash Hash
}

// Break names the first place at which a log is not what its checkpoints say.
type Break struct {
	Index int64  // the first entry that is wrong or missing, counted from zero
	Why   string // a sentence for people, naming the entry
}

// Error is Why.
func (b *Break) Error() string { return b.Why }

// VerifyAll computes the tree over all leaves again, in order, and compares it
// with the checkpoints, which the caller has opened: any number of the same log,
// at least one, by rising size. The last states the size that the log must have
// reached; leaves beyond it belong to no checkpoint yet and are an error too, so
// take leaves and checkpoint in one transaction.
//
// What is wrong is returned as a *[Break], the first place first. An earlier
// checkpoint narrows the place when a tamperer has changed the stored hashes too.
// An error from leaves is returned wrapped.
func VerifyAll(leaves iter.Seq2[Leaf, error], checkpoints ...Checkpoint) error {
	if err := ordered(checkpoints); err != nil {
		return err
	}
	var tree frontier
	var size, good int64 // leaves seen; leaves covered by a checkpoint that fits
	next := 0            // the checkpoint that comes next
	agree := func() error {
		for next < len(checkpoints) && checkpoints[next].Size == size {
			if tree.root() != checkpoints[next].Root {
				return rootBreak(good, size)
			}
			good = size
			next++
		}
		return nil
	}
	if err := agree(); err != nil {
		return err
	}
	last := checkpoints[len(checkpoints)-1].Size
	for leaf, err := range leaves {
		if err != nil {
			return fmt.Errorf("reading entry %d: %w", size, err)
		}
		if size == last {
			return &Break{size, fmt.Sprintf("entry %d is beyond the checkpoint, which ends at %d entries", size, last)}
		}
		hash := LeafHash(leaf.Data)
		if leaf.Hash != (Hash{}) && leaf.Hash != hash {
			return &Break{size, fmt.Sprintf("entry %d was altered: its data does not match its stored hash", size)}
		}
		tree.add(hash)
		size++
		if err := agree(); err != nil {
			return err
		}
	}
	if size < last {
		if size == 0 {
			return &Break{0, fmt.Sprintf("all entries are missing: the checkpoint has %d", last)}
		}
		return &Break{size, fmt.Sprintf("entries after %d are missing, or earlier ones were dropped: "+
			"the checkpoint has %d entries, the log %d", size-1, last, size)}
	}
	return nil
}

func ordered(checkpoints []Checkpoint) error {
	if len(checkpoints) == 0 {
		return fmt.Errorf("checking a log without a checkpoint")
	}
	for i, c := range checkpoints {
		if c.Size < 0 || c.Size > maxSize {
			return fmt.Errorf("a checkpoint of %d entries", c.Size)
		}
		if i > 0 && (c.Origin != checkpoints[i-1].Origin || c.Size < checkpoints[i-1].Size) {
			return fmt.Errorf("the checkpoints are not of one log by rising size")
		}
	}
	return nil
}

// rootBreak is the case in which each entry fits its stored hash and the tree
// still differs: data and hash were changed together, or entries were dropped,
// inserted or reordered, somewhere after the last checkpoint that fits.
func rootBreak(good, size int64) error {
	switch {
	case size == good:
		return &Break{size, fmt.Sprintf("two checkpoints at %d entries disagree: the log was forked", size)}
	case size == good+1:
		return &Break{good, fmt.Sprintf("entry %d was replaced: it fits its stored hash but not the checkpoint", good)}
	default:
		return &Break{good, fmt.Sprintf("entries %d to %d are not those that were signed: "+
			"one was replaced, dropped, inserted or moved, and its stored hash with it", good, size-1)}
	}
}

// frontier is the right edge of a growing tree: the roots of its complete
// subtrees, largest first.
type frontier struct {
	size   int64
	hashes []Hash
}

func (f *frontier) add(h Hash) {
	for n := f.size; n&1 == 1; n >>= 1 {
		end := len(f.hashes) - 1
		h = tlog.NodeHash(f.hashes[end], h)
		f.hashes = f.hashes[:end]
	}
	f.hashes = append(f.hashes, h)
	f.size++
}

func (f *frontier) root() Hash {
	if f.size == 0 {
		return emptyRoot
	}
	h := f.hashes[len(f.hashes)-1]
	for i := len(f.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.hashes[i], h)
	}
	return h
}
