package access

import (
	"context"

	"stint/policies"
)

// maxKeyReason is how long the reason of a rotation may be, in characters.
const maxKeyReason = 300

// RotateKeys replaces keys of the signer's at once: purpose is one of evidence's
// Purpose constants, or all. An administrator does it, and nobody need agree: it
// gives nothing, and live grants go on: their certificates are issued once more, of
// which it says how far that is.
func (s *Service) RotateKeys(ctx context.Context, by policies.Person, purpose, reason string) (Reissues, error) {
	// 1. Who may.
	if err := policies.CheckText(reason, maxKeyReason); err != nil || reason == "" {
		return Reissues{}, invalid("reason", "Say why in 1 to %d visible characters.", maxKeyReason)
	}
	err := s.read(ctx, func(_ Reader, m moment) error {
		if !m.isAdministrator(by.Subject) {
			return fail(Forbidden, CodeForbidden, "Only administrators replace keys.")
		}
		return nil
	})
	if err != nil {
		return Reissues{}, err
	}
	// 2. The signer does it. No other pass is to count what comes of it.
	if err := s.reissuing.enter(ctx); err != nil {
		return Reissues{}, err
	}
	defer s.reissuing.leave()
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.RotateKeys(calling, purpose, reason, by.Subject); err != nil {
		return Reissues{}, err
	}
	// 3. Our note of it.
	err = s.writeDown(ctx, func(c *change) error {
		_, err := c.record(AuditEvent{
			Kind: EventKeysRotated, Actor: ActorOf(by), Text: by.Name + " replaced the signer's keys (" + purpose + "): " + reason,
		}, keysData{Purpose: purpose, Reason: reason})
		return err
	})
	if err != nil {
		return Reissues{}, err
	}
	// 4. What is live is issued once more.
	return s.reissueNow(ctx), nil
}

type keysData struct {
	Purpose string `json:"purpose"`
	Reason  string `json:"reason"`
}
