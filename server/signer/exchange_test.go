package signer

import (
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// TestARevisionIsPartOfItsRequestsPast: another role under the id of a request that was used
// is held against what was used under it.
func TestARevisionIsPartOfItsRequestsPast(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	r.mustSign(r.unapproved(r.wants("r1", "keys"), r.alice))
	second := func(q *evidence.Request) { q.Revision = 2 }
	_, err := r.sign(r.unapproved(r.wants("r1", "data", second), r.alice))
	refused(t, err, "evidence.policy")
	r.let(20 * 24 * time.Hour)
	_, err = r.sign(r.unapproved(r.wants("r1", "data", second), r.alice))
	refused(t, err, "evidence.policy")
	r.shut()
	r.open()
	_, err = r.sign(r.unapproved(r.wants("r1", "data", second), r.alice))
	refused(t, err, "evidence.policy")
	_, err = r.signTarget("r1")
	refused(t, err, "over")
	r.let(11 * 24 * time.Hour)
	r.mustSign(r.unapproved(r.wants("r1", "data", second), r.alice))
	r.audit()
	// And the one before is past for others from then on.
	r.endRequest("r1")
	_, err = r.sign(r.unapproved(r.wants("r2", "keys"), r.alice))
	refused(t, err, "evidence.policy")
}

// TestApprovalsAreNotExchangedBeforeEitherIsUsed: two who approve for each other first, and
// use it then, exchange approvals all the same.
func TestApprovalsAreNotExchangedBeforeEitherIsUsed(t *testing.T) {
	t.Parallel()
	r := newRuled(t, "independence: {reciprocalDays: 10}\n")
	must(t, failure(r.change(r.standing(evidence.ChangeGroups, r.dave, []string{"leads"}, r.dave.credential()), r.carol)))
	bobs, daves := r.ask(r.bob, "r1"), r.ask(r.dave, "r2")
	one, two := r.unapproved(bobs, r.bob), r.unapproved(daves, r.dave)
	one.Approvals = append(one.Approvals, r.approve(bobs, r.dave, time.Hour))
	two.Approvals = append(two.Approvals, r.approve(daves, r.bob, time.Hour))
	r.let(time.Second)
	r.mustSign(one)
	r.let(time.Second)
	_, err := r.sign(two)
	refused(t, err, "evidence.policy")
	// What came first stays.
	_, err = r.signTarget("r1")
	must(t, err)
	r.audit()
}

// TestADelegationFallsWithItsPasskey: what a passkey that was taken away had signed counts no
// more, though its owner has another.
func TestADelegationFallsWithItsPasskey(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	stolen := *r.bob
	r.bob.passkey = newPerson(t, "spare", "Spare").passkey
	r.enrolBy(r.carol, r.bob, "leads")
	must(t, r.delegate(r.delegation(&stolen, r.dave, 24*time.Hour, "leads")))
	behalf := func(id string) error {
		request := r.wants(id, "db-read")
		b := r.unapproved(request, r.alice)
		b.Approvals = append(b.Approvals, r.approveFor(request, r.dave, r.bob, time.Hour))
		_, err := r.sign(b)
		return err
	}
	must(t, behalf("r1"))
	_, err := r.signer.removePasskey(t.Context(), wire.RemovePasskeyRequest{Credential: stolen.credential(), By: r.subject(r.carol)})
	must(t, err)
	refused(t, behalf("r2"), "evidence.approval-for-delegation")
	_, err = r.signTarget("r1")
	refused(t, err, "evidence.approval-for-delegation")
	r.shut()
	r.open()
	refused(t, behalf("r3"), "evidence.approval-for-delegation")
	r.audit()
}
