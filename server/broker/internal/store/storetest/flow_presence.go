package storetest

import (
	"strings"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// presence: whose session it is confirms that they are there, and the proxy hears of it.
func presence(t *testing.T, h *House) {
	ctx := t.Context()
	first, certificate := h.Active(t)
	start := Start(first, certificate, "session-000000000001")
	_, err := h.StartSession(ctx, start)
	wantError(t, nil, err)

	// 1. Nobody is asked where the role does not say so.
	_, err = h.PresenceChallenge(ctx, h.World.Alice, start.Session)
	wantCode(t, access.CodeNothingToConfirm, err)
	alice := &evidencetest.Member{Person: h.World.Alice, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	text := strings.Replace(evidencetest.Policy, "requesters: [engineering]\n", "requesters: [engineering]\nsession: {reauthenticate: 20m}\n", 1)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { trust.Policy = map[string]string{"policy.yaml": text} })
	h.SetPolicy(t, text)
	view, err := h.Session(ctx, alice.Person, start.Session)
	wantError(t, nil, err)
	same(t, "alice may", []string{"kill", "extend", "reauthenticate", "replay"}, view.May)
	same(t, "by", view.Started.Add(20*time.Minute), view.ReauthenticateBy)

	// 2. They alone, with a passkey in the roster.
	_, err = h.PresenceChallenge(ctx, alice.Person, start.Session)
	wantCode(t, access.CodeNotPinned, err)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Roster.People = append(trust.Roster.People, evidence.RosterPerson{Person: alice.Person, Passkeys: []evidence.Passkey{h.World.Pinned(alice.Passkey, nil)}})
	})
	_, err = h.PresenceChallenge(ctx, h.World.Carol.Person, start.Session)
	wantCode(t, access.CodeForbidden, err)
	h.Clock.Move(5 * time.Minute)
	challenge, err := h.PresenceChallenge(ctx, alice.Person, start.Session)
	wantError(t, nil, err)
	signed := evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: alice.Passkey.Sign(t, challenge.Statement)}
	wantError(t, nil, h.ConfirmPresence(ctx, alice.Person, start.Session, signed))

	// 3. The proxy hears of it, the page says until when, and the text is good once.
	at := h.Clock.Now().Truncate(time.Second)
	verdicts, err := h.RenewLeases(ctx, "proxy-1", []string{start.Session})
	wantError(t, nil, err)
	same(t, "the proxy hears", at, verdicts[0].Present.UTC())
	view, err = h.Session(ctx, alice.Person, start.Session)
	wantError(t, nil, err)
	same(t, "by then", at.Add(20*time.Minute), view.ReauthenticateBy.UTC())
	if err := h.ConfirmPresence(ctx, alice.Person, start.Session, signed); err == nil {
		t.Error("a text was good twice")
	}
	kinds := h.kinds(t, first.ID)
	same(t, "the event", access.EventPresence, kinds[len(kinds)-1])
}
