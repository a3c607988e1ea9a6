package portal

import (
	"context"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"stint/policies"
	"stint/server/api"
)

// What takes a processor for long is worked out for one person at a time, one after the
// other, and for no more than mostTurns at once: nobody keeps the broker from everybody
// else. That is what judges many people or many requests by a policy for the one who asks:
// what-ifs, checks and proposals of a policy, a change with what it would do, the
// history, all people, and the matrix of separations. What is worked out once for everybody
// (the roles' pages show such things) needs no turn.
const (
	mostTurns = 2
	// mostWaiting bounds the calls of one person, the one that is worked on included.
	mostWaiting = 4
)

// turns hands them out. It is safe for concurrent use.
type turns struct {
	all chan struct{} // one for each that goes on

	mu sync.Mutex
	of map[policies.Subject]*queue
}

// queue is of somebody whose calls are worked on or wait.
type queue struct {
	calls int
	turn  chan struct{}
}

func newTurns() *turns {
	return &turns{all: make(chan struct{}, mostTurns), of: map[policies.Subject]*queue{}}
}

// begin waits for a person's turn, and says no where too many calls of theirs wait, or
// where they have gone away. Whoever has a turn ends it.
func (t *turns) begin(ctx context.Context, who policies.Subject) (end func(), ok bool) {
	t.mu.Lock()
	one := t.of[who]
	if one == nil {
		one = &queue{turn: make(chan struct{}, 1)}
		t.of[who] = one
	}
	if one.calls == mostWaiting {
		t.mu.Unlock()
		return nil, false
	}
	one.calls++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.calls--; one.calls == 0 {
			delete(t.of, who)
		}
	}
	select {
	case one.turn <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, false
	}
	select {
	case t.all <- struct{}{}:
	case <-ctx.Done():
		<-one.turn
		leave()
		return nil, false
	}
	return func() {
		<-t.all
		<-one.turn
		leave()
	}, true
}

// heavy marks, in an operation's metadata, what takes turns.
const heavy = "heavy"

// heavyWork lets an operation that takes a processor for long take turns.
func heavyWork() option {
	return func(op *huma.Operation, _ *bool) { mark(op, heavy, true) }
}

// tooMuchWork answers whoever has called too often to be given a turn.
func tooMuchWork() error {
	return &api.Error{
		Status: http.StatusTooManyRequests, Code: "work.too-many", Title: "What you asked for before is still being worked out; try again once it is.",
	}
}
