package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// LongestChange is how long after its making administrators may still sign a change
// of somebody's standing, or a policy.
const LongestChange = 7 * 24 * time.Hour

// VerifiedChange is a change of somebody's standing that VerifyChange found proven.
// Only it makes one that holds anything; the methods of any other panic.
type VerifiedChange struct{ held *verifiedChange }

type verifiedChange struct {
	change   RosterChange
	evidence ChangeEvidence
	by       []policies.Subject
}

func (v VerifiedChange) must() *verifiedChange {
	if v.held == nil {
		panic("evidence: a VerifiedChange that VerifyChange did not return")
	}
	return v.held
}

// Change is the statement.
func (v VerifiedChange) Change() RosterChange { return v.must().change }

// By are the administrators who signed it.
func (v VerifiedChange) By() []policies.Subject { return slices.Clone(v.must().by) }

// Entry is what the ledger records of it.
func (v VerifiedChange) Entry() *ChangeEntry {
	return &ChangeEntry{Evidence: v.must().evidence, By: v.By()}
}

// VerifyChange checks that a change of somebody's standing fits the roster, that a
// quorum of administrators signed it, and that it leaves a quorum. A refusal is a
// *Failure.
func VerifyChange(e ChangeEvidence, trust Trust, now time.Time) (VerifiedChange, error) {
	none := VerifiedChange{}

	// 1. The statement, and its time.
	change, err := openChange(e.Statement, trust, now)
	if err != nil {
		return none, err
	}

	// 2. It took no effect yet, and says of the person what the roster has.
	if slices.Contains(trust.Spent, Digest(e.Statement)) {
		return none, fail("change-spent", "this change took effect already; it does so once")
	}
	if err := checkChange(change, trust, now); err != nil {
		return none, err
	}

	// 3. A quorum of administrators signed it, the person not among them.
	concerned := policies.Person{Subject: change.Person, Name: change.Name, Email: change.Email}
	by, err := verifyQuorum(e.Administrators, e.Statement, &concerned, trust, now)
	if err != nil {
		return none, within("authority", err)
	}

	// 4. It leaves a quorum.
	after := trust
	if after.Roster, err = trust.Roster.Change(*change, now); err != nil {
		return none, err
	}
	if err := checkLeft(trust, after, now); err != nil {
		return none, err
	}
	return VerifiedChange{&verifiedChange{change: *change, evidence: e, by: by}}, nil
}

func openChange(statement string, trust Trust, now time.Time) (*RosterChange, error) {
	if trust.Version != 1 {
		return nil, fail("version", "this version reads trust of version 1")
	}
	change, err := DecodeAs[*RosterChange](statement)
	if err != nil {
		return nil, fail("change", "%v", err)
	}
	if change.Instance != trust.Instance {
		return nil, fail("instance", "the change is for another installation")
	}
	return change, within("change", checkSpan(change.Issued, change.Expires, LongestChange, now))
}

// checkChange holds a change against the roster: those who sign it read there who
// the person is and what they have.
func checkChange(c *RosterChange, trust Trust, now time.Time) error {
	p, ok := trust.Roster.Find(c.Person)
	if !ok || p.Deleted != nil && c.Change != ChangeUnsuspend {
		return fail("change-roster", "%s is not in the roster", c.Person)
	}
	if p.isStale(c.Issued) {
		return fail("change-stale", "the person's standing changed since this was proposed; propose it anew")
	}
	if c.Change != ChangeGroups {
		if c.Name != p.Person.Name || c.Email != p.Person.Email {
			return fail("change-name", "the change names the person otherwise than the roster does")
		}
		if !sameGroups(c.Groups, p.Person.Groups) {
			return fail("change-groups", "the change states other groups than the roster has")
		}
	}
	switch c.Change {
	case ChangeGroups:
		return checkSpeaking(c, p, trust, now)
	case ChangeRemovePasskey:
		if len(c.Passkeys) != 1 {
			return fail("change-passkeys", "one passkey is removed at a time")
		}
	default:
		if len(c.Passkeys) > 0 {
			return fail("change-passkeys", "this change is of no passkey")
		}
	}
	return nil
}

// checkSpeaking checks which passkeys are to speak for the person's new groups.
func checkSpeaking(c *RosterChange, p RosterPerson, trust Trust, now time.Time) error {
	policy, err := trust.Bundle(now)
	if err != nil {
		return err
	}
	for _, credential := range c.Passkeys {
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Active(now) })
		if k < 0 {
			return fail("change-passkeys", "%s has no such passkey", p.Person.Name)
		}
		passkey := p.Passkeys[k]
		added := slices.DeleteFunc(slices.Clone(c.Groups), func(g string) bool { return slices.Contains(passkey.Groups, g) })
		if passkey.Attested == "" && policy.NeedsAttestation(added) {
			return fail("change-attestation", "the passkey %q was enrolled without attestation, which the policy demands for these groups; enrol another", passkey.Name)
		}
	}
	return nil
}
