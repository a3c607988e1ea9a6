package store

import (
	"time"

	"gorm.io/gorm/clause"

	"stint/server/access"
	"stint/server/evidence"
)

type devicePostureRow struct {
	Device    string `gorm:"primaryKey"`
	Statement string
	Signature string
	Received  int64
}

func (devicePostureRow) TableName() string { return "device_postures" }

func (row devicePostureRow) posture() (access.DevicePosture, error) {
	return access.DevicePosture{
		Device: row.Device, Said: evidence.SignedByKey{Statement: row.Statement, Signature: row.Signature}, Received: moment(row.Received),
	}, nil
}

func (r *reader) DevicePosture(device string) (access.DevicePosture, error) {
	return one(r.db.Where("device = ?", device), devicePostureRow.posture)
}

func (t *tx) PutDevicePosture(p access.DevicePosture) error {
	row := devicePostureRow{Device: p.Device, Statement: p.Said.Statement, Signature: p.Said.Signature, Received: micros(p.Received)}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

type deviceBlockRow struct {
	Device    string `gorm:"primaryKey"`
	BlockedBy string
	Reason    string
	At        int64
	Attempts  int
	Next      int64
}

func (deviceBlockRow) TableName() string { return "device_blocks" }

func (row deviceBlockRow) block() (access.DeviceBlock, error) {
	b := access.DeviceBlock{Device: row.Device, Reason: row.Reason, At: moment(row.At), Attempts: row.Attempts, Next: moment(row.Next)}
	var d decoder
	d.into(row.BlockedBy, &b.By)
	return b, d.err
}

func (r *reader) DeviceBlock(device string) (access.DeviceBlock, error) {
	return one(r.db.Where("device = ?", device), deviceBlockRow.block)
}

func (r *reader) DeviceBlocks(now time.Time, limit int) ([]access.DeviceBlock, error) {
	return all(r.db.Where("next > 0 AND next <= ?", micros(now)).Order("next").Limit(bound(limit)), deviceBlockRow.block)
}

func (t *tx) PutDeviceBlock(b access.DeviceBlock) error {
	row := deviceBlockRow{Device: b.Device, BlockedBy: text(b.By), Reason: b.Reason, At: micros(b.At), Attempts: b.Attempts, Next: micros(b.Next)}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

func (r *reader) SessionsOfDevice(device string) ([]access.Session, error) {
	return all(r.db.Where("device = ? AND live", device).Order("number"), sessionRow.session)
}

// Each is exactly the condition of its index.
const (
	overdue = "live AND device_due > 0 AND kill_reason = ''"
	goingOn = "live AND kill_reason = ''"
)

func (r *reader) DeviceOverdue(now time.Time, limit int) ([]access.Session, error) {
	return all(r.db.Where(overdue+" AND device_due <= ?", micros(now)).Order("device_due").Limit(bound(limit)), sessionRow.session)
}

func (r *reader) NextDeviceDue() (time.Time, error) {
	return one(r.db.Where(overdue).Order("device_due"), func(row sessionRow) (time.Time, error) { return moment(row.DeviceDue), nil })
}

func (r *reader) SessionsJudgedByOtherPolicies(policy string, after int64, limit int) ([]access.Session, error) {
	return all(r.db.Where(goingOn+" AND device_policy <> ? AND number > ?", policy, after).Order("number").Limit(bound(limit)), sessionRow.session)
}

func (t *tx) SetDeviceJudged(session, policy string, due time.Time) error {
	return t.db.Model(&sessionRow{}).Where("id = ? AND live", session).
		Updates(map[string]any{"device_policy": policy, "device_due": micros(due)}).Error
}
