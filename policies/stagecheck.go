package policies

import (
	"slices"
	"strings"
	"time"

	"stint/policies/internal/document"
)

// Bounds of what a role may say of stages and conditions.
const (
	mostStages      = 10
	mostCount       = 20
	mostEscalations = 5
	mostRules       = 20 // of each kind
)

// checkRules checks the lists of conditions. What stands in the conditions themselves is
// looked at where they are compiled.
func (l *loader) checkRules(d definition) {
	r := d.role
	bound(l, d, field("trust"), r.Trust, mostRules)
	l.distinct(d, field("trust"), r.Trust)
	bound(l, d, field("allow"), r.Allow, mostRules)
	bound(l, d, field("require"), r.Require, mostRules)
	bound(l, d, field("restrict"), r.Restrict, mostRules)
	stages := stageNames(r.Approval)
	var names []string
	for i, a := range r.Allow {
		names = append(names, a.Name)
		l.is(d, field("allow", i, "name"), CheckName(a.Name))
		l.condition(d, field("allow", i, "when"), a.When)
		if len(a.Without) == 0 {
			l.at(d, field("allow", i, "without"), "`without` names the stages that are not needed then.")
		}
		l.areStages(d, field("allow", i, "without"), a.Without, stages)
	}
	l.distinct(d, field("allow"), names)
	names = nil
	for i, c := range r.Require {
		names = append(names, c.Name)
		l.is(d, field("require", i, "name"), CheckName(c.Name))
		l.condition(d, field("require", i, "that"), c.That)
		l.says(d, field("require", i, "else"), c.Else, "`else` is a sentence for whoever does not fulfil it.")
	}
	l.distinct(d, field("require"), names)
	names = nil
	for i, c := range r.Restrict {
		names = append(names, c.Name)
		l.is(d, field("restrict", i, "name"), CheckName(c.Name))
		l.condition(d, field("restrict", i, "when"), c.When)
		refuses, adds := l.written(d, field("restrict", i, "refuse")), l.written(d, field("restrict", i, "add"))
		switch {
		case refuses == adds:
			l.at(d, field("restrict", i), "A restriction either refuses, with a sentence, or adds stages.")
		case refuses:
			l.says(d, field("restrict", i, "refuse"), c.Refuse, "`refuse` is a sentence for whoever is refused.")
		case len(c.Add) == 0:
			l.at(d, field("restrict", i, "add"), "`add` holds the stages that are asked for too.")
		}
	}
	l.distinct(d, field("restrict"), names)
}

// condition refuses a condition that is not there, or not plain to read.
func (l *loader) condition(d definition, at []any, text string) {
	if strings.TrimSpace(text) == "" {
		l.at(d, at, "`%v` is a condition, such as `ask.duration <= duration(\"1h\")`.", at[len(at)-1])
	}
	l.is(d, at, CheckText(strings.NewReplacer("\n", " ", "\t", " ").Replace(text), len(text)))
}

// areStages checks a list of names of stages.
func (l *loader) areStages(d definition, at []any, names, stages []string) {
	for i, name := range names {
		if !slices.Contains(stages, name) {
			l.at(d, append(slices.Clone(at), i), "There is no stage %q here.%s", shown(name), document.DidYouMean(name, stages))
		}
	}
	l.distinct(d, at, names)
}

// checkStages checks the chain of stages and those that restrictions add to it.
func (l *loader) checkStages(d definition) {
	stages := d.role.Approval
	if !l.written(d, field("approval")) {
		// Left out by mistake, it would mean that nobody needs to agree.
		l.at(d, nil, "A role says who approves; write `approval: []` if nobody needs to.")
	}
	bound(l, d, field("approval"), stages, mostStages)
	for i, s := range stages {
		l.checkStage(d, field("approval", i), s, stages)
	}
	names := stageNames(stages)
	l.distinct(d, field("approval"), names)
	whole := l.checkOrder(d, field("approval"), stages)
	for i, r := range d.role.Restrict {
		at := field("restrict", i, "add")
		bound(l, d, at, r.Add, mostStages)
		among, distinct := slices.Concat(stages, r.Add), true
		for k, s := range r.Add {
			here := append(slices.Clone(at), k)
			l.checkStage(d, here, s, among)
			if slices.Contains(names, s.Name) {
				distinct = false
				l.at(d, append(here, "name"), "The role has a stage %q already; a stage that is added has a name of its own.", s.Name)
			}
			if s.When != "" {
				l.at(d, append(here, "when"), "A stage that a restriction adds is there whenever the restriction holds; it has no `when`.")
			}
			names = append(names, s.Name)
		}
		if whole && distinct {
			l.checkOrder(d, at, among)
		}
	}
}

func stageNames(stages []Stage) []string {
	var names []string
	for _, s := range stages {
		names = append(names, s.Name)
	}
	return names
}

// checkStage checks one stage, among those that it may wait for.
func (l *loader) checkStage(d definition, at []any, s Stage, among []Stage) {
	in := func(steps ...any) []any { return slices.Concat(at, steps) }
	l.is(d, in("name"), CheckName(s.Name))
	if len(s.Relations) == 0 || l.written(d, in("groups")) {
		l.groups(d, in("groups"), s.Groups, "A stage names the groups whose members may approve, or relations.")
	}
	l.words(d, in("relations"), s.Relations, RelationManager, RelationOwner)
	if s.Count < 1 || s.Count > mostCount {
		l.at(d, in("count"), "`count` is how many people must approve, from 1 to %d.", mostCount)
	}
	l.areStages(d, in("after"), s.After, stageNames(among))
	if l.written(d, in("when")) {
		l.condition(d, in("when"), s.When)
	}
	pending := d.role.Pending
	if pending < shortestWait {
		pending = longestPending // which was told
	}
	if l.written(d, in("remind")) && (s.Remind < shortestWait || s.Remind >= pending) {
		l.at(d, in("remind"), "`remind` is at least %s and less than the %s that a request waits.", FormatDuration(shortestWait), FormatDuration(pending))
	}
	bound(l, d, in("escalate"), s.Escalate, mostEscalations)
	last := time.Duration(0)
	for i, e := range s.Escalate {
		switch {
		case e.After < shortestWait || e.After >= pending:
			l.at(d, in("escalate", i, "after"), "`after` is at least %s and less than the %s that a request waits.", FormatDuration(shortestWait), FormatDuration(pending))
		case e.After <= last:
			l.at(d, in("escalate", i, "after"), "Escalations stand in the order of their times, each later than the one before.")
		}
		last = e.After
		l.groups(d, in("escalate", i, "groups"), e.Groups, "An escalation names the groups whose members may approve too.")
	}
}

// checkOrder refuses stages that wait for each other, and says whether none does.
func (l *loader) checkOrder(d definition, at []any, stages []Stage) bool {
	waiting := map[string][]string{}
	for _, s := range stages {
		waiting[s.Name] = s.After
	}
	// Whoever waits for nobody that still waits is free, until nothing changes.
	for free := true; free; {
		free = false
		for name, after := range waiting {
			if !slices.ContainsFunc(after, func(other string) bool { _, waits := waiting[other]; return waits }) {
				delete(waiting, name)
				free = true
			}
		}
	}
	for _, s := range stages {
		if _, waits := waiting[s.Name]; waits {
			l.at(d, at, "The stage %s waits for itself: `after` goes in a circle.", s.Name)
			return false
		}
	}
	return true
}

// checkManagers refuses a stage that asks for managers where nobody is one.
func (l *loader) checkManagers(d definition) {
	if len(l.bundle.teams) > 0 {
		return
	}
	check := func(at []any, stages []Stage) {
		for i, s := range stages {
			if k := slices.Index(s.Relations, RelationManager); k >= 0 {
				l.at(d, append(slices.Clone(at), i, "relations", k), "There is no document of kind Team, so nobody is anybody's manager.")
			}
		}
	}
	check(field("approval"), d.role.Approval)
	for i, r := range d.role.Restrict {
		check(field("restrict", i, "add"), r.Add)
	}
}
