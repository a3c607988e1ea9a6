//go:build e2e && linux

package device

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-attestation/attest"
	"github.com/google/go-tpm/legacy/tpm2"
	"github.com/google/go-tpm/tpmutil"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// emulator is a TPM in software (swtpm), unprivileged, with its state in a directory.
type emulator struct {
	socket string
	state  string
	stop   func()
}

// startTPM starts a TPM on the state in a directory; an empty one makes a new TPM.
func startTPM(t *testing.T, state string) *emulator {
	t.Helper()
	// Socket names are short; a test's directory may be long.
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &emulator{socket: filepath.Join(dir, "tpm"), state: state}
	command := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state,
		"--server", "type=unixio,path="+e.socket, "--flags", "not-need-init,startup-clear")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatalf("swtpm (the Debian package swtpm) does not start: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	stopped := false
	e.stop = func() {
		if !stopped {
			stopped = true
			_ = command.Process.Kill()
			<-done
		}
	}
	t.Cleanup(e.stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if connection, err := net.Dial("unix", e.socket); err == nil {
			connection.Close()
			return e
		}
		select {
		case err := <-done:
			stopped = true
			t.Fatalf("swtpm ended: %v\n%s", err, output.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("swtpm does not listen:\n%s", output.String())
		}
	}
}

// command runs TPM commands of the test's own.
func (e *emulator) command(t *testing.T, do func(io.ReadWriter) error) {
	t.Helper()
	connection, err := net.Dial("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := do(connection); err != nil {
		t.Fatal(err)
	}
}

// certify puts an endorsement certificate where a TPM's maker would.
func (e *emulator) certify(t *testing.T, maker *evidencetest.TPMMaker) {
	t.Helper()
	var certificate []byte
	if err := use(t.Context(), e.socket, "reading the endorsement key", func(tpm *attest.TPM) error {
		keys, err := tpm.EKs()
		if err == nil {
			certificate = maker.Certificate(t, keys[0].Public)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const index = 0x1c00002 // the registry's place for the certificate of the RSA key
	e.command(t, func(tpm io.ReadWriter) error {
		attributes := tpm2.AttrOwnerWrite | tpm2.AttrOwnerRead | tpm2.AttrAuthRead | tpm2.AttrNoDA
		if err := tpm2.NVDefineSpace(tpm, tpm2.HandleOwner, index, "", "", nil, attributes, uint16(len(certificate))); err != nil {
			return err
		}
		for offset := 0; offset < len(certificate); offset += 512 {
			part := certificate[offset:min(offset+512, len(certificate))]
			if err := tpm2.NVWrite(tpm, tpm2.HandleOwner, index, "", tpmutil.U16Bytes(part), uint16(offset)); err != nil {
				return err
			}
		}
		return nil
	})
}

// enrolment is a key's, as Alice's.
func enrolment(t *testing.T, w *evidencetest.World, key *Key) evidence.DeviceEvidence {
	t.Helper()
	s := w.DeviceStatement(&evidencetest.Device{ID: "dev-1", Public: key.Public()})
	s.Held = string(key.Held())
	text := evidencetest.Text(t, s)
	possession, err := key.Sign(t.Context(), rand.Reader, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return evidence.DeviceEvidence{
		Statement: text, Possession: evidence.SignatureOfDevice(possession), TPM: key.Proof(),
		Login: evidence.LoginProof{Binding: *w.Binding(t), Signature: evidence.SignWithKey(text, w.Login.Private).Signature},
	}
}

// challenged is what the signer makes of a key's enrolment, and its challenge.
func challenged(t *testing.T, w *evidencetest.World, key *Key) (*evidence.Challenger, evidence.VerifiedDevice, evidence.DeviceChallenge) {
	t.Helper()
	challenger, err := evidence.NewChallenger(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := evidence.VerifyDevice(enrolment(t, w, key), w.Trust, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := challenger.Challenge(verified, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	return challenger, verified, challenge
}

func TestKeyInTPM(t *testing.T) {
	t.Parallel()
	state, home, now := t.TempDir(), t.TempDir(), time.Now()
	w := evidencetest.NewWorld(t)
	maker := evidencetest.NewTPMMaker(t, w.Now)
	w.Believe(maker, "Acme")
	tpm := startTPM(t, state)
	tpm.certify(t, maker)
	key, err := Create(t.Context(), home, tpm.socket, false, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if key.Held() != HeldInTPM || key.Proof() == nil {
		t.Fatalf("held %q, proof %v", key.Held(), key.Proof())
	}
	data, err := os.ReadFile(filepath.Join(home, fileName))
	if err != nil || bytes.Contains(data, []byte(`"private"`)) {
		t.Fatalf("the file of a key in a TPM: %v\n%s", err, data)
	}

	// It survives a restart, of the TPM and of the program.
	tpm.stop()
	tpm = startTPM(t, state)
	moveTo(t, home, tpm.socket)
	opened, err := Open(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // more than a TPM has room for, were they not let go
		signature, err := opened.Sign(t.Context(), rand.Reader, []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		checkSignature(t, key.Public(), []byte("data"), signature)
	}

	// Its proof holds, is of the maker's TPM, and this TPM answers for it.
	challenger, verified, challenge := challenged(t, w, opened)
	if verified.MakerRoot() != maker.Digest() {
		t.Errorf("the maker's root is %q", verified.MakerRoot())
	}
	answer, err := opened.Answer(t.Context(), challenge)
	if err != nil {
		t.Fatal(err)
	}
	if verified, err = challenger.Answered(verified, answer, w.Now); err != nil {
		t.Fatalf("the TPM's answer: %v", err)
	}
	if _, err := verified.Entry(); err != nil {
		t.Error(err)
	}

	// A cancelled call gives up, and says that it was cancelled.
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opened.Sign(cancelled, rand.Reader, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled signature: %v", err)
	}
}

func TestClearedTPMIsToldApart(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	tpm := startTPM(t, t.TempDir())
	key, err := Create(t.Context(), home, tpm.socket, false, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, verified, challenge := challenged(t, evidencetest.NewWorld(t), key)
	if verified.MakerRoot() != "" {
		t.Error("a TPM without a certificate has a maker")
	}

	// Another TPM knows neither the key nor the answer.
	other := startTPM(t, t.TempDir())
	moveTo(t, home, other.socket)
	if _, err := Open(t.Context(), home); !errors.Is(err, ErrCleared) {
		t.Errorf("another TPM: %v", err)
	}
	foreign, err := Create(t.Context(), t.TempDir(), other.socket, false, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Answer(t.Context(), challenge); err == nil {
		t.Error("another TPM answers")
	}

	// Cleared: the key is gone for good, and a new one can be made in its place.
	moveTo(t, home, tpm.socket)
	if _, err := Open(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	tpm.command(t, func(rw io.ReadWriter) error {
		return tpm2.Clear(rw, tpm2.HandleLockout, tpm2.AuthCommand{Session: tpm2.HandlePasswordSession, Attributes: tpm2.AttrContinueSession})
	})
	if _, err := Open(t.Context(), home); !errors.Is(err, ErrCleared) {
		t.Errorf("a cleared TPM: %v", err)
	}
	if _, err := key.Sign(t.Context(), rand.Reader, nil); !errors.Is(err, ErrCleared) {
		t.Errorf("a signature of a cleared TPM: %v", err)
	}
	if _, err := Create(t.Context(), home, tpm.socket, true, time.Now(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), home); err != nil {
		t.Error(err)
	}

	// Gone.
	tpm.stop()
	if _, err := Open(t.Context(), home); !errors.Is(err, ErrNoTPM) {
		t.Errorf("no TPM: %v", err)
	}
}

// moveTo makes the key's file name another TPM.
func moveTo(t *testing.T, home, socket string) {
	t.Helper()
	path := filepath.Join(home, fileName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	r.TPM.Path = socket
	if data, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
