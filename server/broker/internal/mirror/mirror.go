// Package mirror keeps the broker's copy of the signer's ledger: every leaf,
// with a tree that the broker computes itself and compares with what the signer
// has signed, at every fetch.
//
// The mirror is also the memory that a signer is confirmed by when it begins
// anew: a signer whose disk was put back to an older state lacks entries that
// are here.
//
//	signer ─ page, signed checkpoint ─► own tree ─ same root, or proof of
//	         consistency ─► stored ─► tiles for everybody, entries for the monitor
package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/ledger"
	"stint/server/signer/wire"
)

// Every is how often the mirror is brought up to date by itself.
const Every = 5 * time.Second

const fetchTimeout = 10 * time.Second

// Signer is what the mirror asks of the signer.
type Signer interface {
	Trust(ctx context.Context) (wire.TrustResult, error)
	Ledger(ctx context.Context, from int64, limit int) (wire.LedgerPage, error)
	Consistency(ctx context.Context, from int64) (wire.ConsistencyResult, error)
	Confirm(ctx context.Context, request wire.ConfirmRequest) (wire.ConfirmResult, error)
}

// Alarms is where findings go: access.Service.
type Alarms interface {
	RaiseAlarm(ctx context.Context, a access.Alarm) (news bool, err error)
}

// Config wires a Mirror; all fields are required.
type Config struct {
	Signer Signer
	Store  *store.Store
	Alarms Alarms
	Now    func() time.Time
	Log    *slog.Logger
}

// Mirror is safe for concurrent use.
type Mirror struct {
	config Config

	// fetching lets one fetch run at a time.
	fetching chan struct{}

	mu      sync.Mutex
	trouble string
}

// New checks the wiring.
func New(c Config) (*Mirror, error) {
	if c.Signer == nil || c.Store == nil || c.Alarms == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("mirror: the wiring is incomplete")
	}
	return &Mirror{config: c, fetching: make(chan struct{}, 1)}, nil
}

// Run keeps the mirror up to date until ctx is done.
func (m *Mirror) Run(ctx context.Context) {
	for {
		if _, err := m.Fetch(ctx); err != nil && ctx.Err() == nil {
			m.config.Log.Debug("mirroring the signer's ledger", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(Every):
		}
	}
}

// Trouble says in one sentence that the signer's ledger cannot be believed; empty
// while it can. What does not answer is the signing client's to say.
func (m *Mirror) Trouble() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

func (m *Mirror) troubled(sentence string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = sentence
}

// contradiction is a finding that is proof by itself: the ledger is not what the
// signer has signed before.
type contradiction struct{ alarm access.Alarm }

// Error is the alarm's title.
func (c *contradiction) Error() string { return c.alarm.Title }

// Fetch brings the mirror up to date and returns it. Every leaf that the signer
// had acknowledged when Fetch was called is in what it returns. What contradicts
// the mirror is not stored: it raises an alarm, and is an error.
func (m *Mirror) Fetch(ctx context.Context) (store.MirroredLog, error) {
	select {
	case m.fetching <- struct{}{}:
		defer func() { <-m.fetching }()
	case <-ctx.Done():
		return store.MirroredLog{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	log, err := m.fetch(ctx)
	var found *contradiction
	switch {
	case errors.As(err, &found):
		m.troubled(found.alarm.Title + " Nothing that the signer gives can be believed until this is cleared up.")
		_, raiseErr := m.config.Alarms.RaiseAlarm(ctx, found.alarm)
		err = errors.Join(err, raiseErr)
	case err == nil:
		m.troubled("")
	}
	return log, err
}

func (m *Mirror) fetch(ctx context.Context) (store.MirroredLog, error) {
	// 1. Which ledger the signer has, and by which key it signs.
	trust, err := m.config.Signer.Trust(ctx)
	if err != nil {
		return store.MirroredLog{}, err
	}
	verifier, err := note.NewVerifier(trust.Trust.Log)
	if err != nil {
		return store.MirroredLog{}, fmt.Errorf("the signer's log key: %w", err)
	}
	log, err := m.find(ctx, verifier.Name(), trust.Trust.Log)
	if err != nil {
		return log, err
	}
	for {
		// 2. A page, and the checkpoint over all there is.
		page, err := m.config.Signer.Ledger(ctx, log.Size, wire.MaxLedgerPage)
		if err != nil {
			return log, err
		}
		now, err := m.open(log, verifier, page.Checkpoint)
		if err != nil {
			return log, err
		}
		if now.Size < log.Size {
			return log, &contradiction{access.Alarm{
				Kind: access.AlarmWentBack, Cause: fmt.Sprintf("%s of %s at %d", access.AlarmWentBack, log.Origin, now.Size),
				Title:  fmt.Sprintf("The signer's ledger holds %d entries, and %d were mirrored.", now.Size, log.Size),
				Detail: checkpoints(log.Checkpoint, page.Checkpoint),
			}}
		}
		// 3. The broker's own tree with the page's leaves, and the proof that it is the signer's.
		plan, err := m.config.Store.PlanMirror(ctx, log, leavesOf(page, log.Size, now.Size))
		if err != nil {
			return log, err
		}
		checkpoint, err := m.compare(ctx, log, verifier, plan, now, page.Checkpoint)
		if err != nil {
			return log, err
		}
		// 4. Stored, if no other broker was faster.
		done, cosigned := plan.Size == now.Size, m.cosigned(log, verifier, page.Cosigned)
		if done && plan.Size == log.Size && checkpoint == log.Checkpoint && cosigned == "" {
			return log, nil // nothing is new
		}
		if log, err = m.config.Store.ExtendMirror(ctx, log, plan, checkpoint, cosigned, m.config.Now()); err != nil {
			return log, err
		}
		if done {
			return log, nil
		}
		if len(page.Entries) == 0 {
			return log, errors.New("the signer's page holds no entries, though its checkpoint has more")
		}
	}
}

// find is the mirror of a ledger, or begins it. A ledger that was never seen is
// mirrored, and said aloud where there was another one before, or should have been.
func (m *Mirror) find(ctx context.Context, origin, key string) (store.MirroredLog, error) {
	log, err := m.config.Store.MirroredLog(ctx, origin)
	if err == nil && log.Key != key {
		return log, &contradiction{access.Alarm{
			Kind: access.AlarmForked, Cause: access.AlarmForked + " key of " + origin + " is " + key,
			Title:  "The signer signs its ledger with another key than before, under the same name.",
			Detail: "Before: " + log.Key + "\nNow: " + key,
		}}
	}
	if !errors.Is(err, access.ErrNoRow) {
		return log, err
	}
	before, err := m.config.Store.NewestMirroredLog(ctx)
	switch {
	case err == nil:
		_, err = m.config.Alarms.RaiseAlarm(ctx, access.Alarm{
			Kind: access.AlarmReplaced, Cause: access.AlarmReplaced + " by " + origin,
			Title:  fmt.Sprintf("The signer has begun a new ledger, %s, in the place of %s.", origin, before.Origin),
			Detail: checkpoints(before.Checkpoint, key),
		})
	case errors.Is(err, access.ErrNoRow):
		var has bool
		if has, err = m.config.Store.HasCertificates(ctx); err == nil && has {
			_, err = m.config.Alarms.RaiseAlarm(ctx, access.Alarm{
				Kind: access.AlarmMirrorEmptied, Cause: access.AlarmMirrorEmptied + " before " + origin,
				Title: "This broker has certificates, and no mirror of the signer's ledger they were issued under.",
			})
		}
	}
	if err != nil {
		return log, err
	}
	return m.config.Store.BeginMirror(ctx, origin, key)
}

// open reads a checkpoint that the signer has sent.
func (m *Mirror) open(log store.MirroredLog, verifier note.Verifier, text string) (ledger.Checkpoint, error) {
	checkpoint, err := ledger.Open([]byte(text), log.Origin, verifier)
	if err != nil {
		return checkpoint, &contradiction{access.Alarm{
			Kind: access.AlarmForked, Cause: access.AlarmForked + " unsigned " + log.Origin,
			Title:  "The signer sends a checkpoint that its ledger's key has not signed.",
			Detail: text,
		}}
	}
	return checkpoint, nil
}

// compare says whether the planned tree is the signer's, and which checkpoint to
// keep with it: none, where the tree does not yet reach the newest one.
func (m *Mirror) compare(ctx context.Context, log store.MirroredLog, verifier note.Verifier, plan store.Extension, now ledger.Checkpoint, text string) (string, error) {
	forked := func(at int64, other string) error {
		return &contradiction{access.Alarm{
			Kind: access.AlarmForked, Cause: fmt.Sprintf("%s %s after %d", access.AlarmForked, log.Origin, log.Size),
			Title:  fmt.Sprintf("The signer's ledger is not the one that was mirrored: its first %d entries are others.", at),
			Detail: checkpoints(log.Checkpoint, other),
		}}
	}
	if plan.Size == now.Size {
		if plan.Root != now.Root {
			return "", forked(now.Size, text)
		}
		return text, nil
	}
	proof, err := m.config.Signer.Consistency(ctx, plan.Size)
	if err != nil {
		return "", err
	}
	later, err := m.open(log, verifier, proof.Checkpoint)
	if err != nil {
		return "", err
	}
	if err := proof.Proof.Check(ledger.Checkpoint{Origin: log.Origin, Size: plan.Size, Root: plan.Root}, later); err != nil {
		return "", forked(plan.Size, proof.Checkpoint)
	}
	return "", nil
}

// cosigned is a checkpoint with witnesses' signatures, if it is of this ledger.
func (m *Mirror) cosigned(log store.MirroredLog, verifier note.Verifier, text string) string {
	if text == "" || text == log.Cosigned {
		return ""
	}
	if _, err := ledger.Open([]byte(text), log.Origin, verifier); err != nil {
		m.config.Log.Warn("the signer's cosigned checkpoint is not accepted", "error", err)
		return ""
	}
	return text
}

// leavesOf are a page's leaves that its checkpoint covers.
func leavesOf(page wire.LedgerPage, from, size int64) []store.MirroredLeaf {
	leaves := []store.MirroredLeaf{}
	for i, text := range page.Entries {
		number := from + int64(i)
		if number >= size {
			break
		}
		leaves = append(leaves, store.MirroredLeaf{Number: number, Keys: statesKeys(text), Request: requestOf(text), Data: []byte(text)})
	}
	return leaves
}

// statesKeys says whether a leaf is a Keys entry that lists the signer's own.
func statesKeys(leaf string) bool {
	var entry struct {
		Keys *struct {
			Keys []json.RawMessage `json:"keys"`
		} `json:"keys"`
	}
	return json.Unmarshal([]byte(leaf), &entry) == nil && entry.Keys != nil && len(entry.Keys.Keys) > 0
}

func checkpoints(before, now string) string {
	return "Mirrored:\n" + before + "\nNow:\n" + now
}

// Confirm tells a signer that has begun anew what the mirror holds of its ledger.
// A signer that lacks it raises an alarm, and gives nothing.
func (m *Mirror) Confirm(ctx context.Context, origin string) error {
	log, err := m.config.Store.MirroredLog(ctx, origin)
	if errors.Is(err, access.ErrNoRow) {
		// Never seen: what there is now is mirrored first, and what that means is
		// said there.
		log, err = m.Fetch(ctx)
	}
	if err != nil {
		return err
	}
	if log.Origin != origin {
		return fmt.Errorf("the signer's ledger is %s by now, not %s", log.Origin, origin)
	}
	result, err := m.config.Signer.Confirm(ctx, wire.ConfirmRequest{Checkpoint: log.Checkpoint})
	if err == nil && !result.Confirmed {
		return errors.New("the signer waits for its witnesses")
	}
	var refusal *wire.Error
	if errors.As(err, &refusal) && refusal.Code == wire.CodeRolledBack {
		m.troubled("The signer's ledger was put back to an older state; it gives nothing until it is restored.")
		_, raiseErr := m.config.Alarms.RaiseAlarm(ctx, access.Alarm{
			Kind: access.AlarmWentBack, Cause: fmt.Sprintf("%s of %s below %d", access.AlarmWentBack, origin, log.Size),
			Title:  "The signer began anew with a ledger that lacks what was mirrored, and has ended.",
			Detail: refusal.Title + "\n\nMirrored:\n" + log.Checkpoint,
		})
		err = errors.Join(err, raiseErr)
	}
	return err
}

// Newest is the ledger that is mirrored now; [access.ErrNoRow] when none is.
func (m *Mirror) Newest(ctx context.Context) (store.MirroredLog, error) {
	return m.config.Store.NewestMirroredLog(ctx)
}
