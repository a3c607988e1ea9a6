package ledger

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestOpenLines(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 12)
	own, witness := newKey(t, origin), newKey(t, "witness")
	c, lines := m.checkpoint(t, 12), []string{"first", "second — with more"}
	signed, err := SignLines(c, lines, own.Signer, witness.Signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, verifiers := range [][]note.Verifier{{own.Verifier}, {witness.Verifier, own.Verifier}} {
		if got, read, err := OpenLines(signed, origin, verifiers...); err != nil || got != c || !slices.Equal(read, lines) {
			t.Errorf("%v %q %v", got, read, err)
		}
	}
	if _, err := Open(signed, origin, own.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("taken for a plain checkpoint: %v", err)
	}
	plain, err := Sign(c, own.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenLines(plain, origin, own.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a plain checkpoint passes for more: %v", err)
	}
	if _, _, err := OpenLines(signed, "stint-test/2", own.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another log: %v", err)
	}
	if _, _, err := OpenLines(signed, origin); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("no key: %v", err)
	}
	for at := range signed {
		bad := bytes.Clone(signed)
		bad[at] ^= 1
		if _, _, err := OpenLines(bad, origin, own.Verifier, witness.Verifier); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
}

func TestSignLinesRefuses(t *testing.T) {
	t.Parallel()
	own := newKey(t, origin)
	for name, lines := range map[string][]string{
		"none": nil, "empty": {""}, "an empty one": {"a", "", "b"}, "line feed": {"a\nb"}, "carriage return": {"a\r"},
		"not UTF-8": {"\xff"}, "too long": {strings.Repeat("x", maxCheckpoint)},
	} {
		if _, err := SignLines(Checkpoint{Origin: origin}, lines, own.Signer); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := SignLines(Checkpoint{Origin: origin}, []string{"a"}); err == nil {
		t.Error("signed by nobody")
	}
	if _, err := SignLines(Checkpoint{Origin: origin, Size: -1}, []string{"a"}, own.Signer); err == nil {
		t.Error("a log of less than nothing")
	}
}

func FuzzOpenLines(f *testing.F) {
	own := newKey(f, origin)
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		if sign { // lets the fuzzer past the signature
			text, _, _ := bytes.Cut(data, []byte("\n\n"))
			signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, own.Signer)
			if err != nil {
				return // no text that a note can hold
			}
			data = signed
		}
		c, lines, err := OpenLines(data, origin, own.Verifier)
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || c != (Checkpoint{}) || lines != nil {
				t.Fatalf("%v %v", c, err)
			}
			return
		}
		again, err := SignLines(c, lines, own.Signer)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := bytes.Cut(data, []byte("\n\n— "))
		if !bytes.HasPrefix(again, append(text, "\n\n"...)) {
			t.Fatalf("%q was accepted and is written %q", data, again)
		}
	})
}
