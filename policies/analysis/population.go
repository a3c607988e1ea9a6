package analysis

import (
	"slices"
	"strings"

	"stint/policies"
)

// Person is one identity of somebody. Name, Email and Groups are what their ID token
// says. Several identities are one person where the policy links them (aliases, equal
// e-mail addresses).
type Person struct {
	policies.Person
	// Roster are their groups in the signer's roster. What keeps duties apart looks at
	// them; what is approved, at the passkeys.
	Roster []string `json:"roster,omitempty"`
	// Passkeys are those that may sign.
	Passkeys []Passkey `json:"passkeys,omitempty"`
}

// pinned tells whether the signer's roster has them.
func (p Person) pinned() bool { return len(p.Passkeys)+len(p.Roster) > 0 }

// Passkey is one of a person's.
type Passkey struct {
	Groups   []string `json:"groups,omitempty"` // of the roster, which it speaks for
	Attested bool     `json:"attested,omitempty"`
}

// Delegation is one in force: To may approve as a member of those of Groups that From is in.
type Delegation struct {
	From   policies.Subject `json:"from"`
	To     policies.Subject `json:"to"`
	Groups []string         `json:"groups"`
}

// Population is whom an analysis is about. It never changes, and any number of
// goroutines may use it. What its methods return belongs to it.
type Population struct {
	people      []Person
	delegations []Delegation
	subjects    map[policies.Subject]int
}

// NewPopulation is these people, in the order of their identities. Of an identity that
// comes twice, the first counts.
func NewPopulation(people []Person, delegations []Delegation) *Population {
	p := &Population{delegations: slices.Clone(delegations), subjects: map[policies.Subject]int{}}
	sorted := slices.SortedStableFunc(slices.Values(people), func(a, b Person) int {
		return strings.Compare(a.Subject.String(), b.Subject.String())
	})
	for _, person := range sorted {
		if _, twice := p.subjects[person.Subject]; !twice {
			p.subjects[person.Subject] = len(p.people)
			p.people = append(p.people, person)
		}
	}
	return p
}

// People lists them by identity; nobody for a nil population.
func (p *Population) People() []Person {
	if p == nil {
		return nil
	}
	return p.people
}

// Delegations lists those in force.
func (p *Population) Delegations() []Delegation {
	if p == nil {
		return nil
	}
	return p.delegations
}

// Find is the person whom a text names without doubt: by the subject, the whole
// identity, the e-mail address or the name.
func (p *Population) Find(text string) (Person, bool) {
	var found []Person
	for _, person := range p.People() {
		if person.Subject.String() == text {
			return person, true
		}
		if person.Subject.Subject == text || person.Name == text || person.Email != "" && strings.EqualFold(person.Email, text) {
			found = append(found, person)
		}
	}
	if len(found) != 1 {
		return Person{}, false
	}
	return found[0], true
}

// Called is what a sentence calls the person.
func (p Person) Called() string {
	for _, name := range []string{p.Name, p.Email} {
		if name != "" {
			return name
		}
	}
	return p.Subject.Subject
}
