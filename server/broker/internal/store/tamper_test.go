package store_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/broker/internal/store/storetest"
	"stint/server/ledger"
)

// TestTamperingIsFound edits the database behind the broker's back, with a
// checkpoint from before in an auditor's hands.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	const origin = "stint-broker/test"
	signerKey, verifierKey, err := ledger.NewKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	open := func(text string) ledger.Checkpoint {
		c, err := ledger.Open([]byte(text), origin, verifier)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	rewrite := func(st *store.Store, from, to string) error {
		return st.Tamper(t.Context(), "UPDATE audit_leaves SET data = CAST(REPLACE(CAST(data AS TEXT), ?, ?) AS BLOB) WHERE number = 3", from, to)
	}
	for name, test := range map[string]struct {
		tamper func(*store.Store) error
		index  int64
		why    string
	}{
		"a changed name": {func(st *store.Store) error { return rewrite(st, "Carol", "Mallory") }, 3, "altered"},
		"a changed name and hash": {func(st *store.Store) error {
			return errors.Join(rewrite(st, "Carol", "Mallory"), rehash(t, st, 3))
		}, 0, "not those that were signed"},
		"a dropped end": {func(st *store.Store) error {
			return st.Tamper(t.Context(), "DELETE FROM audit_leaves WHERE number = (SELECT MAX(number) FROM audit_leaves)")
		}, 5, "missing"},
		"two in another order": {func(st *store.Store) error {
			return errors.Join(
				st.Tamper(t.Context(), "UPDATE audit_leaves SET number = -1 WHERE number = 1"),
				st.Tamper(t.Context(), "UPDATE audit_leaves SET number = 1 WHERE number = 2"),
				st.Tamper(t.Context(), "UPDATE audit_leaves SET number = 2 WHERE number = -1"))
		}, 0, "not those that were signed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := openSQLite(t)
			house := storetest.NewHouse(t, st)
			house.Approved(t)
			if _, err := house.Revoke(t.Context(), house.World.Bob.Person, house.Approved(t).ID, ""); err != nil {
				t.Fatal(err)
			}
			before, size, err := st.Checkpoint(t.Context(), origin, signer)
			if err != nil {
				t.Fatal(err)
			}
			checkpoint := open(before)
			if err := ledger.VerifyAll(storetest.Leaves(t, st), checkpoint); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := test.tamper(st); err != nil {
				t.Fatal(err)
			}
			var found *ledger.Break
			if err := ledger.VerifyAll(storetest.Leaves(t, st), checkpoint); !errors.As(err, &found) {
				t.Fatalf("not found: %v", err)
			}
			want := test.index
			if test.why == "missing" {
				want = size - 1
			}
			if found.Index != want || !strings.Contains(found.Why, test.why) {
				t.Errorf("found %d: %s", found.Index, found.Why)
			}
		})
	}
}

// rehash fits a leaf's stored hash to its altered data.
func rehash(t testing.TB, st *store.Store, number int64) error {
	var data []byte
	err := st.Read(t.Context(), func(r access.Reader) error {
		leaves, err := r.AuditRun(number, 1)
		data = leaves[0].Data
		return err
	})
	hash := ledger.LeafHash(data)
	return errors.Join(err, st.Tamper(t.Context(), "UPDATE audit_leaves SET hash = ? WHERE number = ?", hash[:], number))
}
