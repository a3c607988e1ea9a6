package portal

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"stint/server/api"
)

// Whoever has not signed in may call so often: an address, and all of them
// together. Six thousand targets behind one address ask once a minute each. What
// such a call costs is bounded by itself: answers that are the same for everybody
// are kept (kept.go), and what is written down or handed to the signer was signed
// by somebody who is bounded in turn.
const (
	callsOfAddress = 2000
	addressEvery   = time.Second / 100
	callsOfAll     = 8000
	allEvery       = time.Second / 2000
	// siteShare is how much more a site of IPv6 has, of which each of 65536 networks
	// could pass for a caller: less than all together, or one household would be all.
	siteShare = 3
	// mostAddresses bounds the table; whoever does not fit in shares one allowance.
	mostAddresses = 8192
)

// What a call without sign-in costs, in simple ones.
const (
	simply      = 1
	aSignature  = 4  // a signature to be checked
	aSignIn     = 20 // and a token of the identity provider's
	anInventory = 40 // a document of a mebibyte to be read
)

// allowance bounds calls: so many in a burst, and one more each interval. It is
// safe for concurrent use.
type allowance struct {
	mu       sync.Mutex
	burst    int
	interval time.Duration
	left     int
	filled   time.Time
}

func newAllowance(burst int, interval time.Duration) *allowance {
	return &allowance{burst: burst, interval: interval, left: burst}
}

// admit takes one, if there is one.
func (a *allowance) admit(now time.Time) bool { return a.take(1, now) }

// take takes as many, if there are as many.
func (a *allowance) take(many int, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	if a.left < many {
		return false
	}
	a.left -= many
	return true
}

// has says whether there is one, and leaves it.
func (a *allowance) has(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	return a.left > 0
}

// full says whether nothing was taken of late.
func (a *allowance) full(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	return a.left == a.burst
}

func (a *allowance) fill(now time.Time) {
	if a.filled.IsZero() {
		a.filled = now
	}
	if more := now.Sub(a.filled) / a.interval; more > 0 {
		a.left = min(a.burst, a.left+int(min(more, time.Duration(a.burst))))
		a.filled = a.filled.Add(more * a.interval)
	}
}

// strangers bounds the calls of those who have not signed in.
type strangers struct {
	all, rest *allowance

	mu     sync.Mutex
	of     map[netip.Prefix]*allowance
	forget time.Time // when to look again for addresses that are quiet
}

func newStrangers() *strangers {
	return &strangers{
		all: newAllowance(callsOfAll, allEvery), rest: newAllowance(callsOfAddress, addressEvery), of: map[netip.Prefix]*allowance{},
	}
}

// admit takes a call from an address that costs as much as so many simple ones. One
// address that calls without end uses up its own allowance, never that of all.
func (s *strangers) admit(address string, cost int, now time.Time) bool {
	network, site := networkOf(address, 64), networkOf(address, 48)
	if !s.from(network, 1, now).take(cost, now) {
		return false
	}
	if site != network {
		if a := s.from(site, siteShare, now); a != s.rest && !a.take(cost, now) {
			return false
		}
	}
	return s.all.take(cost, now)
}

// from is the allowance of a network, so many times that of an address.
func (s *strangers) from(network netip.Prefix, share int, now time.Time) *allowance {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.of[network]; known != nil {
		return known
	}
	if len(s.of) >= mostAddresses {
		if now.Before(s.forget) {
			return s.rest
		}
		s.forget = now.Add(time.Second)
		for network, a := range s.of {
			if a.full(now) {
				delete(s.of, network)
			}
		}
		if len(s.of) >= mostAddresses {
			return s.rest
		}
	}
	a := newAllowance(share*callsOfAddress, addressEvery/time.Duration(share))
	s.of[network] = a
	return a
}

// networkOf is what one caller has: an IPv4 address, or so many bits of an IPv6 one.
// What is no address is the network of all that are none.
func networkOf(address string, most int) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = most
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

func tooManyCalls() *api.Error {
	return &api.Error{Status: http.StatusTooManyRequests, Code: "calls.too-many", Title: "Too many calls come in from your address, or at all; try again in a moment."}
}

// boundedHuma runs in front of every operation that needs no sign-in, before
// anything of its input is read.
func (p *Portal) boundedHuma(ctx huma.Context, next func(huma.Context)) {
	price, _ := ctx.Operation().Metadata[cost].(int)
	if !p.strangers.admit(humagin.Unwrap(ctx).ClientIP(), max(simply, price), p.config.Now()) {
		writeProblem(ctx, tooManyCalls())
		return
	}
	next(ctx)
}

// bounded does the same for routes that are no operations.
func (p *Portal) bounded(c *gin.Context) {
	if !p.strangers.admit(c.ClientIP(), simply, p.config.Now()) {
		p.refuse(c, tooManyCalls())
		return
	}
	c.Next()
}
