package recordings

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"stint/recorder/cast"
	"stint/server/access"
)

// Flow is what the keeping of recordings asks and tells; access.Service is one.
type Flow interface {
	RecordingsToKeep(ctx context.Context, retention time.Duration) (access.ToKeep, error)
	StoreRecording(ctx context.Context, session string, digest [32]byte) error
	RemoveRecording(ctx context.Context, session string, retention time.Duration) error
	DeletedRecording(ctx context.Context, session string) error
	DelayKeeping(ctx context.Context, session string, while time.Duration) error
}

// Archive reads what is known of sessions.
type Archive interface {
	Read(ctx context.Context, fn func(access.Reader) error) error
}

// Keeping is what [Keeper.Keep] needs.
type Keeping struct {
	Flow      Flow
	Archive   Archive
	Retention time.Duration // after a session's end; 0: for ever
	Now       func() time.Time
	Log       *slog.Logger
}

const (
	// keepEvery is how long Keep rests when nothing is due.
	keepEvery = 5 * time.Second
	// tidyEvery is how often it looks for files of recordings that are stored.
	tidyEvery = time.Minute
	// lingering is how long a file stays after its recording was stored: longer than a
	// call of a proxy may be under way.
	lingering = 10 * time.Minute
	// An attempt that failed is repeated after this time, one with a recording that does
	// not agree with its seals after longer.
	retryAfter, recheckAfter = time.Minute, 6 * time.Hour
)

// Keep looks after the recordings of sessions that are over until ctx is done: what is
// whole and agrees with its seals is brought to the object store, if there is one, and
// then deleted here; what has outlived its time is removed everywhere.
func (k *Keeper) Keep(ctx context.Context, c Keeping) {
	tidied := time.Time{}
	for {
		rest, err := k.keepSome(ctx, c)
		if err == nil && k.bucket != nil && c.Now().Sub(tidied) >= tidyEvery {
			tidied = c.Now()
			err = k.tidy(ctx, c)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.Log.Error("looking after recordings", "error", err)
		}
		if rest {
			select {
			case <-ctx.Done():
				return
			case <-time.After(keepEvery):
			}
		}
	}
}

// keepSome does what is due, a few of each kind. It may rest when nothing was.
func (k *Keeper) keepSome(ctx context.Context, c Keeping) (rest bool, err error) {
	due, err := c.Flow.RecordingsToKeep(ctx, c.Retention)
	if err != nil {
		return true, err
	}
	rest = true
	attempt := func(session access.Session, what string, act func() error) error {
		rest = false
		if err := act(); err != nil && ctx.Err() == nil {
			c.Log.Error(what, "session", session.ID, "error", err)
			return c.Flow.DelayKeeping(ctx, session.ID, retryAfter)
		}
		return ctx.Err()
	}
	if k.bucket != nil {
		for _, s := range due.Unstored {
			if err := attempt(s, "storing a recording", func() error { return k.store(ctx, c, s) }); err != nil {
				return false, err
			}
		}
	}
	for _, s := range due.Outlived {
		if err := attempt(s, "removing a recording", func() error { return c.Flow.RemoveRecording(ctx, s.ID, c.Retention) }); err != nil {
			return false, err
		}
	}
	for _, s := range due.Undeleted {
		if err := attempt(s, "deleting a recording", func() error { return k.delete(ctx, c, s.ID) }); err != nil {
			return false, err
		}
	}
	return rest, nil
}

// store brings a whole recording to the object store.
func (k *Keeper) store(ctx context.Context, c Keeping, session access.Session) error {
	// A store that does not answer holds up nobody for longer than this.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute+time.Duration(session.Size>>20)*time.Second)
	defer cancel()

	// 1. It is whole, and what was sealed.
	verdict, err := k.Check(ctx, session, func() ([]access.Seal, error) { return Seals(ctx, c.Archive, session) }, false)
	if err != nil {
		return err
	}
	if verdict.Chain != Verified {
		c.Log.Warn("a recording stays where it is, since it does not agree with its seals", "session", session.ID, "chain", verdict.Chain, "detail", verdict.Detail)
		return c.Flow.DelayKeeping(ctx, session.ID, recheckAfter)
	}

	// 2. The store has it, and gives the same bytes.
	name, err := fileOf(session.ID)
	if err != nil {
		return err
	}
	file, err := k.root.Open(name)
	if err != nil {
		return fmt.Errorf("opening a recording: %w", err)
	}
	defer file.Close()
	digest, err := k.bucket.Store(ctx, session.ID, file, c.Now())
	if err != nil {
		return err
	}

	// 3. That is noted. The file is deleted later, by tidy.
	return c.Flow.StoreRecording(ctx, session.ID, digest)
}

// Seals reads a recording's seals. They are hashes: who sees the session may have it
// compared with them, whether or not they may replay it.
func Seals(ctx context.Context, archive Archive, s access.Session) (seals []access.Seal, err error) {
	const run = 1000
	err = archive.Read(ctx, func(r access.Reader) error {
		seals = make([]access.Seal, 0, s.Seals)
		for from := int64(0); ; {
			next, err := r.Seals(s.ID, from, run)
			if err != nil {
				return err
			}
			seals = append(seals, next...)
			if len(next) < run {
				return nil
			}
			from = next[len(next)-1].Sequence + 1
		}
	})
	return seals, err
}

// delete deletes a removed recording wherever it is.
func (k *Keeper) delete(ctx context.Context, c Keeping, session string) error {
	if err := k.forget(session); err != nil {
		return err
	}
	if k.bucket != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := k.bucket.Delete(ctx, session); err != nil {
			return err
		}
	}
	return c.Flow.DeletedRecording(ctx, session)
}

// forget deletes a recording's file.
func (k *Keeper) forget(session string) error {
	name, err := fileOf(session)
	if err != nil {
		return err
	}
	defer k.turnOf(session)()
	if err := k.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting a recording: %w", err)
	}
	return nil
}

// tidy deletes the files of recordings that were stored a while ago.
func (k *Keeper) tidy(ctx context.Context, c Keeping) error {
	directory, err := k.root.Open(".")
	if err != nil {
		return fmt.Errorf("opening the directory of recordings: %w", err)
	}
	defer directory.Close()
	for {
		names, failed := directory.Readdirnames(500)
		var ids []string
		for _, name := range names {
			if id, ok := strings.CutSuffix(name, cast.Extension); ok {
				ids = append(ids, id)
			}
		}
		var sessions []access.Session
		err := c.Archive.Read(ctx, func(r access.Reader) (err error) {
			sessions, err = r.SessionsByID(ids)
			return err
		})
		if err != nil {
			return err
		}
		for _, s := range sessions {
			if !s.Stored.IsZero() && c.Now().Sub(s.Stored) >= lingering {
				if err := k.forget(s.ID); err != nil {
					return err
				}
			}
		}
		if failed != nil { // io.EOF at the end; what else there is, the next time tells
			return nil
		}
	}
}
