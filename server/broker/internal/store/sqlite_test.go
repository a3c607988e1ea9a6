package store_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/broker/internal/store/storetest"
)

// migratedSQLite is a database that is up to date, to be copied for each test.
var migratedSQLite = sync.OnceValues(func() ([]byte, error) {
	directory, err := os.MkdirTemp("", "stint-store-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	path := filepath.Join(directory, "stint.db")
	st, err := store.Open(context.Background(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := st.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func openSQLite(t testing.TB) *store.Store {
	t.Helper()
	database, err := migratedSQLite()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a ?b%.db")
	if err := os.WriteFile(path, database, 0o600); err != nil {
		t.Fatal(err)
	}
	return openAt(t, "sqlite:"+path)
}

func openAt(t testing.TB, url string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	t.Run("store", func(t *testing.T) { t.Parallel(); storetest.Conformance(t, openSQLite) })
	t.Run("flow", func(t *testing.T) { t.Parallel(); storetest.Flow(t, openSQLite) })
	t.Run("readers cannot write", func(t *testing.T) { t.Parallel(); readersCannotWrite(t, openSQLite(t)) })
}

func readersCannotWrite(t *testing.T, st *store.Store) {
	err := st.Read(t.Context(), func(r access.Reader) error {
		if _, ok := r.(access.Tx); ok {
			t.Error("a reader is a writer")
		}
		return store.WriteAnyway(r)
	})
	if err == nil {
		t.Fatal("the database let a reader write")
	}
}

func TestSQLiteFileIsPrivateAndLasts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stint.db")
	for range 2 { // the second time there is nothing to migrate
		st, err := store.Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, path + "-wal"} {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if mode := info.Mode().Perm(); mode != 0o600 {
				t.Errorf("%s has mode %o", filepath.Base(name), mode)
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "sqlite:", "mysql://root:secret@host/db", "stint.db", "sqlite:" + filepath.Join(t.TempDir(), "none", "stint.db")} {
		st, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
		if err == nil {
			st.Close()
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}
