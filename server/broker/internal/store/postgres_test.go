//go:build e2e

package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"stint/migrations/postgrestest"
	"stint/server/broker/internal/store"
	"stint/server/broker/internal/store/storetest"
)

var (
	cluster   *postgrestest.Cluster
	databases atomic.Int64
)

// migrated is a database that is up to date, to be copied for each test.
const migrated = "migrated"

func TestMain(m *testing.M) {
	code, err := runWithCluster(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithCluster(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if cluster, err = postgrestest.Start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	url, err := cluster.Create(ctx, migrated)
	if err != nil {
		return 0, err
	}
	st, err := store.Open(ctx, url, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	if err := st.Close(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func newName() string { return fmt.Sprintf("test%d", databases.Add(1)) }

func openPostgreSQL(t testing.TB) *store.Store {
	t.Helper()
	url, err := cluster.Copy(t.Context(), migrated, newName())
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, url)
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	t.Run("store", func(t *testing.T) { t.Parallel(); storetest.Conformance(t, openPostgreSQL) })
	t.Run("flow", func(t *testing.T) { t.Parallel(); storetest.Flow(t, openPostgreSQL) })
	t.Run("readers cannot write", func(t *testing.T) { t.Parallel(); readersCannotWrite(t, openPostgreSQL(t)) })
}

// Several brokers start at once on a database that none has migrated yet.
func TestPostgreSQLStartsTogether(t *testing.T) {
	t.Parallel()
	url, err := cluster.Create(t.Context(), newName())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			st, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("opening: %v", err)
				return
			}
			if err := st.Ping(t.Context()); err != nil {
				t.Errorf("asking: %v", err)
			}
			if err := st.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
	group.Wait()
}
