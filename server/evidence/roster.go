package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// Roster is who may approve, with which passkeys. Only the signer changes it.
type Roster struct {
	People []RosterPerson `json:"people"`

	index *rosterIndex // of exactly these people; nil: nobody has made one
}

// RosterPerson is one person of the roster.
type RosterPerson struct {
	Person   policies.Person `json:"person"`
	Passkeys []Passkey       `json:"passkeys"` // none for somebody who was suspended before they had any
	// Changed is since when name, e-mail address, groups and suspension are as they
	// are; nil where that is since the person joined. What was signed before, and held
	// back, changes nothing any more.
	Changed *time.Time `json:"changed,omitempty"`
	// Suspended is since when nothing counts that they sign, and nothing is signed
	// for them. They stay a known identity.
	Suspended *time.Time `json:"suspended,omitempty"`
	// Deleted is since when they are nobody's known identity. What they were stays
	// here, so that no passkey of theirs is enrolled again.
	Deleted *time.Time `json:"deleted,omitempty"`
}

// Passkey is a pinned WebAuthn credential.
type Passkey struct {
	Credential string `json:"credential"`
	PublicKey  string `json:"public_key"` // COSE_Key, base64url
	AAGUID     string `json:"aaguid"`
	Name       string `json:"name"`
	// Groups are what the enrolment of this passkey stated. It approves as a
	// member of these at most, whatever the person is in by now.
	Groups []string `json:"groups,omitempty"`
	// Attested is the make of its authenticator, as the policy names it, where that
	// was proven.
	Attested string     `json:"attested,omitempty"`
	Enrolled time.Time  `json:"enrolled"`
	Removed  *time.Time `json:"removed,omitempty"` // from then on it signs nothing
}

// Find is the person of the roster with that identity.
func (r Roster) Find(s policies.Subject) (RosterPerson, bool) {
	if r.index != nil {
		i, ok := r.index.made(r.People).subject[s]
		if !ok {
			return RosterPerson{}, false
		}
		return r.People[i], true
	}
	i := slices.IndexFunc(r.People, func(p RosterPerson) bool { return p.Person.Subject == s })
	if i < 0 {
		return RosterPerson{}, false
	}
	return r.People[i], true
}

// Known are the people who were in the roster at a moment, whether or not their
// passkeys may sign: policy links identities through them.
func (r Roster) Known(now time.Time) *policies.People {
	if r.index != nil && !now.Before(r.index.from) {
		return r.index.made(r.People).known
	}
	return known(r.People, now)
}

func known(all []RosterPerson, now time.Time) *policies.People {
	var people []policies.Person
	for _, p := range all {
		if p.isKnown(now) {
			people = append(people, p.Person)
		}
	}
	return policies.NewPeople(people)
}

func (p RosterPerson) isKnown(now time.Time) bool {
	return (p.Deleted == nil || now.Before(*p.Deleted)) &&
		slices.ContainsFunc(p.Passkeys, func(k Passkey) bool { return !k.Enrolled.After(now) })
}

// everSuspended are those who were suspended at some time, and are still or will be.
func (r Roster) everSuspended() []RosterPerson {
	if r.index != nil {
		return r.index.made(r.People).suspended
	}
	return slices.DeleteFunc(slices.Clone(r.People), func(p RosterPerson) bool { return p.Suspended == nil })
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
	if i < 0 || p.IsSuspended(now) {
		return Passkey{}, false
	}
	return p.Passkeys[i], true
}

// IsSuspended tells whether the person is suspended under this identity.
func (p RosterPerson) IsSuspended(now time.Time) bool {
	return p.Suspended != nil && !now.Before(*p.Suspended)
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

// Active tells whether the passkey may sign, as far as it depends on the passkey:
// it was enrolled and not removed. See RosterPerson.Active.
func (k Passkey) Active(now time.Time) bool {
	return !k.Enrolled.After(now) && (k.Removed == nil || now.Before(*k.Removed))
}

// isStale tells whether somebody's standing changed since a statement of it was made.
// Statements know seconds only.
func (p RosterPerson) isStale(issued time.Time) bool {
	return p.Changed != nil && issued.Before(p.Changed.Truncate(time.Second))
}

// Present is the roster without anything that was taken away by a moment: removed
// passkeys are gone, and all of the suspended. It is for verifying anew, at a time
// in the past, what must still hold now.
func (r Roster) Present(now time.Time) Roster {
	people := slices.Clone(r.People)
	for i, p := range people {
		if p.IsSuspended(now) {
			began := time.Time{}
			people[i].Suspended = &began
		}
		people[i].Passkeys = slices.DeleteFunc(slices.Clone(p.Passkeys), func(k Passkey) bool { return k.Removed != nil && !now.Before(*k.Removed) })
	}
	return Roster{People: people}
}

// Enrol is the roster after an enrolment that took effect at a moment, with the
// make of authenticator that was proven. It takes the statement at its word:
// whether the enrolment may be is VerifyEnrolment's to say, before it is in the
// ledger. r stays as it was.
func (r Roster) Enrol(e Enrolment, attested string, at time.Time) Roster {
	people, i := r.with(e.Person)
	before := people[i]
	people[i].Person = e.Enrolled()
	people[i].Deleted = nil
	unchanged := before.Deleted == nil && before.Person.Name == e.Name && before.Person.Email == e.Email && sameGroups(before.Person.Groups, e.Groups)
	if i < len(r.People) && !unchanged {
		people[i].Changed = &at
	}
	people[i].Passkeys = append(people[i].Passkeys, Passkey{
		Credential: e.Credential,
		PublicKey:  e.PublicKey,
		AAGUID:     e.AAGUID,
		Name:       e.PasskeyName,
		Groups:     slices.Clone(e.Groups),
		Attested:   attested,
		Enrolled:   at,
	})
	return Roster{People: people}
}

// with is a copy of the people, and where in it somebody is: at the end, and new, if
// they were not there. Their passkeys may be written to.
func (r Roster) with(s policies.Subject) ([]RosterPerson, int) {
	people := slices.Clone(r.People)
	i := slices.IndexFunc(people, func(p RosterPerson) bool { return p.Person.Subject == s })
	if i < 0 {
		i, people = len(people), append(people, RosterPerson{})
	}
	people[i].Passkeys = append([]Passkey{}, people[i].Passkeys...)
	return people, i
}

// Enrolled is whom the roster is to hold, with the groups they are in from then on.
func (e Enrolment) Enrolled() policies.Person {
	return policies.Person{Subject: e.Person, Name: e.Name, Email: e.Email, Groups: slices.Clone(e.Groups)}
}

// Remove is the roster after an active passkey was taken away at a moment, and
// false if there is no such passkey. r stays as it was.
func (r Roster) Remove(credential string, at time.Time) (Roster, bool) {
	for _, p := range r.People {
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Removed == nil })
		if k < 0 {
			continue
		}
		people, i := r.with(p.Person.Subject)
		people[i].Passkeys[k].Removed = &at
		return Roster{People: people}, true
	}
	return r, false
}

// Suspend is the roster after somebody was suspended at a moment, and false if
// they were already. Somebody whom it does not know joins it, without a passkey
// and under that name, so that nothing is signed for them. r stays as it was.
func (r Roster) Suspend(person policies.Subject, name string, at time.Time) (Roster, bool) {
	people, i := r.with(person)
	if people[i].Suspended != nil {
		return r, false
	}
	if i == len(r.People) {
		people[i].Person = policies.Person{Subject: person, Name: name}
	}
	people[i].Suspended, people[i].Changed = &at, &at
	return Roster{People: people}, true
}

// Change is the roster after a change that took effect at a moment. It takes the
// statement at its word, as Enrol does, but refuses one that has nothing to change.
// r stays as it was.
func (r Roster) Change(c RosterChange, at time.Time) (Roster, error) {
	if _, ok := r.Find(c.Person); !ok {
		return r, fail("change-roster", "%s is not in the roster", c.Person)
	}
	people, i := r.with(c.Person)
	p := &people[i]
	if c.Change != ChangeRemovePasskey {
		p.Changed = &at
	}
	switch c.Change {
	case ChangeGroups:
		p.Person = policies.Person{Subject: c.Person, Name: c.Name, Email: c.Email, Groups: slices.Clone(c.Groups)}
		p.speakOnly(c.Passkeys, c.Groups)
	case ChangeSuspend:
		if p.Suspended != nil {
			return r, fail("change-suspended", "%s is suspended already", p.Person.Name)
		}
		p.Suspended = &at
	case ChangeUnsuspend:
		if p.Suspended == nil {
			return r, fail("change-suspended", "%s is not suspended", p.Person.Name)
		}
		p.Suspended = nil
	case ChangeDelete:
		if p.Deleted != nil {
			return r, fail("change-deleted", "%s is deleted already", p.Person.Name)
		}
		p.delete(at)
	case ChangeRemovePasskey:
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return len(c.Passkeys) == 1 && k.Credential == c.Passkeys[0] && k.Removed == nil })
		if k < 0 {
			return r, fail("change-passkeys", "%s has no such passkey", p.Person.Name)
		}
		p.Passkeys[k].Removed = &at
	default:
		return r, fail("change", "there is no change %q", c.Change)
	}
	return Roster{People: people}, nil
}

// speakOnly lets the named passkeys speak for groups, and all others for none.
func (p *RosterPerson) speakOnly(credentials, groups []string) {
	for k := range p.Passkeys {
		p.Passkeys[k].Groups = nil
		if slices.Contains(credentials, p.Passkeys[k].Credential) {
			p.Passkeys[k].Groups = slices.Clone(groups)
		}
	}
}

// delete makes the person unknown. They stay suspended if they are: nobody gets rid
// of that by being deleted.
func (p *RosterPerson) delete(at time.Time) {
	p.Deleted, p.Person.Groups = &at, nil
	for k := range p.Passkeys {
		if p.Passkeys[k].Removed == nil {
			p.Passkeys[k].Removed = &at
		}
	}
}
