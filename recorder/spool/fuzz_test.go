package spool

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stint/recorder/cast"
)

// FuzzReadSeals: of a list of seals everything is read that is whole, in order, and a
// line that the proxy died in changes nothing of it.
func FuzzReadSeals(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "list"+sealsSuffix)
		read := func(text string) []cast.Seal {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			seals, err := readSeals(path)
			if err != nil {
				t.Fatal(err)
			}
			return seals
		}
		seals := read(string(text))
		var again strings.Builder
		for _, seal := range seals {
			line, err := json.Marshal(seal)
			if err != nil {
				t.Fatal(err)
			}
			again.Write(append(line, '\n'))
		}
		if got := read(again.String()); !slices.Equal(got, seals) {
			t.Fatalf("%+v reads as %+v", seals, got)
		}
		if got := read(again.String() + `{"sequence":9,"head":"AAAA`); !slices.Equal(got, seals) {
			t.Fatalf("with a torn line %+v reads as %+v", seals, got)
		}
	})
}
