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

const refusesAlice = `kind: Organization
reviewers: [security]
---
kind: Role
name: production-shell
description: A shell on production.
requesters: [operations]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [sre-leads], count: 1}
  - {name: security, groups: [security], count: 1}
---
kind: Target
name: web-1
address: 127.0.0.1:2201
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM
labels: {env: production}
`

func policyAgain(t *testing.T, h *House) {
	pending, approved := h.Pending(t), h.Approved(t)
	active, certificate := h.Active(t)
	signed := h.Sign(t, h.World.Bob, pending.ID, 0)
	h.SetPolicy(t, refusesAlice)
	_, err := h.Approve(t.Context(), h.World.Bob.Person, pending.ID, signed)
	wantCode(t, access.CodePolicyRefused, err)
	activation, login := h.Activation(t, approved)
	_, err = h.Activate(t.Context(), h.World.Alice, approved.ID, activation, login, nil)
	wantCode(t, access.CodePolicyRefused, err)
	_, err = h.StartSession(t.Context(), Start(active, certificate, "session-000000000001"))
	wantCode(t, access.CodePolicyRefused, err)
	// The requester's groups as last attested count, not those at asking.
	h.SetPolicy(t, evidencetest.Policy)
	left := h.World.Alice
	left.Groups = nil
	_, err = h.SignedIn(t.Context(), access.SignIn{Token: [32]byte{1}, Kind: access.PortalSignIn, Person: left, Ends: h.Clock.Now().Add(time.Hour)})
	wantError(t, nil, err)
	_, err = h.StartSession(t.Context(), Start(active, certificate, "session-000000000001"))
	wantCode(t, access.CodePolicyRefused, err)
	// Taking away needs no policy.
	_, err = h.Drop(t.Context(), left, active.ID, "")
	wantError(t, nil, err)
}

func rosterAgain(t *testing.T, h *House) {
	v := h.Approved(t)
	active, certificate := h.Active(t)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Roster, _ = trust.Roster.Remove(h.World.Bob.Passkey.Credential, h.Clock.Now())
	})
	activation, login := h.Activation(t, v)
	_, err := h.Activate(t.Context(), h.World.Alice, v.ID, activation, login, nil)
	wantCode(t, access.CodePolicyRefused, err)
	_, err = h.StartSession(t.Context(), Start(active, certificate, "session-000000000001"))
	wantCode(t, access.CodePolicyRefused, err)
	view, err := h.Request(t.Context(), h.World.Alice, v.ID)
	wantError(t, nil, err)
	for _, a := range view.Approvals {
		same(t, a.Approver.Name+" counts", a.Approver.Name == "Carol", a.Counts)
	}
}

func conflicting(t *testing.T, h *House) {
	keys := policies.Ask{Role: "key-management", Target: "keys-1", Reason: "rotate"}
	other, err := h.Service.Ask(t.Context(), h.World.Alice, keys)
	wantError(t, nil, err)
	signed := h.Sign(t, h.World.Carol, other.ID, 0)
	h.Approved(t) // production-shell, which conflicts
	_, err = h.Approve(t.Context(), h.World.Carol.Person, other.ID, signed)
	wantCode(t, access.CodePolicyRefused, err)
	_, err = h.Service.Ask(t.Context(), h.World.Alice, keys)
	wantCode(t, access.CodePolicyRefused, err)
	alias := evidencetest.Person("alice-admin", "engineering")
	_, err = h.Service.Ask(t.Context(), alias, keys)
	wantCode(t, access.CodePolicyRefused, err)
	// One that only somebody in the roster links: by address to him, by alias to her.
	ops := linkedByRoster(t, h)
	_, err = h.Service.Ask(t.Context(), ops, keys)
	wantCode(t, access.CodePolicyRefused, err)
	held, err := h.Member(t.Context(), h.World.Dana.Person, ops.Subject)
	wantError(t, nil, err)
	if len(held.Holds) == 0 {
		t.Error("a suspension would leave what another identity holds")
	}
	h.Clock.Move(time.Hour) // its time is over; nobody has written that down
	_, err = h.Service.Ask(t.Context(), h.World.Alice, keys)
	wantError(t, nil, err)
}

// linkedByRoster is an identity that is Alice's by way of an alias of hers that the
// roster knows under another address.
func linkedByRoster(t *testing.T, h *House) policies.Person {
	t.Helper()
	admin, ops := evidencetest.Person("alice-admin"), evidencetest.Person("ops", "engineering", "sre-leads")
	admin.Email, ops.Email = "ops@example.com", "OPS@example.com"
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		for _, p := range []policies.Person{admin, ops} {
			passkey := evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
			trust.Roster.People = append(trust.Roster.People, evidence.RosterPerson{Person: p, Passkeys: []evidence.Passkey{h.World.Pinned(passkey, p.Groups)}})
		}
	})
	return ops
}

func timeEnds(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	active, certificate := h.Active(t)
	approved := h.Approved(t)
	_, err := h.StartSession(ctx, Start(active, certificate, "session-000000000001"))
	wantError(t, nil, err)
	h.Clock.Move(time.Hour - time.Second)
	_, err = h.StartSession(ctx, Start(active, certificate, "session-000000000002"))
	wantError(t, nil, err)
	h.Clock.Move(time.Second)
	pending := h.Pending(t)
	// Without anybody having written it down:
	_, err = h.StartSession(ctx, Start(active, certificate, "session-000000000003"))
	wantCode(t, access.CodeNotLive, err)
	verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{"session-000000000001"})
	wantError(t, nil, err)
	same(t, "verdict", "expired", verdicts[0].Ended)
	activation, login := h.Activation(t, approved)
	_, err = h.Activate(ctx, alice, approved.ID, activation, login, nil)
	wantCode(t, access.CodeNotLive, err)
	_, err = h.Drop(ctx, alice, active.ID, "")
	wantCode(t, access.CodeNotLive, err)
	view, err := h.Request(ctx, alice, active.ID)
	wantError(t, nil, err)
	same(t, "state seen", access.Ended, view.State)
	same(t, "row", access.Active, h.stored(t, active.ID).State)
	h.Clock.Move(24 * time.Hour)
	_, err = h.Challenge(ctx, h.World.Bob.Person, pending.ID, 0)
	wantCode(t, access.CodeNotPending, err)
	_, err = h.Withdraw(ctx, alice, pending.ID, "")
	wantCode(t, access.CodeNotPending, err)

	h.run(t, func() bool {
		for _, id := range []string{active.ID, approved.ID, pending.ID} {
			if !h.stored(t, id).State.Final() {
				return false
			}
		}
		return len(h.undelivered(t)) == 0 // only now: an end is owed from when it is written down
	})
	for id, want := range map[string][2]string{active.ID: {"ended", "completed"}, approved.ID: {"ended", "expired"}, pending.ID: {"expired", ""}} {
		q := h.stored(t, id)
		same(t, id, want, [2]string{string(q.State), string(q.EndReason)})
		reason, ended := h.Signer.Ended(id)
		same(t, "at the signer", true, ended)
		same(t, "reason at the signer", map[bool]string{true: "expired", false: want[1]}[want[1] == ""], reason)
		same(t, "confirmed", true, slices.Contains(h.kinds(t, id), access.EventEndingDelivered))
	}
}

func clockBack(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	pending, approved := h.Pending(t), h.Approved(t)
	active, certificate := h.Active(t)
	signed := h.Sign(t, h.World.Bob, pending.ID, 0)
	h.Clock.Move(-4 * time.Second) // several brokers' clocks differ a little
	_, err := h.StartSession(ctx, Start(active, certificate, "session-000000000001"))
	wantError(t, nil, err)
	h.Clock.Move(-time.Hour)
	_, err = h.StartSession(ctx, Start(active, certificate, "session-000000000002"))
	wantCode(t, access.CodeClockBehind, err)
	activation, login := h.Activation(t, approved)
	_, err = h.Activate(ctx, alice, approved.ID, activation, login, nil)
	wantCode(t, access.CodeClockBehind, err)
	_, err = h.Approve(ctx, h.World.Bob.Person, pending.ID, signed)
	wantCode(t, access.CodeClockBehind, err)
	_, err = h.Service.Ask(ctx, alice, Ask())
	wantCode(t, access.CodeClockBehind, err)
	for _, err := range []error{
		second(h.Drop(ctx, alice, approved.ID, "")), second(h.Deny(ctx, h.World.Bob.Person, pending.ID, "")),
		second(h.Revoke(ctx, h.World.Bob.Person, active.ID, "")),
	} {
		wantError(t, nil, err)
	}
	// The alarm is raised, once.
	h.run(t, func() bool { return h.alarms(t) == 1 })
	h.Clock.Move(time.Hour + 5*time.Second)
	h.Pending(t)
	same(t, "alarms", 1, h.alarms(t))
}

func endedMeanwhile(t *testing.T, h *House) {
	v := h.Approved(t)
	h.Signer.Before = func() {
		if _, err := h.Revoke(t.Context(), h.World.Bob.Person, v.ID, "stop"); err != nil {
			t.Errorf("revoking: %v", err)
		}
	}
	activation, login := h.Activation(t, v)
	_, err := h.Activate(t.Context(), h.World.Alice, v.ID, activation, login, nil)
	wantCode(t, access.CodeCertificateHeld, err)
	certificates := read(t, h.Store, func(r access.Reader) ([]access.Certificate, error) { return r.Certificates(v.ID) })
	if len(certificates) != 1 || !certificates[0].Withheld {
		t.Fatalf("stored: %+v", certificates)
	}
	_, err = h.StartSession(t.Context(), Start(v, certificates[0], "session-000000000001"))
	wantCode(t, access.CodeSessionRefused, err)
	same(t, "state", access.Ended, h.stored(t, v.ID).State)
	// Nor does evidence hand it out while it is good, to whomever.
	shown := func(by policies.Person) string {
		found, err := h.Evidence(t.Context(), by, v.ID)
		wantError(t, nil, err)
		same(t, "certificates", 1, len(found.Certificates))
		return found.Certificates[0].Certificate
	}
	for _, by := range []policies.Person{h.World.Alice, h.World.Dana.Person} {
		same(t, "shown while it is good", "", shown(by))
	}
	h.Clock.Move(certificates[0].Ends.Sub(h.Clock.Now()))
	same(t, "shown after its end", certificates[0].Certificate, shown(h.World.Alice))
}

func silentSigner(t *testing.T, h *House) {
	ctx := t.Context()
	v, _ := h.Active(t)
	other := h.Approved(t)
	h.Signer.SetDown(errors.New("no route"))
	activation, login := h.Activation(t, other)
	if _, err := h.Activate(ctx, h.World.Alice, other.ID, activation, login, nil); err == nil {
		t.Fatal("activated without a signer")
	}
	same(t, "state", access.Approved, h.stored(t, other.ID).State)
	_, err := h.Revoke(ctx, h.World.Bob.Person, v.ID, "")
	wantError(t, nil, err)
	if e := h.undelivered(t); len(e) != 1 || e[0].Request != v.ID || e[0].Reason != "revoked" {
		t.Fatalf("outbox: %+v", e)
	}
	h.run(t, func() bool { e := h.undelivered(t); return len(e) == 1 && e[0].Attempts > 2 })
	h.Signer.SetDown(nil)
	h.run(t, func() bool { return len(h.undelivered(t)) == 0 })
	reason, _ := h.Signer.Ended(v.ID)
	same(t, "reason", "revoked", reason)
	// Never heard at all: nothing is given, and taking goes on.
	h.Signer.SetUnheard(true)
	_, err = h.Service.Ask(ctx, h.World.Alice, Ask())
	wantCode(t, access.CodeSignerUnavailable, err)
	_, err = h.Revoke(ctx, h.Dave(), other.ID, "")
	wantError(t, nil, err)
}
