package access

import (
	"context"
	"errors"
	"time"

	"stint/policies"
)

// SessionView is a session as one person may see it.
type SessionView struct {
	Session
	May []string // kill, extend, reauthenticate, replay, hold, release
	// ReauthenticateBy is by when its person must say again that they are there; zero: never.
	ReauthenticateBy time.Time
	// GrantEnds is when the grant ends that it has.
	GrantEnds time.Time
}

// seenSession reads a session, and its request, that this person may see.
func (m moment) seenSession(r Reader, by policies.Person, id string) (Session, Request, error) {
	unseen := func() error {
		return fail(NotFound, CodeSessionNotFound, "There is no session %q that you may see.", clip(id))
	}
	session, err := r.Session(id)
	if errors.Is(err, ErrNoRow) {
		return Session{}, Request{}, unseen()
	} else if err != nil {
		return Session{}, Request{}, err
	}
	q, err := r.Request(session.Request)
	if err != nil {
		return Session{}, Request{}, err
	}
	if !m.maySee(by, q) {
		return Session{}, Request{}, unseen()
	}
	return session, q, nil
}

func (m moment) mayWithSession(by policies.Person, session Session, q Request) []string {
	may := []string{}
	own := by.Subject == session.Person.Subject
	if session.Live() && session.KillReason == "" && (own || m.mayEnd(by, q)) {
		may = append(may, "kill")
	}
	if own && m.mayExtend(session) {
		may = append(may, "extend")
	}
	if own && !m.asksPresence(session).IsZero() {
		may = append(may, "reauthenticate")
	}
	if !session.Removed.IsZero() {
		return may
	}
	if own || m.mayReplay(by, session.Role) {
		may = append(may, "replay")
	}
	if m.mayHold(by, session) {
		if session.Hold == nil {
			may = append(may, "hold")
		} else {
			may = append(may, "release")
		}
	}
	return may
}

// Session reads one session.
func (s *Service) Session(ctx context.Context, by policies.Person, id string) (SessionView, error) {
	var v SessionView
	err := s.read(ctx, func(r Reader, m moment) error {
		session, q, err := m.seenSession(r, by, id)
		if err != nil {
			return err
		}
		v = SessionView{Session: session, May: m.mayWithSession(by, session, q), GrantEnds: q.Ends, ReauthenticateBy: m.asksPresence(session)}
		if session.Extension != "" {
			q, err = r.Request(session.Extension)
			v.GrantEnds = q.Ends
		}
		return err
	})
	return v, err
}

// Sessions lists live ones first, then newest first. Reviewers and
// administrators see everybody's, others their own; q.Requester is narrowed
// accordingly. next is nil at the end.
func (s *Service) Sessions(ctx context.Context, by policies.Person, q SessionQuery) (items []Session, next *SessionPlace, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		next = nil
		if !m.isReviewer(by) && !m.isAdministrator(by.Subject) && !m.seesSessionsOf(r, by, q.Request) {
			if q.Requester != (policies.Subject{}) && q.Requester != by.Subject {
				return fail(Forbidden, CodeForbidden, "Only reviewers and administrators see other people's sessions.")
			}
			q.Requester = by.Subject
		}
		q.Limit = page(q.Limit)
		if items, err = r.Sessions(q); err != nil {
			return err
		}
		if len(items) == q.Limit {
			last := items[len(items)-1]
			next = &SessionPlace{Live: last.Live(), Number: last.Number}
		}
		return nil
	})
	return items, next, err
}

// seesSessionsOf says whether somebody sees a request, and with it all its sessions.
func (m moment) seesSessionsOf(r Reader, by policies.Person, request string) bool {
	if request == "" {
		return false
	}
	_, err := m.visible(r, by, request)
	return err == nil
}

// Replaying admits a person to a recording and puts it into the audit log: call
// it once a replay. It gives the session and its seals.
func (s *Service) Replaying(ctx context.Context, by policies.Person, id string) (Session, []Seal, error) {
	var session Session
	var seals []Seal
	err := s.write(ctx, func(c *change) (err error) {
		if session, err = c.replayable(c, by, id); err != nil {
			return err
		}
		if seals, err = allSeals(c, session); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventRecordingRead, Actor: ActorOf(by), Request: session.Request, Session: id,
			Text: by.Name + " opened the recording of " + session.Person.Name + "'s session as " + session.Login + " on " + session.Target + ".",
		}, nil)
		return err
	})
	return session, seals, err
}

// Seals gives a recording's seals to a person who may replay it.
func (s *Service) Seals(ctx context.Context, by policies.Person, id string) (seals []Seal, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		session, err := m.replayable(r, by, id)
		if err != nil {
			return err
		}
		seals, err = allSeals(r, session)
		return err
	})
	return seals, err
}

func (m moment) replayable(r Reader, by policies.Person, id string) (Session, error) {
	session, _, err := m.seenSession(r, by, id)
	if err != nil {
		return Session{}, err
	}
	if by.Subject != session.Person.Subject && !m.mayReplay(by, session.Role) {
		return Session{}, fail(Forbidden, CodeForbidden, "Only reviewers replay other people's sessions; %s may name its own.", session.Role)
	}
	if !session.Removed.IsZero() {
		return Session{}, fail(NotFound, CodeRecordingRemoved, "The recording was removed on %s: its time was over. Its seals are still in the audit log.", date(session.Removed))
	}
	return session, nil
}

// allSeals reads them in runs; a recording of days has some thousands.
func allSeals(r SessionReader, session Session) ([]Seal, error) {
	seals := make([]Seal, 0, session.Seals)
	for from := int64(0); ; {
		run, err := r.Seals(session.ID, from, 1000)
		if err != nil {
			return nil, err
		}
		seals = append(seals, run...)
		if len(run) < 1000 {
			return seals, nil
		}
		from = run[len(run)-1].Sequence + 1
	}
}
