package portal

import (
	"sync"
	"time"
)

// allowance bounds calls that need no sign-in: so many in a burst, and one more
// each interval. It is safe for concurrent use.
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
func (a *allowance) admit(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}

// has says whether there is one, and leaves it.
func (a *allowance) has(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fill(now)
	return a.left > 0
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
