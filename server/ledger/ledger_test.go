package ledger

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rfc6962 is the tree of RFC 6962 section 2.1, written as the RFC writes it.
type rfc6962 struct {
	leaves [][]byte
	known  map[[2]int]Hash
}

func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func (t rfc6962) hash(from, to int) Hash {
	if h, ok := t.known[[2]int{from, to}]; ok {
		return h
	}
	var h Hash
	switch n := to - from; n {
	case 0:
		h = sha256.Sum256(nil)
	case 1:
		h = sha256.Sum256(append([]byte{0}, t.leaves[from]...))
	default:
		left, right := t.hash(from, from+split(n)), t.hash(from+split(n), to)
		h = sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
	t.known[[2]int{from, to}] = h
	return h
}

func (t rfc6962) path(m, from, to int) []Hash {
	n := to - from
	if n == 1 {
		return []Hash{}
	}
	k := split(n)
	if m < k {
		return append(t.path(m, from, from+k), t.hash(from+k, to))
	}
	return append(t.path(m-k, from+k, to), t.hash(from, from+k))
}

func (t rfc6962) proof(m, from, to int, whole bool) []Hash {
	n := to - from
	if m == n {
		if whole {
			return []Hash{}
		}
		return []Hash{t.hash(from, to)}
	}
	k := split(n)
	if m <= k {
		return append(t.proof(m, from, from+k, whole), t.hash(from+k, to))
	}
	return append(t.proof(m-k, from+k, to, false), t.hash(from, from+k))
}

// memory is a store as a caller would have one.
type memory struct {
	leaves []Leaf
	hashes []Hash
}

func (m *memory) ReadHashes(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		out[i] = m.hashes[index]
	}
	return out, nil
}

func (m *memory) append(t testing.TB, data []byte) {
	t.Helper()
	size := int64(len(m.leaves))
	hashes, first, err := Append(size, data, m)
	if err != nil {
		t.Fatal(err)
	}
	if first != int64(len(m.hashes)) || first != LeafIndex(size) {
		t.Fatalf("leaf %d writes at %d, %d hashes are stored", size, first, len(m.hashes))
	}
	m.hashes = append(m.hashes, hashes...)
	m.leaves = append(m.leaves, Leaf{Data: data, Hash: hashes[0]})
}

func data(i int) []byte { return fmt.Appendf(nil, "entry %d", i*i) }

func build(t testing.TB, size int) (*memory, rfc6962) {
	t.Helper()
	var m memory
	naive := rfc6962{known: make(map[[2]int]Hash)}
	for i := range size {
		m.append(t, data(i))
		naive.leaves = append(naive.leaves, data(i))
	}
	return &m, naive
}

func (m *memory) checkpoint(t testing.TB, size int) Checkpoint {
	t.Helper()
	root, err := Root(int64(size), m)
	if err != nil {
		t.Fatal(err)
	}
	return Checkpoint{Origin: "stint-test/1", Size: int64(size), Root: root}
}

const many = 300

func TestAgainstTheRFC(t *testing.T) {
	t.Parallel()
	m, naive := build(t, many)
	for size := range many + 1 {
		c := m.checkpoint(t, size)
		if c.Root != naive.hash(0, size) {
			t.Fatalf("root of %d", size)
		}
		for index := range size {
			p, err := ProveInclusion(int64(index), int64(size), m)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Path, naive.path(index, 0, size)) {
				t.Fatalf("path of %d in %d", index, size)
			}
			if err := p.Check(LeafHash(data(index)), c); err != nil {
				t.Fatal(err)
			}
		}
		for from := range size + 1 {
			p, err := ProveConsistency(int64(from), int64(size), m)
			if err != nil {
				t.Fatal(err)
			}
			if from > 0 && !slices.Equal(p.Path, naive.proof(from, 0, size, true)) {
				t.Fatalf("proof of %d in %d", from, size)
			}
			if err := p.Check(m.checkpoint(t, from), c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Each changed part of a proof, of the leaf or of a checkpoint is refused.
func TestAlteredProofs(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 40)
	for size := 1; size <= 40; size++ {
		c := m.checkpoint(t, size)
		for index := range size {
			leaf := LeafHash(data(index))
			proof := func() Inclusion {
				p, err := ProveInclusion(int64(index), int64(size), m)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			refuse := func(why string, p Inclusion, leaf Hash, c Checkpoint) {
				t.Helper()
				if err := p.Check(leaf, c); !errors.Is(err, ErrProof) {
					t.Fatalf("%d in %d, %s: %v", index, size, why, err)
				}
			}
			refuse("another leaf", proof(), LeafHash([]byte("x")), c)
			other := c
			other.Root[5] ^= 1
			refuse("another root", proof(), leaf, other)
			other = c
			other.Size++
			refuse("another size", proof(), leaf, other)
			p := proof()
			p.Path = append(p.Path, Hash{})
			refuse("a longer path", p, leaf, c)
			for i := range p.Path[1:] {
				p = proof()
				p.Path[i][31] ^= 0x80
				refuse("another hash", p, leaf, c)
				p = proof()
				p.Path = slices.Delete(p.Path, i, i+1)
				refuse("a shorter path", p, leaf, c)
			}
			for _, index := range []int64{-1, p.Index + 1, p.Index - 1, int64(size), math.MaxInt64, math.MinInt64} {
				p = proof()
				p.Index = index
				refuse("another index", p, leaf, c)
			}
		}
		for from := range size {
			before := m.checkpoint(t, from)
			p, err := ProveConsistency(int64(from), int64(size), m)
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(why string, p Consistency, before, now Checkpoint) {
				t.Helper()
				if err := p.Check(before, now); !errors.Is(err, ErrProof) {
					t.Fatalf("%d to %d, %s: %v", from, size, why, err)
				}
			}
			other := before
			other.Root[0] ^= 1
			refuse("another root before", p, other, c)
			if from > 0 {
				other = c
				other.Root[0] ^= 1
				refuse("another root now", p, before, other)
			}
			other = c
			other.Origin = "stint-test/2"
			refuse("another log", p, before, other)
			other = before
			other.Size++
			refuse("another size", p, other, c)
			refuse("backwards", Consistency{From: p.Size, Size: p.From, Path: p.Path}, c, before)
			refuse("a longer path", Consistency{From: p.From, Size: p.Size, Path: append(slices.Clone(p.Path), Hash{})}, before, c)
			for i := range p.Path {
				bad := slices.Clone(p.Path)
				bad[i][7] ^= 1
				refuse("another hash", Consistency{From: p.From, Size: p.Size, Path: bad}, before, c)
			}
		}
	}
}

// Numbers that no log reaches are refused at once: tlog's loops would not end.
func TestHugeNumbers(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 3)
	for _, size := range []int64{-1, maxSize + 1, 1 << 62, 1<<62 + 1, math.MaxInt64, math.MinInt64} {
		c := Checkpoint{Origin: "stint-test/1", Size: size}
		if err := (Inclusion{Index: 1, Size: size}).Check(Hash{}, c); !errors.Is(err, ErrProof) {
			t.Errorf("inclusion in %d: %v", size, err)
		}
		if err := (Consistency{From: 1, Size: size, Path: make([]Hash, 70)}).Check(m.checkpoint(t, 1), c); !errors.Is(err, ErrProof) {
			t.Errorf("consistency with %d: %v", size, err)
		}
		_, _, err1 := Append(size, nil, m)
		_, err2 := Root(size, m)
		_, err3 := ProveInclusion(0, size, m)
		_, err4 := ProveConsistency(1, size, m)
		_, err5 := Sign(c, testSigner(t, c.Origin))
		err6 := VerifyAll(m.all(), c)
		for i, err := range []error{err1, err2, err3, err4, err5, err6} {
			if err == nil {
				t.Errorf("size %d, call %d: no error", size, i+1)
			}
		}
	}
}

func TestMissingHashes(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 8)
	m.hashes = m.hashes[:3]
	_, _, err1 := Append(7, nil, m)
	_, err2 := Root(8, m)
	_, err3 := ProveInclusion(2, 8, m)
	_, err4 := ProveConsistency(3, 8, m)
	for i, err := range []error{err1, err2, err3, err4} {
		if err == nil {
			t.Errorf("call %d: no error", i+1)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 5)
	p, err := ProveInclusion(2, 5, m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Inclusion
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
	first, err := ProveInclusion(0, 1, m)
	if err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(first)
	if err != nil || string(text) != `{"index":0,"size":1,"path":[]}` {
		t.Errorf("%s %v", text, err)
	}
	for _, bad := range []string{`"AAAA"`, `""`, `"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`, `null1`, `7`} {
		if err := json.Unmarshal([]byte(bad), &Hash{}); err == nil {
			t.Errorf("%s is a hash", bad)
		}
	}
}

func (m *memory) all() iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		for _, l := range m.leaves {
			if !yield(l, nil) {
				return
			}
		}
	}
}
