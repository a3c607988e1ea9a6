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
	Gathered        // administrators' signatures
	Digest   string // of the statement
	// May is what this person may do: possession, authorise (with an earlier passkey
	// of their own), sign (as an administrator), send, reject.
	May []string
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
		// One that no group demands is handed on where the make is listed: such a passkey confirms
		// what takes an attested one. Any other would refuse the enrolment for nothing.
		if c.policy.NeedsAttestation(groups) || c.lists(k.AAGUID) {
			e.Attestation = k.Attestation
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
		if err := c.AddEnrolment(e); err != nil {
			return err
		}
		view, err = c.viewEnrolment(c, by, e)
		return err
	})
	return view, err
}

// lists says whether the policy lists a make of authenticators.
func (m moment) lists(aaguid string) bool {
	return slices.ContainsFunc(m.policy.Organization().Attestation.Authenticators, func(a policies.Authenticator) bool { return a.AAGUID == aaguid })
}

type enrolmentData struct {
	ID         string              `json:"enrolment"`
	Credential string              `json:"credential"`
	Statement  string              `json:"statement,omitempty"`
	Signed     *evidence.Assertion `json:"signed,omitempty"`
	Reason     string              `json:"reason,omitempty"`
}

// enrolmentGroups are what the person will be in: what they have in the roster
// and what they ask for. A statement that named fewer would take groups away.
func (m moment) enrolmentGroups(by policies.Person, asked []string) ([]string, error) {
	groups, err := m.knownGroups(asked)
	groups = append(groups, m.roster(by.Subject).Person.Groups...)
	slices.Sort(groups)
	return slices.Compact(groups), err
}

// viewEnrolment is an enrolment as it stands now: past its time it is expired,
// and once the signer has it it is pinned, whether that was written down or not.
func (m moment) viewEnrolment(r ChangeReader, by policies.Person, e Enrolment) (EnrolmentView, error) {
	if e.open() && m.pinned(e.Credential) {
		e.State = EnrolmentPinned
	} else if e.open() && !m.now.Before(e.Expires) {
		e.State = EnrolmentExpired
	}
	v := EnrolmentView{Enrolment: e, Digest: evidence.Digest(e.Statement), May: []string{}}
	var err error
	if v.Gathered, err = m.gathered(r, e.ID, e.Person); err != nil {
		return v, err
	}
	if !e.open() {
		v.Gathered = v.Gathered.over()
		return v, nil
	}
	own := by.Subject == e.Person.Subject
	administrator := m.isAdministrator(by.Subject)
	switch {
	case e.State == NeedsPossession && own:
		v.May = append(v.May, "possession")
	case e.State == NeedsAuthority:
		if own && m.ownPasskeySuffices(e) {
			v.May = append(v.May, "authorise")
		}
		if m.maySign(by, v.Gathered, e.Person) == nil && v.Missing() > 0 {
			v.May = append(v.May, "sign")
		}
		if administrator && v.Missing() == 0 {
			v.May = append(v.May, "send")
		}
	}
	if own || administrator {
		v.May = append(v.May, "reject")
	}
	return v, nil
}

// ownPasskeySuffices says whether an earlier passkey of the same person can allow
// this one: it gives nothing that theirs has not, under the name and address that
// the roster has, and makes nobody an administrator. The signer decides; this is
// for what is offered.
func (m moment) ownPasskeySuffices(e Enrolment) bool {
	known := m.roster(e.Person.Subject).Person
	return len(m.earlierPasskeys(e)) > 0 && !slices.Contains(e.Groups, policies.AdministratorsGroup) &&
		known.Name == e.Person.Name && known.Email == e.Person.Email
}

// earlierPasskeys are the person's own that speak for the very groups of an
// enrolment.
func (m moment) earlierPasskeys(e Enrolment) []string {
	return credentials(m.passkeysOf(e.Person.Subject), func(v voice) bool {
		return slices.Equal(slices.Sorted(slices.Values(v.speaks.Groups)), e.Groups)
	})
}

func (e Enrolment) open() bool { return e.State == NeedsPossession || e.State == NeedsAuthority }

func (m moment) pinned(credential string) bool {
	_, _, ok := m.trust.Roster.Holder(credential, m.now)
	return ok
}

// seenEnrolment reads one that this person may see: their own, or any for an administrator.
func (m moment) seenEnrolment(r Reader, by policies.Person, id string) (EnrolmentView, error) {
	e, err := r.Enrolment(id)
	if errors.Is(err, ErrNoRow) || err == nil && e.Person.Subject != by.Subject && !m.isAdministrator(by.Subject) {
		return EnrolmentView{}, fail(NotFound, CodeEnrolmentNotFound, "There is no enrolment %q that you may see.", clip(id))
	}
	if err != nil {
		return EnrolmentView{}, err
	}
	return m.viewEnrolment(r, by, e)
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
			v, err := m.viewEnrolment(r, by, e)
			if err != nil {
				return err
			}
			if v.open() {
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
		NeedsAuthority:    "The passkey has signed; now administrators have to.",
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
		if view, err = c.viewEnrolment(c, by, e); err != nil {
			return err
		}
		_, err = c.record(AuditEvent{
			Kind: EventEnrolmentProved, Actor: ActorOf(by), Text: by.Name + " proved to hold the passkey " + e.Passkey + ".",
		}, enrolmentData{ID: id, Credential: e.Credential})
		return err
	})
	return view, err
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
