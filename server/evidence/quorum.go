package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// MostAdministrators bounds the signatures under one change.
const MostAdministrators = 32

// verifyQuorum checks that as many different administrators as the policy demands
// signed a statement, and returns who. One signature that does not hold refuses
// all: whoever sent it is wrong about something. Whomever the statement concerns
// does not count; nobody, where concerned is nil.
func verifyQuorum(signatures []Assertion, statement string, concerned *policies.Person, trust Trust, now time.Time) ([]policies.Subject, error) {
	if len(signatures) > MostAdministrators {
		return nil, fail("many", "at most %d administrators sign one change", MostAdministrators)
	}
	policy, err := trust.Bundle(now)
	if err != nil {
		return nil, err
	}
	known := trust.Roster.Known(now)
	var signed []policies.Person
	for _, s := range signatures {
		// 1. A passkey of the roster signed it, which may sign now.
		holder, key, err := trust.signatory(s.Credential, now)
		if err != nil {
			return nil, err
		}
		if err := VerifyAssertion(s, statement, key, trust); err != nil {
			return nil, err
		}
		// 2. It speaks for an administrator.
		if !slices.Contains(holder.With(key).Groups, policies.AdministratorsGroup) {
			return nil, fail("administrator", "%s's passkey does not speak for an administrator", holder.Person.Name)
		}
		// 3. Another person than the one concerned and than everybody before.
		if concerned != nil && policy.Linked(*concerned, holder.Person, known) {
			return nil, fail("self", "%s cannot sign for a change of their own standing", holder.Person.Name)
		}
		if slices.ContainsFunc(signed, func(p policies.Person) bool { return policy.Linked(p, holder.Person, known) }) {
			return nil, fail("twice", "%s signed twice, and counts once", holder.Person.Name)
		}
		signed = append(signed, holder.Person)
	}
	// 4. They are enough.
	if len(signed) < policy.Quorum() {
		return nil, fail("quorum", "%d of the %d administrators who are needed signed this", len(signed), policy.Quorum())
	}
	by := make([]policies.Subject, len(signed))
	for i, p := range signed {
		by[i] = p.Subject
	}
	return by, nil
}

// signatory finds whose a passkey is that may sign now.
func (t Trust) signatory(credential string, now time.Time) (RosterPerson, Passkey, error) {
	for _, p := range t.Roster.People {
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Active(now) })
		if k < 0 {
			continue
		}
		return p, p.Passkeys[k], t.checkSuspended(p.Person, now)
	}
	return RosterPerson{}, Passkey{}, fail("passkey", "the passkey that signed this is not in the roster, or was removed")
}

// checkSuspended refuses a person who is suspended, under this identity or under
// another of theirs.
func (t Trust) checkSuspended(p policies.Person, now time.Time) error {
	var suspended []policies.Person
	for _, q := range t.Roster.everSuspended() {
		if q.IsSuspended(now) {
			suspended = append(suspended, q.Person)
		}
	}
	if len(suspended) == 0 {
		return nil
	}
	policy, err := t.Bundle(now)
	if err != nil {
		return err
	}
	for _, own := range policy.Identities(p, t.known(now)) {
		if slices.ContainsFunc(suspended, func(q policies.Person) bool { return policy.SamePerson(own, q) }) {
			return fail("suspended", "%s is suspended", p.Name)
		}
	}
	return nil
}

// administrators counts the people who can sign a change, each once however many
// identities they have.
func (t Trust) administrators(now time.Time) (int, error) {
	policy, err := t.Bundle(now)
	if err != nil {
		return 0, err
	}
	known := t.Roster.Known(now)
	var able []policies.Person
	for _, p := range t.Roster.People {
		speaks := slices.ContainsFunc(p.Passkeys, func(k Passkey) bool {
			return k.Active(now) && slices.Contains(p.With(k).Groups, policies.AdministratorsGroup)
		})
		if !speaks || t.checkSuspended(p.Person, now) != nil ||
			slices.ContainsFunc(able, func(q policies.Person) bool { return policy.Linked(p.Person, q, known) }) {
			continue
		}
		able = append(able, p.Person)
	}
	return len(able), nil
}

// checkLeft refuses what would leave fewer administrators than the quorum, where
// there were enough before: nobody could ever change anything again.
func checkLeft(before, after Trust, now time.Time) error {
	left, wanted, err := after.strength(now)
	if err != nil || left >= wanted {
		return err
	}
	had, needed, err := before.strength(now)
	if err != nil || had < needed {
		return err
	}
	return fail("quorum-left", "this would leave %d administrators who can sign, and the quorum is %d; enrol another administrator first", left, wanted)
}

// strength is how many administrators can sign, and how many must.
func (t Trust) strength(now time.Time) (able, quorum int, err error) {
	policy, err := t.Bundle(now)
	if err != nil {
		return 0, 0, err
	}
	able, err = t.administrators(now)
	return able, policy.Quorum(), err
}
