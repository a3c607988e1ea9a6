package recorder_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
	signer "stint/server/signer/wire"
)

type tcpipOpen struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// newConnRig is newRig with a target that does as it likes.
func newConnRig(t *testing.T, serve recordertest.ServeConn) *rig {
	t.Helper()
	r := &rig{Installation: recordertest.New(t)}
	r.target = recordertest.NewConnTarget(t, r.Signer, "web", "db1", serve)
	r.Signer.Allow(hour(grant))
	r.startProxy(t)
	return r
}

// What a target opens unasked reaches no client, however much of it there is.
func TestTargetOpensNothingUnasked(t *testing.T) {
	t.Parallel()
	refused := make(chan error, 4096)
	r := newConnRig(t, func(conn ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		request, ok := <-requests // port 4711 is asked for and granted; 4712 comes
		if ok {
			_ = request.Reply(request.Type == "tcpip-forward", nil)
			for range 300 {
				for kind, payload := range map[string][]byte{
					"forwarded-tcpip":                   ssh.Marshal(tcpipOpen{"localhost", 4712, "127.0.0.1", 1}),
					"forwarded-streamlocal@openssh.com": ssh.Marshal(struct{ Path, Reserved string }{"/run/x", ""}),
					"auth-agent@openssh.com":            nil,
					"x11": ssh.Marshal(struct {
						Origin string
						Port   uint32
					}{"127.0.0.1", 1}),
					"session": nil,
				} {
					_, _, err := conn.OpenChannel(kind, payload)
					refused <- err
				}
			}
		}
	})
	r.under(signer.SessionRules{Channels: []string{"remote-forward", "agent", "x11"}})
	client := r.connect(t)
	arrived := client.HandleChannelOpen("forwarded-tcpip")
	if ok, _, err := client.SendRequest("tcpip-forward", true, ssh.Marshal(struct {
		Address string
		Port    uint32
	}{"localhost", 4711})); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	for range 1500 {
		select {
		case err := <-refused:
			denied := &ssh.OpenChannelError{}
			if !errors.As(err, &denied) || !strings.HasPrefix(denied.Message, "stint: ") {
				t.Fatalf("the target was told %v", err)
			}
		case <-arrived:
			t.Fatal("it reached the client")
		case <-time.After(patience):
			t.Fatal("the target waits")
		}
	}
	client.Close()
	tr := read(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	for _, want := range []string{"What:target forwarded-tcpip", "What:target auth-agent@openssh.com", "What:target x11", "What:target session"} {
		if !tr.holds(want) {
			t.Errorf("the recording lacks %q", want)
		}
	}
	if tr.holds("cast.Connection {") {
		t.Error("a connection was made")
	}
}

// One connection has bounds, and a connection that nobody reads holds up the writer
// and nobody else.
func TestForwardedConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	wrote := make(chan int, 1)
	r := newConnRig(t, func(_ ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go ssh.DiscardRequests(requests)
		first := true
		for opened := range channels {
			channel, requests, err := opened.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			if first {
				first = false
				go func() {
					sum, block := 0, make([]byte, 32<<10)
					for {
						n, err := channel.Write(block)
						if sum += n; err != nil {
							wrote <- sum
							return
						}
					}
				}()
			}
		}
	})
	client := r.connect(t)
	open := func() error {
		_, requests, err := client.OpenChannel("direct-tcpip", ssh.Marshal(tcpipOpen{"10.0.0.5", 5432, "127.0.0.1", 1}))
		if err == nil {
			go ssh.DiscardRequests(requests)
		}
		return err
	}
	for i := range 256 {
		if err := open(); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "stint: a session may have at most 256 forwarded connections at once") {
		t.Errorf("one more: %v", err)
	}
	client.Close()
	select {
	case n := <-wrote:
		if n > 16<<20 {
			t.Errorf("%d bytes were taken that nobody read", n)
		}
	case <-time.After(patience):
		t.Fatal("the target still writes")
	}
	r.Broker.AwaitDelivered(t, "r-1")
}

// Payloads carry nothing that is not recorded, and what goes through a forward is work.
func TestForwardsCarryNothingUnrecorded(t *testing.T) {
	t.Parallel()
	arrived := make(chan []byte, 4)
	r := newConnRig(t, func(_ ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		go ssh.DiscardRequests(requests)
		for opened := range channels {
			arrived <- opened.ExtraData()
			channel, requests, err := opened.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			_, _ = io.Copy(channel, channel)
			_ = channel.Close()
		}
	})
	r.under(signer.SessionRules{Forwards: "content"})
	client := r.connect(t)
	if _, _, err := client.OpenChannel("direct-tcpip", append(ssh.Marshal(tcpipOpen{"10.0.0.5", 1, "", 0}), "smuggled"...)); err == nil {
		t.Error("what follows the address was passed on")
	}
	channel, requests, err := client.OpenChannel("direct-streamlocal@openssh.com", ssh.Marshal(struct {
		Path, Reserved string
		Port           uint32
	}{"/run/x", "smuggled", 7}))
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	if got := string(<-arrived); strings.Contains(got, "smuggled") || strings.Contains(got, "\x07") {
		t.Errorf("the target was sent %q", got)
	}
	_, _ = io.WriteString(channel, "hello")
	_ = channel.CloseWrite()
	if back, err := io.ReadAll(channel); string(back) != "hello" {
		t.Errorf("%q, %v", back, err)
	}
	client.Close()
	all := connectionsOf(t, r.Broker.AwaitDelivered(t, "r-1").Recording)
	if len(all) != 1 || all[0].asked.To != "unix:/run/x" || all[0].input != "hello" || all[0].output != "hello" {
		t.Errorf("the recording holds %+v", all)
	}
}
