package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"stint/policies"
)

const (
	// fleetPause is how long Fleet is left alone about a device after it was asked.
	fleetPause = 10 * time.Second
	// fleetRest is how long it is, at most, while the device is in use.
	fleetRest = 5 * time.Minute
	// fleetPatience bounds one call: a proxy waits five seconds for a session to start.
	fleetPatience = 3 * time.Second
)

// heedFleet asks Fleet about a person's device that is to be used for a role, if the
// role wants its word and it was not asked just now, and refuses by what it says.
func (s *Service) heedFleet(ctx context.Context, by policies.Subject, role, device string) error {
	known, ok := s.config.Policy().Role(role)
	if !ok || known.Device.Fleet == nil {
		return nil
	}
	// No device, or another's: the signer refuses, and nothing is told of it.
	trust, err := s.config.Signer.Trust(ctx)
	if err != nil {
		return err
	}
	if enrolled, ok := trust.Devices.Find(device); !ok || enrolled.Person != by {
		return nil
	}
	if err := s.askFleet(ctx, device, fleetPause); err != nil {
		return err
	}
	return s.read(ctx, func(r Reader, m moment) error {
		binding, err := fleetBinding(r, device)
		if err != nil {
			return err
		}
		reasons, _ := m.judgeFleet(role, binding)
		if against := policies.Objections(reasons); against != "" {
			return fail(Forbidden, CodeDeviceRefused, "%s", against)
		}
		return nil
	})
}

// askFleetFor asks Fleet, before a session starts, about the device that activated its
// certificate.
func (s *Service) askFleetFor(ctx context.Context, start SessionStart) error {
	var device string
	err := s.read(ctx, func(r Reader, m moment) error {
		device = ""
		certificate, err := r.Certificate(start.Serial)
		if err != nil {
			return err
		}
		q, err := r.Request(certificate.Request)
		if err != nil {
			return err
		}
		if role, _ := m.policy.Role(q.Revision.Ask.Role); role.Device.Fleet != nil {
			device, err = deviceOf(certificate)
		}
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return nil // a certificate of nobody's: StartSession refuses it
	} else if err != nil {
		return err
	}
	return s.askFleet(ctx, device, fleetPause)
}

// askFleet asks about a device that was not asked about for so long, writes down
// what Fleet said, and judges the device's sessions by it. That Fleet does not tell
// is no error: what it said last grows old.
func (s *Service) askFleet(ctx context.Context, device string, pause time.Duration) error {
	if s.config.Fleet == nil || device == "" {
		return nil
	}
	// 1. Of this broker's callers one at a time, so that the others judge by what it hears.
	leave, err := s.askingFleet.enter(ctx, device)
	if err != nil {
		return err
	}
	defer leave()
	// 2. Of all brokers, one asks.
	var binding FleetBinding
	var mine bool
	err = s.write(ctx, func(c *change) (err error) {
		mine = false
		binding, err = c.FleetBinding(device)
		if errors.Is(err, ErrNoRow) {
			return nil
		} else if err != nil || c.now.Before(binding.Asked.Add(pause)) {
			return err
		}
		mine, binding.Asked = true, c.now
		return c.PutFleetBinding(binding)
	})
	if err != nil || !mine {
		return err
	}
	// 3. Outside of any transaction. Others wait for it, whether or not the caller still does.
	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), fleetPatience)
	defer cancel()
	host, failed := s.config.Fleet.Host(calling, binding.Host)
	if failed != nil {
		failed = s.fleetFailed(failed)
	} else {
		s.fleetTrouble.Store(nil)
	}
	// 4. Written down, unless the device was bound to another host meanwhile.
	return s.writeDown(ctx, func(c *change) error {
		row, err := c.FleetBinding(device)
		if errors.Is(err, ErrNoRow) || err == nil && row.Host != binding.Host {
			return nil
		} else if err != nil {
			return err
		}
		row.hear(host, failed, c.now)
		if err := c.PutFleetBinding(row); err != nil {
			return err
		}
		known, _ := c.trust.Devices.Find(device)
		known.ID = device // whether or not the signer was heard yet
		return c.judgeSessions(known)
	})
}

// turns lets one caller at a time do something about each device.
type turns struct{ taken sync.Map } // of a device, a channel that is closed once it is over

// enter waits for the turn, unless ctx ends before. The caller must leave.
func (t *turns) enter(ctx context.Context, device string) (leave func(), err error) {
	over := make(chan struct{})
	for {
		other, busy := t.taken.LoadOrStore(device, over)
		if !busy {
			return func() { t.taken.Delete(device); close(over) }, nil
		}
		select {
		case <-other.(chan struct{}):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// mayHearFleet says whether a call about a device could still be answered at a time. Once its
// pause is over whoever wants to know asks for himself: the broker that called may have died.
func (c *change) mayHearFleet(device string, at time.Time) (bool, error) {
	binding, err := c.FleetBinding(device)
	if errors.Is(err, ErrNoRow) {
		return false, nil
	}
	return err == nil && binding.Asked.After(binding.Said) && at.Before(binding.Asked.Add(fleetPause)), err
}

// hear takes over what came of asking.
func (b *FleetBinding) hear(host policies.FleetHost, failed error, now time.Time) {
	var told *Error
	switch {
	case failed == nil && (!strings.EqualFold(host.UUID, b.UUID) || !strings.EqualFold(host.Serial, b.Serial)):
		b.Word, b.Said = nil, now
		b.Trouble = "Fleet's host is another machine now; bind the device again."
	case failed == nil && b.Word != nil && (older(host.Collected, b.Word.Collected, now) || older(host.Judged, b.Word.Judged, now)):
		b.Trouble = "" // a copy of Fleet's that lags behind: what it said last stands
	case failed == nil:
		b.Word, b.Said, b.Trouble = &host, now, ""
	case IsCode(failed, CodeFleetUnknown):
		b.Word, b.Said = nil, now
		b.Trouble = "Fleet no longer knows the host; bind the device again once it does."
	case errors.As(failed, &told):
		b.Trouble = told.Message
	default:
		b.Trouble = "The Fleet server does not answer."
	}
}

// older says whether a time is before the last. None at all is not, since Fleet has
// begun anew with the machine then; nor is any if the last has not come yet.
func older(t, last, now time.Time) bool {
	return !t.IsZero() && t.Before(last) && !last.After(now.Add(policies.Skew))
}

// fleetFailed notes in the log why Fleet did not tell, and gives what people may read.
func (s *Service) fleetFailed(err error) error {
	if IsCode(err, CodeFleetUnknown) {
		s.fleetTrouble.Store(nil) // it answers
		return err
	}
	s.config.Log.Warn("asking Fleet about a machine", "error", err)
	var told *Error
	if !errors.As(err, &told) {
		told = fail(Unavailable, CodeFleetUnavailable, "The Fleet server does not answer; try again in a moment.").because(err)
	}
	s.fleetTrouble.Store(&fleetTrouble{text: told.Message, at: s.config.Clock.Now()})
	return told
}

// fleetTrouble is why Fleet did not answer, and when.
type fleetTrouble struct {
	text string
	at   time.Time
}

// FleetTrouble says why Fleet did not answer when it was last asked; empty where it
// did, or was not asked of late.
func (s *Service) FleetTrouble() string {
	trouble := s.fleetTrouble.Load()
	if trouble == nil || s.config.Clock.Now().Sub(trouble.at) > 2*fleetRest {
		return ""
	}
	return trouble.text
}

// askDue asks Fleet about the devices in use, one after the other: each at most so
// often that four answers fit into the shortest period of a role.
func (s *Service) askDue(ctx context.Context) (time.Duration, error) {
	every := fleetEvery(s.config.Policy())
	if every == 0 {
		return longestRest, nil
	}
	var due []FleetBinding
	err := s.read(ctx, func(r Reader, m moment) (err error) {
		due, err = r.FleetDue(m.now.Add(-every), runBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, binding := range due {
		if err := s.askFleet(ctx, binding.Device, every); err != nil {
			return 0, err
		}
		if s.FleetTrouble() != "" {
			return longestRest, nil // the others would wait in vain
		}
	}
	if len(due) == runBatch {
		return 0, nil
	}
	return longestRest, nil
}

// fleetEvery is how often a device in use is asked about; zero where no role asks.
func fleetEvery(policy *policies.Bundle) (every time.Duration) {
	for _, role := range policy.Roles() {
		if rule := role.Device.Fleet; rule != nil {
			wanted := min(max(rule.Period/4, fleetPause), fleetRest)
			if every == 0 || wanted < every {
				every = wanted
			}
		}
	}
	return every
}
