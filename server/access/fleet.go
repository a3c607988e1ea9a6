package access

import (
	"context"
	"errors"
	"fmt"
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
func (m moment) judgeFleet(role string, binding *FleetBinding) (reasons []policies.Reason, until time.Time) {
	known, _ := m.policy.Role(role)
	if known.Device.Fleet == nil {
		return nil, until
	}
	var word *policies.FleetHost
	if binding != nil && binding.Word != nil {
		word, until = binding.Word, known.Device.Fleet.Until(*binding.Word)
	}
	return m.policy.JudgeFleet(role, word, m.now), until
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
func (m moment) mayBind(r Reader, by policies.Person, device string) (evidence.EnrolledDevice, error) {
	known, err := m.seenDevice(by, device)
	if err != nil {
		return known, err
	}
	own, err := m.ownDevice(r, by, known)
	if err != nil {
		return known, err
	}
	block, err := m.blockOf(r, device)
	switch {
	case err != nil:
		return known, err
	case !m.fleet:
		return known, fail(Conflict, CodeFleetUnavailable, "The broker asks no Fleet server; name one in its configuration.")
	case own:
		return known, fail(Forbidden, CodeForbidden, "Somebody else binds your device to its host in Fleet: a reviewer or an administrator.")
	case block != nil:
		return known, fail(Conflict, CodeDeviceBlocked, "The device %s was blocked.", known.Name)
	}
	return known, nil
}

// ownDevice says whether a device is this person's, under whichever identity.
func (m moment) ownDevice(r PeopleReader, by policies.Person, known evidence.EnrolledDevice) (bool, error) {
	if known.Person == by.Subject {
		return true, nil
	}
	owner, err := m.knownPerson(r, known.Person)
	if IsCode(err, CodePersonNotFound) {
		owner, err = policies.Person{Subject: known.Person}, nil
	}
	return err == nil && m.linked(owner, by), err
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
