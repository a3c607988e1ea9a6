package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stint/policies"
)

// An extension is a grant like any other, of the same person's for the same role, login and
// target: once it is activated, their live sessions may go on under it. The proxy asks
// the signer, who does not believe the broker, and reports here.

// extends says whether a session that has one grant may go on under another.
func extends(has, next Request) bool {
	a, b := has.Revision.Ask, next.Revision.Ask
	return next.ID != "" && next.ID != has.ID && next.State == Active && next.Ends.After(has.Ends) &&
		next.Requester.Subject == has.Requester.Subject && a.Role == b.Role && a.Login == b.Login && a.Target == b.Target
}

// wasTaken says whether somebody ended a grant before its time.
func (r Request) wasTaken() bool {
	return r.State == Ended && (r.EndReason == EndDropped || r.EndReason == EndRevoked)
}

// offerExtension lets the requester's live sessions go on under a grant that was just
// activated. One that is for a single session is left for that.
func (c *change) offerExtension(q Request) error {
	if role, ok := c.policy.Role(q.Revision.Ask.Role); !ok || role.SingleUse {
		return nil
	}
	live := true
	sessions, err := c.Sessions(SessionQuery{Requester: q.Requester.Subject, Target: q.Revision.Ask.Target, Live: &live, Limit: MaxPage})
	if err != nil {
		return err
	}
	for _, session := range sessions {
		has, err := c.Request(session.Grant())
		if err != nil {
			return err
		}
		if session.KillReason != "" || !has.at(c.now).State.Live() || !extends(has, q) {
			continue
		}
		if err := c.OfferExtension(session.ID, q.ID); err != nil {
			return err
		}
	}
	return nil
}

// mayExtend says whether asking for more time makes sense.
func (m moment) mayExtend(session Session) bool {
	role, ok := m.policy.Role(session.Role)
	return ok && !role.SingleUse && session.Live() && session.KillReason == ""
}

// ExtendSession stores a proxy's report that the signer lets a live session go on under
// another grant, if that is so here too. Repeating it is harmless.
func (s *Service) ExtendSession(ctx context.Context, proxy, id, request string) error {
	asserted, err := s.factsFor(ctx, SessionStart{Request: request})
	if err != nil {
		return err
	}
	return s.write(ctx, func(c *change) error {
		// 1. Repeated: the answer may have been lost on its way.
		session, err := ofProxy(c, proxy, id)
		if err != nil {
			return err
		}
		if session.Extension == request {
			return nil
		}
		// 2. The session goes on, and this grant was offered to it.
		has, err := c.Request(session.Grant())
		if err != nil {
			return err
		}
		if !session.Live() || session.KillReason != "" || session.silent(c.now) || !has.at(c.now).State.Live() {
			return fail(Conflict, CodeSessionEnded, "The session has ended.")
		}
		q, err := c.Request(request)
		if err != nil && !errors.Is(err, ErrNoRow) {
			return err
		}
		if request != session.Offer || !extends(has, q.at(c.now)) {
			return fail(Conflict, CodeNotExtended, "This grant does not extend the session.")
		}
		// 3. Policy still says yes, to the person and to the machine.
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
		reasons, _, err := c.judgeDevice(c, session.Role, session.Device)
		if err != nil {
			return err
		}
		if against := policies.Objections(reasons); against != "" {
			return fail(Forbidden, CodeDeviceRefused, "%s", against)
		}
		// 4. It has not too many sessions.
		if err := c.hasRoom(q); err != nil {
			return err
		}
		// 5. Row and event.
		if err := c.Tx.ExtendSession(id, request); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventSessionExtended, Actor: ActorOf(session.Person), Request: request, Session: id,
			Text: fmt.Sprintf("%s's session as %s on %s goes on until %s, which %s gives.",
				session.Person.Name, session.Login, session.Target, date(q.Ends), request),
		}, extensionData{Extends: has.ID, Ends: q.Ends})
		return err
	})
}

type extensionData struct {
	Extends string    `json:"extends"` // the request whose grant it had until then
	Ends    time.Time `json:"ends"`
}
