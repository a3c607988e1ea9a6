package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Results are those of each case of a suite, in its order.
type Results struct {
	Cases  []Result `json:"cases"`
	Passed int      `json:"passed"`
	Failed int      `json:"failed"`
}

// Result is what a case came to.
type Result struct {
	Name     string    `json:"name"`
	File     string    `json:"file"`
	Line     int       `json:"line"`
	Failures []Failure `json:"failures"` // none: it came as expected
	// Explained is the decision in words.
	Explained Explanation       `json:"explained"`
	Decision  policies.Decision `json:"decision"`
	role      string
	stated    []string // the rules of terms that it states
}

// Failure is one thing that came otherwise.
type Failure struct {
	What     string `json:"what"` // the field of Expectation
	Expected string `json:"expected"`
	Came     string `json:"came"`
}

// Run decides every case of the suite by a policy, which has the targets of the tests (Bundle).
func (s *Suite) Run(b *policies.Bundle) Results {
	results, known := Results{Cases: []Result{}}, Known(s.People)
	for _, c := range s.Cases {
		facts := s.facts(b, c, known)
		decision := b.Decide(facts)
		r := Result{
			Name: c.Name, File: c.File, Line: c.Line, Decision: decision, role: c.Ask.Role,
			Failures: c.Expect.compare(facts, decision), Explained: Explain(b, facts, decision, nil),
		}
		for _, term := range c.Expect.terms(b, c.Ask.Role) {
			r.stated = append(r.stated, term.rule)
			if term.expected != term.came {
				r.Failures = append(r.Failures, Failure{What: term.what, Expected: term.expected, Came: term.came})
			}
		}
		if len(r.Failures) == 0 {
			results.Passed++
		} else {
			results.Failed++
		}
		results.Cases = append(results.Cases, r)
	}
	return results
}

// Tested are the roles that the cases decide on.
func (s *Suite) Tested() map[string]bool {
	tested := map[string]bool{}
	for _, c := range s.Cases {
		tested[c.Ask.Role] = true
	}
	return tested
}

// compare says what of a decision is not as expected.
func (e *Expectation) compare(f policies.Facts, d policies.Decision) []Failure {
	failures := []Failure{}
	expect := func(what, expected, came string) {
		if expected != came {
			failures = append(failures, Failure{What: what, Expected: expected, Came: came})
		}
	}
	expect("outcome", string(e.Outcome), string(d.Outcome))
	if e.Open != nil {
		expect("open", set(*e.Open), set(openStages(d)))
	}
	if e.RefusedBy != nil {
		expect("refusedBy", set(*e.RefusedBy), set(refusing(d)))
	}
	for _, text := range e.Says {
		if !slices.ContainsFunc(d.Reasons, func(r policies.Reason) bool {
			return strings.Contains(r.Text, text) || strings.Contains(r.Remedy, text)
		}) {
			failures = append(failures, Failure{What: "says", Expected: fmt.Sprintf("%q", text), Came: "no reason that says so"})
		}
	}
	if e.Duration != nil {
		expect("duration", policies.FormatDuration(e.Duration.duration()), policies.FormatDuration(d.Duration))
	}
	for _, moment := range []struct {
		what     string
		expected *Moment
		came     time.Time
	}{{"begins", e.Begins, d.Begins}, {"ends", e.Ends, d.Ends}, {"useBy", e.UseBy, d.UseBy}} {
		if moment.expected != nil {
			expect(moment.what, afterAsking(f, moment.expected.at(f.Asked)), afterAsking(f, moment.came))
		}
	}
	if e.Confirm != nil {
		expect("confirm", word(*e.Confirm), word(d.Confirm))
	}
	return failures
}

// set shows names whatever their order.
func set(names []string) string {
	return word(strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", "))
}

func word(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// afterAsking shows a time, and how long after the asking it is.
func afterAsking(f policies.Facts, at time.Time) string {
	if at.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%s (%s after the asking)", at.UTC().Format(time.RFC3339), policies.FormatDuration(at.Sub(f.Asked)))
}

// openStages are those that wait for somebody.
func openStages(d policies.Decision) []string {
	var open []string
	for _, s := range d.Stages {
		if len(s.Given) < s.Count {
			open = append(open, s.Name)
		}
	}
	return open
}

// refusing are the rules that stand in the way and that no approval would fulfil.
func refusing(d policies.Decision) []string {
	var rules []string
	if d.Outcome != policies.Refused {
		return nil
	}
	for _, r := range d.Reasons {
		if !r.Met && kindOf(r.Rule).refuses {
			rules = append(rules, r.Rule)
		}
	}
	return rules
}
