//go:build e2e

package postgrestest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"stint/migrations/postgrestest"
)

func TestClusterRunsAndIsGone(t *testing.T) {
	t.Parallel()
	cluster, err := postgrestest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	url, err := cluster.Create(t.Context(), `odd "name"`)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := connection.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil || name != `odd "name"` {
		t.Fatalf("the database is %q: %v", name, err)
	}
	dir := connection.Config().Host
	if err := connection.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(dir, "/tmp/") || len(dir) > 60 {
		t.Errorf("the socket lies in %s", dir)
	}
	for range 2 {
		if err := cluster.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
