package storetest

import (
	"slices"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence"
)

func delegating(t *testing.T, h *House) {
	h.bothDecideBy(t, role("led", byLead))
	bob, erin := h.World.Bob, h.World.Erin
	delegate := func(groups []string, ends time.Time) (access.DelegationView, error) {
		challenge, err := h.DelegationChallenge(t.Context(), bob.Person, erin.Person.Subject, groups, ends)
		if err != nil {
			return access.DelegationView{}, err
		}
		return h.Delegate(t.Context(), bob.Person, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: bob.Passkey.Sign(t, challenge.Statement)})
	}
	_, err := delegate([]string{"security"}, h.Clock.Now().Add(time.Hour))
	wantCode(t, access.CodeInvalid, err) // not his
	_, err = delegate([]string{"sre-leads"}, h.Clock.Now().Add(-time.Hour))
	wantCode(t, access.CodeInvalid, err)
	v := h.wants(t, "led")
	_, err = h.Request(t.Context(), erin.Person, v.ID)
	wantCode(t, access.CodeRequestNotFound, err)
	given, err := delegate([]string{"sre-leads"}, h.Clock.Now().Add(48*time.Hour))
	wantError(t, nil, err)

	// She is among those who are asked, and approves on his behalf.
	seen, err := h.Request(t.Context(), erin.Person, v.ID)
	wantError(t, nil, err)
	same(t, "approvers", []string{"Bob", "Erin"}, namesOf(seen.Approvers[0]))
	same(t, "may", true, slices.Contains(seen.May, "approve"))
	same(t, "on behalf of", "Bob", seen.ApproveFor.Name)
	v = h.approves(t, erin, v.ID)
	same(t, "state", access.Approved, v.State)
	same(t, "for", "Bob", v.Approvals[0].For.Name)
	h.used(t, v)
	list, err := h.Delegations(t.Context(), erin.Person)
	wantError(t, nil, err)
	if len(list.Taken) != 1 || !list.Taken[0].InForce || list.Taken[0].From.Name != "Bob" {
		t.Errorf("she has taken %+v", list.Taken)
	}

	// Taking it away is free, works while the signer is away, and takes back what was approved.
	unused := h.approves(t, erin, h.wants(t, "led").ID)
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away"})
	_, err = h.EndDelegation(t.Context(), h.World.Alice, given.Digest, "")
	wantCode(t, access.CodeDelegationNotFound, err)
	_, err = h.EndDelegation(t.Context(), bob.Person, given.Digest, "back again")
	wantError(t, nil, err)
	h.Signer.SetDown(nil)
	_, err = h.uses(t, unused)
	wantCode(t, access.CodePolicyRefused, err)
	again := h.wants(t, "led")
	_, err = h.Challenge(t.Context(), erin.Person, again.ID, 0)
	wantCode(t, access.CodeRequestNotFound, err)
	stop := h.Running(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		trust, err := h.Signer.Trust(t.Context())
		wantError(t, nil, err)
		if trust.Delegations[0].Revoked != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the end of the delegation never reached the signer")
		}
	}
	stop()
	_, err = h.EndDelegation(t.Context(), bob.Person, given.Digest, "")
	wantCode(t, access.CodeDelegationOver, err)
}

func delegationAgainstOneself(t *testing.T, h *House) {
	h.bothDecideBy(t, role("led", byLead))
	// Alice sits for Bob; what she asks for herself she approves in nobody's name.
	alice := h.pinned(t, h.World.Alice, "")
	alice.Person = h.World.Alice
	challenge, err := h.DelegationChallenge(t.Context(), h.World.Bob.Person, alice.Person.Subject, []string{"sre-leads"}, h.Clock.Now().Add(time.Hour))
	wantError(t, nil, err)
	_, err = h.Delegate(t.Context(), h.World.Bob.Person, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: h.World.Bob.Passkey.Sign(t, challenge.Statement)})
	wantError(t, nil, err)
	v := h.wants(t, "led")
	same(t, "may", []string{"withdraw"}, v.May)
	_, err = h.Challenge(t.Context(), alice.Person, v.ID, 0)
	wantCode(t, access.CodeForbidden, err)
	// Nor does anybody else on behalf of the one who asks.
	same(t, "approvers", []string{"Bob"}, namesOf(v.Approvers[0]))
}
