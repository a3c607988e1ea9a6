package storetest

import (
	"sync"
	"time"

	"stint/server/access"
)

// Notices gathers what proxies would be told.
type Notices struct {
	mu  sync.Mutex
	all []access.Notice
}

// Notify adds one.
func (n *Notices) Notify(notice access.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, notice)
}

// All is what was told so far.
func (n *Notices) All() []access.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]access.Notice(nil), n.all...)
}

// Clock stands still until it is moved.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []alarm
}

type alarm struct {
	at time.Time
	c  chan time.Time
}

// NewClock begins at a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After sends once the clock was moved that far.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := alarm{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		a.c <- c.now
		return a.c
	}
	c.alarms = append(c.alarms, a)
	return a.c
}

// Move moves the clock, back too.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var waiting []alarm
	for _, a := range c.alarms {
		if a.at.After(c.now) {
			waiting = append(waiting, a)
			continue
		}
		a.c <- c.now
	}
	c.alarms = waiting
}
