package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

var (
	// errPolicyMoved ends a pass of rejudge: what it judged so far is of the policy before.
	errPolicyMoved = errors.New("another policy came into force")
	// errBeingAsked leaves a session to the next pass of rejudge.
	errBeingAsked = errors.New("Fleet is being asked about the device")
)

// rejudge is a pass of Run. A policy that came into force may ask of machines what
// those of live sessions never told, or cannot: it judges each session once, so that
// none goes on by what the policy before asked. So it does when a broker starts, since
// the policy may have changed while none ran.
func (s *Service) rejudge(ctx context.Context) (time.Duration, error) {
	// 1. It is another policy, and the signer's: the broker's own counts for nothing here.
	policy := ""
	err := s.read(ctx, func(_ Reader, m moment) error {
		if policy = ""; m.heard {
			policy = m.policy.Digest()
		}
		return nil
	})
	if err != nil || policy == "" || policy == s.judgedBy {
		return longestRest, err
	}
	// 2. Every live session. Listing them as a writer waits for those that are being
	// started by the policy before.
	s.judgedBy = "" // from here on some may be judged by this one
	live := true
	query := SessionQuery{Live: &live, Limit: runBatch}
	before := s.fleetTrouble.Load()
	var failed error
	var left bool
	for {
		var sessions []Session
		err := s.write(ctx, func(c *change) (err error) {
			sessions, err = c.Sessions(query)
			return err
		})
		if err != nil {
			return 0, err
		}
		for _, session := range sessions {
			// One that cannot be judged keeps none behind it waiting.
			err := s.rejudgeSession(ctx, session, policy, before)
			switch {
			case errors.Is(err, errPolicyMoved):
				return 0, nil
			case errors.Is(err, errBeingAsked):
				left = true
			case err != nil && failed == nil:
				failed = fmt.Errorf("judging the session %s by a new policy: %w", session.ID, err)
			}
			query.After = &SessionPlace{Live: true, Number: session.Number}
		}
		if len(sessions) == runBatch {
			continue
		}
		if failed == nil && !left {
			s.judgedBy = policy
		}
		return longestRest, failed
	}
}

// rejudgeSession judges one session. Where Fleet's last word would end it, Fleet is asked
// first: nobody may have asked of late, since no role wanted to know. Once it has not
// answered, it is asked no more: the other sessions would wait in vain.
func (s *Service) rejudgeSession(ctx context.Context, session Session, policy string, before *fleetTrouble) error {
	var ask bool
	err := s.read(ctx, func(r Reader, m moment) error {
		reasons, _, err := m.judgeDevice(r, session.Role, session.Device)
		ask = fleetMayClear(reasons)
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
		if c.policy.Digest() != policy {
			return errPolicyMoved
		}
		session, err := c.Session(session.ID)
		if err != nil || !session.Live() || session.KillReason != "" {
			return err
		}
		reasons, until, err := c.judgeDevice(c, session.Role, session.Device)
		if err != nil {
			return err
		}
		// What another broker is about to hear may clear it.
		if fleetMayClear(reasons) {
			if asking, err := c.mayHearFleet(session.Device); err != nil {
				return err
			} else if asking {
				return errBeingAsked
			}
		}
		known, _ := c.trust.Devices.Find(session.Device)
		return c.heedDevice(session, known.Name, reasons, until)
	})
}

// fleetMayClear says whether nothing but Fleet's word is against a device.
func fleetMayClear(reasons []policies.Reason) bool {
	against := slices.DeleteFunc(slices.Clone(reasons), func(r policies.Reason) bool { return r.Met })
	return len(against) > 0 && !slices.ContainsFunc(against, func(r policies.Reason) bool { return !strings.HasPrefix(r.Rule, "fleet") })
}

// heedDevice does with a live session what its role's rule makes of its device.
func (c *change) heedDevice(session Session, device string, reasons []policies.Reason, until time.Time) error {
	if against := policies.Objections(reasons); against != "" {
		return c.hangUpFor(session, device, against)
	}
	c.wake = true
	if until.Equal(session.DeviceDue) {
		return nil
	}
	return c.SetDeviceDue(session.ID, until)
}
