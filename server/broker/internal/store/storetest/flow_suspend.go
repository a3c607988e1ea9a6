package storetest

import (
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// Eventually waits for what Run does.
func (h *House) Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); { // a loaded machine, under the race detector
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never came about that %s", what)
}

// suspendingTheLast: nor under another identity of theirs.
func suspendingTheLast(t *testing.T, h *House) {
	alias := evidencetest.Person("dana-other")
	alias.Email = h.World.Dana.Person.Email
	h.pinned(t, alias, "")
	for _, whom := range []policies.Person{h.World.Dana.Person, alias} {
		_, err := h.Suspend(t.Context(), h.World.Carol.Person, whom.Subject, "")
		wantCode(t, access.CodeBelowQuorum, err)
	}
}

func suspending(t *testing.T, h *House) {
	ctx, alice, dana, carol := t.Context(), h.World.Alice, h.World.Dana, h.World.Carol
	signIn := access.SignIn{Token: [32]byte{1}, Kind: access.PortalSignIn, Person: alice, Ends: h.Clock.Now().Add(24 * time.Hour)}
	_, err := h.SignedIn(ctx, signIn)
	wantError(t, nil, err)
	admin := evidencetest.Person("alice-admin")
	admin.Subject.Subject = "alice-admin"
	_, err = h.SignedIn(ctx, access.SignIn{Token: [32]byte{7}, Kind: access.PortalSignIn, Person: admin, Ends: signIn.Ends})
	wantError(t, nil, err)
	active, certificate := h.Active(t)
	_, err = h.StartSession(ctx, Start(active, certificate, "session-0123456789abcdef"))
	wantError(t, nil, err)
	pending := h.Pending(t)
	h.Clock.Move(time.Second)

	// Who may, and whom. An alias of hers is the same person.
	_, err = h.Suspend(ctx, h.World.Bob.Person, alice.Subject, "")
	wantCode(t, access.CodeForbidden, err)
	_, err = h.Suspend(ctx, dana.Person, policies.Subject{Issuer: "x", Subject: "nobody"}, "")
	wantCode(t, access.CodePersonNotFound, err)
	_, err = h.Suspend(ctx, carol.Person, dana.Person.Subject, "")
	wantCode(t, access.CodeBelowQuorum, err)
	m, err := h.Suspend(ctx, carol.Person, alice.Subject, "left the company")
	wantError(t, nil, err)
	if m.Suspension == nil || m.Suspension.By.Name != "Carol" || m.Suspension.Reason != "left the company" || len(m.Holds) != 0 {
		t.Errorf("she is %+v", m)
	}
	_, err = h.Suspend(ctx, dana.Person, alice.Subject, "")
	wantCode(t, access.CodePersonState, err)

	// All of it has ended, and the proxies are told.
	same(t, "grant", access.EndRevoked, h.stored(t, active.ID).EndReason)
	same(t, "pending", access.Withdrawn, h.stored(t, pending.ID).State)
	if notices := h.Notices.All(); len(notices) != 1 || notices[0].Request != active.ID || notices[0].Reason != "revoked" {
		t.Errorf("the proxies were told %+v", notices)
	}
	trust, err := h.Signer.Trust(ctx)
	wantError(t, nil, err)
	if p, ok := trust.Roster.Find(alice.Subject); !ok || !p.IsSuspended(h.Clock.Now()) {
		t.Error("the signer's roster does not say so")
	}
	// She signs in to nothing, and reads why.
	_, err = h.Authenticate(ctx, signIn.Token, access.PortalSignIn, true)
	wantCode(t, access.CodeSuspended, err)
	signIn.Token[0], signIn.Person = 2, admin
	_, err = h.SignedIn(ctx, signIn)
	wantError(t, nil, err)
	_, err = h.Authenticate(ctx, signIn.Token, access.PortalSignIn, true)
	wantCode(t, access.CodeSuspended, err)
	signIn.Kind, signIn.LoginKey, signIn.Token[0] = access.CommandLineSignIn, h.World.Login.Public, 9
	_, _, err = h.CommandLineSignedIn(ctx, signIn, access.IDToken{Ends: signIn.Ends}, false)
	wantCode(t, access.CodeSuspended, err)
	signIn.Kind, signIn.LoginKey = access.PortalSignIn, ""

	// The quorum lifts it. What she was signed in to before stays over, under
	// whatever identity.
	v, err := h.ProposeRoster(ctx, dana.Person, access.RosterProposal{Change: evidence.ChangeUnsuspend, Person: alice.Subject})
	wantError(t, nil, err)
	v, err = h.signs(t, dana, v.ID)
	wantError(t, nil, err)
	same(t, "lifted", access.ChangeInForce, v.State)
	for _, token := range []byte{1, 7} {
		_, err = h.Authenticate(ctx, [32]byte{token}, access.PortalSignIn, true)
		wantCode(t, access.CodeSignInNeeded, err)
	}
	h.Clock.Move(time.Second)
	signIn.Token[0], signIn.Person = 3, alice
	_, err = h.SignedIn(ctx, signIn)
	wantError(t, nil, err)
	_, err = h.Authenticate(ctx, signIn.Token, access.PortalSignIn, true)
	wantError(t, nil, err)
	same(t, "the grant stays ended", access.Ended, h.stored(t, active.ID).State)

	// By the quorum it does the same.
	h.Approved(t)
	v, err = h.ProposeRoster(ctx, dana.Person, access.RosterProposal{Change: evidence.ChangeSuspend, Person: alice.Subject, Reason: "again"})
	wantError(t, nil, err)
	_, err = h.signs(t, dana, v.ID)
	wantError(t, nil, err)
	_, err = h.Authenticate(ctx, signIn.Token, access.PortalSignIn, true)
	wantCode(t, access.CodeSuspended, err)
	m, err = h.Member(ctx, dana.Person, alice.Subject)
	wantError(t, nil, err)
	same(t, "holds", 0, len(m.Holds))
}

// suspendingAlone: it takes effect though the signer is away, which is told when
// it is back; and is undone where the signer refuses.
func suspendingAlone(t *testing.T, h *House) {
	ctx, bob, dana := t.Context(), h.World.Bob, h.World.Dana
	away := &access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away"}
	h.Signer.SetDown(away)
	m, err := h.Suspend(ctx, dana.Person, bob.Person.Subject, "")
	wantError(t, nil, err)
	if m.Suspension == nil {
		t.Error("he is not suspended while the signer is away")
	}
	_, err = h.SignedIn(ctx, access.SignIn{Token: [32]byte{1}, Kind: access.PortalSignIn, Person: bob.Person, Ends: h.Clock.Now().Add(time.Hour)})
	wantError(t, nil, err)
	_, err = h.Authenticate(ctx, [32]byte{1}, access.PortalSignIn, false)
	wantCode(t, access.CodeSuspended, err)
	h.Signer.SetDown(nil)
	stop := h.Running(t)
	h.Eventually(t, "the signer was told", func() bool {
		h.Clock.Move(time.Second)
		trust, err := h.Signer.Trust(ctx)
		wantError(t, nil, err)
		p, _ := trust.Roster.Find(bob.Person.Subject)
		return p.Suspended != nil
	})
	stop()

	h.Signer.SetDown(&access.Error{Problem: access.SignerRefused, Code: "signer.quorum-left", Message: "no"})
	_, err = h.Suspend(ctx, dana.Person, h.World.Carol.Person.Subject, "")
	wantCode(t, "signer.quorum-left", err)
	m, err = h.Member(ctx, dana.Person, h.World.Carol.Person.Subject)
	wantError(t, nil, err)
	if m.Suspension != nil {
		t.Errorf("the signer refused, and she is %+v", m.Suspension)
	}
}
