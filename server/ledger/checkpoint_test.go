package ledger

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

type key struct {
	note.Signer
	note.Verifier
}

// keys are fixed, so that the fuzzer's corpus stays signed: their seeds are the
// name's first letter.
func newKey(t testing.TB, name string) key {
	t.Helper()
	signerKey, verifierKey, err := NewKey(bytes.NewReader(bytes.Repeat([]byte(name[:1]), 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	return key{s, v}
}

func testSigner(t testing.TB, name string) note.Signer { return newKey(t, name).Signer }

const origin = "stint-test/1"

func TestOpen(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 12)
	own, witness, stranger := newKey(t, origin), newKey(t, "witness"), newKey(t, "unknown")
	c := m.checkpoint(t, 12)
	signed, err := Sign(c, own.Signer, witness.Signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, verifiers := range map[string][]note.Verifier{
		"own": {own.Verifier}, "witness": {witness.Verifier}, "both": {witness.Verifier, own.Verifier},
	} {
		if got, err := Open(signed, origin, verifiers...); err != nil || got != c {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	// What others read: the same checkpoint.
	if theirs, rest, _, err := log.ParseCheckpoint(signed, origin, own.Verifier); err != nil || len(rest) > 0 ||
		theirs.Size != 12 || !bytes.Equal(theirs.Hash, c.Root[:]) {
		t.Errorf("%+v %v", theirs, err)
	}
	if _, err := Open(signed, origin, own.Verifier, stranger.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("a signature is missing: %v", err)
	}
	if _, err := Open(signed, origin); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("no key: %v", err)
	}
	if _, err := Open(signed, "stint-test/2", own.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another log: %v", err)
	}
	for at := range signed {
		for bit := range 8 {
			bad := bytes.Clone(signed)
			bad[at] ^= 1 << bit
			if _, err := Open(bad, origin, own.Verifier, witness.Verifier); !errors.Is(err, ErrCheckpoint) {
				t.Fatalf("bit %d of byte %d: %v", bit, at, err)
			}
		}
		if _, err := Open(signed[:at], origin, own.Verifier, witness.Verifier); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("cut at %d: %v", at, err)
		}
	}
}

// Texts that the log's own key has signed and that are still refused.
func TestOpenStrict(t *testing.T) {
	t.Parallel()
	own := newKey(t, origin)
	root := strings.Repeat("A", 43) + "="
	for name, text := range map[string]string{
		"extension":       origin + "\n5\n" + root + "\nmore\n",
		"leading zero":    origin + "\n05\n" + root + "\n",
		"plus":            origin + "\n+5\n" + root + "\n",
		"negative":        origin + "\n-5\n" + root + "\n",
		"huge":            origin + "\n18446744073709551615\n" + root + "\n",
		"beyond int":      origin + "\n9223372036854775808\n" + root + "\n",
		"short root":      origin + "\n5\nAAAA\n",
		"odd root":        origin + "\n5\n" + strings.Repeat("A", 42) + "B=\n",
		"no root":         origin + "\n5\n",
		"no origin":       "\n5\n" + root + "\n",
		"origin of space": "a b\n5\n" + root + "\n",
	} {
		signed, err := note.Sign(&note.Note{Text: text}, own.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(signed, strings.SplitN(text, "\n", 2)[0], own.Verifier); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	long := bytes.Repeat([]byte("x"), maxCheckpoint+1)
	if _, err := Open(long, origin, own.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "a+b", "a\nb", "a\x00", "\xff", "a\u00a0b", strings.Repeat("a", 256)} {
		if _, _, err := NewKey(rand.Reader, name); err == nil {
			t.Errorf("a key named %q", name)
		}
		if _, err := Sign(Checkpoint{Origin: name}, newKey(t, "x").Signer); err == nil {
			t.Errorf("a log named %q", name)
		}
	}
	if _, err := Sign(Checkpoint{Origin: origin}); err == nil {
		t.Error("signed by nobody")
	}
}

func FuzzOpen(f *testing.F) {
	own := newKey(f, origin)
	for _, size := range []int64{0, 1, 12345} {
		signed, err := Sign(Checkpoint{Origin: origin, Size: size}, own.Signer)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(signed, true)
		f.Add(signed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		if sign { // lets the fuzzer past the signature
			text, _, _ := bytes.Cut(data, []byte("\n\n"))
			signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, own.Signer)
			if err != nil {
				return // no text that a note can hold
			}
			data = signed
		}
		c, err := Open(data, origin, own.Verifier)
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) || c != (Checkpoint{}) {
				t.Fatalf("%v %v", c, err)
			}
			return
		}
		again, err := Sign(c, own.Signer)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := bytes.Cut(data, []byte("\n\n"))
		if !bytes.HasPrefix(again, append(text, "\n\n"...)) {
			t.Fatalf("%q was accepted and is written %q", data, again)
		}
	})
}
