package store

import (
	"time"

	"gorm.io/gorm/clause"

	"stint/server/access"
)

type delegationEndRow struct {
	Delegation string `gorm:"primaryKey"`
	EndedBy    string
	Reason     string
	At         int64
	Attempts   int
	Next       int64
}

func (delegationEndRow) TableName() string { return "delegation_ends" }

func (row delegationEndRow) end() (access.DelegationEnd, error) {
	e := access.DelegationEnd{Delegation: row.Delegation, Reason: row.Reason, At: moment(row.At), Attempts: row.Attempts, Next: moment(row.Next)}
	var d decoder
	d.into(row.EndedBy, &e.By)
	return e, d.err
}

func (r *reader) DelegationEnd(delegation string) (access.DelegationEnd, error) {
	return one(r.db.Where("delegation = ?", delegation), delegationEndRow.end)
}

func (r *reader) DelegationEnds(now time.Time, limit int) ([]access.DelegationEnd, error) {
	return all(r.db.Where("next > 0 AND next <= ?", micros(now)).Order("next").Limit(bound(limit)), delegationEndRow.end)
}

func (r *reader) DelegationsEnded(since time.Time) (digests []string, err error) {
	err = r.db.Model(&delegationEndRow{}).Where("at > ?", micros(since)).Pluck("delegation", &digests).Error
	return digests, err
}

func (t *tx) PutDelegationEnd(e access.DelegationEnd) error {
	row := delegationEndRow{Delegation: e.Delegation, EndedBy: text(e.By), Reason: e.Reason, At: micros(e.At), Attempts: e.Attempts, Next: micros(e.Next)}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}
