package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	"stint/policies"
	"stint/server/evidence"
)

// EnrolmentView is an enrolment as one person may see it.
type EnrolmentView struct {
	Enrolment
	Digest string   // of the statement
	May    []string // possession, bootstrap, authorise, reject
}

// StartEnrolment stores a passkey that was just registered, and makes the
// statement that brings it into the signer's roster.
func (s *Service) StartEnrolment(ctx context.Context, by policies.Person, k NewPasskey) (EnrolmentView, error) {
	id, err := s.newID("enr-", 10)
	if err != nil {
		return EnrolmentView{}, err
	}
	nonce, err := s.newNonce()
	if err != nil {
		return EnrolmentView{}, err
	}
	var view EnrolmentView
	err = s.write(ctx, func(c *change) error {
		if err := c.needSigner(); err != nil {
			return err
		}
		groups, err := c.enrolmentGroups(by, k.Groups)
		if err != nil {
			return err
		}
		e := Enrolment{
			ID: id, State: NeedsPossession, Person: by, Groups: groups, Passkey: strings.TrimSpace(k.Name),
			Credential: k.Credential, PublicKey: k.PublicKey, AAGUID: k.AAGUID,
			Created: c.now, Expires: seconds(c.now).Add(enrolmentLife),
		}
		e.Statement, err = evidence.Encode(&evidence.Enrolment{
			Instance: s.config.Instance, Person: by.Subject, Name: by.Name, Email: by.Email, Groups: groups,
			Credential: k.Credential, PublicKey: k.PublicKey, AAGUID: k.AAGUID, PasskeyName: e.Passkey,
			Issued: seconds(c.now), Expires: e.Expires, Nonce: evidence.NewNonce(nonce),
		})
		if err != nil {
			return invalid("name", "This passkey cannot be put into a statement: %v.", err).because(err)
		}
		passkey := Passkey{Credential: k.Credential, Owner: by.Subject, Name: e.Passkey, Groups: groups, Record: k.Record, Created: c.now}
		if err := c.AddPasskey(passkey); errors.Is(err, ErrRowExists) {
			return fail(Conflict, CodePasskeyExists, "This passkey is registered already. Make a new one.")
		} else if err != nil {
			return err
		}
		e.Number, err = c.record(AuditEvent{
			Kind: EventEnrolmentStarted, Actor: ActorOf(by), Text: by.Name + " registered the passkey " + e.Passkey + ".",
		}, enrolmentData{ID: id, Credential: k.Credential, Statement: e.Statement})
		if err != nil {
			return err
		}
		view = c.viewEnrolment(by, e)
		return c.AddEnrolment(e)
	})
	return view, err
}

type enrolmentData struct {
	ID         string `json:"enrolment"`
	Credential string `json:"credential"`
	Statement  string `json:"statement,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// enrolmentGroups are what the person will be in: what they have in the roster
// and what they ask for. A statement that named fewer would take groups away.
func (m moment) enrolmentGroups(by policies.Person, asked []string) ([]string, error) {
	known := append(m.policy.ApproverGroups(), policies.AdministratorsGroup)
	known = append(known, m.policy.Organization().Reviewers...)
	for _, g := range asked {
		if !slices.Contains(known, g) {
			return nil, invalid("groups", "Nobody is asked for in the group %q. Choose one of %s.", clip(g), strings.Join(known, ", "))
		}
	}
	groups := append(slices.Clone(asked), m.roster(by.Subject).Person.Groups...)
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// viewEnrolment is an enrolment as it stands now: past its time it is expired,
// and once the signer has it it is pinned, whether that was written down or not.
func (m moment) viewEnrolment(by policies.Person, e Enrolment) EnrolmentView {
	if e.open() && m.pinned(e.Credential) {
		e.State = EnrolmentPinned
	} else if e.open() && !m.now.Before(e.Expires) {
		e.State = EnrolmentExpired
	}
	v := EnrolmentView{Enrolment: e, Digest: evidence.Digest(e.Statement), May: []string{}}
	own := by.Subject == e.Person.Subject
	administrator := m.isAdministrator(by.Subject)
	switch {
	case e.State == NeedsPossession && own:
		v.May = append(v.May, "possession")
	case e.State == NeedsAuthority:
		credentials, _ := m.passkeysOf(by.Subject)
		if own && m.trust.BootstrapOpen {
			v.May = append(v.May, "bootstrap")
		}
		if administrator && !own || own && len(credentials) > 0 {
			v.May = append(v.May, "authorise")
		}
	}
	if e.open() && (own || administrator) {
		v.May = append(v.May, "reject")
	}
	return v
}

func (e Enrolment) open() bool { return e.State == NeedsPossession || e.State == NeedsAuthority }

func (m moment) pinned(credential string) bool {
	_, _, ok := m.trust.Roster.Holder(credential, m.now)
	return ok
}

// seenEnrolment reads one that this person may see: their own, or any for an administrator.
func (m moment) seenEnrolment(r PeopleReader, by policies.Person, id string) (EnrolmentView, error) {
	e, err := r.Enrolment(id)
	if errors.Is(err, ErrNoRow) || err == nil && e.Person.Subject != by.Subject && !m.isAdministrator(by.Subject) {
		return EnrolmentView{}, fail(NotFound, CodeEnrolmentNotFound, "There is no enrolment %q that you may see.", clip(id))
	}
	if err != nil {
		return EnrolmentView{}, err
	}
	return m.viewEnrolment(by, e), nil
}

// Enrolment reads one enrolment.
func (s *Service) Enrolment(ctx context.Context, by policies.Person, id string) (view EnrolmentView, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		view, err = m.seenEnrolment(r, by, id)
		return err
	})
	return view, err
}

// Enrolments lists those that wait: the caller's own, and for an administrator
// everybody's.
func (s *Service) Enrolments(ctx context.Context, by policies.Person) (views []EnrolmentView, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		views = []EnrolmentView{}
		q := EnrolmentQuery{Person: by.Subject, States: []EnrolmentState{NeedsPossession, NeedsAuthority}, Limit: MaxPage}
		if m.isAdministrator(by.Subject) {
			q.Person = policies.Subject{}
		}
		rows, err := r.Enrolments(q)
		if err != nil {
			return err
		}
		for _, e := range rows {
			if v := m.viewEnrolment(by, e); v.open() {
				views = append(views, v)
			}
		}
		return nil
	})
	return views, err
}

func wrongStep(e EnrolmentView) *Error {
	sentence := map[EnrolmentState]string{
		NeedsPossession:   "The new passkey has to sign first.",
		NeedsAuthority:    "The passkey has signed; now an administrator has to.",
		EnrolmentPinned:   "The passkey is enrolled already.",
		EnrolmentRejected: "The enrolment was rejected. Register the passkey anew.",
		EnrolmentExpired:  "The enrolment waited too long. Remove the passkey and register it anew.",
	}[e.State]
	return fail(Conflict, CodeEnrolmentState, "%s", sentence)
}

// ProvePossession stores the new passkey's own signature over the statement.
func (s *Service) ProvePossession(ctx context.Context, by policies.Person, id string, signed evidence.SignedByPasskey) (EnrolmentView, error) {
	var view EnrolmentView
	err := s.write(ctx, func(c *change) (err error) {
		if err := c.needSigner(); err != nil {
			return err
		}
		if view, err = c.seenEnrolment(c, by, id); err != nil {
			return err
		}
		if !slices.Contains(view.May, "possession") {
			return wrongStep(view)
		}
		if signed.Statement != view.Statement || signed.Assertion.Credential != view.Credential {
			return statementUnknown()
		}
		passkey := evidence.Passkey{Credential: view.Credential, PublicKey: view.PublicKey}
		if err := evidence.VerifyAssertion(signed.Assertion, signed.Statement, passkey, c.trust.Trust); err != nil {
			return fail(Forbidden, CodeAssertion, "The new passkey's signature does not fit the text. Register it anew.").because(err)
		}
		e := view.Enrolment
		e.State, e.Possession = NeedsAuthority, &signed.Assertion
		if err := c.MoveEnrolment(e, NeedsPossession); errors.Is(err, ErrRaced) {
			return wrongStep(view)
		} else if err != nil {
			return err
		}
		view = c.viewEnrolment(by, e)
		_, err = c.record(AuditEvent{
			Kind: EventEnrolmentProved, Actor: ActorOf(by), Text: by.Name + " proved to hold the passkey " + e.Passkey + ".",
		}, enrolmentData{ID: id, Credential: e.Credential})
		return err
	})
	return view, err
}

// EnrolmentChallenge gives the statement to the passkey that is to allow it: an
// administrator's, or an earlier one of the same person. The text is the
// enrolment's own, so that everybody signs the same.
func (s *Service) EnrolmentChallenge(ctx context.Context, by policies.Person, id string) (SigningChallenge, error) {
	var challenge SigningChallenge
	err := s.read(ctx, func(r Reader, m moment) error {
		view, err := m.seenEnrolment(r, by, id)
		if err != nil {
			return err
		}
		if !slices.Contains(view.May, "authorise") {
			if view.State != NeedsAuthority {
				return wrongStep(view)
			}
			return fail(Forbidden, CodeForbidden, "You have no passkey that could allow this; an administrator has to.")
		}
		credentials, _ := m.passkeysOf(by.Subject)
		challenge = m.signingChallenge(view.Statement, credentials, view.Expires.Sub(m.now))
		return nil
	})
	return challenge, err
}

// AuthoriseEnrolment takes an enrolment with an authority's yes to the signer,
// who judges it.
func (s *Service) AuthoriseEnrolment(ctx context.Context, by policies.Person, id string, authority EnrolmentAuthority) (EnrolmentView, error) {
	// 1. It waits for this.
	view, err := s.Enrolment(ctx, by, id)
	if err != nil {
		return EnrolmentView{}, err
	}
	if view.State != NeedsAuthority && view.State != EnrolmentPinned {
		return EnrolmentView{}, wrongStep(view)
	}
	// 2. The signer checks everything, unless it has the passkey already and only
	// our note of it was lost.
	if view.State == NeedsAuthority {
		calling, cancel := context.WithTimeout(ctx, signerPatience)
		defer cancel()
		given := evidence.EnrolmentEvidence{Statement: view.Statement, Possession: *view.Possession, Login: authority.Login}
		switch {
		case authority.Passkey != nil && by.Subject == view.Person.Subject:
			given.Own = authority.Passkey
		case authority.Passkey != nil:
			given.Administrators = []evidence.Assertion{*authority.Passkey}
		}
		if err := s.config.Signer.Enrol(calling, given); err != nil {
			return EnrolmentView{}, err
		}
	}
	// 3. Written down.
	err = s.writeDown(ctx, func(c *change) error {
		e, err := c.Tx.Enrolment(id)
		if err != nil {
			return err
		}
		if !e.open() { // another call was faster
			view = c.viewEnrolment(by, e)
			return nil
		}
		from := e.State
		e.State = EnrolmentPinned
		if err := c.MoveEnrolment(e, from); err != nil {
			return err
		}
		view = c.viewEnrolment(by, e)
		if authority.Passkey != nil {
			if err := c.notePasskey(authority.Passkey.Credential); err != nil {
				return err
			}
		}
		_, err = c.record(AuditEvent{
			Kind: EventEnrolmentPinned, Actor: ActorOf(by),
			Text: "The passkey " + e.Passkey + " of " + e.Person.Name + " is in the signer's roster.",
		}, enrolmentData{ID: id, Credential: e.Credential})
		return err
	})
	if err != nil || view.State != EnrolmentRejected {
		return view, err
	}
	// 4. It was rejected while the signer worked: the rejection stands.
	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), signerPatience)
	defer cancel()
	if err := s.config.Signer.RemovePasskey(calling, view.Credential, by.Subject); err != nil {
		return EnrolmentView{}, err
	}
	return EnrolmentView{}, wrongStep(view)
}

// RejectEnrolment ends an enrolment: by an administrator, or by its own person.
// The passkey is forgotten with it.
func (s *Service) RejectEnrolment(ctx context.Context, by policies.Person, id, reason string) (EnrolmentView, error) {
	var view EnrolmentView
	err := s.write(ctx, func(c *change) (err error) {
		if err := policies.CheckText(reason, policies.MostReason); err != nil {
			return invalid("reason", "The reason cannot be used: %v.", err).because(err)
		}
		if view, err = c.seenEnrolment(c, by, id); err != nil {
			return err
		}
		if !slices.Contains(view.May, "reject") {
			return wrongStep(view)
		}
		view.Enrolment, err = c.reject(by, view.Enrolment, reason)
		view.May = []string{}
		if err != nil {
			return err
		}
		return c.Tx.RemovePasskey(view.Credential)
	})
	return view, err
}

func (c *change) reject(by policies.Person, e Enrolment, reason string) (Enrolment, error) {
	from := e.State
	e.State = EnrolmentRejected
	if err := c.MoveEnrolment(e, from); err != nil {
		return e, err
	}
	text := by.Name + " rejected the enrolment of the passkey " + e.Passkey + " of " + e.Person.Name
	if reason != "" {
		text += ": " + reason
	}
	_, err := c.record(AuditEvent{Kind: EventEnrolmentRejected, Actor: ActorOf(by), Text: text + "."},
		enrolmentData{ID: e.ID, Credential: e.Credential, Reason: reason})
	return e, err
}
