package recorder_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder"
)

// configVariable names the configuration file of a proxy that this test binary
// is to be, instead of running tests: a proxy that can be killed.
const configVariable = "STINT_TEST_PROXY_CONFIG"

// commandVariable says that it is to take over from another.
const commandVariable = "STINT_TEST_PROXY_COMMAND"

func TestMain(m *testing.M) {
	path := os.Getenv(configVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	// A file that grows too large is then an error, as a full disk is.
	signal.Ignore(syscall.SIGXFSZ)
	config, err := recorder.ReadConfig(path)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := recorder.Run
	if os.Getenv(commandVariable) == "take-over" {
		run = recorder.TakeOver
	}
	if err == nil {
		err = run(ctx, config, slog.New(slog.NewTextHandler(os.Stderr, nil)), func(ready recorder.Ready) error {
			text, err := json.Marshal(ready)
			if err != nil {
				return err
			}
			return errors.Join(os.WriteFile(path+".ready.tmp", text, 0o600), os.Rename(path+".ready.tmp", path+".ready"))
		})
	}
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startProcess starts the proxy as a process of its own, through a command line
// that may set limits before it becomes the proxy; "$0" is the program.
func (r *rig) startProcess(t testing.TB, shell string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "proxy.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/bin/sh", "-c", shell, program)
	command.Env = append(os.Environ(), configVariable+"="+path)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("the proxy said:\n%s", said.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var ready recorder.Ready
		if text, err := os.ReadFile(path + ".ready"); err == nil && json.Unmarshal(text, &ready) == nil {
			r.address = ready.Listen
			r.Broker.AwaitListener(t)
			return command
		}
		if time.Now().After(deadline) {
			t.Fatal("the proxy did not become ready")
		}
	}
}

func TestKilledProxyLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	process := r.startProcess(t, `exec "$0"`)

	client := r.connect(t)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("i=0; while true; do i=$((i+1)); echo line $i; done"); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	if _, err := io.CopyN(&seen, stdout, 300_000); err != nil {
		t.Fatal(err)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&seen, stdout) // what had been sent before it died
	_ = process.Wait()

	r.startProxy(t)
	delivered := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, delivered.Recording)
	if delivered.End.Reason != "cut" || !tr.holds("End {Reason:cut") {
		t.Errorf("it ended %+v: %q", delivered.End, tr.events)
	}
	// Everything that the client saw is in the recording: it was recorded first.
	if !strings.HasPrefix(tr.output, seen.String()) {
		t.Errorf("the client saw %d bytes; the recording has %d, or others", seen.Len(), len(tr.output))
	}
	if got := execute(t, r.connect(t), "echo goes on", ""); got.stdout != "goes on\n" {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestFullDiskEndsTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	// 512-byte blocks; the recording of 8 MiB of noise does not fit.
	r.startProcess(t, `ulimit -f 4096 && exec "$0"`)
	client := r.connect(t)
	got := execute(t, client, "head -c 8388608 /dev/urandom; echo not-reached", "")
	exit := &ssh.ExitError{}
	if !errors.As(got.err, &exit) || exit.ExitStatus() != 255 || !strings.Contains(got.stderr, "can no longer be recorded") {
		t.Errorf("%d bytes came, then %v %q", len(got.stdout), got.err, got.stderr)
	}
	delivered := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, delivered.Recording)
	if delivered.End.Reason != "recorder-failed" {
		t.Errorf("it ended %+v", delivered.End)
	}
	if !strings.HasPrefix(tr.output, got.stdout) || len(got.stdout) == 0 {
		t.Errorf("the client saw %d bytes; the recording has %d, or others", len(got.stdout), len(tr.output))
	}
	// Less does fit.
	if got := execute(t, r.connect(t), "echo small", ""); got.stdout != "small\n" {
		t.Errorf("afterwards: %+v", got)
	}
}
