package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stint/policies"
)

// Reasons for a session's end that this package gives itself.
const (
	killed    = "killed"
	leaseLost = "lease-lost"
)

// sessionReasons are the reasons for which proxies report that a session ended,
// as recorder/wire has them (a test compares).
var sessionReasons = []string{
	"completed", "dropped", "revoked", "expired", killed, deviceFailed, "idle", "reauthentication", leaseLost, "recorder-failed", "cut", "proxy-stopped", "failed",
}

// ofProxy reads a session that this proxy holds.
func ofProxy(r SessionReader, proxy, id string) (Session, error) {
	session, err := r.Session(id)
	if errors.Is(err, ErrNoRow) || err == nil && session.Proxy != proxy {
		return Session{}, fail(NotFound, CodeSessionNotFound, "There is no session %q of this proxy.", clip(id))
	}
	return session, err
}

// SessionOfProxy reads a session that this proxy holds.
func (s *Service) SessionOfProxy(ctx context.Context, proxy, id string) (session Session, err error) {
	err = s.read(ctx, func(r Reader, _ moment) (err error) {
		session, err = ofProxy(r, proxy, id)
		return err
	})
	return session, err
}

// EndSession stores a proxy's report that a session is over. Repeating it is
// harmless. A report that comes after the broker gave the session up is more
// exact, and takes its place.
func (s *Service) EndSession(ctx context.Context, proxy, id string, end SessionEnd) error {
	if !slices.Contains(sessionReasons, end.Reason) {
		return invalid("reason", "A session does not end for the reason %q.", clip(end.Reason))
	}
	if end.Bytes < 0 {
		return invalid("bytes", "A recording has no negative size.")
	}
	return s.write(ctx, func(c *change) error {
		session, err := ofProxy(c, proxy, id)
		if err != nil {
			return err
		}
		if !session.Live() && session.EndReason != leaseLost {
			return nil
		}
		return c.finish(session, end)
	})
}

type endData struct {
	Reason string `json:"reason"`
	Bytes  int64  `json:"bytes"` // of the whole recording
}

func (c *change) finish(session Session, end SessionEnd) error {
	before := session.Ended
	session.Ended = clampTime(end.Ended.UTC().Truncate(time.Microsecond), session.Started, c.now)
	session.EndReason, session.Size = end.Reason, max(end.Bytes, session.Size)
	if err := c.FinishSession(session, before); errors.Is(err, ErrRaced) {
		return nil // another report was faster, and says the same
	} else if err != nil {
		return err
	}
	actor := &Actor{Proxy: session.Proxy}
	if end.Reason == leaseLost {
		actor = nil
	}
	_, err := c.record(AuditEvent{
		Kind: EventSessionEnded, Actor: actor, Request: session.Request, Session: session.ID,
		Text: fmt.Sprintf("%s's session as %s on %s ended: %s.", session.Person.Name, session.Login, session.Target, end.Reason),
	}, endData{Reason: end.Reason, Bytes: end.Bytes})
	return err
}

func clampTime(t, from, to time.Time) time.Time {
	if t.Before(from) {
		return from
	}
	if t.After(to) {
		return to
	}
	return t
}

type sealData struct {
	Sequence int64  `json:"sequence"`
	Offset   int64  `json:"offset"`
	Head     []byte `json:"head"`
}

// maxSeals bounds one report.
const maxSeals = 1000

// StoreSeals stores sealed segments, each as a leaf of the audit log. Repeating
// one is harmless, changing or leaving out one is refused. They may come after
// the session's end, while the proxy catches up.
func (s *Service) StoreSeals(ctx context.Context, proxy, id string, seals []Seal) error {
	if len(seals) > maxSeals {
		return invalid("seals", "At most %d seals are stored in one call.", maxSeals)
	}
	if len(seals) == 0 {
		return nil
	}
	return s.write(ctx, func(c *change) error {
		session, err := ofProxy(c, proxy, id)
		if err != nil {
			return err
		}
		known, err := c.Seals(id, seals[0].Sequence-1, len(seals)+1)
		if err != nil {
			return err
		}
		bySequence := map[int64]Seal{}
		for _, k := range known {
			bySequence[k.Sequence] = k
		}
		for _, seal := range seals {
			if k, ok := bySequence[seal.Sequence]; ok {
				if k != seal {
					return fail(Conflict, CodeSealChanged, "Segment %d of session %s is sealed with another head already.", seal.Sequence, id)
				}
				continue
			}
			last, follows := bySequence[seal.Sequence-1]
			first := session.Seals == 0 && len(bySequence) == 0 && (seal.Sequence == 0 || seal.Sequence == 1)
			if !first && (!follows || seal.Offset < last.Offset) || seal.Offset < 0 {
				return fail(Conflict, CodeSealOrder, "Segment %d of session %s does not follow the last one that was sealed.", seal.Sequence, id)
			}
			if err := c.addSeal(session, seal); err != nil {
				return err
			}
			bySequence[seal.Sequence] = seal
		}
		return nil
	})
}

func (c *change) addSeal(session Session, seal Seal) error {
	if err := c.AddSeal(session.ID, seal); err != nil {
		return err
	}
	// Without the request: its timeline would be nothing but seals.
	_, err := c.record(AuditEvent{
		Kind: EventRecordingSealed, Actor: &Actor{Proxy: session.Proxy}, Session: session.ID,
		Text: fmt.Sprintf("Segment %d of the recording is sealed.", seal.Sequence),
	}, sealData{Sequence: seal.Sequence, Offset: seal.Offset, Head: seal.Head[:]})
	return err
}

// Kill ends one live session; its grant goes on.
func (s *Service) Kill(ctx context.Context, by policies.Person, id, reason string) (Session, error) {
	var session Session
	err := s.write(ctx, func(c *change) error {
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		var q Request
		var err error
		if session, q, err = c.seenSession(c, by, id); err != nil {
			return err
		}
		if !slices.Contains(c.mayWithSession(by, session, q), "kill") {
			if !session.Live() || session.KillReason != "" {
				return fail(Conflict, CodeSessionEnded, "The session has ended already.")
			}
			return fail(Forbidden, CodeForbidden, "You cannot end this session.")
		}
		session.KillReason, session.KilledBy = killed, by
		if err := c.KillSession(id, killed, by); errors.Is(err, ErrRaced) {
			return fail(Conflict, CodeSessionEnded, "The session has ended already.")
		} else if err != nil {
			return err
		}
		text := fmt.Sprintf("%s ended %s's session as %s on %s", by.Name, session.Person.Name, session.Login, session.Target)
		if reason != "" {
			text += ": " + reason
		}
		c.notices = append(c.notices, Notice{Session: id, Reason: killed, By: by.Name, At: c.now})
		_, err = c.record(AuditEvent{
			Kind: EventSessionKilled, Actor: ActorOf(by), Request: session.Request, Session: id, Text: text + ".",
		}, takenData{Reason: reason})
		return err
	})
	return session, err
}
