package store

import (
	"errors"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"stint/policies"
	"stint/server/access"
)

type personRow struct {
	Issuer    string `gorm:"primaryKey"`
	Subject   string `gorm:"primaryKey"`
	Person    string
	Email     string
	Handle    []byte
	FirstSeen int64
	LastSeen  int64
}

func (personRow) TableName() string { return "people" }

func (row personRow) person() (access.KnownPerson, error) {
	p := access.KnownPerson{Handle: row.Handle, FirstSeen: moment(row.FirstSeen), LastSeen: moment(row.LastSeen)}
	var d decoder
	d.into(row.Person, &p.Person)
	return p, d.err
}

func (r *reader) Person(s policies.Subject) (access.KnownPerson, error) {
	return one(r.db.Where("issuer = ? AND subject = ?", s.Issuer, s.Subject), personRow.person)
}

func (t *tx) PutPerson(p access.KnownPerson) error {
	row := personRow{
		Issuer: p.Person.Issuer, Subject: p.Person.Subject.Subject, Person: text(p.Person), Email: strings.ToLower(p.Person.Email),
		Handle: p.Handle, FirstSeen: micros(p.FirstSeen), LastSeen: micros(p.LastSeen),
	}
	return t.db.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "issuer"}, {Name: "subject"}},
		DoUpdates: clause.AssignmentColumns([]string{"person", "email", "last_seen"}),
	}).Create(&row).Error
}

type signInRow struct {
	Token        []byte `gorm:"primaryKey"`
	Kind         string
	Person       string
	LoginKey     string
	Confirmation string
	Began        int64
	Ends         int64
}

func (signInRow) TableName() string { return "sign_ins" }

func (row signInRow) signIn() (access.SignIn, error) {
	s := access.SignIn{Kind: access.SignInKind(row.Kind), LoginKey: row.LoginKey, Confirmation: row.Confirmation, Began: moment(row.Began), Ends: moment(row.Ends)}
	var d decoder
	d.into(row.Person, &s.Person)
	if d.err == nil {
		d.err = copyHash(s.Token[:], row.Token)
	}
	return s, d.err
}

func (r *reader) SignIn(token [32]byte) (access.SignIn, error) {
	return one(r.db.Where("token = ?", token[:]), signInRow.signIn)
}

func (t *tx) AddSignIn(s access.SignIn) error {
	return add(t.db, signInRow{
		Token: s.Token[:], Kind: string(s.Kind), Person: text(s.Person), LoginKey: s.LoginKey, Confirmation: s.Confirmation,
		Began: micros(s.Began), Ends: micros(s.Ends),
	})
}

type idTokenRow struct {
	Digest   []byte `gorm:"primaryKey"`
	LoginKey string
	Ends     int64
}

func (idTokenRow) TableName() string { return "id_tokens" }

func (t *tx) BindIDToken(token access.IDToken, loginKey string) error {
	err := add(t.db, idTokenRow{Digest: token.Digest[:], LoginKey: loginKey, Ends: micros(token.Ends)})
	if !errors.Is(err, access.ErrRowExists) {
		return err
	}
	bound, err := one(t.db.Where("digest = ?", token.Digest[:]), func(row idTokenRow) (string, error) { return row.LoginKey, nil })
	if err == nil && bound != loginKey {
		err = access.ErrRowExists
	}
	return err
}

func (t *tx) RemoveSignIn(token [32]byte) (bool, error) {
	result := t.db.Where("token = ?", token[:]).Delete(&signInRow{})
	return result.RowsAffected > 0, result.Error
}

type passkeyRow struct {
	Credential   string `gorm:"primaryKey"`
	OwnerIssuer  string
	OwnerSubject string
	Name         string
	Groups       string
	Record       []byte
	Created      int64
	LastUsed     int64
}

func (passkeyRow) TableName() string { return "passkeys" }

func (row passkeyRow) passkey() (access.Passkey, error) {
	p := access.Passkey{
		Credential: row.Credential, Owner: policies.Subject{Issuer: row.OwnerIssuer, Subject: row.OwnerSubject},
		Name: row.Name, Record: row.Record, Created: moment(row.Created), LastUsed: moment(row.LastUsed),
	}
	var d decoder
	d.into(row.Groups, &p.Groups)
	return p, d.err
}

func (r *reader) Passkey(credential string) (access.Passkey, error) {
	return one(r.db.Where("credential = ?", credential), passkeyRow.passkey)
}

func (r *reader) Passkeys(owner policies.Subject) ([]access.Passkey, error) {
	return all(r.db.Where("owner_issuer = ? AND owner_subject = ?", owner.Issuer, owner.Subject).
		Order("created, credential").Limit(access.MaxPage), passkeyRow.passkey)
}

func (t *tx) AddPasskey(p access.Passkey) error {
	return add(t.db, passkeyRow{
		Credential: p.Credential, OwnerIssuer: p.Owner.Issuer, OwnerSubject: p.Owner.Subject, Name: p.Name,
		Groups: text(p.Groups), Record: blob(p.Record), Created: micros(p.Created), LastUsed: micros(p.LastUsed),
	})
}

func (t *tx) RenamePasskey(credential, name string) error {
	return changed(t.db.Model(&passkeyRow{}).Where("credential = ?", credential).Update("name", name))
}

func (t *tx) RemovePasskey(credential string) error {
	return t.db.Where("credential = ?", credential).Delete(&passkeyRow{}).Error
}

func (t *tx) PasskeyUsed(credential string, at time.Time) error {
	return t.db.Model(&passkeyRow{}).Where("credential = ?", credential).Update("last_used", micros(at)).Error
}

type enrolmentRow struct {
	ID            string `gorm:"primaryKey"`
	Number        int64
	State         string
	PersonIssuer  string
	PersonSubject string
	Person        string
	Groups        string
	Passkey       string
	Credential    string
	PublicKey     string
	AAGUID        string `gorm:"column:aaguid"`
	Statement     string
	Created       int64
	Expires       int64
	Possession    string
	Attestation   string
}

func (enrolmentRow) TableName() string { return "enrolments" }

func (row enrolmentRow) enrolment() (access.Enrolment, error) {
	e := access.Enrolment{
		ID: row.ID, Number: row.Number, State: access.EnrolmentState(row.State), Passkey: row.Passkey,
		Credential: row.Credential, PublicKey: row.PublicKey, AAGUID: row.AAGUID, Statement: row.Statement,
		Created: moment(row.Created), Expires: moment(row.Expires),
	}
	var d decoder
	d.into(row.Person, &e.Person)
	d.into(row.Groups, &e.Groups)
	d.into(row.Possession, &e.Possession)
	d.into(row.Attestation, &e.Attestation)
	return e, d.err
}

func (r *reader) Enrolment(id string) (access.Enrolment, error) {
	return one(r.db.Where("id = ?", id), enrolmentRow.enrolment)
}

func (r *reader) Enrolments(q access.EnrolmentQuery) ([]access.Enrolment, error) {
	db := r.db.Order("number DESC").Limit(bound(q.Limit))
	if q.Person != (policies.Subject{}) {
		db = db.Where("person_issuer = ? AND person_subject = ?", q.Person.Issuer, q.Person.Subject)
	}
	if len(q.States) > 0 {
		db = db.Where("state IN ?", q.States)
	}
	return all(db, enrolmentRow.enrolment)
}

func (t *tx) AddEnrolment(e access.Enrolment) error {
	return add(t.db, enrolmentRow{
		ID: e.ID, Number: e.Number, State: string(e.State), PersonIssuer: e.Person.Issuer, PersonSubject: e.Person.Subject.Subject,
		Person: text(e.Person), Groups: text(e.Groups), Passkey: e.Passkey, Credential: e.Credential, PublicKey: e.PublicKey,
		AAGUID: e.AAGUID, Statement: e.Statement, Created: micros(e.Created), Expires: micros(e.Expires), Possession: optional(e.Possession),
		Attestation: optional(e.Attestation),
	})
}

func (t *tx) MoveEnrolment(e access.Enrolment, from access.EnrolmentState) error {
	return changed(t.db.Model(&enrolmentRow{}).Where("id = ? AND state = ?", e.ID, string(from)).
		Updates(map[string]any{"state": string(e.State), "possession": optional(e.Possession)}))
}

// optional is empty for nothing.
func optional[T any](v *T) string {
	if v == nil {
		return ""
	}
	return text(v)
}

type confirmationRow struct {
	Code      string `gorm:"primaryKey"`
	Person    string
	LoginKey  string
	Requested int64
	Expires   int64
	Signed    string
}

func (confirmationRow) TableName() string { return "confirmations" }

func (row confirmationRow) confirmation() (access.Confirmation, error) {
	c := access.Confirmation{Code: row.Code, LoginKey: row.LoginKey, Requested: moment(row.Requested), Expires: moment(row.Expires)}
	var d decoder
	d.into(row.Person, &c.Person)
	d.into(row.Signed, &c.Signed)
	return c, d.err
}

func (r *reader) Confirmation(code string) (access.Confirmation, error) {
	return one(r.db.Where("code = ?", code), confirmationRow.confirmation)
}

func (t *tx) AddConfirmation(c access.Confirmation) error {
	return add(t.db, confirmationRow{
		Code: c.Code, Person: text(c.Person), LoginKey: c.LoginKey,
		Requested: micros(c.Requested), Expires: micros(c.Expires), Signed: optional(c.Signed),
	})
}

func (t *tx) ConfirmLogin(c access.Confirmation) error {
	return changed(t.db.Model(&confirmationRow{}).Where("code = ? AND signed = ''", c.Code).Update("signed", optional(c.Signed)))
}
