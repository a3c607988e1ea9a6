package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// Suspend makes somebody's passkeys and grants count for nothing, and fetches
// trust anew.
func (c *Client) Suspend(ctx context.Context, s access.Suspension) error {
	_, err := c.wire.Suspend(ctx, wire.SuspendRequest{Person: s.Person.Subject, Name: s.Person.Name, By: s.By.Subject})
	return c.changed(ctx, err)
}

// ChangeRoster hands over a roster change, and fetches trust anew.
func (c *Client) ChangeRoster(ctx context.Context, e evidence.ChangeEvidence) error {
	_, err := c.wire.Change(ctx, wire.ChangeRequest{Evidence: e})
	return c.changed(ctx, err)
}

// ChangePolicy hands over a policy change, and fetches trust anew.
func (c *Client) ChangePolicy(ctx context.Context, e evidence.PolicyEvidence) error {
	_, err := c.wire.Policy(ctx, wire.PolicyRequest{Evidence: e})
	return c.changed(ctx, err)
}

// TakeInventory hands over an inventory's targets, and fetches trust anew.
func (c *Client) TakeInventory(ctx context.Context, e evidence.InventoryEvidence) error {
	_, err := c.wire.Inventory(ctx, wire.InventoryRequest{Evidence: e})
	return c.changed(ctx, err)
}

// ChallengeDevice asks for a challenge of a device's TPM.
func (c *Client) ChallengeDevice(ctx context.Context, e evidence.DeviceEvidence) (evidence.DeviceChallenge, error) {
	challenge, err := c.wire.ChallengeDevice(ctx, wire.ChallengeRequest{Evidence: e})
	if err != nil {
		return challenge, translate(err)
	}
	return challenge, nil
}

// EnrolDevice takes a device's key, and fetches trust anew.
func (c *Client) EnrolDevice(ctx context.Context, e evidence.DeviceEvidence, answer *evidence.DeviceAnswer) error {
	_, err := c.wire.Device(ctx, wire.DeviceRequest{Evidence: e, Answer: answer})
	return c.changed(ctx, err)
}

// BlockDevice makes a device count for nothing, and fetches trust anew.
func (c *Client) BlockDevice(ctx context.Context, device string, by policies.Subject) error {
	_, err := c.wire.BlockDevice(ctx, wire.BlockDeviceRequest{Device: device, By: by})
	return c.changed(ctx, err)
}

// Delegate takes a delegation, and fetches trust anew.
func (c *Client) Delegate(ctx context.Context, signed evidence.SignedByPasskey) error {
	_, err := c.wire.Delegate(ctx, wire.DelegateRequest{Evidence: signed})
	return c.changed(ctx, err)
}

// EndDelegation makes a delegation count for nothing, and fetches trust anew.
func (c *Client) EndDelegation(ctx context.Context, digest string, by policies.Subject) error {
	_, err := c.wire.EndDelegation(ctx, wire.EndDelegationRequest{Digest: digest, By: by})
	var refusal *wire.Error
	if errors.As(err, &refusal) && refusal.Code == wire.CodeNoSuchDelegation {
		err = nil // it counts for nothing already
	}
	return c.changed(ctx, err)
}

// Review closes the review of an emergency.
func (c *Client) Review(ctx context.Context, signed evidence.SignedByPasskey) (evidence.SignedByPasskey, error) {
	done, err := c.wire.Review(ctx, wire.ReviewRequest{Evidence: signed})
	if err != nil {
		return evidence.SignedByPasskey{}, translate(err)
	}
	var entry evidence.Entry
	if err := json.Unmarshal([]byte(done.Proof.Entry), &entry); err != nil {
		return evidence.SignedByPasskey{}, unavailable(fmt.Errorf("reading the entry of a review: %w", err))
	}
	if entry.Review == nil {
		return evidence.SignedByPasskey{}, unavailable(errors.New("the entry of a review is about something else"))
	}
	return entry.Review.Evidence, nil
}

// Presence says that whose session it is is there.
func (c *Client) Presence(ctx context.Context, signed evidence.SignedByPasskey) error {
	_, err := c.wire.Presence(ctx, wire.PresenceRequest{Evidence: signed})
	if err != nil {
		return translate(err)
	}
	return nil
}

// changed translates the signer's answer to a change, and makes its effect known
// here at once.
func (c *Client) changed(ctx context.Context, err error) error {
	if err != nil {
		return translate(err)
	}
	c.refreshAfter(ctx)
	return nil
}
