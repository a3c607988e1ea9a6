package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence/evidencetest"
)

func sampleSession(q access.Request, number int64) access.Session {
	return access.Session{
		ID: fmt.Sprintf("session-%016d", number), Number: number, Request: q.ID, Serial: 1<<63 + 5, Person: q.Requester,
		Role: "production-shell", Login: "app", Target: "web-1", Proxy: "proxy-1", ClientAddress: "[::1]:5", ClientVersion: "SSH-2.0-x",
		Started: start, LeaseUntil: start.Add(15 * time.Second),
	}
}

func sessions(t *testing.T, st *store.Store) {
	q := sample(1)
	s := sampleSession(q, 2)
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddRequest(q), tx.AddSession(s)) })
	get := func() access.Session {
		return read(t, st, func(r access.Reader) (access.Session, error) { return r.Session(s.ID) })
	}
	same(t, "session", s, get())
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddSession(s) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Session("none"); return err }))
	s.KillReason, s.KilledBy = "killed", evidencetest.Person("bob")
	write(t, st, func(tx access.Tx) error { return tx.KillSession(s.ID, s.KillReason, s.KilledBy) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.KillSession(s.ID, "killed", s.KilledBy) }))
	wantError(t, nil, st.SetRecordingBytes(t.Context(), s.ID, 10))
	wantError(t, nil, st.SetRecordingBytes(t.Context(), s.ID, 9)) // never back
	s.Bytes = 10
	s.Ended, s.EndReason, s.Size = start.Add(time.Second), "killed", 12
	write(t, st, func(tx access.Tx) error { return tx.FinishSession(s, time.Time{}) })
	same(t, "ended", s, get())
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.FinishSession(s, time.Time{}) }))
	before := s.Ended
	s.EndReason, s.Ended = "cut", start.Add(2*time.Second)
	write(t, st, func(tx access.Tx) error { return tx.FinishSession(s, before) })
	same(t, "corrected", s, get())
	same(t, "by id", []access.Session{s}, read(t, st, func(r access.Reader) ([]access.Session, error) { return r.SessionsByID([]string{s.ID, "x"}) }))
}

func sessionLists(t *testing.T, st *store.Store) {
	q, q2 := sample(100), sample(101)
	q2.Requester = evidencetest.Person("bob")
	write(t, st, func(tx access.Tx) error {
		if err := errors.Join(tx.AddRequest(q), tx.AddRequest(q2)); err != nil {
			return err
		}
		for n := range int64(8) {
			of := q
			if n%4 == 0 {
				of = q2
			}
			s := sampleSession(of, n)
			if n%2 == 0 {
				s.Ended, s.EndReason = start.Add(time.Second), "completed"
			}
			if n == 3 {
				s.Target = "web-2"
			}
			if err := tx.AddSession(s); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(query access.SessionQuery) (got []int64) {
		for _, s := range read(t, st, func(r access.Reader) ([]access.Session, error) { return r.Sessions(query) }) {
			got = append(got, s.Number)
		}
		return got
	}
	yes, no := true, false
	same(t, "all", []int64{7, 5, 3, 1, 6, 4, 2, 0}, list(access.SessionQuery{Limit: 100}))
	same(t, "page", []int64{7, 5, 3}, list(access.SessionQuery{Limit: 3}))
	same(t, "next page", []int64{1, 6, 4}, list(access.SessionQuery{Limit: 3, After: &access.SessionPlace{Live: true, Number: 3}}))
	same(t, "last page", []int64{2, 0}, list(access.SessionQuery{Limit: 3, After: &access.SessionPlace{Number: 4}}))
	same(t, "live", []int64{7, 5, 3, 1}, list(access.SessionQuery{Limit: 100, Live: &yes}))
	same(t, "ended", []int64{6, 4, 2, 0}, list(access.SessionQuery{Limit: 100, Live: &no}))
	same(t, "of a request", []int64{4, 0}, list(access.SessionQuery{Limit: 100, Request: q2.ID}))
	same(t, "of a person", []int64{4, 0}, list(access.SessionQuery{Limit: 100, Requester: q2.Requester.Subject}))
	same(t, "of a target", []int64{3}, list(access.SessionQuery{Limit: 100, Target: "web-2"}))
}

func leases(t *testing.T, st *store.Store) {
	q := sample(1)
	a, b := sampleSession(q, 2), sampleSession(q, 3)
	b.Ended, b.EndReason = start.Add(time.Second), "completed"
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddRequest(q), tx.AddSession(a), tx.AddSession(b)) })
	lost := func(now time.Time) (ids []string) {
		for _, s := range read(t, st, func(r access.Reader) ([]access.Session, error) { return r.LeaseLost(now, 10) }) {
			ids = append(ids, s.ID)
		}
		return ids
	}
	same(t, "in time", nil, lost(a.LeaseUntil))
	same(t, "lost", []string{a.ID}, lost(a.LeaseUntil.Add(time.Microsecond)))
	wantError(t, nil, st.ExtendLeases(t.Context(), []string{a.ID, b.ID, "none"}, a.LeaseUntil.Add(time.Minute)))
	wantError(t, nil, st.ExtendLeases(t.Context(), []string{a.ID}, a.LeaseUntil.Add(time.Second))) // shortens nothing
	same(t, "renewed", nil, lost(a.LeaseUntil.Add(time.Minute)))
	wantError(t, nil, st.ExtendLeases(t.Context(), nil, start))
}

func seals(t *testing.T, st *store.Store) {
	q := sample(1)
	s := sampleSession(q, 2)
	write(t, st, func(tx access.Tx) error {
		if err := errors.Join(tx.AddRequest(q), tx.AddSession(s)); err != nil {
			return err
		}
		for n := range int64(5) {
			if err := tx.AddSeal(s.ID, access.Seal{Sequence: n, Offset: n * 100, Head: [32]byte{byte(n), 255}}); err != nil {
				return err
			}
		}
		return nil
	})
	got := read(t, st, func(r access.Reader) ([]access.Seal, error) { return r.Seals(s.ID, 3, 10) })
	same(t, "seals", []access.Seal{{Sequence: 3, Offset: 300, Head: [32]byte{3, 255}}, {Sequence: 4, Offset: 400, Head: [32]byte{4, 255}}}, got)
	same(t, "counted", int64(5), read(t, st, func(r access.Reader) (access.Session, error) { return r.Session(s.ID) }).Seals)
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddSeal(s.ID, access.Seal{Sequence: 4}) }))
}

// keeping: what becomes of a recording is written once, and lists what is left to do.
func keeping(t *testing.T, st *store.Store) {
	q := sample(300)
	s := sampleSession(q, 301)
	live := sampleSession(q, 302)
	s.Ended, s.EndReason, s.Bytes, s.Size = start.Add(time.Minute), "completed", 10, 12
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.AddRequest(q), tx.AddSession(s), tx.AddSession(live)) })
	now := start.Add(time.Hour)
	listed := func(what string, want bool, list func(access.Reader) ([]access.Session, error)) {
		t.Helper()
		found := false
		for _, one := range read(t, st, list) {
			found = found || one.ID == s.ID
			if one.ID == live.ID {
				t.Errorf("%s: a live session is listed", what)
			}
		}
		same(t, what, want, found)
	}
	unstored := func(r access.Reader) ([]access.Session, error) { return r.Unstored(now, 100) }
	outlived := func(r access.Reader) ([]access.Session, error) { return r.Outlived(now, 100) }
	undeleted := func(r access.Reader) ([]access.Session, error) { return r.Undeleted(now, 100) }
	raced := func(fn func(tx access.Tx) error) {
		t.Helper()
		wantError(t, access.ErrRaced, st.Write(t.Context(), fn))
	}

	listed("unstored before all bytes are here", false, unstored)
	wantError(t, nil, st.SetRecordingBytes(t.Context(), s.ID, 12))
	listed("unstored", true, unstored)
	write(t, st, func(tx access.Tx) error { return tx.DelayKeeping(s.ID, now.Add(time.Second)) })
	listed("unstored, and delayed", false, unstored)
	write(t, st, func(tx access.Tx) error { return tx.StoreRecording(s.ID, now, [32]byte{1, 2}) })
	raced(func(tx access.Tx) error { return tx.StoreRecording(s.ID, now, [32]byte{1, 2}) })
	listed("unstored, and stored", false, unstored)

	hold := &access.Hold{By: evidencetest.Person("bob"), Reason: "a case", At: now}
	listed("outlived", true, outlived)
	write(t, st, func(tx access.Tx) error { return tx.HoldRecording(s.ID, hold) })
	raced(func(tx access.Tx) error { return tx.HoldRecording(s.ID, hold) })
	raced(func(tx access.Tx) error { return tx.RemoveRecording(s.ID, now) })
	listed("outlived, and held", false, outlived)
	s.Bytes, s.Keeping = 12, access.Keeping{Stored: now, Digest: [32]byte{1, 2}, Hold: hold}
	same(t, "stored and held", s, read(t, st, func(r access.Reader) (access.Session, error) { return r.Session(s.ID) }))
	write(t, st, func(tx access.Tx) error { return tx.HoldRecording(s.ID, nil) })
	raced(func(tx access.Tx) error { return tx.HoldRecording(s.ID, nil) })

	raced(func(tx access.Tx) error { return tx.RemoveRecording(live.ID, now) })
	listed("undeleted before it is removed", false, undeleted)
	write(t, st, func(tx access.Tx) error { return tx.RemoveRecording(s.ID, now) })
	raced(func(tx access.Tx) error { return tx.RemoveRecording(s.ID, now) })
	raced(func(tx access.Tx) error { return tx.HoldRecording(s.ID, hold) })
	listed("outlived, and removed", false, outlived)
	listed("undeleted", true, undeleted)
	write(t, st, func(tx access.Tx) error { return tx.DeleteRecording(s.ID) })
	listed("undeleted, and deleted", false, undeleted)
}
