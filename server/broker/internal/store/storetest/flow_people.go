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
	got, err := h.Authenticate(ctx, in.Token, access.PortalSignIn, false)
	wantError(t, nil, err)
	same(t, "person", alice, got.Person)
	for name, test := range map[string]struct {
		token [32]byte
		kind  access.SignInKind
	}{"another token": {[32]byte{3}, access.PortalSignIn}, "another kind": {in.Token, access.CommandLineSignIn}} {
		if _, err := h.Authenticate(ctx, test.token, test.kind, true); !access.IsCode(err, access.CodeSignInNeeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		wantError(t, nil, h.SignOut(ctx, in.Token))
	}
	_, err = h.Authenticate(ctx, in.Token, access.PortalSignIn, false)
	wantCode(t, access.CodeSignInNeeded, err)
	h.Clock.Move(time.Hour)
	_, err = h.Authenticate(ctx, [32]byte{1}, access.PortalSignIn, true)
	wantCode(t, access.CodeSignInNeeded, err)
	same(t, "bob", access.Standing{Roster: []string{"sre-leads"}, Approver: true}, h.Standing(ctx, h.World.Bob.Person))
	same(t, "carol", access.Standing{Roster: []string{"security"}, Approver: true, Reviewer: true}, h.Standing(ctx, h.World.Carol.Person))
	same(t, "dana", access.Standing{Roster: []string{"administrators"}, Administrator: true}, h.Standing(ctx, h.World.Dana.Person))
	same(t, "alice", access.Standing{Roster: []string{}}, h.Standing(ctx, alice))
}

func confirming(t *testing.T, h *House) {
	ctx, bob, key := t.Context(), h.World.Bob, evidencetest.NewKey(t)
	token := access.IDToken{Digest: [32]byte{1}, Ends: h.Clock.Now().Add(time.Hour)}
	byDevice := func(token access.IDToken, bearer byte, key string) (access.Confirmation, error) {
		_, c, err := h.CommandLineSignedIn(ctx, access.SignIn{
			Token: [32]byte{bearer}, Kind: access.CommandLineSignIn, Person: bob.Person, Ends: h.Clock.Now().Add(time.Hour), LoginKey: key,
		}, token, true)
		return c, err
	}
	_, err := byDevice(token, 1, "ssh-rsa AAAA")
	wantCode(t, access.CodeInvalid, err)
	c, err := byDevice(token, 1, key.Public)
	wantError(t, nil, err)
	// The token is taken for this key; the sign-in waits for the passkey.
	_, err = byDevice(token, 2, evidencetest.NewKey(t).Public)
	wantCode(t, access.CodeTokenUsed, err)
	_, err = h.Authenticate(ctx, [32]byte{2}, access.CommandLineSignIn, true)
	wantCode(t, access.CodeSignInNeeded, err)
	_, err = h.Authenticate(ctx, [32]byte{1}, access.CommandLineSignIn, false)
	wantCode(t, access.CodeSignInUnconfirmed, err)
	waiting, err := h.Authenticate(ctx, [32]byte{1}, access.CommandLineSignIn, true)
	wantError(t, nil, err)
	same(t, "waits for", c.Code, waiting.Confirmation)
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
	_, err = h.Authenticate(ctx, [32]byte{1}, access.CommandLineSignIn, false)
	wantError(t, nil, err)
	// It binds the key, by the very check that the signer makes.
	trust, err := h.Signer.Trust(ctx)
	wantError(t, nil, err)
	binding := evidence.LoginBinding{
		IDToken: h.World.Issuer.Token(t, h.World.Issuer.Claims(bob.Person, "", h.Clock.Now())), LoginKey: key.Public, Confirmation: got.Signed,
	}
	if _, err := evidence.VerifyLogin(binding, trust.Trust, h.Clock.Now()); err != nil {
		t.Errorf("the confirmation does not bind: %v", err)
	}
	late, err := byDevice(token, 3, key.Public)
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
	if len(waiting) != 1 || !slices.Contains(waiting[0].May, "sign") {
		t.Fatalf("Dana sees %+v", waiting)
	}
	_, err = h.EnrolmentChallenge(ctx, fred, e.ID)
	wantCode(t, access.CodeForbidden, err)
	challenge, err := h.EnrolmentChallenge(ctx, h.World.Dana.Person, e.ID)
	wantError(t, nil, err)
	same(t, "the same text for all", e.Statement, challenge.Statement)
	// A wrong passkey is told at once, and so is who is no administrator.
	wrong := h.World.Bob.Passkey.Sign(t, challenge.Statement)
	_, err = h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &wrong})
	wantCode(t, access.CodeNotPinned, err)
	_, err = h.AuthoriseEnrolment(ctx, fred, e.ID, access.EnrolmentAuthority{Passkey: &wrong})
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

// rejecting while the signer pins: the rejection stands.
func rejecting(t *testing.T, h *House) {
	ctx, fred := t.Context(), evidencetest.Person("fred")
	k := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
	e, err := h.StartEnrolment(ctx, fred, newPasskey(k, "sre-leads"))
	wantError(t, nil, err)
	_, err = h.ProvePossession(ctx, fred, e.ID, evidence.SignedByPasskey{Statement: e.Statement, Assertion: k.Sign(t, e.Statement)})
	wantError(t, nil, err)
	trusted, err := h.Signer.Trust(ctx)
	wantError(t, nil, err)
	signature := h.World.Dana.Passkey.Sign(t, e.Statement)
	h.Signer.Before = func() {
		// The broker has not heard of the new roster yet.
		pinned, err := h.Signer.Trust(ctx)
		wantError(t, nil, err)
		h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trusted.Trust })
		_, err = h.RejectEnrolment(ctx, h.World.Dana.Person, e.ID, "no")
		wantError(t, nil, err)
		h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = pinned.Trust })
	}
	_, err = h.AuthoriseEnrolment(ctx, h.World.Dana.Person, e.ID, access.EnrolmentAuthority{Passkey: &signature})
	wantCode(t, access.CodeEnrolmentState, err)
	h.Signer.Before = nil
	same(t, "standing", []string{}, h.Standing(ctx, fred).Roster)
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
