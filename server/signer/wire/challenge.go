package wire

import (
	"context"

	"stint/server/evidence"
)

// PathChallengeDevice is a call of the broker's.
const PathChallengeDevice = "/v1/challenge-device"

// ChallengeRequest asks for an evidence.DeviceChallenge of the TPM that is said to
// hold a device's key. The signer remembers none: asking again is harmless, and a
// signer that has begun anew takes no answer to a challenge from before.
type ChallengeRequest struct {
	Evidence evidence.DeviceEvidence `json:"evidence"`
}

// ChallengeDevice asks for a challenge of a device's TPM.
func (c *Client) ChallengeDevice(ctx context.Context, request ChallengeRequest) (evidence.DeviceChallenge, error) {
	return post[evidence.DeviceChallenge](ctx, c, PathChallengeDevice, request)
}
