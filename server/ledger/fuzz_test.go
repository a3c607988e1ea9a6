package ledger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// FuzzNewWitnessVerifier: a witness's key that is taken has one spelling of its name
// and key.
func FuzzNewWitnessVerifier(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		verifier, err := NewWitnessVerifier(text)
		if err != nil {
			return
		}
		key := verifier.(*witnessVerifier).key
		again := fmt.Sprintf("%s+%08x+%s", verifier.Name(), verifier.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, key...)))
		if again != text {
			t.Fatalf("%q was taken, and is written %q", text, again)
		}
	})
}

// FuzzProofs: of all proofs that could come from a broker or a signer, none shows
// another leaf, another place or another tree than there is.
func FuzzProofs(f *testing.F) {
	const size, before = 13, 6
	m, _ := build(f, size)
	now, then := m.checkpoint(f, size), m.checkpoint(f, before)
	f.Fuzz(func(t *testing.T, inclusion, consistency []byte) {
		var in Inclusion
		if json.Unmarshal(inclusion, &in) == nil {
			for leaf := range int64(size) {
				err := in.Check(LeafHash(data(int(leaf))), now)
				if err != nil {
					if !errors.Is(err, ErrProof) {
						t.Fatal(err)
					}
					continue
				}
				honest, err := ProveInclusion(leaf, size, m)
				if err != nil || in.Index != leaf || in.Size != size || !slices.Equal(in.Path, honest.Path) {
					t.Fatalf("%s shows leaf %d (%v)", inclusion, leaf, err)
				}
			}
		}
		var on Consistency
		if json.Unmarshal(consistency, &on) != nil {
			return
		}
		if err := on.Check(then, now); err != nil {
			if !errors.Is(err, ErrProof) {
				t.Fatal(err)
			}
		} else if honest, err := ProveConsistency(before, size, m); err != nil || !slices.Equal(on.Path, honest.Path) {
			t.Fatalf("%s shows that the log goes on (%v)", consistency, err)
		}
		if on.Check(now, then) == nil {
			t.Fatalf("%s shows that the log shrank", consistency)
		}
	})
}
