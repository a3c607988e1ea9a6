package sshproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
)

// errDraining refuses a session of a proxy that lets those it has come to their end.
var errDraining = errors.New("the proxy is draining")

// drainingSentence is what those are told who come too late.
const drainingSentence = "this proxy is being replaced. Connect again: another takes over"

// warnBefore is how long before the end of a bounded drain terminals are told once more.
const warnBefore = time.Minute

// Drain lets no session start any more. Those that live go on: to their own end, or
// until a time, if it is not zero, when the caller calls [Proxy.Stop]. Terminals are told, and so
// is the broker, for which Drain waits no longer than ctx. The listener stays the caller's: who
// still comes is told to connect again. It is called once.
func (p *Proxy) Drain(ctx context.Context, until time.Time) {
	p.live.drain()
	p.status.draining(ctx)
	p.background.Go(func() { p.warn(until) })
}

// Gone is closed once every connection is over. Only when [Proxy.Serve] has returned is
// it certain that none comes after.
func (p *Proxy) Gone() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		p.connections.Wait()
		close(over)
	}()
	return over
}

// warn tells terminals that the proxy drains, and once more shortly before the end.
func (p *Proxy) warn(until time.Time) {
	if until.IsZero() {
		p.announce("stint: this proxy is being replaced. This session goes on; new ones go elsewhere")
		return
	}
	p.announce(fmt.Sprintf("stint: this proxy is being replaced. This session goes on until %s at most; connect again for one that lasts", clock(until)))
	left := until.Sub(p.now())
	if left < 2*warnBefore || !sleep(p.context, left-warnBefore) {
		return
	}
	p.announce(fmt.Sprintf("stint: this session ends at %s, since its proxy is being replaced. Connect again now", clock(until)))
}

// drain lets no session start, and no connection into an outer one.
func (l *live) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	for o := range l.grants.outers {
		o.end("stint: " + drainingSentence)
	}
}

// announce tells every terminal something, without waiting for those that read nothing.
// Programs are told nothing: what they read is theirs.
func (p *Proxy) announce(sentence string) {
	for _, s := range p.live.all() {
		s.announce(sentence)
	}
}

// announce tells the terminals of one session.
func (s *session) announce(sentence string) {
	if terminals := s.terminals(); len(terminals) > 0 && s.record(0, cast.Note(sentence)) {
		s.tellTerminals(terminals, sentence)
	}
}

func (s *session) terminals() []*channel {
	return slices.DeleteFunc(s.liveChannels(), func(c *channel) bool { return !c.isTerminal() })
}

// tellTerminals tells what is recorded already.
func (s *session) tellTerminals(terminals []*channel, sentence string) {
	for _, c := range terminals {
		s.proxy.background.Go(func() { c.tell(sentence) })
	}
}

// isTerminal tells whether something runs on a terminal here.
func (c *channel) isTerminal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled && c.hasTerminal && c.isStarted()
}

// refusedHere is what a client is told of an error of this proxy's own, if it is one.
func refusedHere(err error) error {
	switch {
	case errors.Is(err, errTooMany):
		return &refusedSession{wire.ReasonFailed, fmt.Sprintf("this grant has %d sessions already. End some of them first", wire.MaxSessions), err}
	case errors.Is(err, errDraining):
		return &refusedSession{wire.ReasonProxyStopped, drainingSentence, err}
	default:
		return &refusedSession{wire.ReasonProxyStopped, "the proxy is stopping. Connect again in a moment", err}
	}
}
