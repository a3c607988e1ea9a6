package access

import (
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// CountedApproval is an approval with what policy makes of it now.
type CountedApproval struct {
	Approval
	Counts bool
}

// evaluate asks policy about a request again, as things stand: the requester's
// groups as last attested, the approvers' by the signer's roster, the grants held
// now and the past that the role's rules look at. extra is an approval that is about
// to be stored.
func (m moment) evaluate(r Reader, q Request, extra ...Approval) (policies.Decision, []CountedApproval, error) {
	given := extra
	if q.ID != "" {
		stored, err := r.Approvals(q.ID, q.Revision.Number)
		if err != nil {
			return policies.Decision{}, nil, err
		}
		given = append(stored, extra...)
	}
	facts, err := m.facts(r, q, given)
	if err != nil {
		return policies.Decision{}, nil, err
	}
	decision := m.policy.Decide(facts)
	counted := make([]CountedApproval, len(given))
	for i, a := range given {
		_, stands := m.approval(a)
		counted[i] = CountedApproval{Approval: a, Counts: stands && counts(decision, a.Approver.Subject)}
	}
	return decision, counted, nil
}

// facts are what policy decides a request by, with these approvals, at this moment.
func (m moment) facts(r Reader, q Request, given []Approval) (policies.Facts, error) {
	requester, err := lastKnown(r, q.Requester)
	if err != nil {
		return policies.Facts{}, err
	}
	f := policies.Facts{
		Now: m.now, Asked: q.Revision.Asked, Requester: requester, Ask: q.Revision.Ask, Used: q.Used,
		Confirmed: m.confirmed(q), Known: m.trust.Roster.Known(m.now),
	}
	own := m.identities(requester)
	if f.Held, err = m.held(r, own, q.ID); err != nil {
		return f, err
	}
	for _, a := range given {
		if counting, ok := m.approval(a); ok {
			f.Approvals = append(f.Approvals, counting)
		}
	}
	return f, m.lookBack(r, own, q, &f)
}

// counts says whether a stage has counted this approver.
func counts(d policies.Decision, approver policies.Subject) bool {
	return slices.ContainsFunc(d.Stages, func(stage policies.StageResult) bool {
		return slices.Contains(stage.Given, approver)
	})
}

// approval is an approval as policy takes it: the approver, and the person on whose
// behalf, as the roster and the passkey that signed speak for them now; false if the
// roster does not know them any more, the passkey has left it, or the delegation ended.
func (m moment) approval(a Approval) (policies.Approval, bool) {
	person, ok := m.trust.Roster.Find(a.Approver.Subject)
	if !ok {
		return policies.Approval{}, false
	}
	passkey, ok := m.active(person, a.Signed.Assertion.Credential)
	if !ok {
		return policies.Approval{}, false
	}
	counting := policies.Approval{Approver: person.With(passkey), Duration: a.Duration, Issued: a.Issued, Attested: passkey.Attested != ""}
	if a.For != nil {
		behalf, ok := m.delegator(a.For.Subject, a.Approver.Subject, a.Issued)
		if !ok || !m.attestedFor(passkey, behalf.Groups) {
			return policies.Approval{}, false
		}
		counting.For = &behalf
	}
	return counting, true
}

// confirmed is the requester's own word for a revision, while their passkey counts.
func (m moment) confirmed(q Request) *policies.Confirmation {
	c := q.Confirmation
	if c == nil || c.Revision != q.Revision.Number {
		return nil
	}
	passkey, ok := m.active(m.roster(q.Requester.Subject), c.Signed.Assertion.Credential)
	if !ok {
		return nil
	}
	return &policies.Confirmation{Issued: c.Issued, Attested: passkey.Attested != ""}
}

// lastKnown is a person as they last signed in. A group that they have lost
// since asking counts no more.
func lastKnown(r PeopleReader, p policies.Person) (policies.Person, error) {
	known, err := r.Person(p.Subject)
	if errors.Is(err, ErrNoRow) {
		return p, nil
	}
	return known.Person, err
}

// held lists the other live grants of the same human being, whichever of their
// identities asked, also one that only others in the roster link: what the signer
// holds against them is held against them here. A grant that is scheduled is held
// from its beginning on.
func (m moment) held(r RequestReader, own []policies.Person, except string) ([]policies.Held, error) {
	grants, err := r.LiveGrants(own, m.now)
	if err != nil {
		return nil, err
	}
	var held []policies.Held
	for _, g := range grants {
		if g.ID != except && !g.Begins.After(m.now) && m.isOneOf(own, g.Requester) {
			held = append(held, policies.Held{Request: g.ID, Role: g.Revision.Ask.Role})
		}
	}
	return held, nil
}

// refusal turns a decision that is not Allowed into an error with its reasons.
func refusal(d policies.Decision) *Error {
	message := "Policy does not allow this."
	for _, reason := range d.Reasons {
		if !reason.Met {
			message = reason.Text
			if reason.Remedy != "" {
				message += " " + reason.Remedy
			}
			// Of many rules of a kind it says which; of the rest the sentence does.
			if strings.Contains(reason.Rule, ":") {
				message += " (Rule " + reason.Rule + ".)"
			}
			break
		}
	}
	return &Error{Problem: PolicyRefused, Code: CodePolicyRefused, Message: message, Decision: &d}
}

// roster is a person as the signer's roster has them; empty if it does not.
func (m moment) roster(s policies.Subject) evidence.RosterPerson {
	person, _ := m.trust.Roster.Find(s)
	return person
}

// active is a person's passkey with that credential id, if they can sign with it now.
func (m moment) active(person evidence.RosterPerson, credential string) (evidence.Passkey, bool) {
	passkey, ok := person.Active(credential, m.now)
	return passkey, ok && !m.isSuspended(person.Person)
}

// voice is a passkey with which somebody can sign now, and for whom it speaks: in no more
// groups than it was enrolled for.
type voice struct {
	evidence.Passkey
	speaks policies.Person
}

func (v voice) in(groups []string) bool { return sharesGroup([]policies.Person{v.speaks}, groups) }

// passkeysOf lists the passkeys with which a person can sign now. Suspended, they sign
// nothing.
func (m moment) passkeysOf(s policies.Subject) []voice {
	person := m.roster(s)
	if len(person.Passkeys) == 0 || m.isSuspended(person.Person) {
		return nil
	}
	var voices []voice
	for _, k := range person.Passkeys {
		if k.Active(m.now) {
			voices = append(voices, voice{k, person.With(k)})
		}
	}
	return voices
}

// credentials are those of the passkeys that fit.
func credentials(of []voice, fits func(voice) bool) []string {
	with := []string{}
	for _, v := range of {
		if fits(v) {
			with = append(with, v.Credential)
		}
	}
	return with
}

func anyVoice(voice) bool { return true }

func (m moment) isAdministrator(s policies.Subject) bool {
	return len(m.administratorsPasskeys(s)) > 0
}

// isReviewer takes either source of groups: reviewing gives no access.
func (m moment) isReviewer(p policies.Person) bool {
	return m.policy.IsReviewer(p) || m.policy.IsReviewer(m.roster(p.Subject).Person)
}

// seconds cuts a time to whole seconds, as statements hold it.
func seconds(t time.Time) time.Time { return t.Truncate(time.Second) }
