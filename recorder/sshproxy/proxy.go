package sshproxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"stint/recorder/spool"
	"stint/recorder/wire"
)

const (
	// awayEvery is how often the log tells of clients that were turned away.
	awayEvery = 10 * time.Second
	// maxClosing bounds the recordings that are being closed.
	maxClosing = 4
	// stopTime is how long sessions may take to end when the proxy stops.
	stopTime = 4 * time.Second
	// lastReport is how long the broker may take to hear that the proxy is gone.
	lastReport = time.Second
)

// Options are what a Proxy needs. All but Version and Now are required.
type Options struct {
	Name      string // the proxy's, for the recording
	Version   string // of the program, for the broker
	Directory string // the identity lives here
	Signer    Signer
	Broker    Broker
	Spool     *spool.Spool
	Log       *slog.Logger
	Now       func() time.Time // time.Now when nil
}

// Proxy serves SSH. Its parts run from [New] to [Proxy.Stop].
type Proxy struct {
	options  Options
	log      *slog.Logger
	now      func() time.Time
	identity *identity
	live     *live
	status   *status

	context     context.Context // ends when all is over
	stop        context.CancelFunc
	background  sync.WaitGroup // what asks signer and broker
	connections sync.WaitGroup
	door        *door
	closing     chan struct{} // one for each recording that is being closed

	away     int // turned away since the log told of it; for Serve alone
	awayTold rate.Sometimes

	mu       sync.Mutex
	closed   bool
	accepted map[net.Conn]struct{}
}

// New reads the proxy's identity and starts to ask the signer and the broker.
func New(options Options) (*Proxy, error) {
	if options.Name == "" || options.Directory == "" || options.Signer == nil || options.Broker == nil || options.Spool == nil || options.Log == nil {
		return nil, errors.New("a proxy needs a name, a directory, a signer, a broker, a spool and a log")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	id, err := openIdentity(options.Directory, options.Signer, options.Log, options.Now)
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		options: options, log: options.Log, now: options.Now,
		identity: id, live: newLive(options.Broker, options.Log),
		door: newDoor(options.Now), awayTold: rate.Sometimes{Interval: awayEvery}, closing: make(chan struct{}, maxClosing), accepted: make(map[net.Conn]struct{}),
	}
	ctx, stop := context.WithCancel(context.Background())
	p.context, p.stop = ctx, stop
	p.status = newStatus(options.Broker, p.live, options.Version, options.Now(), options.Log)
	p.background.Go(func() { id.keep(ctx) })
	p.background.Go(func() { p.live.followEndings(ctx) })
	p.background.Go(func() { p.live.keepLeases(ctx) })
	p.background.Go(func() { p.status.keep(ctx) })
	return p, nil
}

// Ready is closed when the proxy has a host certificate and can show itself.
func (p *Proxy) Ready() <-chan struct{} { return p.identity.ready }

// Serve accepts connections until the listener is closed.
func (p *Proxy) Serve(listener net.Listener) error {
	delay := 5 * time.Millisecond
	for {
		raw, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of file descriptors, most likely: it passes.
			p.log.Warn("a connection could not be accepted", "error", err)
			time.Sleep(delay)
			delay = min(2*delay, time.Second)
			continue
		}
		delay = 5 * time.Millisecond
		leave, err := p.door.enter(raw.RemoteAddr())
		if err != nil {
			p.turnedAway(raw, err)
			continue
		}
		if !p.accept(raw, leave) {
			raw.Close()
			return nil
		}
	}
}

// turnedAway closes a connection that came when there was no place for it. There
// may be very many: the log tells of one now and then.
func (p *Proxy) turnedAway(raw net.Conn, why error) {
	_ = raw.Close()
	p.away++
	p.awayTold.Do(func() {
		p.log.Warn("clients were turned away", "clients", p.away, "why", why, "the last", raw.RemoteAddr().String())
		p.away = 0
	})
}

// accept serves a connection in a goroutine of its own; false when stopping.
func (p *Proxy) accept(raw net.Conn, leave func(failed bool)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.accepted[raw] = struct{}{}
	p.connections.Go(func() {
		defer func() {
			raw.Close()
			p.mu.Lock()
			delete(p.accepted, raw)
			p.mu.Unlock()
		}()
		p.serve(raw, leave)
	})
	return true
}

// serve authenticates a connection and finds out which way it comes. leave is called
// when the client has authenticated or not.
func (p *Proxy) serve(raw net.Conn, leave func(failed bool)) {
	conn, err := p.authenticate(raw, func(user string, pass pass) error {
		if !strings.Contains(user, "@") {
			return p.live.mayJump(pass) // the outer connection of -J: what counts is said inside
		}
		if err := mustBe(pass, user); err != nil {
			return err
		}
		return p.live.hasRoom(pass)
	})
	leave(err != nil && !errors.Is(err, errSilent))
	if err != nil {
		p.log.Info("a client was not let in", "client", raw.RemoteAddr().String(), "error", err)
		return
	}
	p.admit(conn, func() {
		if strings.Contains(conn.User(), "@") {
			p.serveSession(context.Background(), conn)
		} else {
			p.serveJump(context.Background(), conn)
		}
	})
}

// admit serves an authenticated connection in a place of its grant's, or turns it
// away when others took the last ones since it was asked.
func (p *Proxy) admit(conn *connection, serve func()) {
	leave, err := p.live.enter(conn.pass.Request)
	if err != nil {
		p.log.Info("a client was turned away", "client", conn.RemoteAddr().String(), "error", err)
		conn.turnAway()
		return
	}
	defer leave()
	serve()
}

// Stop ends all sessions and returns when they are over. The listener must be
// closed before.
func (p *Proxy) Stop() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.live.stop(ending{reason: wire.ReasonProxyStopped})

	over := make(chan struct{})
	go func() {
		p.connections.Wait()
		close(over)
	}()
	// Connections without a session (handshakes, the outer ones of -J) have
	// nothing to say any more; sessions are given the time to say it.
	patience := time.AfterFunc(stopTime, p.hangUp)
	for waiting := true; waiting; {
		select {
		case <-over:
			waiting = false
		case <-time.After(20 * time.Millisecond):
			if len(p.live.all()) == 0 {
				p.hangUp()
			}
		}
	}
	patience.Stop()
	last, cancel := context.WithTimeout(p.context, lastReport)
	defer cancel()
	p.status.stopped(last)
	p.stop()
	p.background.Wait()
}

// hangUp closes every connection.
func (p *Proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for raw := range p.accepted {
		raw.Close()
	}
}
