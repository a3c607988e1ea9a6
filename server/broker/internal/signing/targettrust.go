package signing

import (
	"context"

	"stint/server/evidence"
)

// TargetTrust asks what targets need to know; the signer alone can state it.
func (c *Client) TargetTrust(ctx context.Context, from int64) (evidence.TargetTrustEvidence, error) {
	answer, err := c.wire.TargetTrust(ctx, from)
	return answer, translate(err)
}
