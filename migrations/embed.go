// Package migrations holds the broker's database schema as goose migrations in
// SQL, one set for each kind of database. A migration that was released is never
// edited: the next one is added to both sets.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite is the set for SQLite.
func SQLite() fs.FS { return set("sqlite") }

// PostgreSQL is the set for PostgreSQL 15 and later.
func PostgreSQL() fs.FS { return set("postgres") }

func set(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		// fs.Sub refuses invalid names only, and these are constants.
		panic("migrations: " + err.Error())
	}
	return sub
}
