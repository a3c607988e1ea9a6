package policies

import (
	"strings"
	"testing"
	"unicode"
)

// folded goes with strings.EqualFold for every character that has a case, and more.
func TestFolded(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x1FFFF; r++ {
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			if folded(string(next)) != folded(string(r)) {
				t.Fatalf("%q and %q are folded apart", r, next)
			}
		}
		if one := folded(string(r)); !strings.EqualFold(one, string(r)) {
			t.Fatalf("%q is folded to %q", r, one)
		}
	}
}
