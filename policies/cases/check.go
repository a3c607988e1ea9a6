package cases

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"stint/policies"
	"stint/policies/analysis"
)

var outcomes = []string{string(policies.Allowed), string(policies.NeedsApproval), string(policies.Scheduled), string(policies.Refused)}

// check notes what is wrong with cases that were read, by themselves and among each other.
func (s *Suite) check(r *reader) {
	seen := map[string]Case{}
	for _, c := range s.Cases {
		r.file = c.File
		c.check(r)
		if first, twice := seen[c.Name]; twice {
			r.fault(c.node("name"), "There is a case %q already, at %s:%d.", c.Name, first.File, first.Line)
		}
		seen[c.Name] = c
		s.checkPeople(r, c)
	}
}

func (c Case) check(r *reader) {
	if err := policies.CheckText(c.Name, policies.MostName); err != nil || c.Name == "" {
		r.fault(c.node("name"), "A case has a `name` of 1 to %d characters, which says what it shows.", policies.MostName)
	}
	if c.Ask.Role == "" {
		r.fault(c.node("ask"), "A case says what is asked for: `ask: {role: ...}`.")
	}
	if c.Ask.Start != nil && c.Ask.Start.at(c.asked()).Before(c.asked()) {
		r.fault(c.node("ask"), "`start` is before the asking.")
	}
	if c.Expect == nil {
		r.fault(c.node(""), "A case says what to `expect`.")
		return
	}
	switch outcome := string(c.Expect.Outcome); {
	case outcome == "":
		r.fault(c.node("expect"), "`expect` has an `outcome`: %s.", listed(outcomes, "or"))
	case !slices.Contains(outcomes, outcome):
		near := nearest(outcome, outcomes)
		if near == "" {
			near = listed(outcomes, "or")
		}
		r.fault(c.node("expect"), "There is no outcome %q; did you mean %s?", outcome, near)
	}
}

// checkPeople finds everybody whom a case names.
func (s *Suite) checkPeople(r *reader, c Case) {
	named := map[string][]string{"by": {c.By}}
	for _, a := range c.Approvals {
		named["approvals"] = append(named["approvals"], a.By)
		if a.For != "" {
			named["approvals"] = append(named["approvals"], a.For)
		}
	}
	for _, a := range c.History.Agreed {
		named["history"] = append(named["history"], a.For)
	}
	for _, change := range c.Changes {
		named["changes"] = append(named["changes"], change.By...)
	}
	for _, field := range []string{"by", "approvals", "history", "changes"} {
		for _, name := range named[field] {
			if _, err := s.Person(name); err != nil {
				r.fault(c.node(field), "%s", sentence(err))
			}
		}
	}
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
	switch near := nearest(name, names); {
	case name == "":
		return analysis.Person{}, errors.New("a person is missing here: give the name of a document of kind Person")
	case slices.Contains(names, name):
		return analysis.Person{}, fmt.Errorf("there are several people %q; give the subject of one", name)
	case near != "":
		return analysis.Person{}, fmt.Errorf("there is no person %q; did you mean %s?", name, near)
	case len(names) == 0:
		return analysis.Person{}, fmt.Errorf("there is no person %q; describe people in %s/people.yaml, each as a document of kind Person", name, Folder)
	}
	return analysis.Person{}, fmt.Errorf("there is no person %q; there are %s", name, strings.Join(names[:min(len(names), 10)], ", "))
}

// sentence is an error as people read it.
func sentence(err error) string {
	text := err.Error()
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// node is where a field of the case stands, in its row or in what the row begins from.
func (c Case) node(field string) *yaml.Node {
	for _, n := range c.nodes {
		if found := find(n, field); found != nil {
			return found
		}
	}
	return c.nodes[0]
}
