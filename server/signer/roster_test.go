package signer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

func (w *world) remove(p *person) (wire.Done, error) {
	return w.signer.removePasskey(context.Background(), wire.RemovePasskeyRequest{Credential: p.credential(), By: w.subject(w.alice)})
}

func (w *world) pin(e evidence.EnrolmentEvidence) (wire.EnrolResult, error) {
	return w.signer.pin(context.Background(), wire.EnrolRequest{Evidence: e})
}

// TestAnAuditorComesToTheSameBeliefs: whoever replays the ledger, and verifies what
// it holds on the way, believes what the signer does.
func TestAnAuditorComesToTheSameBeliefs(t *testing.T) {
	t.Parallel()
	w := lived(t)
	beliefs := newState(w.config).beliefs
	for index := range w.entries() {
		e, err := w.signer.book.settle(context.Background(), index)
		must(t, err)
		if err := beliefs.Check(e.entry); err != nil {
			t.Fatalf("entry %d: %v", index, err)
		}
		beliefs, err = beliefs.Apply(index, e.entry)
		must(t, err)
	}
	options := cmp.Options{cmpopts.IgnoreUnexported(evidence.Trust{}, evidence.Roster{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(w.beliefs().trust, beliefs.Trust(w.clock.Now()), options); diff != "" {
		t.Errorf("the signer believes otherwise:\n%s", diff)
	}
}

func TestWhoMayEnrolWhom(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	by := func(authority, who *person, groups ...string) error {
		_, err := w.pin(w.enrolledBy(authority, who, groups...))
		return err
	}
	own := func(authority, who *person, groups ...string) error {
		given := w.enrolledBy(authority, who, groups...)
		given.Own, given.Administrators = &given.Administrators[0], nil
		_, err := w.pin(given)
		return err
	}
	refused(t, by(w.bob, w.mallory, "leads"), "evidence.authority-administrator")
	refused(t, by(w.mallory, w.mallory, "leads"), "evidence.authority-passkey")
	refused(t, by(w.carol, w.bob, "leads"), "evidence.enrolment-known")
	refused(t, by(w.carol, newPerson(t, "carol", "Carol Clark"), "administrators"), "evidence.authority-self")
	refused(t, own(w.bob, newPerson(t, "bob", "Bob Brown"), "administrators", "leads"), "evidence.authority-own")
	refused(t, own(w.carol, newPerson(t, "carol", "Carol Clark"), "administrators"), "evidence.authority-own")
	must(t, own(w.bob, newPerson(t, "bob", "Bob Brown"), "leads"))

	// Without the new passkey's own signature.
	given := w.enrolledBy(w.carol, w.mallory, "leads")
	given.Possession = given.Administrators[0]
	if _, err := w.pin(given); err == nil {
		t.Error("pinned a passkey that nobody showed")
	}
	_, err := w.pin(evidence.EnrolmentEvidence{Statement: "not a statement"})
	refused(t, err, "evidence.enrolment")
	// By the ceremony's authority, which is not a caller's to give.
	_, err = w.pin(w.joining(w.mallory))
	refused(t, err, "evidence.authority-ceremony")

	// The requester's own, by the login key: pinned, and in no group.
	statement := w.enrolment(w.alice)
	signed := evidence.SignWithKey(statement, w.alice.login)
	got, err := w.pin(evidence.EnrolmentEvidence{
		Statement: statement, Possession: w.alice.sign(t, statement),
		Login: &evidence.LoginProof{Binding: *w.login(w.alice), Signature: signed.Signature},
	})
	must(t, err)
	if e := w.prove(got.Proof); e.Enrolment.Authority != evidence.AuthorityLogin {
		t.Errorf("authority %q", e.Enrolment.Authority)
	}
	request := w.ask(w.mallory, "r1")
	b := evidence.Bundle{
		Version: 1, Request: request, Approvals: []evidence.SignedByPasskey{w.approve(request, w.alice, time.Hour)},
		Login: w.login(w.mallory), Activation: w.activate(request, w.mallory, newKey(t)),
	}
	_, err = w.sign(b)
	refused(t, err, "evidence.policy") // alice's passkey approves nothing
}

func TestAnEnrolmentIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	given := w.enrolledBy(w.carol, w.mallory, "leads")
	first, err := w.pin(given)
	must(t, err)
	size := w.entries()
	w.shut()
	w.open()
	again, err := w.pin(given)
	must(t, err)
	if first.Proof.Entry != again.Proof.Entry || again.Person.Subject != w.subject(w.mallory) || w.entries() != size {
		t.Error("the same enrolment made another entry, or another answer")
	}
}

func TestRemovingPasskeys(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	b := w.bundle("r1", newKey(t))
	first, err := w.remove(w.bob)
	must(t, err)
	second, err := w.remove(w.bob)
	must(t, err)
	if first.Proof.Entry != second.Proof.Entry {
		t.Error("the second removal made an entry")
	}
	_, err = w.sign(b)
	refused(t, err, "evidence.approval-passkey")
	_, err = w.remove(w.mallory)
	refused(t, err, "no-such-passkey")

	// The last administrator's last passkey stays.
	_, err = w.remove(w.carol)
	refused(t, err, "evidence.quorum-left")
	dave := newPerson(t, "dave", "Dave Dunn")
	w.enrolBy(w.carol, dave, "administrators")
	_, err = w.remove(w.carol)
	must(t, err)
	_, err = w.remove(dave)
	refused(t, err, "evidence.quorum-left")
	// A removed passkey allows nothing, and does not come back.
	_, err = w.pin(w.enrolledBy(w.carol, w.mallory, "leads"))
	refused(t, err, "evidence.authority-passkey")
	_, err = w.pin(w.enrolledBy(dave, w.bob, "leads"))
	refused(t, err, "evidence.enrolment-known")
}

func TestSuspending(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	_, err := w.signTarget("r1")
	must(t, err)
	pending := w.bundle("r2", newKey(t))

	// An approver: their passkey signs nothing, and what stood on it opens no
	// further connection.
	w.clock.add(time.Second)
	first, err := w.suspend(w.bob)
	must(t, err)
	if e := w.prove(first.Proof); e.Suspension == nil || e.Suspension.Person != w.subject(w.bob) || e.Suspension.By != w.subject(w.bob) {
		t.Errorf("entry %+v", e)
	}
	again, err := w.suspend(w.bob)
	must(t, err)
	if first.Proof.Entry != again.Proof.Entry {
		t.Error("the second suspension made an entry")
	}
	_, err = w.sign(pending)
	refused(t, err, "evidence.approval-suspended")
	_, err = w.signTarget("r1")
	refused(t, err, "evidence.approval-suspended")
	_, err = w.pin(w.enrolledBy(w.carol, newPerson(t, "bob", "Bob Brown"), "leads"))
	refused(t, err, "evidence.enrolment-suspended")

	// The quorum lifts it; nobody else.
	lift := w.standing(evidence.ChangeUnsuspend, w.bob, []string{"leads"})
	_, err = w.change(lift)
	refused(t, err, "evidence.authority-quorum")
	_, err = w.change(lift, w.bob)
	refused(t, err, "evidence.authority-suspended")
	_, err = w.change(lift, w.carol)
	must(t, err)
	w.mustSign(pending)
	_, err = w.signTarget("r1")
	must(t, err)

	// A requester, whom the roster does not know: nothing is signed for them, for
	// what is live neither, and now and after a restart.
	_, err = w.suspend(w.alice)
	must(t, err)
	for range 2 {
		_, err = w.sign(w.bundle("r3", newKey(t)))
		refused(t, err, "evidence.requester-suspended")
		_, err = w.signTarget("r1")
		refused(t, err, "evidence.requester-suspended")
		w.shut()
		w.open()
	}
	// An administrator too few.
	_, err = w.suspend(w.carol)
	refused(t, err, "evidence.quorum-left")
	_, err = w.change(w.standing(evidence.ChangeSuspend, w.carol, []string{"administrators"}), w.carol)
	refused(t, err, "evidence.authority-self")
	dave := newPerson(t, "dave", "Dave Dunn")
	w.enrolBy(w.carol, dave, "administrators")
	_, err = w.suspend(w.carol)
	must(t, err)
	_, err = w.pin(w.enrolledBy(w.carol, w.mallory, "leads"))
	refused(t, err, "evidence.authority-suspended")
}

// TestSuspendingHasABound: people whom nobody knows cannot fill the roster.
func TestSuspendingHasABound(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.signer.strangers = newLimiter(2, 0)
	for i, code := range []string{"", "", "rate-limited"} {
		_, err := w.suspend(newPerson(t, fmt.Sprintf("stranger-%d", i), "Stranger"))
		if code == "" {
			must(t, err)
		} else {
			refused(t, err, code)
		}
	}
	_, err := w.suspend(w.bob)
	must(t, err)
}

// TestTakingAwayDuringAVerification: a passkey that leaves the roster while a
// verification that stands on it is under way counts for nothing any more.
func TestTakingAwayDuringAVerification(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(w *world) func() (int64, error){
		"session": func(w *world) func() (int64, error) {
			must(w.t, w.signer.needKeys(context.Background(), ""))
			b := w.bundle("r1", newKey(t))
			return func() (int64, error) {
				got, err := w.sign(b)
				return got.Proof.Inclusion.Index, err
			}
		},
		"target": func(w *world) func() (int64, error) {
			w.mustSign(w.bundle("r1", newKey(t)))
			return func() (int64, error) {
				got, err := w.signTarget("r1")
				if err != nil {
					return 0, err
				}
				return int64(parse(w.t, got.Certificate).Serial) - 1, nil
			}
		},
		"enrolment": func(w *world) func() (int64, error) {
			dave := newPerson(w.t, "dave", "Dave Dunn")
			w.enrolBy(w.carol, dave, "administrators")
			w.bob = dave // the passkey that leaves is dave's
			given := w.enrolledBy(dave, w.mallory, "leads")
			return func() (int64, error) {
				w.clock.Now() // the other two look at the clock once more, for their limits
				got, err := w.pin(given)
				return got.Proof.Inclusion.Index, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusals := 0
			for tries := 0; refusals < 3 && tries < 300; tries++ {
				w := openWorld(t)
				act := give(w)
				var removed wire.Done
				var removeErr error
				done := w.clock.atLook(2, func() {
					removed, removeErr = w.signer.removePasskey(context.Background(), wire.RemovePasskeyRequest{Credential: w.bob.credential()})
				})
				index, err := act()
				<-done
				must(t, removeErr)
				if err != nil {
					refusals++
				} else if index > removed.Proof.Inclusion.Index {
					t.Fatalf("entry %d stands on a passkey that entry %d had removed", index, removed.Proof.Inclusion.Index)
				}
			}
			if refusals == 0 {
				t.Error("the removal never came in between; this proves nothing")
			}
		})
	}
}
