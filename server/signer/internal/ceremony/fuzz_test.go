package ceremony

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzReadLinks: links that are read are kept as they are; one that counts as ours
// leads to this page with a secret as long as those that are made.
func FuzzReadLinks(f *testing.F) {
	const origin = "https://stint.example.com:8443"
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "ceremony.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		links, err := readLinks(path)
		if err != nil {
			return
		}
		for _, link := range links {
			if secret, here := strings.CutPrefix(link.URL, origin+"/#"); ours(link.URL, origin) && (!here || len(secret) != 32) {
				t.Errorf("%q counts as ours", link.URL)
			}
		}
		if err := keepLinks(path, links); err != nil {
			t.Fatal(err)
		}
		if again, err := readLinks(path); err != nil || !slices.Equal(again, links) {
			t.Errorf("%+v, then %+v, %v", links, again, err)
		}
	})
}
