package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// role writes a role of the world's engineering on staging, with more lines.
func role(name string, lines ...string) string {
	return "---\nkind: Role\nname: " + name + "\ndescription: For tests.\nrequesters: [engineering]\ntargets: {labels: {env: staging}}\n" +
		"logins: [app]\nduration: {default: 30m, longest: 8h}\nreason: optional\n" + strings.Join(lines, "\n") + "\n"
}

const byLead = "approval: [{name: lead, groups: [sre-leads], count: 1}]"

// bothDecideBy gives broker and signer the world's policy with more documents.
func (h *House) bothDecideBy(t testing.TB, documents ...string) {
	t.Helper()
	h.bothDecideByText(t, evidencetest.Policy+strings.Join(documents, ""))
}

func (h *House) bothDecideByText(t testing.TB, text string) {
	t.Helper()
	h.SetPolicy(t, text)
	h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trust.WithPolicy(h.Policy()) })
}

// pinned gives somebody a passkey in the signer's roster.
func (h *House) pinned(t testing.TB, p policies.Person, attested string, groups ...string) *evidencetest.Member {
	t.Helper()
	m := &evidencetest.Member{Person: p, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	m.Person.Groups = groups
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		key := h.World.Pinned(m.Passkey, groups)
		key.Attested = attested
		trust.Roster = evidence.Roster{People: append(slices.Clone(trust.Roster.People), evidence.RosterPerson{Person: m.Person, Passkeys: []evidence.Passkey{key}})}
	})
	return m
}

// wants asks as Alice for a role on staging.
func (h *House) wants(t testing.TB, role string) access.RequestView {
	t.Helper()
	return h.asks(t, policies.Ask{Role: role})
}

func (h *House) asks(t testing.TB, ask policies.Ask) access.RequestView {
	t.Helper()
	ask.Target, ask.Login = "staging-1", "app"
	v, err := h.Service.Ask(t.Context(), h.World.Alice, ask)
	wantError(t, nil, err)
	return v
}

func (h *House) approves(t testing.TB, m *evidencetest.Member, id string) access.RequestView {
	t.Helper()
	v, err := h.Approve(t.Context(), m.Person, id, h.Sign(t, m, id, 0))
	wantError(t, nil, err)
	return v
}

// uses activates as Alice.
func (h *House) uses(t testing.TB, v access.RequestView) (access.Certificate, error) {
	t.Helper()
	activation, login := h.Activation(t, v)
	return h.Activate(t.Context(), h.World.Alice, v.ID, activation, login, nil)
}

func (h *House) used(t testing.TB, v access.RequestView) access.Certificate {
	t.Helper()
	certificate, err := h.uses(t, v)
	wantError(t, nil, err)
	return certificate
}

// confirms signs as a requester that they ask.
func (h *House) confirms(t testing.TB, m *evidencetest.Member, id string) access.RequestView {
	t.Helper()
	challenge, err := h.AskChallenge(t.Context(), m.Person, id)
	wantError(t, nil, err)
	v, err := h.ConfirmAsk(t.Context(), m.Person, id, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: m.Passkey.Sign(t, challenge.Statement)})
	wantError(t, nil, err)
	return v
}

func scheduled(t *testing.T, h *House) {
	h.bothDecideBy(t, role("later", "start: {ahead: 48h}", byLead))
	begins := h.Clock.Now().Add(3 * time.Hour)
	_, err := h.Service.Ask(t.Context(), h.World.Alice, policies.Ask{Role: "later", Target: "staging-1", Start: h.Clock.Now().Add(49 * time.Hour)})
	wantCode(t, access.CodePolicyRefused, err)
	v := h.asks(t, policies.Ask{Role: "later", Start: begins, Ticket: "OPS-1"})
	v = h.approves(t, h.World.Bob, v.ID)
	same(t, "state", access.Approved, v.State)
	same(t, "outcome", policies.Scheduled, v.Decision.Outcome)
	same(t, "begins", begins, v.Begins)
	same(t, "ends", begins.Add(30*time.Minute), v.Ends)
	_, err = h.uses(t, v)
	wantCode(t, access.CodeScheduled, err)
	// It stands against nothing until it begins, and can be dropped before.
	same(t, "as stored", "OPS-1", h.stored(t, v.ID).Revision.Ask.Ticket)
	other := h.approves(t, h.World.Bob, h.asks(t, policies.Ask{Role: "later", Start: begins}).ID)
	dropped, err := h.Drop(t.Context(), h.World.Alice, other.ID, "not needed")
	wantError(t, nil, err)
	same(t, "dropped", access.EndDropped, dropped.EndReason)
	h.Clock.Move(3 * time.Hour)
	certificate := h.used(t, v)
	same(t, "certificate ends", v.Ends, certificate.Ends)
}

func firstUse(t *testing.T, h *House) {
	h.bothDecideBy(t, role("first-use", "start: {at: first-use, within: 2h}", byLead))
	v := h.approves(t, h.World.Bob, h.wants(t, "first-use").ID)
	granted := h.Clock.Now()
	same(t, "use by", granted.Add(2*time.Hour), v.UseBy())
	same(t, "begins", true, v.Begins.IsZero())
	same(t, "for", 30*time.Minute, v.Duration())
	h.Clock.Move(time.Hour)
	certificate := h.used(t, v)
	same(t, "ends after the first use", h.Clock.Now().Add(30*time.Minute), certificate.Ends)
	v, err := h.Request(t.Context(), h.World.Alice, v.ID)
	wantError(t, nil, err)
	same(t, "begins at the first use", h.Clock.Now(), v.Begins)
	same(t, "ends", certificate.Ends, v.Ends)
	same(t, "use by after the first use", true, v.UseBy().IsZero())
	h.Clock.Move(10 * time.Minute)
	same(t, "another certificate ends", certificate.Ends, h.used(t, v).Ends)
	// One that is not used lapses.
	late := h.approves(t, h.World.Bob, h.wants(t, "first-use").ID)
	h.Clock.Move(2 * time.Hour)
	_, err = h.uses(t, late)
	wantCode(t, access.CodeNotLive, err)
	late, err = h.Request(t.Context(), h.World.Alice, late.ID)
	wantError(t, nil, err)
	same(t, "lapsed", access.EndExpired, late.EndReason)
}

func singleUse(t *testing.T, h *House) {
	h.bothDecideBy(t, role("once", "singleUse: true", "approval: []"))
	v := h.wants(t, "once")
	certificate := h.used(t, v)
	first, err := h.StartSession(t.Context(), Start(v, certificate, "session-000000000001"))
	wantError(t, nil, err)
	_, err = h.StartSession(t.Context(), Start(v, certificate, "session-000000000001")) // repeated
	wantError(t, nil, err)
	_, err = h.StartSession(t.Context(), Start(v, certificate, "session-000000000002"))
	wantCode(t, access.CodeUsedOnce, err)
	wantError(t, nil, h.EndSession(t.Context(), "proxy-1", first.Session.ID, access.SessionEnd{Reason: "completed", Ended: h.Clock.Now()}))
	_, err = h.StartSession(t.Context(), Start(v, certificate, "session-000000000003"))
	wantCode(t, access.CodeUsedOnce, err)
}

func renewalsAndHistory(t *testing.T, h *House) {
	h.bothDecideBy(t, role("twice", "renewals: {most: 1, days: 7}", "approval: []"), role("keys", "approval: []"), role("data", "approval: []"),
		"---\nkind: Separation\nname: keys-or-data\ndescription: Never both.\nforbid: history\nroles: [keys, data]\ndays: 30\n")
	refused := func(role string) {
		t.Helper()
		_, err := h.Service.Ask(t.Context(), h.World.Alice, policies.Ask{Role: role, Target: "staging-1"})
		wantCode(t, access.CodePolicyRefused, err)
	}
	// One that was not used does not count; at the signer neither.
	idle := h.wants(t, "twice")
	second := h.wants(t, "twice")
	h.used(t, second)
	refused("twice")
	_, err := h.uses(t, idle)
	wantCode(t, access.CodePolicyRefused, err)
	h.Clock.Move(8 * 24 * time.Hour)
	h.used(t, h.wants(t, "twice"))

	h.used(t, h.wants(t, "keys"))
	refused("data")
	h.Clock.Move(29 * 24 * time.Hour)
	refused("data")
	h.Clock.Move(2 * 24 * time.Hour)
	h.used(t, h.wants(t, "data"))
	refused("keys")
}

func confirmedAsk(t *testing.T, h *House) {
	h.bothDecideBy(t, role("confirmed", "start: {at: first-use, within: 4h}", "passkey: {requester: any, fresh: 10m}", byLead))
	v := h.wants(t, "confirmed")
	same(t, "to confirm", policies.PasskeyAny, v.Decision.Confirm)
	same(t, "may", []string{"confirm", "withdraw"}, v.May)
	_, err := h.AskChallenge(t.Context(), h.World.Alice, v.ID)
	wantCode(t, access.CodeNotPinned, err) // she has no passkey yet
	alice := h.pinned(t, h.World.Alice, "")
	alice.Person = h.World.Alice
	_, err = h.AskChallenge(t.Context(), h.World.Bob.Person, v.ID)
	wantCode(t, access.CodeForbidden, err)
	v = h.approves(t, h.World.Bob, v.ID)
	same(t, "state without her word", access.Pending, v.State)
	v = h.confirms(t, alice, v.ID)
	same(t, "state", access.Approved, v.State)
	_, err = h.AskChallenge(t.Context(), h.World.Alice, v.ID)
	wantCode(t, access.CodeNothingToConfirm, err)
	// It grows stale before the first use, and is given anew.
	h.Clock.Move(11 * time.Minute)
	_, err = h.uses(t, v)
	wantCode(t, access.CodeConfirmFirst, err)
	v, err = h.Request(t.Context(), h.World.Alice, v.ID)
	wantError(t, nil, err)
	same(t, "may", true, slices.Contains(v.May, "confirm"))
	v = h.confirms(t, alice, v.ID)
	h.used(t, v)
	h.Clock.Move(11 * time.Minute) // once it is used, its age does not matter
	h.used(t, v)
	// An assertion by anybody else is refused.
	again := h.wants(t, "confirmed")
	challenge, err := h.AskChallenge(t.Context(), h.World.Alice, again.ID)
	wantError(t, nil, err)
	_, err = h.ConfirmAsk(t.Context(), h.World.Alice, again.ID, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: h.World.Bob.Passkey.Sign(t, challenge.Statement)})
	wantCode(t, access.CodeNotPinned, err)
}

func namesOf(people []policies.Person) []string {
	var names []string
	for _, p := range people {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// awaits waits until a request has so many events of a kind; the service must run.
func (h *House) awaits(t testing.TB, request, kind string, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); counted(h.kinds(t, request), kind) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has too few events %s: %v", request, kind, h.kinds(t, request))
		}
		h.Clock.Move(time.Second) // what rests looks again
	}
}

// runs runs a service until stop is called.
func (h *House) runs(t testing.TB, s *access.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func orderAndReminders(t *testing.T, h *House) {
	h.bothDecideBy(t, role("ordered", "pending: 6h", "approval:",
		"  - {name: lead, groups: [sre-leads], count: 1, remind: 1h, escalate: [{after: 3h, groups: [administrators]}]}",
		"  - {name: security, groups: [security], count: 1, after: [lead]}"))
	bob, carol, dana := h.World.Bob, h.World.Carol, h.World.Dana
	v := h.wants(t, "ordered")
	same(t, "expires", h.Clock.Now().Add(6*time.Hour), v.Revision.Expires)
	seen, err := h.Request(t.Context(), carol.Person, v.ID)
	wantError(t, nil, err)
	same(t, "carol may", []string{"deny"}, seen.May)
	_, err = h.Challenge(t.Context(), carol.Person, v.ID, 0)
	wantCode(t, access.CodeNotCounted, err)

	// Two brokers remind once each time.
	for _, s := range []*access.Service{h.Service, h.Another(t)} {
		defer h.runs(t, s)()
	}
	h.Clock.Move(time.Hour)
	h.awaits(t, v.ID, access.EventReminded, 1)
	h.Clock.Move(time.Hour)
	h.awaits(t, v.ID, access.EventReminded, 2)
	news, err := h.News(t.Context(), bob.Person)
	wantError(t, nil, err)
	if len(news) != 1 || news[0].ID != v.ID || news[0].Told.Kind != access.TellReminder {
		t.Errorf("bob's news are %+v", news)
	}
	h.Clock.Move(time.Hour)
	h.awaits(t, v.ID, access.EventEscalated, 1)
	escalated, err := h.Request(t.Context(), dana.Person, v.ID)
	wantError(t, nil, err)
	same(t, "dana may", true, slices.Contains(escalated.May, "approve"))
	items, _, err := h.Requests(t.Context(), dana.Person, access.ViewToApprove, nil, 0, 10)
	wantError(t, nil, err)
	same(t, "dana is asked for", 1, len(items))
	h.approves(t, dana, v.ID)
	v = h.approves(t, carol, v.ID) // in the same second
	same(t, "state", access.Approved, v.State)
	h.used(t, v)
	same(t, "tells no more", true, h.stored(t, v.ID).Tell.IsZero())
	same(t, "reminders in all", 3, counted(h.kinds(t, v.ID), access.EventReminded))
	same(t, "escalations in all", 1, counted(h.kinds(t, v.ID), access.EventEscalated))
}

// reminderBeforeTurn: whose turn has only come is not told that they have not answered.
func reminderBeforeTurn(t *testing.T, h *House) {
	h.bothDecideBy(t, role("ordered", "pending: 6h", "approval:",
		"  - {name: lead, groups: [sre-leads], count: 1}", "  - {name: security, groups: [security], count: 1, after: [lead], remind: 1h}"))
	v := h.wants(t, "ordered")
	h.Clock.Move(90 * time.Minute)
	v = h.approves(t, h.World.Bob, v.ID)
	same(t, "tells next", v.Revision.Asked.Add(2*time.Hour), h.stored(t, v.ID).Tell)
}

func counted(kinds []string, kind string) (n int) {
	for _, k := range kinds {
		if k == kind {
			n++
		}
	}
	return n
}

func replayers(t *testing.T, h *House) {
	h.bothDecideBy(t, role("watched", "recording: {reviewers: [sre-leads]}", "approval: []"))
	v := h.wants(t, "watched")
	started, err := h.StartSession(t.Context(), Start(v, h.used(t, v), "session-000000000001"))
	wantError(t, nil, err)
	id := started.Session.ID
	for _, by := range []policies.Person{h.World.Alice, h.World.Bob.Person} {
		_, _, err := h.Replaying(t.Context(), by, id)
		wantError(t, nil, err)
		sessions, _, err := h.Sessions(t.Context(), by, access.SessionQuery{Request: v.ID, Limit: 10})
		wantError(t, nil, err)
		same(t, "sessions", 1, len(sessions))
	}
	// The organization's reviewers see that it was, not what was done.
	for _, by := range []policies.Person{h.Dave(), h.World.Carol.Person} {
		_, _, err := h.Replaying(t.Context(), by, id)
		wantCode(t, access.CodeForbidden, err)
		_, err = h.Seals(t.Context(), by, id)
		wantCode(t, access.CodeForbidden, err)
		seen, err := h.Session(t.Context(), by, id)
		wantError(t, nil, err)
		same(t, "may", false, slices.Contains(seen.May, "replay"))
	}
}
