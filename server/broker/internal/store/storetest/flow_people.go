package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
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
		{Session: "nobody-knows-this", Ended: "unknown"}, {Session: start.Session, Lease: 15 * time.Second, GrantEnds: v.Ends},
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
	same(t, "revoked", []access.Verdict{{Session: start.Session, GrantEnds: v.Ends, Ended: "revoked", By: "Bob"}}, verdicts)
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
		"another grant's":           func(s *access.SessionStart) { s.Request = other.ID },
		"no grant's":                func(s *access.SessionStart) { s.Request = "req-none" },
		"another login":             func(s *access.SessionStart) { s.Login = "root" },
		"another target":            func(s *access.SessionStart) { s.Target = "keys-1" },
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

func signingIn(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	in := access.SignIn{Token: [32]byte{1}, Kind: access.PortalSignIn, Person: alice, Ends: h.Clock.Now().Add(time.Hour)}
	first, err := h.SignedIn(ctx, in)
	wantError(t, nil, err)
	in.Token[0] = 2
	again, err := h.SignedIn(ctx, in)
	wantError(t, nil, err)
	if len(first.Handle) != 32 || string(first.Handle) != string(again.Handle) {
		t.Errorf("handles %x and %x", first.Handle, again.Handle)
	}
	got, err := h.Authenticate(ctx, in.Token, access.PortalSignIn)
	wantError(t, nil, err)
	same(t, "person", alice, got.Person)
	for name, test := range map[string]struct {
		token [32]byte
		kind  access.SignInKind
	}{"another token": {[32]byte{3}, access.PortalSignIn}, "another kind": {in.Token, access.CommandLineSignIn}} {
		if _, err := h.Authenticate(ctx, test.token, test.kind); !access.IsCode(err, access.CodeSignInNeeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		wantError(t, nil, h.SignOut(ctx, in.Token))
	}
	_, err = h.Authenticate(ctx, in.Token, access.PortalSignIn)
	wantCode(t, access.CodeSignInNeeded, err)
	h.Clock.Move(time.Hour)
	_, err = h.Authenticate(ctx, [32]byte{1}, access.PortalSignIn)
	wantCode(t, access.CodeSignInNeeded, err)
	same(t, "bob", access.Standing{Roster: []string{"sre-leads"}, Approver: true, BootstrapOpen: true}, h.Standing(ctx, h.World.Bob.Person))
	same(t, "carol", access.Standing{Roster: []string{"security"}, Approver: true, Reviewer: true, BootstrapOpen: true}, h.Standing(ctx, h.World.Carol.Person))
	same(t, "dana", access.Standing{Roster: []string{"administrators"}, Administrator: true, BootstrapOpen: true}, h.Standing(ctx, h.World.Dana.Person))
	same(t, "alice", access.Standing{Roster: []string{}, BootstrapOpen: true}, h.Standing(ctx, alice))
}

func confirming(t *testing.T, h *House) {
	ctx, bob, key := t.Context(), h.World.Bob, evidencetest.NewKey(t)
	_, err := h.RequestConfirmation(ctx, bob.Person, "ssh-rsa AAAA")
	wantCode(t, access.CodeInvalid, err)
	c, err := h.RequestConfirmation(ctx, bob.Person, key.Public)
	wantError(t, nil, err)
	_, err = h.Confirmation(ctx, h.World.Carol.Person, c.Code)
	wantCode(t, access.CodeConfirmation, err)
	challenge, err := h.ConfirmationChallenge(ctx, bob.Person, c.Code)
	wantError(t, nil, err)
	same(t, "credentials", []string{bob.Passkey.Credential}, challenge.Credentials)
	_, err = h.Confirm(ctx, bob.Person, c.Code, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: h.World.Carol.Passkey.Sign(t, challenge.Statement)})
	wantCode(t, access.CodeNotPinned, err)
	challenge, err = h.ConfirmationChallenge(ctx, bob.Person, c.Code)
	wantError(t, nil, err)
	signed := evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: bob.Passkey.Sign(t, challenge.Statement)}
	_, err = h.Confirm(ctx, bob.Person, c.Code, signed)
	wantError(t, nil, err)
	_, err = h.ConfirmationChallenge(ctx, bob.Person, c.Code)
	wantCode(t, access.CodeConfirmed, err)
	got, err := h.Confirmation(ctx, bob.Person, c.Code)
	wantError(t, nil, err)
	same(t, "signed", &signed, got.Signed)
	// It binds the key, by the very check that the signer makes.
	trust, err := h.Signer.Trust(ctx)
	wantError(t, nil, err)
	binding := evidence.LoginBinding{
		IDToken: h.World.Issuer.Token(t, h.World.Issuer.Claims(bob.Person, "", h.Clock.Now())), LoginKey: key.Public, Confirmation: got.Signed,
	}
	if _, err := evidence.VerifyLogin(binding, trust.Trust, h.Clock.Now()); err != nil {
		t.Errorf("the confirmation does not bind: %v", err)
	}
	late, err := h.RequestConfirmation(ctx, bob.Person, key.Public)
	wantError(t, nil, err)
	h.Clock.Move(10 * time.Minute)
	_, err = h.Confirmation(ctx, bob.Person, late.Code)
	wantCode(t, access.CodeConfirmation, err)
	_, err = h.ConfirmationChallenge(ctx, h.World.Alice, late.Code)
	wantCode(t, access.CodeConfirmation, err)
}

func newPasskey(k *evidencetest.Passkey, groups ...string) access.NewPasskey {
	return access.NewPasskey{
		Credential: k.Credential, PublicKey: k.PublicKey, AAGUID: "00000000000000000000000000000000",
		Name: "Phone", Groups: groups, Record: []byte(`{"id":1}`),
	}
}

func enrolling(t *testing.T, h *House) {
	ctx := t.Context()
	fred := evidencetest.Person("fred")
	k := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
	_, err := h.StartEnrolment(ctx, fred, newPasskey(k, "no-such-group"))
	wantCode(t, access.CodeInvalid, err)
	e, err := h.StartEnrolment(ctx, fred, newPasskey(k, "sre-leads"))
	wantError(t, nil, err)
	same(t, "may", []string{"possession", "reject"}, e.May)
	_, err = h.StartEnrolment(ctx, fred, newPasskey(k))
	wantCode(t, access.CodePasskeyExists, err)
	_, err = h.Enrolment(ctx, h.World.Bob.Person, e.ID)
	wantCode(t, access.CodeEnrolmentNotFound, err)
	_, err = h.EnrolmentChallenge(ctx, h.World.Dana.Person, e.ID)
	wantCode(t, access.CodeEnrolmentState, err)
	signature := k.Sign(t, e.Statement)
	_, err = h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &signature})
	wantCode(t, access.CodeEnrolmentState, err)

	_, err = h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: h.World.Bob.Passkey.Sign(t, e.Statement)})
	wantCode(t, access.CodeStatementUnknown, err)
	_, err = h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: k.Sign(t, e.Statement+"x")})
	wantCode(t, access.CodeAssertion, err)
	proved, err := h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: signature})
	wantError(t, nil, err)
	same(t, "state", access.NeedsAuthority, proved.State)
	waiting, err := h.Enrolments(ctx, h.World.Dana.Person)
	wantError(t, nil, err)
	if len(waiting) != 1 || !slices.Contains(waiting[0].May, "authorise") {
		t.Fatalf("Dana sees %+v", waiting)
	}
	_, err = h.EnrolmentChallenge(ctx, fred, e.ID)
	wantCode(t, access.CodeForbidden, err)
	challenge, err := h.EnrolmentChallenge(ctx, h.World.Dana.Person, e.ID)
	wantError(t, nil, err)
	same(t, "the same text for all", e.Statement, challenge.Statement)
	// Nobody but the signer says whether the authority is one.
	wrong := h.World.Bob.Passkey.Sign(t, challenge.Statement)
	_, err = h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &wrong})
	wantCode(t, access.CodeSignerRefused, err)
	right := h.World.Dana.Passkey.Sign(t, challenge.Statement)
	pinned, err := h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &right})
	wantError(t, nil, err)
	same(t, "state", access.EnrolmentPinned, pinned.State)
	again, err := h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &right})
	wantError(t, nil, err)
	same(t, "again", access.EnrolmentPinned, again.State)
	passkeys, err := h.Passkeys(ctx, fred)
	wantError(t, nil, err)
	if len(passkeys) != 1 || !passkeys[0].Pinned {
		t.Errorf("Fred has %+v", passkeys)
	}
	same(t, "standing", []string{"sre-leads"}, h.Standing(ctx, fred).Roster)
	// He approves with it.
	v := h.Pending(t)
	_, err = h.Approve(ctx, fred, v.ID, h.Sign(t, &evidencetest.Member{Person: fred, Passkey: k}, v.ID, 0))
	wantError(t, nil, err)
	passkeys, err = h.Passkeys(ctx, fred)
	wantError(t, nil, err)
	same(t, "last used", h.Clock.Now(), passkeys[0].LastUsed)
}

func removing(t *testing.T, h *House) {
	ctx, fred := t.Context(), evidencetest.Person("fred")
	k := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
	e, err := h.StartEnrolment(ctx, fred, newPasskey(k))
	wantError(t, nil, err)
	wantCode(t, access.CodeInvalid, h.RenamePasskey(ctx, fred, k.Credential, " \u202e "))
	wantError(t, nil, h.RenamePasskey(ctx, fred, k.Credential, " Key ring "))
	for _, err := range []error{
		h.RenamePasskey(ctx, h.World.Bob.Person, k.Credential, "mine"), h.RemovePasskey(ctx, h.World.Bob.Person, k.Credential),
		h.RemovePasskey(ctx, fred, "none"),
	} {
		wantCode(t, access.CodePasskeyNotFound, err)
	}
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away"})
	wantCode(t, access.CodeSignerUnavailable, h.RemovePasskey(ctx, fred, k.Credential))
	h.Signer.SetDown(nil)
	wantError(t, nil, h.RemovePasskey(ctx, fred, k.Credential))
	got, err := h.Enrolment(ctx, fred, e.ID)
	wantError(t, nil, err)
	same(t, "its enrolment", access.EnrolmentRejected, got.State)
	passkeys, err := h.Passkeys(ctx, fred)
	wantError(t, nil, err)
	same(t, "passkeys", 0, len(passkeys))

	// Rejecting forgets the passkey too; time ends an enrolment.
	e, err = h.StartEnrolment(ctx, fred, newPasskey(k))
	wantError(t, nil, err)
	_, err = h.RejectEnrolment(ctx, h.World.Bob.Person, e.ID, "")
	wantCode(t, access.CodeEnrolmentNotFound, err)
	_, err = h.RejectEnrolment(ctx, h.World.Dana.Person, e.ID, "who is that?")
	wantError(t, nil, err)
	_, err = h.RejectEnrolment(ctx, h.World.Dana.Person, e.ID, "")
	wantCode(t, access.CodeEnrolmentState, err)
	e, err = h.StartEnrolment(ctx, fred, newPasskey(k))
	wantError(t, nil, err)
	h.Clock.Move(24 * time.Hour)
	_, err = h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: k.Sign(t, e.Statement)})
	wantCode(t, access.CodeEnrolmentState, err)
	if views, err := h.Enrolments(ctx, fred); err != nil || len(views) != 0 {
		t.Errorf("waiting: %v, %v", views, err)
	}
	var none policies.Person
	if _, err := h.Person(ctx, none.Subject); !errors.As(err, new(*access.Error)) {
		t.Errorf("nobody: %v", err)
	}
}
