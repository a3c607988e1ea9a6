package wire

import (
	"context"
	"net/url"
	"strconv"

	"stint/server/evidence"
)

// PathTargetTrust is the call for what targets need to know.
const PathTargetTrust = "/v1/target-trust" // GET ?from=; broker

// TargetTrust returns what targets need to know, with the proof that the ledger
// continues one of from entries.
func (c *Client) TargetTrust(ctx context.Context, from int64) (evidence.TargetTrustEvidence, error) {
	return get[evidence.TargetTrustEvidence](ctx, c, PathTargetTrust, url.Values{"from": {strconv.FormatInt(from, 10)}})
}
