package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// enrolDevice takes a device's key as its person's, if their login key and the
// device's own agree.
func (s *signer) enrolDevice(ctx context.Context, in wire.DeviceRequest) (wire.Done, error) {
	// 1. The provider's keys, fetched by the signer itself.
	if err := s.needKeys(ctx, keyID(in.Evidence.Login.Binding.IDToken)); err != nil {
		return wire.Done{}, err
	}
	// 2. Possession and authority; the entry.
	return s.doneChange(s.settleChange(ctx, enrolmentsOf(in.Evidence), in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyDevice(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Device: verified.Entry()}, nil
	}))
}

// enrolmentsOf names the person whose enrolments are counted together: anybody who has
// signed in enrols devices, and whoever does so without end must not use up the rest's.
func enrolmentsOf(e evidence.DeviceEvidence) string {
	device, err := evidence.DecodeAs[*evidence.Device](e.Statement)
	if err != nil {
		return wire.PathDevice // it is refused in a moment
	}
	return wire.PathDevice + " " + device.Person.String()
}

// blockDevice makes a device count for nothing. It needs no proof and is not held up
// by the clock; nothing more is signed under what was activated from it.
func (s *signer) blockDevice(ctx context.Context, in wire.BlockDeviceRequest) (wire.Done, error) {
	// 1. Parse strictly.
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, _ time.Time, _ int64) (*evidence.Entry, int64, error) {
		// 2. The same once more: the caller missed the answer.
		if earlier, done := state.blocked[in.Device]; done {
			return nil, earlier, nil
		}
		// 3. There is such a device.
		if _, there := state.beliefs.Devices().Find(in.Device); !there {
			return nil, 0, refuse(http.StatusNotFound, "no-such-device", "The signer knows no such device.")
		}
		return &evidence.Entry{DeviceBlock: &evidence.DeviceBlockEntry{Device: in.Device, By: in.By}}, 0, nil
	})
	// 4. It counts once it is on the disk.
	return s.done(ctx, index, err)
}
