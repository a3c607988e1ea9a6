package store

import (
	"errors"
	"time"

	"stint/policies"
	"stint/server/access"
)

// What was lived through: the past that policy looks at, asks that it refused, and whom
// people were told.

func (r *reader) GrantsUsed(of []policies.Person, roles []string, since time.Time) ([]access.Request, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	// A grant that was ended early ended at ended_at; one that time ended, at ends.
	return all(r.requestsOf(of).Where("used > 0 AND role IN ?", roles).
		Where("ends > ? AND (ended_at = 0 OR ended_at > ?)", micros(since), micros(since)).Order("used, number"), requestRow.request)
}

type agreementRow struct {
	Issuer  string `gorm:"primaryKey"`
	Subject string `gorm:"primaryKey"`
	Request string `gorm:"primaryKey"`
	At      int64
}

func (agreementRow) TableName() string { return "agreements" }

type agreedRow struct {
	Request          string
	RequesterIssuer  string
	RequesterSubject string
	At               int64
}

func (r *reader) Agreements(of []policies.Subject, since time.Time) ([]policies.PastApproval, error) {
	var agreed []policies.PastApproval
	for _, who := range of {
		var rows []agreedRow
		if err := r.db.Table("agreements").Joins("JOIN requests ON requests.id = agreements.request").
			Select("agreements.request, requests.requester_issuer, requests.requester_subject, agreements.at").
			Where("agreements.issuer = ? AND agreements.subject = ? AND agreements.at > ?", who.Issuer, who.Subject, micros(since)).
			Order("agreements.at, agreements.request").Scan(&rows).Error; err != nil {
			return nil, err
		}
		for _, row := range rows {
			agreed = append(agreed, policies.PastApproval{
				Request: row.Request, Requester: policies.Subject{Issuer: row.RequesterIssuer, Subject: row.RequesterSubject}, At: moment(row.At),
			})
		}
	}
	return agreed, nil
}

func (t *tx) AddAgreements(request string, who []policies.Subject, at time.Time) error {
	for _, s := range who {
		if err := add(t.db, agreementRow{Issuer: s.Issuer, Subject: s.Subject, Request: request, At: micros(at)}); err != nil && !errors.Is(err, access.ErrRowExists) {
			return err
		}
	}
	return nil
}

func (r *reader) OpenReviews(role string, limit int) ([]access.Request, error) {
	db := r.db.Where("open_review")
	if role != "" {
		db = db.Where("role = ?", role)
	}
	return all(db.Order("used, number").Limit(bound(limit)), requestRow.request)
}

func (r *reader) LastUsed(role string) (time.Time, error) {
	row, err := first[requestRow](r.db.Select("used").Where("used > 0 AND role = ?", role).Order("used DESC"))
	return moment(row.Used), err
}

type tellingRow struct {
	Request string `gorm:"primaryKey"`
	Kind    string `gorm:"primaryKey"`
	Stage   string `gorm:"primaryKey"`
	Due     int64  `gorm:"primaryKey;autoIncrement:false"`
	At      int64
	People  string
	Text    string
}

func (tellingRow) TableName() string { return "tellings" }

func (row tellingRow) telling() (access.Telling, error) {
	t := access.Telling{Request: row.Request, Kind: row.Kind, Stage: row.Stage, Due: moment(row.Due), At: moment(row.At), Text: row.Text}
	var d decoder
	d.into(row.People, &t.People)
	return t, d.err
}

func (r *reader) Tellings(request string) ([]access.Telling, error) {
	return all(r.db.Where("request = ?", request).Order("at, due, kind, stage"), tellingRow.telling)
}

func (t *tx) AddTelling(told access.Telling) error {
	return add(t.db, tellingRow{
		Request: told.Request, Kind: told.Kind, Stage: told.Stage, Due: micros(told.Due), At: micros(told.At), People: text(told.People), Text: told.Text,
	})
}

func (r *reader) ToTell(now time.Time, limit int) ([]access.Request, error) {
	return all(r.db.Where("tell > 0 AND tell <= ?", micros(now)).Order("tell").Limit(bound(limit)), requestRow.request)
}

func (r *reader) NextToTell() (time.Time, error) {
	row, err := first[requestRow](r.db.Select("tell").Where("tell > 0").Order("tell"))
	return moment(row.Tell), err
}

type refusalRow struct {
	Number   int64 `gorm:"primaryKey;autoIncrement:false"`
	Issuer   string
	Subject  string
	Person   string
	Ask      string
	Asked    int64
	Asserted string
	Rule     string
	Text     string
	Policy   string
}

func (refusalRow) TableName() string { return "refusals" }

func (row refusalRow) refusal() (access.Refusal, error) {
	r := access.Refusal{Number: row.Number, Asked: moment(row.Asked), Rule: row.Rule, Text: row.Text, Policy: row.Policy}
	var d decoder
	d.into(row.Person, &r.Requester)
	d.into(row.Ask, &r.Ask)
	d.into(row.Asserted, &r.Asserted)
	return r, d.err
}

func (r *reader) Refusals(before int64, limit int) ([]access.Refusal, error) {
	db := r.db.Order("number DESC").Limit(bound(limit))
	if before > 0 {
		db = db.Where("number < ?", before)
	}
	return all(db, refusalRow.refusal)
}

func (r *reader) RefusalsOf(who policies.Subject, since time.Time) (int, error) {
	var count int64
	err := r.db.Model(&refusalRow{}).Where("issuer = ? AND subject = ? AND asked > ?", who.Issuer, who.Subject, micros(since)).Count(&count).Error
	return int(count), err
}

func (t *tx) AddRefusal(r access.Refusal) error {
	row := refusalRow{
		Number: r.Number, Issuer: r.Requester.Issuer, Subject: r.Requester.Subject.Subject, Person: text(r.Requester),
		Ask: text(r.Ask), Asked: micros(r.Asked), Rule: r.Rule, Text: r.Text, Policy: r.Policy,
	}
	if len(r.Asserted) > 0 {
		row.Asserted = text(r.Asserted)
	}
	return add(t.db, row)
}
