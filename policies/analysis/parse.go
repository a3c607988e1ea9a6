package analysis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stint/policies"
)

// LocalIssuer is the issuer of people whose document names none.
const LocalIssuer = "https://people.invalid"

// Strengths of the passkey of a document of kind Person. Where nothing is said it is
// attested, as attackers would have it.
const passkeyNone = "none"

// personDocument is a document of kind Person.
type personDocument struct {
	Name        string               `yaml:"name"`
	Subject     string               `yaml:"subject"` // the name in small letters where it is absent
	Issuer      string               `yaml:"issuer"`  // LocalIssuer where it is absent
	Email       string               `yaml:"email"`
	Groups      []string             `yaml:"groups"`   // by the directory
	Approves    []string             `yaml:"approves"` // groups of the roster
	Passkey     string               `yaml:"passkey"`  // attested, any or none
	Delegations []delegationDocument `yaml:"delegations"`
}

// delegationDocument is one to another person, by their name, subject or identity.
type delegationDocument struct {
	To     string   `yaml:"to"`
	Groups []string `yaml:"groups"`
}

// ParsePopulation reads the people of `kind: Person` documents, by file name. Documents of
// the kinds Case and Target, which stand beside them, are left alone. It returns either
// people without fault or an error that names every fault as "file:line:column: sentence".
func ParsePopulation(files map[string]string) (*Population, error) {
	documents, err := policies.ParseDocuments(files, map[string]func() any{
		"Person": func() any { return new(personDocument) }, "Case": nil, "Target": nil,
	})
	if err != nil {
		return nil, err
	}
	r := populationReader{at: map[policies.Subject]policies.Document{}}
	for _, d := range documents {
		r.take(d)
	}
	population := NewPopulation(r.people, nil)
	for _, d := range documents {
		r.delegate(population, d)
	}
	if len(r.faults) > 0 {
		return nil, errors.Join(r.faults...)
	}
	return NewPopulation(r.people, r.delegations), nil
}

type populationReader struct {
	people      []Person
	delegations []Delegation
	at          map[policies.Subject]policies.Document
	faults      []error
}

// is notes an error, if there is one, at a place of a document.
func (r *populationReader) is(d policies.Document, err error, at ...any) bool {
	if err == nil {
		return true
	}
	text := err.Error()
	r.faults = append(r.faults, d.Fault(strings.ToUpper(text[:1])+text[1:]+".", at...))
	return false
}

func (r *populationReader) take(d policies.Document) {
	doc := d.Value.(*personDocument)
	p := Person{Person: policies.Person{Subject: doc.identity(), Name: doc.Name, Email: doc.Email, Groups: doc.Groups}}
	if strings.TrimSpace(doc.Name) == "" {
		r.is(d, errors.New("a person has a `name`"))
		return
	}
	r.is(d, policies.CheckText(doc.Name, policies.MostName), "name")
	r.is(d, policies.CheckText(doc.Email, policies.MostName), "email")
	if strings.TrimSpace(doc.Email) != doc.Email {
		r.is(d, errors.New("an e-mail address has no space at an end"), "email")
	}
	place := "subject"
	if doc.Subject == "" {
		place = "name"
	}
	if !r.is(d, p.Subject.Check(), place) {
		return
	}
	if before, twice := r.at[p.Subject]; twice {
		first := before.Fault("")
		r.is(d, fmt.Errorf("%q is already described at %s:%d", p.Subject.Subject, first.File, first.Line), place)
		return
	}
	r.at[p.Subject] = d
	r.groups(d, doc.Groups, "groups")
	r.groups(d, doc.Approves, "approves")
	switch doc.Passkey {
	case "", policies.PasskeyAttested, policies.PasskeyAny:
		p.Passkeys = []Passkey{{Groups: doc.Approves, Attested: doc.Passkey != policies.PasskeyAny}}
	case passkeyNone:
	default:
		r.is(d, errors.New("`passkey` is attested, any or none"), "passkey")
	}
	p.Roster = doc.Approves
	r.people = append(r.people, p)
}

// identity is the identity that a document describes.
func (doc *personDocument) identity() policies.Subject {
	s := policies.Subject{Issuer: doc.Issuer, Subject: doc.Subject}
	if s.Issuer == "" {
		s.Issuer = LocalIssuer
	}
	if s.Subject == "" {
		s.Subject = strings.Join(strings.Fields(strings.ToLower(doc.Name)), "-")
	}
	return s
}

func (r *populationReader) groups(d policies.Document, groups []string, at ...any) {
	for i, group := range groups {
		r.is(d, policies.CheckGroup(group), append(slices.Clone(at), i)...)
		if slices.Contains(groups[:i], group) {
			r.is(d, fmt.Errorf("%q stands twice", group), append(slices.Clone(at), i)...)
		}
	}
}

// delegate notes the delegations of a document, once everybody is known.
func (r *populationReader) delegate(people *Population, d policies.Document) {
	doc := d.Value.(*personDocument)
	for i, delegation := range doc.Delegations {
		to, found := people.Find(delegation.To)
		if !found {
			r.is(d, fmt.Errorf("there is nobody, or more than one person, of the name %q", delegation.To), "delegations", i, "to")
			continue
		}
		if to.Subject == doc.identity() {
			r.is(d, errors.New("nobody delegates to themselves"), "delegations", i, "to")
		}
		if len(delegation.Groups) == 0 {
			r.is(d, errors.New("a delegation names the groups that it is for"), "delegations", i)
		}
		r.groups(d, delegation.Groups, "delegations", i, "groups")
		r.delegations = append(r.delegations, Delegation{From: doc.identity(), To: to.Subject, Groups: delegation.Groups})
	}
}
