package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"stint/migrations"
)

// writersLock is the advisory lock of all writers on one database. Any number
// would do that nobody else uses there.
const writersLock = "SELECT pg_advisory_xact_lock(7955941410271326836)"

// maxConnections bounds what one broker takes of the database.
const maxConnections = 20

func openPostgreSQL(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx leaves the password out of its errors.
		return nil, fmt.Errorf("reading the database URL: %w", err)
	}
	// A broker that dies in a transaction must not keep the others waiting.
	setDefault(config, "idle_in_transaction_session_timeout", "30s")
	setDefault(config, "application_name", "stint-broker")
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	s := &Store{
		flavour: flavour{
			name: "postgres", begin: writersLock, again: postgresAgain,
			read: sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		},
		close: pool.Close,
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := migrate(ctx, goose.DialectPostgres, pool, migrations.PostgreSQL(), log, goose.WithSessionLocker(locker)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.writing, err = gorm.Open(postgres.New(postgres.Config{Conn: pool}), ormConfig()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database: %w", err), s.Close())
	}
	s.reading = s.writing
	return s, nil
}

func setDefault(config *pgx.ConnConfig, name, value string) {
	if _, ok := config.RuntimeParams[name]; !ok {
		config.RuntimeParams[name] = value
	}
}

// postgresAgain knows the errors after which a transaction certainly did not
// happen: serialization_failure and deadlock_detected.
func postgresAgain(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}
