package storetest

import (
	"errors"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence/evidencetest"
)

// history tests what the store keeps of the past that policy looks at.
func history(t *testing.T, st *store.Store) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	alice, bob := evidencetest.Person("alice"), evidencetest.Person("bob")
	other := policies.Person{Subject: policies.Subject{Issuer: alice.Issuer, Subject: "alice-2"}, Name: "Alice", Email: "ALICE@example.com"}
	grant := func(id string, number int64, by policies.Person, role string, used, ends, ended time.Duration) access.Request {
		q := access.Request{
			ID: id, Number: number, Requester: by, State: access.Active, Used: now.Add(used), Begins: now.Add(used), Ends: now.Add(ends),
			Revision: access.Revision{Number: 1, Ask: policies.Ask{Role: role, Target: "db1", Login: "app", Duration: time.Hour, Ticket: "OPS-1", Start: now, BreakGlass: role == "keys"}, Asked: now},
			Asserted: []policies.Assertion{{Name: "risk", Value: "7"}}, OpenReview: role == "keys", Tell: now.Add(time.Hour),
			Confirmation: &access.AskConfirmation{Revision: 1, Issued: now, PasskeyName: "Laptop"},
		}
		if ended != 0 {
			q.State, q.EndReason, q.EndedAt = access.Ended, access.EndDropped, now.Add(ended)
		}
		return q
	}
	rows := []access.Request{
		grant("req-0000000001", 1, alice, "shell", -48*time.Hour, -47*time.Hour, 0),
		grant("req-0000000002", 2, other, "shell", -30*time.Hour, 10*time.Hour, -29*time.Hour), // dropped early
		grant("req-0000000003", 3, alice, "keys", -2*time.Hour, time.Hour, 0),
		grant("req-0000000004", 4, bob, "shell", -2*time.Hour, time.Hour, 0),
	}
	wantError(t, nil, st.Write(t.Context(), func(tx access.Tx) error {
		for _, q := range rows {
			if err := tx.AddRequest(q); err != nil {
				return err
			}
		}
		if err := tx.AddAgreements("req-0000000001", []policies.Subject{bob.Subject, alice.Subject}, rows[0].Used); err != nil {
			return err
		}
		return tx.AddAgreements("req-0000000001", []policies.Subject{bob.Subject}, now) // the first time stays
	}))
	ids := func(requests []access.Request) (ids []string) {
		for _, q := range requests {
			ids = append(ids, q.ID)
		}
		return ids
	}
	same(t, "a row", rows[2], read(t, st, func(r access.Reader) (access.Request, error) { return r.Request("req-0000000003") }))
	used := func(roles []string, since time.Duration) []string {
		return ids(read(t, st, func(r access.Reader) ([]access.Request, error) {
			return r.GrantsUsed([]policies.Person{alice}, roles, now.Add(since))
		}))
	}
	same(t, "used by identity and address", []string{"req-0000000001", "req-0000000002", "req-0000000003"}, used([]string{"shell", "keys"}, -72*time.Hour))
	same(t, "what ended early ended then", []string{"req-0000000003"}, used([]string{"shell", "keys"}, -29*time.Hour))
	same(t, "no role", 0, len(used(nil, -72*time.Hour)))
	agreed := func(since time.Duration) []policies.PastApproval {
		return read(t, st, func(r access.Reader) ([]policies.PastApproval, error) {
			return r.Agreements([]policies.Subject{bob.Subject}, now.Add(since))
		})
	}
	same(t, "agreed", []policies.PastApproval{{Request: "req-0000000001", Requester: alice.Subject, At: rows[0].Used}}, agreed(-49*time.Hour))
	same(t, "agreed before", 0, len(agreed(-48*time.Hour)))
	same(t, "open reviews", []string{"req-0000000003"}, ids(read(t, st, func(r access.Reader) ([]access.Request, error) { return r.OpenReviews("", 10) })))
	same(t, "open reviews of another role", 0, len(read(t, st, func(r access.Reader) ([]access.Request, error) { return r.OpenReviews("shell", 10) })))
	same(t, "last used", rows[3].Used, read(t, st, func(r access.Reader) (time.Time, error) { return r.LastUsed("shell") }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { return second(r.LastUsed("none")) }))
	same(t, "next to tell", now.Add(time.Hour), read(t, st, func(r access.Reader) (time.Time, error) { return r.NextToTell() }))
	same(t, "to tell", 0, len(read(t, st, func(r access.Reader) ([]access.Request, error) { return r.ToTell(now, 10) })))
	same(t, "to tell then", 4, len(read(t, st, func(r access.Reader) ([]access.Request, error) { return r.ToTell(now.Add(time.Hour), 10) })))

	told := access.Telling{Request: "req-0000000003", Kind: access.TellReview, Due: now, At: now, People: []policies.Person{bob}, Text: "Told Bob."}
	ended := access.DelegationEnd{Delegation: "sha256:00", By: bob, Reason: "back", At: now, Next: now}
	wantError(t, nil, st.Write(t.Context(), func(tx access.Tx) error { return errors.Join(tx.AddTelling(told), tx.PutDelegationEnd(ended)) }))
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddTelling(told) }))
	same(t, "tellings", []access.Telling{told}, read(t, st, func(r access.Reader) ([]access.Telling, error) { return r.Tellings(told.Request) }))
	ends := func() []access.DelegationEnd {
		return read(t, st, func(r access.Reader) ([]access.DelegationEnd, error) { return r.DelegationEnds(now, 10) })
	}
	same(t, "ends", []access.DelegationEnd{ended}, ends())
	ended.Next = time.Time{}
	wantError(t, nil, st.Write(t.Context(), func(tx access.Tx) error { return tx.PutDelegationEnd(ended) }))
	same(t, "settled ends", 0, len(ends()))
	same(t, "ended since", []string{"sha256:00"}, read(t, st, func(r access.Reader) ([]string, error) { return r.DelegationsEnded(now.Add(-time.Second)) }))
}

// refusals tests what the store keeps of asks that policy refused.
func refusals(t *testing.T, st *store.Store) {
	alice, bob := evidencetest.Person("alice", "engineering"), evidencetest.Person("bob")
	refused := func(number int64, by policies.Person, asked time.Duration) access.Refusal {
		return access.Refusal{
			Number: number, Requester: by, Asked: start.Add(asked), Rule: "requester-group", Text: "Nobody may.", Policy: "sha256:00",
			Ask:      policies.Ask{Role: "shell", Target: "db1", Login: "app", Duration: time.Hour, Reason: "why", Ticket: "OPS-1", Start: start, BreakGlass: true},
			Asserted: []policies.Assertion{{Name: "risk", Value: "7"}},
		}
	}
	rows := []access.Refusal{refused(7, alice, 0), refused(5, bob, -time.Minute), refused(3, alice, -time.Hour)}
	rows[2].Asserted = nil
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddRefusal(rows[2]), tx.AddRefusal(rows[1]), tx.AddRefusal(rows[0]))
	})
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddRefusal(rows[0]) }))
	list := func(before int64, limit int) []access.Refusal {
		return read(t, st, func(r access.Reader) ([]access.Refusal, error) { return r.Refusals(before, limit) })
	}
	same(t, "all", rows, list(0, 10))
	same(t, "a page", rows[1:2], list(7, 1))
	of := func(who policies.Person, since time.Duration) int {
		return read(t, st, func(r access.Reader) (int, error) { return r.RefusalsOf(who.Subject, start.Add(since)) })
	}
	same(t, "of alice, of bob, of alice lately", []int{2, 1, 1}, []int{of(alice, -2*time.Hour), of(bob, -2*time.Hour), of(alice, -time.Hour)})
	wantError(t, nil, st.Purge(t.Context(), start.Add(access.RefusalLife-time.Minute)))
	same(t, "kept no more", rows[:1], list(0, 10))
}
