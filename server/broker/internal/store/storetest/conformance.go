package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/ledger"
)

var start = time.Date(2026, 3, 4, 5, 10, 0, 123456000, time.UTC)

// Conformance tests what every database has to do for the flow.
func Conformance(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *store.Store)
	}{
		{"requests", requests}, {"a request moves once", requestMoves}, {"requests are listed", requestLists},
		{"live grants", liveGrants}, {"due requests", dueRequests}, {"approvals", approvals}, {"certificates", certificates},
		{"challenges", challenges}, {"endings", endings}, {"sessions", sessions}, {"sessions are listed", sessionLists}, {"keeping recordings", keeping},
		{"leases", leases}, {"seals", seals}, {"people", people}, {"sign-ins", signIns}, {"ID tokens", idTokens}, {"passkeys", passkeys},
		{"enrolments", enrolments}, {"confirmations", confirmations}, {"ceremonies", ceremonies},
		{"changes", changes}, {"signatures", signatures}, {"suspensions", suspensions}, {"people are listed", peopleLists}, {"open requests", openRequests}, {"devices", devices}, {"bindings to Fleet", fleetBindings}, {"what was lived through", history}, {"refused asks", refusals},
		{"the audit log", auditLog}, {"writers together", writers}, {"rollback", rollback}, {"snapshots", snapshots},
		{"purge", purge}, {"given up meanwhile", givenUp},
		{"mirrored ledgers", mirrors}, {"what a monitor goes through", monitored}, {"alarms", alarms},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// givenUp has whoever asked leave in the middle: that is what the error says.
func givenUp(t *testing.T, st *store.Store) {
	for name, begin := range map[string]func(context.Context, func(access.Reader) error) error{
		"reading": st.Read,
		"writing": func(ctx context.Context, fn func(access.Reader) error) error {
			return st.Write(ctx, func(tx access.Tx) error { return fn(tx) })
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		err := begin(ctx, func(r access.Reader) error {
			leave()
			for {
				if _, err := r.Request("req-none"); !errors.Is(err, access.ErrNoRow) {
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t testing.TB, st *store.Store, fn func(access.Tx) error) {
	t.Helper()
	if err := st.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func read[T any](t testing.TB, st *store.Store, fn func(access.Reader) (T, error)) T {
	t.Helper()
	var got T
	err := st.Read(t.Context(), func(r access.Reader) (err error) {
		got, err = fn(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantError(t testing.TB, want, got error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func same[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// sample is a request with every field set.
func sample(number int64) access.Request {
	alice := evidencetest.Person("alice", "engineering")
	return access.Request{
		ID: fmt.Sprintf("req-%010d", number), Number: number, State: access.Pending, Requester: alice,
		Revision: access.Revision{
			Number: 1, Ask: Ask(), Statement: "stint request 1\nreason \"ünï\"\n", Digest: "sha256:00",
			Asked: start, Expires: start.Add(time.Hour),
		},
		Decision: policies.Decision{
			Outcome: policies.NeedsApproval, Digest: "sha256:01", Duration: time.Hour,
			Stages:  []policies.StageResult{{Name: "lead", Groups: []string{"sre-leads"}, Count: 1, Given: []policies.Subject{alice.Subject}}},
			Reasons: []policies.Reason{{Rule: "role", Met: true, Text: "yes"}},
		},
	}
}

func live(r access.Request, state access.State, ends time.Time) access.Request {
	r.State, r.Begins, r.Ends = state, ends.Add(-time.Hour), ends
	return r
}

func requests(t *testing.T, st *store.Store) {
	want := sample(7)
	write(t, st, func(tx access.Tx) error { return tx.AddRequest(want) })
	same(t, "request", want, read(t, st, func(r access.Reader) (access.Request, error) { return r.Request(want.ID) }))
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddRequest(want) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Request("req-none"); return err }))
	got := read(t, st, func(r access.Reader) ([]access.Request, error) { return r.RequestsByID([]string{"req-none", want.ID}) })
	same(t, "by id", []access.Request{want}, got)
	same(t, "by no id", 0, len(read(t, st, func(r access.Reader) ([]access.Request, error) { return r.RequestsByID(nil) })))
}

func requestMoves(t *testing.T, st *store.Store) {
	q := sample(0)
	write(t, st, func(tx access.Tx) error { return tx.AddRequest(q) })
	approved := live(q, access.Approved, start.Add(time.Hour))
	approved.Decision.Outcome = policies.Allowed
	write(t, st, func(tx access.Tx) error { return tx.MoveRequest(approved, access.Pending) })
	same(t, "approved", approved, read(t, st, func(r access.Reader) (access.Request, error) { return r.Request(q.ID) }))
	// The same step again, a step from a state that it is not in, and another revision: all lose.
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.MoveRequest(approved, access.Pending) }))
	other := approved
	other.Revision.Number = 2
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.MoveRequest(other, access.Approved) }))
	ended := approved
	ended.State, ended.EndReason, ended.EndedAt, ended.EndedBy = access.Ended, access.EndRevoked, start.Add(time.Minute), evidencetest.Person("bob")
	write(t, st, func(tx access.Tx) error { return tx.MoveRequest(ended, access.Approved) })
	same(t, "ended", ended, read(t, st, func(r access.Reader) (access.Request, error) { return r.Request(q.ID) }))
}

func requestLists(t *testing.T, st *store.Store) {
	bob := evidencetest.Person("bob")
	write(t, st, func(tx access.Tx) error {
		for n := range int64(9) {
			q := sample(n)
			if n%3 == 0 {
				q.Requester = bob
			}
			if n%2 == 0 {
				q.State = access.Denied
			}
			if err := tx.AddRequest(q); err != nil {
				return err
			}
		}
		return nil
	})
	for _, test := range []struct {
		query access.RequestQuery
		want  []int64
	}{
		{access.RequestQuery{Limit: 4}, []int64{8, 7, 6, 5}},
		{access.RequestQuery{Limit: 4, Before: 5}, []int64{4, 3, 2, 1}},
		{access.RequestQuery{Limit: 4, Before: 1}, []int64{0}},
		{access.RequestQuery{Limit: 9, Requester: bob.Subject}, []int64{6, 3, 0}},
		{access.RequestQuery{Limit: 9, Requester: bob.Subject, States: []access.State{access.Pending}}, []int64{3}},
		{access.RequestQuery{Limit: 9, States: []access.State{access.Pending, access.Denied}, Before: 2}, []int64{1, 0}},
		{access.RequestQuery{Limit: 9, Requester: evidencetest.Person("nobody").Subject}, nil},
	} {
		var got []int64
		for _, q := range read(t, st, func(r access.Reader) ([]access.Request, error) { return r.Requests(test.query) }) {
			got = append(got, q.Number)
		}
		same(t, fmt.Sprintf("%+v", test.query), test.want, got)
	}
}

func liveGrants(t *testing.T, st *store.Store) {
	alice, now := evidencetest.Person("alice"), start
	rows := []access.Request{
		sample(1), // pending: no grant
		live(sample(2), access.Approved, now.Add(time.Minute)),
		live(sample(3), access.Active, now.Add(time.Minute)),
		live(sample(4), access.Active, now), // ends at this very moment
		live(sample(5), access.Ended, now.Add(time.Minute)),
		live(sample(6), access.Active, now.Add(time.Minute)), // another subject, same address in other letters
		live(sample(7), access.Active, now.Add(time.Minute)), // an alias
		live(sample(8), access.Active, now.Add(time.Minute)), // somebody else
	}
	rows[5].Requester = policies.Person{Subject: policies.Subject{Issuer: "https://other", Subject: "x"}, Name: "A", Email: "ALICE@Example.com"}
	rows[6].Requester = policies.Person{Subject: policies.Subject{Issuer: alice.Issuer, Subject: "alice-admin"}, Name: "B"}
	rows[7].Requester = policies.Person{Subject: policies.Subject{Issuer: alice.Issuer, Subject: "mallory"}, Name: "M", Email: "carol@house.example"}
	write(t, st, func(tx access.Tx) error {
		for _, q := range rows {
			if err := tx.AddRequest(q); err != nil {
				return err
			}
		}
		return nil
	})
	for _, test := range []struct {
		of   []policies.Person
		want []int64
	}{
		{[]policies.Person{{Subject: alice.Subject}}, []int64{2, 3}},
		{[]policies.Person{{Subject: alice.Subject, Email: "alice@example.com"}}, []int64{2, 3, 6}},
		{[]policies.Person{{Subject: alice.Subject}, {Subject: rows[6].Requester.Subject, Email: "AliCe@example.com"}}, []int64{2, 3, 6, 7}},
		{[]policies.Person{{Subject: alice.Subject, Email: "a\u017flice@example.com"}}, []int64{2, 3}},
		{[]policies.Person{{Subject: policies.Subject{Issuer: "x", Subject: "y"}}}, nil},
		{[]policies.Person{{Subject: policies.Subject{Issuer: "x", Subject: "y"}, Email: "Carol@Houſe.example"}}, []int64{8}},
		{nil, nil},
	} {
		var got []int64
		for _, q := range read(t, st, func(r access.Reader) ([]access.Request, error) { return r.LiveGrants(test.of, now) }) {
			got = append(got, q.Number)
		}
		same(t, fmt.Sprint(test.of), test.want, got)
	}
}

func dueRequests(t *testing.T, st *store.Store) {
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.NextDue(); return err }))
	pending := sample(1) // expires in an hour
	grant := live(sample(2), access.Active, start.Add(time.Minute))
	done := live(sample(3), access.Ended, start.Add(time.Second))
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddRequest(pending), tx.AddRequest(grant), tx.AddRequest(done))
	})
	same(t, "next", grant.Ends, read(t, st, func(r access.Reader) (time.Time, error) { return r.NextDue() }))
	at := func(now time.Time) (ids []string) {
		for _, q := range read(t, st, func(r access.Reader) ([]access.Request, error) { return r.Due(now, 10) }) {
			ids = append(ids, q.ID)
		}
		return ids
	}
	same(t, "before", nil, at(start.Add(time.Minute-time.Microsecond)))
	same(t, "at its end", []string{grant.ID}, at(start.Add(time.Minute)))
	same(t, "later", []string{grant.ID, pending.ID}, at(start.Add(time.Hour)))
}

func approvals(t *testing.T, st *store.Store) {
	q := sample(1)
	bob := access.Approval{
		Request: q.ID, Revision: 1, Approver: evidencetest.Person("bob", "sre-leads"), Duration: 30 * time.Minute,
		Issued: start.Add(time.Second), PasskeyName: "Laptop",
		Signed: evidence.SignedByPasskey{Statement: "text\n", Assertion: evidence.Assertion{Credential: "c", AuthenticatorData: "a", ClientData: "d", Signature: "s"}},
	}
	carol := bob
	carol.Approver, carol.Issued = evidencetest.Person("carol", "security"), start
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddRequest(q), tx.AddApproval(bob), tx.AddApproval(carol))
	})
	got := read(t, st, func(r access.Reader) ([]access.Approval, error) { return r.Approvals(q.ID, 1) })
	same(t, "approvals", []access.Approval{carol, bob}, got)
	same(t, "of another revision", 0, len(read(t, st, func(r access.Reader) ([]access.Approval, error) { return r.Approvals(q.ID, 2) })))
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddApproval(bob) }))
	orphan := bob
	orphan.Request = "req-none"
	if err := st.Write(t.Context(), func(tx access.Tx) error { return tx.AddApproval(orphan) }); err == nil {
		t.Fatal("an approval of no request was stored")
	}
}

func certificates(t *testing.T, st *store.Store) {
	q := sample(1)
	c := access.Certificate{
		Serial: 1<<64 - 1, Request: q.ID, Principal: "app@web-1", Certificate: "ssh-ed25519-cert-v01@openssh.com AAAA",
		Issued: start, Ends: start.Add(time.Hour),
		Bundle: evidence.Bundle{Version: 1, Request: q.Revision.Statement, Approvals: []evidence.SignedByPasskey{}},
		Proof:  evidence.Proof{Entry: `{"a":1}`, Checkpoint: "c", Inclusion: ledger.Inclusion{Index: 3, Size: 4, Path: []ledger.Hash{{1}}}},
	}
	held := c
	held.Serial, held.Withheld, held.Issued = 1, true, start.Add(time.Second)
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddRequest(q), tx.AddCertificate(c), tx.AddCertificate(held))
	})
	same(t, "certificate", c, read(t, st, func(r access.Reader) (access.Certificate, error) { return r.Certificate(c.Serial) }))
	same(t, "certificates", []access.Certificate{c, held},
		read(t, st, func(r access.Reader) ([]access.Certificate, error) { return r.Certificates(q.ID) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Certificate(2); return err }))
	older := c
	older.Serial, older.Issued = 2, start.Add(-time.Second)
	write(t, st, func(tx access.Tx) error { return tx.AddCertificate(older) })
	same(t, "newest", c, read(t, st, func(r access.Reader) (access.Certificate, error) { return r.NewestCertificate(q.ID) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.NewestCertificate("req-none"); return err }))
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddCertificate(c) }))
}

func challenges(t *testing.T, st *store.Store) {
	bob, carol := evidencetest.Person("bob").Subject, evidencetest.Person("carol").Subject
	c := access.Challenge{Purpose: "approval", About: "req-1", Person: bob, Statement: "first", Expires: start}
	second := c
	second.Statement = "second"
	take := func(purpose, about string, who policies.Subject, statement string) (got access.Challenge, err error) {
		err = st.Write(t.Context(), func(tx access.Tx) (err error) {
			got, err = tx.TakeChallenge(purpose, about, who, statement)
			return err
		})
		return got, err
	}
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.PutChallenge(c), tx.PutChallenge(second)) })
	for _, other := range []access.Challenge{{Purpose: "login", About: "req-1", Person: bob}, {Purpose: "approval", About: "req-2", Person: bob}, {Purpose: "approval", About: "req-1", Person: carol}} {
		_, err := take(other.Purpose, other.About, other.Person, "second")
		wantError(t, access.ErrNoRow, err)
	}
	_, err := take("approval", "req-1", bob, "third")
	wantError(t, access.ErrNoRow, err)
	for _, want := range []access.Challenge{second, c} {
		got, err := take("approval", "req-1", bob, want.Statement)
		wantError(t, nil, err)
		same(t, "challenge", want, got)
		_, err = take("approval", "req-1", bob, want.Statement)
		wantError(t, access.ErrNoRow, err)
	}
	// The newest are kept, and other things' challenges with them.
	elsewhere := c
	elsewhere.About = "req-2"
	write(t, st, func(tx access.Tx) error { return tx.PutChallenge(elsewhere) })
	for i := range access.MostChallenges + 1 {
		many := c
		many.Statement, many.Expires = fmt.Sprint(i), start.Add(time.Duration(i)*time.Second)
		write(t, st, func(tx access.Tx) error { return tx.PutChallenge(many) })
	}
	_, err = take("approval", "req-1", bob, "0")
	wantError(t, access.ErrNoRow, err)
	_, err = take("approval", "req-1", bob, "1")
	wantError(t, nil, err)
	_, err = take("approval", "req-2", bob, "first")
	wantError(t, nil, err)
}

func endings(t *testing.T, st *store.Store) {
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.NextEnding(); return err }))
	q, q2 := sample(1), sample(2)
	e := access.Ending{Request: q.ID, Reason: "revoked", By: evidencetest.Person("bob"), At: start, Next: start}
	byTime := access.Ending{Request: q2.ID, Reason: "expired", At: start, Next: start.Add(time.Second)}
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddRequest(q), tx.AddRequest(q2), tx.AddEnding(e), tx.AddEnding(byTime))
	})
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddEnding(e) }))
	due := func(now time.Time) []access.Ending {
		return read(t, st, func(r access.Reader) ([]access.Ending, error) { return r.Endings(now, 10) })
	}
	same(t, "due", []access.Ending{e}, due(start))
	same(t, "due later", []access.Ending{e, byTime}, due(start.Add(time.Second)))
	e.Attempts, e.Next = 1, start.Add(time.Minute)
	write(t, st, func(tx access.Tx) error { return tx.DelayEnding(e) })
	same(t, "delayed", []access.Ending{byTime}, due(start.Add(time.Second)))
	same(t, "next", byTime.Next, read(t, st, func(r access.Reader) (time.Time, error) { return r.NextEnding() }))
	write(t, st, func(tx access.Tx) error { return tx.SettleEnding(q2.ID, start) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.SettleEnding(q2.ID, start) }))
	write(t, st, func(tx access.Tx) error { return tx.DelayEnding(byTime) }) // too late: it stays settled
	same(t, "what is left", []access.Ending{e}, due(start.Add(time.Hour)))
}
