package cast

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSealJSON(t *testing.T) {
	t.Parallel()
	_, seals := small(t, Options{})
	text, err := json.Marshal(seals[0])
	if err != nil {
		t.Fatal(err)
	}
	var back Seal
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(back, seals[0]) {
		t.Errorf("%s: %v", text, err)
	}
	good := seals[0].Head.String()
	for name, bad := range map[string]string{
		"short": good[4:], "long": good + "AAAA", "empty": "", "hex": strings.Repeat("ab", 32),
		"newline": good[:20] + "\n" + good[20:], "unused bits": strings.Repeat("A", 42) + "B=", "no padding": good[:43],
	} {
		var h Head
		if err := h.UnmarshalText([]byte(bad)); err == nil || h != (Head{}) {
			t.Errorf("%s is a head", name)
		}
	}
}

func TestBreak(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	data[seals[1].End-100] ^= 1
	_, err := Verify(strings.NewReader(string(data)), seals, everything)
	var b *Break
	if !errors.As(err, &b) || b.Segment != 2 || b.Offset < seals[0].End || b.Offset >= seals[1].End ||
		!strings.Contains(err.Error(), "in segment 2 at byte") {
		t.Errorf("%v", err)
	}
	if _, err := Verify(strings.NewReader(string(data)), []Seal{{Sequence: 2}}, everything); err == nil {
		t.Error("seals that do not begin with the first")
	}
}
