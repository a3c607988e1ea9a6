package storetest

import (
	"slices"
	"testing"
	"time"

	"stint/server/access"
)

// extending: a grant that is activated while sessions of another run is offered to them,
// and they go on under it once a proxy says that the signer agreed.
func extending(t *testing.T, h *House) {
	ctx := t.Context()
	first, certificate := h.Active(t)
	start := Start(first, certificate, "session-000000000001")
	_, err := h.StartSession(ctx, start)
	wantError(t, nil, err)
	verdict := func() access.Verdict {
		t.Helper()
		verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{start.Session})
		wantError(t, nil, err)
		return verdicts[0]
	}
	same(t, "nothing is offered", "", verdict().Next)
	view, err := h.Session(ctx, h.World.Alice, start.Session)
	wantError(t, nil, err)
	same(t, "alice may", []string{"kill", "extend", "replay"}, view.May)

	// 1. A grant that nobody has activated extends nothing, and none that was not offered.
	h.Clock.Move(40 * time.Minute)
	second := h.Approved(t)
	same(t, "approved, it is not offered", "", verdict().Next)
	wantCode(t, access.CodeNotExtended, h.ExtendSession(ctx, "proxy-1", start.Session, second.ID))
	wantCode(t, access.CodeNotExtended, h.ExtendSession(ctx, "proxy-1", start.Session, "req-none"))
	activation, login := h.Activation(t, second)
	_, err = h.Activate(ctx, h.World.Alice, second.ID, activation, login, nil)
	wantError(t, nil, err)
	same(t, "activated, it is offered", access.Verdict{
		Session: start.Session, Lease: 15 * time.Second, Request: first.ID, GrantEnds: first.Ends, Next: second.ID,
	}, verdict())

	// 2. Only the proxy that has the session says so; saying it again is harmless.
	wantCode(t, access.CodeSessionNotFound, h.ExtendSession(ctx, "proxy-2", start.Session, second.ID))
	for range 2 {
		wantError(t, nil, h.ExtendSession(ctx, "proxy-1", start.Session, second.ID))
	}
	same(t, "the event", 1, len(slices.DeleteFunc(h.kinds(t, second.ID), func(k string) bool { return k != access.EventSessionExtended })))
	same(t, "extended", access.Verdict{Session: start.Session, Lease: 15 * time.Second, Request: second.ID, GrantEnds: second.Ends}, verdict())
	seen, err := h.Request(ctx, h.World.Alice, second.ID)
	wantError(t, nil, err)
	if len(seen.Sessions) != 1 || seen.Sessions[0].Extension != second.ID {
		t.Errorf("the request that extends it shows %+v", seen.Sessions)
	}

	// 3. It goes on over the end of the grant that opened it, and ends with the other.
	h.Clock.Move(first.Ends.Sub(h.Clock.Now()) + time.Minute)
	same(t, "over the end", "", verdict().Ended)
	_, err = h.Revoke(ctx, h.World.Bob.Person, second.ID, "enough")
	wantError(t, nil, err)
	same(t, "its grant is revoked", "revoked", verdict().Ended)
}

// notExtending: what somebody took away does not come back by an extension.
func notExtending(t *testing.T, h *House) {
	ctx := t.Context()
	active := func() (access.RequestView, access.Certificate) { return h.Active(t) }
	first, certificate := active()
	extended, offered := Start(first, certificate, "session-000000000001"), Start(first, certificate, "session-000000000002")
	_, err := h.StartSession(ctx, extended)
	wantError(t, nil, err)
	h.Clock.Move(time.Minute)
	second, _ := active()
	wantError(t, nil, h.ExtendSession(ctx, "proxy-1", extended.Session, second.ID))
	_, err = h.StartSession(ctx, offered)
	wantError(t, nil, err)
	h.Clock.Move(time.Minute)
	third, _ := active()

	// The grant that opened them is given back: both end, whatever else is held.
	_, err = h.Drop(ctx, h.World.Alice, first.ID, "")
	wantError(t, nil, err)
	verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{extended.Session, offered.Session})
	wantError(t, nil, err)
	for _, v := range verdicts {
		same(t, v.Session, "dropped", v.Ended)
	}
	wantCode(t, access.CodeSessionEnded, h.ExtendSession(ctx, "proxy-1", offered.Session, third.ID))

	// A session that somebody ended is not extended, and one whose offer was revoked is not.
	fourth, other := active()
	for _, id := range []string{"session-000000000003", "session-000000000004"} {
		_, err = h.StartSession(ctx, Start(fourth, other, id))
		wantError(t, nil, err)
	}
	h.Clock.Move(time.Minute)
	fifth, _ := active()
	_, err = h.Kill(ctx, h.World.Bob.Person, "session-000000000003", "odd")
	wantError(t, nil, err)
	wantCode(t, access.CodeSessionEnded, h.ExtendSession(ctx, "proxy-1", "session-000000000003", fifth.ID))
	_, err = h.Revoke(ctx, h.World.Bob.Person, fifth.ID, "")
	wantError(t, nil, err)
	wantCode(t, access.CodeNotExtended, h.ExtendSession(ctx, "proxy-1", "session-000000000004", fifth.ID))
}
