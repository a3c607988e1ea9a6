// Package condition is the one home of the expression language of policies: CEL, the
// Common Expression Language, checked against the types of a request's facts.
//
// A condition is compiled once, when a policy is loaded, and evaluated at every decision.
// It sees the variables that are documented in this package and nothing else: no clock,
// no network, no file, no other request. Its cost is bounded before it is accepted, and
// bounded again while it runs.
package condition

import (
	"errors"
	"time"
)

// Facts are what a condition may look at. Whatever is a slice or a map belongs to the
// caller, who does not change it during a call.
type Facts struct {
	Now   time.Time
	Asked time.Time // when it was asked for

	Requester Requester
	Ask       Ask
	Target    Target
	Held      []string // names of the roles that the requester holds
	// Asserted holds the values of asserted facts by their declared names: a bool, an
	// int64 or a string. A condition that reads one that is missing fails.
	Asserted map[string]any
}

// Requester is who asks.
type Requester struct {
	Subject, Issuer, Name, Email string
	Groups                       []string
}

// Ask is what is asked for.
type Ask struct {
	Role, Target, Login string
	Duration            time.Duration
	Reason, Ticket      string
	Start               time.Time // zero: as soon as it may
	BreakGlass          bool
}

// Target is the host that is asked for.
type Target struct {
	Name   string
	Labels map[string]string
}

// Type is that of an asserted fact.
type Type int

// The types of asserted facts.
const (
	Bool   Type = iota + 1 // bool
	Number                 // int64
	Text                   // string
)

// Declared is an asserted fact that there is.
type Declared struct {
	Name string // as the organization declares it; conditions write its hyphens as underscores
	Type Type
	// Untrusted: there is such a fact, but here it may not be read; a condition that does
	// is refused and told why.
	Untrusted bool
}

// Fault says what is wrong with a condition, and where.
type Fault struct {
	Line, Column int    // in the source, from 1; columns count characters
	Text         string // a sentence, without a full stop
	Suggestion   string // what was probably meant, where that can be told
}

// Environment compiles conditions that may read the same asserted facts. Any number of
// goroutines may use it.
type Environment struct{}

// NewEnvironment makes an environment in which conditions may read the given facts. It
// fails where two of them are called the same or a name or type is none.
func NewEnvironment(asserted []Declared) (*Environment, error) {
	return nil, errors.New("conditions are not there yet")
}

// Compile checks a condition and makes it ready. It returns a condition or a fault.
func (e *Environment) Compile(source string) (*Condition, *Fault) {
	return nil, &Fault{Line: 1, Column: 1, Text: "conditions are not there yet"}
}

// Condition is a checked expression that is true or false of facts. Any number of
// goroutines may use it.
type Condition struct{}

// Reads lists the asserted facts that the condition reads, by their declared names, sorted.
func (c *Condition) Reads() []string { return nil }

// Label is a target's label that a condition names.
type Label struct {
	Key          string
	Line, Column int
}

// Labels lists the labels that the condition names, in the order of the source.
func (c *Condition) Labels() []Label { return nil }

// Holds evaluates the condition. An error means that it has no answer for these facts (a
// label or an asserted fact is missing, or it costs too much); the caller takes the answer
// that gives less.
func (c *Condition) Holds(f Facts) (bool, error) {
	return false, errors.New("conditions are not there yet")
}

// Could tells whether the condition can be true, and whether it can be false, for some
// request of which only the requester, the role, the target, the login and whether it is
// an emergency are known: the times, duration, reason, ticket, roles held and
// asserted facts in f are not looked at. Where that cannot be told, or where the
// condition would fail, both are said to be possible.
func (c *Condition) Could(f Facts) (canBeTrue, canBeFalse bool) { return true, true }
