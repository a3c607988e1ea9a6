package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/access"
	"stint/server/ledger"
)

type logRow struct {
	ID       int64 `gorm:"primaryKey;autoIncrement:false"`
	Size     int64
	LastTime int64
}

func (logRow) TableName() string { return "audit_log" }

type leafRow struct {
	Number  int64 `gorm:"primaryKey;autoIncrement:false"`
	Request string
	Session string
	Data    []byte
	Hash    []byte
}

func (leafRow) TableName() string { return "audit_leaves" }

type hashRow struct {
	Number int64 `gorm:"primaryKey;autoIncrement:false"`
	Hash   []byte
}

func (hashRow) TableName() string { return "audit_hashes" }

func copyHash(to, from []byte) error {
	if len(from) != len(to) {
		return fmt.Errorf("a stored hash has %d bytes", len(from))
	}
	copy(to, from)
	return nil
}

func (row leafRow) leaf() (access.AuditLeaf, error) {
	leaf := access.AuditLeaf{Index: row.Number, Data: row.Data}
	if err := copyHash(leaf.Hash[:], row.Hash); err != nil {
		return leaf, fmt.Errorf("audit event %d: %w", row.Number, err)
	}
	var err error
	if leaf.Event, err = access.ParseAuditEvent(row.Data); err != nil {
		// Somebody has changed it. It is shown as it is, for the check of the log
		// to name; a list that failed would hide all the others.
		leaf.Event = access.AuditEvent{Kind: "unreadable", Text: "This entry of the audit log was altered and cannot be read."}
	}
	return leaf, nil
}

func (r *reader) AuditHead() (int64, time.Time, error) {
	row, err := first[logRow](r.db)
	return row.Size, moment(row.LastTime), err
}

func (r *reader) AuditEvents(q access.AuditQuery) ([]access.AuditLeaf, error) {
	order := "number DESC"
	if q.Oldest {
		order = "number"
	}
	db := r.db.Order(order).Limit(bound(q.Limit))
	if q.Request != "" {
		db = db.Where("request = ?", q.Request)
	}
	if q.Session != "" {
		db = db.Where("session = ?", q.Session)
	}
	if q.Before > 0 {
		db = db.Where("number < ?", q.Before)
	}
	return all(db, leafRow.leaf)
}

func (r *reader) AuditRun(from int64, limit int) ([]access.AuditLeaf, error) {
	return all(r.db.Where("number >= ?", from).Order("number").Limit(max(1, min(limit, maxRun))), leafRow.leaf)
}

// Append makes the event the next leaf of the Merkle log, in this transaction.
func (t *tx) Append(e access.AuditEvent) (int64, error) {
	// 1. The tail. No other writer can move it before this transaction ends.
	head, err := first[logRow](t.db)
	if err != nil {
		return 0, err
	}
	if micros(e.Time) < head.LastTime {
		return 0, fmt.Errorf("an audit event of %s after one of %s", e.Time, moment(head.LastTime))
	}
	data, err := e.Encode()
	if err != nil {
		return 0, err
	}
	// 2. What the log wants stored.
	hashes, from, err := ledger.Append(head.Size, data, t.hashes())
	if err != nil {
		return 0, err
	}
	leaf := leafRow{Number: head.Size, Request: e.Request, Session: e.Session, Data: data, Hash: hashes[0][:]}
	if err := t.db.Create(&leaf).Error; err != nil {
		return 0, err
	}
	rows := make([]hashRow, len(hashes))
	for i, h := range hashes {
		rows[i] = hashRow{Number: from + int64(i), Hash: slices.Clone(h[:])}
	}
	if err := t.db.Create(&rows).Error; err != nil {
		return 0, err
	}
	// 3. The new tail, only where the old one still stands.
	err = changed(t.db.Model(&logRow{}).Where("id = 1 AND size = ?", head.Size).
		Updates(map[string]any{"size": head.Size + 1, "last_time": micros(e.Time)}))
	return head.Size, err
}

// hashes reads stored hashes for server/ledger.
func (r *reader) hashes() ledger.HashReader {
	return ledger.HashReaderFunc(func(numbers []int64) ([]ledger.Hash, error) {
		if len(numbers) == 0 {
			return nil, nil
		}
		var rows []hashRow
		if err := r.db.Where("number IN ?", numbers).Find(&rows).Error; err != nil {
			return nil, err
		}
		found := make(map[int64][]byte, len(rows))
		for _, row := range rows {
			found[row.Number] = row.Hash
		}
		hashes := make([]ledger.Hash, len(numbers))
		for i, n := range numbers {
			if err := copyHash(hashes[i][:], found[n]); err != nil {
				return nil, fmt.Errorf("hash %d of the audit log: %w", n, err)
			}
		}
		return hashes, nil
	})
}

// Checkpoint signs what the whole audit log is now, and gives its size.
func (s *Store) Checkpoint(ctx context.Context, origin string, signer note.Signer) (checkpoint string, size int64, err error) {
	err = s.Read(ctx, func(r access.Reader) (err error) {
		checkpoint, size, err = r.(*reader).checkpoint(origin, signer)
		return err
	})
	return checkpoint, size, err
}

// AuditPage reads a run of leaves and the checkpoint of the same snapshot.
func (s *Store) AuditPage(ctx context.Context, from int64, limit int, origin string, signer note.Signer) (leaves []access.AuditLeaf, checkpoint string, err error) {
	err = s.Read(ctx, func(r access.Reader) (err error) {
		if leaves, err = r.AuditRun(from, limit); err != nil {
			return err
		}
		checkpoint, _, err = r.(*reader).checkpoint(origin, signer)
		return err
	})
	return leaves, checkpoint, err
}

func (r *reader) checkpoint(origin string, signer note.Signer) (string, int64, error) {
	size, _, err := r.AuditHead()
	if err != nil {
		return "", 0, err
	}
	root, err := ledger.Root(size, r.hashes())
	if err != nil {
		return "", 0, err
	}
	signed, err := ledger.Sign(ledger.Checkpoint{Origin: origin, Size: size, Root: root}, signer)
	return string(signed), size, err
}
