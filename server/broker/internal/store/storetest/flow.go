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

// Flow tests the flow on a database.
func Flow(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *House)
	}{
		{"every transition from every state", transitions}, {"the whole path", wholePath}, {"asking", asking},
		{"a role without stages", granted}, {"who may approve", whoMayApprove}, {"a challenge is used once", challengeOnce},
		{"a shorter approval", shorter}, {"policy counts again", policyAgain}, {"the roster counts again", rosterAgain},
		{"conflicting roles", conflicting}, {"time ends", timeEnds}, {"the clock goes back", clockBack},
		{"ended while the signer signs", endedMeanwhile}, {"a silent signer", silentSigner}, {"who sees what", visibility},
		{"lists", lists}, {"sessions", flowSessions}, {"certificates nobody gave", forged}, {"killing", killing},
		{"extending", extending}, {"presence", presence}, {"not extending", notExtending}, {"silent proxies", silentProxies}, {"more sessions than it may have", crowded}, {"seals", flowSeals},
		{"signing in", signingIn}, {"confirming a login", confirming}, {"enrolling", enrolling}, {"rejecting", rejecting}, {"removing a passkey", removing}, {"replacing keys", rotatingKeys}, {"issuing once more", reissuing}, {"issuing once more, late", reissuingLate}, {"races", races},
		{"alarms", alarmFlow},
		{"a roster change", rosterChange}, {"a policy change", policyChange}, {"changes end", changesEnd}, {"an enrolment by a quorum", enrolByQuorum},
		{"suspending", suspending}, {"suspending the last administrator", suspendingTheLast}, {"suspending while the signer is away", suspendingAlone}, {"people", members},
		{"an inventory", inventory}, {"an end in one's own word", ownWord},
		{"a device that complies no more", deviceFails}, {"a device that falls silent", deviceSilent}, {"blocking a device", deviceBlocked}, {"blocking a device that connects", deviceBlockedMeanwhile},
		{"a key in a TPM", deviceInTPM},
		{"postures that do not count", posturesRefused}, {"devices are listed", devicesListed},
		{"Fleet's word refuses", fleetRefuses}, {"Fleet's word ends a session", fleetEnds}, {"a Fleet server that is away", fleetAway}, {"a Fleet server that is being asked", fleetAwaited},
		{"binding a device to Fleet", fleetBinding}, {"Fleet is left alone", fleetRate},
		{"a policy that asks for more", policyAsksMore}, {"a policy that asks for something else", policyAsksOther}, {"a policy while Fleet is being asked", policyAwaitsFleet}, {"a policy that comes back", policyComesBack},
		{"a device that the signer does not know", deviceForgotten},
		{"a grant that is scheduled", scheduled}, {"a clock that starts at the first use", firstUse}, {"a single use", singleUse}, {"renewals and history", renewalsAndHistory},
		{"a confirmed ask", confirmedAsk}, {"an emergency", breakGlass}, {"delegating", delegating}, {"delegating to who asks", delegationAgainstOneself},
		{"order, reminders and escalation", orderAndReminders}, {"a reminder before its turn", reminderBeforeTurn}, {"who replays", replayers}, {"keeping recordings", keepingFlow}, {"asserted facts", assertedFacts}, {"approving each other's", reciprocal},
		{"a review that was lost", reviewedBefore}, {"an emergency whose caller hung up", hungUp}, {"an emergency that was lost", lostEmergency}, {"a lock without its rule", lockedWithoutRule}, {"less time for a review", lessTime}, {"one's own emergency", ownEmergency}, {"who hears of an emergency", loud},
		{"news after leaving", newsAfterLeaving},
		{"a direct report", directReport}, {"who changed the rules", changedRules}, {"strong passkeys", strongPasskeys}, {"a stand-in", standIn}, {"suspended elsewhere", suspendedElsewhere},
		{"asks that are refused", refusedAsks}, {"asking on and on", refusedTooOften}, {"nothing is told of what is over", overUntold},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := NewHouse(t, open(t))
			test.run(t, h)
			if _, err := verify(t, h.Store); err != nil {
				t.Errorf("the audit log: %v", err)
			}
		})
	}
}

func wantCode(t testing.TB, code string, err error) {
	t.Helper()
	if !access.IsCode(err, code) {
		t.Fatalf("got error %v, want code %s", err, code)
	}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// kinds lists the audit log's kinds for a request.
func (h *House) kinds(t testing.TB, request string) (kinds []string) {
	t.Helper()
	for _, leaf := range read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) {
		return r.AuditEvents(access.AuditQuery{Request: request, Limit: access.MaxPage})
	}) {
		kinds = append(kinds, leaf.Event.Kind)
	}
	slices.Reverse(kinds)
	return kinds
}

func (h *House) stored(t testing.TB, id string) access.Request {
	t.Helper()
	return read(t, h.Store, func(r access.Reader) (access.Request, error) { return r.Request(id) })
}

// transitions tries every transition on a request in every state, by the method
// that makes it, and compares with the table.
func transitions(t *testing.T, h *House) {
	alice, bob := h.World.Alice, h.World.Bob
	drop := func(v access.RequestView) { must(t, v, second(h.Drop(t.Context(), alice, v.ID, ""))) }
	make := map[string]func() access.RequestView{
		"pending":  func() access.RequestView { return h.Pending(t) },
		"approved": func() access.RequestView { return h.Approved(t) },
		"active":   func() access.RequestView { v, _ := h.Active(t); return v },
		"denied": func() access.RequestView {
			v := h.Pending(t)
			return must(t, v, second(h.Deny(t.Context(), bob.Person, v.ID, "")))
		},
		"withdrawn": func() access.RequestView {
			v := h.Pending(t)
			return must(t, v, second(h.Withdraw(t.Context(), alice, v.ID, "")))
		},
		"dropped": func() access.RequestView { v := h.Approved(t); drop(v); return v },
		"revoked": func() access.RequestView {
			v, _ := h.Active(t)
			return must(t, v, second(h.Revoke(t.Context(), bob.Person, v.ID, "")))
		},
	}
	try := map[access.Transition]func(access.RequestView) error{
		access.ToDeny:     func(v access.RequestView) error { return second(h.Deny(t.Context(), bob.Person, v.ID, "no")) },
		access.ToWithdraw: func(v access.RequestView) error { return second(h.Withdraw(t.Context(), alice, v.ID, "")) },
		access.ToDrop:     func(v access.RequestView) error { return second(h.Drop(t.Context(), alice, v.ID, "")) },
		access.ToRevoke:   func(v access.RequestView) error { return second(h.Revoke(t.Context(), bob.Person, v.ID, "")) },
		access.ToApprove: func(v access.RequestView) error {
			for _, m := range []*evidencetest.Member{bob, h.World.Carol} {
				challenge, err := h.Challenge(t.Context(), m.Person, v.ID, 0)
				if err != nil {
					return err
				}
				signed := evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: m.Passkey.Sign(t, challenge.Statement)}
				if _, err := h.Approve(t.Context(), m.Person, v.ID, signed); err != nil {
					return err
				}
			}
			return nil
		},
		access.ToActivate: func(v access.RequestView) error {
			activation, login := h.Activation(t, v)
			return second(h.Activate(t.Context(), alice, v.ID, activation, login, nil))
		},
	}
	for state, reach := range make {
		for by, attempt := range try {
			v := reach()
			before := h.stored(t, v.ID)
			events := len(h.kinds(t, v.ID))
			want, legal := access.Next(before.State, by)
			err := attempt(v)
			after := h.stored(t, v.ID)
			switch {
			case legal && err != nil:
				t.Errorf("%s, %s: %v", state, by, err)
			case legal && (after.State != want.State || after.EndReason != want.Reason):
				t.Errorf("%s, %s led to %s %s", state, by, after.State, after.EndReason)
			case !legal && !access.IsCode(err, access.CodeNotPending) && !access.IsCode(err, access.CodeNotLive):
				t.Errorf("%s, %s: got error %v, want that it is not pending or not live", state, by, err)
			case !legal:
				same(t, state+" after a refused "+string(by), before, after)
				same(t, state+": events after a refused "+string(by), events, len(h.kinds(t, v.ID)))
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func wholePath(t *testing.T, h *House) {
	ctx, alice := t.Context(), h.World.Alice
	v := h.Pending(t)
	same(t, "headline", "Alice wants app on web-1 for 1 hour", v.Headline)
	same(t, "summary", "Needs 1 of Bob, and 1 of Carol.", v.Summary)
	same(t, "may", []string{"withdraw"}, v.May)
	seen, err := h.Request(ctx, h.World.Bob.Person, v.ID)
	wantError(t, nil, err)
	same(t, "bob may", []string{"approve", "deny"}, seen.May)
	h.Clock.Move(90 * time.Second)
	half, err := h.Approve(ctx, h.World.Bob.Person, v.ID, h.Sign(t, h.World.Bob, v.ID, 0))
	wantError(t, nil, err)
	same(t, "state after one", access.Pending, half.State)
	same(t, "waits for", "Needs 1 of Carol.", half.Summary)
	h.Clock.Move(time.Minute)
	whole, err := h.Approve(ctx, h.World.Carol.Person, v.ID, h.Sign(t, h.World.Carol, v.ID, 0))
	wantError(t, nil, err)
	same(t, "state", access.Approved, whole.State)
	same(t, "begins", h.Clock.Now(), whole.Begins)
	same(t, "ends", h.Clock.Now().Add(time.Hour), whole.Ends)

	activation, login := h.Activation(t, whole)
	certificate, err := h.Activate(ctx, alice, v.ID, activation, login, nil)
	wantError(t, nil, err)
	same(t, "certificate ends", whole.Ends, certificate.Ends)
	started, err := h.StartSession(ctx, Start(whole, certificate, "session-000000000001"))
	wantError(t, nil, err)
	same(t, "grant ends", whole.Ends, started.GrantEnds)
	wantError(t, nil, h.EndSession(ctx, "proxy-1", started.Session.ID, access.SessionEnd{Reason: "completed", Ended: h.Clock.Now(), Bytes: 42}))
	done, err := h.Drop(ctx, alice, v.ID, "found it")
	wantError(t, nil, err)
	same(t, "end", access.EndDropped, done.EndReason)
	same(t, "timeline", []string{
		"request.asked", "request.approval-given", "request.approval-given", "request.approved", "certificate.issued",
		"session.started", "session.ended", "grant.ended",
	}, h.kinds(t, v.ID))
	same(t, "notices", []access.Notice{{Request: v.ID, Reason: "dropped", By: "Alice", At: h.Clock.Now()}}, h.Notices.All())

	found, err := h.Evidence(ctx, alice, v.ID)
	wantError(t, nil, err)
	if len(found.Certificates) != 1 || found.Agreed != nil || found.History {
		t.Fatalf("the requester has %+v", found)
	}
	for _, by := range []policies.Person{h.Dave(), h.World.Dana.Person} {
		if found, err := h.Evidence(ctx, by, v.ID); err != nil || !found.History {
			t.Errorf("%s may not have the history: %v", by.Name, err)
		}
	}
	trust, err := h.Signer.Trust(ctx)
	wantError(t, nil, err)
	if _, err := evidence.Verify(found.Certificates[0].Bundle, trust.Trust, evidence.Circumstances{Now: certificate.Issued}); err != nil {
		t.Errorf("the stored evidence does not verify: %v", err)
	}
}

func asking(t *testing.T, h *House) {
	alice := h.World.Alice
	for _, test := range []struct {
		name   string
		alter  func(*policies.Ask)
		by     policies.Person
		code   string
		field  string
		policy bool
	}{
		{"no such role", func(a *policies.Ask) { a.Role = "root" }, alice, access.CodeInvalid, "role", false},
		{"no such target", func(a *policies.Ask) { a.Target = "moon" }, alice, access.CodeInvalid, "target", false},
		{"a target it does not reach", func(a *policies.Ask) { a.Target = "keys-1" }, alice, access.CodePolicyRefused, "", true},
		{"another login", func(a *policies.Ask) { a.Login = "root" }, alice, access.CodePolicyRefused, "", true},
		{"too long", func(a *policies.Ask) { a.Duration = 5 * time.Hour }, alice, access.CodePolicyRefused, "", true},
		{"negative", func(a *policies.Ask) { a.Duration = -time.Hour }, alice, access.CodeInvalid, "duration_seconds", false},
		{"part of a second", func(a *policies.Ask) { a.Duration = 1500 * time.Millisecond }, alice, access.CodeInvalid, "duration_seconds", false},
		{"no reason", func(a *policies.Ask) { a.Reason = "" }, alice, access.CodePolicyRefused, "", true},
		{"a reason that turns", func(a *policies.Ask) { a.Reason = "a\u202eb" }, alice, access.CodeInvalid, "reason", false},
		{"a reason of two lines", func(a *policies.Ask) { a.Reason = "a\nb" }, alice, access.CodeInvalid, "reason", false},
		{"not in the group", func(*policies.Ask) {}, evidencetest.Person("mallory"), access.CodePolicyRefused, "", true},
	} {
		ask := Ask()
		test.alter(&ask)
		_, err := h.Service.Ask(t.Context(), test.by, ask)
		wantCode(t, test.code, err)
		var e *access.Error
		if errors.As(err, &e); test.field != "" && (len(e.Fields) != 1 || e.Fields[0].Field != test.field) {
			t.Errorf("%s: fields are %v", test.name, e.Fields)
		}
		if test.policy && (e.Decision == nil || e.Message == "") {
			t.Errorf("%s: no reasons: %+v", test.name, e)
		}
	}
	size, err := verify(t, h.Store)
	wantError(t, nil, err)
	same(t, "events of refused asks", int64(0), size)

	p, err := h.Preview(t.Context(), alice, policies.Ask{Role: "production-shell", Target: "web-1", Reason: "x"})
	wantError(t, nil, err)
	same(t, "defaults", policies.Ask{Role: "production-shell", Target: "web-1", Login: "app", Duration: 30 * time.Minute, Reason: "x"}, p.Ask)
	same(t, "outcome", policies.NeedsApproval, p.Decision.Outcome)
	same(t, "summary", "Needs 1 of Bob, and 1 of Carol.", p.Summary)
}

func granted(t *testing.T, h *House) {
	v, err := h.Service.Ask(t.Context(), h.World.Alice, policies.Ask{Role: "staging-shell", Target: "staging-1"})
	wantError(t, nil, err)
	same(t, "state", access.Approved, v.State)
	same(t, "ends", h.Clock.Now().Add(30*time.Minute), v.Ends)
	same(t, "timeline", []string{"request.asked", "request.approved"}, h.kinds(t, v.ID))
	activation, login := h.Activation(t, v)
	_, err = h.Activate(t.Context(), h.World.Alice, v.ID, activation, login, nil)
	wantError(t, nil, err)
}

func whoMayApprove(t *testing.T, h *House) {
	v := h.Pending(t)
	// Her own request; an alias of hers, with a passkey and every group; nobody
	// in particular, who does not even see it; a reviewer who is in no roster.
	admin := &evidencetest.Member{Person: evidencetest.Person("alice-admin", "sre-leads", "security"), Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		trust.Roster.People = append(trust.Roster.People,
			evidence.RosterPerson{Person: admin.Person, Passkeys: []evidence.Passkey{h.World.Pinned(admin.Passkey, admin.Person.Groups)}})
	})
	view, err := h.Request(t.Context(), h.World.Alice, v.ID)
	wantError(t, nil, err)
	before := len(view.Approvers[0])
	ops := linkedByRoster(t, h)
	if view, err = h.Request(t.Context(), h.World.Alice, v.ID); err != nil || len(view.Approvers[0]) != before {
		t.Errorf("%d approvers become %v: %v", before, view.Approvers[0], err)
	}
	for name, test := range map[string]struct {
		by   policies.Person
		code string
	}{
		"hers by way of another": {ops, access.CodeRequestNotFound},
		"herself":                {h.World.Alice, access.CodeForbidden}, "her alias": {admin.Person, access.CodeForbidden},
		"an administrator": {h.World.Dana.Person, access.CodeForbidden}, "somebody": {evidencetest.Person("mallory", "sre-leads"), access.CodeRequestNotFound},
		"a reviewer": {h.Dave(), access.CodeForbidden}, "a passkey without groups": {h.World.Erin.Person, access.CodeRequestNotFound},
	} {
		if _, err := h.Challenge(t.Context(), test.by, v.ID, 0); !access.IsCode(err, test.code) {
			t.Errorf("%s: got %v, want %s", name, err, test.code)
		}
	}
	// Another's passkey under Bob's name.
	challenge, err := h.Challenge(t.Context(), h.World.Bob.Person, v.ID, 0)
	wantError(t, nil, err)
	_, err = h.Approve(t.Context(), h.World.Bob.Person, v.ID, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: h.World.Carol.Passkey.Sign(t, challenge.Statement)})
	wantCode(t, access.CodeNotPinned, err)
	// Bob's passkey, with a signature over something else.
	challenge, err = h.Challenge(t.Context(), h.World.Bob.Person, v.ID, 0)
	wantError(t, nil, err)
	_, err = h.Approve(t.Context(), h.World.Bob.Person, v.ID, evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: h.World.Bob.Passkey.Sign(t, challenge.Statement+"x")})
	wantCode(t, access.CodeAssertion, err)
	// Twice.
	_, err = h.Approve(t.Context(), h.World.Bob.Person, v.ID, h.Sign(t, h.World.Bob, v.ID, 0))
	wantError(t, nil, err)
	_, err = h.Challenge(t.Context(), h.World.Bob.Person, v.ID, 0)
	wantCode(t, access.CodeAlreadyApproved, err)
	same(t, "state", access.Pending, h.stored(t, v.ID).State)
}

func challengeOnce(t *testing.T, h *House) {
	v, ctx, bob := h.Pending(t), t.Context(), h.World.Bob
	signed := h.Sign(t, bob, v.ID, 0)
	// Another request's text, an own text, and the right text for another person.
	other := h.Pending(t)
	_, err := h.Approve(ctx, bob.Person, other.ID, signed)
	wantCode(t, access.CodeStatementUnknown, err)
	_, err = h.Approve(ctx, h.World.Carol.Person, v.ID, signed)
	wantCode(t, access.CodeStatementUnknown, err)
	// Too late.
	late := h.Sign(t, bob, v.ID, 0)
	h.Clock.Move(access.ChallengeLife)
	_, err = h.Approve(ctx, bob.Person, v.ID, late)
	wantCode(t, access.CodeStatementUnknown, err)
	// In time, once, and though another page of the same person shows a newer text.
	good := h.Sign(t, bob, v.ID, 0)
	_ = h.Sign(t, bob, v.ID, 0)
	_, err = h.Approve(ctx, bob.Person, v.ID, good)
	wantError(t, nil, err)
	_, err = h.Approve(ctx, bob.Person, v.ID, good)
	wantCode(t, access.CodeStatementUnknown, err)
}

func shorter(t *testing.T, h *House) {
	v := h.Pending(t)
	_, err := h.Challenge(t.Context(), h.World.Bob.Person, v.ID, 2*time.Hour)
	wantCode(t, access.CodeInvalid, err)
	_, err = h.Approve(t.Context(), h.World.Bob.Person, v.ID, h.Sign(t, h.World.Bob, v.ID, 10*time.Minute))
	wantError(t, nil, err)
	got, err := h.Approve(t.Context(), h.World.Carol.Person, v.ID, h.Sign(t, h.World.Carol, v.ID, 0))
	wantError(t, nil, err)
	same(t, "duration", 10*time.Minute, got.Duration())
	same(t, "ends", h.Clock.Now().Add(10*time.Minute), got.Ends)
}

// run runs the service until a condition holds, moving the clock along.
func (h *House) run(t testing.TB, until func() bool) {
	t.Helper()
	defer h.Running(t)()
	h.hasten(t, until)
}

// hasten moves the clock on until something is so.
func (h *House) hasten(t testing.TB, until func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute) // a loaded machine, under the race detector
	for !until() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
		h.Clock.Move(100 * time.Millisecond)
		time.Sleep(2 * time.Millisecond)
	}
}

func (h *House) undelivered(t testing.TB) []access.Ending {
	t.Helper()
	return read(t, h.Store, func(r access.Reader) ([]access.Ending, error) {
		return r.Endings(h.Clock.Now().Add(1000*time.Hour), access.MaxPage)
	})
}

func (h *House) alarms(t testing.TB) (n int) {
	for _, leaf := range read(t, h.Store, func(r access.Reader) ([]access.AuditLeaf, error) { return r.AuditRun(0, 1000) }) {
		if leaf.Event.Kind == access.EventClockBehind {
			n++
		}
	}
	return n
}
