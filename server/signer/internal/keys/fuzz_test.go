package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzKeyFile: whatever stands in the place of an encrypted key's file, it opens as
// the secret that was sealed for this name and instance, or not at all; and a plain
// file never takes the place of an encrypted one.
func FuzzKeyFile(f *testing.F) {
	const name, secret = "user-ca", "a secret of thirty-two bytes: ok"
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := box(instance, "correct horse").read(dir, name)
		if err == nil && string(got) != secret {
			t.Errorf("%q opens as %q", text, got)
		}
		if _, other := box("another", "correct horse").read(dir, name); err == nil && other == nil {
			t.Errorf("%q opens for two instances", text)
		}
		if _, err := box(instance, "another").read(dir, name); err == nil {
			t.Errorf("%q opens by another passphrase", text)
		}
		// Without a passphrase: what is read is written and read alike.
		plain := box(instance, "")
		got, err = plain.read(dir, name)
		if err != nil {
			return
		}
		if err := plain.write(dir, name, got, nil); err != nil {
			t.Fatal(err)
		}
		if again, err := plain.read(dir, name); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%q, then %q, %v", got, again, err)
		}
	})
}
