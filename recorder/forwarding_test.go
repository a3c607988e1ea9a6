package recorder_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/recorder/cast"
)

// carried is what a recording holds of one connection through a session.
type carried struct {
	channel       uint32
	asked         cast.Connection
	input, output string
	ends          []cast.EOF
	end           *cast.ConnectionEnd
	closed        bool
	signatures    []cast.AgentSignature
	notes         []string
}

// connectionsOf reads the connections of a whole recording, in their order.
func connectionsOf(t *testing.T, recording []byte) []*carried {
	t.Helper()
	if _, err := cast.Verify(bytes.NewReader(recording), nil); err != nil {
		t.Fatalf("the recording does not verify: %v", err)
	}
	reader, err := cast.NewReader(bytes.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	var all []*carried
	at := map[uint32]*carried{}
	for {
		event, err := reader.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		c := at[event.Channel]
		if asked, ok := event.Body.(cast.Connection); ok {
			if c != nil {
				t.Errorf("a connection has the number %d again", event.Channel)
			}
			c = &carried{channel: event.Channel, asked: asked}
			at[event.Channel], all = c, append(all, c)
		}
		if c != nil {
			c.take(t, event.Body)
		}
	}
}

func (c *carried) take(t *testing.T, body cast.Body) {
	t.Helper()
	if c.closed {
		t.Errorf("after its close, connection %d has %T", c.channel, body)
	}
	switch body := body.(type) {
	case cast.Input:
		c.input += string(body)
	case cast.Output:
		c.output += string(body)
	case cast.EOF:
		c.ends = append(c.ends, body)
	case cast.ConnectionEnd:
		c.end = &body
	case cast.AgentSignature:
		c.signatures = append(c.signatures, body)
	case cast.Note:
		c.notes = append(c.notes, string(body))
	case cast.ChannelClose:
		c.closed = true
	}
}

// carriesExactly tells whether a connection was recorded with so much each way, and,
// where the role keeps content, with exactly that.
func (c *carried) carriesExactly(t *testing.T, fromClient, fromTarget string) {
	t.Helper()
	if c.end == nil || !c.closed {
		t.Errorf("the end of %+v is not recorded", c.asked)
		return
	}
	if c.end.FromClient != uint64(len(fromClient)) || c.end.FromTarget != uint64(len(fromTarget)) || c.end.Why != "" {
		t.Errorf("%+v ended %+v; %d and %d bytes went through", c.asked, *c.end, len(fromClient), len(fromTarget))
	}
	if !c.asked.Content {
		fromClient, fromTarget = "", ""
	}
	if c.input != fromClient || c.output != fromTarget {
		t.Errorf("%+v: the recording holds %d bytes from the client and %d from the target, or others", c.asked, len(c.input), len(c.output))
	}
}

// service answers on a port or a socket.
type service struct {
	address string // host:port, or the path of a socket
	ended   chan error
}

// serve answers each connection by answer, which says when it is over.
func serve(t *testing.T, network, address string, answer func(conn net.Conn) error) *service {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if network == "unix" {
		if err := os.Chmod(address, 0o777); err != nil { // targets have users of their own
			t.Fatal(err)
		}
	}
	s := &service{address: listener.Addr().String(), ended: make(chan error, 64)}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				err := answer(conn)
				conn.Close()
				s.ended <- err
			}()
		}
	}()
	return s
}

func (s *service) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

// backwards reads to the end, and answers with that backwards: only half-closed
// connections that stay so get an answer.
func backwards(conn net.Conn) error {
	all, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte(reversed(string(all))))
	return err
}

func reversed(text string) string {
	bytes := []byte(text)
	slices.Reverse(bytes)
	return string(bytes)
}

// asksBackwards says text to a service that answers backwards.
func asksBackwards(t *testing.T, conn io.ReadWriter, text string) {
	t.Helper()
	failed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, text)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		}
		failed <- err
	}()
	answer, err := io.ReadAll(conn)
	if wrote := <-failed; wrote != nil {
		err = wrote
	}
	if err != nil || string(answer) != reversed(text) {
		t.Errorf("%d bytes came back of %d, or others; %v", len(answer), len(text), err)
	}
}

// sockets is a directory for sockets, whose paths must be short.
func sockets(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "stint-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o777); err != nil {
		t.Fatal(err)
	}
	return directory
}

// dialWhenThere connects to what a program has yet to begin to listen on.
func dialWhenThere(t *testing.T, network, address string) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial(network, address)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on %s: %v", address, err)
		}
	}
}

// noise is text of some size that differs everywhere.
func noise(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(time.Duration(i * 7919).String())
		b.WriteByte(byte(i))
	}
	return b.String()[:size]
}
