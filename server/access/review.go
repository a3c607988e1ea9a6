package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

const purposeReview = "review"

// OpenReviewItem is an emergency that nobody has reviewed.
type OpenReviewItem struct {
	RequestItem
	Due    time.Time
	Locked bool // the role is, because of it
	May    bool // the caller may close it
}

// reviewDue is when a role locks because of an emergency that was used; zero where it was
// not.
func (m moment) reviewDue(q Request) time.Time {
	if q.Used.IsZero() {
		return time.Time{}
	}
	return q.Used.Add(m.policy.ReviewRule(q.Revision.Ask.Role).Within)
}

// locks says whether a role is locked because nobody has reviewed an emergency in it.
func (m moment) locks(q Request) bool { return q.OpenReview && !m.now.Before(m.reviewDue(q)) }

// Reviews lists open reviews that the caller may see, the one that is due first in front.
func (s *Service) Reviews(ctx context.Context, by policies.Person) (items []OpenReviewItem, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		items = []OpenReviewItem{}
		open, err := r.OpenReviews("", MaxPage)
		for _, q := range open {
			if !m.maySee(by, q) {
				continue
			}
			item, err := m.openReview(r, by, q)
			if err != nil {
				return err
			}
			items = append(items, item)
		}
		return err
	})
	return items, err
}

func (m moment) openReview(r Reader, by policies.Person, q Request) (OpenReviewItem, error) {
	item, err := m.glance(r, q).item(by)
	return OpenReviewItem{
		RequestItem: item, Due: m.reviewDue(q), Locked: m.locks(q), May: m.awaitsReview(q) && len(m.reviewsWith(by, q)) > 0,
	}, err
}

// awaitsReview says whether an emergency can be reviewed: it is over, so that nothing that
// is done in it goes unseen.
func (m moment) awaitsReview(q Request) bool { return q.OpenReview && !q.at(m.now).State.Live() }

// ReviewChallenge makes the statement by which a reviewer closes the review of an
// emergency with what they found; for ChallengeLife and one attempt.
func (s *Service) ReviewChallenge(ctx context.Context, by policies.Person, id, finding string) (SigningChallenge, error) {
	finding = strings.TrimSpace(finding)
	if err := policies.CheckText(finding, policies.MostReason); err != nil || finding == "" {
		return SigningChallenge{}, invalid("finding", "Say in up to %d characters what you found.", policies.MostReason)
	}
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		q, with, err := c.reviewable(c, by, id)
		if err != nil {
			return err
		}
		statement, err := evidence.ReviewOf(q.Revision.Statement, c.roster(by.Subject).Person, finding, seconds(c.now), evidence.NewNonce(nonce))
		if err != nil {
			return err
		}
		text, err := evidence.Encode(statement)
		if err != nil {
			return err
		}
		challenge, err = c.handOut(purposeReview, id, by.Subject, text, with)
		return err
	})
	return challenge, err
}

// mayBeOpen says whether the signer may wait for a review. Whether it does, it alone knows:
// that the emergency was used may never have been written down here.
func (r Request) mayBeOpen() bool {
	return r.OpenReview || r.Revision.Ask.BreakGlass && r.Review == nil && !r.Ends.IsZero()
}

// reviewable reads an emergency whose review the caller may close, and with which of
// their passkeys.
func (m moment) reviewable(r RequestReader, by policies.Person, id string) (Request, []string, error) {
	if err := m.mayGive(); err != nil {
		return Request{}, nil, err
	}
	q, err := m.visible(r, by, id)
	if err != nil {
		return q, nil, err
	}
	if !q.mayBeOpen() {
		return q, nil, fail(Conflict, CodeNothingToReview, "There is nothing to review: %s was no emergency, was never used, or was reviewed already.", q.ID)
	}
	if q.at(m.now).State.Live() {
		return q, nil, fail(Conflict, CodeNothingToReview, "%s still goes on. Review it once it is over: have it revoked, or wait until %s.", q.ID, date(q.Ends))
	}
	with := m.reviewsWith(by, q)
	if len(with) == 0 {
		return q, nil, fail(Forbidden, CodeForbidden, "You cannot review this: it is for somebody else in %s, with a passkey in the signer's roster.", strings.Join(m.reviewGroups(q.Revision.Ask.Role), ", "))
	}
	return q, with, nil
}

// Review takes a reviewer's signature over the text that ReviewChallenge handed out to
// the signer, and closes the review.
func (s *Service) Review(ctx context.Context, by policies.Person, id string, signed evidence.SignedByPasskey) (RequestView, error) {
	// 1. Exactly the text that was handed out, once.
	if err := s.takeChallenge(ctx, purposeReview, id, by.Subject, signed.Statement); err != nil {
		return RequestView{}, err
	}
	statement, err := evidence.DecodeAs[*evidence.Review](signed.Statement)
	if err != nil {
		return RequestView{}, err // it was encoded by ReviewChallenge
	}
	// 2. It is still open, and a passkey of theirs signed.
	err = s.read(ctx, func(r Reader, m moment) error {
		q, _, err := m.reviewable(r, by, id)
		if err != nil {
			return err
		}
		if statement.RequestDigest != q.Revision.Digest {
			return statementUnknown()
		}
		_, err = m.verifyPasskey(signed, by.Subject)
		return err
	})
	if err != nil {
		return RequestView{}, err
	}
	// 3. The signer, outside any transaction: it locks the role, and must know first. It may
	// have taken somebody's review that was never written down here: that one counts.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	taken, err := s.config.Signer.Review(calling, signed)
	if err != nil {
		return RequestView{}, err
	}
	// 4. Row and event.
	err = s.writeDown(ctx, func(c *change) error {
		q, err := c.Request(id)
		if err != nil || q.Review != nil {
			return err // another broker was faster
		}
		return c.closeReview(q, taken)
	})
	if err != nil {
		return RequestView{}, err
	}
	return s.Request(ctx, by, id)
}

// closeReview writes down the review that the signer has.
func (c *change) closeReview(q Request, taken evidence.SignedByPasskey) error {
	statement, err := evidence.DecodeAs[*evidence.Review](taken.Statement)
	if err != nil {
		return fmt.Errorf("the signer's review of %s: %w", q.ID, err)
	}
	if statement.Request != q.ID || statement.RequestDigest != q.Revision.Digest {
		return fmt.Errorf("the signer's review of %s is of something else", q.ID)
	}
	reviewer := c.roster(statement.Reviewer)
	if reviewer.Person.Subject != statement.Reviewer {
		reviewer.Person = policies.Person{Subject: statement.Reviewer, Name: statement.ReviewerName}
	}
	q.OpenReview = false
	q.Review = &Review{By: reviewer.Person, At: statement.Issued, Finding: statement.Finding, Signed: taken}
	for _, k := range reviewer.Passkeys {
		if k.Credential == taken.Assertion.Credential {
			q.Review.PasskeyName = k.Name
		}
	}
	c.retell(&q)
	if err := c.notePasskey(taken.Assertion.Credential); err != nil {
		return err
	}
	if _, err := c.record(AuditEvent{
		Kind: EventReviewed, Actor: ActorOf(reviewer.Person), Request: q.ID,
		Text: statement.ReviewerName + " reviewed what " + q.Requester.Name + " did alone, in an emergency: " + statement.Finding,
	}, taken); err != nil {
		return err
	}
	return c.MoveRequest(q, q.State)
}
