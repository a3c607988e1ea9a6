package signer

import (
	"context"
	"net/http"
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// endingReasons are the ways a request ends, as the broker's flow names them.
var endingReasons = []string{"denied", "withdrawn", "dropped", "revoked", "expired", "completed"}

// end takes away: nothing more is signed for the request, whether the signer has
// seen it yet or not. It needs no proof, and the clock cannot hold it up.
func (s *signer) end(ctx context.Context, in wire.EndRequest) (wire.Done, error) {
	if evidence.CheckRequest(in.Request) != nil {
		return wire.Done{}, refuse(http.StatusBadRequest, "request-id", "The request id is not one.")
	}
	if !slices.Contains(endingReasons, in.Reason) {
		return wire.Done{}, refuse(http.StatusBadRequest, "reason", "The reason of an ending is denied, withdrawn, dropped, revoked, expired or completed.")
	}
	if err := checkBy(in.By); err != nil {
		return wire.Done{}, err
	}
	index, err := s.book.decide(false, func(state *state, _ time.Time, _ int64) (*evidence.Entry, int64, error) {
		if earlier, ended := state.endings[in.Request]; ended {
			return nil, earlier, nil
		}
		return &evidence.Entry{Ending: &evidence.EndingEntry{Request: in.Request, Reason: in.Reason, By: in.By}}, 0, nil
	})
	return s.done(ctx, index, err)
}

// checkBy bounds who the broker says took something away. It may be nobody: time
// ends a request too.
func checkBy(by policies.Subject) error {
	if by == (policies.Subject{}) || by.Check() == nil {
		return nil
	}
	return refuse(http.StatusBadRequest, "by", "The person is not a subject and its issuer.")
}
