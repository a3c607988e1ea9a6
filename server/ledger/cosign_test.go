package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func newWitness(t testing.TB, name string, at time.Time) key {
	t.Helper()
	private, public, err := NewWitnessKey(bytes.NewReader(bytes.Repeat([]byte(name[:1]), 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewWitnessSigner(private, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewWitnessVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != name || v.Name() != name || s.KeyHash() != v.KeyHash() {
		t.Fatal("the halves of the key differ")
	}
	return key{s, v}
}

// TestCosignaturesAreAsC2SPHasThem checks a line by the words of the
// specification, not by our own verifier.
func TestCosignaturesAreAsC2SPHasThem(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 12)
	own, at := newKey(t, origin), time.Unix(1679315147, 0)
	witness := newWitness(t, "witness.example/w1", at)
	signed, err := Sign(m.checkpoint(t, 12), own.Signer)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Cosign(signed, own.Verifier, witness.Signer)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(lines))
	if len(fields) != 3 || fields[0] != "—" || fields[1] != "witness.example/w1" || !bytes.HasSuffix(lines, []byte("\n")) {
		t.Fatalf("%q", lines)
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 4+8+64 || binary.BigEndian.Uint64(raw[4:]) != 1679315147 {
		t.Fatalf("%x %v", raw, err)
	}
	body, _, _ := bytes.Cut(signed, []byte("\n\n"))
	message := fmt.Sprintf("cosignature/v1\ntime 1679315147\n%s\n", body)
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("w"), 32)).Public().(ed25519.PublicKey)
	if !ed25519.Verify(public, []byte(message), raw[12:]) {
		t.Fatal("the signature is not over time and body")
	}

	both, err := WithCosignatures(signed, lines, own.Verifier, witness.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(both, origin, own.Verifier, witness.Verifier); err != nil || got.Size != 12 {
		t.Errorf("%v %v", got, err)
	}
	stranger := newWitness(t, "other.example/w", at)
	if _, err := WithCosignatures(signed, lines, own.Verifier, stranger.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another witness's line: %v", err)
	}
	later, err := Sign(m.checkpoint(t, 11), own.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WithCosignatures(later, lines, own.Verifier, witness.Verifier); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another checkpoint's line: %v", err)
	}
	for at := range raw {
		bad := bytes.Clone(raw)
		bad[at] ^= 1
		line := fmt.Sprintf("— witness.example/w1 %s\n", base64.StdEncoding.EncodeToString(bad))
		if _, err := WithCosignatures(signed, []byte(line), own.Verifier, witness.Verifier); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("byte %d is changed: %v", at, err)
		}
	}
	if _, err := Cosign(signed, newKey(t, "unknown").Verifier, witness.Signer); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("cosigned for a log it does not know: %v", err)
	}
}

func TestWitnessKeysAreStrict(t *testing.T) {
	t.Parallel()
	private, public, err := NewWitnessKey(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	_, logKey, err := NewKey(bytes.NewReader(make([]byte, 32)), "w")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "w", "w+1", strings.Replace(public, "w+", "v+", 1), public + "A", private, logKey} {
		if v, err := NewWitnessVerifier(bad); err == nil {
			t.Errorf("%q makes %v", bad, v)
		}
	}
	for _, bad := range []string{"", public, strings.Replace(private, "+w+", "+v+", 1), private[:len(private)-4]} {
		if _, err := NewWitnessSigner(bad, time.Now); err == nil {
			t.Errorf("%q makes a signer", bad)
		}
	}
	if _, _, err := NewWitnessKey(bytes.NewReader(make([]byte, 32)), "a b"); err == nil {
		t.Error("a name with a space")
	}
}

func TestSubmission(t *testing.T) {
	t.Parallel()
	m, _ := build(t, 12)
	proof, err := ProveConsistency(5, 12, m)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := Sign(m.checkpoint(t, 12), newKey(t, origin).Signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Submission{{Old: 0, Checkpoint: signed, Proof: []Hash{}}, {Old: 5, Proof: proof.Path, Checkpoint: signed}} {
		got, err := ParseSubmission(s.Encode())
		if err != nil || got.Old != s.Old || len(got.Proof) != len(s.Proof) || !bytes.Equal(got.Checkpoint, signed) || OriginOf(got.Checkpoint) != origin {
			t.Errorf("%+v %v", got, err)
		}
	}
	hash := strings.Repeat("A", 43) + "=\n"
	for _, bad := range []string{"", "old 1\n", "old 01\n\nx", "old -1\n\nx", "old +1\n\nx", "size 1\n\nx", "old 1\nAAAA\n\nx",
		"old 1\n" + strings.Repeat("A", 42) + "B=\n\nx", "old 1\n" + strings.Repeat(hash, 64) + "\nx", "old 999999999999999999\n\nx",
		"old 1\n\n" + strings.Repeat("x", MaxSubmission)} {
		if _, err := ParseSubmission([]byte(bad)); !errors.Is(err, ErrSubmission) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func FuzzParseSubmission(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ParseSubmission(body)
		if err == nil && !bytes.Equal(s.Encode(), body) {
			t.Fatalf("%q is written %q", body, s.Encode())
		}
	})
}

func FuzzWithCosignatures(f *testing.F) {
	own, witness := newKey(f, origin), newWitness(f, "w", time.Unix(1, 0))
	signed, err := Sign(Checkpoint{Origin: origin, Size: 3}, own.Signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		both, err := WithCosignatures(signed, lines, own.Verifier, witness.Verifier)
		if err != nil {
			return
		}
		if _, err := Open(both, origin, []note.Verifier{own.Verifier, witness.Verifier}...); err != nil {
			t.Fatal(err)
		}
	})
}
