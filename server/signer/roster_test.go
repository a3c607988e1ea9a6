package signer

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

func (w *world) pin(e evidence.EnrolmentEvidence) (wire.EnrolResult, error) {
	return w.signer.pin(context.Background(), wire.EnrolRequest{Evidence: e})
}

func (w *world) bootstrapOpen() bool {
	w.t.Helper()
	trust, err := w.signer.trust(context.Background())
	must(w.t, err)
	return trust.BootstrapOpen
}

func TestBootstrapWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open()
	defer w.shut()
	if !w.bootstrapOpen() {
		t.Error("the code is not open")
	}
	statement := w.enrolment(w.carol, "administrators")
	_, err := w.pin(w.byCode(statement, w.carol, "admin", "ABCDE-FGHIJ-KLMNO-PQRST-UVWXYZ-7777"))
	refused(t, err, "evidence.authority-code")
	_, err = w.pin(w.byCode(w.enrolment(w.carol, "wheel"), w.carol, "admin", adminCode))
	refused(t, err, "evidence.authority-code-groups")
	if !w.bootstrapOpen() {
		t.Error("a refused enrolment used the code up")
	}

	given := w.byCode(statement, w.carol, "admin", adminCode)
	got, err := w.pin(given)
	must(t, err)
	if got.Person.Subject != w.subject(w.carol) || !slices.Equal(got.Person.Groups, []string{"administrators"}) {
		t.Errorf("enrolled %+v", got.Person)
	}
	entry := w.prove(got.Proof)
	if entry.Enrolment == nil || entry.Enrolment.Authority != "bootstrap:admin" || entry.Enrolment.By != w.subject(w.carol) {
		t.Errorf("entry %+v", entry.Enrolment)
	}
	if w.bootstrapOpen() {
		t.Error("the code is still open")
	}
	// The answer was lost and the call made again.
	again, err := w.pin(given)
	must(t, err)
	if again.Proof.Entry != got.Proof.Entry {
		t.Error("the same enrolment made another entry")
	}
	// The code is used, now and after a restart, and even if the file says otherwise.
	for range 2 {
		_, err = w.pin(w.byCode(w.enrolment(w.bob, "leads"), w.bob, "admin", adminCode))
		refused(t, err, "evidence.authority-code")
		w.shut()
		w.open()
	}
	must(t, os.Remove(w.config.Bootstrap))
	w.enrolBy(w.carol, w.bob, "leads")
	w.shut()
	w.open()
	if w.bootstrapOpen() {
		t.Error("a file that is gone has an open code")
	}
}

func TestTheFoldIsWhatEvidenceSays(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	var roster evidence.Roster
	trust := w.signer.believe().trust
	for index := range w.entries() {
		e, err := w.signer.book.settle(context.Background(), index)
		must(t, err)
		if e.entry.Enrolment == nil {
			continue
		}
		trust.Roster = roster
		verified, err := evidence.VerifyEnrolment(e.entry.Enrolment.Evidence, trust, e.entry.Time,
			func(string) ([]byte, []string, bool) {
				return evidence.BootstrapSecret(adminCode), []string{"administrators", "leads"}, true
			})
		must(t, err)
		roster = roster.Enrol(verified.Enrolment(), e.entry.Time)
	}
	if diff := cmp.Diff(roster, w.signer.believe().trust.Roster); diff != "" || len(roster.People) != 2 {
		t.Errorf("the state's roster is another than package evidence makes of the same entries:\n%s", diff)
	}
}

func TestWhoMayEnrolWhom(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	by := func(authority, who *person, groups ...string) error {
		statement := w.enrolment(who, groups...)
		assertion := authority.sign(t, statement)
		_, err := w.pin(evidence.EnrolmentEvidence{Statement: statement, Possession: who.sign(t, statement), Passkey: &assertion})
		return err
	}
	refused(t, by(w.bob, w.mallory, "leads"), "evidence.authority-administrator")
	refused(t, by(w.mallory, w.mallory, "leads"), "evidence.authority-passkey")
	refused(t, by(w.carol, w.bob, "leads"), "evidence.enrolment-known")
	refused(t, by(w.bob, newPerson(t, "bob", "Bob Brown"), "administrators", "leads"), "evidence.authority-own")

	// Without the new passkey's own signature.
	statement := w.enrolment(w.mallory, "leads")
	assertion := w.carol.sign(t, statement)
	_, err := w.pin(evidence.EnrolmentEvidence{Statement: statement, Possession: assertion, Passkey: &assertion})
	if err == nil {
		t.Error("pinned a passkey that nobody showed")
	}
	_, err = w.pin(evidence.EnrolmentEvidence{Statement: "not a statement"})
	refused(t, err, "evidence.enrolment")

	// The requester's own, by the login key: pinned, and in no group.
	statement = w.enrolment(w.alice)
	signed := evidence.SignWithKey(statement, w.alice.login)
	given := evidence.EnrolmentEvidence{
		Statement: statement, Possession: w.alice.sign(t, statement),
		Login: &evidence.LoginProof{Binding: *w.login(w.alice), Signature: signed.Signature},
	}
	got, err := w.pin(given)
	must(t, err)
	if e := w.prove(got.Proof); e.Enrolment.Authority != "login" {
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

func TestRemovingPasskeys(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ctx := context.Background()
	remove := func(p *person) (wire.Done, error) {
		return w.signer.removePasskey(ctx, wire.RemovePasskeyRequest{Credential: p.credential(), By: w.subject(w.alice)})
	}
	b := w.bundle("r1", newKey(t))
	first, err := remove(w.bob)
	must(t, err)
	second, err := remove(w.bob)
	must(t, err)
	if first.Proof.Entry != second.Proof.Entry {
		t.Error("the second removal made an entry")
	}
	_, err = w.sign(b)
	refused(t, err, "evidence.approval-passkey")
	_, err = remove(w.mallory)
	refused(t, err, "no-such-passkey")

	// The last administrator's last passkey stays.
	_, err = remove(w.carol)
	refused(t, err, "last-administrator")
	spare := newPerson(t, "dave", "Dave Dunn")
	w.enrolBy(w.carol, spare, "administrators")
	_, err = remove(w.carol)
	must(t, err)
	_, err = remove(spare)
	refused(t, err, "last-administrator")
	// A removed passkey allows nothing.
	statement := w.enrolment(w.mallory, "leads")
	assertion := w.carol.sign(t, statement)
	_, err = w.pin(evidence.EnrolmentEvidence{Statement: statement, Possession: w.mallory.sign(t, statement), Passkey: &assertion})
	refused(t, err, "evidence.authority-passkey")
	// Nor does it come back.
	_, err = w.pin(evidence.EnrolmentEvidence{})
	if err == nil {
		t.Error("pinned nothing")
	}
	statement = w.enrolment(w.bob, "leads")
	assertion = spare.sign(t, statement)
	_, err = w.pin(evidence.EnrolmentEvidence{Statement: statement, Possession: w.bob.sign(t, statement), Passkey: &assertion})
	refused(t, err, "evidence.enrolment-known")
}

// TestAnEnrolmentCannotTakeTheLastAdministratorAway: the statement of groups is
// what somebody is in from then on.
func TestAnEnrolmentCannotTakeTheLastAdministratorAway(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	again := newPerson(t, "carol", "Carol Clark")
	statement := w.enrolment(again)
	assertion := w.carol.sign(t, statement)
	_, err := w.pin(evidence.EnrolmentEvidence{Statement: statement, Possession: again.sign(t, statement), Passkey: &assertion})
	refused(t, err, "evidence.authority-own")
	// A second code would do it by the rules of evidence.
	codes, err := json.Marshal([]bootstrapCode{{"spare", adminCode, []string{"administrators", "leads"}}})
	must(t, err)
	write(t, w.config.Bootstrap, string(codes))
	_, err = w.pin(w.byCode(w.enrolment(again, "leads"), again, "spare", adminCode))
	refused(t, err, "last-administrator")
	_, err = w.pin(w.byCode(w.enrolment(again, "administrators", "leads"), again, "spare", adminCode))
	must(t, err)
	if n := administrators(w.signer.believe().trust.Roster, w.clock.Now()); n != 1 {
		t.Errorf("%d administrators", n)
	}
}

func TestTheFileOfCodes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not JSON":      "code: x",
		"unknown field": `[{"id":"a","code":"` + adminCode + `","groups":[],"life":"1h"}]`,
		"short":         `[{"id":"a","code":"ABCDE-FGHIJ","groups":[]}]`,
		"twice":         `[{"id":"a","code":"` + adminCode + `","groups":[]},{"id":"a","code":"` + adminCode + `","groups":[]}]`,
		"no id":         `[{"id":"","code":"` + adminCode + `","groups":[]}]`,
		"two values":    `[] []`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			write(t, w.config.Bootstrap, text)
			if codes, err := (bootstrap{w.config.Bootstrap}).codes(); err == nil {
				t.Errorf("read %+v", codes)
			} else if strings.Contains(err.Error(), adminCode) {
				t.Errorf("the error shows a code: %v", err)
			}
		})
	}
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
			statement := w.enrolment(w.mallory, "leads")
			assertion := w.bob.sign(w.t, statement)
			given := evidence.EnrolmentEvidence{Statement: statement, Possession: w.mallory.sign(w.t, statement), Passkey: &assertion}
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
