package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func people(t *testing.T, st *store.Store) {
	alice := evidencetest.Person("alice", "engineering")
	p := access.KnownPerson{Person: alice, Handle: []byte("handle-1"), FirstSeen: start, LastSeen: start}
	write(t, st, func(tx access.Tx) error { return tx.PutPerson(p) })
	later := access.KnownPerson{Person: alice, Handle: []byte("handle-2"), FirstSeen: start.Add(time.Hour), LastSeen: start.Add(time.Hour)}
	later.Person.Name, later.Person.Groups = "Alice B", nil
	write(t, st, func(tx access.Tx) error { return tx.PutPerson(later) })
	want := later
	want.Handle, want.FirstSeen = p.Handle, p.FirstSeen
	same(t, "person", want, read(t, st, func(r access.Reader) (access.KnownPerson, error) { return r.Person(alice.Subject) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error {
		_, err := r.Person(policies.Subject{Issuer: "x", Subject: "alice"})
		return err
	}))
}

func signIns(t *testing.T, st *store.Store) {
	s := access.SignIn{Token: [32]byte{1, 0, 255}, Kind: access.CommandLineSignIn, Person: evidencetest.Person("alice", "engineering"), Began: start, Ends: start.Add(time.Hour), LoginKey: "ssh-ed25519 AAAA", Confirmation: "con-1"}
	write(t, st, func(tx access.Tx) error { return tx.AddSignIn(s) })
	same(t, "sign-in", s, read(t, st, func(r access.Reader) (access.SignIn, error) { return r.SignIn(s.Token) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.SignIn([32]byte{1}); return err }))
	for _, want := range []bool{true, false} {
		write(t, st, func(tx access.Tx) error {
			got, err := tx.RemoveSignIn(s.Token)
			same(t, "removed", want, got)
			return err
		})
	}
}

func idTokens(t *testing.T, st *store.Store) {
	bind := func(key string) error {
		return st.Write(t.Context(), func(tx access.Tx) error { return tx.BindIDToken(access.IDToken{Digest: [32]byte{1}, Ends: start}, key) })
	}
	for range 2 {
		wantError(t, nil, bind("one"))
	}
	wantError(t, access.ErrRowExists, bind("other"))
	wantError(t, nil, st.Purge(t.Context(), start))
	wantError(t, access.ErrRowExists, bind("other")) // kept longer than the token, for clocks that differ
	wantError(t, nil, st.Purge(t.Context(), start.Add(time.Hour)))
	wantError(t, nil, bind("other"))
}

func passkeys(t *testing.T, st *store.Store) {
	bob := evidencetest.Person("bob")
	p := access.Passkey{Credential: "cred", Owner: bob.Subject, Name: "Laptop", Groups: []string{"sre-leads"}, Record: []byte(`{"a":"\u0000"}`), Created: start}
	second := p
	second.Credential, second.Created, second.Groups = "cred-2", start.Add(time.Second), nil
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddPasskey(second), tx.AddPasskey(p)) })
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddPasskey(p) }))
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.RenamePasskey("cred", "Phone"), tx.PasskeyUsed("cred", start.Add(time.Minute)), tx.PasskeyUsed("none", start))
	})
	p.Name, p.LastUsed = "Phone", start.Add(time.Minute)
	same(t, "passkey", p, read(t, st, func(r access.Reader) (access.Passkey, error) { return r.Passkey("cred") }))
	same(t, "passkeys", []access.Passkey{p, second}, read(t, st, func(r access.Reader) ([]access.Passkey, error) { return r.Passkeys(bob.Subject) }))
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.RenamePasskey("none", "x") }))
	write(t, st, func(tx access.Tx) error { return tx.RemovePasskey("cred") })
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Passkey("cred"); return err }))
}

func enrolments(t *testing.T, st *store.Store) {
	bob := evidencetest.Person("bob", "x")
	e := access.Enrolment{
		ID: "enr-1", Number: 5, State: access.NeedsPossession, Person: bob, Groups: []string{"a", "b"}, Passkey: "Laptop",
		Credential: "c", PublicKey: "k", AAGUID: "00", Statement: "text\n", Created: start, Expires: start.Add(time.Hour),
	}
	write(t, st, func(tx access.Tx) error { return tx.AddEnrolment(e) })
	proved := e
	proved.State, proved.Possession = access.NeedsAuthority, &evidence.Assertion{Credential: "c", Signature: "s"}
	write(t, st, func(tx access.Tx) error { return tx.MoveEnrolment(proved, access.NeedsPossession) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.MoveEnrolment(proved, access.NeedsPossession) }))
	same(t, "enrolment", proved, read(t, st, func(r access.Reader) (access.Enrolment, error) { return r.Enrolment("enr-1") }))
	for _, test := range []struct {
		query access.EnrolmentQuery
		want  int
	}{
		{access.EnrolmentQuery{Limit: 5}, 1}, {access.EnrolmentQuery{Limit: 5, Person: bob.Subject, States: []access.EnrolmentState{access.NeedsAuthority}}, 1},
		{access.EnrolmentQuery{Limit: 5, States: []access.EnrolmentState{access.NeedsPossession}}, 0},
		{access.EnrolmentQuery{Limit: 5, Person: evidencetest.Person("carol").Subject}, 0},
	} {
		got := read(t, st, func(r access.Reader) ([]access.Enrolment, error) { return r.Enrolments(test.query) })
		same(t, fmt.Sprintf("%+v", test.query), test.want, len(got))
	}
}

func confirmations(t *testing.T, st *store.Store) {
	c := access.Confirmation{Code: "con-1", Person: evidencetest.Person("alice"), LoginKey: "ssh-ed25519 AAAA", Requested: start, Expires: start.Add(time.Minute)}
	write(t, st, func(tx access.Tx) error { return tx.AddConfirmation(c) })
	same(t, "waiting", c, read(t, st, func(r access.Reader) (access.Confirmation, error) { return r.Confirmation("con-1") }))
	c.Signed = &evidence.SignedByPasskey{Statement: "text\n", Assertion: evidence.Assertion{Credential: "c"}}
	write(t, st, func(tx access.Tx) error { return tx.ConfirmLogin(c) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.ConfirmLogin(c) }))
	same(t, "confirmed", c, read(t, st, func(r access.Reader) (access.Confirmation, error) { return r.Confirmation("con-1") }))
}

func ceremonies(t *testing.T, st *store.Store) {
	c := store.Ceremony{Kind: "registration", ID: "one", Person: evidencetest.Person("alice").Subject, Data: []byte{0, 1, 255}, Expires: start.Add(time.Minute)}
	wantError(t, nil, st.PutCeremony(t.Context(), c))
	wantError(t, access.ErrRowExists, st.PutCeremony(t.Context(), c))
	_, err := st.TakeCeremony(t.Context(), "sign-in", "one", start)
	wantError(t, access.ErrNoRow, err)
	// Of many that take it at once, one gets it.
	var got sync.Map
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			taken, err := st.TakeCeremony(t.Context(), c.Kind, c.ID, start)
			if err == nil {
				got.Store(i, taken)
			} else if !errors.Is(err, access.ErrNoRow) {
				t.Errorf("taking: %v", err)
			}
		})
	}
	group.Wait()
	winners := 0
	got.Range(func(_, taken any) bool {
		winners++
		same(t, "ceremony", c, taken.(store.Ceremony))
		return true
	})
	same(t, "winners", 1, winners)
	wantError(t, nil, st.PutCeremony(t.Context(), c))
	_, err = st.TakeCeremony(t.Context(), c.Kind, c.ID, c.Expires)
	wantError(t, access.ErrNoRow, err)
}

func purge(t *testing.T, st *store.Store) {
	over, still := start, start.Add(time.Minute)
	wantError(t, nil, st.PutCeremony(t.Context(), store.Ceremony{Kind: "k", ID: "over", Expires: over}))
	wantError(t, nil, st.PutCeremony(t.Context(), store.Ceremony{Kind: "k", ID: "still", Expires: still}))
	in := func(n byte, ends time.Time) access.SignIn {
		return access.SignIn{Token: [32]byte{n}, Person: evidencetest.Person("alice"), Ends: ends}
	}
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddSignIn(in(1, over)), tx.AddSignIn(in(2, still))) })
	wantError(t, nil, st.Purge(t.Context(), start))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.SignIn([32]byte{1}); return err }))
	read(t, st, func(r access.Reader) (access.SignIn, error) { return r.SignIn([32]byte{2}) })
	wantError(t, nil, st.PutCeremony(t.Context(), store.Ceremony{Kind: "k", ID: "over", Expires: still}))
	_, err := st.TakeCeremony(t.Context(), "k", "still", start)
	wantError(t, nil, err)
}
