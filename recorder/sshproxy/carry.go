package sshproxy

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
)

// maxForwarded bounds the connections of a session that are open at once: those of
// forwarded ports and sockets, to the agent and to the screen, whoever opens them.
const maxForwarded = 256

var whyManyForwarded = fmt.Sprintf("stint: a session may have at most %d forwarded connections at once. Close some of them first", maxForwarded)

const whyEnds = "stint: this session ends"

// carried is a connection that goes through a session, on both sides.
type carried struct {
	session *session
	event   cast.Connection
	number  uint32 // in the recording; channels and connections are counted together
	down    ssh.Channel
	up      ssh.Channel
	cookie  *cookieMask // for X11 whose bytes are kept

	clientClosed chan struct{}
	targetClosed chan struct{}
	finished     chan struct{} // closed when its end is recorded

	// Bytes that were passed on; each is counted by the one goroutine that passes them.
	fromClient, fromTarget uint64
}

// isAgent tells whether the connection is one to the client's agent.
func (c *carried) isAgent() bool { return c.event.Type == cast.Agent }

// enterConnection takes a place for one more connection; false when there is none.
func (s *session) enterConnection() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forwarded >= maxForwarded {
		return false
	}
	s.forwarded++
	return true
}

func (s *session) leaveConnection() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forwarded--
}

// carry makes a connection that one side asked for by opening a channel, and
// carries it until both are through. payload is what the other side is told of it:
// nothing that event does not say.
func (s *session) carry(opened ssh.NewChannel, payload []byte, event cast.Connection) {
	other := s.target
	byTarget := event.Type != cast.Forward
	if byTarget {
		other = s.client.Conn
	}
	s.stir()
	event.Content = s.rules.content || event.Type == cast.Agent
	c := &carried{
		session: s, event: event, number: s.nextNumber(),
		clientClosed: make(chan struct{}), targetClosed: make(chan struct{}), finished: make(chan struct{}),
	}
	if event.Type == cast.X11 && event.Content {
		c.cookie = &cookieMask{}
	}

	// 1. It is in the recording before anything of it happens.
	if !s.record(c.number, event) {
		_ = opened.Reject(ssh.Prohibited, whyTooLong)
		return
	}
	if s.isCut() {
		c.end(whyEnds)
		_ = opened.Reject(ssh.Prohibited, whyEnds)
		return
	}

	// 2. The other side makes it, or says why not.
	far, farRequests, err := other.OpenChannel(opened.ChannelType(), payload)
	if err != nil {
		refused := &ssh.OpenChannelError{}
		if !errors.As(err, &refused) {
			refused = &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "stint: the connection is gone"}
		}
		c.end("it was refused: " + printable(refused.Message))
		_ = opened.Reject(refused.Reason, printable(refused.Message))
		return
	}
	near, nearRequests, err := opened.Accept()
	if err != nil {
		go ssh.DiscardRequests(farRequests) // ends with the channel
		_ = far.Close()
		c.end("it was gone before it was made")
		return
	}
	c.down, c.up = near, far
	downRequests, upRequests := nearRequests, farRequests
	if byTarget {
		c.down, c.up, downRequests, upRequests = far, near, farRequests, nearRequests
	}

	// 3. Its bytes pass until both sides are through, or one closed it.
	s.addConnection(c)
	defer s.removeConnection(c)
	var requests sync.WaitGroup
	requests.Go(func() { c.refuseRequests(downRequests, c.clientClosed, "") })
	requests.Go(func() { c.refuseRequests(upRequests, c.targetClosed, "target ") })
	if c.isAgent() {
		c.serveAgent()
	} else {
		c.copyBoth()
	}

	// 4. Its place is free again when both sides agree that it is closed.
	c.end("")
	close(c.finished)
	_ = c.up.Close()
	_ = c.down.Close()
	requests.Wait()
}

// end records how a connection ended.
func (c *carried) end(why string) {
	if why == "" {
		select {
		case <-c.session.over:
			why = "the session ended"
		default:
		}
	}
	c.session.record(c.number, cast.ConnectionEnd{FromClient: c.fromClient, FromTarget: c.fromTarget, Why: why})
	c.session.record(c.number, cast.ChannelClose{})
}

// copyBoth passes bytes both ways. Each side may end its own way and go on
// reading; one that closes the connection still has passed on what it sent before.
func (c *carried) copyBoth() {
	fed, drained := make(chan struct{}), make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() {
		defer close(fed)
		err := c.session.relay(c.down, c.up, c.keepInput)
		if err == nil && c.session.record(c.number, cast.EOF{Input: true}) {
			_ = c.up.CloseWrite()
		}
		c.closeUnless(err)
	})
	both.Go(func() {
		defer close(drained)
		err := c.session.relay(c.up, c.down, c.keepOutput)
		if err == nil && !c.session.isCut() && c.session.record(c.number, cast.EOF{}) {
			_ = c.down.CloseWrite()
		}
		c.closeUnless(err)
	})
	both.Go(func() {
		select {
		case <-c.clientClosed:
			<-fed // by the end of its input; the target may take its time to read it
			_ = c.up.Close()
		case <-drained:
		}
	})
	both.Go(func() {
		select {
		case <-c.targetClosed:
			<-drained
			_ = c.down.Close()
		case <-fed:
		}
	})
	both.Wait()
}

// closeUnless closes a connection of which something may not pass.
func (c *carried) closeUnless(err error) {
	if err == errNotPassed {
		_ = c.up.Close()
		_ = c.down.Close()
	}
}

// keepInput records bytes from the client by the role's rule.
func (c *carried) keepInput(p []byte) bool {
	if c.event.Content && !c.session.record(c.number, cast.Input(p)) {
		return false
	}
	c.fromClient += uint64(len(p))
	return true
}

// keepOutput records bytes from the target by the role's rule.
func (c *carried) keepOutput(p []byte) bool {
	kept := p
	if c.cookie != nil {
		var ok bool
		if kept, ok = c.cookie.hide(p); !ok {
			return false
		}
	}
	if c.event.Content && !c.session.record(c.number, cast.Output(kept)) {
		return false
	}
	c.fromTarget += uint64(len(p))
	return true
}

// refuseRequests refuses what a side asks for on a connection, which has no
// requests, and says when it closed it.
func (c *carried) refuseRequests(requests <-chan *ssh.Request, closed chan<- struct{}, who string) {
	defer close(closed)
	for request := range requests {
		if request.Type != "keepalive@openssh.com" {
			c.session.record(c.number, cast.Refused{What: who + request.Type, Why: whyUnknown})
		}
		if request.WantReply {
			_ = request.Reply(false, nil)
		}
	}
}

// nextNumber numbers a connection in the recording.
func (s *session) nextNumber() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return s.opened
}

func (s *session) addConnection(c *carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections[c] = struct{}{}
}

func (s *session) removeConnection(c *carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
}

func (s *session) liveConnections() []*carried {
	s.mu.Lock()
	defer s.mu.Unlock()
	connections := make([]*carried, 0, len(s.connections))
	for c := range s.connections {
		connections = append(connections, c)
	}
	return connections
}

// waitConnections waits until connections are through, at most until a time.
func waitConnections(connections []*carried, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for _, c := range connections {
		select {
		case <-c.finished:
		case <-timer.C:
			return
		}
	}
}
