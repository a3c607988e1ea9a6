package signer

import (
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

func TestHistoryKeepsDutiesApart(t *testing.T) {
	t.Parallel()
	r := newRuled(t)
	r.mustSign(r.unapproved(r.wants("r1", "keys"), r.alice))
	r.endRequest("r1")
	r.let(29 * 24 * time.Hour)
	data := func(id string, p *person) (wire.SessionCertificate, error) {
		return r.sign(r.unapproved(r.ask(p, id, func(q *evidence.Request) { q.Ask.Role = "data" }), p))
	}
	_, err := data("r2", r.alice)
	refused(t, err, "evidence.policy")
	// Neither another account of hers, nor a restart, makes the signer forget.
	second := r.secondAccount()
	second.groups = []string{"engineering"}
	_, err = data("r3", second)
	refused(t, err, "evidence.policy")
	r.shut()
	r.open()
	_, err = data("r4", r.alice)
	refused(t, err, "evidence.policy")
	if c, err := data("r5", r.dave); err != nil || len(r.noted(c).Circumstances.History.Grants) != 0 {
		t.Errorf("Dave, who had nothing, is refused: %v", err)
	}
	r.let(2 * 24 * time.Hour)
	c, err := data("r6", r.alice)
	must(t, err)
	if len(r.noted(c).Circumstances.History.Grants) != 0 {
		t.Error("the entry holds more of the past than the rule looks at")
	}
	r.audit()
}

// TestApprovalsAreNotExchanged: whoever approved for somebody is not approved by them.
func TestApprovalsAreNotExchanged(t *testing.T) {
	t.Parallel()
	r := newRuled(t, "independence: {reciprocalDays: 10}\n")
	r.enrolBy(r.carol, r.mallory, "leads")
	r.mustSign(r.bundle("r1", newKey(t))) // by Bob, for Alice
	must(t, failure(r.change(r.standing(evidence.ChangeGroups, r.dave, []string{"leads"}, r.dave.credential()), r.carol)))
	// Dave approves for Bob; then Bob may not for Dave.
	request := r.ask(r.bob, "r2")
	b := r.unapproved(request, r.bob)
	b.Approvals = append(b.Approvals, r.approve(request, r.dave, time.Hour))
	r.mustSign(b)
	back := r.ask(r.dave, "r3")
	b = r.unapproved(back, r.dave)
	b.Approvals = append(b.Approvals, r.approve(back, r.bob, time.Hour))
	_, err := r.sign(b)
	refused(t, err, "evidence.policy")
	// Nor by way of somebody to whom he delegates.
	must(t, r.delegate(r.delegation(r.bob, r.walter, time.Hour, "leads")))
	b.Approvals = []evidence.SignedByPasskey{r.approveFor(back, r.walter, r.bob, time.Hour)}
	_, err = r.sign(b)
	refused(t, err, "evidence.policy")
	b.Approvals = append(b.Approvals, r.approve(back, r.mallory, time.Hour))
	r.mustSign(b)
	r.let(10*24*time.Hour + time.Hour)
	again := r.ask(r.dave, "r4")
	b = r.unapproved(again, r.dave)
	b.Approvals = append(b.Approvals, r.approve(again, r.bob, time.Hour))
	r.mustSign(b)
	r.audit()
}

// TestWhoeverChangedThePolicyIsNotItsOnlyApprover: the signer takes who that was from its
// own ledger.
func TestWhoeverChangedThePolicyIsNotItsOnlyApprover(t *testing.T) {
	t.Parallel()
	r := newRuled(t, "independence: {policyChangeDays: 7}\n")
	// Mallory is an administrator and a lead.
	r.enrolBy(r.carol, r.mallory, "administrators", "leads")
	r.enforceBy(r.mallory, "roles.yaml", strings.Replace(ruledText, "name: db-read\ndescription: Read production databases", "name: db-read\ndescription: Read", 1))
	by := func(id string, p *person, role string) error {
		request := r.wants(id, role)
		b := r.unapproved(request, r.alice)
		b.Approvals = append(b.Approvals, r.approve(request, p, time.Hour))
		_, err := r.sign(b)
		return err
	}
	must(t, by("r1", r.mallory, "db-read")) // a description is no rule
	r.let(time.Second)
	r.enforceBy(r.mallory, "roles.yaml", strings.Replace(ruledText, "longest: 4h}\nreason: required", "longest: 5h}\nreason: required", 1))
	refused(t, by("r2", r.mallory, "db-read"), "evidence.policy")
	must(t, by("r3", r.bob, "db-read"))
	must(t, by("r4", r.mallory, "lazy")) // which that change left alone
	_, err := r.signTarget("r1")
	must(t, err) // it was given before
	r.shut()
	r.open()
	refused(t, by("r5", r.mallory, "db-read"), "evidence.policy")
	r.let(7*24*time.Hour + time.Minute)
	must(t, by("r6", r.mallory, "db-read"))
	r.audit()
}
