package sshproxy

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxUnauthenticated bounds the connections that have not authenticated yet, in
	// all and of one source.
	maxUnauthenticated = 256
	maxOfSource        = 128
	// A source may fail so often at once, and so often a second in the long run: a
	// handshake costs the proxy about a millisecond.
	failuresAtOnce    = 64
	failuresPerSecond = 2
	// maxSources bounds the sources that are remembered; each is for as long as it is
	// inside or its failures count.
	maxSources = 4096
	// sourceBits is how much of an IPv6 address tells one source from another: who has
	// one address of a network has them all.
	sourceBits = 64
)

var (
	errFull         = errors.New("too many clients are authenticating")
	errSourceFull   = errors.New("too many clients of one address are authenticating")
	errSourceFailed = errors.New("too many clients of one address could not authenticate")
)

// door counts the connections that have not authenticated yet.
type door struct {
	now func() time.Time

	mu      sync.Mutex
	inside  int
	sources map[netip.Prefix]*source
}

// source is the clients that cannot be told apart by their address.
type source struct {
	inside   int
	failures *rate.Limiter
}

func newDoor(now func() time.Time) *door {
	return &door{now: now, sources: make(map[netip.Prefix]*source)}
}

// enter takes a place before the handshake of a connection, or tells why there is
// none. leave gives it back when the client has authenticated or gone; failed
// counts against its source.
func (d *door) enter(from net.Addr) (leave func(failed bool), err error) {
	prefix := sourceOf(from)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside >= maxUnauthenticated {
		return nil, errFull
	}
	s := d.sources[prefix]
	switch {
	case s == nil:
		s = &source{failures: rate.NewLimiter(failuresPerSecond, failuresAtOnce)}
		d.forget()
		d.sources[prefix] = s
	case s.inside >= maxOfSource:
		return nil, errSourceFull
	case s.failures.TokensAt(d.now()) < 1:
		return nil, errSourceFailed
	}
	d.inside++
	s.inside++
	return func(failed bool) { d.leave(s, failed) }, nil
}

func (d *door) leave(s *source, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	s.inside--
	if failed {
		s.failures.AllowN(d.now(), 1)
	}
}

// forget makes room for a source: those that nothing is held against go, and, where
// that is not enough, any that has nobody inside. Holding mu.
func (d *door) forget() {
	if len(d.sources) < maxSources {
		return
	}
	now := d.now()
	for prefix, s := range d.sources {
		if s.inside == 0 && s.failures.TokensAt(now) >= failuresAtOnce {
			delete(d.sources, prefix)
		}
	}
	for prefix, s := range d.sources {
		if len(d.sources) < maxSources {
			return
		}
		if s.inside == 0 {
			delete(d.sources, prefix)
		}
	}
}

// sourceOf is what a client's address counts for. What has no address is one source.
func sourceOf(from net.Addr) netip.Prefix {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = sourceBits
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
