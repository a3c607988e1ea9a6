package keys

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/evidence"
)

const instance = "k3f9x2mq"

// box opens and seals cheaply.
func box(instance, passphrase string) *sealer {
	return &sealer{instance: instance, passphrase: []byte(passphrase), cost: 1 << 10}
}

func settings(directory string) Settings {
	return Settings{Directory: directory, Instance: instance, Random: rand.Reader}
}

func makeKeys(t *testing.T, passphrase string) (string, *Ring) {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "keys")
	if _, err := Load(settings(directory)); !errors.Is(err, ErrNone) {
		t.Fatalf("Load before Generate: %v", err)
	}
	ring, err := generate(settings(directory), box(instance, passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return directory, ring
}

func mustMake(t *testing.T, ring *Ring, purpose string) string {
	t.Helper()
	public, err := ring.Make(purpose)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// signs tells whether the ring signs with a key, and checks what it signed.
func signs(t *testing.T, ring *Ring, public string) bool {
	t.Helper()
	key, err := ring.Signer(public)
	if errors.Is(err, ErrMissing) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	var random [16]byte
	statement, err := evidence.Encode(&evidence.Succession{
		Instance: instance, Purpose: evidence.PurposeUserCA, Key: public, Predecessor: public, Issued: time.Unix(1_800_000_000, 0).UTC(), Nonce: evidence.NewNonce(random),
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := evidence.SignWithAuthority(statement, key)
	if err != nil {
		t.Fatal(err)
	}
	if !evidence.VerifySuccession(signed) {
		t.Errorf("the signature of %s is wrong", public)
	}
	return true
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	for name, passphrase := range map[string]string{"plain": "", "encrypted": "correct horse"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory, made := makeKeys(t, passphrase)
			publics := map[string]string{}
			for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeHostCA, evidence.PurposeToken} {
				publics[purpose] = mustMake(t, made, purpose)
				if !signs(t, made, publics[purpose]) {
					t.Errorf("the new key for %s does not sign", purpose)
				}
			}
			if !strings.HasPrefix(publics[evidence.PurposeToken], "ecdsa-sha2-nistp256 ") {
				t.Errorf("clouds cannot use %s", publics[evidence.PurposeToken])
			}
			loaded, err := load(settings(directory), box(instance, passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if err := loaded.Open(evidence.PurposeUserCA, publics[evidence.PurposeHostCA]); !errors.Is(err, ErrMissing) {
				t.Errorf("a host CA is opened as a user CA: %v", err)
			}
			for purpose, public := range publics {
				if signs(t, loaded, public) {
					t.Error("a key signs before it was opened")
				}
				if err := loaded.Open(purpose, public); err != nil || !signs(t, loaded, public) {
					t.Errorf("the key for %s was not kept: %v", purpose, err)
				}
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
			entries, err := os.ReadDir(directory)
			if err != nil || len(entries) != 4 {
				t.Fatal(entries, err)
			}
			for _, entry := range entries {
				info, err := entry.Info()
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: mode %v, %v", entry.Name(), info.Mode(), err)
				}
				if data, err := os.ReadFile(filepath.Join(directory, entry.Name())); err != nil || passphrase != "" && !bytes.Contains(data, []byte(cipherName)) {
					t.Errorf("%s is not encrypted: %v", entry.Name(), err)
				}
			}
			if err := loaded.Close(); err != nil || signs(t, loaded, publics[evidence.PurposeUserCA]) {
				t.Errorf("a closed ring signs; %v", err)
			}
			if _, err := loaded.Make(evidence.PurposeUserCA); err == nil {
				t.Error("a closed ring, which has forgotten the passphrase, makes a key")
			}
			if later, err := os.ReadDir(directory); err != nil || len(later) != len(entries) {
				t.Error("a closed ring leaves a file", later, err)
			}
		})
	}
}

func TestWhatIsNotKeptSignsNoMore(t *testing.T) {
	t.Parallel()
	directory, ring := makeKeys(t, "correct horse")
	stays, goes := mustMake(t, ring, evidence.PurposeUserCA), mustMake(t, ring, evidence.PurposeUserCA)
	held, err := ring.Signer(goes)
	if err != nil {
		t.Fatal(err)
	}
	// Left by a kill, unreadable, and not ours.
	for name, text := range map[string]string{"host-ca-0123456789abcdef.tmp": "half", "host-ca-0123456789abcdef": "damaged", "notes": "of somebody's"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := ring.Keep([]string{stays}); err != nil {
		t.Fatal(err)
	}
	if !signs(t, ring, stays) || signs(t, ring, goes) {
		t.Error("the wrong key was kept")
	}
	if _, err := held.Sign(rand.Reader, []byte("text"), crypto.Hash(0)); !errors.Is(err, ErrMissing) {
		t.Errorf("who took the key before can still sign: %v", err)
	}
	if err := ring.Open(evidence.PurposeUserCA, goes); !errors.Is(err, ErrMissing) {
		t.Errorf("its file is still there: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil || len(files) != 4 { // the log's, the kept, the damaged, and the notes
		t.Error(files, err)
	}
}

func TestThePassphraseIsStretched(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "keys")
	with := func() Settings {
		s := settings(directory)
		s.Passphrase = []byte("correct horse")
		return s
	}
	if _, err := Generate(with()); err != nil {
		t.Fatal(err)
	}
	if _, err := load(settings(directory), box(instance, "correct horse")); err == nil {
		t.Error("the passphrase is stretched no more than in tests")
	}
	if _, err := Load(with()); err != nil {
		t.Error(err)
	}
}

func TestASecondGenerateKeepsTheFirstKeys(t *testing.T) {
	t.Parallel()
	directory, made := makeKeys(t, "")
	if _, err := Generate(settings(directory)); err == nil {
		t.Fatal("keys were replaced")
	}
	loaded, err := Load(settings(directory))
	if err != nil || loaded.VerifierKey() != made.VerifierKey() {
		t.Fatal("keys were replaced", err)
	}
}

func TestKeysThatMustNotOpen(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T, path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	write := func(t *testing.T, path string, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		made, given, instance string
		harm                  func(t *testing.T, key, other, log string)
		says                  string
	}{
		"wrong passphrase":   {"right", "wrong", instance, nil, "does not open"},
		"no passphrase":      {"right", "", instance, nil, "key_passphrase_file"},
		"plain where sealed": {"", "right", instance, nil, "not encrypted"},
		"another instance":   {"", "", "zzzzzzzz", nil, "instance"},
		"missing": {"", "", instance, func(t *testing.T, key, _, _ string) {
			if err := os.Remove(key); err != nil {
				t.Fatal(err)
			}
		}, "no file"},
		"readable by others": {"", "", instance, func(t *testing.T, key, _, _ string) {
			if err := os.Chmod(key, 0o640); err != nil {
				t.Fatal(err)
			}
		}, "read by others"},
		"one key for another": {"", "", instance, func(t *testing.T, key, other, _ string) {
			write(t, key, read(t, other))
		}, "is for"},
		"renamed": {"", "", instance, func(t *testing.T, key, other, _ string) {
			write(t, key, bytes.Replace(read(t, other), []byte(filepath.Base(other)), []byte(filepath.Base(key)), 1))
		}, "another one in its place"},
		"renamed and sealed": {"right", "right", instance, func(t *testing.T, key, other, _ string) {
			write(t, key, bytes.Replace(read(t, other), []byte(filepath.Base(other)), []byte(filepath.Base(key)), 1))
		}, "does not open"},
		"cut short": {"", "", instance, func(t *testing.T, _, _, log string) {
			data := read(t, log)
			write(t, log, data[:len(data)/2])
		}, "not a key file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory, made := makeKeys(t, c.made)
			key, other := mustMake(t, made, evidence.PurposeTargetCA), mustMake(t, made, evidence.PurposeUserCA)
			if c.harm != nil {
				path := func(name string) string { return filepath.Join(directory, name) }
				c.harm(t, path(fileName(evidence.PurposeTargetCA, key)), path(fileName(evidence.PurposeUserCA, other)), path(logKey))
			}
			ring, err := load(settings(directory), box(c.instance, c.given))
			if err == nil {
				err = ring.Open(evidence.PurposeTargetCA, key)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v; want it to say %q", err, c.says)
			}
		})
	}
}

// TestAnotherKeysSignature: what is handed out was checked, wherever the key is.
func TestAnotherKeysSignature(t *testing.T) {
	t.Parallel()
	for _, purpose := range []string{evidence.PurposeUserCA, evidence.PurposeToken} {
		_, ring := makeKeys(t, "")
		one, other := mustMake(t, ring, purpose), mustMake(t, ring, purpose)
		ring.open[one].key = ring.open[other].key
		key, err := ring.Signer(one)
		if err != nil {
			t.Fatal(err)
		}
		if signed, err := evidence.SignWithAuthority("text", key); err == nil || signed.Signature != "" || !strings.Contains(err.Error(), "not this key's") {
			t.Errorf("%s: %v, %v", purpose, signed, err)
		}
	}
}

// slow is a store that deletes when it is let.
type slow struct {
	store
	deletes, goOn chan struct{}
}

func (s slow) keep(keeping func(string) bool) error {
	close(s.deletes)
	<-s.goOn
	return s.store.keep(keeping)
}

// TestASlowStoreHoldsUpNoSignature: a key service may take half a minute to delete.
func TestASlowStoreHoldsUpNoSignature(t *testing.T) {
	t.Parallel()
	_, ring := makeKeys(t, "")
	stays, goes := mustMake(t, ring, evidence.PurposeUserCA), mustMake(t, ring, evidence.PurposeUserCA)
	store := slow{ring.store, make(chan struct{}), make(chan struct{})}
	ring.store = store
	kept := make(chan error, 1)
	go func() { kept <- ring.Keep([]string{stays}) }()
	<-store.deletes
	if !signs(t, ring, stays) || signs(t, ring, goes) {
		t.Error("the wrong key signs while the store deletes")
	}
	close(store.goOn)
	if err := <-kept; err != nil {
		t.Error(err)
	}
}
