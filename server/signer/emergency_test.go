package signer

import (
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

func TestAnEmergencyLocksTheRoleUntilItIsReviewed(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	urgent := func(q *evidence.Request) { q.Ask.BreakGlass, q.Ask.Duration = true, 20*time.Minute }
	request := r.wants("r1", "rescue", urgent)
	b := r.unapproved(request, r.alice)
	_, err := r.sign(b)
	refused(t, err, "evidence.policy") // she has not confirmed it
	stolen := r.confirmed(b, r.alice)
	stolen.Confirmation.Assertion = r.dave.sign(t, stolen.Confirmation.Statement)
	_, err = r.sign(stolen)
	refused(t, err, "evidence.confirmation-passkey")
	other := r.confirmed(r.unapproved(r.wants("r1", "rescue", urgent, func(q *evidence.Request) { q.Ask.Target = "db2" }), r.alice), r.alice)
	b.Confirmation = other.Confirmation
	_, err = r.sign(b)
	refused(t, err, "evidence.confirmation-repeats")
	// Dave's passkey is of no known make.
	his := r.ask(r.dave, "r2", func(q *evidence.Request) { q.Ask.Role = "rescue" }, urgent)
	_, err = r.sign(r.confirmed(r.unapproved(his, r.dave), r.dave))
	refused(t, err, "evidence.policy")

	certificate := r.mustSign(r.confirmed(b, r.alice))
	if entry := r.noted(certificate); !entry.BreakGlass || !certificate.Ends.Equal(r.clock.Now().Add(20*time.Minute)) {
		t.Errorf("the entry is %+v", entry)
	}
	_, err = r.signTarget("r1")
	must(t, err)
	refused(t, r.review(request, r.walter), "emergency-live") // what is still to come would go unseen

	// The role is there for others, until the review is late.
	normal := func(id string) error {
		_, err := r.sign(r.bundleOf(r.wants(id, "rescue", func(q *evidence.Request) { q.Ask.Duration = 30 * time.Hour / 10 }), newKey(t)))
		return err
	}
	must(t, normal("r3"))
	r.let(24*time.Hour + time.Second)
	refused(t, normal("r4"), "evidence.policy")

	// A review is somebody else's, of those whom the role names, and of this.
	refused(t, r.review(request, r.bob), "evidence.review-groups")
	refused(t, r.review(request, r.alice), "evidence.review-self")
	refused(t, r.review(r.wants("r3", "rescue"), r.walter), "no-such-emergency")
	refused(t, normal("r5"), "evidence.policy")
	text, err := evidence.ReviewOf(request, r.person(r.walter), "As they said.", r.clock.Now().Truncate(time.Second), nonce())
	must(t, err)
	closing := r.encode(text)
	must(t, r.sendReview(closing, r.walter))
	must(t, r.sendReview(closing, r.walter)) // the answer was lost
	size := r.entries()
	if has := r.reviewed(request, r.walter); has != closing {
		t.Errorf("another review is answered with\n%s", has)
	}
	if r.entries() != size {
		t.Error("a review of what was reviewed is in the ledger")
	}
	must(t, normal("r6"))
	r.audit()

	// All of it is there after a restart.
	r.shut()
	r.open()
	must(t, normal("r7"))
	if has := r.reviewed(request, r.walter); has != closing {
		t.Errorf("another review is answered with\n%s", has)
	}
}

// TestDroppingTheRuleIsNoReview: a role stays locked though policy knows no emergencies in it any more.
func TestDroppingTheRuleIsNoReview(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	request := r.wants("r1", "rescue", func(q *evidence.Request) { q.Ask.BreakGlass, q.Ask.Duration = true, time.Minute })
	r.mustSign(r.confirmed(r.unapproved(request, r.alice), r.alice))
	r.let(2 * time.Minute)
	r.enforceBy(r.carol, "roles.yaml", strings.Replace(ruledText, "breakGlass: {requesters: [engineering], longest: 30m, review: {groups: [watchers], within: 24h}}\n", "", 1))
	normal := func(id string) error {
		_, err := r.sign(r.bundleOf(r.wants(id, "rescue", func(q *evidence.Request) { q.Ask.Duration = time.Hour }), newKey(t)))
		return err
	}
	refused(t, normal("r2"), "evidence.policy")
	refused(t, r.review(request, r.walter), "evidence.review-groups")
	must(t, r.review(request, r.carol)) // an administrator
	must(t, normal("r3"))
	r.audit()
}

// TestALateReviewEndsLiveGrantsToo: a role that locks lets nobody connect.
func TestALateReviewEndsLiveGrantsToo(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	request := r.wants("r1", "rescue", func(q *evidence.Request) { q.Ask.BreakGlass, q.Ask.Duration = true, time.Minute })
	r.mustSign(r.confirmed(r.unapproved(request, r.alice), r.alice))
	r.let(23 * time.Hour)
	r.mustSign(r.bundleOf(r.wants("r2", "rescue", func(q *evidence.Request) { q.Ask.Duration = 4 * time.Hour }), newKey(t)))
	_, err := r.signTarget("r2")
	must(t, err)
	r.let(2 * time.Hour)
	_, err = r.signTarget("r2")
	refused(t, err, "evidence.policy")
	must(t, r.review(request, r.walter))
	_, err = r.signTarget("r2")
	must(t, err)
}

// TestAReviewIsOfAllOfIt: one that was signed while the emergency went on, and kept until it
// was over, closes nothing.
func TestAReviewIsOfAllOfIt(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	dated := func(request string, after time.Duration) string {
		text, err := evidence.ReviewOf(request, r.person(r.walter), "As far as I saw.", r.clock.Now().Add(after).Truncate(time.Second), nonce())
		must(t, err)
		return r.encode(text)
	}
	alone := func(id string, revision int) string {
		request := r.wants(id, "rescue", func(q *evidence.Request) {
			q.Revision, q.Ask.BreakGlass, q.Ask.Duration = revision, true, 20*time.Minute
		})
		r.mustSign(r.confirmed(r.unapproved(request, r.alice), r.alice))
		return request
	}
	// Its time runs out.
	request := alone("r1", 1)
	early, end := dated(request, time.Second), dated(request, 20*time.Minute)
	r.let(2 * time.Second)
	refused(t, r.sendReview(early, r.walter), "emergency-live")
	r.let(time.Hour)
	refused(t, r.sendReview(early, r.walter), "evidence.review-issued")
	must(t, r.sendReview(end, r.walter))

	// It is ended, which the signer hears a little later.
	request = alone("r2", 1)
	r.let(time.Minute)
	early, end = dated(request, 0), dated(request, time.Minute)
	r.let(time.Minute + policies.Skew)
	r.endRequest("r2")
	refused(t, r.sendReview(early, r.walter), "evidence.review-issued")
	must(t, r.sendReview(end, r.walter))

	// The next revision takes its place.
	request = alone("r3", 1)
	r.let(time.Minute)
	early = dated(request, 0)
	r.let(time.Minute)
	next := alone("r3", 2)
	refused(t, r.sendReview(early, r.walter), "evidence.review-issued")
	must(t, r.sendReview(dated(request, 0), r.walter))
	refused(t, r.sendReview(dated(next, 0), r.walter), "emergency-live")
	r.audit()
}

// TestWhatIsOverDoesNotComeBack: what was reviewed, and counts as past, is not gone on with
// by an approval that lasts longer than the one before.
func TestWhatIsOverDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	r.enforceBy(r.carol, "roles.yaml", strings.Replace(ruledText, "breakGlass: {requesters",
		"restrict: [{name: always, when: 'true', add: [{name: second, groups: [leads], count: 1}]}]\nbreakGlass: {requesters", 1))
	request := r.wants("r1", "rescue", func(q *evidence.Request) { q.Ask.BreakGlass, q.Ask.Duration = true, 30*time.Minute })
	short := r.approve(request, r.bob, time.Minute)
	r.let(time.Second)
	long := r.approve(request, r.bob, 30*time.Minute)
	with := func(a evidence.SignedByPasskey) evidence.Bundle {
		b := r.confirmed(r.unapproved(request, r.alice), r.alice)
		b.Approvals = append(b.Approvals, a)
		return b
	}
	first := r.mustSign(with(short))
	r.let(time.Second)
	r.mustSign(with(short)) // once more, while it goes on
	r.withdraw()
	_, err := r.reissue(first.Serial)
	must(t, err)
	r.let(2 * time.Minute)
	_, err = r.sign(with(short))
	refused(t, err, "evidence.policy")
	must(t, r.review(request, r.walter))
	size := r.entries()
	_, err = r.sign(with(long))
	refused(t, err, "over")
	_, err = r.signTarget("r1")
	refused(t, err, "over")
	if r.entries() != size {
		t.Error("the ledger has a certificate of what is over")
	}
	r.audit()
}
