package portal

import (
	"context"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"stint/policies"
	"stint/server/api"
)

// What takes a processor for long (what-ifs, checks of a policy and its backtest) is worked
// out for one person at a time, one after the other, and for no more than mostLabours at
// once: nobody keeps the broker from everybody else.
const (
	mostLabours = 2
	// mostWaiting bounds the calls of one person, the one that is worked on included.
	mostWaiting = 4
)

// labours hands out turns. It is safe for concurrent use.
type labours struct {
	all chan struct{} // one for each that goes on

	mu sync.Mutex
	of map[policies.Subject]*labourer
}

// labourer is somebody with calls that are worked on or wait.
type labourer struct {
	calls int
	turn  chan struct{}
}

func newLabours() *labours {
	return &labours{all: make(chan struct{}, mostLabours), of: map[policies.Subject]*labourer{}}
}

// begin waits for a person's turn, and says no where too many calls of theirs wait, or
// where they have gone away. Whoever has a turn ends it.
func (l *labours) begin(ctx context.Context, who policies.Subject) (end func(), ok bool) {
	l.mu.Lock()
	one := l.of[who]
	if one == nil {
		one = &labourer{turn: make(chan struct{}, 1)}
		l.of[who] = one
	}
	if one.calls == mostWaiting {
		l.mu.Unlock()
		return nil, false
	}
	one.calls++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.calls--; one.calls == 0 {
			delete(l.of, who)
		}
	}
	select {
	case one.turn <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, false
	}
	select {
	case l.all <- struct{}{}:
	case <-ctx.Done():
		<-one.turn
		leave()
		return nil, false
	}
	return func() {
		<-l.all
		<-one.turn
		leave()
	}, true
}

// laborious marks, in an operation's metadata, what labour bounds.
const laborious = "laborious"

// labour bounds an operation that takes a processor for long.
func labour() option {
	return func(op *huma.Operation, _ *bool) { mark(op, laborious, true) }
}

// labouring runs behind authenticateHuma, before anything of an operation's input is read.
func (p *Portal) labouring(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().Metadata[laborious] != true {
		next(ctx)
		return
	}
	end, ok := p.labours.begin(ctx.Context(), personOf(ctx.Context()).Subject)
	if !ok {
		writeProblem(ctx, &api.Error{
			Status: http.StatusTooManyRequests, Code: "labour.too-much", Title: "What you asked for before is still being worked out; try again once it is.",
		})
		return
	}
	defer end()
	next(ctx)
}
