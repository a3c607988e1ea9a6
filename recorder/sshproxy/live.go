package sshproxy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"stint/recorder/wire"
)

// Broker is what the proxy asks the broker for; *wire.Client is one.
type Broker interface {
	StartSession(ctx context.Context, start wire.SessionStart) (wire.Session, error)
	RenewLeases(ctx context.Context, request wire.LeaseRequest) (wire.LeaseResult, error)
	ExtendSession(ctx context.Context, session string, extension wire.Extension) error
	EndSession(ctx context.Context, session string, end wire.SessionEnd) error
	ReportStatus(ctx context.Context, status wire.ProxyStatus) error
	Endings(ctx context.Context, connected func(), each func(wire.Ending)) error
}

const (
	// streamWait is how long a new session waits for the stream of endings to
	// come back before it is refused.
	streamWait = time.Second
	// leaseRetry is how soon a renewal that failed is tried again.
	leaseRetry = time.Second
	// streamRetry is the first wait before the stream is opened again; it doubles
	// up to streamRetryMost.
	streamRetry     = 100 * time.Millisecond
	streamRetryMost = 500 * time.Millisecond
)

var (
	errNoBroker = errors.New("the broker cannot be reached")
	errStopping = errors.New("the proxy is stopping")
	errTooMany  = errors.New("the grant has too many sessions")
)

// live knows the sessions of this proxy, from before the broker is asked about
// one until it is over, and ends them when the broker says so.
type live struct {
	broker Broker
	log    *slog.Logger
	renew  chan struct{} // one token asks for a renewal of all leases now

	mu       sync.Mutex
	sessions map[string]*session
	ofGrant  map[string]map[string]*session // the same, by the requests they are under
	grants   grants
	stopping bool
	draining bool
	// listening is closed while the stream of endings is open. Without it no
	// session starts: nobody could end it at once.
	listening chan struct{}
	open      bool
}

func newLive(broker Broker, log *slog.Logger) *live {
	return &live{
		broker: broker, log: log, renew: make(chan struct{}, 1),
		sessions: make(map[string]*session), ofGrant: make(map[string]map[string]*session), grants: newGrants(), listening: make(chan struct{}),
	}
}

// add registers a session before the broker is asked about it, so that no ending
// can fall between the broker's yes and its being known here. A grant has
// wire.MaxSessions at most.
func (l *live) add(s *session) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return errStopping
	}
	if l.draining {
		return errDraining
	}
	if len(l.ofGrant[s.pass.Request]) >= wire.MaxSessions {
		return errTooMany
	}
	l.sessions[s.id] = s
	l.put(s, s.pass.Request)
	return nil
}

// extend has a session be found by another grant too, unless the session is over; and
// tells how that grant ended, if it was heard before.
func (l *live) extend(s *session, request string) (why ending, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.id] == s {
		l.put(s, request)
	}
	why, over = l.grants.endings[request]
	return why, over
}

func (l *live) put(s *session, request string) {
	same := l.ofGrant[request]
	if same == nil {
		same = make(map[string]*session)
		l.ofGrant[request] = same
	}
	same[s.id] = s
	s.foundBy = append(s.foundBy, request)
}

func (l *live) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, s.id)
	for _, request := range s.foundBy {
		same := l.ofGrant[request]
		if delete(same, s.id); len(same) == 0 {
			delete(l.ofGrant, request)
		}
	}
	s.foundBy = nil
}

// stop ends every session and lets none start.
func (l *live) stop(e ending) {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	for _, s := range l.all() {
		s.end(e)
	}
}

func (l *live) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	sessions := make([]*session, 0, len(l.sessions))
	for _, s := range l.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}

// awaitStream returns when the broker's endings are being heard.
func (l *live) awaitStream(ctx context.Context) error {
	l.mu.Lock()
	listening := l.listening
	l.mu.Unlock()
	timer := time.NewTimer(streamWait)
	defer timer.Stop()
	select {
	case <-listening:
		return nil
	case <-timer.C:
		return errNoBroker
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followEndings holds the stream of endings open until ctx ends.
func (l *live) followEndings(ctx context.Context) {
	wait := streamRetry
	for {
		err := l.broker.Endings(ctx, func() {
			wait = streamRetry
			l.setListening(true)
			// What ended while nobody listened shows in the verdicts.
			l.renewNow()
		}, l.hear)
		l.setListening(false)
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("the stream of endings broke and is opened again", "in", wait.String(), "error", err)
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, streamRetryMost)
	}
}

func (l *live) setListening(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open == l.open {
		return
	}
	l.open = open
	if open {
		close(l.listening)
	} else {
		l.listening = make(chan struct{})
	}
}

// hear ends what an ending is about.
func (l *live) hear(e wire.Ending) {
	why := ending{reason: e.Reason, by: e.By, at: e.At}
	switch {
	case e.Session != "":
		l.mu.Lock()
		s := l.sessions[e.Session]
		l.mu.Unlock()
		if s != nil {
			s.end(why)
		}
	case e.Request != "":
		l.grantEnded(e.Request, why)
	default: // a ping
	}
}

func (l *live) renewNow() {
	select {
	case l.renew <- struct{}{}:
	default:
	}
}

// keepLeases renews the leases of all sessions until ctx ends. A lease that is
// not renewed runs out by itself.
func (l *live) keepLeases(ctx context.Context) {
	timer := time.NewTimer(wire.LeaseRenewal)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.renew:
		}
		next := wire.LeaseRenewal
		if err := l.renewAll(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("leases could not be renewed", "error", err)
			next = leaseRetry
		}
		timer.Reset(next)
	}
}

func (l *live) renewAll(ctx context.Context) error {
	var started []*session
	for _, s := range l.all() {
		if s.started.Load() {
			started = append(started, s)
		}
	}
	for len(started) > 0 {
		batch := started[:min(len(started), wire.MaxLeases)]
		started = started[len(batch):]
		request := wire.LeaseRequest{Sessions: make([]string, len(batch))}
		for i, s := range batch {
			request.Sessions[i] = s.id
		}
		// A lease counts from before the question: the answer may have been long
		// on its way.
		asked := time.Now()
		result, err := l.broker.RenewLeases(ctx, request)
		if err != nil {
			return err
		}
		for i, verdict := range result.Verdicts {
			batch[i].judge(asked, verdict)
		}
	}
	return nil
}

// sleep waits; it returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
