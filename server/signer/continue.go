package signer

import (
	"context"
	"net/http"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// continueSession says, for a proxy, whether a live session goes on under another grant,
// in numbered steps. It gives nothing that the grant does not: whoever holds that
// could open a session by it. What it adds is that nobody's session goes on by somebody
// else's grant, or for something else than it was opened for.
func (s *signer) continueSession(ctx context.Context, proxy ProxyConfig, in wire.ContinueRequest) (wire.ContinueResult, error) {
	none := wire.ContinueResult{}
	// 1. Parse strictly.
	if evidence.CheckSession(in.Session) != nil {
		return none, refuse(http.StatusBadRequest, "session-id", "The session id is not one.")
	}
	if evidence.CheckRequest(in.Opened) != nil || evidence.CheckRequest(in.Next) != nil {
		return none, refuse(http.StatusBadRequest, "request-id", "The request id is not one.")
	}
	if !s.targets.allow(proxy.Name+" "+in.Next, s.book.clock()) {
		return none, refuse(http.StatusTooManyRequests, "rate-limited", "Too many sessions were extended under this grant. Wait a moment.")
	}
	// 2 to 6. Find both grants, verify the next one again, decide, and stage the entry.
	var answer wire.ContinueResult
	index, err := untilUnchanged(func() (index int64, err error) {
		index, answer, err = s.admitContinuation(ctx, proxy, in)
		return index, err
	})
	if err != nil {
		return none, err
	}
	// 7. The entry is on the disk before the session lasts longer.
	if _, err := s.book.settle(ctx, index); err != nil {
		return none, err
	}
	return answer, nil
}

// succession are two grants of which one is to follow the other in a live session.
type succession struct {
	now, next    *grant
	opened, last int64 // the Session entries of the certificate that opened it, and of the newest of next
	done         int64 // the entry by which it has followed already
}

// admitContinuation stages the Extension entry, or finds the one that is there.
func (s *signer) admitContinuation(ctx context.Context, proxy ProxyConfig, in wire.ContinueRequest) (int64, wire.ContinueResult, error) {
	none := wire.ContinueResult{}
	// 2. Both grants are live, and the next one is of the same person's, for the same
	// role as issued, and the same login and target.
	var beliefs belief
	var believed evidence.Beliefs
	var circumstances evidence.Circumstances
	var found succession
	var refused error
	err := s.book.look(true, func(state *state, now time.Time) {
		if found, refused = succeed(state, proxy, in, now); refused == nil {
			beliefs, believed = beliefOf(state, now), state.beliefs
			if circumstances.Now = now; beliefs.policy != nil {
				circumstances = state.circumstances(beliefs.policy, found.next.requester, &found.next.asked, now)
			}
		}
	})
	if err != nil {
		return 0, none, err
	}
	if refused != nil {
		return 0, none, refused
	}
	// 3. It would be given today.
	next, err := s.book.settle(ctx, found.last)
	if err != nil {
		return 0, none, err
	}
	entry := next.entry.Session
	verified, err := believed.VerifyAnew(*entry, circumstances)
	if err != nil {
		return 0, none, refuseEvidence(err)
	}
	if verified.Principal() != entry.Principal {
		return 0, none, refuse(http.StatusForbidden, "principal-changed", "The policy names this login or target otherwise by now. Ask anew.")
	}
	// 4. It was activated from the device that the session comes from.
	opened, err := s.book.settle(ctx, found.opened)
	if err != nil {
		return 0, none, err
	}
	from, err := deviceOf(opened.entry.Session)
	if err != nil {
		return 0, none, err
	}
	if by, err := deviceOf(entry); err != nil || by != from {
		return 0, none, refuse(http.StatusForbidden, "other-device", "The extension was activated from another machine than the session comes from. Activate it there: stint extend.").because(err)
	}
	if verified.Role().SingleUse {
		return 0, none, refuse(http.StatusForbidden, "single-use", "A grant of this role is for one session, and extends no other. Open a session by it.")
	}
	ends := earliest(entry.Ends, verified.Ends())
	answer := wire.ContinueResult{GrantEnds: ends, Rules: rulesOf(verified.Role(), verified.Recordings())}
	// 5. Nothing of this changed meanwhile. 6. The entry.
	index, err := s.book.decide(true, func(state *state, now time.Time, _ int64) (*evidence.Entry, int64, error) {
		present, err := succeed(state, proxy, in, now)
		if err != nil {
			return nil, 0, err
		}
		if state.beliefs.Latest() != beliefs.latest || present != found ||
			!circumstances.Same(state.circumstances(beliefs.policy, present.next.requester, &present.next.asked, now)) {
			return nil, 0, errChanged
		}
		if !now.Before(ends.Truncate(time.Second)) {
			return nil, 0, refuseOver()
		}
		if present.now == present.next {
			return nil, present.done, nil
		}
		return &evidence.Entry{Extension: &evidence.ExtensionEntry{
			Session: in.Session, Proxy: proxy.Name, Request: in.Next, Extends: present.now.request, Opened: in.Opened,
			Principal: entry.Principal, Ends: ends,
		}}, 0, nil
	})
	return index, answer, err
}

// succeed finds the grant that a session has, and the one that is to follow it, and
// refuses what the second does not give.
func succeed(state *state, proxy ProxyConfig, in wire.ContinueRequest, now time.Time) (succession, error) {
	none := succession{}
	// 1. A certificate under the one grant opened the session.
	with := state.grants[in.Opened]
	if with == nil {
		return none, refuse(http.StatusForbidden, "not-activated", "Nothing was activated under the request that this session was opened by.")
	}
	certificate, ok := with.sessions[in.SessionKey]
	if !ok {
		return none, refuse(http.StatusForbidden, "not-issued", "No certificate was issued for this session's key.")
	}
	found := succession{opened: certificate.origin}
	// 2. The grant that it has by now is live.
	has := in.Opened
	if extended, ok := state.extended[liveSession{proxy.Name, in.Session}]; ok {
		if extended.opened != in.Opened {
			return none, refuse(http.StatusForbidden, "session-taken", "This session id is another session's.")
		}
		has, found.done = extended.request, extended.index
	}
	var err error
	if found.now, err = alive(state, has, now); err != nil {
		return none, err
	}
	// 3. So is the next one, for the same.
	if found.next, err = alive(state, in.Next, now); err != nil {
		return none, err
	}
	found.last = found.next.last
	switch {
	case found.next.requester.Subject != found.now.requester.Subject:
		return none, refuse(http.StatusForbidden, "other-requester", "The extension is somebody else's. Each person asks for their own.")
	case found.next.role != found.now.role:
		return none, refuse(http.StatusForbidden, "other-role", "The extension is for another role. Open a session by it.")
	case found.next.principal != found.now.principal:
		return none, refuse(http.StatusForbidden, "other-principal", "The extension is for another login or target. Open a session by it.")
	}
	return found, nil
}

// deviceOf is the device that asked for a certificate; empty for none.
func deviceOf(e *evidence.SessionEntry) (string, error) {
	if e.Bundle.Activation == nil {
		return "", refuse(http.StatusForbidden, "not-issued", "The certificate stands on no activation.")
	}
	activation, err := evidence.DecodeAs[*evidence.Activation](e.Bundle.Activation.Statement)
	if err != nil {
		return "", err
	}
	return activation.Device, nil
}
