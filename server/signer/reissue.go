package signer

import (
	"context"
	"net/http"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// reissue signs once more what a withdrawn key had signed, in numbered steps. The
// broker names a certificate and nothing else: what is signed comes from the ledger.
func (s *signer) reissue(ctx context.Context, in wire.ReissueRequest) (wire.SessionCertificate, error) {
	none := wire.SessionCertificate{}
	// 1. It is a certificate for a person, and on record.
	unknown := refuse(http.StatusForbidden, "not-issued", "No certificate was issued to a person with this serial.")
	var entries int64
	s.book.view(func(state *state) { entries = state.entries })
	if in.Serial == 0 || in.Serial > uint64(entries) {
		return none, unknown
	}
	named, err := s.book.settle(ctx, int64(in.Serial-1))
	if err != nil {
		return none, err
	}
	session := named.entry.Session
	if session == nil {
		return none, unknown
	}
	if !s.again.allow(session.Request, s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many certificates were asked for under this request. Wait a minute.")
	}
	// 2 to 4. Verify, decide, and stage the entry.
	// 5. The entry is on the disk before anything is signed. 6. Sign.
	entry, certificate, err := s.issue(ctx, func() (int64, error) { return s.admitReissue(ctx, session, in.Serial) }, s.certifySession)
	if err != nil {
		return none, err
	}
	return wire.SessionCertificate{
		Certificate: certificate, Serial: entry.entry.Session.Serial, Ends: entry.entry.Session.Ends, Proof: entry.proof,
	}, nil
}

// admitReissue stages the entry of a certificate in the place of the newest for a
// session key, or finds that the newest counts. Serial is of the one that the broker
// has, which may be older.
func (s *signer) admitReissue(ctx context.Context, session *evidence.SessionEntry, serial uint64) (int64, error) {
	// 2. The grant is live, and this is its session key.
	var newest issued
	var believed evidence.Beliefs
	var policy *policies.Bundle
	var circumstances evidence.Circumstances
	var signs bool
	var refused error
	err := s.book.look(true, func(state *state, now time.Time) {
		var g *grant
		if g, newest, refused = reissuable(state, session, now); refused != nil {
			return
		}
		signs = state.signing.signs(evidence.PurposeUserCA, newest.index)
		believed, policy = state.beliefs, state.beliefs.Policy(now)
		if circumstances.Now = now; policy != nil {
			circumstances = state.circumstances(policy, g.requester, &g.asked, now)
		}
	})
	if err != nil {
		return 0, err
	}
	if refused != nil {
		return 0, refused
	}
	if policy == nil {
		return 0, refuseNoPolicy()
	}
	// 3. Its key is withdrawn, unless it was issued once more already; and the same would
	// be given today.
	verify := believed.VerifyReissue
	done := signs && serialOf(newest.index) != serial
	if done {
		verify = believed.VerifyStanding
	}
	earlier, err := s.book.settle(ctx, newest.index)
	if err != nil {
		return 0, err
	}
	origin, err := s.book.settle(ctx, newest.origin)
	if err != nil {
		return 0, err
	}
	again := evidence.Reissue{Earlier: *earlier.entry.Session, Origin: *origin.entry.Session, Authority: newest.authority}
	verified, err := verify(again, circumstances)
	if err != nil {
		return 0, refuseEvidence(err)
	}
	// 4. Nothing of this changed meanwhile, and nothing has ended it. The entry, or the one
	// that is there.
	return s.book.decide(true, func(state *state, now time.Time, index int64) (*evidence.Entry, int64, error) {
		g, present, err := reissuable(state, session, now)
		if err != nil {
			return nil, 0, err
		}
		if state.beliefs.Latest() != believed.Latest() || present != newest ||
			!circumstances.Same(state.circumstances(policy, g.requester, &g.asked, now)) {
			return nil, 0, errChanged
		}
		if done {
			return nil, newest.index, nil
		}
		entry := again.Again(serialOf(index), verified, circumstances)
		return &evidence.Entry{Session: &entry}, 0, nil
	})
}

// reissuable finds the grant of a certificate, if it may be used now, and the newest
// certificate for the same session key, which ends when that one does.
func reissuable(state *state, session *evidence.SessionEntry, now time.Time) (*grant, issued, error) {
	g, err := alive(state, session.Request, now)
	if err != nil {
		return nil, issued{}, err
	}
	newest, ok := g.sessions[session.SessionKey]
	if !ok || !newest.ends.Equal(session.Ends) {
		return nil, issued{}, refuse(http.StatusForbidden, "revision-replaced", "A later revision of this request is active. Use that one.")
	}
	if !now.Before(newest.ends.Truncate(time.Second)) {
		return nil, issued{}, refuseOver()
	}
	return g, newest, nil
}
