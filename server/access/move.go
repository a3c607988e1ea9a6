package access

import (
	"errors"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// movement is one transition on its way into the store.
type movement struct {
	by    Transition
	actor policies.Person // zero: time, or policy alone
	kind  string          // of the audit event
	text  string
	data  any
	// signed is the actor's own word for an end, if they gave one.
	signed *evidence.SignedByKey
}

// word is how evidence, the signer and the outbox call an end.
func (s Step) word() string {
	if s.State == Ended {
		return string(s.Reason)
	}
	return string(s.State)
}

// move makes a transition. It is the only function that changes a request's state.
func (c *change) move(q *Request, by movement) error {
	// 1. Is it legal from here? Time may have ended what the row still calls live.
	if now := q.at(c.now); by.by != ToExpire && now.State != q.State {
		return now.stuck(by.by)
	}
	step, ok := Next(q.State, by.by)
	if !ok {
		return q.stuck(by.by)
	}
	// 2. The new state, where the old one still stands.
	from := q.State
	q.State, q.EndReason = step.State, step.Reason
	if step.State.Final() {
		q.EndedAt, q.EndedBy = c.now, by.actor
	}
	c.retell(q)
	if err := c.lost(*q, by.by, c.MoveRequest(*q, from)); err != nil {
		return err
	}
	// 3. The audit event.
	event := AuditEvent{Kind: by.kind, Request: q.ID, Text: by.text}
	if by.actor.Subject != (policies.Subject{}) {
		event.Actor = ActorOf(by.actor)
	}
	if _, err := c.record(event, by.data); err != nil {
		return err
	}
	// 4. An end goes to the signer, and to the proxies where there was access.
	if !step.State.Final() {
		c.wake = true // Run learns when it ends
		return nil
	}
	ending := Ending{Request: q.ID, Reason: step.word(), By: by.actor, At: c.now, Next: c.now, Evidence: by.signed}
	if err := c.AddEnding(ending); err != nil {
		return err
	}
	c.wake = true
	if from.Live() {
		c.notices = append(c.notices, Notice{Request: q.ID, Reason: q.noticeReason(), By: by.actor.Name, At: c.now})
	}
	return nil
}

// lost turns a lost race into a sentence about who won. The store lets writers
// run one after the other, so that this is the second line of defence.
func (c *change) lost(q Request, by Transition, err error) error {
	if !errors.Is(err, ErrRaced) {
		return err
	}
	present, err := c.Request(q.ID)
	if err != nil {
		return err
	}
	return present.at(c.now).stuck(by)
}

// at is the request as time has made it, written down or not.
func (r Request) at(now time.Time) Request {
	if !r.Due(now) {
		return r
	}
	step, _ := Next(r.State, ToExpire)
	r.EndedAt = r.Ends
	if r.State == Pending {
		r.EndedAt = r.Revision.Expires
	}
	r.State, r.EndReason = step.State, step.Reason
	return r
}

// noticeReason is the word for proxies, to whom it makes no difference whether a
// grant whose time is over was ever used.
func (r Request) noticeReason() string {
	if r.EndReason == EndDropped || r.EndReason == EndRevoked {
		return string(r.EndReason)
	}
	return string(EndExpired)
}

// stuck says why a transition is not possible any more, or not yet.
func (r Request) stuck(by Transition) *Error {
	code := CodeNotLive
	switch by {
	case ToApprove, ToDeny, ToWithdraw:
		code = CodeNotPending
	}
	return fail(Conflict, code, "%s", r.standing())
}

// standing says in a sentence what the state is.
func (r Request) standing() string {
	when := r.EndedAt.Format("15:04:05 on 2 January 2006 UTC")
	who := ""
	if r.EndedBy.Name != "" {
		who = " by " + r.EndedBy.Name
	}
	switch r.State {
	case Pending:
		return r.ID + " is pending: it waits for approval and gives no access yet; to take it back, withdraw it."
	case Approved, Active:
		if r.UseBy() != (time.Time{}) {
			return r.ID + " is approved and waits for its first use, by " + date(r.Ends) + "; to end it, drop or revoke it."
		}
		return r.ID + " is approved and live until " + r.Ends.Format("15:04:05 on 2 January 2006 UTC") + "; to end it, drop or revoke it."
	case Denied:
		return r.ID + " was denied" + who + " at " + when + "; ask again if the need has changed."
	case Withdrawn:
		return r.ID + " was withdrawn" + who + " at " + when + "; ask again if it is needed after all."
	case Expired:
		return r.ID + " expired at " + when + " before anybody decided; ask again."
	}
	switch r.EndReason {
	case EndDropped, EndRevoked:
		return r.ID + " was " + string(r.EndReason) + who + " at " + when + "; ask again for new access."
	default:
		return r.ID + " ended at " + when + ", when its time was over; ask again for new access."
	}
}
