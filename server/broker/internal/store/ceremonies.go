package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"stint/policies"
	"stint/server/access"
)

// Ceremony is what the broker hands to a browser to bring back once: a WebAuthn
// ceremony, or the state of an OpenID Connect sign-in.
type Ceremony struct {
	Kind    string // the caller's word; part of the key
	ID      string // unguessable
	Person  policies.Subject
	Data    []byte
	Expires time.Time
}

type ceremonyRow struct {
	Kind    string `gorm:"primaryKey"`
	ID      string `gorm:"primaryKey"`
	Issuer  string
	Subject string
	Data    []byte
	Expires int64
}

func (ceremonyRow) TableName() string { return "ceremonies" }

// PutCeremony stores a new one.
func (s *Store) PutCeremony(ctx context.Context, c Ceremony) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		return add(db, ceremonyRow{
			Kind: c.Kind, ID: c.ID, Issuer: c.Person.Issuer, Subject: c.Person.Subject, Data: blob(c.Data), Expires: micros(c.Expires),
		})
	})
}

// TakeCeremony removes one and gives it: of several calls one gets it. One that
// is over, or was taken, is access.ErrNoRow. Take it before you believe anything
// about the answer.
func (s *Store) TakeCeremony(ctx context.Context, kind, id string, now time.Time) (Ceremony, error) {
	var row ceremonyRow
	err := s.alone(ctx, func(db *gorm.DB) (err error) {
		if row, err = first[ceremonyRow](db.Where("kind = ? AND id = ?", kind, id)); err != nil {
			return err
		}
		// The deletion says who was first, where both have read the row.
		if err = changed(db.Where("kind = ? AND id = ?", kind, id).Delete(&ceremonyRow{})); err == access.ErrRaced {
			return access.ErrNoRow
		}
		return err
	})
	if err != nil {
		return Ceremony{}, err
	}
	c := Ceremony{
		Kind: row.Kind, ID: row.ID, Person: policies.Subject{Issuer: row.Issuer, Subject: row.Subject},
		Data: row.Data, Expires: moment(row.Expires),
	}
	if !now.Before(c.Expires) {
		return Ceremony{}, access.ErrNoRow
	}
	return c, nil
}

// Purge removes what is over: ceremonies, texts to sign, sign-ins, each of which checks
// its own end at use; and asks that were refused so long ago that they are kept no more.
func (s *Store) Purge(ctx context.Context, now time.Time) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		for _, delete := range []func() error{
			func() error { return db.Where("expires <= ?", micros(now)).Delete(&ceremonyRow{}).Error },
			func() error { return db.Where("expires <= ?", micros(now)).Delete(&challengeRow{}).Error },
			func() error { return db.Where("ends <= ?", micros(now)).Delete(&signInRow{}).Error },
			// An hour more: the provider's clock may be behind.
			func() error { return db.Where("ends <= ?", micros(now.Add(-time.Hour))).Delete(&idTokenRow{}).Error },
			func() error {
				return db.Where("asked <= ?", micros(now.Add(-access.RefusalLife))).Delete(&refusalRow{}).Error
			},
		} {
			if err := delete(); err != nil {
				return err
			}
		}
		return nil
	})
}
