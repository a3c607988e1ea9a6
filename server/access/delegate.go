package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Kinds of audit events about delegations. They are stable.
const (
	EventDelegated              = "delegation.given"
	EventDelegationEnded        = "delegation.ended"
	EventDelegationEndDelivered = "delegation.end-confirmed" // the signer has it in its ledger
)

// DelegationEnd makes a delegation count for nothing before its time. It holds here from
// the moment it is stored, and everywhere once the signer has it.
type DelegationEnd struct {
	Delegation string // evidence.Digest of its statement
	By         policies.Person
	Reason     string
	At         time.Time
	Attempts   int
	Next       time.Time // when the signer is told next; zero once it has it
}

// DelegationReader reads what is known of delegations beside the signer's list of them.
type DelegationReader interface {
	DelegationEnd(delegation string) (DelegationEnd, error)
	// DelegationEnds lists those that the signer has not confirmed and whose next
	// attempt is due.
	DelegationEnds(now time.Time, limit int) ([]DelegationEnd, error)
	// DelegationsEnded names the delegations that were ended after a time.
	DelegationsEnded(since time.Time) ([]string, error)
}

// DelegationWriter changes it.
type DelegationWriter interface {
	// PutDelegationEnd takes the place of an earlier one.
	PutDelegationEnd(e DelegationEnd) error
}

// DelegationView is a delegation as one of both sees it.
type DelegationView struct {
	evidence.GivenDelegation
	From, To policies.Person // as in the roster
	Ended    *DelegationEnd  // nil where nobody ended it early; By may be zero
	InForce  bool
	May      []string // end
}

// DelegationList is what somebody sees of delegations, each newest first.
type DelegationList struct {
	Given, Taken []DelegationView
	Groups       []string          // of the person's own, that can be delegated
	Delegates    []policies.Person // who could take one, by name
}

const purposeDelegation = "delegation"

// Delegations lists a person's, and what they need to give another.
func (s *Service) Delegations(ctx context.Context, by policies.Person) (list DelegationList, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		list = DelegationList{Given: []DelegationView{}, Taken: []DelegationView{}, Groups: m.delegable(by.Subject), Delegates: []policies.Person{}}
		if err := m.needSigner(); err != nil {
			return err
		}
		for _, given := range slices.Backward(m.trust.Delegations) {
			if given.Delegator != by.Subject && given.Delegate != by.Subject {
				continue
			}
			view, err := m.viewDelegation(r, by, given)
			if err != nil {
				return err
			}
			if given.Delegator == by.Subject {
				list.Given = append(list.Given, view)
			} else {
				list.Taken = append(list.Taken, view)
			}
		}
		for _, p := range m.trust.Roster.People {
			if len(m.passkeysOf(p.Person.Subject)) > 0 && p.Deleted == nil && !m.linked(p.Person, m.roster(by.Subject).Person) && len(list.Groups) > 0 {
				list.Delegates = append(list.Delegates, p.Person)
			}
		}
		slices.SortFunc(list.Delegates, compareNames)
		return nil
	})
	return list, err
}

// delegable are the groups for which a passkey of a person's speaks and in which
// somebody approves. Who is an administrator stays one alone.
func (m moment) delegable(of policies.Subject) []string {
	groups, asked := []string{}, m.policy.ApproverGroups()
	for _, v := range m.passkeysOf(of) {
		for _, group := range v.speaks.Groups {
			if group != policies.AdministratorsGroup && slices.Contains(asked, group) && !slices.Contains(groups, group) {
				groups = append(groups, group)
			}
		}
	}
	slices.Sort(groups)
	return groups
}

func (m moment) viewDelegation(r Reader, by policies.Person, given evidence.GivenDelegation) (DelegationView, error) {
	v := DelegationView{GivenDelegation: given, From: m.roster(given.Delegator).Person, To: m.roster(given.Delegate).Person, May: []string{}}
	row, err := r.DelegationEnd(given.Digest)
	switch {
	case err == nil:
		v.Ended = &row
	case !errors.Is(err, ErrNoRow):
		return v, err
	case given.Revoked != nil:
		v.Ended = &DelegationEnd{Delegation: given.Digest, At: *given.Revoked}
	}
	v.InForce = v.Ended == nil && m.inForce(given, m.now)
	if v.Ended == nil && m.now.Before(given.Ends) && m.mayEndDelegation(by, given) {
		v.May = append(v.May, "end")
	}
	return v, nil
}

// mayEndDelegation: taking away is free for both, reviewers and administrators.
func (m moment) mayEndDelegation(by policies.Person, given evidence.GivenDelegation) bool {
	return given.Delegator == by.Subject || given.Delegate == by.Subject || m.isReviewer(by) || m.isAdministrator(by.Subject)
}

// DelegationChallenge makes the statement by which a person lets another approve on
// their behalf, from now to ends, for ChallengeLife and one attempt.
func (s *Service) DelegationChallenge(ctx context.Context, by policies.Person, to policies.Subject, groups []string, ends time.Time) (SigningChallenge, error) {
	nonce, err := s.newNonce()
	if err != nil {
		return SigningChallenge{}, err
	}
	var challenge SigningChallenge
	err = s.write(ctx, func(c *change) error {
		if err := c.mayGive(); err != nil {
			return err
		}
		groups := slices.Compact(slices.Sorted(slices.Values(groups)))
		delegate, err := c.mayDelegate(by, to, groups, ends)
		if err != nil {
			return err
		}
		from, issued := c.roster(by.Subject).Person, seconds(c.now)
		text, err := evidence.Encode(&evidence.Delegation{
			Instance: s.config.Instance, Delegator: from.Subject, DelegatorName: from.Name,
			Delegate: delegate.Subject, DelegateName: delegate.Name, Groups: groups,
			Issued: issued, Begins: issued, Ends: ends.UTC(), Nonce: evidence.NewNonce(nonce),
		})
		if err != nil {
			return invalid("groups", "This cannot be put into a statement: %v.", err).because(err)
		}
		challenge, err = c.handOut(purposeDelegation, "", by.Subject, text, c.speaksForAll(by.Subject, groups))
		return err
	})
	return challenge, err
}

// speaksForAll lists the passkeys of a person's that speak for all of these groups.
func (m moment) speaksForAll(of policies.Subject, groups []string) []string {
	return credentials(m.passkeysOf(of), func(v voice) bool {
		return !slices.ContainsFunc(groups, func(g string) bool { return !slices.Contains(v.speaks.Groups, g) })
	})
}

// mayDelegate refuses a delegation that could not be, and gives the delegate.
func (m moment) mayDelegate(by policies.Person, to policies.Subject, groups []string, ends time.Time) (policies.Person, error) {
	own := m.delegable(by.Subject)
	if len(own) == 0 {
		return policies.Person{}, fail(Forbidden, CodeForbidden, "You have no group to delegate: the signer's roster has no passkey of yours that speaks for a group that approves.")
	}
	for _, group := range groups {
		if !slices.Contains(own, group) {
			return policies.Person{}, invalid("groups", "You cannot delegate the group %q. Choose from %s.", clip(group), strings.Join(own, ", "))
		}
	}
	if len(groups) == 0 || len(m.speaksForAll(by.Subject, groups)) == 0 {
		return policies.Person{}, invalid("groups", "No passkey of yours speaks for all of these groups; delegate them one after the other.")
	}
	delegate := m.roster(to)
	if len(m.passkeysOf(to)) == 0 || m.linked(delegate.Person, m.roster(by.Subject).Person) {
		return policies.Person{}, invalid("subject", "Choose somebody else who has a passkey in the signer's roster.")
	}
	longest := m.now.Add(evidence.LongestDelegation)
	if !ends.Equal(seconds(ends)) || !ends.After(m.now) || ends.After(longest) {
		return policies.Person{}, invalid("ends", "A delegation ends in the future, in whole seconds, and within %s.", spell(evidence.LongestDelegation))
	}
	return delegate.Person, nil
}

// Delegate takes the signature over the text that DelegationChallenge handed out to the
// signer, and gives the delegation.
func (s *Service) Delegate(ctx context.Context, by policies.Person, signed evidence.SignedByPasskey) (DelegationView, error) {
	// 1. Exactly the text that was handed out, once.
	if err := s.takeChallenge(ctx, purposeDelegation, "", by.Subject, signed.Statement); err != nil {
		return DelegationView{}, err
	}
	statement, err := evidence.DecodeAs[*evidence.Delegation](signed.Statement)
	if err != nil {
		return DelegationView{}, err // it was encoded by DelegationChallenge
	}
	// 2. It may still be, and a passkey of theirs signed it.
	err = s.read(ctx, func(_ Reader, m moment) error {
		if err := m.mayGive(); err != nil {
			return err
		}
		if _, err := m.mayDelegate(by, statement.Delegate, statement.Groups, statement.Ends); err != nil {
			return err
		}
		_, err := m.verifyPasskey(signed, by.Subject)
		return err
	})
	if err != nil {
		return DelegationView{}, err
	}
	// 3. The signer, outside any transaction: what it has taken is what counts.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	if err := s.config.Signer.Delegate(calling, signed); err != nil {
		return DelegationView{}, err
	}
	// 4. The event.
	view := DelegationView{GivenDelegation: evidence.GivenDelegation{
		Digest: evidence.Digest(signed.Statement), Delegator: statement.Delegator, Credential: signed.Assertion.Credential, Delegate: statement.Delegate,
		Groups: statement.Groups, Begins: statement.Begins, Ends: statement.Ends,
	}, InForce: true, May: []string{"end"}}
	err = s.writeDown(ctx, func(c *change) error {
		view.From, view.To = c.roster(statement.Delegator).Person, c.roster(statement.Delegate).Person
		if err := c.notePasskey(signed.Assertion.Credential); err != nil {
			return err
		}
		_, err := c.record(AuditEvent{
			Kind: EventDelegated, Actor: ActorOf(by),
			Text: statement.DelegatorName + " lets " + statement.DelegateName + " approve on their behalf, for " + strings.Join(statement.Groups, ", ") +
				", until " + date(statement.Ends) + ".",
		}, signed)
		return err
	})
	return view, err
}

// EndDelegation ends a delegation before its time: what was approved by it counts no
// more either. It needs no proof, and works while the signer is away.
func (s *Service) EndDelegation(ctx context.Context, by policies.Person, digest, reason string) (view DelegationView, err error) {
	err = s.write(ctx, func(c *change) error {
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		i := slices.IndexFunc(c.trust.Delegations, func(d evidence.GivenDelegation) bool { return d.Digest == digest })
		if i < 0 || !c.mayEndDelegation(by, c.trust.Delegations[i]) {
			return fail(NotFound, CodeDelegationNotFound, "There is no delegation %q that you may end.", clip(digest))
		}
		given := c.trust.Delegations[i]
		if view, err = c.viewDelegation(c, by, given); err != nil {
			return err
		}
		if view.Ended != nil || !c.now.Before(given.Ends) {
			return fail(Conflict, CodeDelegationOver, "This delegation is over already.")
		}
		ended := DelegationEnd{Delegation: digest, By: by, Reason: reason, At: c.now, Next: c.now}
		view.Ended, view.InForce, view.May = &ended, false, []string{}
		if err := c.PutDelegationEnd(ended); err != nil {
			return err
		}
		c.wake = true
		text := by.Name + " ended the delegation by which " + view.To.Name + " approved on behalf of " + view.From.Name
		if reason != "" {
			text += ": " + reason
		}
		_, err := c.record(AuditEvent{Kind: EventDelegationEnded, Actor: ActorOf(by), Text: text + "."}, delegationData{Delegation: digest, Reason: reason})
		return err
	})
	return view, err
}

type delegationData struct {
	Delegation string `json:"delegation"`
	Reason     string `json:"reason,omitempty"`
}

// deliverDelegationEnd calls the signer, and writes down what came of it.
func (s *Service) deliverDelegationEnd(ctx context.Context, ended DelegationEnd) error {
	calling, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	failed := s.config.Signer.EndDelegation(calling, ended.Delegation, ended.By.Subject)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.writeDown(ctx, func(c *change) error {
		row, err := c.DelegationEnd(ended.Delegation)
		if err != nil || row.Next.IsZero() {
			return err // another broker was faster
		}
		if failed != nil {
			s.config.Log.Warn("the signer has not taken the end of a delegation; it will be tried again", "attempts", row.Attempts+1, "error", failed)
			row.Attempts, row.Next = row.Attempts+1, c.now.Add(backOff(row.Attempts))
			return c.PutDelegationEnd(row)
		}
		row.Next = time.Time{}
		if err := c.PutDelegationEnd(row); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventDelegationEndDelivered, Text: "The signer has the end of the delegation in its ledger.",
		}, delegationData{Delegation: ended.Delegation})
		return err
	})
}

// endedDelegations are those that were ended and could still seem to be in force.
func (m moment) endedDelegations(r DelegationReader) (map[string]bool, error) {
	if len(m.trust.Delegations) == 0 {
		return nil, nil
	}
	digests, err := r.DelegationsEnded(m.now.Add(-evidence.LongestDelegation))
	over := make(map[string]bool, len(digests))
	for _, digest := range digests {
		over[digest] = true
	}
	return over, err
}
