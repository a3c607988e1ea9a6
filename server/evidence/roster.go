package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// Find is the person of the roster with that identity.
func (r Roster) Find(s policies.Subject) (RosterPerson, bool) {
	i := slices.IndexFunc(r.People, func(p RosterPerson) bool { return p.Person.Subject == s })
	if i < 0 {
		return RosterPerson{}, false
	}
	return r.People[i], true
}

// Known are the people who were in the roster at a moment, whether or not their
// passkeys may sign: policy links identities through them.
func (r Roster) Known(now time.Time) []policies.Person {
	var people []policies.Person
	for _, p := range r.People {
		if slices.ContainsFunc(p.Passkeys, func(k Passkey) bool { return !k.Enrolled.After(now) }) {
			people = append(people, p.Person)
		}
	}
	return people
}

// Holder is whose an active passkey is.
func (r Roster) Holder(credential string, now time.Time) (RosterPerson, Passkey, bool) {
	for _, p := range r.People {
		if k, ok := p.Active(credential, now); ok {
			return p, k, true
		}
	}
	return RosterPerson{}, Passkey{}, false
}

// Active is the person's passkey with that credential id, if it may sign.
func (p RosterPerson) Active(credential string, now time.Time) (Passkey, bool) {
	i := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Active(now) })
	if i < 0 {
		return Passkey{}, false
	}
	return p.Passkeys[i], true
}

// With is the person as one of their passkeys speaks for them: in those of
// their groups that the passkey was enrolled for. A passkey that somebody
// enrolled with no more than a login key approves nothing, whatever groups the
// person is given later.
func (p RosterPerson) With(k Passkey) policies.Person {
	speaking := p.Person
	speaking.Groups = nil
	for _, g := range p.Person.Groups {
		if slices.Contains(k.Groups, g) {
			speaking.Groups = append(speaking.Groups, g)
		}
	}
	return speaking
}

// Active tells whether the passkey may sign: it was enrolled and not removed.
func (k Passkey) Active(now time.Time) bool {
	return !k.Enrolled.After(now) && (k.Removed == nil || now.Before(*k.Removed))
}

// Enrol is the roster after an enrolment that took effect at a moment. It takes
// the statement at its word: whether the enrolment may be is VerifyEnrolment's to
// say, before it is in the ledger. r stays as it was.
func (r Roster) Enrol(e Enrolment, at time.Time) Roster {
	people := slices.Clone(r.People)
	i := slices.IndexFunc(people, func(p RosterPerson) bool { return p.Person.Subject == e.Person })
	if i < 0 {
		i, people = len(people), append(people, RosterPerson{})
	}
	people[i] = RosterPerson{
		Person: e.Enrolled(),
		Passkeys: append(slices.Clone(people[i].Passkeys), Passkey{
			Credential: e.Credential,
			PublicKey:  e.PublicKey,
			AAGUID:     e.AAGUID,
			Name:       e.PasskeyName,
			Groups:     slices.Clone(e.Groups),
			Enrolled:   at,
		}),
	}
	return Roster{People: people}
}

// Enrolled is whom the roster is to hold, with the groups they are in from then on.
func (e Enrolment) Enrolled() policies.Person {
	return policies.Person{Subject: e.Person, Name: e.Name, Email: e.Email, Groups: slices.Clone(e.Groups)}
}

// Remove is the roster after an active passkey was taken away at a moment, and
// false if there is no such passkey. r stays as it was.
func (r Roster) Remove(credential string, at time.Time) (Roster, bool) {
	people := slices.Clone(r.People)
	for i, p := range people {
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Removed == nil })
		if k < 0 {
			continue
		}
		people[i].Passkeys = slices.Clone(p.Passkeys)
		people[i].Passkeys[k].Removed = &at
		return Roster{People: people}, true
	}
	return r, false
}
