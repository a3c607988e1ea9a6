package signer

import (
	"context"
	"net/http"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// review closes an emergency that the ledger knows. What it is of comes from there.
func (s *signer) review(ctx context.Context, in wire.ReviewRequest) (wire.Done, error) {
	// 1. Parse strictly.
	statement, err := evidence.DecodeAs[*evidence.Review](in.Evidence.Statement)
	if err != nil {
		return wire.Done{}, refuse(http.StatusForbidden, "evidence.review", sentence(err.Error()))
	}
	// 2. Somebody acted alone under it, which is over, and nobody has reviewed that. What
	// is reviewed while it goes on leaves unseen what comes then.
	var of evidence.Emergency
	var known, closed, live bool
	now := s.book.clock()
	s.book.view(func(state *state) {
		g := state.grants[statement.Request]
		live = g != nil && g.digest == statement.RequestDigest && g.isLive(now)
		if e := state.past.emergencies[statement.RequestDigest]; e != nil {
			of, known, closed = e.Emergency, true, e.reviewed
		}
		if _, again := state.statements[evidence.Digest(in.Evidence.Statement)]; again {
			closed = false // the very same once more: settleChange answers
		}
	})
	switch {
	case !known:
		return wire.Done{}, refuse(http.StatusForbidden, "no-such-emergency", "Nobody acted alone under this request, so there is nothing to review.")
	case closed:
		return wire.Done{}, refuse(http.StatusConflict, wire.CodeReviewed, "Somebody has reviewed this already.")
	case live:
		return wire.Done{}, refuse(http.StatusConflict, "emergency-live", "This emergency still goes on. End it, or wait, and review all of it then.")
	}
	// 3. Who signed it, and whether they may. 4. It counts once it is on the disk.
	return s.doneChange(s.settleChange(ctx, wire.PathReview, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyReview(in.Evidence, of, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Review: verified.Entry()}, nil
	}))
}
