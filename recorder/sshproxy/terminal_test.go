package sshproxy

import (
	"strings"
	"testing"
)

func TestPlainModes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, modes, want string }{
		{"none", "", "\x00"},
		{"what a client sends", "\x03\x00\x00\x00\x7f\x35\x00\x00\x00\x01\x81\x00\x00\x96\x00\x00", "\x03\x00\x00\x00\x7f\x35\x00\x00\x00\x01\x81\x00\x00\x96\x00\x00"},
		{"text behind the end", "\x35\x00\x00\x00\x01\x00text", "\x35\x00\x00\x00\x01\x00"},
		{"unknown modes", "\x14text\x9ftext", "\x00"},
		{"values out of range", "\x03text\x35text\x80text", "\x00"},
		{"a mode twice", "\x35\x00\x00\x00\x01\x35\x00\x00\x00\x00", "\x35\x00\x00\x00\x01\x00"},
		{"a torn mode", "\x35\x00\x00", "\x00"},
	} {
		if got := plainModes(test.modes); got != test.want {
			t.Errorf("%s: %q became %q, want %q", test.name, test.modes, got, test.want)
		}
	}
}

func FuzzPlainModes(f *testing.F) {
	f.Fuzz(func(t *testing.T, modes string) {
		kept := plainModes(modes)
		if !strings.HasSuffix(kept, "\x00") || len(kept) > 5*80+1 || plainModes(kept) != kept {
			t.Errorf("%q became %q", modes, kept)
		}
	})
}
