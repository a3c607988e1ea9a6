package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// ChallengeDevice asks the signer for a challenge of the TPM that is said to hold the
// key of a device, which the caller is enrolling.
func (s *Service) ChallengeDevice(ctx context.Context, by policies.Person, e evidence.DeviceEvidence) (evidence.DeviceChallenge, error) {
	if _, err := ownDeviceStatement(by, e); err != nil {
		return evidence.DeviceChallenge{}, err
	}
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	return s.config.Signer.ChallengeDevice(calling, e)
}

// ownDeviceStatement reads the statement that enrols a device, which is the caller's.
func ownDeviceStatement(by policies.Person, e evidence.DeviceEvidence) (*evidence.Device, error) {
	statement, err := evidence.DecodeAs[*evidence.Device](e.Statement)
	if err != nil {
		return nil, invalid("statement", "This is not a device statement; update the command line.").because(err)
	}
	if statement.Person != by.Subject {
		return nil, fail(Forbidden, CodeForbidden, "A device is enrolled by its own person only.")
	}
	return statement, nil
}

// EnrolDevice takes a device's key as the caller's, in the signer. Their login key,
// which the broker does not hold, and the device's own signed it, and its TPM has
// answered if it has one.
func (s *Service) EnrolDevice(ctx context.Context, by policies.Person, e evidence.DeviceEvidence, answer *evidence.DeviceAnswer) (DeviceView, error) {
	statement, err := ownDeviceStatement(by, e)
	if err != nil {
		return DeviceView{}, err
	}
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.EnrolDevice(calling, e, answer); err != nil {
		return DeviceView{}, err
	}
	err = s.writeDown(ctx, func(c *change) error {
		_, err := c.record(AuditEvent{
			Kind: EventDeviceEnrolled, Actor: ActorOf(by), Text: by.Name + " enrolled the device " + statement.DeviceName + ".",
		}, deviceData{Device: statement.Device, Held: statement.Held})
		return err
	})
	if err != nil {
		return DeviceView{}, err
	}
	return s.Device(ctx, by, statement.Device)
}

type deviceData struct {
	Device string `json:"device"`
	Held   string `json:"held,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ReportPosture stores what the caller's device says of itself, signed by its key,
// and ends the sessions that it no longer complies for. Repeating it is harmless, and
// an older word than the last changes nothing: one machine says so from many terminals,
// and what was asked first may be told last.
func (s *Service) ReportPosture(ctx context.Context, by policies.Person, device string, said evidence.SignedByKey) (DeviceView, error) {
	err := s.write(ctx, func(c *change) error {
		if err := c.needSigner(); err != nil {
			return err
		}
		// 1. The caller's own device said so.
		posture, known, err := evidence.VerifyPosture(said, c.trust.Trust, c.now)
		if err != nil {
			return postureRefused(err)
		}
		if known.Person != by.Subject || known.ID != device {
			return deviceNotFound(device)
		}
		block, err := c.blockOf(c, device)
		if err != nil {
			return err
		}
		if block != nil {
			return fail(Forbidden, CodeDeviceBlocked, "The device %s was blocked; speak with an administrator.", known.Name)
		}
		return c.learn(posture, known, said)
	})
	if err != nil {
		return DeviceView{}, err
	}
	return s.Device(ctx, by, device)
}

func postureRefused(err error) error {
	var failure *evidence.Failure
	if !errors.As(err, &failure) {
		return err
	}
	return fail(Forbidden, CodePosture, "What this machine says of itself does not hold: %s.", failure.Why).because(err)
}

func deviceNotFound(id string) *Error {
	return fail(NotFound, CodeDeviceNotFound, "There is no device %q that you may see.", clip(id))
}

// learn stores a posture that was verified, unless the device has said something newer
// already, and judges the device's sessions by it.
func (c *change) learn(posture *evidence.Posture, known evidence.EnrolledDevice, said evidence.SignedByKey) error {
	// 2. It is news: not from the future, and no older than the last.
	if posture.Issued.After(c.now.Add(policies.Skew)) {
		return fail(Conflict, CodePosture, "What this machine says of itself is dated in the future. Set its clock.")
	}
	if last, err := lastPosture(c, known.ID); err != nil || last != nil && posture.Issued.Before(last.Issued) {
		return err
	}
	if err := c.PutDevicePosture(DevicePosture{Device: known.ID, Said: said, Received: c.now}); err != nil {
		return err
	}
	// 3. Its sessions go on for another period, or end.
	return c.judgeSessions(known)
}

// learnOf takes over the posture that came with an activation. The signer has verified
// it.
func (c *change) learnOf(proof *evidence.DeviceProof) error {
	if proof == nil || proof.Posture == nil {
		return nil
	}
	posture, known, err := evidence.VerifyPosture(*proof.Posture, c.trust.Trust, c.now)
	if err != nil || posture.Issued.After(c.now.Add(policies.Skew)) {
		return nil // blocked meanwhile, or of no use: judgeDevice says so
	}
	return c.learn(posture, known, *proof.Posture)
}

// judgeSessions gives the live sessions of a device another period, or ends them.
func (c *change) judgeSessions(device evidence.EnrolledDevice) error {
	sessions, err := c.SessionsOfDevice(device.ID)
	if err != nil {
		return err
	}
	of, err := c.standing(c, device.ID)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		reasons, until := c.judge(session.Role, device.ID, of)
		if err := c.heedDevice(session, device.Name, reasons, until); err != nil {
			return err
		}
	}
	return nil
}

// deviceFailed is the reason of a session's end: its device no longer complies.
const deviceFailed = "device"

// hangUpFor tells a session to end because of its device; its grant goes on, for a
// machine that complies.
func (c *change) hangUpFor(session Session, device, why string) error {
	err := c.KillSession(session.ID, deviceFailed, policies.Person{})
	if errors.Is(err, ErrRaced) {
		return nil // it has ended, or was told to
	} else if err != nil {
		return err
	}
	c.notices = append(c.notices, Notice{Session: session.ID, Reason: deviceFailed, At: c.now})
	of := "the device " + device
	if session.Device == "" {
		of = "its machine"
	}
	_, err = c.record(AuditEvent{
		Kind: EventSessionKilled, Request: session.Request, Session: session.ID,
		Text: fmt.Sprintf("%s's session as %s on %s was ended because of %s: %s", session.Person.Name, session.Login, session.Target, of, why),
	}, takenData{Reason: why})
	return err
}

// outdate ends a session whose device has not said in time that all is well.
func (s *Service) outdate(ctx context.Context, id string) error {
	return s.write(ctx, func(c *change) error {
		session, err := c.Session(id)
		if err != nil {
			return err
		}
		if !session.silent(c.now) {
			return nil // it said so meanwhile
		}
		known, _ := c.trust.Devices.Find(session.Device)
		reasons, _, err := c.judgeDevice(c, session.Role, session.Device)
		if err != nil {
			return err
		}
		why := policies.Objections(reasons)
		if why == "" { // the role asks for less since
			why = "What is known of this machine's state was too old."
		}
		return c.hangUpFor(session, known.Name, why)
	})
}

// BlockDevice makes a device count for nothing, at once, and ends its sessions. Its
// own person, an administrator or a reviewer does it, without proof. It takes effect
// here whether or not the signer answers, who is told until it has it.
func (s *Service) BlockDevice(ctx context.Context, by policies.Person, id, reason string) (DeviceView, error) {
	var block DeviceBlock
	err := s.write(ctx, func(c *change) error {
		// 1. Who may, and what.
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		known, err := c.seenDevice(by, id)
		if err != nil {
			return err
		}
		if earlier, err := c.blockOf(c, id); err != nil {
			return err
		} else if earlier != nil {
			return fail(Conflict, CodeDeviceBlocked, "The device %s is blocked already.", known.Name)
		}
		// 2. The block, its event and the sessions in one act.
		block = DeviceBlock{Device: id, By: by, Reason: reason, At: c.now, Next: c.now}
		if err := c.PutDeviceBlock(block); err != nil {
			return err
		}
		text := by.Name + " blocked the device " + known.Name
		if reason != "" {
			text += ": " + reason
		}
		if _, err := c.record(AuditEvent{Kind: EventDeviceBlocked, Actor: ActorOf(by), Text: text + "."}, deviceData{Device: id, Reason: reason}); err != nil {
			return err
		}
		c.wake = true
		return c.judgeSessions(known)
	})
	if err != nil {
		return DeviceView{}, err
	}
	// 3. The signer, now if it answers. If not, Run tells it.
	if err := s.deliverDeviceBlock(ctx, block); err != nil {
		return DeviceView{}, err
	}
	return s.Device(ctx, by, id)
}

// deliverDeviceBlock tells the signer, and writes down what came of it.
func (s *Service) deliverDeviceBlock(ctx context.Context, block DeviceBlock) error {
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	failed := s.config.Signer.BlockDevice(calling, block.Device, block.By.Subject)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.writeDown(ctx, func(c *change) error {
		row, err := c.DeviceBlock(block.Device)
		if err != nil || row.Next.IsZero() {
			return err // delivered by another broker
		}
		if failed != nil {
			s.config.Log.Warn("the signer has not taken the block of a device; it will be tried again",
				"device", row.Device, "attempts", row.Attempts+1, "error", failed)
			row.Attempts, row.Next = row.Attempts+1, c.now.Add(backOff(row.Attempts))
			return c.PutDeviceBlock(row)
		}
		row.Next = time.Time{}
		if err := c.PutDeviceBlock(row); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventDeviceBlockDelivered, Text: "The signer has the block of a device in its ledger.",
		}, deviceData{Device: row.Device})
		return err
	})
}

// seenDevice finds a device that this person may see: their own, or anybody's for
// reviewers and administrators. Which there are, only the signer knows.
func (m moment) seenDevice(by policies.Person, id string) (evidence.EnrolledDevice, error) {
	if err := m.needSigner(); err != nil {
		return evidence.EnrolledDevice{}, err
	}
	known, ok := m.trust.Devices.Find(id)
	if !ok || known.Person != by.Subject && !m.isReviewer(by) && !m.isAdministrator(by.Subject) {
		return known, deviceNotFound(id)
	}
	return known, nil
}

// Device reads one device.
func (s *Service) Device(ctx context.Context, by policies.Person, id string) (v DeviceView, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		known, err := m.seenDevice(by, id)
		if err != nil {
			return err
		}
		v, err = m.deviceView(r, by, known)
		return err
	})
	return v, err
}

// Devices lists the caller's devices, or everybody's for reviewers and
// administrators, newest first. before is the place to continue in front of, 0 for
// the first page; next is the before of the next page, 0 at the end.
func (s *Service) Devices(ctx context.Context, by policies.Person, everybody bool, before int64, limit int) (items []DeviceView, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		items, next = []DeviceView{}, 0
		if err := m.needSigner(); err != nil {
			return err
		}
		if everybody && !m.isReviewer(by) && !m.isAdministrator(by.Subject) {
			return fail(Forbidden, CodeForbidden, "Only reviewers and administrators see everybody's devices.")
		}
		devices := m.trust.Devices
		if before > 0 && before < int64(len(devices)) {
			devices = devices[:before]
		}
		for i, known := range slices.Backward(devices) {
			if !everybody && known.Person != by.Subject {
				continue
			}
			if len(items) == page(limit) {
				next = int64(i) + 1
				return nil
			}
			view, err := m.deviceView(r, by, known)
			if err != nil {
				return err
			}
			items = append(items, view)
		}
		return nil
	})
	return items, next, err
}

func (m moment) deviceView(r Reader, by policies.Person, known evidence.EnrolledDevice) (DeviceView, error) {
	v := DeviceView{EnrolledDevice: known, Owner: policies.Person{Subject: known.Person}, Rules: []DeviceStanding{}, May: []string{}}
	var err error
	owner, err := m.knownPerson(r, known.Person)
	switch {
	case known.Person == by.Subject:
		v.Owner = by
	case err == nil:
		v.Owner = owner
	case !IsCode(err, CodePersonNotFound):
		return v, err
	}
	of, err := m.standing(r, known.ID)
	if err != nil {
		return v, err
	}
	v.Block, v.Posture, v.Fleet = of.block, of.posture, of.fleet
	if v.Block == nil {
		v.May = append(v.May, "block")
	}
	own, err := m.ownDevice(r, by, known)
	if err != nil {
		return v, err
	}
	if m.fleet && v.Block == nil && !own {
		v.May = append(v.May, "bind-fleet")
	}
	for _, role := range m.policy.Roles() {
		if !role.Device.Required {
			continue
		}
		reasons, _ := m.judge(role.Name, known.ID, of)
		v.Rules = append(v.Rules, DeviceStanding{Role: role.Name, Reasons: reasons, Complies: policies.Objections(reasons) == ""})
	}
	return v, nil
}

// ReportWithin is how long a device may wait until it says again how it is: half of
// the shortest period of any role; zero where no role asks.
func (s *Service) ReportWithin() (shortest time.Duration) {
	for _, role := range s.config.Policy().Roles() {
		if p := role.Device.Posture; p != nil && (shortest == 0 || p.Period/2 < shortest) {
			shortest = p.Period / 2
		}
	}
	return shortest
}
