package policies

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies/internal/condition"
)

// Skew is by how much the clocks of those who take part may differ.
const Skew = 30 * time.Second

// askedStage is a stage as it stands in one request.
type askedStage struct {
	*Stage
	groups    []string // whose members may approve from the beginning, those of relations too
	escalated []string // and besides by now
	lacks     string   // why a relation gives nobody; empty where none does
	// after are the places, among the stages that are asked, of those that must be full
	// before it takes an approval.
	after uint64
	// never: it waits for what cannot be; no approval counts.
	never bool
}

// mostAsked is how many stages one request can have. One beyond takes no approval.
const mostAsked = 64

var errNotCompiled = errors.New("it was not compiled")

// Lists of a role's conditions.
type conditionKind int

const (
	allowOf conditionKind = iota
	requireOf
	restrictOf
	stageOf
)

// holds evaluates one condition of the role. An error means that it has no answer.
func (j *judgement) holds(kind conditionKind, i int) (bool, error) {
	if j.conditions == nil {
		return false, errNotCompiled
	}
	compiled := [...][]*condition.Condition{j.conditions.allow, j.conditions.require, j.conditions.restrict, j.conditions.stages}[kind]
	if i >= len(compiled) || compiled[i] == nil {
		return false, errNotCompiled
	}
	return j.b.holds(compiled[i], &j.in)
}

// spared finds which of the role's stages are asked for: those whose condition holds (or has
// no answer), without those that an allowance spares. In an emergency there is none.
func (j *judgement) spared() []askedStage {
	if j.f.Ask.BreakGlass {
		return nil
	}
	var without []string
	for i := range j.role.Allow {
		a := &j.role.Allow[i]
		if holds, err := j.holds(allowOf, i); err == nil && holds {
			without = append(without, a.Without...)
			j.say("allow:"+a.Name, a.Name+" spares "+stagesNamed(a.Without)+".")
		}
	}
	stages := make([]askedStage, 0, len(j.role.Approval))
	for i := range j.role.Approval {
		stage := &j.role.Approval[i]
		if slices.Contains(without, stage.Name) {
			continue
		}
		if stage.When != "" {
			if holds, err := j.holds(stageOf, i); err == nil && !holds {
				j.say("stage:"+stage.Name, stage.Name+" is not asked: "+oneLine(stage.When)+" does not hold.")
				continue
			}
		}
		stages = append(stages, j.ask(stage))
	}
	return stages
}

// restricted refuses or adds stages, behind the role's own, where a restriction holds. One that has no
// answer, or lacks a fact that it reads, refuses. An emergency changes nothing of that.
func (j *judgement) restricted(stages []askedStage) []askedStage {
	for i := range j.role.Restrict {
		r := &j.role.Restrict[i]
		if missing := j.missing(i); missing != "" {
			j.refuse("restrict:"+r.Name, fmt.Sprintf("The fact %s must be known.", missing), "%s cannot be judged: nobody said what %s is.", r.Name, missing)
			continue
		}
		holds, err := j.holds(restrictOf, i)
		switch {
		case err != nil:
			j.refuse("restrict:"+r.Name, "", "%s cannot be judged: %v.", r.Name, err)
		case !holds:
		case len(r.Add) == 0:
			text := r.Refuse
			if text == "" {
				text = r.Name + " refuses it."
			}
			j.refuse("restrict:"+r.Name, "It is refused while this holds: "+oneLine(r.When), "%s", text)
		default:
			var names []string
			for k := range r.Add {
				stages = append(stages, j.ask(&r.Add[k]))
				names = append(names, r.Add[k].Name)
			}
			j.say("restrict:"+r.Name, r.Name+" adds "+stagesNamed(names)+".")
		}
	}
	j.order(stages)
	return stages
}

// missing names an asserted fact that a restriction reads and nobody said; empty where
// there is none.
func (j *judgement) missing(restriction int) string {
	if j.conditions == nil || restriction >= len(j.conditions.restrict) || j.conditions.restrict[restriction] == nil {
		return ""
	}
	for _, name := range j.conditions.restrict[restriction].Reads() {
		if j.in.Asserted[name] == nil {
			return name
		}
	}
	return ""
}

func stagesNamed(names []string) string {
	if len(names) == 1 {
		return "the stage " + names[0]
	}
	return "the stages " + list(names, "and")
}

// ask makes a stage ready to be asked for: it finds whom its relations mean here.
func (j *judgement) ask(stage *Stage) askedStage {
	a := askedStage{Stage: stage, groups: stage.Groups}
	for _, relation := range stage.Relations {
		related := j.related(relation)
		a.groups = append(slices.Clip(a.groups), related...)
		if len(related) == 0 {
			a.lacks = j.lacks(relation)
		}
	}
	for _, e := range stage.Escalate {
		if !j.f.Now.Before(j.f.Asked.Add(e.After)) {
			a.escalated = append(a.escalated, e.Groups...)
		}
	}
	return a
}

// related lists the groups whose members stand in a relation to the request.
func (j *judgement) related(relation string) []string {
	switch relation {
	case RelationManager:
		teams := inGroups(j.b.teamsBy.members, j.f.Requester.Groups)
		groups := make([]string, 0, len(teams))
		for _, i := range teams {
			groups = append(groups, j.b.teams[i].Managers...)
		}
		return groups
	case RelationOwner:
		if j.target != nil && j.target.Labels[OwnerLabel] != "" {
			return []string{j.target.Labels[OwnerLabel]}
		}
	}
	return nil
}

// lacks says why nobody stands in a relation to the request.
func (j *judgement) lacks(relation string) string {
	switch relation {
	case RelationManager:
		return j.f.Requester.called() + " is in no team, so nobody is their manager"
	case RelationOwner:
		return "no label says who owns " + j.f.Ask.Target
	}
	return "nobody is the " + relation
}

// order finds for each stage which others must be full before it. What is not asked for
// here is not waited for; what the role does not have at all, or what waits for itself,
// is waited for forever.
func (j *judgement) order(stages []askedStage) {
	for i := range stages {
		for _, name := range stages[i].After {
			if k := slices.IndexFunc(stages, func(s askedStage) bool { return s.Name == name }); k >= 0 {
				stages[i].after |= 1 << k
			} else if !j.role.hasStage(name) {
				stages[i].never = true
			}
		}
	}
	for again := true; again; {
		again = false
		for i := range stages {
			all := stages[i].after
			for k := range stages {
				if stages[i].after&(1<<k) != 0 {
					all |= stages[k].after
				}
			}
			again = again || all != stages[i].after
			stages[i].after = all
		}
	}
	for i := range stages {
		stages[i].never = stages[i].never || stages[i].after&(1<<i) != 0
	}
}

func (r *Role) hasStage(name string) bool {
	named := func(s Stage) bool { return s.Name == name }
	return slices.ContainsFunc(r.Approval, named) ||
		slices.ContainsFunc(r.Restrict, func(r Restriction) bool { return slices.ContainsFunc(r.Add, named) })
}

// fits tells whether an approval is by somebody whom the stage takes, whenever it is its turn.
func (s *askedStage) fits(a *Approval, since time.Time) bool {
	by := a.speaksFor()
	return by.inAny(s.groups) || slices.ContainsFunc(s.Escalate, func(e Escalation) bool {
		return !a.Issued.Before(since.Add(e.After)) && by.inAny(e.Groups)
	})
}

// speaksFor is whose groups the approval counts with.
func (a *Approval) speaksFor() *Person {
	if a.For != nil {
		return a.For
	}
	return &a.Approver
}

// called is what a sentence calls who approved.
func (a *Approval) called() string {
	if a.For != nil {
		return a.Approver.called() + " (for " + a.For.called() + ")"
	}
	return a.Approver.called()
}

// results tells the state of each stage.
func (h *hall) results(s *seating) []StageResult {
	results := make([]StageResult, len(h.stages))
	for i := range h.stages {
		stage := &h.stages[i]
		result := StageResult{Name: stage.Name, Groups: stage.mayApprove(), Count: stage.Count, Given: []Subject{}}
		for _, v := range s.places[i] {
			result.Given = append(result.Given, h.votes[s.seatedVote(v)].Approver.Subject)
		}
		for k := range h.stages {
			if stage.after&(1<<k) != 0 && len(s.places[k]) < h.stages[k].Count {
				result.After = append(result.After, h.stages[k].Name)
			}
		}
		results[i] = result
	}
	return results
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// mayApprove lists the groups whose members may approve by now.
func (s *askedStage) mayApprove() []string {
	if len(s.escalated) == 0 && s.groups != nil {
		return s.groups
	}
	groups := append(slices.Clone(s.groups), s.escalated...)
	return slices.AppendSeq(make([]string, 0, len(groups)), firsts(groups))
}

// firsts yields each text once, in the order in which they come.
func firsts(texts []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i, text := range texts {
			if !slices.Contains(texts[:i], text) && !yield(text) {
				return
			}
		}
	}
}

// reason says in words where stage i stands.
func (h *hall) reason(s *seating, i int) Reason {
	stage := &h.stages[i]
	groups, given := list(stage.mayApprove(), "or"), s.places[i]
	r := Reason{Rule: "stage:" + stage.Name, Met: len(given) >= stage.Count}
	if r.Met {
		var names []string
		for _, v := range given {
			names = append(names, h.votes[s.seatedVote(v)].called())
		}
		r.Text = list(names, "and") + " approved, for " + groups + "."
		return r
	}
	more := ""
	if len(given) > 0 {
		more = " more"
	}
	open := stage.Count - len(given)
	if groups == "" {
		r.Text = fmt.Sprintf("Needs %d%s, and there is nobody: %s.", open, more, stage.lacks)
		return r
	}
	r.Text = fmt.Sprintf("Needs %d%s of %s.", open, more, groups)
	r.Remedy = fmt.Sprintf("%d%s of %s must approve.", open, more, groups)
	var waits []string
	for k := range h.stages {
		if stage.after&(1<<k) != 0 && len(s.places[k]) < h.stages[k].Count {
			waits = append(waits, h.stages[k].Name)
		}
	}
	switch {
	case stage.never:
		r.Text, r.Remedy = fmt.Sprintf("%s comes after a stage that can never be full.", stage.Name), ""
	case len(waits) > 0:
		r.Text = strings.TrimSuffix(r.Text, ".") + fmt.Sprintf(", once %s full.", list(waits, "and")+are(len(waits)))
	}
	if stage.lacks != "" {
		r.Text = strings.TrimSuffix(r.Text, ".") + fmt.Sprintf("; %s.", stage.lacks)
	}
	return r
}
