package access

import (
	"errors"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Kinds of audit events about devices. They are stable.
const (
	EventDeviceEnrolled       = "device.enrolled"
	EventDeviceBlocked        = "device.blocked"
	EventDeviceBlockDelivered = "device.block-confirmed" // the signer has it in its ledger
)

// DevicePosture is what a device last said of itself.
type DevicePosture struct {
	Device   string
	Said     evidence.SignedByKey
	Received time.Time
}

// DeviceBlock makes a device count for nothing. It holds here from the moment it is
// stored, and everywhere once the signer has it.
type DeviceBlock struct {
	Device   string
	By       policies.Person
	Reason   string
	At       time.Time
	Attempts int
	Next     time.Time // when the signer is told next; zero once it has it
}

// DeviceReader reads what is known of devices beside the signer's list of them.
type DeviceReader interface {
	DevicePosture(device string) (DevicePosture, error)
	DeviceBlock(device string) (DeviceBlock, error)
	// DeviceBlocks lists those that the signer has not confirmed and whose next
	// attempt is due.
	DeviceBlocks(now time.Time, limit int) ([]DeviceBlock, error)
	// SessionsOfDevice lists the live sessions whose certificate a device activated.
	SessionsOfDevice(device string) ([]Session, error)
	// DeviceOverdue lists live sessions, not told to end yet, whose DeviceDue has
	// come; the longest overdue first.
	DeviceOverdue(now time.Time, limit int) ([]Session, error)
	// SessionsJudgedByOtherPolicies lists live sessions, not told to end yet, whose device was
	// last judged by another policy than this, by number, from after one.
	SessionsJudgedByOtherPolicies(policy string, after int64, limit int) ([]Session, error)
	// NextDeviceDue is when the next one's comes; ErrNoRow when none will.
	NextDeviceDue() (time.Time, error)
}

// DeviceWriter changes it.
type DeviceWriter interface {
	// PutDevicePosture and PutDeviceBlock take the place of an earlier one.
	PutDevicePosture(p DevicePosture) error
	PutDeviceBlock(b DeviceBlock) error
	// SetDeviceJudged notes by which policy a live session's device was judged, and until
	// when that holds.
	SetDeviceJudged(session, policy string, due time.Time) error
}

// DeviceView is a device as one person may see it.
type DeviceView struct {
	evidence.EnrolledDevice
	Owner   policies.Person
	Posture *evidence.Posture // nil where it told none
	Block   *DeviceBlock      // nil while it counts; By may be zero
	Fleet   *FleetBinding     // nil where it is bound to no host
	Rules   []DeviceStanding  // by role
	May     []string          // block, bind-fleet
}

// DeviceStanding is what a role's rule about devices makes of a device now.
type DeviceStanding struct {
	Role     string
	Reasons  []policies.Reason
	Complies bool
}

// blockOf says whether a device was blocked, here or in the signer.
func (m moment) blockOf(r DeviceReader, device string) (*DeviceBlock, error) {
	row, err := r.DeviceBlock(device)
	if err == nil {
		return &row, nil
	}
	if !errors.Is(err, ErrNoRow) {
		return nil, err
	}
	if known, ok := m.trust.Devices.Find(device); ok && known.Blocked != nil && !m.now.Before(*known.Blocked) {
		return &DeviceBlock{Device: device, At: *known.Blocked}, nil
	}
	return nil, nil
}

// lastPosture is what a device last said of itself; nil for none. What is stored was
// verified.
func lastPosture(r DeviceReader, device string) (*evidence.Posture, error) {
	row, err := r.DevicePosture(device)
	if errors.Is(err, ErrNoRow) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return evidence.DecodeAs[*evidence.Posture](row.Said.Statement)
}

// The rules of the reasons that a block gives, and a device that the signer does not know.
const (
	deviceBlocked = "blocked"
	deviceUnknown = "unknown"
)

// standing is what a device is judged by, beside what the signer knows of it.
type standing struct {
	block   *DeviceBlock      // nil while it counts
	posture *evidence.Posture // what it last said of itself; nil where it told none
	fleet   *FleetBinding     // with what Fleet last said of it; nil where it is bound to no host
}

func (m moment) standing(r Reader, device string) (of standing, err error) {
	if of.block, err = m.blockOf(r, device); err != nil {
		return of, err
	}
	if of.posture, err = lastPosture(r, device); err != nil {
		return of, err
	}
	of.fleet, err = fleetBinding(r, device)
	return of, err
}

// judgeDevice says what a role's rule makes of the device that a certificate names;
// none where it is empty. Until is when its last word, or Fleet's, is too old; zero
// where the role does not ask.
func (m moment) judgeDevice(r Reader, role, device string) (reasons []policies.Reason, until time.Time, err error) {
	if device == "" {
		return m.policy.JudgeDevice(role, nil, m.now), until, nil
	}
	of, err := m.standing(r, device)
	if err != nil {
		return nil, until, err
	}
	reasons, until = m.judge(role, device, of)
	return reasons, until, nil
}

// judge is judgeDevice by what was read.
func (m moment) judge(role, device string, of standing) (reasons []policies.Reason, until time.Time) {
	known, enrolled := m.trust.Devices.Find(device)
	// 1. A block holds whatever the role asks.
	if of.block != nil {
		return []policies.Reason{{Rule: deviceBlocked, Text: "The device " + known.Name + " was blocked; speak with an administrator."}}, until
	}
	// 2. A device that is none of the signer's does for no role that asks for one.
	rule, _ := m.policy.Role(role)
	if m.heard && !enrolled && rule.Device.Required {
		return []policies.Reason{{Rule: deviceUnknown, Text: "The signer does not know this device; enrol it anew with `stint device enroll --replace`."}}, until
	}
	// 3. The rule, by what the device last said.
	judged := known.Facts()
	judged.ID = device
	if of.posture != nil {
		judged.Posture = of.posture.Facts()
		if rule.Device.Posture != nil {
			until = of.posture.Issued.Add(rule.Device.Posture.Period)
		}
	}
	reasons = m.policy.JudgeDevice(role, judged, m.now)
	// 4. The rule, by what Fleet last said of it.
	byFleet, fleetUntil := m.judgeFleet(role, of.fleet)
	if until.IsZero() || !fleetUntil.IsZero() && fleetUntil.Before(until) {
		until = fleetUntil
	}
	return append(reasons, byFleet...), until
}

// deviceOf is the device that activated a certificate; empty for none.
func deviceOf(c Certificate) (string, error) {
	if c.Bundle.Activation == nil {
		return "", nil
	}
	activation, err := evidence.DecodeAs[*evidence.Activation](c.Bundle.Activation.Statement)
	if err != nil {
		return "", err
	}
	return activation.Device, nil
}
