package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// migrate brings the schema up to date.
func migrate(ctx context.Context, kind goose.Dialect, db *sql.DB, files fs.FS, log *slog.Logger, options ...goose.ProviderOption) error {
	options = append(options, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	provider, err := goose.NewProvider(kind, db, files, options...)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("bringing the database up to date: %w", err)
	}
	for _, m := range done {
		log.Info("migrated the database", "version", m.Source.Version, "took", m.Duration)
	}
	return nil
}

// ormConfig keeps the ORM to building statements: transactions are ours, and
// nothing of a statement, which holds people's data, is logged.
func ormConfig() *gorm.Config {
	return &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard, DisableAutomaticPing: true}
}

// dialect is SQLite for the ORM, over a connection that exists. The ORM's own
// driver for SQLite would link a second SQLite, in C, beside the one in use.
// Schema changes are goose's, so there is no migrator.
type dialect struct{ pool gorm.ConnPool }

// Name is the ORM's name for SQLite.
func (dialect) Name() string { return "sqlite" }

// Initialize registers how statements are built.
func (d dialect) Initialize(db *gorm.DB) error {
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE"},
	})
	// SQLite plans a statement anew for each value of a parameter of LIMIT.
	db.ClauseBuilders["LIMIT"] = func(c clause.Clause, builder clause.Builder) {
		limit, ok := c.Expression.(clause.Limit)
		if statement, is := builder.(*gorm.Statement); is && limit.Offset > 0 {
			_ = statement.AddError(errors.New("store: pages go by cursor, not by offset"))
		}
		if ok && limit.Limit != nil {
			_, _ = builder.WriteString("LIMIT " + strconv.Itoa(*limit.Limit))
		}
	}
	db.ConnPool = d.pool
	return nil
}

// Migrator is none.
func (dialect) Migrator(*gorm.DB) gorm.Migrator { return nil }

// DataTypeOf is asked by migrators only.
func (dialect) DataTypeOf(*schema.Field) string { return "" }

// DefaultValueOf is what an absent value becomes.
func (dialect) DefaultValueOf(*schema.Field) clause.Expression { return clause.Expr{SQL: "NULL"} }

// BindVarTo writes a placeholder.
func (dialect) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

// QuoteTo writes a name in quotation marks. Names are our own: none holds one.
func (dialect) QuoteTo(w clause.Writer, name string) {
	_ = w.WriteByte('"')
	for _, b := range []byte(name) {
		if b == '.' {
			_, _ = w.WriteString(`"."`)
			continue
		}
		_ = w.WriteByte(b)
	}
	_ = w.WriteByte('"')
}

// Explain is for the ORM's log, which is off.
func (dialect) Explain(statement string, _ ...any) string { return statement }
