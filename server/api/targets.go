package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// TargetTrust is what a target needs to know of the signer. It proves itself: a
// target checks it against what it pinned, and need not believe the broker.
type TargetTrust struct {
	Evidence json.RawMessage `json:"evidence" doc:"evidence.TargetTrustEvidence"`
}

// TargetTrust returns whose certificates open targets, with the proof that the
// signer's ledger continues one of from entries. It needs no sign-in.
func (c *Client) TargetTrust(ctx context.Context, from int64) (TargetTrust, error) {
	return call[TargetTrust](ctx, c, http.MethodGet, PathTargetTrust, url.Values{"from": {strconv.FormatInt(from, 10)}}, nil)
}

// ReportAcceptedSerials hands in what a target's sshd accepted. It needs no
// sign-in: the report is signed by the target's host key.
func (c *Client) ReportAcceptedSerials(ctx context.Context, report AcceptedSerials) (AcceptedSerialsResult, error) {
	return call[AcceptedSerialsResult](ctx, c, http.MethodPost, PathAcceptedSerials, nil, report)
}
