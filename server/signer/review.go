package signer

import (
	"context"
	"net/http"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// review closes an emergency that the ledger knows. What it is of comes from there. It
// answers with the review that closed it: this one, or somebody's that came before.
func (s *signer) review(ctx context.Context, in wire.ReviewRequest) (wire.Done, error) {
	// 1. Parse strictly.
	statement, err := evidence.DecodeAs[*evidence.Review](in.Evidence.Statement)
	if err != nil {
		return wire.Done{}, refuse(http.StatusForbidden, "evidence.review", sentence(err.Error()))
	}
	// 2. Somebody acted alone under it, which is over, and nobody has reviewed that. What
	// is reviewed while it goes on leaves unseen what comes then.
	of, closed, live := s.emergency(statement)
	switch {
	case of == nil:
		return wire.Done{}, refuse(http.StatusForbidden, "no-such-emergency", "Nobody acted alone under this request, so there is nothing to review.")
	case closed > 0:
		return s.done(ctx, closed, nil)
	case live:
		return wire.Done{}, refuse(http.StatusConflict, "emergency-live", "This emergency still goes on. End it, or wait, and review all of it then.")
	}
	// 3. Who signed it, and whether they may.
	_, err = s.settleChange(ctx, wire.PathReview, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyReview(in.Evidence, *of, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Review: verified.Entry()}, nil
	})
	if err != nil {
		return wire.Done{}, err
	}
	// 4. Of two at once the first closed it.
	_, closed, _ = s.emergency(statement)
	return s.done(ctx, closed, nil)
}

// emergency is what a review speaks of, as the ledger has it; nil where nobody acted
// alone. closed is the entry of the review that closed it; 0: none has.
func (s *signer) emergency(review *evidence.Review) (of *evidence.Emergency, closed int64, live bool) {
	now := s.book.clock()
	s.book.view(func(state *state) {
		if e := state.past.emergencies[review.RequestDigest]; e != nil {
			known := e.known()
			of, closed, live = &known, e.closed, e.grant.isLive(now)
		}
	})
	return of, closed, live
}
