package keys

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"
)

// box opens and seals cheaply.
func box(instance, passphrase string) *sealer {
	return &sealer{instance: instance, passphrase: []byte(passphrase), cost: 1 << 10}
}

func makeKeys(t *testing.T, passphrase string) (string, *Ring) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Load(dir, "k3f9x2mq", nil); !errors.Is(err, ErrNone) {
		t.Fatalf("Load before Generate: %v", err)
	}
	ring, err := generate(dir, box("k3f9x2mq", passphrase), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return dir, ring
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	for name, passphrase := range map[string]string{"plain": "", "encrypted": "correct horse"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, made := makeKeys(t, passphrase)
			loaded, err := load(dir, box("k3f9x2mq", passphrase))
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, pair := range [][2]ssh.Signer{{made.User(), loaded.User()}, {made.Target(), loaded.Target()}, {made.Host(), loaded.Host()}} {
				if Public(pair[0]) != Public(pair[1]) {
					t.Error("a key changed between making and loading")
				}
				seen[Public(pair[0])] = true
			}
			if len(seen) != 3 {
				t.Error("two authorities share a key")
			}
			signed, err := note.Sign(&note.Note{Text: "text\n"}, made.Log())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := note.Open(signed, note.VerifierList(loaded.Verifier())); err != nil {
				t.Error(err)
			}
			if !strings.HasPrefix(loaded.VerifierKey(), "stint-signer/k3f9x2mq/") {
				t.Errorf("the log is named %s", loaded.VerifierKey())
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 4 {
				t.Fatal(entries, err)
			}
			for _, entry := range entries {
				info, err := entry.Info()
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: mode %v, %v", entry.Name(), info.Mode(), err)
				}
			}
		})
	}
}

func TestThePassphraseIsStretched(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Generate(dir, "k3f9x2mq", []byte("correct horse"), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := load(dir, box("k3f9x2mq", "correct horse")); err == nil {
		t.Error("the passphrase is stretched no more than in tests")
	}
	if _, err := Load(dir, "k3f9x2mq", []byte("correct horse")); err != nil {
		t.Error(err)
	}
}

func TestASecondGenerateKeepsTheFirstKeys(t *testing.T) {
	t.Parallel()
	dir, made := makeKeys(t, "")
	if _, err := Generate(dir, "k3f9x2mq", nil, rand.Reader); err == nil {
		t.Fatal("keys were replaced")
	}
	loaded, err := Load(dir, "k3f9x2mq", nil)
	if err != nil || Public(loaded.User()) != Public(made.User()) {
		t.Fatal("keys were replaced", err)
	}
}

func TestKeysThatMustNotLoad(t *testing.T) {
	t.Parallel()
	change := func(t *testing.T, dir, name string, f func([]byte) []byte) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), f(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		made, given, instance string
		harm                  func(t *testing.T, dir string)
		says                  string
	}{
		"wrong passphrase":   {"right", "wrong", "k3f9x2mq", nil, "does not open"},
		"no passphrase":      {"right", "", "k3f9x2mq", nil, "key_passphrase_file"},
		"plain where sealed": {"", "right", "k3f9x2mq", nil, "not encrypted"},
		"another instance":   {"", "", "zzzzzzzz", nil, "instance"},
		"missing": {"", "", "k3f9x2mq", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, targetCA)); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		"readable by others": {"", "", "k3f9x2mq", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, hostCA), 0o640); err != nil {
				t.Fatal(err)
			}
		}, "read by others"},
		"one key for another": {"", "", "k3f9x2mq", func(t *testing.T, dir string) {
			user, err := os.ReadFile(filepath.Join(dir, userCA))
			if err != nil {
				t.Fatal(err)
			}
			change(t, dir, targetCA, func([]byte) []byte { return user })
		}, "is for"},
		"renamed and sealed": {"right", "right", "k3f9x2mq", func(t *testing.T, dir string) {
			user, err := os.ReadFile(filepath.Join(dir, userCA))
			if err != nil {
				t.Fatal(err)
			}
			change(t, dir, targetCA, func([]byte) []byte {
				return bytes.Replace(user, []byte("Name: "+userCA), []byte("Name: "+targetCA), 1)
			})
		}, "does not open"},
		"cut short": {"", "", "k3f9x2mq", func(t *testing.T, dir string) {
			change(t, dir, logKey, func(data []byte) []byte { return data[:len(data)/2] })
		}, "not a key file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := makeKeys(t, c.made)
			if c.harm != nil {
				c.harm(t, dir)
			}
			if _, err := load(dir, box(c.instance, c.given)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Load = %v; want it to say %q", err, c.says)
			}
		})
	}
}
