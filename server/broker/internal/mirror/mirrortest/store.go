package mirrortest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"stint/server/broker/internal/store"
)

// migrated is an empty database that is up to date: bringing one there takes most
// of the time of a small test.
var migrated = sync.OnceValues(func() ([]byte, error) {
	directory, err := os.MkdirTemp("", "mirrortest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
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

// OpenStore opens an empty database of its own for a test.
func OpenStore(t testing.TB) *store.Store {
	t.Helper()
	data, err := migrated()
	must(t, err)
	path := filepath.Join(t.TempDir(), "stint.db")
	must(t, os.WriteFile(path, data, 0o600))
	st, err := store.Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	return st
}
