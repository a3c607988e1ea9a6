// Package store keeps everything the broker knows, in SQLite or PostgreSQL. It is
// the only home of the ORM: its rows are private and become the types of
// server/access.
//
// Writers run one after the other. In SQLite a write transaction begins
// immediate, on the one connection that writes; in PostgreSQL it begins by taking
// an advisory lock, which all brokers on the database share. What a write
// transaction has read is therefore true until it commits, and the audit log,
// which nearly every one of them extends, has one tail. The lock is held for the
// few statements of one transition and never over a call to another process.
//
// Readers see one snapshot, and cannot write: SQLite readers have connections
// that refuse to, PostgreSQL readers a read-only transaction.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"

	"stint/server/access"
)

// Store is an open database. It is an access.Store.
type Store struct {
	flavour flavour
	writing *gorm.DB
	reading *gorm.DB
	close   func() error
}

// flavour is what differs between the databases.
type flavour struct {
	name string
	// begin is run first in a write transaction.
	begin string
	read  sql.TxOptions
	// again says that a transaction lost against others and may be tried anew.
	again func(error) bool
}

// Open opens the database at url and brings its schema up to date. url is
// "sqlite:" and a path, or a PostgreSQL URL ("postgres://…"). Several brokers may
// open one PostgreSQL database at the same time. Close the store when done.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	switch path, isSQLite := strings.CutPrefix(url, "sqlite:"); {
	case isSQLite:
		return openSQLite(ctx, path, log)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return openPostgreSQL(ctx, url, log)
	}
	// The URL may hold a password: it is not repeated.
	return nil, errors.New(`the database must be "sqlite:" and a path, or a URL that begins with "postgres://"`)
}

// Close releases the database. Transactions must have ended.
func (s *Store) Close() error { return s.close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.reading.WithContext(ctx).Exec("SELECT 1").Error
}

// Read runs fn on one snapshot.
func (s *Store) Read(ctx context.Context, fn func(access.Reader) error) error {
	return s.try(ctx, func() error {
		return s.reading.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			return fn(&reader{db})
		}, &s.flavour.read)
	})
}

// Write runs fn in a transaction that no other writer runs beside.
func (s *Store) Write(ctx context.Context, fn func(access.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return fn(t) })
}

func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		if s.flavour.begin != "" {
			if err := db.Exec(s.flavour.begin).Error; err != nil {
				return fmt.Errorf("waiting for other writers: %w", err)
			}
		}
		return fn(&tx{reader{db}})
	})
}

// alone runs a transaction that does not wait for the writers of the flow, where
// the database allows that. It must not touch what they decide by.
func (s *Store) alone(ctx context.Context, fn func(*gorm.DB) error) error {
	return s.try(ctx, func() error { return s.writing.WithContext(ctx).Transaction(fn) })
}

// mostTries bounds how often a transaction that lost against others is begun anew.
const mostTries = 8

func (s *Store) try(ctx context.Context, once func() error) error {
	for tried := 1; ; tried++ {
		err := once()
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			// database/sql rolls back by itself when ctx ends, whatever is under way.
			return errors.Join(ctx.Err(), err)
		}
		if err == nil || !s.flavour.again(err) {
			return err
		}
		if tried == mostTries {
			return &access.Error{
				Problem: access.Unavailable, Code: access.CodeBusy,
				Message: "The server is too busy for this right now. Try again in a moment.", Cause: err,
			}
		}
		// Apart from each other, or they would meet again.
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(tried) * int64(10*time.Millisecond))))
		select {
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(ctx.Err(), err)
		case <-pause.C:
		}
	}
}
