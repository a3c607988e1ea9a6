package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stint/policies"
)

// Keeping is what became of a session's recording after its end.
type Keeping struct {
	// Stored is when the whole recording was found in the object store; zero before.
	Stored time.Time
	// Digest is the SHA-256 of the whole recording as it was found there.
	Digest [32]byte
	// Hold keeps it from being removed; nil for none.
	Hold *Hold
	// Removed is when it was decided that its time is over; zero before. From then on
	// nobody reads it, whether or not its bytes are gone yet.
	Removed time.Time
}

// Hold is a legal hold: nobody removes the recording until somebody lifts it.
type Hold struct {
	By     policies.Person `json:"by"`
	Reason string          `json:"reason"`
	At     time.Time       `json:"at"`
}

// KeepingReader reads which recordings are to be looked after.
type KeepingReader interface {
	// Unstored lists ended sessions whose whole recording the broker holds and has not
	// stored, and whose next attempt is due, the longest due first.
	Unstored(now time.Time, limit int) ([]Session, error)
	// Outlived lists sessions that ended before a time and whose recording is neither
	// removed nor held, the oldest first.
	Outlived(before time.Time, limit int) ([]Session, error)
	// Undeleted lists those whose recording is removed while its bytes are still there,
	// and whose next attempt is due, the longest due first.
	Undeleted(now time.Time, limit int) ([]Session, error)
}

// KeepingWriter writes what becomes of recordings.
type KeepingWriter interface {
	// StoreRecording notes that it is stored; ErrRaced when it is already, or removed.
	StoreRecording(session string, at time.Time, digest [32]byte) error
	// HoldRecording sets or, with nil, lifts a hold; ErrRaced when there is one, or none,
	// already, or when the recording is removed.
	HoldRecording(session string, hold *Hold) error
	// RemoveRecording notes that it is removed; ErrRaced when it is already, or held, or
	// the session is live.
	RemoveRecording(session string, at time.Time) error
	// DeleteRecording notes that the bytes of a removed recording are gone.
	DeleteRecording(session string) error
	// DelayKeeping sets when the next attempt with a recording is due.
	DelayKeeping(session string, until time.Time) error
}

// keepingBatch bounds how many recordings one pass looks after.
const keepingBatch = 20

// ToKeep are recordings to be looked after now.
type ToKeep struct {
	Unstored  []Session // to be stored
	Outlived  []Session // to be removed
	Undeleted []Session // removed, and to be deleted
}

// RecordingsToKeep lists recordings to be looked after now, a few of each kind.
// Those of sessions that ended longer ago than retention have outlived it; none have
// where it is 0.
func (s *Service) RecordingsToKeep(ctx context.Context, retention time.Duration) (due ToKeep, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if due.Unstored, err = r.Unstored(m.now, keepingBatch); err != nil {
			return err
		}
		if retention > 0 {
			if due.Outlived, err = r.Outlived(m.now.Add(-retention), keepingBatch); err != nil {
				return err
			}
		}
		due.Undeleted, err = r.Undeleted(m.now, keepingBatch)
		return err
	})
	return due, err
}

type storedData struct {
	Digest []byte `json:"digest"`
	Bytes  int64  `json:"bytes"`
}

// StoreRecording notes that a session's whole recording was found in the object store,
// with this SHA-256. Repeating it is harmless.
func (s *Service) StoreRecording(ctx context.Context, id string, digest [32]byte) error {
	return s.write(ctx, func(c *change) error {
		session, err := c.Session(id)
		if err != nil {
			return err
		}
		if err := c.Tx.StoreRecording(id, c.now, digest); errors.Is(err, ErrRaced) {
			return nil
		} else if err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventRecordingStored, Session: id,
			Text: "The whole recording is in the object store.",
		}, storedData{Digest: digest[:], Bytes: session.Size})
		return err
	})
}

// RemoveRecording notes that the time of a session's recording is over: from then on
// nobody reads it. Its seals stay. A recording that is held meanwhile is left alone.
func (s *Service) RemoveRecording(ctx context.Context, id string, retention time.Duration) error {
	return s.write(ctx, func(c *change) error {
		session, err := c.Session(id)
		if err != nil {
			return err
		}
		if session.Live() || c.now.Sub(session.Ended) < retention {
			return nil
		}
		if err := c.Tx.RemoveRecording(id, c.now); errors.Is(err, ErrRaced) {
			return nil
		} else if err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventRecordingRemoved, Request: session.Request, Session: id,
			Text: fmt.Sprintf("The recording of %s's session as %s on %s is removed: its %d days are over.",
				session.Person.Name, session.Login, session.Target, int(retention.Hours()/24)),
		}, nil)
		return err
	})
}

// DeletedRecording notes that the bytes of a removed recording are gone.
func (s *Service) DeletedRecording(ctx context.Context, id string) error {
	return s.write(ctx, func(c *change) error { return c.DeleteRecording(id) })
}

// DelayKeeping has a recording looked after again no sooner than after a while.
func (s *Service) DelayKeeping(ctx context.Context, id string, while time.Duration) error {
	return s.write(ctx, func(c *change) error { return c.Tx.DelayKeeping(id, c.now.Add(while)) })
}

// Hold keeps a session's recording from being removed until somebody releases it.
func (s *Service) Hold(ctx context.Context, by policies.Person, id, reason string) error {
	return s.holding(ctx, by, id, reason, "hold", EventRecordingHeld, "%s put the recording of %s's session as %s on %s under a legal hold: %s.")
}

// Release lifts the legal hold of a session's recording.
func (s *Service) Release(ctx context.Context, by policies.Person, id, reason string) error {
	return s.holding(ctx, by, id, reason, "release", EventRecordingReleased, "%s lifted the legal hold of the recording of %s's session as %s on %s: %s.")
}

func (s *Service) holding(ctx context.Context, by policies.Person, id, reason, what, kind, sentence string) error {
	return s.write(ctx, func(c *change) error {
		if reason == "" {
			return invalid("reason", "Say why, for whoever reads the audit log.")
		}
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		session, q, err := c.seenSession(c, by, id)
		if err != nil {
			return err
		}
		if !slices.Contains(c.mayWithSession(by, session, q), what) {
			return c.mayNotHold(by, session, what)
		}
		var hold *Hold
		if what == "hold" {
			hold = &Hold{By: by, Reason: reason, At: c.now}
		}
		if err := c.HoldRecording(id, hold); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: kind, Actor: ActorOf(by), Request: session.Request, Session: id,
			Text: fmt.Sprintf(sentence, by.Name, session.Person.Name, session.Login, session.Target, reason),
		}, takenData{Reason: reason})
		return err
	})
}

// mayNotHold says why not.
func (m moment) mayNotHold(by policies.Person, session Session, what string) error {
	switch {
	case !m.mayHold(by, session):
		return fail(Forbidden, CodeForbidden, "Only those who replay other people's sessions of %s hold their recordings, and nobody those of their own.", session.Role)
	case !session.Removed.IsZero():
		return fail(Conflict, CodeRecordingRemoved, "The recording was removed already.")
	case what == "hold":
		return fail(Conflict, CodeRecordingHeld, "The recording is under a legal hold already.")
	default:
		return fail(Conflict, CodeRecordingHeld, "The recording is under no legal hold.")
	}
}

// mayHold says who holds a recording and releases it: who replays other people's
// sessions of the role. Nobody does with their own.
func (m moment) mayHold(by policies.Person, session Session) bool {
	return by.Subject != session.Person.Subject && m.mayReplay(by, session.Role)
}
