package spool

import (
	"errors"
	"sync"
	"time"

	"stint/recorder/wire"
)

// ErrOutage means that the broker has not taken recordings for longer than Options.Patience.
var ErrOutage = errors.New("the broker takes no recordings")

// outage is since when the broker takes nothing from this spool.
type outage struct {
	patience time.Duration
	mu       sync.Mutex
	since    time.Time // of the first failure after the last success; zero when there was none
}

// failed notes that the broker did not take something. A refusal of one recording, and a
// fault that the broker has with one call, say nothing about others.
func (o *outage) failed(err error) {
	refusal := (*wire.Error)(nil)
	if errors.As(err, &refusal) || errors.Is(err, wire.ErrFault) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
	}
}

func (o *outage) taken() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Time{}
}

// lasts tells whether it is over patience that the broker takes nothing.
func (o *outage) lasts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.since.IsZero() && time.Since(o.since) > o.patience
}

// Taking is [ErrOutage] while the broker takes no recordings; nil as far as is known.
func (s *Spool) Taking() error {
	if s.outage.lasts() {
		return ErrOutage
	}
	return nil
}

// waiting is a transfer's clock: it runs from the first attempt after which the broker
// took nothing more, and calls its function once.
type waiting struct {
	patience time.Duration
	call     func() // nil for none
	mu       sync.Mutex
	timer    *time.Timer // nil while it does not run
	over     bool        // it has called
}

// begin starts the clock, unless it runs.
func (w *waiting) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.call != nil && w.timer == nil && !w.over {
		w.timer = time.AfterFunc(w.patience, w.lasted)
	}
}

func (w *waiting) lasted() {
	w.mu.Lock()
	call := w.timer != nil && !w.over
	w.over = w.over || call
	w.mu.Unlock()
	if call {
		w.call()
	}
}

// taken starts it anew, since some was taken.
func (w *waiting) taken() {
	w.stop()
	w.begin()
}

// stop stops it, since all was taken.
func (w *waiting) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
