package store

import (
	"strconv"
	"time"

	"gorm.io/gorm"

	"context"
	"stint/policies"
	"stint/server/access"
)

type sessionRow struct {
	ID            string `gorm:"primaryKey"`
	Number        int64
	Request       string
	Extension     string
	Offer         string
	Present       int64
	Serial        string
	PersonIssuer  string
	PersonSubject string
	Person        string
	Role          string
	Login         string
	Target        string
	Proxy         string
	ClientAddress string
	ClientVersion string
	Started       int64
	LeaseUntil    int64
	Live          bool
	Ended         int64
	EndReason     string
	Device        string
	DeviceDue     int64
	DevicePolicy  string
	KillReason    string
	KilledBy      string
	Bytes         int64
	Size          int64
	Seals         int64
	Stored        int64
	Digest        []byte
	Hold          string
	Removed       int64
	Gone          bool
	KeepDue       int64
}

func (sessionRow) TableName() string { return "sessions" }

func (row sessionRow) session() (access.Session, error) {
	s := access.Session{
		ID: row.ID, Number: row.Number, Request: row.Request, Extension: row.Extension, Offer: row.Offer, Present: moment(row.Present), Role: row.Role, Login: row.Login, Target: row.Target,
		Proxy: row.Proxy, ClientAddress: row.ClientAddress, ClientVersion: row.ClientVersion,
		Started: moment(row.Started), LeaseUntil: moment(row.LeaseUntil), Ended: moment(row.Ended), EndReason: row.EndReason,
		Device: row.Device, DeviceDue: moment(row.DeviceDue), DevicePolicy: row.DevicePolicy, KillReason: row.KillReason, Bytes: row.Bytes, Size: row.Size, Seals: row.Seals,
	}
	s.Stored, s.Removed = moment(row.Stored), moment(row.Removed)
	var d decoder
	d.into(row.Person, &s.Person)
	d.into(row.Hold, &s.Hold)
	d.into(row.KilledBy, &s.KilledBy)
	if d.err == nil {
		s.Serial, d.err = strconv.ParseUint(row.Serial, 10, 64)
	}
	if d.err == nil && row.Stored > 0 {
		d.err = copyHash(s.Digest[:], row.Digest)
	}
	return s, d.err
}

func (r *reader) Session(id string) (access.Session, error) {
	return one(r.db.Where("id = ?", id), sessionRow.session)
}

func (r *reader) SessionsByID(ids []string) ([]access.Session, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return all(r.db.Where("id IN ?", ids), sessionRow.session)
}

func (r *reader) Sessions(q access.SessionQuery) ([]access.Session, error) {
	db := r.db.Order("live DESC, number DESC").Limit(bound(q.Limit))
	if q.Request != "" {
		db = db.Where("request = ? OR extension = ?", q.Request, q.Request)
	}
	if q.Requester != (policies.Subject{}) {
		db = db.Where("person_issuer = ? AND person_subject = ?", q.Requester.Issuer, q.Requester.Subject)
	}
	if q.Target != "" {
		db = db.Where("target = ?", q.Target)
	}
	if q.Live != nil {
		db = db.Where("live = ?", *q.Live)
	}
	if q.After != nil {
		db = db.Where("(live, number) < (?, ?)", q.After.Live, q.After.Number)
	}
	return all(db, sessionRow.session)
}

func (r *reader) LeaseLost(before time.Time, limit int) ([]access.Session, error) {
	return all(r.db.Where("live AND lease_until < ?", micros(before)).Order("lease_until").Limit(bound(limit)), sessionRow.session)
}

func (t *tx) AddSession(s access.Session) error {
	return add(t.db, sessionRow{
		ID: s.ID, Number: s.Number, Request: s.Request, Extension: s.Extension, Offer: s.Offer, Present: micros(s.Present), Serial: strconv.FormatUint(s.Serial, 10),
		PersonIssuer: s.Person.Issuer, PersonSubject: s.Person.Subject.Subject, Person: text(s.Person),
		Role: s.Role, Login: s.Login, Target: s.Target, Proxy: s.Proxy,
		ClientAddress: s.ClientAddress, ClientVersion: s.ClientVersion,
		Started: micros(s.Started), LeaseUntil: micros(s.LeaseUntil), Live: s.Live(), Ended: micros(s.Ended), EndReason: s.EndReason,
		Device: s.Device, DeviceDue: micros(s.DeviceDue), DevicePolicy: s.DevicePolicy, KillReason: s.KillReason, KilledBy: personText(s.KilledBy), Bytes: s.Bytes, Size: s.Size, Seals: s.Seals,
		Digest: []byte{},
	})
}

func (t *tx) OfferExtension(id, request string) error {
	return changed(t.db.Model(&sessionRow{}).Where("id = ? AND live", id).Update("offer", request))
}

func (t *tx) ExtendSession(id, request string) error {
	return changed(t.db.Model(&sessionRow{}).Where("id = ? AND live", id).Updates(map[string]any{"extension": request, "offer": ""}))
}

func (t *tx) NotePresence(id string, at time.Time) error {
	return t.db.Model(&sessionRow{}).Where("id = ? AND present < ?", id, micros(at)).Update("present", micros(at)).Error
}

func (t *tx) KillSession(id, reason string, by policies.Person) error {
	return changed(t.db.Model(&sessionRow{}).Where("id = ? AND live AND kill_reason = ''", id).
		Updates(map[string]any{"kill_reason": reason, "killed_by": personText(by)}))
}

func (t *tx) FinishSession(s access.Session, before time.Time) error {
	return changed(t.db.Model(&sessionRow{}).Where("id = ? AND ended = ?", s.ID, micros(before)).
		Updates(map[string]any{"live": false, "ended": micros(s.Ended), "end_reason": s.EndReason, "size": s.Size}))
}

// ExtendLeases never shortens a lease.
func (s *Store) ExtendLeases(ctx context.Context, sessions []string, until time.Time) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		return db.Model(&sessionRow{}).Where("id IN ? AND live AND lease_until < ?", sessions, micros(until)).
			Update("lease_until", micros(until)).Error
	})
}

// SetRecordingBytes notes how much of a session's recording the broker holds
// durably. Call it after the bytes are; it never goes back.
func (s *Store) SetRecordingBytes(ctx context.Context, session string, bytes int64) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		return db.Model(&sessionRow{}).Where("id = ? AND bytes < ?", session, bytes).Update("bytes", bytes).Error
	})
}

type sealRow struct {
	Session    string `gorm:"primaryKey"`
	Sequence   int64  `gorm:"primaryKey;autoIncrement:false"`
	ByteOffset int64
	Head       []byte
}

func (sealRow) TableName() string { return "seals" }

func (row sealRow) seal() (access.Seal, error) {
	s := access.Seal{Sequence: row.Sequence, Offset: row.ByteOffset}
	return s, copyHash(s.Head[:], row.Head)
}

// maxRun bounds how many seals or leaves one read gives.
const maxRun = 1001

func (r *reader) Seals(session string, from int64, limit int) ([]access.Seal, error) {
	return all(r.db.Where("session = ? AND sequence >= ?", session, from).Order("sequence").
		Limit(max(1, min(limit, maxRun))), sealRow.seal)
}

func (t *tx) AddSeal(session string, s access.Seal) error {
	err := add(t.db, sealRow{Session: session, Sequence: s.Sequence, ByteOffset: s.Offset, Head: s.Head[:]})
	if err != nil {
		return err
	}
	return changed(t.db.Model(&sessionRow{}).Where("id = ?", session).Update("seals", gorm.Expr("seals + 1")))
}
