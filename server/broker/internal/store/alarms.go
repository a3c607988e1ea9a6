package store

import (
	"time"

	"stint/server/access"
)

type alarmRow struct {
	ID             string `gorm:"primaryKey"`
	Number         int64
	Kind           string
	Cause          string
	Title          string
	Request        string
	Session        string
	Detail         string
	Raised         int64
	Acknowledged   int64
	AcknowledgedBy string
	Reason         string
}

func (alarmRow) TableName() string { return "alarms" }

func (row alarmRow) alarm() (access.Alarm, error) {
	a := access.Alarm{
		ID: row.ID, Number: row.Number, Kind: row.Kind, Cause: row.Cause, Title: row.Title, Request: row.Request, Session: row.Session,
		Detail: row.Detail, Raised: moment(row.Raised), Acknowledged: moment(row.Acknowledged), Reason: row.Reason,
	}
	var d decoder
	d.into(row.AcknowledgedBy, &a.By)
	return a, d.err
}

func (r *reader) Alarm(id string) (access.Alarm, error) {
	return one(r.db.Where("id = ?", id), alarmRow.alarm)
}

func (r *reader) AlarmOf(cause string) (access.Alarm, error) {
	return one(r.db.Where("cause = ?", cause), alarmRow.alarm)
}

func (r *reader) Alarms(openOnly bool, before int64, limit int) ([]access.Alarm, error) {
	db := r.db.Order("number DESC").Limit(bound(limit))
	if openOnly {
		db = db.Where("acknowledged = 0")
	}
	if before > 0 {
		db = db.Where("number < ?", before)
	}
	return all(db, alarmRow.alarm)
}

func (r *reader) OpenAlarms(kind string) (int, error) {
	db := r.db.Model(&alarmRow{}).Where("acknowledged = 0")
	if kind != "" {
		db = db.Where("kind = ?", kind)
	}
	var open int64
	err := db.Count(&open).Error
	return int(open), err
}

func (t *tx) AddAlarm(a access.Alarm) error {
	return add(t.db, alarmRow{
		ID: a.ID, Number: a.Number, Kind: a.Kind, Cause: a.Cause, Title: a.Title, Request: a.Request, Session: a.Session,
		Detail: a.Detail, Raised: micros(a.Raised), Acknowledged: micros(time.Time{}),
	})
}

func (t *tx) AcknowledgeAlarm(a access.Alarm) error {
	return changed(t.db.Model(&alarmRow{}).Where("id = ? AND acknowledged = 0", a.ID).
		Updates(map[string]any{"acknowledged": micros(a.Acknowledged), "acknowledged_by": personText(a.By), "reason": a.Reason}))
}
