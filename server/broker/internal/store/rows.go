package store

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"stint/policies"
	"stint/server/access"
)

// reader is a transaction that reads.
type reader struct{ db *gorm.DB }

// tx is a transaction that also writes.
type tx struct{ reader }

// micros is a time as the tables hold it: 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// text is a value as JSON. What it is given are our own types, which all encode.
func text(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not encode: %v", v, err))
	}
	return string(encoded)
}

// decoder gathers the first error of several texts.
type decoder struct{ err error }

// into decodes a text; an empty one leaves the value as it is.
func (d *decoder) into(encoded string, v any) {
	if encoded == "" || d.err != nil {
		return
	}
	if err := json.Unmarshal([]byte(encoded), v); err != nil {
		d.err = fmt.Errorf("a stored %T does not decode: %w", v, err)
	}
}

// personText is empty for nobody.
func personText(p policies.Person) string {
	if p.Subject == (policies.Subject{}) {
		return ""
	}
	return text(p)
}

// blob is never NULL.
func blob(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// first reads one row.
func first[Row any](db *gorm.DB) (Row, error) {
	var row Row
	result := db.Limit(1).Find(&row)
	if result.Error == nil && result.RowsAffected == 0 {
		return row, access.ErrNoRow
	}
	return row, result.Error
}

// all reads rows and makes them the flow's.
func all[Row any, T any](db *gorm.DB, convert func(Row) (T, error)) ([]T, error) {
	var rows []Row
	if err := db.Find(&rows).Error; err != nil {
		return nil, err
	}
	converted := make([]T, len(rows))
	for i, row := range rows {
		var err error
		if converted[i], err = convert(row); err != nil {
			return nil, err
		}
	}
	return converted, nil
}

// one reads one row and makes it the flow's.
func one[Row any, T any](db *gorm.DB, convert func(Row) (T, error)) (T, error) {
	row, err := first[Row](db)
	if err != nil {
		var none T
		return none, err
	}
	return convert(row)
}

// add inserts a row; one whose key is there is access.ErrRowExists. It does not
// fail inside the database, where PostgreSQL would give the transaction up.
func add[Row any](db *gorm.DB, row Row) error {
	result := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if result.Error == nil && result.RowsAffected == 0 {
		return access.ErrRowExists
	}
	return result.Error
}

// changed turns "no row was there any more" into a lost race.
func changed(result *gorm.DB) error {
	switch {
	case result.Error != nil:
		return result.Error
	case result.RowsAffected == 0:
		return access.ErrRaced
	case result.RowsAffected > 1:
		return fmt.Errorf("store: %d rows changed where one was meant", result.RowsAffected)
	}
	return nil
}
