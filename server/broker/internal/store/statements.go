package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// mostStatements bounds what one connection keeps. The flow has fewer; lists of
// keys have one for each length.
const mostStatements = 256

// openKeeping opens SQLite with connections that keep their statements: to read
// a statement and to plan it costs more than to run it, and a broker at rest asks
// the same few every second. (What the ORM's PrepareStmt prepares in a transaction ends with
// it, and all here is read and written in transactions.)
func openKeeping(name string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(keeper{connector}), nil
}

type keeper struct{ driver.Connector }

// Connect opens a connection that has no statements yet.
func (k keeper) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := opened.(connection)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's %T is no connection as it was", opened), opened.Close())
	}
	return &keeping{connection: c, statements: map[string]*statement{}}, nil
}

// connection is all that database/sql asks of a connection of the driver.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keeping is a connection with the statements it has run. database/sql uses a
// connection, and the rows that come from it, in one goroutine at a time.
type keeping struct {
	connection
	statements map[string]*statement // by their text
}

type statement struct {
	driver.Stmt
	open bool // its rows are still being read
}

// ExecContext runs a statement. What has no arguments runs once: migrations.
func (k *keeping) ExecContext(ctx context.Context, query string, arguments []driver.NamedValue) (driver.Result, error) {
	if len(arguments) == 0 {
		return k.connection.ExecContext(ctx, query, arguments)
	}
	s, err := k.statement(ctx, query)
	if err != nil || s == nil {
		return k.connection.ExecContext(ctx, query, arguments)
	}
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, arguments)
	if err != nil {
		return nil, k.forget(query, err)
	}
	return result, nil
}

// QueryContext runs a statement that gives rows.
func (k *keeping) QueryContext(ctx context.Context, query string, arguments []driver.NamedValue) (driver.Rows, error) {
	s, err := k.statement(ctx, query)
	if err != nil || s == nil {
		return k.connection.QueryContext(ctx, query, arguments)
	}
	found, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, arguments)
	if err != nil {
		return nil, k.forget(query, err)
	}
	s.open = true
	return &rowsOf{Rows: found, statement: s}, nil
}

// Close closes the statements first: they would keep the file open.
func (k *keeping) Close() error {
	var err error
	for query := range k.statements {
		err = k.forget(query, err)
	}
	return errors.Join(err, k.connection.Close())
}

// statement is the kept one, or a new one that is kept; nil while the rows of the
// kept one are being read. An error is the driver's to tell again.
func (k *keeping) statement(ctx context.Context, query string) (*statement, error) {
	if s := k.statements[query]; s != nil {
		if s.open {
			return nil, nil
		}
		return s, nil
	}
	prepared, err := k.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: prepared}
	for other, kept := range k.statements { // any will do
		if len(k.statements) < mostStatements {
			break
		}
		if !kept.open {
			if err := k.forget(other, nil); err != nil {
				return nil, errors.Join(err, prepared.Close())
			}
		}
	}
	k.statements[query] = s
	return s, nil
}

// forget closes a statement after an error, which it returns.
func (k *keeping) forget(query string, after error) error {
	s := k.statements[query]
	delete(k.statements, query)
	if err := s.Close(); err != nil {
		return errors.Join(after, err)
	}
	return after
}

// rowsOf are rows after whose end the statement can be run again.
type rowsOf struct {
	driver.Rows
	statement *statement
}

// Close ends the reading.
func (r *rowsOf) Close() error {
	r.statement.open = false
	return r.Rows.Close()
}
