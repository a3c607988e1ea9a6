package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func changes(t *testing.T, st *store.Store) {
	dana := evidencetest.Person("dana", "administrators")
	c := access.Change{
		ID: "chg-1", Number: 5, Kind: access.PolicyChange, State: access.ChangePending, Statement: "text\n", Reason: "why", Proposer: dana,
		Created: start, Expires: start.Add(time.Hour), Before: map[string]string{"a.yaml": "x"}, After: map[string]string{},
	}
	other := access.Change{ID: "chg-2", Number: 6, Kind: access.RosterChange, State: access.ChangePending, Proposer: dana, Created: start, Expires: start}
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddChange(c), tx.AddChange(other)) })
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddChange(c) }))
	moved := c
	moved.State, moved.Ended, moved.EndedBy, moved.EndReason = access.ChangeRejected, start.Add(time.Minute), dana, "no"
	write(t, st, func(tx access.Tx) error { return tx.MoveChange(moved, access.ChangePending) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.MoveChange(moved, access.ChangePending) }))
	same(t, "change", moved, read(t, st, func(r access.Reader) (access.Change, error) { return r.Change("chg-1") }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Change("chg-9"); return err }))
	listed := moved
	listed.Before, listed.After = nil, nil
	for _, test := range []struct {
		query access.ChangeQuery
		want  []access.Change
	}{
		{access.ChangeQuery{Limit: 5}, []access.Change{other, listed}}, {access.ChangeQuery{Limit: 1}, []access.Change{other}},
		{access.ChangeQuery{Limit: 5, Before: 6}, []access.Change{listed}},
		{access.ChangeQuery{Limit: 5, States: []access.ChangeState{access.ChangePending}}, []access.Change{other}},
	} {
		same(t, fmt.Sprintf("%+v", test.query), test.want, read(t, st, func(r access.Reader) ([]access.Change, error) { return r.Changes(test.query) }))
	}
}

func signatures(t *testing.T, st *store.Store) {
	s := access.Signature{
		Of: "chg-1", Signer: evidencetest.Person("dana", "administrators"), Assertion: evidence.Assertion{Credential: "c", Signature: "s"},
		Signed: start.Add(time.Second), PasskeyName: "Phone",
	}
	earlier := s
	earlier.Signer, earlier.Signed = evidencetest.Person("frank"), start
	elsewhere := s
	elsewhere.Of = "enr-1"
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.PutSignature(s), tx.PutSignature(earlier), tx.PutSignature(elsewhere))
	})
	s.Assertion.Credential, s.Signed = "d", start.Add(time.Minute)
	write(t, st, func(tx access.Tx) error { return tx.PutSignature(s) })
	same(t, "signatures", []access.Signature{earlier, s}, read(t, st, func(r access.Reader) ([]access.Signature, error) { return r.Signatures("chg-1") }))
}

func suspensions(t *testing.T, st *store.Store) {
	bob := evidencetest.Person("bob", "x")
	s := access.Suspension{Person: bob, By: evidencetest.Person("dana"), Reason: "gone", At: start, Attempts: 2, Next: start.Add(time.Second)}
	write(t, st, func(tx access.Tx) error { return tx.PutSuspension(s) })
	due := func(now time.Time) []access.Suspension {
		return read(t, st, func(r access.Reader) ([]access.Suspension, error) { return r.Suspensions(now, 10) })
	}
	same(t, "not due", 0, len(due(start)))
	same(t, "due", []access.Suspension{s}, due(start.Add(time.Second)))
	s.Next, s.At = time.Time{}, start.Add(time.Hour)
	write(t, st, func(tx access.Tx) error { return tx.PutSuspension(s) })
	same(t, "settled", 0, len(due(start.Add(time.Hour))))
	same(t, "suspension", s, read(t, st, func(r access.Reader) (access.Suspension, error) { return r.Suspension(bob.Subject) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error {
		_, err := r.Suspension(policies.Subject{Issuer: "x", Subject: "bob"})
		return err
	}))
}

func peopleLists(t *testing.T, st *store.Store) {
	var all []access.KnownPerson
	for i, name := range []string{"alice", "bob", "carol"} {
		p := access.KnownPerson{Person: evidencetest.Person(name), Handle: []byte{byte(i)}, FirstSeen: start, LastSeen: start}
		all = append(all, p)
		write(t, st, func(tx access.Tx) error { return tx.PutPerson(p) })
	}
	for _, test := range []struct {
		query access.PeopleQuery
		want  []access.KnownPerson
	}{
		{access.PeopleQuery{Limit: 5}, all}, {access.PeopleQuery{Limit: 2}, all[:2]},
		{access.PeopleQuery{Limit: 2, After: all[1].Person.Subject}, all[2:]},
		{access.PeopleQuery{Limit: 5, Person: all[1].Person.Subject.Subject}, all[1:2]},
		{access.PeopleQuery{Limit: 5, Person: "BOB@EXAMPLE.COM"}, all[1:2]},
		{access.PeopleQuery{Limit: 5, Person: "nobody"}, all[:0]},
	} {
		same(t, fmt.Sprintf("%+v", test.query), test.want, read(t, st, func(r access.Reader) ([]access.KnownPerson, error) { return r.People(test.query) }))
	}
}

func openRequests(t *testing.T, st *store.Store) {
	alice := evidencetest.Person("alice")
	pending, ended := sample(1), sample(2)
	ended.State, ended.EndReason = access.Ended, access.EndDropped
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddRequest(pending), tx.AddRequest(ended)) })
	for _, test := range []struct {
		of   policies.Person
		want int
	}{{policies.Person{Subject: alice.Subject}, 1}, {policies.Person{Subject: policies.Subject{Issuer: "x", Subject: "y"}}, 0},
		{policies.Person{Subject: policies.Subject{Issuer: "x", Subject: "y"}, Email: alice.Email}, 1}} {
		got := read(t, st, func(r access.Reader) ([]access.Request, error) { return r.OpenRequests([]policies.Person{test.of}) })
		same(t, fmt.Sprint(test.of), test.want, len(got))
	}
}
