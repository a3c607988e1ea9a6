package portal

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"stint/policies"
)

// However many calls somebody makes, one is worked on, and few wait; all together are
// bounded too, and nobody is forgotten.
func TestTurns(t *testing.T) {
	t.Parallel()
	all := newTurns()
	person := func(i int) policies.Subject { return policies.Subject{Issuer: "i", Subject: fmt.Sprint(i)} }
	begin := func(i int) func() {
		end, ok := all.begin(t.Context(), person(i))
		if !ok {
			t.Fatalf("person %d has no turn", i)
		}
		return end
	}
	wait := func(i, calls int) {
		for now := -1; now != calls; {
			all.mu.Lock()
			now = 0
			if queue := all.of[person(i)]; queue != nil {
				now = queue.calls
			}
			all.mu.Unlock()
			runtime.Gosched()
		}
	}

	// Of one person: the others wait, and one beyond is refused.
	end := begin(0)
	gone, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range mostWaiting - 1 {
		waiting.Go(func() {
			if _, ok := all.begin(gone, person(0)); ok {
				t.Error("two calls of one person are worked on")
			}
		})
	}
	wait(0, mostWaiting)
	if _, ok := all.begin(t.Context(), person(0)); ok {
		t.Error("any number of calls may wait")
	}
	leave()
	waiting.Wait()

	// Of many people: as many as there are turns, and others have none until one ends.
	ends := []func(){end}
	for i := 1; i < mostTurns; i++ {
		ends = append(ends, begin(i))
	}
	gone, leave = context.WithCancel(t.Context())
	for i := range 20 {
		waiting.Go(func() {
			if _, ok := all.begin(gone, person(mostTurns+i)); ok {
				t.Error("more calls are worked on than there are turns")
			}
		})
	}
	for i := range 20 {
		wait(mostTurns+i, 1)
	}
	leave()
	waiting.Wait()
	ends[0]()
	ends[0] = begin(mostTurns)
	for _, end := range ends {
		end()
	}
	if len(all.of) != 0 {
		t.Errorf("%d people are remembered", len(all.of))
	}
}
