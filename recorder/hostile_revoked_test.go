package recorder_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/cast/casttest"
	signer "stint/server/signer/wire"
)

// busyForwards are how many connections each side opens in TestRevocationWhateverPeersDo.
const busyForwards = 12

// Revocation ends a session in which forwards are busy both ways, whatever client and
// target do with what they are sent, and at whatever moment it comes. Only that the
// recording is here says that it is over: nothing of the session is left then.
func TestRevocationWhateverPeersDo(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]struct {
		throughJump          bool
		deafClient, deafHost bool // reads nothing from its connection after a while
		idleClient, idleHost bool // reads nothing from its channels
	}{
		"both read": {}, "both read, through -J": {throughJump: true},
		"a deaf client": {deafClient: true}, "a deaf client, through -J": {deafClient: true, throughJump: true},
		"a deaf target": {deafHost: true}, "a deaf target, through -J": {deafHost: true, throughJump: true},
		"both deaf": {deafClient: true, deafHost: true}, "both deaf, through -J": {deafClient: true, deafHost: true, throughJump: true},
		"full windows": {idleClient: true, idleHost: true}, "full windows, through -J": {idleClient: true, idleHost: true, throughJump: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deafened, over, gone := make(chan struct{}), make(chan struct{}), make(chan struct{})
			r := newConnRig(t, func(conn ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
				defer close(gone)
				var work sync.WaitGroup
				defer work.Wait()
				work.Go(func() {
					for request := range requests {
						_ = request.Reply(true, nil)
						for range busyForwards {
							work.Go(func() { openBusy(conn, "forwarded-tcpip", "localhost", does.idleHost) })
						}
					}
				})
				for opened := range channels {
					work.Go(func() { beBusy(opened, does.idleHost) })
					select {
					case <-deafened:
						if does.deafHost {
							<-over // who takes no channels stops the reading of the connection
						}
					default:
					}
				}
			})
			r.under(signer.SessionRules{Channels: []string{"forward", "remote-forward"}, Forwards: "content"})
			user := "web@db1"
			if does.throughJump {
				user = "anybody"
			}
			deafen, outermost := r.fastOrDeafClient(t, user, does.deafClient)
			client := outermost
			if does.throughJump {
				client = r.mustInside(t, outermost, r.Signer.Identity(t, hour(grant)))
			}
			var work sync.WaitGroup
			defer work.Wait()
			defer outermost.Close()
			arrived := client.HandleChannelOpen("forwarded-tcpip")
			work.Go(func() {
				for opened := range arrived {
					work.Go(func() { beBusy(opened, does.idleClient) })
				}
			})
			if ok, _, err := client.SendRequest("tcpip-forward", true, ssh.Marshal(struct {
				Address string
				Port    uint32
			}{"localhost", 4711})); !ok || err != nil {
				t.Fatalf("%v, %v", ok, err)
			}
			for range busyForwards {
				work.Go(func() { openBusy(client, "direct-tcpip", "10.0.0.5", does.idleClient) })
			}
			time.Sleep(rand.N(300 * time.Millisecond))
			close(deafened)
			deafen()
			if does.deafHost {
				for range 4 * busyForwards {
					go func() {
						_, _, _ = client.OpenChannel("direct-tcpip", ssh.Marshal(tcpipOpen{"10.0.0.5", 5432, "127.0.0.1", 1}))
					}()
				}
			}
			time.Sleep(rand.N(300 * time.Millisecond))

			began := time.Now()
			r.Broker.Revoke("r-1", "Bob")
			session := r.Broker.AwaitDelivered(t, "r-1")
			close(over)
			t.Logf("from the revocation to the end of everything: %v", session.EndHeard.Sub(began))
			if session.End.Reason != "revoked" {
				t.Errorf("it ended %+v", session.End)
			}
			if _, err := cast.Verify(bytes.NewReader(session.Recording), nil, casttest.Everything()); err != nil {
				t.Errorf("the recording does not verify: %v", err)
			}
			mustBeGone(t, "the connection to the target", gone)
		})
	}
}

// fastOrDeafClient connects; one that is to be deaf is slow from the start.
func (r *rig) fastOrDeafClient(t *testing.T, user string, deaf bool) (deafen func(), client *ssh.Client) {
	t.Helper()
	if deaf {
		return r.deafClient(t, user)
	}
	client, err := r.client(t, user, r.Signer.Identity(t, hour(grant)))
	if err != nil {
		t.Fatal(err)
	}
	return func() {}, client
}

// openBusy opens a channel and is busy on it.
func openBusy(conn ssh.Conn, kind, host string, idle bool) {
	channel, requests, err := conn.OpenChannel(kind, ssh.Marshal(tcpipOpen{host, 4711, "127.0.0.1", 1}))
	if err == nil {
		pourAndRead(channel, requests, idle)
	}
}

// beBusy takes a channel and is busy on it.
func beBusy(opened ssh.NewChannel, idle bool) {
	channel, requests, err := opened.Accept()
	if err == nil {
		pourAndRead(channel, requests, idle)
	}
}

// pourAndRead writes without end, and reads unless it is idle.
func pourAndRead(channel ssh.Channel, requests <-chan *ssh.Request, idle bool) {
	go ssh.DiscardRequests(requests)
	if !idle {
		go func() { _, _ = io.Copy(io.Discard, channel) }()
	}
	for block := bytes.Repeat([]byte("pours "), 2000); ; {
		if _, err := channel.Write(block); err != nil {
			return
		}
	}
}
