package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"stint/server/access"
	"stint/server/ledger"
)

// MirroredLog is a ledger of the signer's as far as this broker has it.
type MirroredLog struct {
	ID         int64
	Origin     string
	Key        string    // verifier key
	Size       int64     // leaves that are here
	Checkpoint string    // signed; the last that covers no more than Size leaves
	Cosigned   string    // the newest that witnesses signed too, or empty
	Fetched    time.Time // when it last grew
}

// MirroredLeaf is a leaf of it.
type MirroredLeaf struct {
	Number int64
	Keys   bool // it states the signer's keys
	// Request is whose certificate or ending it is; empty where it is none.
	Request string
	Data    []byte
}

// Extension is what a log becomes with more leaves: computed, and not yet stored.
type Extension struct {
	Size   int64
	Root   ledger.Hash
	leaves []leafOfMirror
	hashes []hashOfMirror
}

type mirroredLogRow struct {
	ID         int64 `gorm:"primaryKey;autoIncrement"`
	Origin     string
	Key        string
	Size       int64
	Checkpoint string
	Cosigned   string
	Fetched    int64
}

func (mirroredLogRow) TableName() string { return "mirrored_logs" }

func (row mirroredLogRow) log() (MirroredLog, error) {
	return MirroredLog{row.ID, row.Origin, row.Key, row.Size, row.Checkpoint, row.Cosigned, moment(row.Fetched)}, nil
}

type leafOfMirror struct {
	Log     int64 `gorm:"primaryKey;autoIncrement:false"`
	Number  int64 `gorm:"primaryKey;autoIncrement:false"`
	Keys    bool
	Request string
	Data    []byte
}

func (leafOfMirror) TableName() string { return "mirrored_leaves" }

func (row leafOfMirror) leaf() (MirroredLeaf, error) {
	return MirroredLeaf{row.Number, row.Keys, row.Request, row.Data}, nil
}

type hashOfMirror struct {
	Log    int64 `gorm:"primaryKey;autoIncrement:false"`
	Number int64 `gorm:"primaryKey;autoIncrement:false"`
	Hash   []byte
}

func (hashOfMirror) TableName() string { return "mirrored_hashes" }

type positionRow struct {
	Name     string `gorm:"primaryKey"`
	Position int64
}

func (positionRow) TableName() string { return "monitor_positions" }

// view runs fn on one snapshot, as [Store.Read] does.
func (s *Store) view(ctx context.Context, fn func(db *gorm.DB) error) error {
	return s.Read(ctx, func(r access.Reader) error { return fn(r.(*reader).db) })
}

// MirroredLog finds by origin; [access.ErrNoRow] when none of it was mirrored.
func (s *Store) MirroredLog(ctx context.Context, origin string) (log MirroredLog, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		log, err = one(db.Where("origin = ?", origin), mirroredLogRow.log)
		return err
	})
	return log, err
}

// NewestMirroredLog is the one that was begun last.
func (s *Store) NewestMirroredLog(ctx context.Context) (log MirroredLog, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		log, err = one(db.Order("id DESC"), mirroredLogRow.log)
		return err
	})
	return log, err
}

// BeginMirror adds an empty log; of several brokers that begin it at once, all get
// the same.
func (s *Store) BeginMirror(ctx context.Context, origin, key string) (MirroredLog, error) {
	err := s.alone(ctx, func(db *gorm.DB) error {
		return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&mirroredLogRow{Origin: origin, Key: key}).Error
	})
	if err != nil {
		return MirroredLog{}, err
	}
	return s.MirroredLog(ctx, origin)
}

// PlanMirror computes what a log becomes with more leaves, and stores nothing.
func (s *Store) PlanMirror(ctx context.Context, log MirroredLog, leaves []MirroredLeaf) (e Extension, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		e = Extension{Size: log.Size}
		fresh := map[int64]ledger.Hash{}
		hashes := overlaid(fresh, mirrorHashes(db, log.ID))
		for _, leaf := range leaves {
			if leaf.Number != e.Size {
				return fmt.Errorf("store: leaf %d is to follow %d leaves", leaf.Number, e.Size)
			}
			added, first, err := ledger.Append(e.Size, leaf.Data, hashes)
			if err != nil {
				return err
			}
			for i, h := range added {
				fresh[first+int64(i)] = h
				e.hashes = append(e.hashes, hashOfMirror{log.ID, first + int64(i), slices.Clone(h[:])})
			}
			e.leaves = append(e.leaves, leafOfMirror{log.ID, leaf.Number, leaf.Keys, leaf.Request, blob(leaf.Data)})
			e.Size++
		}
		e.Root, err = ledger.Root(e.Size, hashes)
		return err
	})
	return e, err
}

// overlaid reads hashes that are not stored yet before those that are.
func overlaid(fresh map[int64]ledger.Hash, stored ledger.HashReader) ledger.HashReader {
	return ledger.HashReaderFunc(func(numbers []int64) ([]ledger.Hash, error) {
		var missing []int64
		for _, n := range numbers {
			if _, ok := fresh[n]; !ok {
				missing = append(missing, n)
			}
		}
		found, err := stored.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		hashes := make([]ledger.Hash, 0, len(numbers))
		for _, n := range numbers {
			if h, ok := fresh[n]; ok {
				hashes = append(hashes, h)
				continue
			}
			hashes, found = append(hashes, found[0]), found[1:]
		}
		return hashes, nil
	})
}

// batch bounds the rows of one INSERT: a database takes so many parameters.
const batch = 1000

// ExtendMirror stores what PlanMirror computed, with the newest checkpoints; an
// empty one leaves what there is. It is [access.ErrRaced] when another broker has
// extended the log meanwhile.
func (s *Store) ExtendMirror(ctx context.Context, log MirroredLog, e Extension, checkpoint, cosigned string, at time.Time) (MirroredLog, error) {
	set := map[string]any{"size": e.Size, "fetched": micros(at)}
	log.Size, log.Fetched = e.Size, at
	if checkpoint != "" {
		set["checkpoint"], log.Checkpoint = checkpoint, checkpoint
	}
	if cosigned != "" {
		set["cosigned"], log.Cosigned = cosigned, cosigned
	}
	before := e.Size - int64(len(e.leaves))
	err := s.alone(ctx, func(db *gorm.DB) error {
		if err := changed(db.Model(&mirroredLogRow{}).Where("id = ? AND size = ?", log.ID, before).Updates(set)); err != nil {
			return err
		}
		if len(e.leaves) == 0 {
			return nil
		}
		if err := db.CreateInBatches(e.leaves, batch).Error; err != nil {
			return err
		}
		return db.CreateInBatches(e.hashes, batch).Error
	})
	return log, err
}

// MirroredLeaves lists a run of leaves from one number on.
func (s *Store) MirroredLeaves(ctx context.Context, log, from int64, limit int) (leaves []MirroredLeaf, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		leaves, err = all(db.Where("log = ? AND number >= ?", log, from).Order("number").Limit(max(1, min(limit, maxRun))), leafOfMirror.leaf)
		return err
	})
	return leaves, err
}

// KeysLeaves lists all leaves that state the signer's keys, oldest first, from one
// number on.
func (s *Store) KeysLeaves(ctx context.Context, log, from int64) (leaves []MirroredLeaf, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		leaves, err = all(db.Where("log = ? AND keys AND number >= ?", log, from).Order("number"), leafOfMirror.leaf)
		return err
	})
	return leaves, err
}

// MirroredTile reads the hashes of a tile of a log.
func (s *Store) MirroredTile(ctx context.Context, log MirroredLog, tile ledger.Tile) (data []byte, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		data, err = tile.Data(log.Size, mirrorHashes(db, log.ID))
		return err
	})
	return data, err
}

// mirrorHashes reads stored hashes for server/ledger.
func mirrorHashes(db *gorm.DB, log int64) ledger.HashReader {
	return ledger.HashReaderFunc(func(numbers []int64) ([]ledger.Hash, error) {
		if len(numbers) == 0 {
			return nil, nil
		}
		var rows []hashOfMirror
		if err := db.Where("log = ? AND number IN ?", log, numbers).Find(&rows).Error; err != nil {
			return nil, err
		}
		found := make(map[int64][]byte, len(rows))
		for _, row := range rows {
			found[row.Number] = row.Hash
		}
		hashes := make([]ledger.Hash, len(numbers))
		for i, n := range numbers {
			if err := copyHash(hashes[i][:], found[n]); err != nil {
				return nil, fmt.Errorf("hash %d of the mirrored ledger: %w", n, err)
			}
		}
		return hashes, nil
	})
}

// HasCertificates says whether the signer ever issued anything to this broker.
func (s *Store) HasCertificates(ctx context.Context) (has bool, err error) {
	err = s.view(ctx, func(db *gorm.DB) error {
		var found []string
		err := db.Model(&certificateRow{}).Limit(1).Pluck("serial", &found).Error
		has = len(found) > 0
		return err
	})
	return has, err
}

// CertificatesSince lists certificates that were issued at a time or later.
func (s *Store) CertificatesSince(ctx context.Context, since time.Time, limit int) (certificates []access.Certificate, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		certificates, err = all(db.Where("issued >= ?", micros(since)).Order("issued, serial").Limit(max(1, min(limit, maxRun))), certificateRow.certificate)
		return err
	})
	return certificates, err
}

// SessionsFrom lists sessions by rising number, from one number on.
func (s *Store) SessionsFrom(ctx context.Context, number int64, limit int) (sessions []access.Session, err error) {
	err = s.view(ctx, func(db *gorm.DB) (err error) {
		sessions, err = all(db.Where("number >= ?", number).Order("number").Limit(max(1, min(limit, maxRun))), sessionRow.session)
		return err
	})
	return sessions, err
}

// Position is how far the monitor has come in something; 0 at the beginning.
func (s *Store) Position(ctx context.Context, name string) (position int64, err error) {
	err = s.view(ctx, func(db *gorm.DB) error {
		var rows []positionRow
		err := db.Where("name = ?", name).Limit(1).Find(&rows).Error
		if len(rows) > 0 {
			position = rows[0].Position
		}
		return err
	})
	return position, err
}

// SetPosition notes how far the monitor has come. It never goes back.
func (s *Store) SetPosition(ctx context.Context, name string, position int64) error {
	return s.alone(ctx, func(db *gorm.DB) error {
		row := positionRow{name, position}
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return err
		}
		return db.Model(&positionRow{}).Where("name = ? AND position < ?", name, position).Update("position", position).Error
	})
}
