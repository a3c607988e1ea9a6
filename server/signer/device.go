package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// challenge asks the TPM that is said to hold a device's key. It refuses whatever
// enrolDevice would refuse, the answer aside, and keeps nothing.
func (s *signer) challenge(ctx context.Context, in wire.ChallengeRequest) (evidence.DeviceChallenge, error) {
	none := evidence.DeviceChallenge{}
	if !s.changes.allow(callsOf(wire.PathChallengeDevice, in.Evidence), s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many devices are being enrolled. Wait a minute.")
	}
	// 1. The provider's keys, fetched by the signer itself.
	if err := s.needKeys(ctx, keyID(in.Evidence.Login.Binding.IDToken)); err != nil {
		return none, err
	}
	// 2. Possession, authority and the TPM's proof.
	beliefs, err := s.believe()
	if err != nil {
		return none, err
	}
	if beliefs.policy == nil {
		return none, refuseNoPolicy()
	}
	verified, err := evidence.VerifyDevice(in.Evidence, beliefs.trust, beliefs.now)
	if err != nil {
		return none, refuseEvidence(err)
	}
	// 3. The challenge, sealed to that TPM.
	challenge, err := s.challenger.Challenge(verified, beliefs.now)
	if err != nil {
		return none, refuseEvidence(err)
	}
	return challenge, nil
}

// enrolDevice takes a device's key as its person's, if their login key and the
// device's own agree, and the TPM that is said to hold it answers.
func (s *signer) enrolDevice(ctx context.Context, in wire.DeviceRequest) (wire.Done, error) {
	// 1. The provider's keys, fetched by the signer itself.
	if err := s.needKeys(ctx, keyID(in.Evidence.Login.Binding.IDToken)); err != nil {
		return wire.Done{}, err
	}
	// 2. Possession, authority and the TPM's proof, its answer; the entry.
	return s.doneChange(s.settleChange(ctx, callsOf(wire.PathDevice, in.Evidence), in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyDevice(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		if in.Answer != nil {
			if verified, err = s.challenger.Answered(verified, *in.Answer, b.now); err != nil {
				return evidence.Entry{}, err
			}
		}
		entry, err := verified.Entry()
		return evidence.Entry{Device: entry}, err
	}))
}

// callsOf names the person whose calls on one path about devices are counted together:
// anybody who has signed in enrols devices, and whoever does so, or asks for challenges,
// without end must not use up the rest's.
func callsOf(path string, e evidence.DeviceEvidence) string {
	device, err := evidence.DecodeAs[*evidence.Device](e.Statement)
	if err != nil {
		return path // it is refused in a moment
	}
	return path + " " + device.Person.String()
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
