package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// StartSession admits a connection that a proxy has authenticated. Repeating it
// with the same session id is harmless.
func (s *Service) StartSession(ctx context.Context, start SessionStart) (StartedSession, error) {
	if !sessionID(start.Session) {
		return StartedSession{}, invalid("session", "A session id has 16 to 64 letters, digits, - or _.")
	}
	if err := s.askFleetFor(ctx, start); err != nil {
		return StartedSession{}, err
	}
	asserted, err := s.factsFor(ctx, start)
	if err != nil {
		return StartedSession{}, err
	}
	var started StartedSession
	err = s.write(ctx, func(c *change) error {
		// 1. Repeated: the answer may have been lost on its way.
		known, err := c.Session(start.Session)
		if err == nil {
			started, err = c.restart(known, start)
			return err
		} else if err != ErrNoRow {
			return err
		}
		// 2. The certificate is one that this grant gave, for this login and target.
		q, certificate, err := c.certified(start)
		if err != nil {
			return err
		}
		// 3. The grant is live at this moment, and policy still says yes.
		if present := q.at(c.now); !present.State.Live() {
			return present.stuck(ToActivate)
		}
		if !c.now.Before(certificate.Ends) {
			return sessionRefused("The certificate ended at " + clock(certificate.Ends) + ". Connect again with stint ssh.")
		}
		if err := c.mayGive(); err != nil {
			return err
		}
		q.Asserted = asserted
		decision, _, err := c.evaluate(c, q)
		if err != nil {
			return err
		}
		if err := stillAllowed(q, decision); err != nil {
			return err
		}
		// 4. The device that it was activated from still complies.
		device, err := deviceOf(certificate)
		if err != nil {
			return err
		}
		reasons, due, err := c.judgeDevice(c, q.Revision.Ask.Role, device)
		if err != nil {
			return err
		}
		if against := policies.Objections(reasons); against != "" {
			return fail(Forbidden, CodeDeviceRefused, "%s", against)
		}
		// 5. It has not too many sessions.
		if err := c.hasRoom(q); err != nil {
			return err
		}
		// 6. Row and event.
		session := Session{
			ID: start.Session, Request: q.ID, Serial: start.Serial, Person: q.Requester,
			Role: q.Revision.Ask.Role, Login: start.Login, Target: start.Target, Proxy: start.Proxy,
			ClientAddress: printable(start.ClientAddress), ClientVersion: printable(start.ClientVersion),
			Started: c.now, LeaseUntil: c.now.Add(s.config.Lease), Device: device, DeviceDue: due, DevicePolicy: c.judgingPolicy(),
		}
		session.Number, err = c.record(AuditEvent{
			Kind: EventSessionStarted, Actor: ActorOf(q.Requester), Request: q.ID, Session: session.ID,
			Text: fmt.Sprintf("%s connected as %s to %s through %s.", q.Requester.Name, session.Login, session.Target, session.Proxy),
		}, sessionData{
			Serial: fmt.Sprint(start.Serial), Proxy: start.Proxy,
			ClientAddress: session.ClientAddress, ClientVersion: session.ClientVersion,
		})
		if err != nil {
			return err
		}
		started = StartedSession{Session: session, GrantEnds: q.Ends}
		c.wake = c.wake || !due.IsZero()
		return c.AddSession(session)
	})
	if err != nil {
		if IsCode(err, CodeSessionRefused) {
			s.alarm(ctx, start, err)
		}
		return StartedSession{}, err
	}
	return started, nil
}

type sessionData struct {
	Serial        string `json:"serial"`
	Proxy         string `json:"proxy"`
	ClientAddress string `json:"client_address"`
	ClientVersion string `json:"client_version"`
}

// certified finds grant and certificate, and refuses what does not fit together.
func (c *change) certified(start SessionStart) (Request, Certificate, error) {
	q, err := c.Request(start.Request)
	if errors.Is(err, ErrNoRow) {
		return Request{}, Certificate{}, sessionRefused("The certificate names a grant that does not exist.")
	} else if err != nil {
		return Request{}, Certificate{}, err
	}
	certificate, err := c.Certificate(start.Serial)
	if errors.Is(err, ErrNoRow) {
		return Request{}, Certificate{}, sessionRefused("The certificate is not one that was issued here. Connect again with stint ssh.")
	} else if err != nil {
		return Request{}, Certificate{}, err
	}
	// Whoever stole a key of the signer's can copy the serial and the key id of a live
	// certificate; they have not the key that it was issued for.
	if certificate.sessionKey() != start.SessionKey {
		return Request{}, Certificate{}, sessionRefused("The certificate is not the one that was issued with this serial. Connect again with stint ssh.")
	}
	ask := q.Revision.Ask
	if certificate.Request != q.ID || certificate.Withheld || ask.Login != start.Login || ask.Target != start.Target {
		return Request{}, Certificate{}, sessionRefused("The certificate does not fit this grant, login and target.")
	}
	return q, certificate, nil
}

// sessionKey is what the certificate is for, as its requester signed; a text that is
// no key where that cannot be read.
func (c Certificate) sessionKey() string {
	if c.Bundle.Activation == nil {
		return "none"
	}
	activation, err := evidence.DecodeAs[*evidence.Activation](c.Bundle.Activation.Statement)
	if err != nil {
		return "none"
	}
	return activation.SessionKey
}

func sessionRefused(message string) *Error {
	return fail(Forbidden, CodeSessionRefused, "%s", message)
}

// mostSessions is recorder/wire.MaxSessions (a test compares).
const mostSessions = 128

// hasRoom refuses a session of a grant that has as many live ones as it may, over
// all proxies.
func (c *change) hasRoom(q Request) error {
	if role, ok := c.policy.Role(q.Revision.Ask.Role); ok && role.SingleUse {
		used, err := c.Sessions(SessionQuery{Request: q.ID, Limit: 1})
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return fail(Conflict, CodeUsedOnce, "%s is for one session, which was opened already. Ask again for another.", q.ID)
		}
	}
	live := true
	sessions, err := c.Sessions(SessionQuery{Request: q.ID, Live: &live, Limit: mostSessions})
	if err != nil {
		return err
	}
	if len(sessions) >= mostSessions {
		return fail(Conflict, CodeManySessions, "This grant has %d sessions already. End some of them first.", mostSessions)
	}
	return nil
}

// alarm puts it into the audit log that a certificate was shown which no grant
// explains: it may be forged.
func (s *Service) alarm(ctx context.Context, start SessionStart, cause error) {
	s.config.Log.Error("a certificate was refused", "proxy", start.Proxy, "request", start.Request,
		"serial", start.Serial, "client", start.ClientAddress, "error", cause)
	err := s.write(ctx, func(c *change) error {
		_, err := c.record(AuditEvent{
			Kind: EventSessionRefused, Actor: &Actor{Proxy: start.Proxy}, Session: start.Session,
			Text: fmt.Sprintf("A certificate was shown at %s that no grant explains.", start.Proxy),
		}, refusedData{
			Request: printable(start.Request), Serial: fmt.Sprint(start.Serial), Login: printable(start.Login),
			Target: printable(start.Target), ClientAddress: printable(start.ClientAddress), Why: cause.Error(),
		})
		return err
	})
	if err != nil {
		s.config.Log.Error("the refusal could not be put into the audit log", "error", err)
	}
}

type refusedData struct {
	Request       string `json:"request"`
	Serial        string `json:"serial"`
	Login         string `json:"login"`
	Target        string `json:"target"`
	ClientAddress string `json:"client_address"`
	Why           string `json:"why"`
}

// restart answers a repeated StartSession.
func (c *change) restart(known Session, start SessionStart) (StartedSession, error) {
	if known.Proxy != start.Proxy || known.Request != start.Request || known.Serial != start.Serial ||
		known.Login != start.Login || known.Target != start.Target {
		return StartedSession{}, fail(Conflict, CodeSessionRefused, "The session id is taken by another session.")
	}
	q, err := c.Request(known.Grant())
	if err != nil {
		return StartedSession{}, err
	}
	if !known.Live() || known.KillReason != "" || known.silent(c.now) || !q.at(c.now).State.Live() {
		return StartedSession{}, fail(Conflict, CodeSessionEnded, "The session has ended.")
	}
	return StartedSession{Session: known, GrantEnds: q.Ends}, nil
}

// sessionID says whether a proxy's id can be one: 128 random bits in hex or base64url.
func sessionID(id string) bool {
	return len(id) >= 16 && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// printable bounds what a client says of itself, and takes out what a screen
// should not be shown.
func printable(text string) string {
	return clip(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text))
}

// RenewLeases answers, in the same order, whether each session may go on.
func (s *Service) RenewLeases(ctx context.Context, proxy string, ids []string) ([]Verdict, error) {
	if len(ids) > maxRenewal {
		return nil, invalid("sessions", "At most %d sessions are renewed in one call.", maxRenewal)
	}
	var verdicts []Verdict
	var renewed []string
	var until time.Time
	err := s.read(ctx, func(r Reader, m moment) error {
		verdicts, renewed = make([]Verdict, len(ids)), nil
		until = m.now.Add(s.config.Lease)
		sessions, requests, err := sessionsAndGrants(r, ids)
		if err != nil {
			return err
		}
		for i, id := range ids {
			session := sessions[id]
			verdicts[i] = m.verdict(id, proxy, session, requests)
			if verdicts[i].Ended == "" {
				verdicts[i].Lease = s.config.Lease
				renewed = append(renewed, id)
			}
		}
		return nil
	})
	if err != nil || len(renewed) == 0 {
		return verdicts, err
	}
	if err := s.config.Store.ExtendLeases(ctx, renewed, until); err != nil {
		return nil, err
	}
	return verdicts, nil
}

// maxRenewal is recorder/wire.MaxLeases (a test compares).
const maxRenewal = 1000

func sessionsAndGrants(r Reader, ids []string) (map[string]Session, map[string]Request, error) {
	rows, err := r.SessionsByID(ids)
	if err != nil {
		return nil, nil, err
	}
	sessions, requests := map[string]Session{}, map[string]Request{}
	var wanted []string
	for _, session := range rows {
		sessions[session.ID] = session
		for _, request := range []string{session.Request, session.Extension, session.Offer} {
			if request != "" && !slices.Contains(wanted, request) {
				wanted = append(wanted, request)
			}
		}
	}
	grants, err := r.RequestsByID(wanted)
	if err != nil {
		return nil, nil, err
	}
	for _, q := range grants {
		requests[q.ID] = q
	}
	return sessions, requests, nil
}

func (m moment) verdict(id, proxy string, session Session, requests map[string]Request) Verdict {
	q, next := requests[session.Grant()], requests[session.Offer]
	v := Verdict{Session: id, Request: q.ID, GrantEnds: q.Ends, Present: session.Present}
	present, opened := q.at(m.now), requests[session.Request]
	switch {
	case session.ID == "" || session.Proxy != proxy || q.ID == "":
		v.Ended = "unknown"
	case !present.State.Live():
		v.Ended, v.By = present.noticeReason(), present.EndedBy.Name
	case opened.wasTaken():
		v.Ended, v.By = opened.noticeReason(), opened.EndedBy.Name
	case session.KillReason != "":
		v.Ended, v.By = session.KillReason, session.KilledBy.Name
	case session.silent(m.now):
		v.Ended = deviceFailed
	case !session.Live():
		v.Ended = session.EndReason
	case extends(q, next.at(m.now)):
		v.Next = next.ID
	}
	return v
}
