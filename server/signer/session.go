package signer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// errChanged means that what a verification stood on changed while it ran.
var errChanged = errors.New("the signer's state changed during the verification")

// maxAttempts bounds how often a verification is made anew because of that. Each
// session that one person begins changes what their others stand on.
const maxAttempts = 24

// untilUnchanged runs a verification and the decision on it until both saw the
// same state.
func untilUnchanged(attempt func() (int64, error)) (int64, error) {
	for range maxAttempts {
		index, err := attempt()
		if !errors.Is(err, errChanged) {
			return index, err
		}
	}
	return 0, refuse(http.StatusServiceUnavailable, "busy", "The signer is busy. Try again in a moment.").because(errChanged)
}

// signSession signs for a person, in numbered steps, none of which believes the broker.
func (s *signer) signSession(ctx context.Context, in wire.SessionRequest) (wire.SessionCertificate, error) {
	none := wire.SessionCertificate{}
	// 1. Parse strictly. The server has let no unknown field pass.
	request, err := evidence.DecodeAs[*evidence.Request](in.Bundle.Request)
	if err != nil {
		return none, refuse(http.StatusForbidden, "evidence.request", sentence(err.Error()))
	}
	if !s.sessions.allow(request.Request, s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many certificates were asked for under this request. Wait a minute.")
	}
	// 2. The provider's keys, fetched by the signer itself.
	if in.Bundle.Login != nil {
		if err := s.needKeys(ctx, keyID(in.Bundle.Login.IDToken)); err != nil {
			return none, err
		}
	}
	// 3 to 7. Verify, decide, and stage the entry.
	// 8. The entry is on the disk before anything is signed. 9. Sign.
	entry, certificate, err := s.issue(ctx, func() (int64, error) { return s.admit(in, request) }, s.certifySession)
	if err != nil {
		return none, err
	}
	// 10. The certificate, and the proof that it is on record.
	return wire.SessionCertificate{
		Certificate: certificate,
		Serial:      entry.entry.Session.Serial,
		Ends:        entry.entry.Session.Ends,
		Proof:       entry.proof,
	}, nil
}

// admit verifies a bundle and stages its Session entry, or finds the entry that
// the same session key has already.
func (s *signer) admit(in wire.SessionRequest, request *evidence.Request) (int64, error) {
	bundle := in.Bundle
	// What the verification stands on, at one moment. What the requester had before is
	// looked up for whom the token names; whether the token holds is Verify's to say, and
	// what was found is compared again below.
	var beliefs belief
	var circumstances evidence.Circumstances
	err := s.book.look(true, func(state *state, now time.Time) {
		beliefs = beliefOf(state, now)
		circumstances.Now = now
		if person, err := tokenHolder(s.config.Issuer.URL, bundle.Login); err == nil && beliefs.policy != nil {
			circumstances = state.circumstances(beliefs.policy, person, request, now)
		}
		circumstances.Asserted = in.Asserted
	})
	if err != nil {
		return 0, err
	}
	if beliefs.policy == nil {
		return 0, refuseNoPolicy()
	}
	// 3. ID token, statements and passkeys against the roster; 4. the key binding;
	// 5. the policy, by the signer's own bundle, clock and ledger.
	verified, err := evidence.Verify(bundle, beliefs.trust, circumstances)
	if err != nil {
		return 0, refuseEvidence(err)
	}
	return s.book.decide(true, func(state *state, now time.Time, index int64) (*evidence.Entry, int64, error) {
		if state.beliefs.Latest() != beliefs.latest ||
			!circumstances.Same(state.circumstances(beliefs.policy, verified.Requester(), request, now)) {
			return nil, 0, errChanged
		}
		if earlier, err := s.admissible(state, verified, now); err != nil || earlier != nil {
			return nil, indexOf(earlier), err
		}
		return &evidence.Entry{Session: &evidence.SessionEntry{
			Bundle:        bundle,
			Circumstances: circumstances,
			PolicyDigest:  beliefs.digest,
			Request:       verified.Request().Request,
			Requester:     verified.Requester().Subject,
			Role:          verified.Request().Ask.Role,
			Principal:     verified.Principal(),
			Serial:        serialOf(index),
			SessionKey:    verified.SessionKey(),
			Ends:          verified.Ends(),
			BreakGlass:    verified.Request().Ask.BreakGlass,
			Networks:      verified.Role().Session.Networks,
		}}, 0, nil
	})
}

// admissible asks what only the ledger knows. It returns the earlier issue of the
// same certificate, if there is one.
func (s *signer) admissible(state *state, verified evidence.Verified, now time.Time) (*issued, error) {
	request := verified.Request()
	// 6. Nothing is signed past an ending, or for what a later revision replaced.
	if _, ended := state.endings[request.Request]; ended {
		return nil, refuseEnded()
	}
	g := state.grants[request.Request]
	if g != nil {
		switch {
		case g.requester.Subject != verified.Requester().Subject:
			return nil, refuse(http.StatusForbidden, "requester-changed", "Somebody else activated this request. Ask anew.")
		case request.Revision < g.revision:
			return nil, refuse(http.StatusForbidden, "revision-replaced", "A later revision of this request is active. Use that one.")
		case request.Revision == g.revision && verified.RequestDigest() != g.digest:
			return nil, refuse(http.StatusForbidden, "revision-changed", "Another text of this revision is active. Ask anew.")
		}
	}
	// 7. The grant's end is the certificate's. What is over is over, also where another
	// approval of it would last longer: it may have been reviewed, or counted as past.
	if g != nil && g.revision == request.Revision && !g.isLive(now) || !now.Before(verified.Ends().Truncate(time.Second)) {
		return nil, refuseOver()
	}
	if g != nil && g.revision == request.Revision && g.principal == verified.Principal() {
		if earlier, ok := g.sessions[verified.SessionKey()]; ok && earlier.ends.Equal(verified.Ends()) &&
			state.signing.signs(evidence.PurposeUserCA, earlier.index) {
			return &earlier, nil
		}
	}
	return nil, nil
}

func indexOf(earlier *issued) int64 {
	if earlier == nil {
		return 0
	}
	return earlier.index
}

func refuseEnded() error {
	return refuse(http.StatusForbidden, "ended", "This request was ended. Ask anew.")
}

func refuseNoPolicy() error {
	return refuse(http.StatusServiceUnavailable, "no-policy", "This version of the signer cannot read the policy in force. Start the version that could.")
}

func refuseOver() error {
	return refuse(http.StatusForbidden, "over", "The time of this grant is over. Ask anew.")
}
