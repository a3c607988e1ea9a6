package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// emergencyPolicy is the world's, with a role that knows emergencies, with more lines.
func emergencyPolicy(t testing.TB, lines ...string) string {
	t.Helper()
	text := strings.Replace(evidencetest.Policy, "quorum: 1\n", "quorum: 1\n"+evidencetest.NewMaker(t).YAML("administrators"), 1)
	return text + role("emergency", append(lines, "breakGlass:", "  requesters: [engineering]", "  longest: 1h", "  review: {groups: [security], within: 4h}")...)
}

// emergencies lets the house decide by that, and gives Alice an attested passkey that speaks
// for groups.
func (h *House) emergencies(t testing.TB, text string, groups ...string) *evidencetest.Member {
	t.Helper()
	h.bothDecideByText(t, text)
	alice := h.pinned(t, h.World.Alice, "Make", groups...)
	alice.Person = h.World.Alice
	return alice
}

// rescued has Alice use the role alone until it is over.
func (h *House) rescued(t testing.TB, alice *evidencetest.Member) access.RequestView {
	t.Helper()
	v := h.confirms(t, alice, h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true}).ID)
	h.used(t, v)
	h.Clock.Move(time.Hour)
	return v
}

// finds signs what a member found in an emergency.
func (h *House) finds(t testing.TB, m *evidencetest.Member, id, finding string) evidence.SignedByPasskey {
	t.Helper()
	challenge, err := h.ReviewChallenge(t.Context(), m.Person, id, finding)
	wantError(t, nil, err)
	return evidence.SignedByPasskey{Statement: challenge.Statement, Assertion: m.Passkey.Sign(t, challenge.Statement)}
}

func breakGlass(t *testing.T, h *House) {
	alice := h.emergencies(t, emergencyPolicy(t, byLead))
	v := h.asks(t, policies.Ask{Role: "emergency", Reason: "all is down", BreakGlass: true})
	same(t, "stages", 0, len(v.Decision.Stages))
	same(t, "to confirm", policies.PasskeyAttested, v.Decision.Confirm)
	alarms, open, _, err := h.Alarms(t.Context(), h.Dave(), true, 0, 10)
	wantError(t, nil, err)
	if open != 1 || alarms[0].Kind != access.AlarmBreakGlass || alarms[0].Request != v.ID {
		t.Errorf("the alarms are %+v", alarms)
	}
	same(t, "told", []string{"Bob", "Carol"}, namesOf(v.Told[0].People))
	news, err := h.News(t.Context(), h.World.Bob.Person)
	wantError(t, nil, err)
	if len(news) != 1 || news[0].ID != v.ID || news[0].Told.Kind != access.TellBreakGlass {
		t.Errorf("bob's news are %+v", news)
	}
	_, err = h.uses(t, v)
	wantCode(t, access.CodeNotLive, err)
	v = h.confirms(t, alice, v.ID)
	same(t, "state", access.Approved, v.State)
	same(t, "events", []string{"request.break-glass-asked", "alarm.raised", "request.break-glass-told", "request.confirmed", "request.approved"}, h.kinds(t, v.ID))
	h.used(t, v)

	// A review is due now, by somebody else.
	same(t, "open review", true, h.stored(t, v.ID).OpenReview)
	reviews, err := h.Reviews(t.Context(), h.World.Carol.Person)
	wantError(t, nil, err)
	if len(reviews) != 1 || reviews[0].May || // it goes on
		reviews[0].Locked || !reviews[0].Due.Equal(h.Clock.Now().Add(4*time.Hour)) {
		t.Errorf("the open reviews are %+v", reviews)
	}
	_, err = h.ReviewChallenge(t.Context(), h.World.Carol.Person, v.ID, "too early")
	wantCode(t, access.CodeNothingToReview, err)
	// Nobody reviews in time: the role is locked for everybody, at the signer too.
	before := h.approves(t, h.World.Bob, h.asks(t, policies.Ask{Role: "emergency", Duration: 8 * time.Hour}).ID)
	stop := h.Running(t)
	h.Clock.Move(2 * time.Hour)
	h.awaits(t, v.ID, access.EventReviewDue, 1)
	stop()
	h.Clock.Move(reviews[0].Due.Sub(h.Clock.Now())) // just then, in the portal and for the rules
	_, err = h.uses(t, before)
	wantCode(t, access.CodePolicyRefused, err)
	_, err = h.Service.Ask(t.Context(), h.World.Alice, policies.Ask{Role: "emergency", Target: "staging-1"})
	wantCode(t, access.CodePolicyRefused, err)
	roles, _, err := h.PolicyRoles(t.Context(), h.World.Alice)
	wantError(t, nil, err)
	locked := slices.IndexFunc(roles, func(r access.RoleSummary) bool { return r.Name == "emergency" && r.Locked != "" })
	same(t, "the role says that it is locked", true, locked >= 0)

	for _, by := range []policies.Person{h.World.Alice, h.World.Bob.Person} {
		_, err := h.ReviewChallenge(t.Context(), by, v.ID, "mine")
		wantCode(t, access.CodeForbidden, err)
	}
	// The review opens it again.
	closed, err := h.Review(t.Context(), h.World.Carol.Person, v.ID, h.finds(t, h.World.Carol, v.ID, "it was needed"))
	wantError(t, nil, err)
	same(t, "finding", "it was needed", closed.Request.Review.Finding)
	_, err = h.ReviewChallenge(t.Context(), h.World.Carol.Person, v.ID, "again")
	wantCode(t, access.CodeNothingToReview, err)
	h.used(t, before)
}

// reviewedBefore: the signer took a review that was never written down here. That one is.
func reviewedBefore(t *testing.T, h *House) {
	alice := h.emergencies(t, emergencyPolicy(t, byLead))
	frank := h.pinned(t, evidencetest.Person("frank"), "", "security")
	v := h.rescued(t, alice)
	first := h.finds(t, frank, v.ID, "Not needed at all.")
	_, err := h.Signer.Review(t.Context(), first)
	wantError(t, nil, err)
	closed, err := h.Review(t.Context(), h.World.Carol.Person, v.ID, h.finds(t, h.World.Carol, v.ID, "All is well."))
	wantError(t, nil, err)
	same(t, "by", "Frank", closed.Request.Review.By.Name)
	same(t, "finding", "Not needed at all.", closed.Request.Review.Finding)
	same(t, "signed", first, closed.Request.Review.Signed)
	event := closed.Timeline[len(closed.Timeline)-1].Event
	same(t, "event", access.EventReviewed, event.Kind)
	same(t, "reviewer", "Frank", event.Actor.Name)
	same(t, "open", false, h.stored(t, v.ID).OpenReview)
}

// hungUp: whoever hangs up while the signer signs does not keep what they do from its review.
func hungUp(t *testing.T, h *House) {
	alice := h.emergencies(t, emergencyPolicy(t, byLead))
	v := h.confirms(t, alice, h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true}).ID)
	activation, login := h.Activation(t, v)
	ctx, hangUp := context.WithCancel(t.Context())
	h.Signer.Before = hangUp
	_, err := h.Activate(ctx, h.World.Alice, v.ID, activation, login, nil)
	h.Signer.Before = nil
	wantError(t, nil, err)
	if stored := h.stored(t, v.ID); !stored.OpenReview || !stored.Used.Equal(h.Clock.Now()) {
		t.Errorf("it was used at %s, and its review is open: %v", stored.Used, stored.OpenReview)
	}
	h.Clock.Move(5 * time.Hour)
	h.reviews(t, h.World.Carol, v.ID)
	h.used(t, h.approves(t, h.World.Bob, h.wants(t, "emergency").ID))
}

// lostEmergency: the process ended before it wrote the signer's answer down. The role locks
// there, so it can be reviewed here; and what the ledger has is written down once.
func lostEmergency(t *testing.T, h *House) {
	alice := h.emergencies(t, emergencyPolicy(t, byLead))
	lost := func() (access.RequestView, access.FirstUse) {
		v := h.confirms(t, alice, h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true}).ID)
		activation, login := h.Activation(t, v)
		bundle := evidence.Bundle{
			Version: 1, Request: v.Revision.Statement, Approvals: []evidence.SignedByPasskey{}, Confirmation: &h.stored(t, v.ID).Confirmation.Signed,
			Activation: &activation, Login: &login,
		}
		signed, err := h.Signer.SignSession(t.Context(), bundle, nil)
		wantError(t, nil, err)
		return v, access.FirstUse{Used: signed.Used, Ends: signed.Ends, Bundle: bundle}
	}
	v, _ := lost()
	_, err := h.ReviewChallenge(t.Context(), h.World.Carol.Person, v.ID, "too early")
	wantCode(t, access.CodeNothingToReview, err)
	h.Clock.Move(5 * time.Hour)
	normal := h.approves(t, h.World.Bob, h.asks(t, policies.Ask{Role: "emergency", Duration: 8 * time.Hour}).ID)
	_, err = h.uses(t, normal)
	wantCode(t, access.CodeSignerRefused, err)
	h.reviews(t, h.World.Carol, v.ID)
	h.used(t, normal)

	v, first := lost()
	h.Clock.Move(time.Hour)
	another := first
	another.Bundle.Request = normal.Revision.Statement
	for _, found := range []access.FirstUse{another, first, first} {
		wantError(t, nil, h.NoteEmergency(t.Context(), v.ID, found))
	}
	wantError(t, nil, h.NoteEmergency(t.Context(), "req-0000000000", first))
	same(t, "used", first.Used, h.stored(t, v.ID).Used)
	open, err := h.Reviews(t.Context(), h.World.Carol.Person)
	wantError(t, nil, err)
	if len(open) != 1 || open[0].ID != v.ID || !open[0].May || !open[0].Due.Equal(first.Used.Add(4*time.Hour)) {
		t.Errorf("the open reviews are %+v", open)
	}
	found := slices.DeleteFunc(h.kinds(t, v.ID), func(kind string) bool { return kind != access.EventBreakGlassFound })
	same(t, "events", []string{access.EventBreakGlassFound}, found)
	h.reviews(t, h.World.Carol, v.ID)
	wantError(t, nil, h.NoteEmergency(t.Context(), v.ID, first))
	same(t, "open", false, h.stored(t, v.ID).OpenReview)

	// Found when its role is locked already, reviewers are told at once, and once; what cannot
	// be read beside it changes nothing.
	v, first = lost()
	h.Clock.Move(5 * time.Hour)
	first.Bundle.Approvals = []evidence.SignedByPasskey{{Statement: "no statement"}}
	wantError(t, nil, h.NoteEmergency(t.Context(), v.ID, first))
	h.run(t, func() bool { return slices.Contains(h.kinds(t, v.ID), access.EventReviewDue) })
	same(t, "told", 1, counted(h.kinds(t, v.ID), access.EventReviewDue))
	h.reviews(t, h.World.Carol, v.ID)

	// Of one that nobody used, the signer says so.
	unused := h.confirms(t, alice, h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true}).ID)
	h.Clock.Move(2 * time.Hour)
	_, err = h.Review(t.Context(), h.World.Carol.Person, unused.ID, h.finds(t, h.World.Carol, unused.ID, "there was nothing"))
	wantCode(t, access.CodeSignerRefused, err)
}

// reviews closes the review of an emergency.
func (h *House) reviews(t testing.TB, m *evidencetest.Member, id string) {
	t.Helper()
	_, err := h.Review(t.Context(), m.Person, id, h.finds(t, m, id, "It was needed."))
	wantError(t, nil, err)
}

// lockedWithoutRule: a policy that knows no emergencies any more takes no review's place.
func lockedWithoutRule(t *testing.T, h *House) {
	v := h.rescued(t, h.emergencies(t, emergencyPolicy(t, byLead)))
	h.bothDecideBy(t, role("emergency", byLead))
	_, err := h.Service.Ask(t.Context(), h.World.Alice, policies.Ask{Role: "emergency", Target: "staging-1"})
	wantCode(t, access.CodePolicyRefused, err)
	reviews, err := h.Reviews(t.Context(), h.World.Dana.Person)
	wantError(t, nil, err)
	if len(reviews) != 1 || !reviews[0].Locked || !reviews[0].May {
		t.Errorf("the open reviews are %+v", reviews)
	}
	_, err = h.Review(t.Context(), h.World.Dana.Person, v.ID, h.finds(t, h.World.Dana, v.ID, "it was needed"))
	wantError(t, nil, err)
	h.used(t, h.approves(t, h.World.Bob, h.wants(t, "emergency").ID))
}

// lessTime: where another policy leaves less time for a review than is over, the role is
// locked, and its reviewers hear of that with the next that happens.
func lessTime(t *testing.T, h *House) {
	text := emergencyPolicy(t, byLead)
	v := h.rescued(t, h.emergencies(t, text))
	h.bothDecideByText(t, strings.Replace(text, "within: 4h", "within: 30m", 1))
	stop := h.Running(t)
	h.awaits(t, v.ID, access.EventReviewDue, 1)
	stop()
	same(t, "told", 1, counted(h.kinds(t, v.ID), access.EventReviewDue))
}

// ownEmergency: nobody is offered to decide on what they ask for, under whatever identity.
func ownEmergency(t *testing.T, h *House) {
	text := emergencyPolicy(t, byLead, "restrict: [{name: always, when: 'true', add: [{name: lead-too, groups: [sre-leads], count: 1}]}]")
	alice := h.emergencies(t, text, "sre-leads", "security", policies.AdministratorsGroup)
	alias := h.pinned(t, evidencetest.Person("alice-admin"), "", "sre-leads", policies.AdministratorsGroup)
	alice.Person.Groups = append(alice.Person.Groups, "security") // a reviewer
	v := h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true})
	same(t, "stages", 1, len(v.Decision.Stages))
	for by, may := range map[*evidencetest.Member][]string{alice: {"confirm", "withdraw"}, alias: {}, h.World.Bob: {"approve", "deny"}} {
		seen, err := h.Request(t.Context(), by.Person, v.ID)
		wantError(t, nil, err)
		same(t, by.Person.Subject.Subject+" may", may, seen.May)
	}
}

// loud: whoever might approve it hears of an emergency, by whatever way.
func loud(t *testing.T, h *House) {
	text := emergencyPolicy(t, "approval:", "  - {name: lead, groups: [sre-leads], relations: [manager, owner], count: 1, escalate: [{after: 3h, groups: [directors]}]}",
		"restrict: [{name: never, when: 'false', add: [{name: more, groups: [vault], count: 1}]}]")
	text = strings.Replace(text, "labels: {env: staging}\n---", "labels: {env: staging, owner: owners}\n---", 1)
	h.emergencies(t, text+"---\nkind: Team\nname: platform\nmembers: [engineering]\nmanagers: [managers]\n")
	for name, group := range map[string]string{"mallory": "managers", "olive": "owners", "dirk": "directors", "vera": "vault", "nora": "others"} {
		h.pinned(t, evidencetest.Person(name), "", group)
	}
	v := h.asks(t, policies.Ask{Role: "emergency", BreakGlass: true})
	same(t, "told", []string{"Bob", "Carol", "Dirk", "Mallory", "Olive", "Vera"}, namesOf(v.Told[0].People))
}

// Whoever was told once, and may see the request no more, does not read of it in the news.
func newsAfterLeaving(t *testing.T, h *House) {
	alice := h.emergencies(t, emergencyPolicy(t, byLead))
	frank := h.pinned(t, evidencetest.Person("frank"), "", "sre-leads")
	v := h.asks(t, policies.Ask{Role: "emergency", Reason: "all is down", BreakGlass: true})
	h.confirms(t, alice, v.ID)
	h.used(t, v)
	h.Clock.Move(time.Hour)
	reads := func(p policies.Person) bool {
		news, err := h.News(t.Context(), p)
		wantError(t, nil, err)
		return slices.ContainsFunc(news, func(n access.NewsItem) bool { return n.ID == v.ID })
	}
	same(t, "in the group", true, reads(frank.Person))
	now := h.Clock.Now()
	h.Signer.ChangeTrust(func(trust *evidence.Trust) {
		people := evidencetest.Clone(t, trust.Roster.People)
		for i := range people {
			if people[i].Person.Subject == frank.Person.Subject {
				people[i].Person.Groups = nil
				for k := range people[i].Passkeys {
					people[i].Passkeys[k].Removed = &now
				}
			}
		}
		trust.Roster = evidence.Roster{People: people}
	})
	left := frank.Person
	left.Groups = nil
	same(t, "out of the group", false, reads(left))
}
