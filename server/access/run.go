package access

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// longestRest is how long Run sleeps at most, since other brokers on the same
	// database make work that nobody tells this one.
	longestRest = time.Second
	// runBatch bounds what one pass takes up at a time.
	runBatch = 100
	// leaseGrace is how long after its lease a session is given up: its proxy
	// closed it by then, and could not say so.
	leaseGrace = 15 * time.Second
	// Delivery to the signer is tried again after these.
	firstRetry, lastRetry = 100 * time.Millisecond, 15 * time.Second
)

// Run keeps the store up to date until ctx is done: it writes down what time has
// ended, brings endings to the signer with back-off, has what is live issued once
// more after a key was withdrawn, tells people of what waits for them, judges live
// sessions by a new policy, asks Fleet about devices in use, gives up sessions whose proxy has gone silent, and writes
// down asks that were refused, also those that still wait when ctx is done. Access never depends on it. Run it once a process, and wait for it to return.
func (s *Service) Run(ctx context.Context) {
	// Loops of their own, so that a signer or a Fleet server that does not answer
	// delays no expiry, and what gives no ending.
	sweeping, delivering := make(chan struct{}, 1), make(chan struct{}, 1)
	var group sync.WaitGroup
	group.Go(func() { s.spread(ctx, sweeping, delivering) })
	group.Go(func() { s.loop(ctx, delivering, s.deliver) })
	group.Go(func() { s.loop(ctx, sweeping, s.sweep) })
	group.Go(func() { s.loop(ctx, nil, s.tell) })
	group.Go(func() { s.loop(ctx, nil, s.reissue) })
	group.Go(func() { s.loop(ctx, nil, s.rejudge) })
	group.Go(func() { s.keepRefusals(ctx) })
	if s.config.Fleet != nil {
		group.Go(func() { s.loop(ctx, nil, s.askDue) })
	}
	group.Wait()
}

// spread passes one nudge on to both loops. It ends with ctx, as both do.
func (s *Service) spread(ctx context.Context, to ...chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for _, loop := range to {
			select {
			case loop <- struct{}{}:
			default:
			}
		}
	}
}

// loop does passes, each of which says how long it may rest.
func (s *Service) loop(ctx context.Context, wake <-chan struct{}, pass func(context.Context) (time.Duration, error)) {
	for {
		rest, err := pass(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.config.Log.Error("keeping the store up to date", "error", err)
			rest = longestRest
		}
		if rest > 0 {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			case <-s.config.Clock.After(min(rest, longestRest)):
			}
		}
	}
}

// sweep writes down what time has ended, and gives up silent sessions and those of
// silent devices.
func (s *Service) sweep(ctx context.Context) (time.Duration, error) {
	var due []Request
	var lost, outdated []Session
	var over []Change
	var clock instant
	rest := longestRest
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		clock = m.instant
		if due, err = r.Due(m.now, runBatch); err != nil {
			return err
		}
		if lost, err = r.LeaseLost(m.now.Add(-leaseGrace), runBatch); err != nil {
			return err
		}
		if outdated, err = r.DeviceOverdue(m.now, runBatch); err != nil {
			return err
		}
		if over, err = m.overChanges(r); err != nil {
			return err
		}
		for _, due := range []func() (time.Time, error){r.NextDue, r.NextDeviceDue} {
			next, err := due()
			if err != nil && !errors.Is(err, ErrNoRow) {
				return err
			} else if err == nil {
				rest = min(rest, next.Sub(m.now))
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := s.watchClock(ctx, clock); err != nil {
		return 0, err
	}
	if err := s.closeChanges(ctx, over); err != nil {
		return 0, err
	}
	for _, q := range due {
		if err := s.expire(ctx, q.ID); err != nil {
			return 0, err
		}
	}
	for _, session := range lost {
		if err := s.giveUp(ctx, session.ID); err != nil {
			return 0, err
		}
	}
	for _, session := range outdated {
		if err := s.outdate(ctx, session.ID); err != nil {
			return 0, err
		}
	}
	if len(due) > 0 || len(lost) > 0 || len(over) > 0 || len(outdated) > 0 {
		return 0, nil // look again at once
	}
	return max(rest, time.Millisecond), nil
}

// watchClock raises the alarm once each time the clock falls behind. The entry is
// of the time that has really come, so that giving stops until the clock shows
// that much; a second entry, of the clock's own time, says that it does.
func (s *Service) watchClock(ctx context.Context, clock instant) error {
	caughtUp := clock.stamp.After(s.alarmed)
	switch {
	case clock.behind && s.alarmed.IsZero():
		s.config.Log.Error("the clock is behind: nothing is given until it is right", "shows", clock.stamp, "passed", clock.now)
		var passed time.Time
		err := s.write(ctx, func(c *change) error {
			passed, c.stamp = c.now, c.now
			_, err := c.record(AuditEvent{
				Kind: EventClockBehind, Text: "A broker's clock is behind the time that has passed. It grants nothing until the clock is right.",
			}, nil)
			return err
		})
		if err != nil {
			return err
		}
		s.alarmed = passed
	case !s.alarmed.IsZero() && caughtUp:
		err := s.write(ctx, func(c *change) error {
			_, err := c.record(AuditEvent{Kind: EventClockRight, Text: "The broker's clock has caught up. It grants again."}, nil)
			return err
		})
		if err != nil {
			return err
		}
		s.alarmed = time.Time{}
	}
	return nil
}

// giveUp notes the end of a session whose lease was not renewed.
func (s *Service) giveUp(ctx context.Context, id string) error {
	return s.write(ctx, func(c *change) error {
		session, err := c.Session(id)
		if err != nil {
			return err
		}
		if !session.Live() || !session.LeaseUntil.Before(c.now.Add(-leaseGrace)) {
			return nil
		}
		return c.finish(session, SessionEnd{Reason: leaseLost, Ended: session.LeaseUntil, Bytes: session.Bytes})
	})
}

// deliver brings suspensions, blocks, ended delegations and endings to the signer.
func (s *Service) deliver(ctx context.Context) (time.Duration, error) {
	var endings []Ending
	var suspensions []Suspension
	var blocks []DeviceBlock
	var ended []DelegationEnd
	rest := longestRest
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		if suspensions, err = r.Suspensions(m.now, runBatch); err != nil {
			return err
		}
		if blocks, err = r.DeviceBlocks(m.now, runBatch); err != nil {
			return err
		}
		if ended, err = r.DelegationEnds(m.now, runBatch); err != nil {
			return err
		}
		if endings, err = r.Endings(m.now, runBatch); err != nil {
			return err
		}
		next, err := r.NextEnding()
		if errors.Is(err, ErrNoRow) {
			return nil
		}
		rest = next.Sub(m.now)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, suspended := range suspensions {
		if err := s.deliverSuspension(ctx, suspended); err != nil && !errors.As(err, new(*Error)) {
			return 0, err
		}
	}
	for _, block := range blocks {
		if err := s.deliverDeviceBlock(ctx, block); err != nil {
			return 0, err
		}
	}
	for _, end := range ended {
		if err := s.deliverDelegationEnd(ctx, end); err != nil {
			return 0, err
		}
	}
	for _, e := range endings {
		if err := s.deliverOne(ctx, e); err != nil {
			return 0, err
		}
	}
	if len(endings) > 0 {
		return 0, nil
	}
	return max(rest, time.Millisecond), nil
}

// deliverOne calls the signer, and writes down what came of it. Another broker
// may do the same at the same time; the signer takes an ending twice.
func (s *Service) deliverOne(ctx context.Context, e Ending) error {
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	failed := s.config.Signer.End(calling, e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.writeDown(ctx, func(c *change) error {
		if failed != nil {
			s.config.Log.Warn("the signer has not taken an ending; it will be tried again",
				"request", e.Request, "attempts", e.Attempts+1, "error", failed)
			e.Attempts, e.Next = e.Attempts+1, c.now.Add(backOff(e.Attempts))
			return c.DelayEnding(e)
		}
		if err := c.SettleEnding(e.Request, c.now); errors.Is(err, ErrRaced) {
			return nil
		} else if err != nil {
			return err
		}
		_, err := c.record(AuditEvent{
			Kind: EventEndingDelivered, Request: e.Request, Text: "The signer has the end in its ledger and signs nothing more for it.",
		}, nil)
		return err
	})
}

func backOff(attempts int) time.Duration {
	return min(firstRetry<<min(attempts, 10), lastRetry)
}
