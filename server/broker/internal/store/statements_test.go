package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestStatementsAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kept.db")
	pool, err := openKeeping(sqliteName(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	c, err := pool.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (n int) {
		t.Helper()
		if err := c.Raw(func(c any) error { n = len(c.(*keeping).statements); return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	execute := func(query string, arguments ...any) {
		t.Helper()
		if _, err := c.ExecContext(ctx, query, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	// numbers runs then after the first row, while the rows are still open.
	numbers := func(above int, then func()) (found []int) {
		t.Helper()
		rows, err := c.QueryContext(ctx, "SELECT * FROM numbers WHERE n > ? ORDER BY n", above)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			columns, err := rows.Columns()
			if err != nil {
				t.Fatal(err)
			}
			var n int
			values := []any{&n, new(any)}
			if err := rows.Scan(values[:len(columns)]...); err != nil {
				t.Fatal(err)
			}
			if found = append(found, n); len(found) == 1 && then != nil {
				then()
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return found
	}
	want := func(got []int, want ...int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}

	execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
	if n := kept(); n != 0 {
		t.Errorf("a change of the schema is kept, %d statements are", n)
	}
	for n := range 3 {
		execute("INSERT INTO numbers VALUES (?)", n)
	}
	if n := kept(); n != 1 {
		t.Errorf("one statement ran thrice, and %d are kept", n)
	}
	// A statement in the middle of itself, and after an early end.
	want(numbers(-1, func() { want(numbers(0, nil), 1, 2) }), 0, 1, 2)
	var first int
	if err := c.QueryRowContext(ctx, "SELECT * FROM numbers WHERE n > ? ORDER BY n", 0).Scan(&first); err != nil || first != 1 {
		t.Errorf("the first is %d: %v", first, err)
	}
	want(numbers(1, nil), 2)
	// One that fails, and one whose table has changed.
	if _, err := c.ExecContext(ctx, "INSERT INTO numbers VALUES (?)", 1); err == nil {
		t.Error("a number was there twice")
	}
	execute("INSERT INTO numbers VALUES (?)", 3)
	execute("ALTER TABLE numbers ADD COLUMN more")
	want(numbers(1, nil), 2, 3)
	// More than are kept, all the while one is being read.
	want(numbers(-1, func() {
		for n := range mostStatements + 9 {
			var got int
			if err := c.QueryRowContext(ctx, fmt.Sprintf("SELECT %d + ?", n), 1).Scan(&got); err != nil || got != n+1 {
				t.Fatalf("%d + 1 is %d: %v", n, got, err)
			}
		}
	}), 0, 1, 2, 3)
	if n := kept(); n != mostStatements {
		t.Errorf("%d statements are kept", n)
	}
	want(numbers(2, nil), 3)

	// SQLite lets go of the file only once every statement is closed.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is still there: %v", err)
	}
	if _, err := c.ExecContext(ctx, "SELECT 1"); err != sql.ErrConnDone {
		t.Errorf("after the end: %v", err)
	}
}
