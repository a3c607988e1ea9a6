package access

import (
	"context"
	"errors"
	"time"

	"stint/server/evidence"
)

// FirstUse is the first certificate that was issued under a grant, as the signer has it.
type FirstUse struct {
	Used   time.Time
	Ends   time.Time // of the grant
	Bundle evidence.Bundle
}

// use notes the first use of a grant, if it is the first: a clock that starts then runs, as
// the signer set it, who approved has helped it, and an emergency waits for its review.
func (c *change) use(q *Request, first FirstUse) error {
	if !q.Used.IsZero() {
		return nil
	}
	q.Used = first.Used
	if q.UseBy() != (time.Time{}) {
		q.Begins, q.Ends = first.Used, first.Ends
	}
	q.OpenReview = q.Revision.Ask.BreakGlass && q.Review == nil
	return c.AddAgreements(q.ID, approversIn(first.Bundle), q.Used)
}

// NoteEmergency writes down that somebody acted alone, as the signer's ledger has it. Its
// answer may have been lost with the process that waited for it, and its role locks all the
// same: whoever is to review it must find it. What is known already changes nothing.
func (s *Service) NoteEmergency(ctx context.Context, request string, first FirstUse) error {
	return s.writeDown(ctx, func(c *change) error {
		q, err := c.Request(request)
		if errors.Is(err, ErrNoRow) {
			return nil
		}
		if err != nil || !q.Misses(first) {
			return err
		}
		if err := c.use(&q, first); err != nil {
			return err
		}
		c.retell(&q)
		if err := c.MoveRequest(q, q.State); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventBreakGlassFound, Request: q.ID,
			Text: "The signer's ledger has it that " + q.Requester.Name + " acted alone, in an emergency, at " + date(first.Used) + ".",
		}, nil)
		return err
	})
}

// Misses says whether this request was used in an emergency and nothing here says so.
func (r Request) Misses(first FirstUse) bool {
	return r.Used.IsZero() && r.Revision.Ask.BreakGlass && r.Revision.Digest == evidence.Digest(first.Bundle.Request)
}
