package portal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// keptLife is how long an answer serves everybody who asks; targets allow for it
// (docs/formats/target-trust.md).
const keptLife = time.Second

// kept is an answer that is the same for everybody: at most one call a second goes
// for it, however many ask. The zero value holds none. It is safe for concurrent use.
type kept[T any] struct {
	mu  sync.Mutex
	now *keptAnswer[T]
}

// keptAnswer is there, or on its way.
type keptAnswer[T any] struct {
	until time.Time
	done  chan struct{} // closed when it is there
	value T
	err   error
}

// get returns the answer of the second that is running, a failure too. fetch must
// end within a bound of its own: whoever asked first may go away, and the others
// wait for the same answer.
func (k *kept[T]) get(ctx context.Context, now time.Time, fetch func(context.Context) (T, error)) (T, error) {
	answer, first := k.find(now)
	if first {
		func() {
			defer close(answer.done)
			answer.err = errors.New("fetching an answer for everybody broke off") // stays where fetch panics
			answer.value, answer.err = fetch(context.WithoutCancel(ctx))
		}()
	}
	select {
	case <-answer.done:
		return answer.value, answer.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("waiting for an answer: %w", context.Cause(ctx))
	}
}

// find is the answer, and whether the caller is to fetch it. One that is still on
// its way is waited for, however long it takes.
func (k *kept[T]) find(now time.Time) (answer *keptAnswer[T], first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now != nil {
		select {
		case <-k.now.done:
			if !now.After(k.now.until) {
				return k.now, false
			}
		default:
			return k.now, false
		}
	}
	k.now = &keptAnswer[T]{until: now.Add(keptLife), done: make(chan struct{})}
	return k.now, true
}
