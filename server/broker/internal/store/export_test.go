package store

import (
	"context"

	"stint/server/access"
)

// WriteAnyway tries to write through a reader.
func WriteAnyway(r access.Reader) error {
	return r.(*reader).db.Exec("UPDATE audit_log SET size = 99").Error
}

// Tamper changes the database behind the store's back.
func (s *Store) Tamper(ctx context.Context, statement string, values ...any) error {
	return s.writing.WithContext(ctx).Exec(statement, values...).Error
}

// Plan tells how SQLite would answer a query.
func Plan(ctx context.Context, s *Store, query string) ([]string, error) {
	var steps []struct{ Detail string }
	err := s.reading.WithContext(ctx).Raw("EXPLAIN QUERY PLAN " + query).Scan(&steps).Error
	plan := make([]string, len(steps))
	for i, step := range steps {
		plan[i] = step.Detail
	}
	return plan, err
}
