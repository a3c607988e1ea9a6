package store

import (
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

type endingRow struct {
	Request  string `gorm:"primaryKey"`
	Reason   string
	EndedBy  string
	At       int64
	Attempts int
	Next     int64
	Settled  int64
	Evidence string
}

func (endingRow) TableName() string { return "endings" }

func (row endingRow) ending() (access.Ending, error) {
	e := access.Ending{
		Request: row.Request, Reason: row.Reason, At: moment(row.At), Attempts: row.Attempts, Next: moment(row.Next),
	}
	var d decoder
	d.into(row.EndedBy, &e.By)
	d.into(row.Evidence, &e.Evidence)
	return e, d.err
}

func (r *reader) Endings(now time.Time, limit int) ([]access.Ending, error) {
	return all(r.db.Where("next > 0 AND next <= ?", micros(now)).Order("next").Limit(bound(limit)), endingRow.ending)
}

func (r *reader) NextEnding() (time.Time, error) {
	row, err := first[endingRow](r.db.Select("next").Where("next > 0").Order("next"))
	return moment(row.Next), err
}

func (t *tx) AddEnding(e access.Ending) error {
	return add(t.db, endingRow{
		Request: e.Request, Reason: e.Reason, EndedBy: personText(e.By), At: micros(e.At), Attempts: e.Attempts, Next: micros(e.Next),
		Evidence: optional(e.Evidence),
	})
}

func (t *tx) DelayEnding(e access.Ending) error {
	result := t.db.Model(&endingRow{}).Where("request = ? AND next > 0", e.Request).
		Updates(map[string]any{"attempts": e.Attempts, "next": micros(e.Next)})
	return result.Error // none: another broker has delivered it
}

func (t *tx) SettleEnding(request string, at time.Time) error {
	return changed(t.db.Model(&endingRow{}).Where("request = ? AND next > 0", request).
		Updates(map[string]any{"next": 0, "settled": micros(at)}))
}

type challengeRow struct {
	Purpose   string `gorm:"primaryKey"`
	About     string `gorm:"primaryKey"`
	Issuer    string `gorm:"primaryKey"`
	Subject   string `gorm:"primaryKey"`
	Digest    string `gorm:"primaryKey"`
	Statement string
	Expires   int64
}

func (challengeRow) TableName() string { return "challenges" }

func (t *tx) PutChallenge(c access.Challenge) error {
	row := challengeRow{
		Purpose: c.Purpose, About: c.About, Issuer: c.Person.Issuer, Subject: c.Person.Subject,
		Digest: evidence.Digest(c.Statement), Statement: c.Statement, Expires: micros(c.Expires),
	}
	if err := t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
		return err
	}
	newest := t.challengesOf(c.Purpose, c.About, c.Person).Model(&challengeRow{}).Select("digest").
		Order("expires DESC, digest").Limit(access.MostChallenges)
	return t.challengesOf(c.Purpose, c.About, c.Person).Where("digest NOT IN (?)", newest).Delete(&challengeRow{}).Error
}

// challengesOf selects what a person may sign for a thing.
func (t *tx) challengesOf(purpose, about string, person policies.Subject) *gorm.DB {
	return t.db.Where("purpose = ? AND about = ? AND issuer = ? AND subject = ?", purpose, about, person.Issuer, person.Subject)
}

func (t *tx) TakeChallenge(purpose, about string, person policies.Subject, statement string) (access.Challenge, error) {
	digest := evidence.Digest(statement)
	row, err := first[challengeRow](t.challengesOf(purpose, about, person).Where("digest = ?", digest))
	if err != nil {
		return access.Challenge{}, err
	}
	err = changed(t.challengesOf(purpose, about, person).Where("digest = ?", digest).Delete(&challengeRow{}))
	return access.Challenge{
		Purpose: row.Purpose, About: row.About, Person: person, Statement: row.Statement, Expires: moment(row.Expires),
	}, err
}
