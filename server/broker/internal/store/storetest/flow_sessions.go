package storetest

import (
	"slices"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence/evidencetest"
)

func flowSessions(t *testing.T, h *House) {
	ctx := t.Context()
	v, certificate := h.Active(t)
	start := Start(v, certificate, "session-000000000001")
	started, err := h.StartSession(ctx, start)
	wantError(t, nil, err)
	again, err := h.StartSession(ctx, start)
	wantError(t, nil, err)
	same(t, "repeated", started, again)
	other := start
	other.Proxy = "proxy-2"
	_, err = h.StartSession(ctx, other)
	wantCode(t, access.CodeSessionRefused, err)
	for _, bad := range []string{"", "short", "with space 0000000", "../../../../etc/passwd"} {
		other.Session = bad
		_, err = h.StartSession(ctx, other)
		wantCode(t, access.CodeInvalid, err)
	}

	h.Clock.Move(10 * time.Second)
	verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{"nobody-knows-this", start.Session})
	wantError(t, nil, err)
	same(t, "verdicts", []access.Verdict{
		{Session: "nobody-knows-this", Ended: "unknown"}, {Session: start.Session, Lease: 15 * time.Second, Request: v.ID, GrantEnds: v.Ends},
	}, verdicts)
	stolen, err := h.RenewLeases(ctx, "proxy-2", []string{start.Session})
	wantError(t, nil, err)
	same(t, "another proxy's", "unknown", stolen[0].Ended)
	_, err = h.SessionOfProxy(ctx, "proxy-2", start.Session)
	wantCode(t, access.CodeSessionNotFound, err)
	wantCode(t, access.CodeSessionNotFound, h.EndSession(ctx, "proxy-2", start.Session, access.SessionEnd{Reason: "completed"}))

	_, err = h.Revoke(ctx, h.World.Bob.Person, v.ID, "stop")
	wantError(t, nil, err)
	verdicts, err = h.RenewLeases(ctx, "proxy-1", []string{start.Session})
	wantError(t, nil, err)
	same(t, "revoked", []access.Verdict{{Session: start.Session, Request: v.ID, GrantEnds: v.Ends, Ended: "revoked", By: "Bob"}}, verdicts)
	_, err = h.StartSession(ctx, start)
	wantCode(t, access.CodeSessionEnded, err)
	_, err = h.StartSession(ctx, Start(v, certificate, "session-000000000002"))
	wantCode(t, access.CodeNotLive, err)

	wantCode(t, access.CodeInvalid, h.EndSession(ctx, "proxy-1", start.Session, access.SessionEnd{Reason: "boredom"}))
	end := access.SessionEnd{Reason: "revoked", Ended: h.Clock.Now().Add(time.Hour), Bytes: 9}
	for range 2 {
		wantError(t, nil, h.EndSession(ctx, "proxy-1", start.Session, end))
	}
	session, err := h.SessionOfProxy(ctx, "proxy-1", start.Session)
	wantError(t, nil, err)
	same(t, "ended, not in the future", h.Clock.Now(), session.Ended)
	same(t, "ends in the log", 1, len(slices.DeleteFunc(h.kinds(t, v.ID), func(k string) bool { return k != access.EventSessionEnded })))

	items, next, err := h.Sessions(ctx, h.World.Alice, access.SessionQuery{})
	wantError(t, nil, err)
	if len(items) != 1 || next != nil {
		t.Errorf("Alice sees %d sessions, next %v", len(items), next)
	}
	items, _, err = h.Sessions(ctx, evidencetest.Person("mallory"), access.SessionQuery{})
	wantError(t, nil, err)
	same(t, "somebody else sees", 0, len(items))
	_, _, err = h.Sessions(ctx, h.World.Bob.Person, access.SessionQuery{Requester: h.World.Alice.Subject})
	wantCode(t, access.CodeForbidden, err)
	items, _, err = h.Sessions(ctx, h.Dave(), access.SessionQuery{Requester: h.World.Alice.Subject})
	wantError(t, nil, err)
	same(t, "a reviewer sees", 1, len(items))
	_, _, err = h.Replaying(ctx, h.World.Bob.Person, start.Session)
	wantCode(t, access.CodeForbidden, err)
	_, _, err = h.Replaying(ctx, h.Dave(), start.Session)
	wantError(t, nil, err)
	if !slices.Contains(h.kinds(t, v.ID), access.EventRecordingRead) {
		t.Error("the replay is not in the audit log")
	}
}

func forged(t *testing.T, h *House) {
	v, certificate := h.Active(t)
	other, _ := h.Active(t)
	for name, alter := range map[string]func(*access.SessionStart){
		"a serial that nobody gave": func(s *access.SessionStart) { s.Serial = 7 },
		// A stolen key of the signer's copies a live certificate's serial for a key of its own.
		"another session key": func(s *access.SessionStart) {
			s.SessionKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"
		},
		"no session key":  func(s *access.SessionStart) { s.SessionKey = "" },
		"another grant's": func(s *access.SessionStart) { s.Request = other.ID },
		"no grant's":      func(s *access.SessionStart) { s.Request = "req-none" },
		"another login":   func(s *access.SessionStart) { s.Login = "root" },
		"another target":  func(s *access.SessionStart) { s.Target = "keys-1" },
	} {
		before, _ := verify(t, h.Store)
		start := Start(v, certificate, "session-000000000001")
		alter(&start)
		if _, err := h.StartSession(t.Context(), start); !access.IsCode(err, access.CodeSessionRefused) {
			t.Errorf("%s: %v", name, err)
		}
		leaves := read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) { return r.AuditRun(before, 10) })
		if len(leaves) != 1 || leaves[0].Event.Kind != access.EventSessionRefused {
			t.Errorf("%s: the audit log has %v", name, leaves)
		}
	}
	h.Clock.Move(30 * time.Minute)
	_, err := h.StartSession(t.Context(), Start(v, certificate, "session-000000000001"))
	wantError(t, nil, err)
}

func killing(t *testing.T, h *House) {
	ctx := t.Context()
	v, certificate := h.Active(t)
	start := Start(v, certificate, "session-000000000001")
	_, err := h.StartSession(ctx, start)
	wantError(t, nil, err)
	_, err = h.Kill(ctx, evidencetest.Person("mallory"), start.Session, "")
	wantCode(t, access.CodeSessionNotFound, err)
	view, err := h.Session(ctx, h.World.Bob.Person, start.Session)
	wantError(t, nil, err)
	same(t, "bob may", []string{"kill"}, view.May)
	_, err = h.Kill(ctx, h.World.Bob.Person, start.Session, "odd")
	wantError(t, nil, err)
	_, err = h.Kill(ctx, h.World.Bob.Person, start.Session, "odd")
	wantCode(t, access.CodeSessionEnded, err)
	same(t, "notices", []access.Notice{{Session: start.Session, Reason: "killed", By: "Bob", At: h.Clock.Now()}}, h.Notices.All())
	verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{start.Session})
	wantError(t, nil, err)
	same(t, "verdict", "killed", verdicts[0].Ended)
	_, err = h.StartSession(ctx, start)
	wantCode(t, access.CodeSessionEnded, err)
	// The grant goes on.
	_, err = h.StartSession(ctx, Start(v, certificate, "session-000000000002"))
	wantError(t, nil, err)
}

func silentProxies(t *testing.T, h *House) {
	ctx := t.Context()
	v, certificate := h.Active(t)
	lost, kept := Start(v, certificate, "session-000000000001"), Start(v, certificate, "session-000000000002")
	for _, start := range []access.SessionStart{lost, kept} {
		_, err := h.StartSession(ctx, start)
		wantError(t, nil, err)
	}
	renewed := time.Now()
	h.run(t, func() bool {
		if time.Since(renewed) > 5*time.Millisecond {
			_, err := h.RenewLeases(ctx, "proxy-1", []string{kept.Session})
			wantError(t, nil, err)
			renewed = time.Now()
		}
		session, err := h.SessionOfProxy(ctx, "proxy-1", lost.Session)
		wantError(t, nil, err)
		return !session.Live()
	})
	session, err := h.SessionOfProxy(ctx, "proxy-1", lost.Session)
	wantError(t, nil, err)
	same(t, "reason", "lease-lost", session.EndReason)
	same(t, "ended with its lease", session.LeaseUntil, session.Ended)
	session, err = h.SessionOfProxy(ctx, "proxy-1", kept.Session)
	wantError(t, nil, err)
	same(t, "renewed lives", true, session.Live())
	// The proxy comes back and says more exactly what was.
	wantError(t, nil, h.EndSession(ctx, "proxy-1", lost.Session, access.SessionEnd{Reason: "cut", Ended: h.Clock.Now(), Bytes: 5}))
	session, err = h.SessionOfProxy(ctx, "proxy-1", lost.Session)
	wantError(t, nil, err)
	same(t, "reason", "cut", session.EndReason)
}

func flowSeals(t *testing.T, h *House) {
	ctx := t.Context()
	v, certificate := h.Active(t)
	start := Start(v, certificate, "session-000000000001")
	_, err := h.StartSession(ctx, start)
	wantError(t, nil, err)
	seal := func(n int64) access.Seal { return access.Seal{Sequence: n, Offset: 100 * n, Head: [32]byte{byte(n)}} }
	store := func(seals ...access.Seal) error { return h.StoreSeals(ctx, "proxy-1", start.Session, seals) }
	wantCode(t, access.CodeSealOrder, store(seal(2)))
	wantError(t, nil, store())
	wantError(t, nil, store(seal(0), seal(1)))
	wantError(t, nil, store(seal(0), seal(1), seal(2))) // repeated, and on
	wantError(t, nil, store(seal(1)))
	changed := seal(1)
	changed.Head[5] = 1
	wantCode(t, access.CodeSealChanged, store(changed))
	wantCode(t, access.CodeSealChanged, store(changed, seal(2), seal(3)))
	wantCode(t, access.CodeSealOrder, store(seal(3), seal(5)))
	back := seal(3)
	back.Offset = 150
	wantCode(t, access.CodeSealOrder, store(back))
	wantCode(t, access.CodeSessionNotFound, h.StoreSeals(ctx, "proxy-2", start.Session, []access.Seal{seal(3)}))
	wantError(t, nil, h.EndSession(ctx, "proxy-1", start.Session, access.SessionEnd{Reason: "completed", Ended: h.Clock.Now(), Bytes: 300}))
	wantError(t, nil, store(seal(3))) // the proxy catches up
	seals, err := h.Seals(ctx, h.Dave(), start.Session)
	wantError(t, nil, err)
	same(t, "seals", []access.Seal{seal(0), seal(1), seal(2), seal(3)}, seals)
	leaves := read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) {
		return r.AuditEvents(access.AuditQuery{Session: start.Session, Limit: 100})
	})
	sealed := slices.DeleteFunc(leaves, func(l access.AuditLeaf) bool { return l.Event.Kind != access.EventRecordingSealed })
	same(t, "leaves", 4, len(sealed))
}
