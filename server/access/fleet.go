package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Fleet is a Fleet server, which tells what it knows of machines. Its word is
// asserted, not attested: the signer does not ask it, so that it can only refuse. A
// machine that it does not know is an *Error with CodeFleetUnknown, anything else
// that goes wrong one with CodeFleetUnavailable. Calls go over the network and end
// within the context's deadline; none is made inside a transaction.
type Fleet interface {
	// Find asks for the machine with a hardware UUID or serial number.
	Find(ctx context.Context, identifier string) (policies.FleetHost, error)
	// Host asks for the machine with a number of Fleet's.
	Host(ctx context.Context, number int64) (policies.FleetHost, error)
}

// Kinds of audit events about Fleet. They are stable.
const (
	EventFleetBound   = "device.fleet-bound"
	EventFleetUnbound = "device.fleet-unbound"
)

const (
	// fleetPause is how long Fleet is left alone about a device after it was asked.
	fleetPause = 10 * time.Second
	// fleetRest is how long it is, at most, while the device is in use.
	fleetRest = 5 * time.Minute
	// fleetPatience bounds one call: a proxy waits five seconds for a session to start.
	fleetPatience = 3 * time.Second
)

// FleetBinding says which of Fleet's hosts a device is, and what Fleet last said of it.
type FleetBinding struct {
	Device string
	// Host is Fleet's own number, and UUID and Serial what Fleet said with it when a
	// person bound the device to it. One host is one device's only.
	Host         int64
	UUID, Serial string
	By           policies.Person
	Bound        time.Time

	Word    *policies.FleetHost // nil once Fleet no longer knows the host
	Said    time.Time           // when Fleet last answered
	Asked   time.Time           // when it was last asked
	Trouble string              // why it did not answer then; empty where it did
}

// FleetReader reads what is known by Fleet's word.
type FleetReader interface {
	FleetBinding(device string) (FleetBinding, error)
	// FleetBindingOf finds a host's.
	FleetBindingOf(host int64) (FleetBinding, error)
	// FleetDue lists the devices of live sessions of which Fleet was last asked at that
	// moment or before; the longest ago first.
	FleetDue(asked time.Time, limit int) ([]FleetBinding, error)
}

// FleetWriter changes it.
type FleetWriter interface {
	// PutFleetBinding takes the place of the device's earlier one.
	PutFleetBinding(b FleetBinding) error
	RemoveFleetBinding(device string) error
}

// fleetBinding is nil where a device is bound to no host.
func fleetBinding(r FleetReader, device string) (*FleetBinding, error) {
	b, err := r.FleetBinding(device)
	if errors.Is(err, ErrNoRow) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &b, nil
}

// judgeFleet says what a role's rule makes of a device by Fleet's word, and until when
// that word is fresh enough; nothing where the role does not ask for it.
func (m moment) judgeFleet(r FleetReader, role, device string) (reasons []policies.Reason, until time.Time, err error) {
	known, _ := m.policy.Role(role)
	if known.Device.Fleet == nil {
		return nil, until, nil
	}
	binding, err := fleetBinding(r, device)
	if err != nil {
		return nil, until, err
	}
	var word *policies.FleetHost
	if binding != nil && binding.Word != nil {
		word, until = binding.Word, known.Device.Fleet.Until(*binding.Word)
	}
	return m.policy.JudgeFleet(role, word, m.now), until, nil
}

// BindFleet says which of Fleet's hosts a device is: the one with this hardware UUID
// or serial number. A reviewer or an administrator does it, never the device's own
// person, who could name a healthy machine of somebody else's. A host that is bound
// already goes from an earlier device of the same person, or from a blocked one, and
// from no other.
func (s *Service) BindFleet(ctx context.Context, by policies.Person, device, identifier string) (DeviceView, error) {
	// 1. Who may.
	err := s.read(ctx, func(r Reader, m moment) error {
		_, err := m.mayBind(r, by, device)
		return err
	})
	if err != nil {
		return DeviceView{}, err
	}
	// 2. Fleet knows the host.
	calling, cancel := context.WithTimeout(ctx, fleetPatience)
	defer cancel()
	host, err := s.config.Fleet.Find(calling, identifier)
	if IsCode(err, CodeFleetUnknown) {
		return DeviceView{}, fail(NotFound, CodeFleetUnknown, "Fleet knows no machine with the serial number or hardware UUID %q.", clip(identifier)).because(err)
	} else if err != nil {
		return DeviceView{}, s.fleetFailed(err)
	}
	// 3. The binding, its event, and the sessions that Fleet's word ends.
	err = s.write(ctx, func(c *change) error {
		known, err := c.mayBind(c, by, device)
		if err != nil {
			return err
		}
		if err := c.freeHost(by, known, host); err != nil {
			return err
		}
		if err := c.PutFleetBinding(FleetBinding{
			Device: device, Host: host.ID, UUID: host.UUID, Serial: host.Serial, By: by, Bound: c.now, Word: &host, Said: c.now, Asked: c.now,
		}); err != nil {
			return err
		}
		text := fmt.Sprintf("%s bound the device %s to Fleet's host %d, %s (serial number %s).", by.Name, known.Name, host.ID, host.Name, host.Serial)
		data := fleetData{Device: device, Host: host.ID, UUID: host.UUID, Serial: host.Serial}
		if _, err := c.record(AuditEvent{Kind: EventFleetBound, Actor: ActorOf(by), Text: text}, data); err != nil {
			return err
		}
		return c.judgeSessions(known)
	})
	if err != nil {
		return DeviceView{}, err
	}
	return s.Device(ctx, by, device)
}

type fleetData struct {
	Device string `json:"device"`
	Host   int64  `json:"host"`
	UUID   string `json:"uuid"`
	Serial string `json:"serial"`
}

// mayBind finds a device that this person may bind to a host of Fleet's.
func (m moment) mayBind(r DeviceReader, by policies.Person, device string) (evidence.EnrolledDevice, error) {
	known, err := m.seenDevice(by, device)
	if err != nil {
		return known, err
	}
	block, err := m.blockOf(r, device)
	switch {
	case err != nil:
		return known, err
	case !m.fleet:
		return known, fail(Conflict, CodeFleetUnavailable, "The broker asks no Fleet server; name one in its configuration.")
	case known.Person == by.Subject:
		return known, fail(Forbidden, CodeForbidden, "Somebody else binds your device to its host in Fleet: a reviewer or an administrator.")
	case block != nil:
		return known, fail(Conflict, CodeDeviceBlocked, "The device %s was blocked.", known.Name)
	}
	return known, nil
}

// freeHost takes a host from the device that it was bound to, or refuses.
func (c *change) freeHost(by policies.Person, known evidence.EnrolledDevice, host policies.FleetHost) error {
	earlier, err := c.FleetBindingOf(host.ID)
	if errors.Is(err, ErrNoRow) || err == nil && earlier.Device == known.ID {
		return nil
	} else if err != nil {
		return err
	}
	other, enrolled := c.trust.Devices.Find(earlier.Device)
	other.ID = earlier.Device // where the signer began anew it knows it no more
	block, err := c.blockOf(c, earlier.Device)
	if err != nil {
		return err
	}
	if enrolled && block == nil && other.Person != known.Person {
		return fail(Conflict, CodeFleetTaken, "Fleet's host %d, %s, is the device %s (%s) of somebody else. If the machine has changed hands, block that device first.",
			host.ID, host.Name, other.Name, earlier.Device)
	}
	if err := c.RemoveFleetBinding(earlier.Device); err != nil {
		return err
	}
	text := fmt.Sprintf("The device %s is no longer bound to Fleet's host %d, which %s gave to another.", other.Name, host.ID, by.Name)
	data := fleetData{Device: earlier.Device, Host: host.ID, UUID: earlier.UUID, Serial: earlier.Serial}
	if _, err := c.record(AuditEvent{Kind: EventFleetUnbound, Actor: ActorOf(by), Text: text}, data); err != nil {
		return err
	}
	return c.judgeSessions(other)
}

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
		return nil
	}
	if enrolled, ok := trust.Devices.Find(device); !ok || enrolled.Person != by {
		return nil
	}
	if err := s.askFleet(ctx, device, fleetPause); err != nil {
		return err
	}
	return s.read(ctx, func(r Reader, m moment) error {
		reasons, _, err := m.judgeFleet(r, role, device)
		if err != nil {
			return err
		}
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
	// 1. Of all brokers, one asks.
	var binding FleetBinding
	var mine bool
	err := s.write(ctx, func(c *change) (err error) {
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
	// 2. Outside of any transaction.
	calling, cancel := context.WithTimeout(ctx, fleetPatience)
	defer cancel()
	host, failed := s.config.Fleet.Host(calling, binding.Host)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed != nil {
		failed = s.fleetFailed(failed)
	} else {
		s.fleetTrouble.Store(nil)
	}
	// 3. Written down, unless the device was bound to another host meanwhile.
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
