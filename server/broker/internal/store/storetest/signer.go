package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

// Signer verifies as the signer process does, and keeps endings. Its ledger is no real
// one.
type Signer struct {
	t     testing.TB
	mu    sync.Mutex
	trust evidence.Trust
	clock access.Clock
	ended map[string]string
	calls int
	// Down, while set, is what every call answers; Unheard hides the trust too.
	down    error
	unheard bool
	certifier
	past
	changed func(*policies.Bundle) // a policy came into force
	// challenger challenges devices' TPMs.
	challenger *evidence.Challenger
	// Before, if set, runs in the middle of SignSession, of Enrol and of changes.
	Before func()
}

// SetDown makes every call fail, or work again.
func (s *Signer) SetDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// SetUnheard hides the trust, as before the signer was heard for the first time.
func (s *Signer) SetUnheard(unheard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheard = unheard
}

// ChangeTrust alters whom the signer trusts.
func (s *Signer) ChangeTrust(change func(*evidence.Trust)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.trust)
}

// Ended gives the reason under which an ending arrived.
func (s *Signer) Ended(request string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason, ok := s.ended[request]
	return reason, ok
}

// Trust is the world's.
func (s *Signer) Trust(context.Context) (access.Trust, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unheard {
		return access.Trust{}, errors.New("never heard")
	}
	return access.Trust{Trust: s.trust}, nil
}

// End keeps the first reason.
func (s *Signer) End(_ context.Context, e access.Ending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.down != nil {
		return s.down
	}
	if _, ended := s.ended[e.Request]; !ended {
		s.ended[e.Request] = e.Reason
		if g := s.past.of(e.Request); g != nil {
			g.ended = s.clock.Now()
		}
	}
	return nil
}

// Enrol verifies, and pins.
func (s *Signer) Enrol(_ context.Context, e evidence.EnrolmentEvidence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	v, err := evidence.VerifyEnrolment(e, s.trust, s.clock.Now())
	if err != nil {
		return &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: err.Error()}
	}
	s.trust.Roster = s.trust.Roster.Enrol(v.Enrolment(), v.Attested(), s.clock.Now())
	if s.Before != nil {
		s.mu.Unlock()
		s.Before()
		s.mu.Lock()
	}
	return nil
}

// RemovePasskey removes.
func (s *Signer) RemovePasskey(_ context.Context, credential string, _ policies.Subject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.trust.Roster, _ = s.trust.Roster.Remove(credential, s.clock.Now())
	return nil
}

// Suspend suspends.
func (s *Signer) Suspend(_ context.Context, suspended access.Suspension) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.trust.Roster, _ = s.trust.Roster.Suspend(suspended.Person.Subject, suspended.Person.Name, s.clock.Now())
	return nil
}

// ChangeRoster verifies, and changes.
func (s *Signer) ChangeRoster(_ context.Context, e evidence.ChangeEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyChange(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		s.trust.Roster, err = s.trust.Roster.Change(v.Change(), s.clock.Now())
		return err
	})
}

// ChangePolicy verifies, and changes. The house's own policy follows.
func (s *Signer) ChangePolicy(_ context.Context, e evidence.PolicyEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyPolicy(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		s.trust = s.trust.WithPolicy(v.Bundle())
		s.changed(v.Bundle())
		return nil
	})
}

// TakeInventory verifies, and takes.
func (s *Signer) TakeInventory(_ context.Context, e evidence.InventoryEvidence) error {
	return s.judge(func() error {
		v, err := evidence.VerifyInventory(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		taken := v.Change()
		s.trust.Inventories = []evidence.Inventory{{Name: taken.Inventory, Number: taken.Number, Targets: v.Targets(), Expires: taken.Expires}}
		return nil
	})
}

// ChallengeDevice verifies, and challenges.
func (s *Signer) ChallengeDevice(_ context.Context, e evidence.DeviceEvidence) (challenge evidence.DeviceChallenge, err error) {
	err = s.judge(func() error {
		v, err := evidence.VerifyDevice(e, s.trust, s.clock.Now())
		if err != nil {
			return err
		}
		challenge, err = s.challenger.Challenge(v, s.clock.Now())
		return err
	})
	return challenge, err
}

// EnrolDevice verifies, and keeps the device.
func (s *Signer) EnrolDevice(_ context.Context, e evidence.DeviceEvidence, answer *evidence.DeviceAnswer) error {
	return s.judge(func() error {
		v, err := evidence.VerifyDevice(e, s.trust, s.clock.Now())
		if err == nil && answer != nil {
			v, err = s.challenger.Answered(v, *answer, s.clock.Now())
		}
		if err != nil {
			return err
		}
		entry, err := v.Entry()
		if err != nil {
			return err
		}
		s.trust.Devices = s.trust.Devices.Enrol(v.Device(), entry.MakerRoot, s.clock.Now())
		return nil
	})
}

// BlockDevice blocks.
func (s *Signer) BlockDevice(_ context.Context, device string, _ policies.Subject) error {
	return s.judge(func() error {
		s.trust.Devices, _ = s.trust.Devices.Block(device, s.clock.Now())
		return nil
	})
}

// judge runs what the signer decides, and refuses as it does.
func (s *Signer) judge(decide func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	if err := decide(); err != nil {
		return &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: err.Error()}
	}
	if s.Before != nil {
		s.mu.Unlock()
		s.Before()
		s.mu.Lock()
	}
	return nil
}
