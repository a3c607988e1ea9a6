package cases

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stint/policies"
	"stint/policies/analysis"
)

// problem is something that is wrong with a case, at a place below it.
type problem struct {
	at   []any // keys and indices
	text string
}

var outcomes = []string{string(policies.Allowed), string(policies.NeedsApproval), string(policies.Scheduled), string(policies.Refused)}

// Check says all that is wrong with a case that was put together, not read, for a policy
// that has the targets of the tests (Bundle).
func (s *Suite) Check(b *policies.Bundle, c Case) error {
	var faults []error
	for _, p := range slices.Concat(s.written(c), c.whole(), c.unknownNames(b)) {
		faults = append(faults, errors.New(p.text))
	}
	return errors.Join(faults...)
}

// Fits refuses cases that name what a policy, which has the targets of the tests (Bundle),
// has not: a role, a target or a fact. Misspelt, each would be refused or count for nothing,
// which may be just what the case expects. The error names every fault, as that of Parse.
func (s *Suite) Fits(b *policies.Bundle) error {
	r := &reader{}
	for _, part := range s.parts {
		if r.note(part.document, part.at, part.says.unknownNames(b)...); len(r.faults) == mostFaults {
			break
		}
	}
	return errors.Join(r.faults...)
}

// unknownNames says what a case, or a row of one, names that a policy has not.
func (c Case) unknownNames(b *policies.Bundle) []problem {
	var problems []problem
	unknown := func(what, name string, names []string, at []any) {
		problems = append(problems, problem{at, Unknown(what, name, names).Error()})
	}
	role := func(name string, at ...any) {
		if _, known := b.Role(name); name != "" && !known {
			unknown("role", name, named(b.Roles(), func(r policies.Role) string { return r.Name }), at)
		}
	}
	role(c.Ask.Role, "ask", "role")
	if _, known := b.Target(c.Ask.Target); c.Ask.Target != "" && !known {
		unknown("target", c.Ask.Target, named(b.Targets(), func(t policies.Target) string { return t.Name }), []any{"ask", "target"})
	}
	for i, name := range c.Held {
		role(name, "held", i)
	}
	if c.History != nil {
		for i, g := range c.History.Grants {
			role(g.Role, "history", "grants", i, "role")
		}
	}
	for i, change := range c.Changes {
		for k, name := range change.Roles {
			role(name, "changes", i, "roles", k)
		}
	}
	facts := named(b.Organization().Facts, func(f policies.AssertedFact) string { return f.Name })
	for _, name := range slices.Sorted(maps.Keys(c.Asserted)) {
		if !slices.Contains(facts, name) {
			unknown("fact", name, facts, []any{"asserted", name})
		}
	}
	return problems
}

// named are the names of things.
func named[T any](things []T, name func(T) string) []string {
	var names []string
	for _, thing := range things {
		names = append(names, name(thing))
	}
	return names
}

// written says what is wrong with what a case, or a row of one, says itself.
func (s *Suite) written(c Case) []problem {
	var problems []problem
	is := func(err error, at ...any) {
		if err != nil {
			problems = append(problems, problem{at, err.Error()})
		}
	}
	span := func(span Span, at ...any) {
		_, err := span.read()
		is(err, at...)
	}
	moment := func(m *Moment, at ...any) {
		if m != nil {
			_, err := m.read(defaultAsked)
			is(err, at...)
		}
	}
	person := func(name string, at ...any) {
		_, err := s.Person(name)
		is(err, at...)
	}
	_, err := c.Asked.read()
	is(err, "asked")
	moment(c.At, "at")
	if c.By != "" {
		person(c.By, "by")
	}
	span(c.Ask.Duration, "ask", "duration")
	moment(c.Ask.Start, "ask", "start")
	for i, a := range c.Approvals {
		person(a.By, "approvals", i, "by")
		if a.For != "" {
			person(a.For, "approvals", i, "for")
		}
		span(a.After, "approvals", i, "after")
		span(a.Duration, "approvals", i, "duration")
	}
	if c.Confirmed != nil {
		span(c.Confirmed.After, "confirmed", "after")
	}
	moment(c.Used, "used")
	if c.History != nil {
		for i, g := range c.History.Grants {
			span(g.Ago, "history", "grants", i, "ago")
			span(g.Lasted, "history", "grants", i, "lasted")
		}
		for i, a := range c.History.Agreed {
			person(a.For, "history", "agreed", i, "for")
			span(a.Ago, "history", "agreed", i, "ago")
		}
		for i, r := range c.History.Reviews {
			span(r.Ago, "history", "reviews", i, "ago")
		}
	}
	for i, change := range c.Changes {
		for k, name := range change.By {
			person(name, "changes", i, "by", k)
		}
		span(change.Ago, "changes", i, "ago")
	}
	if e := c.Expect; e != nil {
		is(e.known(), "expect", "outcome")
		if e.Duration != nil {
			span(*e.Duration, "expect", "duration")
		}
		moment(e.Begins, "expect", "begins")
		moment(e.Ends, "expect", "ends")
		moment(e.UseBy, "expect", "useBy")
		e.Grant.written(is, span)
	}
	return problems
}

// known refuses an outcome that there is not.
func (e *Expectation) known() error {
	outcome := string(e.Outcome)
	switch {
	case outcome == "":
		return errors.New("an expectation has an `outcome`: " + listed(outcomes, "or"))
	case !slices.Contains(outcomes, outcome):
		return fmt.Errorf("there is no outcome %q; did you mean %s?", outcome, cmp.Or(policies.Meant(outcome, outcomes), listed(outcomes, "or")))
	}
	return nil
}

// whole says what is missing in a case, or does not go together.
func (c Case) whole() []problem {
	var problems []problem
	note := func(text string, at ...any) { problems = append(problems, problem{at, text}) }
	if err := policies.CheckText(c.Name, policies.MostName); err != nil || c.Name == "" {
		note(fmt.Sprintf("a case has a `name` of 1 to %d characters, which says what it shows", policies.MostName), "name")
	}
	if c.By == "" {
		note("a case says who asks: `by`, and the name of a person")
	}
	if c.Ask.Role == "" {
		note("a case says what is asked for: `ask: {role: ...}`", "ask")
	}
	if c.Ask.Start != nil {
		if at, err := c.Ask.Start.read(c.asked()); err == nil && at.Before(c.asked()) {
			note("`start` is before the asking", "ask", "start")
		}
	}
	if c.Expect == nil {
		note("a case says what to `expect`")
	}
	return problems
}

// Person finds somebody in the population (analysis.Population.Find), or says that nobody
// has the name, and whom it may mean.
func (s *Suite) Person(name string) (analysis.Person, error) {
	if person, known := s.People.Find(name); known {
		return person, nil
	}
	var names []string
	for _, p := range s.People.People() {
		names = append(names, p.Called())
	}
	switch {
	case name == "":
		return analysis.Person{}, errors.New("a person is missing here: give the name of one")
	case slices.Contains(names, name):
		return analysis.Person{}, fmt.Errorf("there are several people %q; give the subject of one", name)
	case len(names) == 0:
		return analysis.Person{}, fmt.Errorf("there is no person %q; describe people in %s/people.yaml, each as a document of kind Person", name, Folder)
	}
	return analysis.Person{}, Unknown("person", name, names)
}

// sentence is a problem as people read it.
func sentence(text string) string {
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// listed joins names for a sentence: "a", "a and b", "a, b and c".
func listed(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}
