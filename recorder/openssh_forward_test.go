//go:build e2e

package recorder_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	signer "stint/server/signer/wire"
)

// background is an ssh that runs beside the test.
type background struct {
	command *exec.Cmd
	input   io.WriteCloser
	stop    func() // ends it as its owner would; safe to call twice

	mu     sync.Mutex
	output bytes.Buffer
}

func (b *background) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.output.Write(p)
}

func (b *background) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.output.String()
}

// awaits waits for the program to say something, and returns what it found.
func (b *background) awaits(t *testing.T, pattern string) []string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if found := want.FindStringSubmatch(b.said()); found != nil {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("ssh does not say %q but %q", pattern, b.said())
		}
	}
}

// start starts ssh with the configuration.
func (r *real) start(t *testing.T, environment []string, arguments ...string) *background {
	t.Helper()
	b := &background{command: exec.Command("ssh", append([]string{"-F", r.config}, arguments...)...)}
	b.command.Env = append(append(os.Environ(), "SSH_AUTH_SOCK="), environment...)
	b.command.Stdout, b.command.Stderr = b, b
	var err error
	b.input, err = b.command.StdinPipe()
	must(t, err)
	must(t, b.command.Start())
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			// ssh was seen to go on after a signal that came while it told of a refused channel.
			again := time.AfterFunc(time.Second, func() { _ = b.command.Process.Signal(os.Interrupt) })
			defer again.Stop()
			kill := time.AfterFunc(3*time.Second, func() { _ = b.command.Process.Kill() })
			defer kill.Stop()
			_ = b.command.Process.Signal(os.Interrupt)
			_ = b.command.Wait()
		})
	}
	t.Cleanup(b.stop)
	return b
}

// kept are the two rules of what is kept of a forward.
var kept = []string{"events", "content"}

func TestOpenSSHLocalForwards(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	directory := sockets(t)
	text := noise(3 << 20) // more than a window
	port := serve(t, "tcp", "127.0.0.1:0", backwards)
	path := serve(t, "unix", filepath.Join(directory, "service"), backwards)
	for i, way := range ways {
		request := "r-local-" + way
		r.as(t, request, signer.SessionRules{Channels: []string{"forward"}, Forwards: kept[i]})
		local := filepath.Join(directory, way)
		b := r.start(t, nil, "-N", "-L", local+".port:"+port.address, "-L", local+".socket:"+path.address, way)
		asksBackwards(t, dialWhenThere(t, "unix", local+".port"), text)
		asksBackwards(t, dialWhenThere(t, "unix", local+".socket"), text)
		b.stop()

		all := connectionsOf(t, r.Broker.AwaitDelivered(t, request).Recording)
		if len(all) != 2 {
			t.Fatalf("%s: %d connections are recorded", way, len(all))
		}
		for number, to := range []string{port.address, "unix:" + path.address} {
			if c := all[number]; c.asked.Type != "forward" || c.asked.To != to || len(c.ends) != 2 || c.asked.Content != (kept[i] == "content") {
				t.Errorf("%s: what was recorded of %s: %+v %v", way, to, c.asked, c.ends)
			}
			all[number].carriesExactly(t, text, reversed(text))
		}
	}
}

// socks asks a SOCKS 5 proxy (RFC 1928) for a connection to a name.
func socks(t *testing.T, conn net.Conn, host string, port uint16) {
	t.Helper()
	request := append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...)
	_, err := conn.Write(binary.BigEndian.AppendUint16(request, port))
	must(t, err)
	var answer [12]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[3] != 0 {
		t.Fatalf("the SOCKS proxy answers %x, %v", answer, err)
	}
}

func TestOpenSSHDynamicForwards(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	text := noise(100_000)
	service := serve(t, "tcp", "127.0.0.1:0", backwards)
	for _, way := range ways {
		request := "r-dynamic-" + way
		r.as(t, request, signer.SessionRules{Forwards: "content"})
		port := freePort(t)
		b := r.start(t, nil, "-N", "-D", port, way)
		var number uint16
		_, err := fmt.Sscan(service.port(), &number)
		must(t, err)
		for range 3 {
			conn := dialWhenThere(t, "tcp", "127.0.0.1:"+port)
			socks(t, conn, "localhost", number)
			asksBackwards(t, conn, text)
		}
		b.stop()
		all := connectionsOf(t, r.Broker.AwaitDelivered(t, request).Recording)
		if len(all) != 3 {
			t.Fatalf("%s: %d connections are recorded", way, len(all))
		}
		for _, c := range all {
			if c.asked.To != "localhost:"+service.port() || !strings.HasPrefix(c.asked.From, "127.0.0.1:") {
				t.Errorf("%s: it is recorded as %+v", way, c.asked)
			}
			c.carriesExactly(t, text, reversed(text))
		}
	}
}

// nextPort begins where another run of these tests, beside this one, does not.
var nextPort atomic.Int64

func init() { nextPort.Store(int64(20_000 + os.Getpid()%50*200)) }

// freePort is a port on which nothing listens, outside those that the system gives
// out by itself.
func freePort(t *testing.T) string {
	t.Helper()
	for port := nextPort.Add(1); port < 32_000; port = nextPort.Add(1) {
		if listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			listener.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestOpenSSHStandardInputForward(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	text := noise(1 << 20)
	service := serve(t, "tcp", "127.0.0.1:0", backwards)
	for _, way := range ways {
		request := "r-w-" + way
		r.as(t, request, signer.SessionRules{Forwards: "content"})
		got := r.run(t, strings.NewReader(text), "ssh", "-W", service.address, way)
		if got.err != nil || got.stdout != reversed(text) {
			t.Errorf("%s: %d bytes, %v %s", way, len(got.stdout), got.err, got.stderr)
		}
		all := connectionsOf(t, r.Broker.AwaitDelivered(t, request).Recording)
		if len(all) != 1 {
			t.Fatalf("%s: %d connections are recorded", way, len(all))
		}
		all[0].carriesExactly(t, text, reversed(text))

		// What the target cannot reach is said as the target says it.
		got = r.run(t, nil, "ssh", "-W", "127.0.0.1:1", way)
		if got.err == nil || !strings.Contains(got.stderr, "Connection refused") {
			t.Errorf("%s: a port on which nobody listens: %+v", way, got)
		}
	}
	for _, session := range r.Broker.AwaitAll(t, 4) {
		all := connectionsOf(t, session.Recording)
		if c := all[0]; c.asked.To == "127.0.0.1:1" && (c.end == nil || !strings.Contains(c.end.Why, "it was refused: Connection refused")) {
			t.Errorf("a refused connection is recorded as %+v %+v", c.asked, c.end)
		}
	}
}

func TestOpenSSHRemoteForwards(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	directory := sockets(t)
	text := noise(3 << 20)
	service := serve(t, "tcp", "127.0.0.1:0", backwards)
	for i, way := range ways {
		request := "r-remote-" + way
		r.as(t, request, signer.SessionRules{Channels: []string{"remote-forward"}, Forwards: kept[i]})
		fixed, path := freePort(t), filepath.Join(directory, way)
		b := r.start(t, nil, "-N", "-o", "ExitOnForwardFailure=yes",
			"-R", fixed+":"+service.address, "-R", "0:"+service.address, "-R", path+":"+service.address, way)
		chosen := b.awaits(t, `Allocated port (\d+) for remote forward`)[1]
		asksBackwards(t, dialWhenThere(t, "tcp", "127.0.0.1:"+fixed), text)
		asksBackwards(t, dialWhenThere(t, "tcp", "127.0.0.1:"+chosen), text)
		asksBackwards(t, dialWhenThere(t, "unix", path), text)
		b.stop()

		session := r.Broker.AwaitDelivered(t, request)
		tr := read(t, session.Recording)
		for _, want := range []string{
			"State:asked Address:localhost:" + fixed, "State:granted Address:localhost:" + fixed,
			"State:asked Address:localhost:0", "State:granted Address:localhost:" + chosen, "State:granted Address:unix:" + path,
		} {
			if !tr.holds(want) {
				t.Errorf("%s: the recording lacks %q: %q", way, want, tr.events)
			}
		}
		all := connectionsOf(t, session.Recording)
		if len(all) != 3 {
			t.Fatalf("%s: %d connections are recorded", way, len(all))
		}
		for i, to := range []string{"localhost:" + fixed, "localhost:" + chosen, "unix:" + path} {
			if c := all[i]; c.asked.Type != "remote-forward" || c.asked.To != to {
				t.Errorf("%s: it is recorded as %+v", way, c.asked)
			}
			all[i].carriesExactly(t, reversed(text), text) // the client's side answers
		}
	}
}

// A shared connection goes to the background, and forwards are added and taken away
// while it is there.
func TestOpenSSHForwardsOfASharedConnection(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	directory := sockets(t)
	text := noise(10_000)
	service := serve(t, "tcp", "127.0.0.1:0", backwards)
	shared := []string{"-o", "ControlPath=" + filepath.Join(directory, "master")}
	if got := r.run(t, nil, "ssh", append(shared, "-M", "-N", "-f", "one-hop")...); got.err != nil {
		t.Fatalf("ssh -N -f: %+v", got)
	}
	master := func(arguments ...string) result {
		return r.run(t, nil, "ssh", append(append(shared, arguments...), "one-hop")...)
	}
	local, remote := filepath.Join(directory, "local"), freePort(t)
	for _, forward := range [][]string{{"-L", local + ":" + service.address}, {"-R", remote + ":" + service.address}} {
		if got := master(append([]string{"-O", "forward"}, forward...)...); got.err != nil {
			t.Errorf("%v: %+v", forward, got)
		}
	}
	asksBackwards(t, dialWhenThere(t, "unix", local), text)
	asksBackwards(t, dialWhenThere(t, "tcp", "127.0.0.1:"+remote), text)
	if got := master("-O", "cancel", "-R", remote+":"+service.address); got.err != nil {
		t.Errorf("taking it away: %+v", got)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+remote)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the target still listens")
		}
	}
	if got := r.run(t, nil, "ssh", append(shared, "one-hop", "echo beside")...); got.stdout != "beside\n" {
		t.Errorf("a command beside them: %+v", got)
	}
	if got := master("-O", "exit"); got.err != nil {
		t.Errorf("ending it: %+v", got)
	}
	session := r.Broker.AwaitDelivered(t, "r-1")
	tr := read(t, session.Recording)
	if !tr.holds("State:cancelled Address:localhost:"+remote) || !tr.holds("Command:echo beside") || len(r.Broker.Sessions()) != 1 {
		t.Errorf("the recording holds %q", tr.events)
	}
	all := connectionsOf(t, session.Recording)
	if len(all) < 2 {
		t.Fatalf("%d connections are recorded", len(all))
	}
	all[0].carriesExactly(t, text, reversed(text))
	all[1].carriesExactly(t, reversed(text), text)
}

func TestOpenSSHForwardsThatTheRoleDoesNotGive(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	r.as(t, "r-exec", signer.SessionRules{Channels: []string{"exec"}})
	directory := sockets(t)
	service := serve(t, "tcp", "127.0.0.1:0", backwards)
	screen := "DISPLAY=127.0.0.1:1"
	for _, way := range ways {
		for name, try := range map[string]struct {
			arguments []string
			want      string
		}{
			"-W": {[]string{"-W", service.address, way}, "gives no forward (ssh -L, -D and -W) in a session; it gives exec"},
			"-R": {[]string{"-R", "0:" + service.address, way, "sleep 0.3"}, "gives no remote-forward (ssh -R) in a session; it gives exec"},
			"-A": {[]string{"-A", way, "echo agent:$SSH_AUTH_SOCK."}, "gives no agent (ssh -A) in a session; it gives exec"},
			"-Y": {[]string{"-Y", way, "echo screen:$DISPLAY."}, "gives no x11 (ssh -X) in a session; it gives exec"},
		} {
			agent, environment := filepath.Join(directory, "agent"+way), []string{screen}
			if name == "-A" {
				serve(t, "unix", agent, func(conn net.Conn) error { return nil })
				environment = append(environment, "SSH_AUTH_SOCK="+agent)
			}
			b := r.start(t, environment, try.arguments...)
			_ = b.input.Close()
			_ = b.command.Wait()
			if got := b.said(); !strings.Contains(got, "stint: this role "+try.want) {
				t.Errorf("%s, %s: the person was told %q", way, name, got)
			} else if strings.Contains(got, "agent:/") || strings.Contains(got, "screen:l") {
				t.Errorf("%s, %s: it was given all the same: %q", way, name, got)
			}
		}
		// -L is refused when somebody comes.
		local := filepath.Join(directory, "local"+way)
		b := r.start(t, nil, "-N", "-L", local+":"+service.address, way)
		if answer, err := io.ReadAll(dialWhenThere(t, "unix", local)); len(answer) != 0 {
			t.Errorf("%s, -L: %q, %v", way, answer, err)
		}
		b.awaits(t, `stint: this role gives no forward \(ssh -L, -D and -W\) in a session; it gives exec`)
		b.stop()
	}
	if len(service.ended) > 0 {
		t.Error("the service was reached")
	}
	for _, session := range r.Broker.AwaitAll(t, 10) {
		if all := connectionsOf(t, session.Recording); len(all) != 0 || !read(t, session.Recording).holds("Why:stint: this role gives no") {
			t.Errorf("the recording holds %q", read(t, session.Recording).events)
		}
	}
}

// pours writes until the connection is gone, and says that it began.
func pours(began chan<- struct{}) func(net.Conn) error {
	return func(conn net.Conn) error {
		block := bytes.Repeat([]byte("pours "), 1000)
		for first := true; ; first = false {
			if _, err := conn.Write(block); err != nil {
				return nil
			}
			if first {
				began <- struct{}{}
			}
		}
	}
}

// Revocation closes what is forwarded, whichever way and whatever flows.
func TestOpenSSHForwardsAreRevoked(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	directory := sockets(t)
	for _, way := range ways {
		number := 0
		soonest(t, way+", from the revocation to the end of its forwards", time.Second, func() time.Duration {
			number++
			return r.forwardsAreRevoked(t, way, filepath.Join(directory, fmt.Sprint(way, number)))
		})
	}
}

func (r *real) forwardsAreRevoked(t *testing.T, way, local string) time.Duration {
	request := "r-" + filepath.Base(local)
	r.as(t, request, signer.SessionRules{Forwards: "content"})
	began := make(chan struct{}, 2)
	atTarget, atClient := serve(t, "tcp", "127.0.0.1:0", pours(began)), serve(t, "tcp", "127.0.0.1:0", pours(began))
	b := r.start(t, nil, "-N", "-L", local+":"+atTarget.address, "-R", "0:"+atClient.address, way)
	remote := b.awaits(t, `Allocated port (\d+)`)[1]
	arrived, gone := make(chan struct{}, 2), make(chan struct{}, 2)
	for _, conn := range []net.Conn{dialWhenThere(t, "unix", local), dialWhenThere(t, "tcp", "127.0.0.1:"+remote)} {
		go func() {
			_, _ = io.ReadFull(conn, make([]byte, 1))
			arrived <- struct{}{}
			_, _ = io.Copy(io.Discard, conn)
			gone <- struct{}{}
		}()
	}
	<-began
	<-began
	<-arrived
	<-arrived
	revoked := time.Now()
	r.Broker.Revoke(request, "Bob")
	for _, over := range []<-chan struct{}{gone, gone} {
		mustBeGone(t, "a forwarded connection", over)
	}
	for _, s := range []*service{atTarget, atClient} {
		select {
		case <-s.ended:
		case <-time.After(patience):
			t.Fatal("a service still writes")
		}
	}
	took := time.Since(revoked)
	_ = b.command.Wait()
	session := r.Broker.AwaitDelivered(t, request)
	if session.End.Reason != "revoked" {
		t.Errorf("%s: it ended %+v", way, session.End)
	}
	for _, c := range connectionsOf(t, session.Recording) {
		if c.end == nil || c.end.Why != "the session ended" {
			t.Errorf("%s: %+v ended %+v", way, c.asked, c.end)
		} else if c.end.FromClient != uint64(len(c.input)) || c.end.FromTarget != uint64(len(c.output)) {
			t.Errorf("%s: %+v: recorded are %d and %d bytes", way, c.end, len(c.input), len(c.output))
		}
	}
	return took
}
