package storetest

import (
	"fmt"
	"testing"

	"stint/recorder/wire"
	"stint/server/access"
)

// crowded lets one grant start more sessions than it may have at once.
func crowded(t *testing.T, h *House) {
	ctx := t.Context()
	v, certificate := h.Active(t)
	other, otherCertificate := h.Active(t)
	start := func(n int) access.SessionStart {
		s := Start(v, certificate, fmt.Sprintf("session-%012d", n))
		s.Proxy = fmt.Sprintf("proxy-%d", n%2)
		return s
	}
	for n := range wire.MaxSessions {
		_, err := h.StartSession(ctx, start(n))
		wantError(t, nil, err)
	}
	size, err := verify(t, h.Store)
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, start(wire.MaxSessions))
	wantCode(t, access.CodeManySessions, err)
	after, err := verify(t, h.Store)
	wantError(t, nil, err)
	same(t, "the audit log", size, after)
	// What lives already may be told again, and others' grants have their own.
	_, err = h.StartSession(ctx, start(0))
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, Start(other, otherCertificate, "session-of-another-grant"))
	wantError(t, nil, err)
	wantError(t, nil, h.EndSession(ctx, "proxy-1", start(1).Session, access.SessionEnd{Reason: "completed", Ended: h.Clock.Now()}))
	_, err = h.StartSession(ctx, start(wire.MaxSessions))
	wantError(t, nil, err)
	_, err = h.StartSession(ctx, start(wire.MaxSessions+1))
	wantCode(t, access.CodeManySessions, err)
}
