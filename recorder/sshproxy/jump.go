package sshproxy

import (
	"context"
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

// serveJump serves the outer connection of -J: direct-tcpip channels to targets,
// each answered by a handshake of our own, and nothing else.
func (p *Proxy) serveJump(ctx context.Context, outer *connection) {
	defer outer.Close()
	var inner sync.WaitGroup
	defer inner.Wait()
	inner.Go(func() { refuseRequests(outer.requests) })
	slots := make(chan struct{}, maxInner)
	// What is inside goes by certificates of its own; nothing more comes in once
	// the outer one has ended, and the last that leaves takes the connection along.
	ends := time.NewTimer(outer.pass.Ends.Sub(p.now()))
	defer ends.Stop()
	for ended := false; ; {
		var opened ssh.NewChannel
		select {
		case <-ends.C:
			ended = true
			inner.Go(func() {
				for range maxInner {
					slots <- struct{}{}
				}
				outer.Close()
			})
			continue
		case next, ok := <-outer.channels:
			if !ok {
				return
			}
			opened = next
		}
		name, refusal := p.jumpTarget(opened)
		if ended {
			refusal = "stint: the certificate of this connection has ended. Connect again"
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
		inner.Go(func() {
			defer func() { <-slots }()
			channel, requests, err := opened.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests) // ends with the channel
			p.serveInner(ctx, &channelConn{Channel: channel, outer: outer}, name)
		})
	}
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
		return "", fmt.Sprintf("stint: only SSH goes through the proxy: %s port %d is refused, since it cannot be recorded", printable(to.Host), to.Port)
	}
	if !p.identity.answersFor(to.Host) {
		return "", fmt.Sprintf("stint: there is no target %s", printable(to.Host))
	}
	return to.Host, ""
}

// serveInner is a session inside -J.
func (p *Proxy) serveInner(ctx context.Context, raw net.Conn, target string) {
	conn, err := p.authenticate(raw, func(user string, pass pass) error {
		return mustBe(pass, user+"@"+target)
	})
	if err != nil {
		p.log.Info("a client was not let in", "target", target, "client", raw.RemoteAddr().String(), "error", err)
		raw.Close()
		return
	}
	p.serveSession(ctx, conn)
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
