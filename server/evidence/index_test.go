package evidence_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// crowd is a full history with so many more people in the roster, and a session that
// was issued in it.
func crowd(t testing.TB, h *history, people int) (evidence.Beliefs, evidence.SessionEntry) {
	t.Helper()
	beliefs, index := h.beliefs, int64(len(h.entries))
	for i := range people {
		p := evidencetest.Person(fmt.Sprintf("crowd-%d", i), "sre-leads")
		statement := h.Enrolment(p, h.Bob.Passkey, "sre-leads")
		statement.Credential = fmt.Sprintf("AAAAAAAA%08d", i)
		next, err := beliefs.Apply(index, evidence.Entry{Time: h.Now, Believed: beliefs.Latest(), Enrolment: &evidence.EnrolmentEntry{
			Evidence: evidence.EnrolmentEvidence{Statement: evidencetest.Text(t, statement)}, Authority: evidence.AuthorityAdministrators,
		}})
		if err != nil {
			t.Fatal(err)
		}
		beliefs, index = next, index+1
	}
	return beliefs, evidence.SessionEntry{Bundle: h.Bundle(t), Circumstances: evidence.Circumstances{Now: h.Now, Held: []policies.Held{}}}
}

// TestAVerificationDoesNotGrowWithPeople: it allocates as much for hundreds of people as
// for a few, at issue and for every connection afterwards.
func TestAVerificationDoesNotGrowWithPeople(t *testing.T) {
	h := full(t)
	h.Request.Ask = policies.Ask{Role: "key-management", Target: "keys-1", Login: "app", Duration: time.Hour}
	h.Approvers = []*evidencetest.Member{h.Bob}
	h.Trust = h.beliefs.Trust(h.Now)
	counted := func(people int) (issue, connect float64) {
		beliefs, entry := crowd(t, h, people)
		later := entry.Circumstances
		later.Now = later.Now.Add(time.Minute)
		issue = testing.AllocsPerRun(20, func() {
			if _, err := evidence.Verify(entry.Bundle, beliefs.Trust(h.Now), entry.Circumstances); err != nil {
				t.Fatal(err)
			}
		})
		connect = testing.AllocsPerRun(20, func() {
			if _, err := beliefs.VerifyAnew(entry, later); err != nil {
				t.Fatal(err)
			}
		})
		return issue, connect
	}
	issueFew, connectFew := counted(5)
	issueMany, connectMany := counted(200)
	if issueMany > issueFew+20 || connectMany > connectFew+20 {
		t.Errorf("with many people an issue allocates %v times, not %v, and a connection %v times, not %v", issueMany, issueFew, connectMany, connectFew)
	}
}

// TestAnIndexChangesNothing: whoever is found, and known at a time, is so without it.
func TestAnIndexChangesNothing(t *testing.T) {
	t.Parallel()
	w := evidencetest.NewWorld(t)
	gone, joined := w.Now.Add(-time.Hour), w.Now.Add(time.Hour)
	w.Member("bob").Deleted = &gone
	w.Member("carol").Passkeys[0].Enrolled = joined
	plain := w.Trust.Roster
	index := plain.Indexed()
	for _, at := range []time.Time{gone.Add(-time.Minute), w.Now, joined, joined.Add(time.Hour)} {
		if got, want := index.Known(at).All(), plain.Known(at).All(); !reflect.DeepEqual(got, want) {
			t.Errorf("at %s it knows %v, not %v", at, got, want)
		}
	}
	for _, p := range append(plain.People, evidence.RosterPerson{Person: evidencetest.Person("nobody")}) {
		got, found := index.Find(p.Person.Subject)
		want, is := plain.Find(p.Person.Subject)
		if found != is || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, not %v", p.Person.Name, got, want)
		}
	}
}
