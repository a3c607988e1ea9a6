package access

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// analysedLife is how long what was worked out of everybody and the whole policy serves
// all who ask, while neither the policy nor what was signed of people changes.
const analysedLife = 30 * time.Second

// analysed is the policy in force with everybody who is known, and what follows from both
// and is dear to work out.
type analysed struct {
	at         time.Time
	policy     string // digest
	trust      Trust
	population *analysis.Population
	analysis   *analysis.Analysis
	collusions func() map[string]analysis.Result
	findings   func() []analysis.Finding
}

// analyses keeps the newest.
type analyses struct {
	mu  sync.Mutex
	now *analysed
}

// Population is everybody who is known, for reviewers and administrators: with the groups
// that the identity provider last said and the passkeys of the signer's roster.
func (s *Service) Population(ctx context.Context, by policies.Person) (population *analysis.Population, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if err := m.mayReadPolicy(by); err != nil {
			return err
		}
		population, err = m.population(r)
		return err
	})
	return population, err
}

// mayReadPolicy says who sees what the policy makes of everybody.
func (m moment) mayReadPolicy(by policies.Person) error {
	if !m.isReviewer(by) && !m.isAdministrator(by.Subject) {
		return fail(Forbidden, CodeForbidden, "Only reviewers and administrators see what the policy makes of other people.")
	}
	return nil
}

func (m moment) population(r PeopleReader) (*analysis.Population, error) {
	var people []analysis.Person
	for q := (PeopleQuery{Limit: MaxPage}); ; {
		page, err := r.People(q)
		if err != nil {
			return nil, err
		}
		for _, known := range page {
			people = append(people, m.inhabitant(known.Person))
		}
		if len(page) < MaxPage {
			break
		}
		q.After = page[len(page)-1].Person.Subject
	}
	seen := make(map[policies.Subject]bool, len(people))
	for _, p := range people {
		seen[p.Subject] = true
	}
	for _, p := range m.trust.Roster.People {
		if !seen[p.Person.Subject] && p.Deleted == nil {
			// What the provider says of them is not known: they have not signed in.
			person := p.Person
			person.Groups = nil
			people = append(people, m.inhabitant(person))
		}
	}
	var delegations []analysis.Delegation
	for _, given := range m.trust.Delegations {
		if m.inForce(given, m.now) {
			delegations = append(delegations, analysis.Delegation{From: given.Delegator, To: given.Delegate, Groups: given.Groups})
		}
	}
	return analysis.NewPopulation(people, delegations), nil
}

// inhabitant is a person as an analysis takes them: the suspended can do nothing.
func (m moment) inhabitant(p policies.Person) analysis.Person {
	if m.isSuspended(p) {
		p.Groups = nil
	}
	person := analysis.Person{Person: p, Passkeys: []analysis.Passkey{}}
	for _, v := range m.passkeysOf(p.Subject) {
		person.Passkeys = append(person.Passkeys, analysis.Passkey{Groups: v.speaks.Groups, Attested: v.Attested != ""})
	}
	return person
}

// serves reports whether it is still what a moment would have worked out, but for what
// the provider says of people who signed in meanwhile.
func (a *analysed) serves(m moment) bool {
	return m.now.Before(a.at.Add(analysedLife)) && a.policy == m.policy.Digest() &&
		reflect.DeepEqual(a.trust.Roster.People, m.trust.Roster.People) &&
		reflect.DeepEqual(a.trust.Delegations, m.trust.Delegations)
}

// analysed works out what the policy in force makes of everybody, or gives what was
// worked out a moment ago.
func (s *Service) analysed(ctx context.Context) (*analysed, error) {
	s.analyses.mu.Lock()
	defer s.analyses.mu.Unlock()
	var found *analysed
	err := s.read(ctx, func(r Reader, m moment) error {
		if kept := s.analyses.now; kept != nil && kept.serves(m) {
			found = kept
			return nil
		}
		population, err := m.population(r)
		if err != nil {
			return err
		}
		found = &analysed{at: m.now, policy: m.policy.Digest(), trust: m.trust, population: population, analysis: analysis.New(m.policy, population)}
		found.collusions = sync.OnceValue(func() map[string]analysis.Result {
			results := map[string]analysis.Result{}
			for _, result := range found.analysis.Collusions() {
				results[result.Role] = result
			}
			return results
		})
		found.findings = sync.OnceValue(func() []analysis.Finding { return found.analysis.Lint(analysis.Options{}) })
		return nil
	})
	if err == nil {
		s.analyses.now = found
	}
	return found, err
}

// FaultsOf are the faults of policy files that an error of policies.Parse names; one
// without a place where it names none.
func FaultsOf(err error) []policies.Fault {
	var fault *policies.Fault
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []policies.Fault
		for _, one := range joined.Unwrap() {
			all = append(all, FaultsOf(one)...)
		}
		return all
	}
	if errors.As(err, &fault) {
		return []policies.Fault{*fault}
	}
	return []policies.Fault{{Text: err.Error()}}
}
