package portal

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"stint/policies"
)

// However many calls somebody makes, one is worked on, and few wait; all together are
// bounded too, and nobody is forgotten.
func TestLabours(t *testing.T) {
	t.Parallel()
	l := newLabours()
	person := func(i int) policies.Subject { return policies.Subject{Issuer: "i", Subject: fmt.Sprint(i)} }
	end, ok := l.begin(t.Context(), person(0))
	if !ok {
		t.Fatal("the first has no turn")
	}
	// Of one person: the others wait, and one beyond is refused.
	gone, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range mostWaiting - 1 {
		waiting.Go(func() {
			if _, ok := l.begin(gone, person(0)); ok {
				t.Error("two calls of one person are worked on")
			}
		})
	}
	for calls := 0; calls < mostWaiting; {
		l.mu.Lock()
		calls = l.of[person(0)].calls
		l.mu.Unlock()
	}
	if _, ok := l.begin(t.Context(), person(0)); ok {
		t.Error("any number of calls may wait")
	}
	other, ok := l.begin(t.Context(), person(1))
	if !ok {
		t.Fatal("another has no turn")
	}
	leave()
	waiting.Wait()
	other()
	end()

	// Of many people.
	var now, most atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			end, ok := l.begin(t.Context(), person(i%20))
			if !ok {
				t.Error("somebody was refused")
				return
			}
			most.Store(max(most.Load(), now.Add(1)))
			now.Add(-1)
			end()
		})
	}
	all.Wait()
	if most.Load() > mostLabours || len(l.of) != 0 {
		t.Errorf("%d were worked on at once, and %d people are remembered", most.Load(), len(l.of))
	}
}
