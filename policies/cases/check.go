package cases

import (
	"cmp"
	"errors"
	"fmt"
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

// Check says all that is wrong with a case that was put together, not read.
func (s *Suite) Check(c Case) error {
	var faults []error
	for _, p := range append(s.written(c), c.whole()...) {
		faults = append(faults, errors.New(p.text))
	}
	return errors.Join(faults...)
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

// mostListed is how many names are listed to somebody who wrote one that is not among them.
const mostListed = 20

// Unknown says that there is no such thing of that name, and which may be meant.
func Unknown(what, name string, names []string) error {
	switch meant := policies.Meant(name, names); {
	case meant != "":
		return fmt.Errorf("there is no %s %q; did you mean %s?", what, name, meant)
	case len(names) == 0:
		return fmt.Errorf("there is no %s %q, nor any other", what, name)
	case len(names) > mostListed:
		return fmt.Errorf("there is no %s %q; there are %s and %d more", what, name, strings.Join(names[:mostListed], ", "), len(names)-mostListed)
	}
	return fmt.Errorf("there is no %s %q; there are %s", what, name, listed(names, "and"))
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
