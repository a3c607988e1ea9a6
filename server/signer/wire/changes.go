package wire

import (
	"context"

	"stint/policies"
	"stint/server/evidence"
)

// Paths of what changes the signer's beliefs; broker.
const (
	PathSuspend   = "/v1/suspend"
	PathChange    = "/v1/change"
	PathPolicy    = "/v1/policy"
	PathInventory = "/v1/inventory"
)

// SuspendRequest suspends somebody. It needs no proof.
type SuspendRequest struct {
	Person policies.Subject `json:"person"`
	Name   string           `json:"name"`
	By     policies.Subject `json:"by"`
}

// ChangeRequest changes somebody's standing.
type ChangeRequest struct {
	Evidence evidence.ChangeEvidence `json:"evidence"`
}

// PolicyRequest puts a policy into force.
type PolicyRequest struct {
	Evidence evidence.PolicyEvidence `json:"evidence"`
}

// InventoryRequest brings targets.
type InventoryRequest struct {
	Evidence evidence.InventoryEvidence `json:"evidence"`
}

// Suspend suspends somebody.
func (c *Client) Suspend(ctx context.Context, r SuspendRequest) (Done, error) {
	return post[Done](ctx, c, PathSuspend, r)
}

// Change changes somebody's standing.
func (c *Client) Change(ctx context.Context, r ChangeRequest) (Done, error) {
	return post[Done](ctx, c, PathChange, r)
}

// Policy puts a policy into force.
func (c *Client) Policy(ctx context.Context, r PolicyRequest) (Done, error) {
	return post[Done](ctx, c, PathPolicy, r)
}

// Inventory brings targets.
func (c *Client) Inventory(ctx context.Context, r InventoryRequest) (Done, error) {
	return post[Done](ctx, c, PathInventory, r)
}
