package access

import (
	"context"
	"errors"
	"slices"

	"stint/policies"
	"stint/server/evidence"
)

// ChangeView is a change as one person may see it. Its State is as time and the
// signer have made it, written down or not.
type ChangeView struct {
	Change
	Gathered
	Digest   string   // of the statement
	Headline string   // one sentence
	Words    []string // what it changes, a sentence each
	May      []string // sign, send, reject
}

// viewChange is a change as it stands now.
func (m moment) viewChange(r ChangeReader, by policies.Person, proposed Change) (ChangeView, error) {
	v := ChangeView{Change: m.present(proposed), Digest: evidence.Digest(proposed.Statement), May: []string{}}
	v.Headline, v.Words = describeChange(proposed)
	var err error
	if v.Gathered, err = m.gathered(r, proposed.ID, concerned(proposed)); err != nil {
		return v, err
	}
	if v.State != ChangePending {
		v.Gathered = v.Gathered.over()
		return v, nil
	}
	administrator := m.isAdministrator(by.Subject)
	if m.maySign(by, v.Gathered, concerned(proposed)) == nil && v.Missing() > 0 {
		v.May = append(v.May, "sign")
	}
	if administrator && v.Missing() == 0 {
		v.May = append(v.May, "send")
	}
	if administrator || by.Subject == proposed.Proposer.Subject {
		v.May = append(v.May, "reject")
	}
	return v, nil
}

// concerned is the person whose standing a change is about; nobody for a policy.
func concerned(proposed Change) policies.Person {
	s, err := evidence.DecodeAs[*evidence.RosterChange](proposed.Statement)
	if err != nil {
		return policies.Person{}
	}
	return policies.Person{Subject: s.Person, Name: s.Name, Email: s.Email}
}

// present is a change as time and the signer's beliefs have made it.
func (m moment) present(proposed Change) Change {
	if proposed.State != ChangePending {
		return proposed
	}
	switch why := m.superseded(proposed); {
	case !m.now.Before(proposed.Expires):
		proposed.State, proposed.Ended, proposed.EndReason = ChangeExpired, proposed.Expires, "Too few administrators signed in time."
	case why != "":
		proposed.State, proposed.Ended, proposed.EndReason = ChangeSuperseded, m.now, why
	}
	return proposed
}

// superseded says why a change no longer starts from what is so; empty while it
// does. One that is in force already is for its sender to write down.
func (m moment) superseded(proposed Change) string {
	if !m.heard {
		return ""
	}
	statement, err := evidence.Decode(proposed.Statement)
	if err != nil {
		return "Its statement cannot be read by this version."
	}
	switch s := statement.(type) {
	case *evidence.PolicyChange:
		if now := m.policy.Digest(); now != s.Before && now != s.After {
			return "Another policy came into force meanwhile. Propose it anew, from the policy that is in force."
		}
	case *evidence.RosterChange:
		member, known := m.trust.Roster.Find(s.Person)
		switch {
		case !known || member.Deleted != nil && s.Change != evidence.ChangeDelete:
			return "The roster does not hold this person any more."
		case member.Person.Name != s.Name || member.Person.Email != s.Email:
			return "The roster names this person otherwise now. Propose it anew."
		case s.Change != evidence.ChangeGroups && s.Change != evidence.ChangeDelete && !sameMembers(s.Groups, member.Person.Groups):
			return "This person is in other groups now. Propose it anew."
		}
	}
	return ""
}

// Change reads one change with all that belongs to it.
func (s *Service) Change(ctx context.Context, by policies.Person, id string) (view ChangeView, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		view, err = m.seenChange(r, by, id)
		return err
	})
	return view, err
}

// Changes lists newest first: those that wait, or those that are over. before and
// next are as in Requests. Administrators and reviewers see them.
func (s *Service) Changes(ctx context.Context, by policies.Person, open bool, before int64, limit int) (views []ChangeView, next int64, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		views, next = []ChangeView{}, 0
		if !m.seesChanges(by) {
			return fail(Forbidden, CodeForbidden, "Only administrators and reviewers see what is to be changed.")
		}
		q := ChangeQuery{States: []ChangeState{ChangePending}, Before: before, Limit: page(limit)}
		if !open {
			q.States = []ChangeState{ChangeInForce, ChangeRejected, ChangeExpired, ChangeSuperseded}
		}
		rows, err := r.Changes(q)
		if err != nil {
			return err
		}
		for _, row := range rows {
			v, err := m.viewChange(r, by, row)
			if err != nil {
				return err
			}
			if open == (v.State == ChangePending) {
				views = append(views, v)
			}
		}
		if len(rows) == q.Limit {
			next = rows[len(rows)-1].Number
		}
		return nil
	})
	return views, next, err
}

// ChangeChallenge gives the text of a change to an administrator's passkey. It is
// the change's own, so that everybody signs the same.
func (s *Service) ChangeChallenge(ctx context.Context, by policies.Person, id string) (challenge SigningChallenge, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		if err := m.mayGive(); err != nil {
			return err
		}
		view, err := m.seenChange(r, by, id)
		if err != nil {
			return err
		}
		if view.State != ChangePending {
			return changeOver(view)
		}
		if err := m.maySign(by, view.Gathered, concerned(view.Change)); err != nil {
			return err
		}
		challenge = m.signingChallenge(view.Statement, m.administratorsPasskeys(by.Subject), view.Expires.Sub(m.now))
		return nil
	})
	return challenge, err
}

func changeOver(v ChangeView) *Error {
	sentence := map[ChangeState]string{
		ChangePending:    "The change waits for administrators.",
		ChangeInForce:    "The change is in force already.",
		ChangeRejected:   "The change was rejected" + byWhom(v.EndedBy) + ". Propose it anew if it is needed after all.",
		ChangeExpired:    "The change waited too long. Propose it anew.",
		ChangeSuperseded: v.EndReason,
	}[v.State]
	return fail(Conflict, CodeChangeState, "%s", sentence)
}

func byWhom(p policies.Person) string {
	if p.Name == "" {
		return ""
	}
	return " by " + p.Name
}

// SignChange keeps an administrator's signature, and takes the change to the
// signer when it was the last that lacked.
func (s *Service) SignChange(ctx context.Context, by policies.Person, id string, assertion evidence.Assertion) (ChangeView, error) {
	var view ChangeView
	err := s.write(ctx, func(c *change) (err error) {
		// 1. It waits, and for this person.
		if err := c.mayGive(); err != nil {
			return err
		}
		if view, err = c.seenChange(c, by, id); err != nil {
			return err
		}
		if view.State != ChangePending {
			return changeOver(view)
		}
		if err := c.maySign(by, view.Gathered, concerned(view.Change)); err != nil {
			return err
		}
		// 2. The signature, by a passkey that counts.
		if err := c.sign(by, id, view.Statement, assertion); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventChangeSigned, Actor: ActorOf(by), Text: by.Name + " signed: " + view.Headline,
		}, changeData{ID: id, Signed: &assertion})
		if err != nil {
			return err
		}
		view, err = c.viewChange(c, by, view.Change)
		return err
	})
	if err != nil || view.Missing() > 0 {
		return view, err
	}
	return s.SendChange(ctx, by, id)
}

// SendChange takes a change that the quorum has signed to the signer, who judges
// it. Doing so again is harmless.
func (s *Service) SendChange(ctx context.Context, by policies.Person, id string) (ChangeView, error) {
	// 1. The quorum has signed.
	view, err := s.Change(ctx, by, id)
	if err != nil {
		return ChangeView{}, err
	}
	if view.State == ChangeInForce {
		return view, nil
	}
	if view.State != ChangePending {
		return ChangeView{}, changeOver(view)
	}
	if missing := view.Missing(); missing > 0 {
		return ChangeView{}, fail(Conflict, CodeChangeState, "%d more of the administrators have to sign.", missing)
	}
	// 2. The signer checks everything.
	calling, cancel := heldOpen(ctx)
	defer cancel()
	switch view.Kind {
	case PolicyChange:
		err = s.config.Signer.ChangePolicy(calling, evidence.PolicyEvidence{
			Statement: view.Statement, Files: view.After, Administrators: view.assertions(),
		})
	default:
		err = s.config.Signer.ChangeRoster(calling, evidence.ChangeEvidence{Statement: view.Statement, Administrators: view.assertions()})
	}
	if err != nil {
		return ChangeView{}, err
	}
	// 3. Written down, with what follows from it here. If somebody rejected it
	// meanwhile, or its time ran out, it is in force all the same: the signer is right.
	err = s.writeDown(ctx, func(c *change) error {
		proposed, err := c.Tx.Change(id)
		if err != nil {
			return err
		}
		if proposed.State == ChangeInForce { // another call was faster
			view, err = c.viewChange(c, by, proposed)
			return err
		}
		from := proposed.State
		proposed.State, proposed.Ended, proposed.EndedBy, proposed.EndReason = ChangeInForce, c.now, by, ""
		if err := c.MoveChange(proposed, from); err != nil {
			return err
		}
		if _, err := c.record(AuditEvent{
			Kind: EventChangeInForce, Actor: ActorOf(by), Text: "In force: " + view.Headline,
		}, changeData{ID: id}); err != nil {
			return err
		}
		if err := c.follow(by, proposed); err != nil {
			return err
		}
		view, err = c.viewChange(c, by, proposed)
		return err
	})
	return view, err
}

// follow does here what a roster change that came into force asks for.
func (c *change) follow(by policies.Person, proposed Change) error {
	if proposed.Kind != RosterChange {
		return nil
	}
	s, err := evidence.DecodeAs[*evidence.RosterChange](proposed.Statement)
	if err != nil {
		return err
	}
	switch s.Change {
	case evidence.ChangeSuspend:
		return c.suspend(by, policies.Person{Subject: s.Person, Name: s.Name, Email: s.Email}, proposed.Reason, true)
	case evidence.ChangeRemovePasskey:
		return c.Tx.RemovePasskey(s.Passkeys[0])
	}
	return nil
}

// RejectChange ends a change: by an administrator, or by who proposed it.
func (s *Service) RejectChange(ctx context.Context, by policies.Person, id, reason string) (ChangeView, error) {
	var view ChangeView
	err := s.write(ctx, func(c *change) (err error) {
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		if view, err = c.seenChange(c, by, id); err != nil {
			return err
		}
		if view.State != ChangePending {
			return changeOver(view)
		}
		if !slices.Contains(view.May, "reject") {
			return fail(Forbidden, CodeForbidden, "Only administrators, and who proposed it, reject a change.")
		}
		proposed := view.Change
		proposed.State, proposed.Ended, proposed.EndedBy, proposed.EndReason = ChangeRejected, c.now, by, reason
		text := by.Name + " rejected: " + view.Headline
		return c.closeChange(by, &view, proposed, EventChangeRejected, text)
	})
	return view, err
}

func (c *change) closeChange(by policies.Person, view *ChangeView, proposed Change, kind, text string) error {
	if err := c.MoveChange(proposed, ChangePending); errors.Is(err, ErrRaced) {
		return nil // another broker wrote it down
	} else if err != nil {
		return err
	}
	event := AuditEvent{Kind: kind, Text: text}
	if by.Subject != (policies.Subject{}) {
		event.Actor = ActorOf(by)
	}
	if _, err := c.record(event, changeData{ID: proposed.ID, Reason: proposed.EndReason}); err != nil {
		return err
	}
	next, err := c.viewChange(c, by, proposed)
	*view = next
	return err
}

// overChanges lists which changes time, or another change, has ended, though
// nobody may have written it down yet.
func (m moment) overChanges(r ChangeReader) ([]Change, error) {
	rows, err := r.Changes(ChangeQuery{States: []ChangeState{ChangePending}, Limit: MaxPage})
	var over []Change
	for _, row := range rows {
		if now := m.present(row); now.State != ChangePending {
			over = append(over, now)
		}
	}
	return over, err
}

// closeChanges writes down what overChanges found.
func (s *Service) closeChanges(ctx context.Context, over []Change) error {
	for _, ended := range over {
		err := s.write(ctx, func(c *change) error {
			headline, _ := describeChange(ended)
			kind, text := EventChangeExpired, "Expired: "+headline
			if ended.State == ChangeSuperseded {
				kind, text = EventChangeSuperseded, "Superseded: "+headline
			}
			return c.closeChange(policies.Person{}, new(ChangeView), ended, kind, text)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sameMembers compares two lists without their order.
func sameMembers(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
