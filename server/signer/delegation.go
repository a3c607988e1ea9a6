package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// delegate lets somebody approve on another's behalf, whose passkey says so.
func (s *signer) delegate(ctx context.Context, in wire.DelegateRequest) (wire.Done, error) {
	return s.doneChange(s.settleChange(ctx, wire.PathDelegate, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyDelegation(in.Evidence, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Delegation: verified.Entry()}, nil
	}))
}

// endDelegation takes away: what was approved by it counts no longer, and nothing more
// will. It needs no proof and is not held up by the clock.
func (s *signer) endDelegation(ctx context.Context, in wire.EndDelegationRequest) (wire.Done, error) {
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, _ time.Time, _ int64) (*evidence.Entry, int64, error) {
		if earlier, ended := state.delegations[in.Digest]; ended {
			return nil, earlier, nil
		}
		if !state.beliefs.HasDelegation(in.Digest) {
			return nil, 0, refuse(http.StatusForbidden, wire.CodeNoSuchDelegation, "The signer knows no such delegation.")
		}
		return &evidence.Entry{DelegationEnd: &evidence.DelegationEndEntry{Digest: in.Digest, By: in.By}}, 0, nil
	})
	return s.done(ctx, index, err)
}
