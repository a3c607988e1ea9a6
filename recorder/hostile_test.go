package recorder_test

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
)

// deafConn is a client's connection that can stop reading for good, as a client
// does that wants to keep what it is losing.
type deafConn struct {
	net.Conn
	once   sync.Once
	deaf   chan struct{}
	closed chan struct{}
}

func (c *deafConn) Read(p []byte) (int, error) {
	n, err := 0, error(nil)
	for {
		select {
		case <-c.deaf:
			<-c.closed
			return 0, net.ErrClosed
		default:
		}
		if n > 0 || err != nil {
			return n, err
		}
		n, err = c.Conn.Read(p[:min(len(p), 4096)])
	}
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// deafClient connects in one hop; what it returns first makes it deaf.
func (r *rig) deafClient(t *testing.T, user string) (deafen func(), client *ssh.Client) {
	t.Helper()
	var conn *deafConn
	client, err := r.dialAs(t, user, "localhost:22", r.Signer.Identity(t, hour(grant)), func(name string, config *ssh.ClientConfig) (*ssh.Client, error) {
		raw, err := net.Dial("tcp", r.address)
		if err != nil {
			return nil, err
		}
		_ = raw.(*net.TCPConn).SetReadBuffer(4096)
		conn = &deafConn{Conn: raw, deaf: make(chan struct{}), closed: make(chan struct{})}
		c, channels, requests, err := ssh.NewClientConn(conn, name, config)
		if err != nil {
			return nil, err
		}
		return ssh.NewClient(c, channels, requests), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() { close(conn.deaf) }, client
}

// revoke revokes the grant, waits until the target lost its connection, and tells how
// long that took.
func (r *rig) revoke(t *testing.T, gone <-chan struct{}) time.Duration {
	t.Helper()
	began := time.Now()
	r.Broker.Revoke("r-1", "Bob")
	mustBeGone(t, "what was started at the target", gone)
	took := time.Since(began)
	if session := r.Broker.AwaitDelivered(t, "r-1"); session.End.Reason != "revoked" {
		t.Errorf("it ended %+v", session.End)
	}
	return took
}

// A client that reads nothing makes every write to it wait, the refusal of a
// channel among them. That must hold up neither the end of what runs at the
// target nor the end of the recording.
func TestClientThatReadsNothingLosesItsAccess(t *testing.T) {
	t.Parallel()
	soonest(t, "from the revocation to its end at the target", 2*time.Second, func() time.Duration { return deafClientIsRevoked(t) })
}

func deafClientIsRevoked(t *testing.T) time.Duration {
	pour, gone := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		rest := began(requests)
		<-pour
		go func() {
			_, _ = channel.Write(bytes.Repeat([]byte("x"), 8<<20))
		}()
		for range rest {
		}
		once.Do(func() { close(gone) })
	})
	deafen, client := r.deafClient(t, "web@db1")
	for range 8 {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Start("pour"); err != nil {
			t.Fatal(err)
		}
	}
	deafen()
	close(pour)
	time.Sleep(time.Second)
	for range 8 {
		go func() { _, _, _ = client.OpenChannel("unknown", nil) }()
	}
	time.Sleep(200 * time.Millisecond)
	return r.revoke(t, gone)
}

// A connection inside another ends when both sides say so. One whose client says
// nothing must end all the same.
func TestInnerClientThatDoesNotHangUpIsHungUpOn(t *testing.T) {
	t.Parallel()
	soonest(t, "from the revocation to its end at the target", 2*time.Second, func() time.Duration { return deafInnerClientIsRevoked(t) })
}

func deafInnerClientIsRevoked(t *testing.T) time.Duration {
	gone := make(chan struct{})
	r := newRig(t, func(_ ssh.Channel, requests <-chan *ssh.Request) {
		for range began(requests) {
		}
		close(gone)
	})
	deafen, outer := r.deafClient(t, "anybody")
	inner := r.mustInside(t, outer, r.Signer.Identity(t, hour(grant)))
	session, err := inner.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("wait"); err != nil {
		t.Fatal(err)
	}
	deafen()
	return r.revoke(t, gone)
}

// What passes beside the streams must not carry anything that is not recorded.
func TestRequestsCarryNothingUnrecorded(t *testing.T) {
	t.Parallel()
	const secret = "smuggled"
	arrived := make(chan *ssh.Request, 16)
	r := newRig(t, func(channel ssh.Channel, requests <-chan *ssh.Request) {
		for request := range requests {
			arrived <- request
			_ = request.Reply(true, nil)
			if request.Type == "eow@openssh.com" {
				break
			}
		}
		_, _ = channel.SendRequest("eow@openssh.com", false, []byte(secret))
		_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Message    string
			Language   string
		}{"TERM", false, "", secret}))
	})
	client := r.connect(t)
	channel, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	terminal := func(modes string) []byte {
		return ssh.Marshal(struct {
			Terminal                     string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{"xterm", 80, 24, 0, 0, modes})
	}
	if ok, err := channel.SendRequest("pty-req", true, terminal("\x35\x00\x00\x00\x01\x00"+secret)); !ok {
		t.Errorf("no terminal: %v", err)
	}
	if ok, _ := channel.SendRequest("pty-req", true, terminal("\x35\x00\x00\x00\x02\x00")); ok {
		t.Error("a second terminal was passed on")
	}
	if ok, err := channel.SendRequest("shell", true, []byte(secret)); !ok {
		t.Fatalf("no shell: %v", err)
	}
	if _, err := channel.SendRequest("eow@openssh.com", false, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	for request := range requests {
		if bytes.Contains(request.Payload, []byte(secret)) {
			t.Errorf("%s carried %q to the client", request.Type, request.Payload)
		}
	}
	client.Close()
	for len(arrived) > 0 {
		if request := <-arrived; bytes.Contains(request.Payload, []byte(secret)) {
			t.Errorf("%s carried %q to the target", request.Type, request.Payload)
		}
	}
	if tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording); !tr.holds(string(cast.Shell)) || strings.Contains(strings.Join(tr.events, " "), secret) {
		t.Errorf("the recording holds %q", tr.events)
	}
}

// A stranger cannot make the proxy keep much: what it may say before it has shown a
// certificate is bounded, whatever it says.
func TestStrangerWhoSaysTooMuchIsHungUpOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	identity := r.Signer.Identity(t, hour(grant))
	// Each request to authenticate carries the user's name.
	if _, err := r.client(t, strings.Repeat("x", 200<<10)+"@db1", identity); err == nil || !strings.Contains(err.Error(), `(banner "")`) {
		t.Errorf("it was answered: %.200v", err)
	}
	if got := execute(t, r.connect(t), "echo others go on", ""); got.stdout != "others go on\n" {
		t.Errorf("afterwards: %+v", got)
	}
}
