package sshproxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/spool"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

const (
	// drainTime is how long a client may take to read what the target said
	// before it went away.
	drainTime = 2 * time.Second
	// noticeTime is how long the notice of an ending may take to reach a client
	// that is slow; nothing else passes meanwhile.
	noticeTime = 100 * time.Millisecond
	// lingerTime is how long a client may take to hang up after the notice, so
	// that closing the connection does not overtake it.
	lingerTime = time.Second
	// endTime is how long a session may take to end before its client is cut off,
	// whatever it still reads or answers. It is more than the three above.
	endTime = 4 * time.Second
)

// session is one authenticated connection to one login@target.
type session struct {
	proxy     *Proxy
	client    *connection
	id        string
	pass      pass
	recording *spool.Recording
	target    ssh.Conn

	context context.Context // ends with the session
	cancel  context.CancelFunc
	over    chan struct{} // closed when the session must end
	cut     chan struct{} // closed when, moreover, nothing may pass any more
	once    sync.Once
	ending  ending         // set before over is closed
	started atomic.Bool    // the broker said yes
	work    sync.WaitGroup // everything that runs for this session

	mu        sync.Mutex
	lease     *time.Timer
	grant     *time.Timer
	grantEnds time.Time
	channels  map[uint32]*channel
	busy      int      // channels that are open or being opened
	opened    uint32   // channels so far
	untold    []string // refusals that no channel was there to show
	noMore    bool     // the client announced that it opens no more channels
}

// refusedSession is an error with a sentence for the person.
type refusedSession struct {
	reason   string
	sentence string
	cause    error
}

func (r *refusedSession) Error() string {
	if r.cause == nil {
		return r.sentence
	}
	return r.sentence + ": " + r.cause.Error()
}

func (r *refusedSession) Unwrap() error { return r.cause }

// serveSession carries one connection from its authentication to its end.
func (p *Proxy) serveSession(ctx context.Context, client *connection) {
	s := &session{
		proxy: p, client: client, id: newSessionID(), pass: client.pass,
		over: make(chan struct{}), cut: make(chan struct{}), channels: make(map[uint32]*channel),
	}
	s.context, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	log := p.log.With("session", s.id, "request", s.pass.Request, "principal", s.pass.principal(), "client", client.RemoteAddr().String())

	gone := make(chan struct{})
	s.work.Go(func() {
		_ = client.Wait()
		close(gone)
		s.end(ending{reason: wire.ReasonCompleted})
	})
	s.work.Go(func() { s.loseClient(gone) })
	err := s.open()
	if err == nil {
		log.Info("a session started")
		s.serve()
	} else {
		log.Info("a session was refused", "error", err)
		s.refuse(err)
	}
	s.close()
	log.Info("a session ended", "reason", s.ending.reason, "detail", s.ending.detail, "by", s.ending.by)
}

// open takes a connection from a checked certificate to an open target, in
// steps each of which may refuse.
func (s *session) open() error {
	p := s.proxy

	// 1. Known here before the broker is asked, so that no ending is missed; and
	// endings are being heard.
	if err := p.live.add(s); errors.Is(err, errTooMany) {
		return &refusedSession{wire.ReasonFailed, fmt.Sprintf("this grant has %d sessions already. End some of them first", maxSessions), err}
	} else if err != nil {
		return &refusedSession{wire.ReasonProxyStopped, "the proxy is stopping. Connect again in a moment", err}
	}
	if err := p.live.awaitStream(s.context); err != nil {
		return &refusedSession{wire.ReasonLeaseLost, "the broker cannot be reached, so no session can start. Try again in a moment", err}
	}

	// 2. The broker says that the grant is live and policy still allows it.
	asked, granted, err := s.askBroker()
	if err != nil {
		problem := &wire.Error{}
		if errors.As(err, &problem) {
			return &refusedSession{wire.ReasonFailed, printable(problem.Title), err}
		}
		return &refusedSession{wire.ReasonLeaseLost, "the broker cannot be reached, so no session can start. Try again in a moment", err}
	}

	// 3. From here on it ends with its lease, with its grant and with its
	// certificate, whichever comes first.
	s.arm(asked, granted)

	// 4. It is recorded, or it is not.
	header := cast.Header{
		Session: s.id, Request: s.pass.Request, Protocol: "ssh",
		Person: cast.Person{Issuer: granted.Person.Issuer, Subject: granted.Person.Subject, Name: granted.Name},
		Login:  s.pass.Login, Target: s.pass.Target, Proxy: p.options.Name, Client: string(s.client.ClientVersion()),
	}
	if s.recording, err = p.options.Spool.Create(header); err != nil {
		return &refusedSession{wire.ReasonRecorderFailed, "this session cannot be recorded, so it is refused. Tell those who run stint", err}
	}

	// 5. The signer, which does not trust the broker, lets this proxy open one
	// connection, and says where and to whose key.
	key, certificate, err := s.askSigner()
	if err != nil {
		problem := &signer.Error{}
		if errors.As(err, &problem) {
			return &refusedSession{wire.ReasonFailed, printable(problem.Title), err}
		}
		return &refusedSession{wire.ReasonFailed, "the signer cannot be reached, so no session can start. Try again in a moment", err}
	}
	s.limitGrant(certificate.GrantEnds)

	// 6. The target shows exactly that key.
	if s.target, err = s.dial(key, certificate); err != nil {
		return err
	}
	return nil
}

// askBroker announces the session, and once more if no answer came: one lost
// connection, or a machine that stood still for a while, costs nobody a session.
// It returns when the broker was asked, from which the lease counts.
func (s *session) askBroker() (asked time.Time, granted wire.Session, err error) {
	start := wire.SessionStart{
		Session: s.id, Request: s.pass.Request, Serial: s.pass.Serial, Login: s.pass.Login, Target: s.pass.Target,
		ClientAddress: s.client.RemoteAddr().String(), ClientVersion: printable(string(s.client.ClientVersion())),
	}
	for range 2 {
		asked = time.Now()
		granted, err = s.proxy.options.Broker.StartSession(s.context, start)
		if problem := (*wire.Error)(nil); err == nil || errors.As(err, &problem) || s.context.Err() != nil {
			break
		}
	}
	return asked, granted, err
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
	s.grantEnds = s.pass.Ends
	s.mu.Unlock()
	s.started.Store(true)
	s.limitGrant(granted.GrantEnds)
}

// limitGrant makes the session end no later than a time. It never lengthens:
// the timer is set anew only for an earlier end, so that a clock that is set
// back while the session runs moves nothing. A zero time says nothing.
func (s *session) limitGrant(ends time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ends.IsZero() || !ends.Before(s.grantEnds) {
		return
	}
	s.grantEnds = ends
	s.grant.Reset(ends.Sub(s.proxy.now()))
}

// judge applies the broker's verdict on this session.
func (s *session) judge(asked time.Time, verdict wire.Verdict) {
	if verdict.Ended != "" {
		s.end(ending{reason: verdict.Ended, by: verdict.By})
		return
	}
	if verdict.Lease <= 0 {
		return // no answer: the lease goes on running out
	}
	s.mu.Lock()
	s.lease.Reset(time.Until(asked.Add(min(verdict.Lease, wire.Lease))))
	s.mu.Unlock()
	s.limitGrant(verdict.GrantEnds)
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
	s.work.Go(func() { s.serveRequests(s.client.requests) })
	s.work.Go(s.watchTarget)
	s.work.Go(s.letGo)
	for {
		select {
		case <-s.over:
			return
		case <-s.recording.Failed():
			s.end(ending{reason: wire.ReasonRecorderFailed})
		case opened, ok := <-s.client.channels:
			if !ok {
				s.end(ending{reason: wire.ReasonCompleted})
				return
			}
			s.openChannel(opened)
		}
	}
}

// letGo lets go of the target the moment the session ends, whatever serve is
// doing: a client that reads nothing holds up every answer to it.
func (s *session) letGo() {
	<-s.over
	_ = s.target.Close()
}

// loseClient cuts off a client that is still there when a session had its time to
// end. Whoever waits to write to it then goes on.
func (s *session) loseClient(gone <-chan struct{}) {
	<-s.over
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
		s.client.cut()
	}
}

// watchTarget ends the session when the target goes away.
func (s *session) watchTarget() {
	_ = s.target.Wait()
	s.end(ending{reason: wire.ReasonFailed, detail: "the target closed the connection"})
}

// close ends what the session holds, in the order that lets nothing pass that
// may not, and loses nothing that may.
func (s *session) close() {
	// 1. The target is let go, and with it everything that runs there.
	if s.target != nil {
		_ = s.target.Close()
	}
	s.work.Go(func() {
		for opened := range s.client.channels {
			_ = opened.Reject(ssh.Prohibited, s.ending.notice())
		}
	})

	// 2. What it had said before still goes to the client, where that is allowed.
	channels := s.liveChannels()
	if s.ending.lets() {
		s.waitChannels(channels, drainTime)
	}

	// 3. The recording and the person learn why.
	if s.recording != nil && s.ending.reason != wire.ReasonCompleted {
		_ = s.recording.Write(0, cast.Note(s.ending.note()))
	}
	s.tellAll(channels)

	// 4. The client hangs up, or is hung up on.
	gone := make(chan struct{})
	go func() {
		_ = s.client.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(s.linger(channels)):
	}
	s.hangUp()
	<-gone
	s.work.Wait()
	s.disarm()
	s.proxy.live.remove(s)

	// 5. The recording is closed and goes its way; the broker learns the rest
	// from it.
	s.finish()
}

// linger is how long the client may take to hang up by itself. One that has
// been told nothing has nothing to read.
func (s *session) linger(channels []*channel) time.Duration {
	if len(channels) == 0 {
		return 0
	}
	return lingerTime
}

// hangUp closes the client's connection. A connection inside another is closed
// only when the other side agrees, so one that does not is closed with the outer
// one.
func (s *session) hangUp() {
	cut := time.AfterFunc(lingerTime, s.client.cut)
	defer cut.Stop()
	_ = s.client.Close()
	_ = s.client.Wait()
}

func (s *session) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, timer := range []*time.Timer{s.lease, s.grant} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// finish closes the recording, or, where there is none, tells the broker that
// there is no session.
func (s *session) finish() {
	log := s.proxy.log.With("session", s.id)
	if s.recording != nil {
		if err := s.recording.End(s.ending.reason, s.ending.note()); err != nil {
			log.Error("a recording could not be closed", "error", err)
		}
		return
	}
	if !s.started.Load() {
		return
	}
	// The broker said yes, and then there could be no recording. Told once only: if it fails, the session's lease runs out at the broker.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := s.proxy.options.Broker.EndSession(ctx, s.id, wire.SessionEnd{Reason: wire.ReasonRecorderFailed, Ended: s.proxy.now().UTC()})
	if err != nil {
		log.Warn("the end of a session could not be reported", "error", err)
	}
}

// record writes an event, or ends the session. It returns false when the event
// is not in the recording; nothing that belongs to it may then be forwarded.
func (s *session) record(channel uint32, body cast.Body) bool {
	err := s.recording.Write(channel, body)
	if err == nil {
		return true
	}
	if !errors.Is(err, cast.ErrTooLong) {
		s.end(ending{reason: wire.ReasonRecorderFailed, detail: err.Error()})
	}
	return false
}

func newSessionID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}

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
