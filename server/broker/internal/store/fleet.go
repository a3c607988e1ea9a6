package store

import (
	"time"

	"gorm.io/gorm/clause"

	"stint/policies"
	"stint/server/access"
)

type fleetBindingRow struct {
	Device  string `gorm:"primaryKey"`
	Host    int64
	UUID    string `gorm:"column:uuid"`
	Serial  string
	BoundBy string
	Bound   int64
	Word    string
	Said    int64
	Asked   int64
	Trouble string
}

func (fleetBindingRow) TableName() string { return "fleet_bindings" }

func (row fleetBindingRow) binding() (access.FleetBinding, error) {
	b := access.FleetBinding{
		Device: row.Device, Host: row.Host, UUID: row.UUID, Serial: row.Serial, Bound: moment(row.Bound),
		Said: moment(row.Said), Asked: moment(row.Asked), Trouble: row.Trouble,
	}
	var d decoder
	d.into(row.BoundBy, &b.By)
	if row.Word != "" {
		b.Word = new(policies.FleetHost)
		d.into(row.Word, b.Word)
	}
	return b, d.err
}

func (r *reader) FleetBinding(device string) (access.FleetBinding, error) {
	return one(r.db.Where("device = ?", device), fleetBindingRow.binding)
}

func (r *reader) FleetBindingOf(host int64) (access.FleetBinding, error) {
	return one(r.db.Where("host = ?", host), fleetBindingRow.binding)
}

func (r *reader) FleetDue(asked time.Time, limit int) ([]access.FleetBinding, error) {
	return all(r.db.Where("device IN (SELECT device FROM sessions WHERE live AND device <> '') AND asked <= ?", micros(asked)).
		Order("asked").Limit(bound(limit)), fleetBindingRow.binding)
}

func (t *tx) PutFleetBinding(b access.FleetBinding) error {
	row := fleetBindingRow{
		Device: b.Device, Host: b.Host, UUID: b.UUID, Serial: b.Serial, BoundBy: text(b.By), Bound: micros(b.Bound),
		Said: micros(b.Said), Asked: micros(b.Asked), Trouble: b.Trouble,
	}
	if b.Word != nil {
		row.Word = text(b.Word)
	}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

func (t *tx) RemoveFleetBinding(device string) error {
	return t.db.Where("device = ?", device).Delete(&fleetBindingRow{}).Error
}
