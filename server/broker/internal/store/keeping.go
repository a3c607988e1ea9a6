package store

import (
	"time"

	"gorm.io/gorm"

	"stint/server/access"
)

// What the partial indexes of migration 8 say, word for word.
const (
	unstored  = "NOT live AND stored = 0 AND removed = 0 AND size > 0 AND bytes >= size"
	outlived  = "NOT live AND removed = 0 AND hold = ''"
	undeleted = "removed > 0 AND NOT gone"
)

func (r *reader) Unstored(now time.Time, limit int) ([]access.Session, error) {
	return r.toKeep(unstored, now, limit)
}

func (r *reader) Outlived(before time.Time, limit int) ([]access.Session, error) {
	return all(r.db.Where(outlived+" AND ended < ?", micros(before)).Order("ended").Limit(bound(limit)), sessionRow.session)
}

func (r *reader) Undeleted(now time.Time, limit int) ([]access.Session, error) {
	return r.toKeep(undeleted, now, limit)
}

func (r *reader) toKeep(which string, now time.Time, limit int) ([]access.Session, error) {
	return all(r.db.Where(which+" AND keep_due <= ?", micros(now)).Order("keep_due").Limit(bound(limit)), sessionRow.session)
}

func (t *tx) StoreRecording(session string, at time.Time, digest [32]byte) error {
	return changed(t.kept(session).Where("stored = 0 AND removed = 0").
		Updates(map[string]any{"stored": micros(at), "digest": digest[:], "keep_due": 0}))
}

func (t *tx) HoldRecording(session string, hold *access.Hold) error {
	if hold == nil {
		return changed(t.kept(session).Where("hold <> '' AND removed = 0").Update("hold", ""))
	}
	return changed(t.kept(session).Where("hold = '' AND removed = 0").Update("hold", text(hold)))
}

func (t *tx) RemoveRecording(session string, at time.Time) error {
	return changed(t.kept(session).Where(outlived).Updates(map[string]any{"removed": micros(at), "keep_due": 0}))
}

func (t *tx) DeleteRecording(session string) error {
	return t.kept(session).Where("removed > 0").Update("gone", true).Error
}

func (t *tx) DelayKeeping(session string, until time.Time) error {
	return t.kept(session).Update("keep_due", micros(until)).Error
}

func (t *tx) kept(session string) *gorm.DB { return t.db.Model(&sessionRow{}).Where("id = ?", session) }
