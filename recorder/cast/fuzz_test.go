package cast

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// FuzzResume: whatever a death left of a recording, finishing it keeps all that was
// whole and nothing else, ends in a recording that verifies against the seals that
// are handed on, and may be done again.
func FuzzResume(f *testing.F) {
	whole, _ := small(f, Options{SegmentBytes: 1})
	for _, left := range []int{len(whole), len(whole) - 1, len(whole) / 2, len(magic) + 10} {
		f.Add(whole[:left], uint8(0))
		f.Add(whole[:left], uint8(2))
	}
	f.Fuzz(func(t *testing.T, data []byte, promised uint8) {
		for _, data := range [][]byte{data, fixChecksums(data)} {
			resume(t, data, int(promised))
		}
	})
}

func resume(t *testing.T, data []byte, promised int) {
	_, before, readErr := readAll(bytes.NewReader(data))
	var known []Seal
	if before != nil {
		known = before.seals[:min(promised, len(before.seals))]
	}
	file, end := fileOf(data), End{Reason: Cut}
	seals, err := Resume(file, known, end, time.Unix(1e9, 0))
	if err != nil {
		if !bytes.Equal(file.data, data) {
			t.Fatalf("refused (%v), and changed", err)
		}
		if before != nil && (errors.Is(readErr, ErrCut) || errors.Is(readErr, ErrCorrupt)) {
			t.Fatalf("a torn recording cannot be finished: %v", err)
		}
		return
	}
	if !bytes.Equal(file.data[:before.good], data[:before.good]) {
		t.Fatal("what was whole is not as it was")
	}
	summary, err := Verify(bytes.NewReader(file.data), seals, everything)
	if err != nil || summary.End == nil || len(seals) == 0 {
		t.Fatalf("what is finished does not verify: %v, %+v", err, summary.End)
	}
	finished := bytes.Clone(file.data)
	if _, err := Resume(file, seals, end, time.Unix(2e9, 0)); err != nil || !bytes.Equal(file.data, finished) {
		t.Fatalf("finished again it is another: %v", err)
	}
	// Seals that others would promise are noticed.
	other := bytes.Clone(seals[0].Head[:])
	other[0] ^= 1
	seals[0].Head = Head(other)
	if _, err := Verify(bytes.NewReader(file.data), seals, everything); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("another seal fits: %v", err)
	}
}

// FuzzHead: a segment's head has one spelling.
func FuzzHead(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var head Head
		if err := head.UnmarshalText(text); err != nil {
			if head != (Head{}) {
				t.Fatalf("%q is refused, and read as %v", text, head)
			}
			return
		}
		if again, err := head.MarshalText(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q is written %q, %v", text, again, err)
		}
	})
}
