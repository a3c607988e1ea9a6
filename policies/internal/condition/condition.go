// Package condition is the one home of the expression language of policies: CEL, the
// Common Expression Language, checked against the types of a request's facts.
//
// A condition is compiled once, when a policy is loaded, and evaluated at every decision.
// It sees the variables that are documented in this package and nothing else: no clock,
// no network, no file, no other request. Its cost is bounded before it is accepted, and
// bounded again while it runs.
//
// These are the variables, beside the asserted facts of the organization (asserted.NAME,
// with underscores for hyphens):
//
//	requester.subject, .issuer         who asks: an identity at who vouches for it
//	requester.name, .email             empty where they are not known
//	requester.groups                   list of the groups that they are in
//	ask.role, .target, .login          names of what is asked for
//	ask.duration                       for how long
//	ask.reason, .ticket                empty where none is given
//	ask.at                             when it was asked for
//	ask.start                          when it shall begin: now, where no time was set; has(ask.start) tells
//	ask.breakGlass                     whether it is an emergency
//	target.name                        as ask.target
//	target.labels                      map of its labels; one that it does not bear has no value, and the
//	                                   condition fails; "env" in target.labels tells
//	now                                the time of the decision
//	held                               list of the roles that the requester holds
//
// And these the functions, beside the operators of CEL:
//
//	list.exists(x, ...), .all(x, ...), .exists_one(x, ...), .filter(x, ...), x in list, size(list)
//	text.contains(t), .startsWith(t), .endsWith(t), .matches("regular expression"), size(text)
//	text.lowerAscii(), .upperAscii(), .trim(), .split(t), .substring(n), .substring(n, m), .indexOf(t), .lastIndexOf(t)
//	time.getHours("Europe/Berlin"), and so .getMinutes, .getDayOfWeek (Sunday is 0), .getDate (from 1),
//	.getDayOfMonth (from 0), .getMonth (from 0), .getDayOfYear (from 0), .getFullYear
//	duration("90m"), timestamp("2026-11-23T09:00:00Z"), int(text), string(number), has(object.field)
package condition

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
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
	Suggestion   string // what was meant, where that is certain
	// Written is a name that is none, and Known are those that might have been meant.
	Written string
	Known   []string
}

// Environment compiles conditions that may read the same asserted facts. Any number of
// goroutines may use it.
type Environment struct {
	language *cel.Env
	asserted map[string]Declared // by how a condition writes the name
}

// base is the language without asserted facts. What of it a condition may use is said by
// allowed (see rules.go), so that nothing the library adds comes in by itself.
var base = sync.OnceValues(func() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("preparing the language of conditions: %w", err)
	}
	options := append(zonedFunctions(),
		cel.StdLib(cel.StdLibSubset(withoutZoned())),
		ext.Strings(ext.StringsVersion(0)),
		cel.CustomTypeAdapter(registry),
		cel.CustomTypeProvider(newProvider(registry, nil)),
		cel.Variable(requesterName, types.NewObjectType(requesterName)),
		cel.Variable(askName, types.NewObjectType(askName)),
		cel.Variable(targetName, types.NewObjectType(targetName)),
		cel.Variable(assertedName, types.NewObjectType(assertedName)),
		cel.Variable(nowName, types.TimestampType),
		cel.Variable(heldName, texts),
		cel.ParserRecursionLimit(mostDepth),
		cel.ParserErrorRecoveryLimit(2),
		cel.ASTValidators(cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	)
	language, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the language of conditions: %w", err)
	}
	return language, nil
})

var factName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// NewEnvironment makes an environment in which conditions may read the given facts. It
// fails where two of them are written the same, or a name or type is none.
func NewEnvironment(asserted []Declared) (*Environment, error) {
	e := &Environment{asserted: map[string]Declared{}}
	for _, fact := range asserted {
		name := written(fact.Name)
		if !factName.MatchString(fact.Name) {
			return nil, fmt.Errorf("%q is not the name of an asserted fact: use small letters, digits and hyphens", fact.Name)
		}
		if _, twice := e.asserted[name]; twice {
			return nil, fmt.Errorf("there are two asserted facts %s", name)
		}
		if fact.Type < Bool || fact.Type > Text {
			return nil, fmt.Errorf("the asserted fact %s has no type", fact.Name)
		}
		e.asserted[name] = fact
	}
	language, err := base()
	if err != nil {
		return nil, err
	}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("preparing the language of conditions: %w", err)
	}
	e.language, err = language.Extend(cel.CustomTypeProvider(newProvider(registry, asserted)))
	if err != nil {
		return nil, fmt.Errorf("preparing the language of conditions: %w", err)
	}
	return e, nil
}

// Condition is a checked expression that is true or false of facts. Any number of
// goroutines may use it. The zero value has no answer to anything.
type Condition struct {
	reads  []string
	labels []Label

	program cel.Program                 // for facts of which the estimate holds
	bounded func() (cel.Program, error) // the same, counting as it goes; takes twice as long
	partial func() (cel.Program, error) // that knows what it does not know
}

// Label is a target's label that a condition names.
type Label struct {
	Key          string
	Line, Column int // as those of a Fault
}

// Compile checks a condition and makes it ready. It returns a condition or a fault.
func (e *Environment) Compile(source string) (*Condition, *Fault) {
	// 1. Its length bounds everything that follows.
	if fault := checkLength(source); fault != nil {
		return nil, fault
	}
	s := newSource(source)

	// 2. It can be read, every name in it is known, and every type fits.
	parsed, issues := e.language.Parse(source)
	if issues.Err() != nil {
		return nil, e.fault(s, nil, issues)
	}
	checked, issues := e.language.Check(parsed)
	if issues.Err() != nil {
		return nil, e.fault(s, parsed, issues)
	}
	if checked.OutputType() != types.BoolType {
		return nil, &Fault{Line: 1, Column: 1, Text: fmt.Sprintf("A condition is true or false; this is %s", kindOf(checked.OutputType()))}
	}

	// 3. It uses no more of the language than conditions may.
	r := rules{source: s, ast: checked.NativeRep()}
	if fault := r.check(); fault != nil {
		return nil, fault
	}

	// 4. It can never cost much.
	estimate, err := e.language.EstimateCost(checked, sizes{})
	if err != nil || estimate.Max > mostCost {
		return nil, &Fault{Line: 1, Column: 1, Text: "This may cost too much to evaluate; ask for less in it, above all within exists and all"}
	}

	// 5. And it stops if it does, for facts that are greater than those.
	c := &Condition{labels: r.labels}
	for _, name := range r.reads {
		c.reads = append(c.reads, e.asserted[name].Name)
	}
	slices.Sort(c.reads)
	c.reads = slices.Compact(c.reads)
	c.program, err = e.language.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, &Fault{Line: 1, Column: 1, Text: "This cannot be evaluated: " + err.Error()}
	}
	c.bounded = sync.OnceValues(func() (cel.Program, error) {
		return e.language.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(mostCost))
	})
	c.partial = sync.OnceValues(func() (cel.Program, error) {
		return e.language.Program(checked, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval), cel.CostLimit(mostCost))
	})
	return c, nil
}

// Reads lists the asserted facts that the condition reads, by their declared names, sorted.
func (c *Condition) Reads() []string { return c.reads }

// Labels lists the labels that the condition names, in the order of the source.
func (c *Condition) Labels() []Label { return c.labels }

// Holds evaluates the condition. An error means that it has no answer for these facts (a
// label or an asserted fact is missing, or it costs too much); the caller takes the answer
// that gives less.
//
// What is missing does no harm where the rest decides: in "a || b" with a true, b may fail.
func (c *Condition) Holds(f *Facts) (bool, error) {
	if c.program == nil {
		return false, errors.New("it was never compiled")
	}
	program := c.program
	if !f.asEstimated() {
		var err error
		if program, err = c.bounded(); err != nil {
			return false, inWords(err)
		}
	}
	out, _, err := program.Eval((*values)(f))
	if err != nil {
		return false, inWords(err)
	}
	holds, ok := out.(types.Bool)
	if !ok {
		return false, errors.New("the condition came to no answer")
	}
	return bool(holds), nil
}

// inWords says what went wrong in an evaluation to people who know policies.
func inWords(err error) error {
	text := err.Error()
	if key, ok := strings.CutPrefix(text, "no such key: "); ok {
		return fmt.Errorf("the target has no label %q", key)
	}
	return errors.New(strings.TrimPrefix(text, "operation cancelled: "))
}

// Could tells whether the condition can be true, and whether it can be false, for some
// request of which only the requester, the role, the target, the login and whether it is
// an emergency are known: the times, duration, reason, ticket, roles held and
// asserted facts in f are not looked at. Where that cannot be told, or where the
// condition would fail, both are said to be possible.
func (c *Condition) Could(f Facts) (canBeTrue, canBeFalse bool) {
	if c.partial == nil {
		return true, true
	}
	program, err := c.partial()
	if err != nil {
		return true, true
	}
	known, err := cel.PartialVars((*values)(&f), unknowns...)
	if err != nil {
		return true, true
	}
	var out ref.Val
	if out, _, err = program.Eval(known); err != nil {
		return true, true
	}
	switch out {
	case types.True:
		return true, false
	case types.False:
		return false, true
	}
	return true, true
}

// unknowns are the facts that Could does not look at.
var unknowns = func() []*cel.AttributePatternType {
	patterns := []*cel.AttributePatternType{
		cel.AttributePattern(nowName), cel.AttributePattern(heldName), cel.AttributePattern(assertedName),
	}
	for _, f := range fields {
		if !f.known {
			patterns = append(patterns, cel.AttributePattern(f.object).QualString(f.name))
		}
	}
	return patterns
}()
