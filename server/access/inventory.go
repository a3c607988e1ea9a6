package access

import (
	"context"
	"errors"
	"fmt"

	"stint/server/evidence"
)

// TakeInventory hands targets that a key of the policy's has signed to the
// signer. Nobody is signed in here: the signature says who speaks, and it is
// checked before the signer is asked.
func (s *Service) TakeInventory(ctx context.Context, e evidence.InventoryEvidence) (evidence.InventoryChange, error) {
	// 1. The signature, by what the signer believes.
	var taken evidence.InventoryChange
	err := s.read(ctx, func(_ Reader, m moment) error {
		if err := m.mayGive(); err != nil {
			return err
		}
		verified, err := evidence.VerifyInventory(e, m.trust.Trust, m.now)
		var failure *evidence.Failure
		if errors.As(err, &failure) {
			return fail(Forbidden, CodeInventory, "The inventory is not taken: %s.", failure.Why).because(err)
		} else if err != nil {
			return err
		}
		taken = verified.Change()
		return nil
	})
	if err != nil {
		return taken, err
	}
	// 2. The signer judges it once more, and uses it.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.TakeInventory(calling, e); err != nil {
		return taken, err
	}
	// 3. Written down.
	return taken, s.writeDown(ctx, func(c *change) error {
		_, err := c.record(AuditEvent{
			Kind: EventInventoryTaken, Text: fmt.Sprintf("The inventory %s brought its targets, number %d.", taken.Inventory, taken.Number),
		}, inventoryData{Statement: e.Statement})
		return err
	})
}

type inventoryData struct {
	Statement string `json:"statement"`
}
