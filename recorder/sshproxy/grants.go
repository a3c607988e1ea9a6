package sshproxy

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"stint/recorder/wire"
)

const (
	// maxConnections bounds the connections of one grant at once, whatever they do:
	// as many as the most sessions have, each with an outer connection (-J) of its
	// own. Nobody takes the proxy's files and memory away from everybody else.
	maxConnections = 2 * wire.MaxSessions
	// mostEndings bounds the endings of grants that are remembered.
	mostEndings = 4096
)

// grants is what is known of grants beside their sessions. Its owner locks.
type grants struct {
	connections map[string]int // by request: outer ones, handshakes inside them, and sessions
	outers      map[*outer]struct{}
	// endings are the newest that were heard, and order is theirs. Sessions ask the
	// broker; an outer connection asks nobody, and goes by these.
	endings map[string]ending
	order   []string
}

func newGrants() grants {
	return grants{connections: make(map[string]int), outers: make(map[*outer]struct{}), endings: make(map[string]ending)}
}

// refuses tells why one more connection of a grant is not let in; nil when it is.
func (g *grants) refuses(request string) error {
	if g.connections[request] < maxConnections {
		return nil
	}
	return &refusedCertificate{
		check: "connections", ours: true,
		why: fmt.Sprintf("the grant %s has %d connections here already. End some of them first", request, maxConnections),
	}
}

// hasRoom refuses a connection of a grant that has too many. It keeps no place.
func (l *live) hasRoom(pass pass) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.grants.refuses(pass.Request)
}

// mayJump refuses an outer connection by a certificate whose grant is over, as far
// as that was heard, or has too many connections.
func (l *live) mayJump(pass pass) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why, over := l.grants.endings[pass.Request]; over {
		return &refusedCertificate{check: "ended", why: why.refusal(), ours: true}
	}
	return l.grants.refuses(pass.Request)
}

// enter takes a place for one connection of a grant. leave gives it back; calling
// it again does nothing.
func (l *live) enter(request string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.grants.refuses(request); err != nil {
		return nil, err
	}
	l.grants.connections[request]++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.grants.connections[request]--; l.grants.connections[request] == 0 {
			delete(l.grants.connections, request)
		}
	}), nil
}

// addOuter registers an outer connection, which ends at once if its grant is over.
func (l *live) addOuter(o *outer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grants.outers[o] = struct{}{}
	if why, over := l.grants.endings[o.client.pass.Request]; over {
		o.end("stint: " + why.refusal())
	}
	if l.draining {
		o.end("stint: " + drainingSentence)
	}
}

func (l *live) removeOuter(o *outer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.grants.outers, o)
}

// grantEnded ends everything of a grant.
func (l *live) grantEnded(request string, why ending) {
	l.mu.Lock()
	l.grants.remember(request, why)
	sessions := slices.Collect(maps.Values(l.ofGrant[request]))
	l.mu.Unlock()
	for _, s := range sessions {
		if s.endsWith(request, why) {
			s.end(why)
		}
	}
	l.endOuters(request, why)
}

// endOuters ends the outer connections by a grant's certificates, and remembers
// that it is over.
func (l *live) endOuters(request string, why ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for o := range l.grants.outers {
		if o.client.pass.Request == request {
			o.end("stint: " + why.refusal())
		}
	}
	l.grants.remember(request, why)
}

// remember keeps the first ending of a grant that was heard.
func (g *grants) remember(request string, why ending) {
	if _, known := g.endings[request]; known {
		return
	}
	g.endings[request] = why
	if g.order = append(g.order, request); len(g.order) > mostEndings {
		delete(g.endings, g.order[0])
		g.order = g.order[1:]
	}
}
