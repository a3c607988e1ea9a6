package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stint/policies"
)

// rejudge is a pass of Run. A policy that came into force may ask of machines what
// those of live sessions never told, or cannot: it judges each session that was last
// judged by another, so that none goes on by what the policy before asked. That stands
// beside the session, since who judged it last may be another broker, or what a device
// said between two policies.
func (s *Service) rejudge(ctx context.Context) (time.Duration, error) {
	before := s.fleetTrouble.Load()
	var failed error
	for after := int64(0); ; {
		var sessions []Session
		err := s.read(ctx, func(r Reader, m moment) (err error) {
			if policy := m.judgingPolicy(); policy != "" {
				sessions, err = r.SessionsJudgedByOtherPolicies(policy, after, runBatch)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		for _, session := range sessions {
			// One that cannot be judged keeps none behind it waiting.
			if err := s.rejudgeSession(ctx, session, before); err != nil && failed == nil {
				failed = fmt.Errorf("judging the session %s by a new policy: %w", session.ID, err)
			}
			after = session.Number
		}
		if len(sessions) < runBatch {
			return longestRest, failed
		}
	}
}

// judgingPolicy is the digest of the policy by which sessions are judged: the signer's. It is
// empty until that was heard, since the broker's own counts for nothing here.
func (m moment) judgingPolicy() string {
	if !m.heard {
		return ""
	}
	return m.policy.Digest()
}

// rejudgeSession judges one session. Where Fleet's last word would end it, Fleet is asked
// first: nobody may have asked of late, since no role wanted to know. Once it has not
// answered, it is asked no more: the other sessions would wait in vain.
func (s *Service) rejudgeSession(ctx context.Context, session Session, before *fleetTrouble) error {
	var ask bool
	var began time.Time
	err := s.read(ctx, func(r Reader, m moment) error {
		reasons, _, err := m.judgeDevice(r, session.Role, session.Device)
		ask, began = fleetMayClear(reasons), m.now
		return err
	})
	if err != nil {
		return err
	}
	if trouble := s.fleetTrouble.Load(); ask && (trouble == nil || trouble == before) {
		if err := s.askFleet(ctx, session.Device, fleetPause); err != nil {
			return err
		}
	}
	return s.write(ctx, func(c *change) error {
		if err := c.needSigner(); err != nil {
			return err
		}
		session, err := c.Session(session.ID)
		if err != nil || !session.Live() || session.KillReason != "" {
			return err
		}
		reasons, until, err := c.judgeDevice(c, session.Role, session.Device)
		if err != nil {
			return err
		}
		// What another broker is about to hear may clear it: the next pass sees. Nor does it
		// end unasked when the wait for that was over only after Fleet was left alone above.
		if fleetMayClear(reasons) {
			if asking, err := c.mayHearFleet(session.Device, began); err != nil || asking {
				return err
			}
		}
		known, _ := c.trust.Devices.Find(session.Device)
		return c.heedDevice(session, known.Name, reasons, until)
	})
}

// fleetMayClear says whether nothing but Fleet's word is against a device.
func fleetMayClear(reasons []policies.Reason) bool {
	against := slices.DeleteFunc(slices.Clone(reasons), func(r policies.Reason) bool { return r.Met })
	return len(against) > 0 && !slices.ContainsFunc(against, func(r policies.Reason) bool { return !r.OfFleet() })
}

// heedDevice does with a live session what its role's rule makes of its device.
func (c *change) heedDevice(session Session, device string, reasons []policies.Reason, until time.Time) error {
	if against := policies.Objections(reasons); against != "" {
		return c.hangUpFor(session, device, against)
	}
	c.wake = true
	if until.Equal(session.DeviceDue) && session.DevicePolicy == c.judgingPolicy() {
		return nil
	}
	return c.SetDeviceJudged(session.ID, c.judgingPolicy(), until)
}
