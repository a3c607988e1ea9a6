package recorder_test

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder"
	"stint/recorder/wire"
)

// ends tells whether a process ends by itself, and how.
func ends(t *testing.T, process *exec.Cmd) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("the process did not end")
		return nil
	}
}

// A session outlives two processes that take over, one after the other, and is recorded in
// one piece; nobody who connects meanwhile is turned away.
func TestTakeOverDropsNoSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	r.Config.Data = shortDirectory(t)
	first := r.startProcess(t, `exec "$0"`)
	address := r.address
	client := r.connect(t)
	e, err := openEcho(client)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.says("before"); err != nil {
		t.Fatal(err)
	}

	// Somebody connects again and again, all the while.
	stop, connected := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				connected <- nil
				return
			default:
			}
			conn, err := net.DialTimeout("tcp", address, patience)
			if err == nil {
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				_, err = io.ReadFull(conn, make([]byte, 8)) // the greeting
				conn.Close()
			}
			if err != nil {
				connected <- err
				return
			}
		}
	}()
	var second *exec.Cmd
	for range 2 {
		second = r.startProcess(t, `STINT_TEST_PROXY_COMMAND=take-over exec "$0"`)
		if r.address != address {
			t.Errorf("it listens on %s and not on %s", r.address, address)
		}
	}
	close(stop)
	if err := <-connected; err != nil {
		t.Errorf("somebody was turned away: %v", err)
	}
	if err := e.says("after"); err != nil {
		t.Errorf("the session did not outlive it: %v", err)
	}
	if got := execute(t, r.connectBy(t, r.another("r-2")), "echo new", ""); got.stdout != "new\n" {
		t.Errorf("a new session: %+v", got)
	}
	client.Close()
	if err := ends(t, first); err != nil {
		t.Errorf("the first process ended with %v", err)
	}
	delivered := r.Broker.AwaitDelivered(t, "r-1")
	if tr := read(t, delivered.Recording); delivered.End.Reason != "completed" || !strings.Contains(tr.output, "before") || !strings.Contains(tr.output, "after") {
		t.Errorf("it ended %+v with %q", delivered.End, tr.output)
	}
	if r.Broker.AwaitState(t, wire.ProxyServes); second.ProcessState != nil {
		t.Error("the second process has ended")
	}
}

// shortDirectory has room in its path for a socket's name.
func shortDirectory(t testing.TB) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "stint")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

func TestDraining(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, r *rig, process *exec.Cmd){
		"by a signal": func(t *testing.T, _ *rig, process *exec.Cmd) {
			if err := process.Process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
		},
		"by the command": func(t *testing.T, r *rig, _ *exec.Cmd) {
			if err := recorder.Drain(t.Context(), r.Config, logger(t), nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.stop()
			r.Config.Data = shortDirectory(t)
			process := r.startProcess(t, `exec "$0"`)
			outer := r.outer(t, hour(grant))
			inner := r.mustInside(t, outer, r.Signer.Identity(t, hour(grant)))
			e, err := openEcho(inner)
			if err != nil {
				t.Fatal(err)
			}
			begin(t, r, process)
			if status := r.Broker.AwaitState(t, wire.ProxyDrains); status.Sessions != 1 {
				t.Errorf("the broker was told of %d sessions", status.Sessions)
			}
			// What lives goes on, also with more channels.
			if err := e.says("goes on"); err != nil {
				t.Error(err)
			}
			if got := execute(t, inner, "echo more", ""); got.stdout != "more\n" {
				t.Errorf("another channel: %+v", got)
			}
			// Nothing new begins: not inside what is there, and not anew.
			if _, err := r.inside(t, outer, r.Signer.Identity(t, hour(grant))); err == nil || !strings.Contains(err.Error(), "Connect again") {
				t.Errorf("another session inside: %v", err)
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
				conn, err := net.Dial("tcp", r.address)
				if errors.Is(err, syscall.ECONNREFUSED) {
					break
				}
				if err == nil {
					conn.Close()
				}
				if time.Now().After(deadline) {
					t.Fatal("it still listens")
				}
			}
			inner.Close()
			if err := ends(t, process); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if delivered := r.Broker.AwaitDelivered(t, "r-1"); delivered.End.Reason != "completed" {
				t.Errorf("it ended %+v", delivered.End)
			}
			r.Broker.AwaitState(t, wire.ProxyStopped)
		})
	}
}

// At SIGTERM sessions have the time that the configuration says, or until a second one.
func TestDrainingHasABound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seconds int64
		signals int
	}{
		"in time":       {seconds: 2, signals: 1},
		"without a say": {seconds: 0, signals: 1},
		"twice":         {seconds: 3600, signals: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.stop()
			r.Config.DrainSeconds = test.seconds
			process := r.startProcess(t, `exec "$0"`)
			h := hold(t, r.connect(t))
			began := time.Now()
			for sent := range test.signals {
				if err := process.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if sent == 0 && test.signals > 1 {
					r.Broker.AwaitState(t, wire.ProxyDrains)
				}
			}
			<-h.ended // without a status: nobody knows what became of the command
			h.mustHaveBeenTold(t, "stint: the proxy is stopping. Connect again in a moment")
			if took := time.Since(began); test.seconds < 100 && took < time.Duration(test.seconds)*time.Second {
				t.Errorf("it had %v", took)
			}
			if err := ends(t, process); err != nil {
				t.Errorf("the process ended with %v", err)
			}
			r.startProxy(t)
			if delivered := r.Broker.AwaitDelivered(t, "r-1"); delivered.End.Reason != "proxy-stopped" {
				t.Errorf("it ended %+v", delivered.End)
			}
		})
	}
}

// Terminals are told, on the screen and in the recording; programs are not.
func TestDrainingIsAnnounced(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		for request := range requests {
			_ = request.Reply(request.Type == "pty-req" || request.Type == "shell" || request.Type == "exec", nil)
		}
	})
	r.Config.DrainSeconds = 3600
	r.stop()
	process := r.startProcess(t, `exec "$0"`)
	client := r.connect(t)
	open := func(terminal bool) io.Reader {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		said, err := session.StderrPipe()
		if err == nil && terminal {
			err = errors.Join(session.RequestPty("xterm", 24, 80, nil), session.Shell())
		} else if err == nil {
			err = session.Start("cat")
		}
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	terminal, program := open(true), open(false)
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	const want = "\r\nstint: this proxy is being replaced. This session goes on until "
	heard := make([]byte, len(want))
	if _, err := io.ReadFull(terminal, heard); err != nil || string(heard) != want {
		t.Errorf("the terminal shows %q, %v", heard, err)
	}
	client.Close()
	if text, _ := io.ReadAll(program); len(text) != 0 {
		t.Errorf("the program was told %q", text)
	}
	if err := ends(t, process); err != nil {
		t.Errorf("the process ended with %v", err)
	}
	if tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording); !tr.holds("this proxy is being replaced") {
		t.Errorf("the recording has %q", tr.events)
	}
}

// A process that takes over delivers what one that was killed while draining left.
func TestLeftRecordingsAreDelivered(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stop()
	r.Config.Data = shortDirectory(t)
	first := r.startProcess(t, `exec "$0"`)
	hold(t, r.connect(t))
	r.startProcess(t, `STINT_TEST_PROXY_COMMAND=take-over exec "$0"`)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if delivered := r.Broker.AwaitDelivered(t, "r-1"); delivered.End.Reason != "cut" {
		t.Errorf("it ended %+v", delivered.End)
	}
}

func TestOnlyOneProxyServesWithADirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	err := recorder.Run(t.Context(), r.Config, logger(t), func(recorder.Ready) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "stint-proxy take-over") {
		t.Errorf("a second one: %v", err)
	}
	empty := r.Config
	empty.Data = t.TempDir()
	if err := recorder.Drain(t.Context(), empty, logger(t), nil); err == nil || !strings.Contains(err.Error(), "no proxy serves") {
		t.Errorf("draining nobody: %v", err)
	}
}
