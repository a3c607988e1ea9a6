package access

import (
	"errors"
	"slices"
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
// groups as last attested, the approvers' by the signer's roster, the grants
// held now. extra is an approval that is about to be stored.
func (m moment) evaluate(r Reader, q Request, extra ...Approval) (policies.Decision, []CountedApproval, error) {
	requester, err := lastKnown(r, q.Requester)
	if err != nil {
		return policies.Decision{}, nil, err
	}
	facts := policies.Facts{Now: m.now, Asked: q.Revision.Asked, Requester: requester, Ask: q.Revision.Ask, Known: m.trust.Roster.Known(m.now)}
	if facts.Held, err = m.held(r, requester, q.ID); err != nil {
		return policies.Decision{}, nil, err
	}
	given, err := r.Approvals(q.ID, q.Revision.Number)
	if err != nil {
		return policies.Decision{}, nil, err
	}
	given = append(given, extra...)
	for _, a := range given {
		if approver, ok := m.approverOf(a); ok {
			facts.Approvals = append(facts.Approvals, policies.Approval{Approver: approver, Duration: a.Duration, Issued: a.Issued})
		}
	}
	decision := m.policy.Decide(facts)
	counted := make([]CountedApproval, len(given))
	for i, a := range given {
		_, pinned := m.approverOf(a)
		counted[i] = CountedApproval{Approval: a, Counts: pinned && counts(decision, a.Approver.Subject)}
	}
	return decision, counted, nil
}

// counts says whether a stage has counted this approver.
func counts(d policies.Decision, approver policies.Subject) bool {
	return slices.ContainsFunc(d.Stages, func(stage policies.StageResult) bool {
		return slices.Contains(stage.Given, approver)
	})
}

// approverOf is the approver as the passkey that signed speaks for them now;
// false if the roster does not know them any more, or the passkey has left it.
func (m moment) approverOf(a Approval) (policies.Person, bool) {
	person, ok := m.trust.Roster.Find(a.Approver.Subject)
	if !ok {
		return policies.Person{}, false
	}
	passkey, ok := person.Active(a.Signed.Assertion.Credential, m.now)
	if !ok {
		return policies.Person{}, false
	}
	return person.With(passkey), true
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
// holds against them is held against them here.
func (m moment) held(r RequestReader, requester policies.Person, except string) ([]policies.Held, error) {
	own := m.identities(requester)
	grants, err := r.LiveGrants(own, m.now)
	if err != nil {
		return nil, err
	}
	var held []policies.Held
	for _, g := range grants {
		if g.ID != except && m.isOneOf(own, g.Requester) {
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

// passkeysOf lists the passkeys with which a person can sign now, and for whom
// each speaks: in no more groups than it was enrolled for. Suspended, they sign
// nothing.
func (m moment) passkeysOf(s policies.Subject) (credentials []string, speaking []policies.Person) {
	credentials = []string{}
	person := m.roster(s)
	if person.IsSuspended(m.now) {
		return credentials, nil
	}
	for _, k := range person.Passkeys {
		if k.Active(m.now) {
			credentials, speaking = append(credentials, k.Credential), append(speaking, person.With(k))
		}
	}
	return credentials, speaking
}

func (m moment) isAdministrator(s policies.Subject) bool {
	_, speaking := m.passkeysOf(s)
	return slices.ContainsFunc(speaking, func(p policies.Person) bool {
		return slices.Contains(p.Groups, policies.AdministratorsGroup)
	})
}

// isReviewer takes either source of groups: reviewing gives no access.
func (m moment) isReviewer(p policies.Person) bool {
	return m.policy.IsReviewer(p) || m.policy.IsReviewer(m.roster(p.Subject).Person)
}

// approvesWith lists the passkeys with which a person could approve a request: none
// where they are the requester, under whatever identity.
func (m moment) approvesWith(p policies.Person, q Request) []string {
	with := []string{}
	if m.linked(m.roster(p.Subject).Person, q.Requester) {
		return with
	}
	credentials, speaking := m.passkeysOf(p.Subject)
	for i, credential := range credentials {
		if m.policy.MayApprove(speaking[i], q.Requester, q.Revision.Ask.Role) {
			with = append(with, credential)
		}
	}
	return with
}

func (m moment) mayApprove(p policies.Person, q Request) bool {
	return len(m.approvesWith(p, q)) > 0
}

// mayEnd says who may take away what is somebody else's: whoever might have
// approved it, reviewers and administrators.
func (m moment) mayEnd(p policies.Person, q Request) bool {
	return m.mayApprove(p, q) || m.isReviewer(p) || m.isAdministrator(p.Subject)
}

// maySee says who may read a request with its evidence.
func (m moment) maySee(p policies.Person, q Request) bool {
	return p.Subject == q.Requester.Subject || m.mayEnd(p, q)
}

// approversOf lists, for each stage, who could approve: the roster's members of
// its groups who have a passkey for one and are not the requester.
func (m moment) approversOf(d policies.Decision, requester policies.Person) [][]policies.Person {
	lists := make([][]policies.Person, len(d.Stages))
	for i, stage := range d.Stages {
		lists[i] = []policies.Person{}
		for _, p := range m.trust.Roster.People {
			_, speaking := m.passkeysOf(p.Person.Subject)
			if sharesGroup(speaking, stage.Groups) && !m.linked(p.Person, requester) {
				lists[i] = append(lists[i], p.Person)
			}
		}
	}
	return lists
}

func sharesGroup(people []policies.Person, groups []string) bool {
	return slices.ContainsFunc(people, func(p policies.Person) bool {
		return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) })
	})
}

// seconds cuts a time to whole seconds, as statements hold it.
func seconds(t time.Time) time.Time { return t.Truncate(time.Second) }
