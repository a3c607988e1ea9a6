package sshproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/spool"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// session is one authenticated connection to one login@target.
type session struct {
	proxy     *Proxy
	client    *connection
	id        string
	pass      pass
	recording *spool.Recording
	target    ssh.Conn
	line      net.Conn            // what the target is reached by; set with it
	lineGone  context.Context     // ends when that is over, as connection.gone; set with it
	rules     rules               // what the role says of the session; set before there are channels
	said      signer.SessionRules // that rules were read from
	born      time.Time           // on the monotonic clock; stirred counts from here

	context context.Context // ends with the session
	cancel  context.CancelFunc
	over    chan struct{} // closed when the session must end
	cut     chan struct{} // closed when, moreover, nothing may pass any more
	heard   chan struct{} // closed when all that the client said on its connection has been read
	once    sync.Once
	ending  ending         // set before over is closed
	work    sync.WaitGroup // everything that runs for this session

	announced bool         // the broker may have a session: it was asked and did not say no; for serveSession alone
	foundBy   []string     // the requests it is found by; for live, under its lock
	started   atomic.Bool  // the broker said yes
	serves    atomic.Bool  // the target is open, and what the session is held to is known
	stirred   atomic.Int64 // when something was sent last, in nanoseconds since born

	mu        sync.Mutex
	lease     *time.Timer
	grant     *time.Timer
	idle      *time.Timer // nil where the role sets no bound
	presence  presence
	grantEnds time.Time
	countdown *time.Timer   // to the next notice of the end; nil before there are clocks
	warned    time.Duration // which notice countdown is for, by the time before the end
	// grants are the requests whose grants the session had, and, last, has.
	grants    []string
	extending bool
	refused   string // the request by which it was not extended, and is not tried again
	channels  map[uint32]*channel
	busy      int // channels that are open or being opened
	// connections are those that go through the session; forwarded counts them from
	// when they are asked for until both sides closed them.
	connections map[*carried]struct{}
	forwarded   int
	opened      uint32   // channels and connections so far
	untold      []string // refusals that no channel was there to show
	noMore      bool     // the client announced that it opens no more channels

	// listening is held from when the target is asked for something until the client
	// has its answer, and whenever the target opens what it was asked for.
	listening  sync.Mutex
	listens    map[string]struct{} // addresses at which the target listens for the client
	agentLent  bool
	screenLent bool
}

// serveSession carries one connection from its authentication to its end.
func (p *Proxy) serveSession(ctx context.Context, client *connection) {
	s := &session{
		proxy: p, client: client, id: newSessionID(), pass: client.pass, born: time.Now(),
		over: make(chan struct{}), cut: make(chan struct{}), heard: make(chan struct{}), channels: make(map[uint32]*channel),
		connections: make(map[*carried]struct{}), listens: make(map[string]struct{}),
	}
	s.context, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	log := p.log.With("session", s.id, "request", s.pass.Request, "principal", s.pass.principal(), "client", client.RemoteAddr().String())

	s.after(client.gone, func() { s.end(s.hungUp()) })
	err := s.open()
	if err == nil {
		log.Info("a session started")
		s.after(s.context, s.loseClient)
		s.serve()
	} else {
		log.Info("a session was refused", "error", err)
		s.refuse(err)
	}
	s.close()
	if s.ending.cause != nil {
		log.Error("a session could no longer be recorded", "error", s.ending.cause)
	}
	log.Info("a session ended", "reason", s.ending.reason, "detail", s.ending.detail, "by", s.ending.by)
}

// arm starts the clocks of a session.
func (s *session) arm(asked time.Time, granted wire.Session) {
	s.mu.Lock()
	s.lease = time.AfterFunc(time.Until(asked.Add(min(granted.Lease, wire.Lease))), func() {
		s.end(ending{reason: wire.ReasonLeaseLost})
	})
	s.grant = time.AfterFunc(s.pass.Ends.Sub(s.proxy.now()), func() {
		s.end(ending{reason: wire.ReasonExpired})
	})
	s.grantEnds, s.grants = s.pass.Ends, []string{s.pass.Request}
	s.countDown()
	s.mu.Unlock()
	s.started.Store(true)
	s.limitGrant(s.pass.Request, granted.GrantEnds)
}

// limitGrant makes the session end no later than its grant. It never lengthens:
// the timer is set anew only for an earlier end, so that a clock that is set
// back while the session runs moves nothing. A zero time says nothing, nor does the end
// of a grant that the session has no longer.
func (s *session) limitGrant(request string, ends time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ends.IsZero() || !ends.Before(s.grantEnds) || request != s.grants[len(s.grants)-1] {
		return
	}
	s.grantEnds = ends
	s.grant.Reset(ends.Sub(s.proxy.now()))
	s.countDown()
}

// judge applies the broker's verdict on this session.
func (s *session) judge(asked time.Time, verdict wire.Verdict) {
	if verdict.Ended != "" {
		why := ending{reason: verdict.Ended, by: verdict.By, at: s.proxy.now()}
		if s.end(why); why.endsGrant() && !s.isExtended() {
			s.proxy.live.grantEnded(s.pass.Request, why)
		}
		return
	}
	if verdict.Lease <= 0 {
		return // no answer: the lease goes on running out
	}
	s.mu.Lock()
	s.lease.Reset(time.Until(asked.Add(min(verdict.Lease, wire.Lease))))
	s.mu.Unlock()
	s.limitGrant(verdict.Request, verdict.GrantEnds)
	if verdict.Next != "" {
		s.tryExtension(verdict.Next)
	}
	s.hearPresence(verdict.Present)
}

// end makes the session end. The first reason counts. It never waits.
func (s *session) end(e ending) {
	s.once.Do(func() {
		if e.at.IsZero() {
			e.at = s.proxy.now()
		}
		if !reasonPattern.MatchString(e.reason) {
			e.reason = wire.ReasonKilled // a word that the recording could not hold
		}
		s.ending = e
		if !e.lets() {
			close(s.cut)
		}
		close(s.over)
		s.cancel()
	})
}

// serve passes channels and requests until the session is over.
func (s *session) serve() {
	s.work.Go(func() {
		defer close(s.heard)
		s.serveRequests(s.client.requests)
	})
	s.after(s.lineGone, func() {
		s.end(ending{reason: wire.ReasonFailed, detail: "the target closed the connection"})
	})
	s.after(s.context, s.letGo)
	for {
		select {
		case <-s.over:
			return
		case <-s.recording.Failed():
			s.endUnrecorded(s.recording.Err())
		case opened, ok := <-s.client.channels:
			if !ok {
				s.end(s.hungUp())
				return
			}
			s.openChannel(opened)
		}
	}
}

// hungUp is why a session ends whose client is gone.
func (s *session) hungUp() ending {
	if s.client.wasCut() {
		return ending{reason: wire.ReasonFailed, detail: "the connection around this session was cut, since another session in it would not end"}
	}
	return ending{reason: wire.ReasonCompleted}
}

// letGo lets go of the target the moment the session ends, whatever serve is
// doing: a client that reads nothing holds up every answer to it.
func (s *session) letGo() {
	if s.isCut() {
		_ = s.line.Close() // at once: what is queued to the target may not pass any more
	}
	_ = s.target.Close()
}

// after does a part of the session's work when something else has ended, as it always does
// before the session is through. Nothing waits for that meanwhile: there may be thousands of
// sessions.
func (s *session) after(end context.Context, do func()) {
	s.work.Add(1)
	context.AfterFunc(end, func() {
		defer s.work.Done()
		do()
	})
}

// record writes an event, or ends the session. It returns false when the event
// is not in the recording; nothing that belongs to it may then be forwarded.
func (s *session) record(channel uint32, body cast.Body) bool {
	err := s.recording.Write(channel, body)
	if err == nil {
		return true
	}
	if !errors.Is(err, cast.ErrTooLong) {
		s.endUnrecorded(err)
	}
	return false
}

// endUnrecorded ends a session that can no longer be recorded.
func (s *session) endUnrecorded(err error) {
	s.end(ending{reason: wire.ReasonRecorderFailed, detail: spool.Why(err), cause: err})
}

// endByOutage ends a session of whose recording the broker has taken nothing for too long.
func (s *session) endByOutage() { s.endUnrecorded(spool.ErrOutage) }

// mustBe refuses a pass that is for another login or target.
func mustBe(pass pass, principal string) error {
	if pass.principal() == principal {
		return nil
	}
	return &refusedCertificate{
		check: "principal",
		why:   fmt.Sprintf("your certificate is for %s and not for %s", printable(pass.principal()), printable(principal)),
		ours:  true,
	}
}
