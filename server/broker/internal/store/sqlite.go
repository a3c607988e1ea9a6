package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"stint/migrations"
)

// openSQLite opens one connection that writes and several that only read.
func openSQLite(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	if path == "" {
		return nil, errors.New(`the database "sqlite:" lacks a path`)
	}
	// 1. The file is nobody else's to read. SQLite's own companions get its mode.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	// 2. Writers wait for each other in Go, where waiting is fair, not in SQLite.
	writing, err := openKeeping(sqliteName(path, "_txlock=immediate"))
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	writing.SetMaxOpenConns(1)
	reading, err := openKeeping(sqliteName(path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), writing.Close())
	}
	reading.SetMaxOpenConns(8)
	reading.SetMaxIdleConns(8)
	s := &Store{
		flavour: flavour{name: "sqlite", again: sqliteBusy},
		close:   func() error { return errors.Join(reading.Close(), writing.Close()) },
	}
	// 3. The schema.
	if err := migrate(ctx, goose.DialectSQLite3, writing, migrations.SQLite(), log); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.writing, err = gorm.Open(dialect{writing}, ormConfig()); err == nil {
		s.reading, err = gorm.Open(dialect{reading}, ormConfig())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), s.Close())
	}
	return s, nil
}

func sqliteName(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)&" + more
}

// sqliteBusy knows SQLITE_BUSY in all its kinds: another process, such as a
// backup, holds the file.
func sqliteBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlitelib.SQLITE_BUSY
}
