package recorder

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"stint/recorder/sshproxy"
	"stint/recorder/tunnel"
)

// bindRetry is how often a front tries to listen where the process before it still does.
const bindRetry = 100 * time.Millisecond

// ends are the ends of tunnels that a proxy has: it may be reached by way of a front, and it
// may be the front of others.
type ends struct {
	config Config
	own    tls.Certificate
	log    *slog.Logger
	inside *tunnel.Inside
	front  *tunnel.Front
	served chan error // of inside
}

func newEnds(config Config, own tls.Certificate, log *slog.Logger) *ends {
	return &ends{config: config, own: own, log: log}
}

// open begins to serve. Where a process that this one takes over from still listens as a
// front, it waits for it to let go.
func (e *ends) open(ctx context.Context, proxy *sshproxy.Proxy) error {
	if t := e.config.Tunnel; t != nil {
		e.inside, e.served = tunnel.Listen(t.Address, t.Key, e.own, e.log), make(chan error, 1)
		go func() { e.served <- proxy.Serve(e.inside) }()
	}
	f := e.config.Front
	if f == nil {
		return nil
	}
	places := make([]tunnel.Place, len(f.Proxies))
	for i, p := range f.Proxies {
		places[i] = tunnel.Place(p)
	}
	patience, cancel := context.WithTimeout(ctx, controlTime)
	defer cancel()
	for {
		var err error
		if e.front, err = tunnel.NewFront(f.Listen, places, e.own, e.log); err == nil {
			for i, address := range e.front.Addresses()[1:] {
				e.log.Info("clients of a proxy inside are carried", "proxy", places[i].Name, "listen", address.String())
			}
			return nil
		}
		select {
		case <-time.After(bindRetry):
		case <-patience.Done():
			return fmt.Errorf("beginning to be a front: %w", err)
		}
	}
}

// shut lets nobody in any more. Calling it again does nothing more.
func (e *ends) shut() {
	if e.inside != nil {
		e.inside.Close()
		<-e.served
		e.inside = nil
	}
	if e.front != nil {
		e.front.Shut()
	}
}

// gone is closed when, after shut, nothing is carried any more.
func (e *ends) gone() <-chan struct{} {
	if e.front != nil {
		return e.front.Gone()
	}
	nothing := make(chan struct{})
	close(nothing)
	return nothing
}

// close cuts what is carried.
func (e *ends) close() {
	if e.front != nil {
		e.front.Close()
	}
}
