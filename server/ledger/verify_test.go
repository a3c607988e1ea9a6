package ledger

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
)

func TestVerifyAll(t *testing.T) {
	t.Parallel()
	m, _ := build(t, many)
	for size := range many + 1 {
		part := memory{leaves: m.leaves[:size]}
		if err := VerifyAll(part.all(), m.checkpoint(t, size)); err != nil {
			t.Fatal(err)
		}
	}
	earlier := []Checkpoint{m.checkpoint(t, 0), m.checkpoint(t, 1), m.checkpoint(t, 17), m.checkpoint(t, 17), m.checkpoint(t, many)}
	if err := VerifyAll(m.all(), earlier...); err != nil {
		t.Fatal(err)
	}
	if err := VerifyAll(m.all()); err == nil {
		t.Error("without a checkpoint")
	}
	if err := VerifyAll(m.all(), m.checkpoint(t, many), m.checkpoint(t, 17)); err == nil {
		t.Error("checkpoints by falling size")
	}
	broken := errors.New("broken pipe")
	var reading iter.Seq2[Leaf, error] = func(yield func(Leaf, error) bool) { yield(Leaf{}, broken) }
	if err := VerifyAll(reading, m.checkpoint(t, 2)); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	const size = 40
	m, _ := build(t, size)
	forged := func(text string) Leaf { return Leaf{Data: []byte(text), Hash: LeafHash([]byte(text))} }
	for name, c := range map[string]struct {
		tamper      func([]Leaf) []Leaf
		checkpoints []int
		index       int64
		why         string
	}{
		"data":                       {func(l []Leaf) []Leaf { l[17].Data = []byte("x"); return l }, nil, 17, "entry 17 was altered"},
		"stored hash":                {func(l []Leaf) []Leaf { l[17].Hash[3] ^= 1; return l }, nil, 17, "entry 17 was altered"},
		"first":                      {func(l []Leaf) []Leaf { l[0].Data = nil; return l }, nil, 0, "entry 0 was altered"},
		"two":                        {func(l []Leaf) []Leaf { l[30].Data, l[9].Data = nil, nil; return l }, nil, 9, "entry 9 was altered"},
		"data and hash":              {func(l []Leaf) []Leaf { l[17] = forged("x"); return l }, nil, 0, "entries 0 to 39 are not those"},
		"data and hash, checkpoints": {func(l []Leaf) []Leaf { l[17] = forged("x"); return l }, []int{10, 16, 20}, 16, "entries 16 to 19 are not those"},
		"data and hash, between two": {func(l []Leaf) []Leaf { l[17] = forged("x"); return l }, []int{17, 18}, 17, "entry 17 was replaced"},
		"no hashes":                  {func(l []Leaf) []Leaf { l[17] = Leaf{Data: []byte("x")}; return l }, []int{17, 18}, 17, "entry 17 was replaced"},
		"shortened":                  {func(l []Leaf) []Leaf { return l[:33] }, nil, 33, "entries after 32 are missing"},
		"shortened, checkpoint":      {func(l []Leaf) []Leaf { return l[:33] }, []int{33}, 33, "entries after 32 are missing"},
		"emptied":                    {func(l []Leaf) []Leaf { return nil }, nil, 0, "all entries are missing"},
		"dropped within":             {func(l []Leaf) []Leaf { return slices.Delete(l, 5, 6) }, nil, 39, "or earlier ones were dropped"},
		"dropped within, checkpoint": {func(l []Leaf) []Leaf { return slices.Delete(l, 5, 6) }, []int{8}, 0, "entries 0 to 7 are not those"},
		"inserted":                   {func(l []Leaf) []Leaf { return slices.Insert(l, 5, forged("x")) }, nil, 0, "entries 0 to 39 are not those"},
		"appended":                   {func(l []Leaf) []Leaf { return append(l, forged("x")) }, nil, 40, "entry 40 is beyond the checkpoint"},
		"swapped":                    {func(l []Leaf) []Leaf { l[3], l[4] = l[4], l[3]; return l }, []int{3, 5}, 3, "entries 3 to 4 are not those"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var checkpoints []Checkpoint
			for _, n := range append(c.checkpoints, size) {
				checkpoints = append(checkpoints, m.checkpoint(t, n))
			}
			bad := memory{leaves: c.tamper(slices.Clone(m.leaves))}
			err := VerifyAll(bad.all(), checkpoints...)
			var b *Break
			if !errors.As(err, &b) || b.Index != c.index || !strings.Contains(b.Error(), c.why) {
				t.Errorf("%v (%+v), want %d: %s", err, b, c.index, c.why)
			}
		})
	}
	fork := m.checkpoint(t, size)
	fork.Root[0] ^= 1
	var b *Break
	if err := VerifyAll(m.all(), m.checkpoint(t, size), fork); !errors.As(err, &b) || !strings.Contains(err.Error(), "forked") {
		t.Error(err)
	}
	empty := Checkpoint{Origin: "stint-test/1"}
	if err := VerifyAll((&memory{}).all(), empty); !errors.As(err, &b) {
		t.Errorf("an empty log with a false root: %v", err)
	}
}
