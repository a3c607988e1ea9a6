package access

import (
	"sync"
	"time"
)

// clockTolerance is how far the clock may be behind what is known to have
// passed before giving stops: several brokers' clocks differ a little.
const clockTolerance = 5 * time.Second

// floor keeps time from going back. The audit log's last entry is a moment that
// has certainly passed, and since then at least as much more has passed as the
// monotonic clock says. A clock that shows less was set back, or is wrong.
type floor struct {
	mu   sync.Mutex
	last time.Time // of the audit log, when it was last seen to change
	seen time.Time // when that was, with its monotonic reading
}

// instant is one reading of the time.
type instant struct {
	// now is what to decide by: the later of the clock and the floor. What has
	// ended stays ended, and goes on ending, whatever the clock shows.
	now time.Time
	// stamp is what to write down. It is never before the audit log's last entry,
	// and otherwise the clock's, so that a clock put right after it ran ahead
	// catches up with the log.
	stamp time.Time
	// behind says that the clock cannot be believed; nothing is given.
	behind bool
}

// read takes a clock's reading, with its monotonic part if it has one, and the
// time of the audit log's last entry.
func (f *floor) read(clock, last time.Time) instant {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last.After(f.last) { // a reader's snapshot may be older than what another saw
		f.last, f.seen = last, clock
	}
	return reading(clock.Round(0).UTC().Truncate(time.Microsecond), f.last, clock.Sub(f.seen))
}

// reading works out the instant from what the clock shows, the audit log's last
// entry and the monotonic time since that was seen.
func reading(wall, last time.Time, since time.Duration) instant {
	i := instant{now: wall, stamp: wall}
	if last.IsZero() {
		return i
	}
	if wall.Before(last) {
		i.stamp = last
	}
	if least := last.Add(max(since, 0)).Truncate(time.Microsecond); wall.Before(least) {
		i.now, i.behind = least, least.Sub(wall) > clockTolerance
	}
	return i
}
