package sshproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxInner bounds the connections inside one outer connection.
const maxInner = 64

// directTCPIP is the payload of a direct-tcpip channel (RFC 4254, section 7.2).
type directTCPIP struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}

// outer is an outer connection of -J. It carries sessions and is none.
type outer struct {
	client   *connection
	once     sync.Once
	over     chan struct{} // closed when nothing more may come in
	sentence string        // why; set before over is closed
}

// end makes the outer connection end when the last that is inside has left: that
// goes by certificates of its own. The first sentence counts. It never waits.
func (o *outer) end(sentence string) {
	o.once.Do(func() {
		o.sentence = sentence
		close(o.over)
	})
}

// isOver tells whether nothing more may come in, and why.
func (o *outer) isOver() (sentence string, over bool) {
	select {
	case <-o.over:
		return o.sentence, true
	default:
		return "", false
	}
}

// serveJump serves the outer connection of -J: direct-tcpip channels to targets,
// each answered by a handshake of our own, and nothing else.
func (p *Proxy) serveJump(ctx context.Context, client *connection) {
	o := &outer{client: client, over: make(chan struct{})}
	p.live.addOuter(o)
	defer p.live.removeOuter(o)
	ends := time.AfterFunc(client.pass.Ends.Sub(p.now()), func() {
		o.end("stint: the certificate of this connection has ended. Connect again")
	})
	defer ends.Stop()

	var inside sync.WaitGroup
	slots, gone := make(chan struct{}, maxInner), make(chan struct{})
	inside.Go(func() { refuseRequests(client.requests) })
	inside.Go(func() { o.empty(slots, gone) })
	for opened := range client.channels {
		name, refusal := p.jumpTarget(opened)
		if sentence, over := o.isOver(); over {
			refusal = sentence
		}
		if refusal != "" {
			_ = opened.Reject(ssh.Prohibited, refusal)
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = opened.Reject(ssh.ResourceShortage, "stint: too many connections at once")
			continue
		}
		// Until it has shown a certificate of its own, it counts for this one's grant.
		leave, err := p.live.enter(client.pass.Request)
		if err != nil {
			<-slots
			_ = opened.Reject(ssh.ResourceShortage, refusalSentence(err))
			continue
		}
		inside.Go(func() {
			defer func() { <-slots }()
			defer leave()
			channel, requests, err := opened.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests) // ends with the channel
			p.serveInner(ctx, &channelConn{Channel: channel, outer: client}, name, leave)
		})
	}
	close(gone)
	inside.Wait()
	_ = client.Close()
}

// empty closes an outer connection that is over when all slots are free, whoever
// is being answered.
func (o *outer) empty(slots chan<- struct{}, gone <-chan struct{}) {
	select {
	case <-o.over:
	case <-gone:
		return
	}
	for range maxInner {
		select {
		case slots <- struct{}{}:
		case <-gone:
			return
		}
	}
	_ = o.client.Close()
}

// refusalSentence is what a client is told of a refusal.
func refusalSentence(err error) string {
	refused := &refusedCertificate{}
	if errors.As(err, &refused) {
		return "stint: " + refused.why
	}
	return "stint: this is not possible now. Try again in a moment"
}

// jumpTarget tells which target a channel is for, or why it is refused.
func (p *Proxy) jumpTarget(opened ssh.NewChannel) (name, refusal string) {
	if opened.ChannelType() != "direct-tcpip" {
		return "", fmt.Sprintf("stint: on the way to a target a %s channel is not possible; use ssh login@target@proxy, or ssh -J proxy login@target", printable(opened.ChannelType()))
	}
	var to directTCPIP
	if err := ssh.Unmarshal(opened.ExtraData(), &to); err != nil {
		return "", "stint: the request makes no sense"
	}
	if to.Port != 22 {
		return "", fmt.Sprintf("stint: on the way to a target only its port 22 is possible, not %s port %d; to forward that, first connect to a target whose role gives forward: ssh -L or -D with login@target@proxy", printable(to.Host), to.Port)
	}
	if !p.identity.answersFor(to.Host) {
		return "", fmt.Sprintf("stint: there is no target %s", printable(to.Host))
	}
	return to.Host, ""
}

// serveInner is a session inside -J. shook gives back the place of the handshake.
func (p *Proxy) serveInner(ctx context.Context, raw net.Conn, target string, shook func()) {
	conn, err := p.authenticate(raw, func(user string, pass pass) error {
		if err := mustBe(pass, user+"@"+target); err != nil {
			return err
		}
		return p.live.hasRoom(pass)
	})
	if err != nil {
		p.log.Info("a client was not let in", "target", target, "client", raw.RemoteAddr().String(), "error", err)
		raw.Close()
		return
	}
	shook()
	p.admit(conn, func() { p.serveSession(ctx, conn) })
}

// channelConn makes a connection of a channel. Closing it needs the other side's
// answer before a pending Read returns; connection.cut does not wait for that.
type channelConn struct {
	ssh.Channel
	outer *connection
}

// LocalAddr is the outer connection's.
func (c *channelConn) LocalAddr() net.Addr { return c.outer.LocalAddr() }

// RemoteAddr is the outer connection's: where the person really is.
func (c *channelConn) RemoteAddr() net.Addr { return c.outer.RemoteAddr() }

// SetDeadline does nothing; channels have none.
func (c *channelConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing; channels have none.
func (c *channelConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing; channels have none.
func (c *channelConn) SetWriteDeadline(time.Time) error { return nil }
