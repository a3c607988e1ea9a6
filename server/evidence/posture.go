package evidence

import (
	"errors"
	"strconv"
	"time"

	"stint/policies"
)

// KindPosture is what a machine says of its own state.
const KindPosture Kind = "posture"

// Posture is what a device says of its own state. The device's key signs it: it is
// the word of whoever controls the machine, so that policy may only refuse by it.
type Posture struct {
	Instance       string
	Device         string
	System         string // its name and version, as it tells them
	SystemAgeDays  *int   // since its last update; nil where that is not known
	DiskEncryption string // policies.On, Off or Unknown, as the three below
	Firewall       string
	ScreenLock     string
	SecureBoot     string
	Protection     []string  // agents that watch the machine, sorted and distinct
	Issued         time.Time // when the machine was asked
	Nonce          string
}

// Kind is KindPosture.
func (*Posture) Kind() Kind { return KindPosture }

func (p *Posture) walk(c *codec) {
	field(c, "instance", &p.Instance, nameForm)
	field(c, "device", &p.Device, requestForm)
	field(c, "system", &p.System, personForm)
	field(c, "system-age-days", &p.SystemAgeDays, daysForm)
	field(c, "disk-encryption", &p.DiskEncryption, switchForm)
	field(c, "firewall", &p.Firewall, switchForm)
	field(c, "screen-lock", &p.ScreenLock, switchForm)
	field(c, "secure-boot", &p.SecureBoot, switchForm)
	field(c, "protection", &p.Protection, groupsForm)
	field(c, "issued", &p.Issued, timeForm)
	field(c, "nonce", &p.Nonce, hexForm)
}

// mostDays bounds the age of a system.
const mostDays = 100_000

var (
	switchForm = word(policies.On, policies.Off, policies.Unknown)
	daysForm   = form[*int]{
		write: func(n *int) (string, error) {
			if n == nil {
				return policies.Unknown, nil
			}
			return strconv.Itoa(*n), nil
		},
		read: func(text string) (*int, error) {
			if text == policies.Unknown {
				return nil, nil
			}
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > mostDays {
				return nil, errors.New("it must be a whole number from 0 to 100000, or unknown")
			}
			return &n, nil
		},
	}
)

// Facts is the posture as policy takes it.
func (p *Posture) Facts() *policies.Posture {
	return &policies.Posture{
		At: p.Issued, System: p.System, SystemAgeDays: p.SystemAgeDays,
		DiskEncryption: p.DiskEncryption, Firewall: p.Firewall, ScreenLock: p.ScreenLock, SecureBoot: p.SecureBoot,
		Protection: p.Protection,
	}
}

// VerifyPosture checks that a known device that is not blocked said so of itself.
// How old it may be is policy's. A refusal is a *Failure.
func VerifyPosture(signed SignedByKey, trust Trust, now time.Time) (*Posture, EnrolledDevice, error) {
	posture, err := DecodeAs[*Posture](signed.Statement)
	if err != nil {
		return nil, EnrolledDevice{}, fail("statement", "%v", err)
	}
	if posture.Instance != trust.Instance {
		return nil, EnrolledDevice{}, fail("instance", "the posture is for another installation")
	}
	device, err := trust.Devices.active(posture.Device, now)
	if err != nil {
		return nil, EnrolledDevice{}, err
	}
	if !verifyDeviceKey(signed.Statement, signed.Signature, device.Key) {
		return nil, EnrolledDevice{}, fail("signature", "the device's key did not sign the posture")
	}
	return posture, device, nil
}
