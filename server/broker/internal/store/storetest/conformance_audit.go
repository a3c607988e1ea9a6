package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence/evidencetest"
	"stint/server/ledger"
)

// verify checks the whole audit log as stint audit verify does, and gives its size.
func verify(t testing.TB, st *store.Store) (int64, error) {
	t.Helper()
	signerKey, verifierKey, err := ledger.NewKey(rand.Reader, "stint-broker/test")
	wantError(t, nil, err)
	signer, err := note.NewSigner(signerKey)
	wantError(t, nil, err)
	verifier, err := note.NewVerifier(verifierKey)
	wantError(t, nil, err)
	text, size, err := st.Checkpoint(context.WithoutCancel(t.Context()), "stint-broker/test", signer)
	wantError(t, nil, err)
	checkpoint, err := ledger.Open([]byte(text), "stint-broker/test", verifier)
	wantError(t, nil, err)
	same(t, "size", size, checkpoint.Size)
	return size, ledger.VerifyAll(Leaves(t, st), checkpoint)
}

func Leaves(t testing.TB, st *store.Store) iter.Seq2[ledger.Leaf, error] {
	return func(yield func(ledger.Leaf, error) bool) {
		for from := int64(0); ; {
			leaves := read(t, st, func(r access.Reader) ([]access.AuditLeaf, error) { return r.AuditRun(from, 100) })
			for _, leaf := range leaves {
				if leaf.Index != from {
					yield(ledger.Leaf{}, fmt.Errorf("leaf %d where %d was meant", leaf.Index, from))
					return
				}
				if !yield(ledger.Leaf{Data: leaf.Data, Hash: leaf.Hash}, nil) {
					return
				}
				from++
			}
			if len(leaves) == 0 {
				return
			}
		}
	}
}

func event(n int) access.AuditEvent {
	return access.AuditEvent{
		Version: 1, Time: start.Add(time.Duration(n) * time.Second), Kind: access.EventAsked, Actor: access.ActorOf(evidencetest.Person("alice")),
		Request: fmt.Sprintf("req-%d", n%3), Session: fmt.Sprintf("s-%d", n%2), Text: `<b> & "quoted"`, Data: []byte(`{"n":1}`),
	}
}

func auditLog(t *testing.T, st *store.Store) {
	if size, err := verify(t, st); size != 0 || err != nil {
		t.Fatalf("an empty log: %d, %v", size, err)
	}
	for n := range 20 {
		write(t, st, func(tx access.Tx) error {
			index, err := tx.Append(event(n))
			same(t, "index", int64(n), index)
			return err
		})
		if size, err := verify(t, st); size != int64(n+1) || err != nil {
			t.Fatalf("after %d leaves: %d, %v", n+1, size, err)
		}
	}
	err := st.Read(t.Context(), func(r access.Reader) error {
		size, last, err := r.AuditHead()
		same(t, "size", int64(20), size)
		same(t, "last", event(19).Time, last)
		return err
	})
	wantError(t, nil, err)
	list := func(q access.AuditQuery) (got []int64) {
		for _, leaf := range read(t, st, func(r access.Reader) ([]access.AuditLeaf, error) { return r.AuditEvents(q) }) {
			got = append(got, leaf.Index)
			same(t, "event", event(int(leaf.Index)), leaf.Event)
		}
		return got
	}
	same(t, "newest", []int64{19, 18}, list(access.AuditQuery{Limit: 2}))
	same(t, "before", []int64{2, 1, 0}, list(access.AuditQuery{Limit: 9, Before: 3}))
	same(t, "oldest", []int64{0, 1}, list(access.AuditQuery{Limit: 2, Oldest: true}))
	same(t, "of a request", []int64{7, 4, 1}, list(access.AuditQuery{Limit: 9, Request: "req-1", Before: 9}))
	same(t, "of a session", []int64{3, 1}, list(access.AuditQuery{Limit: 9, Session: "s-1", Before: 5}))
	// Time never goes back.
	err = st.Write(t.Context(), func(tx access.Tx) error { _, err := tx.Append(event(3)); return err })
	if err == nil {
		t.Fatal("an event before the last one was appended")
	}
}

// writers lets many append at once: the log stays one log.
func writers(t *testing.T, st *store.Store) {
	var mu sync.Mutex
	var indexes []int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10 {
				var index int64
				err := st.Write(t.Context(), func(tx access.Tx) error {
					_, last, err := tx.AuditHead()
					if err != nil {
						return err
					}
					e := event(0)
					if !last.IsZero() {
						e.Time = last.Add(time.Second)
					}
					index, err = tx.Append(e)
					return err
				})
				if err != nil {
					t.Errorf("appending: %v", err)
					return
				}
				mu.Lock()
				indexes = append(indexes, index)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(indexes)
	for i, index := range indexes {
		same(t, "index", int64(i), index)
	}
	if size, err := verify(t, st); size != 80 || err != nil {
		t.Fatalf("%d leaves, %v", size, err)
	}
}

func rollback(t *testing.T, st *store.Store) {
	failure := errors.New("no")
	wantError(t, failure, st.Write(t.Context(), func(tx access.Tx) error {
		_, err := tx.Append(event(0))
		return errors.Join(tx.AddRequest(sample(0)), err, failure)
	}))
	func() {
		defer func() { _ = recover() }()
		_ = st.Write(t.Context(), func(tx access.Tx) error {
			_, _ = tx.Append(event(0))
			panic("in a transaction")
		})
	}()
	if size, err := verify(t, st); size != 0 || err != nil {
		t.Fatalf("%d leaves, %v", size, err)
	}
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Request(sample(0).ID); return err }))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, context.Canceled, st.Write(ended, func(tx access.Tx) error { _, err := tx.Append(event(0)); return err }))
}

// snapshots: what commits while a reader reads stays unseen by it.
func snapshots(t *testing.T, st *store.Store) {
	err := st.Read(t.Context(), func(r access.Reader) error {
		before, _, err := r.AuditHead()
		if err != nil {
			return err
		}
		write(t, st, func(tx access.Tx) error { _, err := tx.Append(event(0)); return err })
		after, _, err := r.AuditHead()
		same(t, "size", before, after)
		return err
	})
	wantError(t, nil, err)
}
