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
	if in.Evidence != nil {
		if err := s.checkEnd(in); err != nil {
			return wire.Done{}, err
		}
	}
	index, err := s.book.decide(false, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		if earlier, ended := state.endings[in.Request]; ended {
			return nil, earlier, nil
		}
		// What the ledger does not know makes it longer: not without a bound. A
		// grant is always ended.
		if state.grants[in.Request] == nil && !s.unknown.allow("", now) {
			return nil, 0, refuse(http.StatusTooManyRequests, "rate-limited", "Too many requests that the signer does not know were ended. Wait a moment.")
		}
		return &evidence.Entry{Ending: &evidence.EndingEntry{Request: in.Request, Reason: in.Reason, By: in.By, Evidence: in.Evidence}}, 0, nil
	})
	return s.done(ctx, index, err)
}

// checkEnd refuses a person's word that is about something else. It is kept as
// evidence of who ended the request, and is never needed: the caller can leave it
// out. Whose login key signed it is for whoever reads it to find out.
func (s *signer) checkEnd(in wire.EndRequest) error {
	end, err := evidence.DecodeAs[*evidence.End](in.Evidence.Statement)
	if err == nil && end.Instance == s.config.Instance && end.Request == in.Request && end.Change == in.Reason && end.Person == in.By &&
		len(in.Evidence.Signature) <= maxSignatureText {
		return nil
	}
	return refuse(http.StatusBadRequest, "evidence.end", "The evidence of the ending is about something else. Leave it out.").because(err)
}

// maxSignatureText is longer than any signature of a login key in base64url.
const maxSignatureText = 128

// checkBy bounds who the broker says took something away. It may be nobody: time
// ends a request too.
func checkBy(by policies.Subject) error {
	if by == (policies.Subject{}) || by.Check() == nil {
		return nil
	}
	return refuse(http.StatusBadRequest, "by", "The person is not a subject and its issuer.")
}
