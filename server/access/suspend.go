package access

import (
	"context"
	"errors"
	"slices"
	"time"

	"stint/policies"
)

// Suspend ends all that somebody holds and makes their passkeys count for
// nothing, at once. An administrator or a reviewer does it, without proof; undoing
// it needs the quorum. It takes effect here whether or not the signer answers, who
// is told until it has it.
func (s *Service) Suspend(ctx context.Context, by policies.Person, whom policies.Subject, reason string) (Member, error) {
	var suspended Suspension
	err := s.write(ctx, func(c *change) error {
		// 1. Who may, and whom.
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		if !c.isAdministrator(by.Subject) && !c.isReviewer(by) {
			return fail(Forbidden, CodeForbidden, "Only administrators and reviewers suspend somebody.")
		}
		person, err := c.knownPerson(c, whom)
		if err != nil {
			return err
		}
		if _, already, err := c.suspension(c, person); err != nil {
			return err
		} else if already {
			return fail(Conflict, CodePersonState, "%s is suspended already.", person.Name)
		}
		// 2. Enough administrators stay to undo it.
		if err := c.administratorsStay(person); err != nil {
			return err
		}
		// 3. All of it in one act.
		if err := c.suspend(by, person, reason, false); err != nil {
			return err
		}
		suspended, err = c.Tx.Suspension(whom)
		return err
	})
	if err != nil {
		return Member{}, err
	}
	// 4. The signer, now if it answers. If not, Run tells it.
	if err := s.deliverSuspension(ctx, suspended); err != nil {
		return Member{}, err
	}
	return s.Member(ctx, by, whom)
}

// knownPerson is somebody as the roster has them, or else as they last signed in.
func (m moment) knownPerson(r PeopleReader, whom policies.Subject) (policies.Person, error) {
	if member, ok := m.trust.Roster.Find(whom); ok {
		return member.Person, nil
	}
	known, err := r.Person(whom)
	if errors.Is(err, ErrNoRow) {
		return policies.Person{}, fail(NotFound, CodePersonNotFound, "Nobody with this identity is in the roster or has signed in.")
	}
	return known.Person, err
}

// administratorsStay refuses what would leave fewer administrators than a quorum
// takes, if there are enough now: nobody could ever change anything again.
func (m moment) administratorsStay(without policies.Person) error {
	quorum := m.policy.Quorum()
	now, then := 0, 0
	var counted []policies.Person
	for _, p := range m.trust.Roster.People {
		if !m.isAdministrator(p.Person.Subject) ||
			slices.ContainsFunc(counted, func(q policies.Person) bool { return m.linked(p.Person, q) }) {
			continue
		}
		counted = append(counted, p.Person)
		now++
		if !m.linked(p.Person, without) { // whoever is suspended is so under every identity
			then++
		}
	}
	if now >= quorum && then < quorum {
		return fail(Conflict, CodeBelowQuorum,
			"Then %d administrators would be left, and it takes %d to change anything. Enrol another administrator first.", then, quorum)
	}
	return nil
}

// suspend is the act itself: everything in one transaction. delivered says that
// the signer has it already.
func (c *change) suspend(by, person policies.Person, reason string, delivered bool) error {
	// 1. The note that says why, and that the signer is to be told.
	row := Suspension{Person: person, By: by, Reason: reason, At: c.now, Next: c.now}
	if delivered {
		row.Next = time.Time{}
	}
	if err := c.PutSuspension(row); err != nil {
		return err
	}
	text := by.Name + " suspended " + person.Name
	if reason != "" {
		text += ": " + reason
	}
	if _, err := c.record(AuditEvent{Kind: EventSuspended, Actor: ActorOf(by), Text: text + "."},
		suspensionData{Person: person.Subject, Reason: reason}); err != nil {
		return err
	}
	// 2. Every request and grant of theirs, under whatever identity. Proxies close
	// the sessions of a grant that has ended.
	open, err := c.openRequests(c, person)
	if err != nil {
		return err
	}
	for _, q := range open {
		if q.Due(c.now) {
			continue
		}
		step := movement{by: ToRevoke, kind: EventGrantEnded, text: "revoked"}
		if q.State == Pending {
			step = movement{by: ToWithdraw, kind: EventWithdrawn, text: "withdrew"}
		}
		next, _ := Next(q.State, step.by)
		step.actor, step.data = by, takenData{Reason: reason, Ends: next.Reason}
		step.text = by.Name + " suspended " + person.Name + " and with that " + step.text + " " + describe(q.Revision.Ask) + "."
		if err := c.move(&q, step); err != nil {
			return err
		}
	}
	c.wake = true
	return nil
}

type suspensionData struct {
	Person policies.Subject `json:"person"`
	Reason string           `json:"reason,omitempty"`
}

// identities are those under which one human being is known, each by way of another
// as the signer joins them; of an alias that the roster does not know, the subject
// alone.
func (m moment) identities(p policies.Person) []policies.Person {
	own := m.policy.Identities(p, m.trust.Roster.Known(m.now))
	for _, known := range own {
		for _, aliases := range m.policy.Organization().Aliases {
			if !slices.Contains(aliases, known.Subject) {
				continue
			}
			for _, alias := range aliases {
				if !slices.ContainsFunc(own, func(q policies.Person) bool { return q.Subject == alias }) {
					own = append(own, policies.Person{Subject: alias})
				}
			}
		}
	}
	return own
}

// isOneOf says whether somebody is who these identities are.
func (m moment) isOneOf(own []policies.Person, q policies.Person) bool {
	return slices.ContainsFunc(own, func(p policies.Person) bool { return m.policy.SamePerson(p, q) })
}

// openRequests lists what is pending or live of one human being.
func (m moment) openRequests(r RequestReader, p policies.Person) ([]Request, error) {
	own := m.identities(p)
	open, err := r.OpenRequests(own)
	return slices.DeleteFunc(open, func(q Request) bool { return !m.isOneOf(own, q.Requester) }), err
}

// suspension says whether a person is suspended, under whatever identity, and
// why as far as that is known here. If they are not, it is their last one.
func (m moment) suspension(r PeopleReader, p policies.Person) (Suspension, bool, error) {
	var last Suspension
	for _, known := range m.identities(p) {
		row, err := r.Suspension(known.Subject)
		switch {
		case errors.Is(err, ErrNoRow):
		case err != nil:
			return Suspension{}, false, err
		case !row.Next.IsZero(): // not in the roster yet
			return row, true, nil
		case row.At.After(last.At):
			last = row
		}
	}
	for _, member := range m.trust.Roster.People {
		if !member.IsSuspended(m.now) || !m.linked(member.Person, p) {
			continue
		}
		row, err := r.Suspension(member.Person.Subject)
		if errors.Is(err, ErrNoRow) {
			row, err = Suspension{Person: member.Person, At: *member.Suspended}, nil
		}
		return row, true, err
	}
	return last, false, nil
}

// told is what a suspended person reads.
func (s Suspension) told() *Error {
	who, why := "", ""
	if s.By.Name != "" {
		who = " by " + s.By.Name
	}
	if s.Reason != "" {
		why = ": " + s.Reason
	}
	return fail(Forbidden, CodeSuspended, "You were suspended%s at %s%s. Speak with an administrator; lifting it takes %s.",
		who, s.At.Format("15:04:05 on 2 January 2006 UTC"), why, "administrators' signatures")
}

// deliverSuspension tells the signer, and writes down what came of it. What the
// signer refuses is undone here: it is right.
func (s *Service) deliverSuspension(ctx context.Context, suspended Suspension) error {
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	failed := s.config.Signer.Suspend(calling, suspended)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *Error
	if errors.As(failed, &refused) && refused.Problem != SignerRefused {
		refused = nil
	}
	err := s.writeDown(ctx, func(c *change) error {
		row, err := c.Tx.Suspension(suspended.Person.Subject)
		if err != nil || row.Next.IsZero() || !row.At.Equal(suspended.At) {
			return err // delivered by another broker, or suspended anew
		}
		switch {
		case refused != nil:
			row.Next = time.Time{}
			if _, err := c.record(AuditEvent{
				Kind: EventSuspensionRefused, Text: "The signer did not suspend " + row.Person.Name + ": " + refused.Message,
			}, suspensionData{Person: row.Person.Subject}); err != nil {
				return err
			}
		case failed != nil:
			s.config.Log.Warn("the signer has not taken a suspension; it will be tried again",
				"person", row.Person.Subject, "attempts", row.Attempts+1, "error", failed)
			row.Attempts, row.Next = row.Attempts+1, c.now.Add(backOff(row.Attempts))
		default:
			row.Next = time.Time{}
			if _, err := c.record(AuditEvent{
				Kind: EventSuspensionDelivered, Text: "The signer has suspended " + row.Person.Name + ".",
			}, suspensionData{Person: row.Person.Subject}); err != nil {
				return err
			}
		}
		return c.PutSuspension(row)
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	return nil
}
