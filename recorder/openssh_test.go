//go:build e2e

package recorder_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

// real is a proxy between a real OpenSSH client and a real sshd.
type real struct {
	*rig
	sshd   *recordertest.Sshd
	grant  recordertest.Grant
	config string // the client's configuration file
}

// newReal starts it all. The client's configuration knows the target as db1
// (through -J, as ProxyJump) and as direct-hop (in one hop).
func newReal(t testing.TB) *real {
	t.Helper()
	r := &real{rig: &rig{Installation: recordertest.New(t)}}
	r.sshd = recordertest.NewSshd(t, r.Signer, "db1")
	r.grant = hour(recordertest.Grant{Request: "r-1", Login: r.sshd.Login, Target: "db1"})
	r.Signer.Allow(r.grant)
	r.startProxy(t)
	r.writeConfig(t, r.Signer.IdentityFile(t, r.grant))
	return r
}

func (r *real) writeConfig(t testing.TB, identity string) {
	t.Helper()
	directory := t.TempDir()
	known := filepath.Join(directory, "known")
	must(t, os.WriteFile(known, []byte("@cert-authority * "+string(ssh.MarshalAuthorizedKey(r.Signer.HostCA.PublicKey()))), 0o600))
	host, port, _ := strings.Cut(r.address, ":")
	r.config = filepath.Join(directory, "config")
	must(t, os.WriteFile(r.config, fmt.Appendf(nil, `
Host stint
  HostName %[1]s
  Port %[2]s
  HostKeyAlias stint
  User someone
Host db1
  User %[3]s
  ProxyJump stint
Host one-hop
  HostName %[1]s
  Port %[2]s
  HostKeyAlias stint
  User %[3]s@db1
Host *
  IdentityFile %[4]s
  IdentitiesOnly yes
  UserKnownHostsFile %[5]s
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
`, host, port, r.grant.Login, identity, known), 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs an OpenSSH program with the configuration.
func (r *real) run(t *testing.T, stdin io.Reader, program string, arguments ...string) result {
	t.Helper()
	command := exec.Command(program, append([]string{"-F", r.config}, arguments...)...)
	command.Env = append(os.Environ(), "SSH_AUTH_SOCK=")
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = stdin, &stdout, &stderr
	err := command.Run()
	return result{stdout.String(), stderr.String(), err}
}

func status(err error) int {
	exit := &exec.ExitError{}
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// ways are the two ways to the target.
var ways = []string{"one-hop", "db1"}

func TestOpenSSHCommand(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for _, way := range ways {
		got := r.run(t, strings.NewReader("input"), "ssh", way, "cat; echo; echo to-stderr >&2; exit 42")
		if got.stdout != "input\n" || got.stderr != "to-stderr\n" || status(got.err) != 42 {
			t.Errorf("%s: %+v", way, got)
		}
		got = r.run(t, nil, "ssh", way, "kill -TERM $$")
		if status(got.err) != 255 {
			t.Errorf("%s: killed by a signal: %+v", way, got)
		}
	}
	for _, session := range r.Broker.AwaitAll(t, 4) {
		tr := read(t, session.Recording)
		if !tr.holds("ExitSignal {Signal:TERM") && (tr.output != "input\n" || tr.errorOutput != "to-stderr\n" || tr.input != "input" || !tr.holds("ExitStatus 42")) {
			t.Errorf("a recording holds %+v", tr)
		}
	}
}

func TestOpenSSHTerminal(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for _, way := range ways {
		term := r.terminal(t, way)
		term.settle(t)
		term.typed(t, "stty size; echo mark-$((1+1))\r")
		term.expect(t, "30 100\r\n")
		term.expect(t, "mark-2")
		must(t, pty.Setsize(term.pty, &pty.Winsize{Rows: 40, Cols: 120}))
		must(t, term.command.Process.Signal(os.Signal(windowChanged)))
		// The new size and what is typed come by different ways; the shell waits for the one.
		term.typed(t, `until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; echo it is $(stty size)`+"\r")
		term.expect(t, "it is 40 120\r\n")
		// One line, and what it prints is not what is typed: the terminal drops
		// what is typed while it makes a signal of the key. The sleeps are short:
		// a signal between fork and exec passes the sleep by, and the shell heeds
		// its trap only when the sleep is over.
		term.typed(t, `sh -c 'trap "echo cau""ght; exit" INT; echo wait""ing; while :; do sleep 0.1; done'; exit 7`+"\r")
		term.expect(t, "waiting\r\n")
		term.typed(t, "\x03")
		term.expect(t, "caught\r\n")
		if err := term.wait(t); status(err) != 7 {
			t.Errorf("%s: it ended with %v", way, err)
		}
	}
	session := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, session.Recording)
	if !strings.Contains(tr.output, "mark-2") || !strings.Contains(tr.input, "echo mark-$((1+1))\r") ||
		!tr.holds("WindowChange {Columns:120 Rows:40") || !tr.holds("Columns:100 Rows:30") || !tr.holds("ExitStatus 7") {
		t.Errorf("the recording lacks something: %q %q", tr.events, tr.output)
	}
}

func TestOpenSSHCopies(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	data := make([]byte, 1<<20+7)
	_, _ = rand.Read(data)
	directory := t.TempDir()
	local := filepath.Join(directory, "local")
	must(t, os.WriteFile(local, data, 0o600))
	for _, way := range ways {
		for name, copies := range map[string]func(from, to string) result{
			"scp":        func(from, to string) result { return r.run(t, nil, "scp", "-q", from, to) },
			"legacy scp": func(from, to string) result { return r.run(t, nil, "scp", "-O", "-q", from, to) },
			"rsync": func(from, to string) result {
				command := exec.Command("rsync", "-e", "ssh -F "+r.config, from, to)
				output, err := command.CombinedOutput()
				return result{stderr: string(output), err: err}
			},
			"sftp": func(from, to string) result {
				batch := fmt.Sprintf("put %s %s\n", from, strings.TrimPrefix(to, way+":"))
				if strings.HasPrefix(from, way+":") {
					batch = fmt.Sprintf("get %s %s\n", strings.TrimPrefix(from, way+":"), to)
				}
				return r.run(t, strings.NewReader(batch), "sftp", "-b", "-", way)
			},
		} {
			if name == "legacy scp" && way == "db1" {
				continue
			}
			remote := filepath.Join(r.sshd.Home, strings.ReplaceAll(name, " ", "-")+way)
			back := filepath.Join(directory, "back-"+strings.ReplaceAll(name, " ", "-")+way)
			if got := copies(local, way+":"+remote); got.err != nil {
				t.Errorf("%s to %s: %+v", name, way, got)
			}
			if got := copies(way+":"+remote, back); got.err != nil {
				t.Errorf("%s from %s: %+v", name, way, got)
			}
			for _, path := range []string{remote, back} {
				if there, err := os.ReadFile(path); err != nil || !bytes.Equal(there, data) {
					t.Errorf("%s by %s, %s: %d bytes of %d, or others (%v)", name, way, path, len(there), len(data), err)
				}
			}
		}
	}
}

func TestOpenSSHManyBytes(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	data := make([]byte, 24<<20)
	_, _ = rand.Read(data)
	// The fast cipher: under the race detector the other one takes a minute.
	for way, size := range map[string]int{"one-hop": 24 << 20, "db1": 8 << 20} {
		// New keys are agreed on again and again meanwhile.
		got := r.run(t, bytes.NewReader(data[:size]), "ssh", "-c", "aes128-gcm@openssh.com", "-o", "RekeyLimit=3M", way, "cat")
		if got.err != nil || got.stdout != string(data[:size]) {
			t.Errorf("%s: %d bytes came back of %d, or others; %v %s", way, len(got.stdout), size, got.err, got.stderr)
		}
	}
	for _, session := range r.Broker.AwaitAll(t, 2) {
		tr := read(t, session.Recording)
		if tr.output != tr.input || !strings.HasPrefix(string(data), tr.output) || len(tr.output) < 8<<20 {
			t.Error("the recording holds other bytes")
		}
	}
}

func TestOpenSSHSharedConnection(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	socket, err := os.MkdirTemp("", "stint-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(socket) })
	shared := []string{"-o", "ControlMaster=auto", "-o", "ControlPersist=120", "-o", "ControlPath=" + socket + "/s"}
	var all sync.WaitGroup
	if got := r.run(t, nil, "ssh", append(shared, "one-hop", "true")...); got.err != nil {
		t.Fatalf("the first: %+v", got)
	}
	for i := range 8 {
		all.Go(func() {
			want := fmt.Sprintf("number %d\n", i)
			got := r.run(t, strings.NewReader(want), "ssh", append(shared, "one-hop", "cat; exit "+fmt.Sprint(i))...)
			if got.stdout != want || status(got.err) != i {
				t.Errorf("number %d: %+v (status %d)", i, got, status(got.err))
			}
		})
	}
	all.Wait()
	if got := r.run(t, nil, "ssh", append(shared, "-O", "exit", "one-hop")...); got.err != nil {
		t.Errorf("ending the master: %+v", got)
	}
	session := r.Broker.AwaitDelivered(t, "r-1")
	if tr := read(t, session.Recording); !tr.holds("9 cast.ChannelClose") || len(r.Broker.Sessions()) != 1 {
		t.Errorf("nine channels of one session were expected: %q", tr.events)
	}
}

func TestOpenSSHRefusals(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	got := r.run(t, nil, "ssh", "-s", "one-hop", "other")
	if got.err == nil || !strings.Contains(got.stderr, "only the subsystem sftp") {
		t.Errorf("another subsystem: %+v", got)
	}
	got = r.run(t, nil, "ssh", "-o", "SetEnv=LC_ALL=C LD_PRELOAD=x", "one-hop", "echo $LC_ALL-$LD_PRELOAD")
	if got.stdout != "C-\n" {
		t.Errorf("the environment: %+v", got)
	}
}

func TestOpenSSHRefusedSession(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	r.Broker.Revoke("r-1", "Bob")
	for _, way := range ways {
		got := r.run(t, nil, "ssh", way, "echo never")
		if got.stdout != "" || status(got.err) != 255 || !strings.Contains(got.stderr, "revoked by Bob") || !strings.Contains(got.stderr, ". Ask again: stint request") {
			t.Errorf("%s: %+v", way, got)
		}
	}
	// A certificate for another target says so, after every key was tried.
	other := r.grant
	other.Target = "db2"
	r.writeConfig(t, r.Signer.IdentityFile(t, other))
	got := r.run(t, nil, "ssh", "one-hop", "echo never")
	if status(got.err) != 255 || !strings.Contains(got.stderr, "is for "+r.grant.Login+"@db2 and not for "+r.grant.Login+"@db1") {
		t.Errorf("a certificate of another target: %+v", got)
	}
}

func TestOpenSSHFindsTheRightCertificate(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	var others []string
	for i := range 5 {
		other := r.grant
		other.Target = fmt.Sprintf("other%d", i)
		others = append(others, "-i", r.Signer.IdentityFile(t, other))
	}
	for _, way := range ways {
		// Those on the command line are offered before the one in the file.
		got := r.run(t, nil, "ssh", append(slices.Clone(others), way, "echo in")...)
		if got.stdout != "in\n" || got.stderr != "" || got.err != nil {
			t.Errorf("%s: %+v", way, got)
		}
	}
}

func TestOpenSSHRevokedWhileItRuns(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for _, way := range ways {
		number := 0
		soonest(t, way+", from the revocation to its end", time.Second, func() time.Duration {
			number++
			return r.revokedAtWork(t, way, fmt.Sprintf("r-%s-%d", way, number))
		})
	}
}

// revokedAtWork revokes a grant of its own while a command writes and writes at a terminal,
// and tells how long ssh was still there, or the command wrote, whichever is longer.
func (r *real) revokedAtWork(t *testing.T, way, request string) (took time.Duration) {
	t.Helper()
	grant := r.grant
	grant.Request = request
	r.Signer.Allow(grant)
	r.writeConfig(t, r.Signer.IdentityFile(t, grant))
	term := r.terminal(t, way)
	term.settle(t)
	beat := filepath.Join(r.sshd.Home, "beat-"+request)
	term.typed(t, "while true; do date >> "+beat+"; sleep 0.05; done\r")
	size := func() int64 {
		status, err := os.Stat(beat)
		if err != nil {
			return 0
		}
		return status.Size()
	}
	for deadline := time.Now().Add(patience); size() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: the command does not begin; the terminal shows %q", way, term.all())
		}
	}
	began := time.Now()
	r.Broker.Revoke(grant.Request, "Bob")
	err := term.wait(t)
	took = time.Since(began)
	if status(err) != 255 {
		t.Errorf("%s: it ended with %v", way, err)
	}
	if !strings.Contains(term.all(), "stint: access revoked by Bob at ") {
		t.Errorf("%s: the terminal shows %q", way, term.all())
	}
	// The target's shell hears that its terminal is gone, in a while.
	for deadline, last := time.Now().Add(patience), int64(0); last != size(); time.Sleep(300 * time.Millisecond) {
		if last = size(); time.Now().After(deadline) {
			t.Fatalf("%s: the command still runs: it wrote %d bytes", way, last)
		}
	}
	if wrote, err := os.Stat(beat); err != nil {
		t.Error(err)
	} else {
		took = max(took, wrote.ModTime().Sub(began))
	}
	session := r.Broker.AwaitDelivered(t, grant.Request)
	if session.End.Reason != "revoked" || !read(t, session.Recording).holds("access revoked by Bob") {
		t.Errorf("%s: it ended %+v", way, session.End)
	}
	return took
}
