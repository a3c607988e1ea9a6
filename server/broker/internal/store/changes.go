package store

import (
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"stint/policies"
	"stint/server/access"
)

type changeRow struct {
	ID        string `gorm:"primaryKey"`
	Number    int64
	Kind      string
	State     string
	Statement string
	Reason    string
	Proposer  string
	Created   int64
	Expires   int64
	Before    string
	After     string
	Ended     int64
	EndedBy   string
	EndReason string
}

func (changeRow) TableName() string { return "changes" }

func (row changeRow) change() (access.Change, error) {
	c := access.Change{
		ID: row.ID, Number: row.Number, Kind: access.ChangeKind(row.Kind), State: access.ChangeState(row.State),
		Statement: row.Statement, Reason: row.Reason, Created: moment(row.Created), Expires: moment(row.Expires),
		Ended: moment(row.Ended), EndReason: row.EndReason,
	}
	var d decoder
	d.into(row.Proposer, &c.Proposer)
	d.into(row.Before, &c.Before)
	d.into(row.After, &c.After)
	d.into(row.EndedBy, &c.EndedBy)
	return c, d.err
}

func (r *reader) Change(id string) (access.Change, error) {
	return one(r.db.Where("id = ?", id), changeRow.change)
}

func (r *reader) Changes(q access.ChangeQuery) ([]access.Change, error) {
	db := r.db.Omit("before", "after").Order("number DESC").Limit(bound(q.Limit))
	if len(q.States) > 0 {
		db = db.Where("state IN ?", q.States)
	}
	if q.Before > 0 {
		db = db.Where("number < ?", q.Before)
	}
	return all(db, changeRow.change)
}

func (t *tx) AddChange(c access.Change) error {
	return add(t.db, changeRow{
		ID: c.ID, Number: c.Number, Kind: string(c.Kind), State: string(c.State), Statement: c.Statement, Reason: c.Reason,
		Proposer: text(c.Proposer), Created: micros(c.Created), Expires: micros(c.Expires),
		Before: filesText(c.Before), After: filesText(c.After),
		Ended: micros(c.Ended), EndedBy: personText(c.EndedBy), EndReason: c.EndReason,
	})
}

// filesText is empty for no files.
func filesText(files map[string]string) string {
	if files == nil {
		return ""
	}
	return text(files)
}

func (t *tx) MoveChange(c access.Change, from access.ChangeState) error {
	return changed(t.db.Model(&changeRow{}).Where("id = ? AND state = ?", c.ID, string(from)).
		Updates(map[string]any{
			"state": string(c.State), "ended": micros(c.Ended), "ended_by": personText(c.EndedBy), "end_reason": c.EndReason,
		}))
}

type signatureRow struct {
	About         string `gorm:"primaryKey"`
	SignerIssuer  string `gorm:"primaryKey"`
	SignerSubject string `gorm:"primaryKey"`
	Signer        string
	Assertion     string
	Signed        int64
	PasskeyName   string
}

func (signatureRow) TableName() string { return "signatures" }

func (row signatureRow) signature() (access.Signature, error) {
	s := access.Signature{Of: row.About, Signed: moment(row.Signed), PasskeyName: row.PasskeyName}
	var d decoder
	d.into(row.Signer, &s.Signer)
	d.into(row.Assertion, &s.Assertion)
	return s, d.err
}

func (r *reader) Signatures(of string) ([]access.Signature, error) {
	return all(r.db.Where("about = ?", of).Order("signed, signer_issuer, signer_subject"), signatureRow.signature)
}

func (t *tx) PutSignature(s access.Signature) error {
	row := signatureRow{
		About: s.Of, SignerIssuer: s.Signer.Issuer, SignerSubject: s.Signer.Subject.Subject, Signer: text(s.Signer),
		Assertion: text(s.Assertion), Signed: micros(s.Signed), PasskeyName: s.PasskeyName,
	}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

type suspensionRow struct {
	Issuer      string `gorm:"primaryKey"`
	Subject     string `gorm:"primaryKey"`
	Person      string
	SuspendedBy string
	Reason      string
	At          int64
	Attempts    int
	Next        int64
}

func (suspensionRow) TableName() string { return "suspensions" }

func (row suspensionRow) suspension() (access.Suspension, error) {
	s := access.Suspension{Reason: row.Reason, At: moment(row.At), Attempts: row.Attempts, Next: moment(row.Next)}
	var d decoder
	d.into(row.Person, &s.Person)
	d.into(row.SuspendedBy, &s.By)
	return s, d.err
}

func (r *reader) Suspension(of policies.Subject) (access.Suspension, error) {
	return one(r.db.Where("issuer = ? AND subject = ?", of.Issuer, of.Subject), suspensionRow.suspension)
}

func (r *reader) Suspensions(now time.Time, limit int) ([]access.Suspension, error) {
	return all(r.db.Where("next > 0 AND next <= ?", micros(now)).Order("next").Limit(bound(limit)), suspensionRow.suspension)
}

func (t *tx) PutSuspension(s access.Suspension) error {
	row := suspensionRow{
		Issuer: s.Person.Issuer, Subject: s.Person.Subject.Subject, Person: text(s.Person), SuspendedBy: text(s.By),
		Reason: s.Reason, At: micros(s.At), Attempts: s.Attempts, Next: micros(s.Next),
	}
	return t.db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

func (r *reader) People(q access.PeopleQuery) ([]access.KnownPerson, error) {
	db := r.db.Order("issuer, subject").Limit(bound(q.Limit))
	if q.Person != "" {
		db = db.Where("subject = ? OR email = ?", q.Person, strings.ToLower(q.Person))
	}
	if q.After != (policies.Subject{}) {
		db = db.Where("(issuer, subject) > (?, ?)", q.After.Issuer, q.After.Subject)
	}
	return all(db, personRow.person)
}
