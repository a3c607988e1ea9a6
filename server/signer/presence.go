package signer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// presence takes the word of whose session it is that they are there. What the session was
// opened for comes from the ledger.
func (s *signer) presence(ctx context.Context, in wire.PresenceRequest) (wire.Done, error) {
	// 1. Parse strictly.
	statement, err := evidence.DecodeAs[*evidence.Presence](in.Evidence.Statement)
	if err != nil {
		return wire.Done{}, refuse(http.StatusForbidden, "evidence.presence", sentence(err.Error()))
	}
	// 2. Somebody was given something under this revision of the request.
	var request *evidence.Request
	s.book.view(func(state *state) {
		if g := state.grants[statement.Request]; g != nil && g.digest == statement.RequestDigest {
			asked := g.asked
			request = &asked
		}
	})
	if request == nil {
		return wire.Done{}, refuse(http.StatusForbidden, "not-activated", "Nothing was activated under the request that this session was opened by.")
	}
	text, err := evidence.Encode(request)
	if err != nil {
		return wire.Done{}, err
	}
	// 3. Who signed it, and that it is of now and of this.
	entry, err := s.settleChange(ctx, wire.PathPresence, in.Evidence.Statement, func(b belief) (evidence.Entry, error) {
		verified, err := evidence.VerifyPresence(in.Evidence, text, b.trust, b.now)
		if err != nil {
			return evidence.Entry{}, err
		}
		return evidence.Entry{Presence: verified.Entry()}, nil
	})
	if err != nil {
		return wire.Done{}, err
	}
	return wire.Done{Proof: entry.proof}, nil
}

// present tells a proxy when whose session it is last said that they are there. It gives
// nothing else away: what the proxy does not know of the session it must guess.
func (s *signer) present(in wire.PresentRequest) (wire.PresentResult, error) {
	if evidence.CheckSession(in.Session) != nil || evidence.CheckRequest(in.Opened) != nil {
		return wire.PresentResult{}, refuse(http.StatusBadRequest, "session-id", "The session or request id is not one.")
	}
	var at time.Time
	s.book.view(func(state *state) {
		if g := state.grants[in.Opened]; g != nil {
			at = g.present[in.Session]
		}
	})
	return wire.PresentResult{At: at}, nil
}

// foldPresence remembers when whose session it is was there. It counts from when it was
// signed: the ledger may have it minutes later.
func (s *state) foldPresence(index int64, at time.Time, e *evidence.PresenceEntry) (func(), error) {
	statement, err := evidence.DecodeAs[*evidence.Presence](e.Evidence.Statement)
	if err != nil {
		return nil, fmt.Errorf("its presence statement: %w", err)
	}
	g := s.grants[e.Request]
	if g == nil || g.digest != statement.RequestDigest || statement.Request != e.Request || statement.Session != e.Session {
		return nil, errors.New("it is of a session that nobody was let into")
	}
	return func() {
		s.statements[evidence.Digest(e.Evidence.Statement)] = index
		if g.present == nil {
			g.present = map[string]time.Time{}
		}
		if signed := earliest(statement.Issued, at); signed.After(g.present[e.Session]) {
			g.present[e.Session] = signed
		}
	}, nil
}
