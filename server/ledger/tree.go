package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 hash of a leaf, a node or a root. Its JSON form is standard
// base64 with padding; decoding refuses everything else.
type Hash = tlog.Hash

// HashReader returns stored hashes by index, as [Append] numbered them. It must
// return exactly one hash for each index, in order, or an error.
type HashReader = tlog.HashReader

// HashReaderFunc makes a [HashReader] of a function.
type HashReaderFunc = tlog.HashReaderFunc

// maxSize bounds the size of a log. It lies far above any real one and below the
// sizes at which tlog's arithmetic overflows and its loops do not end, so that a
// hostile number costs nothing.
const maxSize = 1 << 48

// ErrProof means that a proof does not show what it claims.
var ErrProof = errors.New("the proof does not fit the checkpoint")

// LeafHash is the hash of a leaf: SHA-256 of a zero byte and the data.
func LeafHash(data []byte) Hash { return tlog.RecordHash(data) }

// Append plans the appending of a leaf to a log that holds size leaves; the leaf
// becomes number size, counted from zero. It returns the hashes to store and the
// index of the first; the others follow it without a gap. hashes[0] is
// [LeafHash] of the leaf. Nothing is appended until the caller has stored leaf
// and hashes together.
func Append(size int64, leaf []byte, r HashReader) (hashes []Hash, first int64, err error) {
	if size < 0 || size >= maxSize {
		return nil, 0, fmt.Errorf("appending to a log of size %d", size)
	}
	hashes, err = tlog.StoredHashes(size, leaf, r)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the hashes below leaf %d: %w", size, err)
	}
	return hashes, LeafIndex(size), nil
}

// LeafIndex is the index under which the hash of leaf number n is stored.
func LeafIndex(n int64) int64 { return tlog.StoredHashIndex(0, n) }

// Root is the root of the tree over the first size leaves. The root of no leaves
// is the hash of nothing, as RFC 6962 has it.
func Root(size int64, r HashReader) (Hash, error) {
	if size < 0 || size > maxSize {
		return Hash{}, fmt.Errorf("root of a log of size %d", size)
	}
	root, err := tlog.TreeHash(size, r)
	if err != nil {
		return Hash{}, fmt.Errorf("reading the hashes below the root of %d leaves: %w", size, err)
	}
	return root, nil
}

// Inclusion proves that a leaf is in a tree: an RFC 6962 audit path, from the
// leaf's sibling up.
type Inclusion struct {
	Index int64  `json:"index"` // the leaf's number, counted from zero
	Size  int64  `json:"size"`  // leaves in the tree
	Path  []Hash `json:"path"`
}

// ProveInclusion proves that leaf index is in the tree over the first size leaves.
func ProveInclusion(index, size int64, r HashReader) (Inclusion, error) {
	if index < 0 || index >= size || size > maxSize {
		return Inclusion{}, fmt.Errorf("proving leaf %d of %d", index, size)
	}
	path, err := tlog.ProveRecord(size, index, r)
	if err != nil {
		return Inclusion{}, fmt.Errorf("proving leaf %d of %d: %w", index, size, err)
	}
	return Inclusion{Index: index, Size: size, Path: path}, nil
}

// Check reports whether the proof shows that a leaf with this hash is in the
// checkpoint's tree, at the proof's index. Pass [LeafHash] of the data you hold,
// never a hash that came along with the proof. The error is [ErrProof] when it
// is not shown.
func (p Inclusion) Check(leaf Hash, in Checkpoint) error {
	if p.Size != in.Size {
		return fmt.Errorf("%w: it is for a tree of %d leaves, the checkpoint has %d", ErrProof, p.Size, in.Size)
	}
	if p.Index < 0 || p.Index >= p.Size || p.Size > maxSize {
		return fmt.Errorf("%w: a tree of %d leaves has no leaf %d", ErrProof, p.Size, p.Index)
	}
	if err := tlog.CheckRecord(p.Path, p.Size, in.Root, p.Index, leaf); err != nil {
		return fmt.Errorf("%w: leaf %d is not shown to be in the tree of %d", ErrProof, p.Index, p.Size)
	}
	return nil
}

// Consistency proves that a tree begins with all the leaves of an earlier one: an
// RFC 6962 consistency proof.
type Consistency struct {
	From int64  `json:"from"` // leaves in the earlier tree
	Size int64  `json:"size"` // leaves in the later tree
	Path []Hash `json:"path"`
}

// ProveConsistency proves that the tree over the first size leaves continues the
// tree over the first from leaves. A log that was empty is continued by any log.
func ProveConsistency(from, size int64, r HashReader) (Consistency, error) {
	if from < 0 || from > size || size > maxSize {
		return Consistency{}, fmt.Errorf("proving that a log of %d leaves continues one of %d", size, from)
	}
	if from == 0 {
		return Consistency{From: from, Size: size, Path: []Hash{}}, nil
	}
	path, err := tlog.ProveTree(size, from, r)
	if err != nil {
		return Consistency{}, fmt.Errorf("proving that %d leaves continue %d: %w", size, from, err)
	}
	return Consistency{From: from, Size: size, Path: path}, nil
}

// Check reports whether the proof shows that now continues before: same origin,
// nothing of before changed or gone. The error is [ErrProof] when it is not shown.
func (p Consistency) Check(before, now Checkpoint) error {
	if before.Origin != now.Origin {
		return fmt.Errorf("%w: %q and %q are different logs", ErrProof, before.Origin, now.Origin)
	}
	if p.From != before.Size || p.Size != now.Size {
		return fmt.Errorf("%w: it is from %d to %d leaves, the checkpoints from %d to %d",
			ErrProof, p.From, p.Size, before.Size, now.Size)
	}
	if p.From < 0 || p.From > p.Size || p.Size > maxSize {
		return fmt.Errorf("%w: a log of %d leaves cannot continue one of %d", ErrProof, p.Size, p.From)
	}
	if p.From == 0 {
		// tlog proves nothing about an empty tree; its root must still be the empty one.
		if len(p.Path) != 0 || before.Root != emptyRoot || p.Size == 0 && now.Root != emptyRoot {
			return fmt.Errorf("%w: the empty log has another root", ErrProof)
		}
		return nil
	}
	if err := tlog.CheckTree(p.Path, p.Size, now.Root, p.From, before.Root); err != nil {
		return fmt.Errorf("%w: %d leaves are not shown to continue %d", ErrProof, p.Size, p.From)
	}
	return nil
}

var emptyRoot, _ = tlog.TreeHash(0, nil)
