package policies

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stint/policies/internal/condition"
)

// conditions are a role's conditions in their compiled form, each list parallel to the
// role's own.
type conditions struct {
	allow, require, restrict []*condition.Condition
	stages                   []*condition.Condition // of Approval; nil where a stage has no When
}

// environments compile conditions, each of them for roles that trust the same facts.
type environments struct {
	facts []AssertedFact
	made  map[string]*environment
	// labels are those that some target can bear, sorted; nil until they are asked for.
	labels []string
}

// environment compiles what roles share once.
type environment struct {
	*condition.Environment
	compiled map[string]*condition.Condition // by source
}

func (e *environment) compile(source string) (*condition.Condition, *condition.Fault) {
	if c := e.compiled[source]; c != nil {
		return c, nil
	}
	c, fault := e.Compile(source)
	if fault == nil {
		e.compiled[source] = c
	}
	return c, fault
}

var factTypes = map[string]condition.Type{FactBool: condition.Bool, FactNumber: condition.Number, FactText: condition.Text}

// trusting finds the environment in which the named facts may be read; all may where all is set.
func (e *environments) trusting(names []string, all bool) (*environment, error) {
	declared := make([]condition.Declared, 0, len(e.facts))
	var key strings.Builder
	for _, fact := range e.facts {
		d := condition.Declared{Name: fact.Name, Type: factTypes[fact.Type], Untrusted: !all && !slices.Contains(names, fact.Name)}
		declared = append(declared, d)
		if !d.Untrusted {
			key.WriteString(strconv.Quote(fact.Name))
		}
	}
	if found, ok := e.made[key.String()]; ok {
		return found, nil
	}
	made, err := condition.NewEnvironment(declared)
	if err != nil {
		return nil, fmt.Errorf("preparing the conditions: %w", err)
	}
	if e.made == nil {
		e.made = map[string]*environment{}
	}
	e.made[key.String()] = &environment{made, map[string]*condition.Condition{}}
	return e.made[key.String()], nil
}

// compile makes a role's conditions. One that has a fault is handed to fault with its
// place in the role and stays one that has no answer to anything; the others are handed
// to compiled.
func (e *environments) compile(role *Role, fault func(at []any, f *condition.Fault), compiled func(at []any, c *condition.Condition)) *conditions {
	one := func(source string, restricting bool, at ...any) *condition.Condition {
		if strings.TrimSpace(source) == "" {
			return &condition.Condition{} // which the loader has refused
		}
		environment, err := e.trusting(role.Trust, restricting)
		if err != nil {
			fault(at, &condition.Fault{Line: 1, Column: 1, Text: sentence(err)})
			return &condition.Condition{}
		}
		c, f := environment.compile(source)
		if f != nil {
			fault(at, f)
			return &condition.Condition{}
		}
		compiled(at, c)
		return c
	}
	c := &conditions{}
	for i, a := range role.Allow {
		c.allow = append(c.allow, one(a.When, false, "allow", i, "when"))
	}
	for i, r := range role.Require {
		c.require = append(c.require, one(r.That, false, "require", i, "that"))
	}
	for i, r := range role.Restrict {
		c.restrict = append(c.restrict, one(r.When, true, "restrict", i, "when"))
	}
	for i, s := range role.Approval {
		var when *condition.Condition
		if s.When != "" {
			when = one(s.When, false, "approval", i, "when")
		}
		c.stages = append(c.stages, when)
	}
	return c
}

// checkConditions compiles a role's conditions, and reports each fault where it stands.
func (l *loader) checkConditions(d definition) {
	b := l.bundle
	if b.conditions == nil {
		b.conditions, b.environments = map[string]*conditions{}, &environments{facts: b.organization.Facts}
	}
	if l.factsAreDoubtful(d) {
		return
	}
	b.conditions[d.role.Name] = b.environments.compile(d.role, func(at []any, f *condition.Fault) {
		meant := f.Suggestion
		if meant == "" {
			meant = Meant(f.Written, f.Known)
		}
		l.atCharacter(d, at, f.Line, f.Column, f.Text, meant)
	}, func(at []any, c *condition.Condition) {
		for _, label := range c.Labels() {
			if meant := b.labelMeant(label.Key); meant != "" {
				l.atCharacter(d, at, label.Line, label.Column, fmt.Sprintf("No target bears the label `%s`", label.Key), meant)
			}
		}
	})
}

// factsAreDoubtful tells whether something is wrong with what declares the facts that a
// role's conditions read, or trusts them, and was said. What is wrong with conditions may
// follow from it, and is not told.
func (l *loader) factsAreDoubtful(role definition) bool {
	return l.reader.Doubts(role.Document, "trust") || slices.ContainsFunc(l.definitions, func(d definition) bool {
		return d.organization != nil && l.reader.Doubts(d.Document, "facts")
	})
}

// labelMeant is the label that was probably meant by one that no target can bear; empty
// where that is none: targets with a new label may be still to come.
func (b *Bundle) labelMeant(key string) string {
	known := &b.environments.labels
	if *known == nil {
		borne := map[string]bool{OwnerLabel: true}
		for _, target := range b.targets {
			for label := range target.Labels {
				borne[label] = true
			}
		}
		for _, inventory := range b.organization.Inventories {
			for label := range inventory.Labels {
				borne[label] = true
			}
		}
		*known = slices.Sorted(maps.Keys(borne))
	}
	if slices.Contains(*known, key) {
		return ""
	}
	return Meant(key, *known)
}

// atCharacter notes a fault at a character of a condition, where that stands in the file.
func (l *loader) atCharacter(d definition, at []any, line, column int, text, meant string) {
	if meant != "" {
		meant = " Did you mean `" + meant + "`?"
	}
	l.reader.AtCharacter(d.Document, at, line, column, "%s.%s", text, meant)
}

// compileConditions compiles what checkConditions did not: those of a bundle that was not read from
// files.
func (b *Bundle) compileConditions() {
	if b.conditions == nil {
		b.conditions, b.environments = map[string]*conditions{}, &environments{facts: b.organization.Facts}
	}
	for i := range b.roles {
		if role := &b.roles[i]; b.conditions[role.Name] == nil {
			b.conditions[role.Name] = b.environments.compile(role, func([]any, *condition.Fault) {}, func([]any, *condition.Condition) {})
		}
	}
	b.environments = nil // it has compiled all there is
}

// conditionsOf finds the compiled conditions of a role; nil for a role that does not exist.
func (b *Bundle) conditionsOf(role string) *conditions { return b.conditions[role] }

// holds evaluates a condition. An error means that it has no answer for these facts; the
// caller takes the answer that gives less.
func (b *Bundle) holds(c *condition.Condition, in *condition.Facts) (bool, error) {
	if c == nil {
		return false, errors.New("there is no such condition")
	}
	return c.Holds(in)
}

// conditionFacts are the facts that conditions see. Whatever is in any order comes to the
// same, and what is asserted counts only if the organization declares it, once and of its
// type.
func (b *Bundle) conditionFacts(f Facts) condition.Facts {
	in := condition.Facts{
		Now: f.Now, Asked: f.Asked,
		Requester: condition.Requester{
			Subject: f.Requester.Subject.Subject, Issuer: f.Requester.Issuer,
			Name: f.Requester.Name, Email: f.Requester.Email, Groups: f.Requester.Groups,
		},
		Ask: condition.Ask{
			Role: f.Ask.Role, Target: f.Ask.Target, Login: f.Ask.Login, Duration: f.Ask.Duration,
			Reason: f.Ask.Reason, Ticket: f.Ask.Ticket, Start: f.Ask.Start, BreakGlass: f.Ask.BreakGlass,
		},
		Target:   condition.Target{Name: f.Ask.Target},
		Asserted: make(map[string]any, len(f.Asserted)),
	}
	if target, ok := b.Target(f.Ask.Target); ok {
		in.Target.Labels = target.Labels
	}
	in.Held = make([]string, 0, len(f.Held))
	for _, held := range f.Held {
		if !slices.Contains(in.Held, held.Role) {
			in.Held = append(in.Held, held.Role)
		}
	}
	for _, said := range f.Asserted {
		i := slices.IndexFunc(b.organization.Facts, func(fact AssertedFact) bool { return fact.Name == said.Name })
		if i < 0 {
			continue
		}
		value, ok := valueOf(b.organization.Facts[i].Type, said.Value)
		if before, twice := in.Asserted[said.Name]; twice && before != value {
			ok = false // two words on one fact are none
		}
		if !ok {
			value = nil
		}
		in.Asserted[said.Name] = value
	}
	return in
}

// valueOf reads an assertion's text.
func valueOf(kind, text string) (value any, ok bool) {
	switch kind {
	case FactBool:
		if text == "true" || text == "false" {
			return text == "true", true
		}
	case FactNumber:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
			return n, true
		}
	case FactText:
		return text, true
	}
	return nil, false
}
