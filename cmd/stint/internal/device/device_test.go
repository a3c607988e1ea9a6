package device

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stint/server/evidence"
)

var now = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// checkSignature verifies as a server would: from the public key's text alone.
func checkSignature(t *testing.T, public string, data, signature []byte) {
	t.Helper()
	key, err := parsePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(data)
	if len(signature) != 64 || !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Errorf("the signature does not hold: %x", signature)
	}
}

func TestKeyInFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "home")
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrNone) {
		t.Fatalf("nothing there yet: %v", err)
	}
	made, err := Create(t.Context(), dir, "", false, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Public() != made.Public() || opened.Held() != HeldInFile || opened.Proof() != nil || !opened.Made().Equal(now) {
		t.Errorf("opened %q held %q, made %v", opened.Public(), opened.Held(), opened.Made())
	}
	if !strings.HasPrefix(made.Public(), "ecdsa-sha2-nistp256 ") || strings.ContainsRune(made.Public(), '\n') {
		t.Errorf("public key %q", made.Public())
	}
	signature, err := opened.Sign(t.Context(), rand.Reader, []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	checkSignature(t, made.Public(), []byte("data"), signature)
	if _, err := opened.Answer(t.Context(), evidence.DeviceChallenge{}); err == nil {
		t.Error("a file answers a TPM's challenge")
	}

	// One key a machine, unless another is asked for by name.
	if _, err := Create(t.Context(), dir, "", false, now, rand.Reader); !errors.Is(err, ErrExists) {
		t.Errorf("a second key: %v", err)
	}
	if again, err := Open(t.Context(), dir); err != nil || again.Public() != made.Public() {
		t.Errorf("the refused second key changed the first: %v", err)
	}
	other, err := Create(t.Context(), dir, "", true, now, rand.Reader)
	if err != nil || other.Public() == made.Public() {
		t.Errorf("replacing: %v", err)
	}

	path := filepath.Join(dir, fileName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file that the group may read: %v", err)
	}
}

// A replacement that fails leaves the key there was.
func TestFailedReplacementChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := Create(t.Context(), dir, "", false, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), dir, filepath.Join(dir, "no-tpm"), true, now, rand.Reader); !errors.Is(err, ErrNoTPM) {
		t.Errorf("no TPM there: %v", err)
	}
	if kept, err := Open(t.Context(), dir); err != nil || kept.Public() != made.Public() {
		t.Errorf("the key changed: %v", err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	t.Parallel()
	var r record
	if err := r.inFile(rand.Reader); err != nil {
		t.Fatal(err)
	}
	r.Version = 1
	var other record
	if err := other.inFile(rand.Reader); err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record){
		"another version":        func(r *record) { r.Version = 2 },
		"another's private key":  func(r *record) { r.Private = other.Private },
		"no private key":         func(r *record) { r.Private = nil },
		"held nowhere":           func(r *record) { r.Held = "" },
		"held in a TPM, no TPM":  func(r *record) { r.Held = HeldInTPM },
		"a TPM and a file":       func(r *record) { r.TPM = &tpmRecord{} },
		"a TPM without proof":    func(r *record) { r.Held, r.Private, r.TPM = HeldInTPM, nil, &tpmRecord{} },
		"a public key's comment": func(r *record) { r.Public += " me" },
		"a second line":          func(r *record) { r.Public += "\n" },
		"an option":              func(r *record) { r.Public = "restrict " + r.Public },
		"another kind of key": func(r *record) {
			r.Public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
		},
	} {
		bad := r
		change(&bad)
		data, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(data); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "no object": "7", "something behind it": string(good) + "{}",
		"an unknown field": `{"more":1,` + string(good[1:]), "too long": string(good) + strings.Repeat(" ", maxFile),
	} {
		if _, err := parse([]byte(text)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no file is refused at once, even a pipe that nobody writes to.
func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a pipe: %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a directory: %v", err)
	}
}

// answering listens as a TPM that gives every command the same answer.
func answering(t *testing.T, code uint32) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "tpm"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			command := make([]byte, 4096)
			for {
				if _, err := connection.Read(command); err != nil {
					break
				}
				// TPM_ST_NO_SESSIONS, the length, the code.
				answer := []byte{0x80, 0x01, 0, 0, 0, 10, byte(code >> 24), byte(code >> 16), byte(code >> 8), byte(code)}
				if _, err := connection.Write(answer); err != nil {
					break
				}
			}
			connection.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

// What a TPM answers decides what its owner is told to do.
func TestTPMAnswersAreToldApart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code uint32
		want error
	}{
		"yielded":              {0x908, ErrBusy},
		"no room for objects":  {0x902, ErrBusy},
		"testing":              {0x90a, ErrBusy},
		"locked out":           {0x921, ErrLocked},
		"integrity":            {0x1df, ErrCleared},
		"a bad authorization":  {0x9a2, nil},
		"no such command code": {0x143, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Create(t.Context(), t.TempDir(), answering(t, test.code), false, now, rand.Reader)
			if err == nil {
				t.Fatal("a key was made")
			}
			for _, kind := range []error{ErrBusy, ErrLocked, ErrCleared, ErrNoTPM, ErrForbidden} {
				if got, want := errors.Is(err, kind), kind == test.want; got != want {
					t.Errorf("%v is %q: %v, want %v", err, kind, got, want)
				}
			}
		})
	}
}

// A TPM that does not answer in time is busy; a call that was cancelled is not.
func TestTimesOfTPM(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := Create(over, t.TempDir(), answering(t, 0), false, now, rand.Reader); !errors.Is(err, ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too late: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Create(cancelled, t.TempDir(), answering(t, 0), false, now, rand.Reader); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The library waits and tries again by itself, for seconds, before it gives up.
func TestRetryIsBusy(t *testing.T) {
	t.Parallel()
	c := &channel{ctx: t.Context(), code: 0x922}
	if err := c.explain("signing", io.EOF); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}

func TestWhatIsNoTPMIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("no TPM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(t.Context(), t.TempDir(), path, false, now, rand.Reader); err == nil {
		t.Error("a file is taken for a TPM")
	}
	// /dev/null swallows commands and answers nothing.
	if _, err := Create(t.Context(), t.TempDir(), "/dev/null", false, now, rand.Reader); err == nil {
		t.Error("/dev/null makes keys")
	}
}

// recorded is the file of a key that an emulated TPM made, without the parts that
// only that TPM can use.
func recorded(tb testing.TB) record {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tpm.json"))
	if err != nil {
		tb.Fatal(err)
	}
	key, err := parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return key.record
}

// A file whose proof is another key's is damaged: the signer would refuse it.
func TestRecordedProofIsTheKeys(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	var other record
	if err := other.inFile(rand.Reader); err != nil {
		t.Fatal(err)
	}
	r.Public = other.Public
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(data); !errors.Is(err, ErrDamaged) {
		t.Errorf("another key's proof: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	var file record
	if err := file.inFile(rand.Reader); err != nil {
		f.Fatal(err)
	}
	file.Version = 1
	for _, r := range []record{file, recorded(f)} {
		data, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(key.record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Errorf("what was read is not read again: %v", err)
		}
	})
}
