package cases

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// State is what a branch of an explanation tells.
type State string

// States of branches.
const (
	StateMet     State = "met"
	StateMissing State = "missing" // and nothing that others do brings it about
	StateOpen    State = "open"    // somebody can still do it
	StateNote    State = "note"
)

// Explanation is a decision as a tree in words.
type Explanation struct {
	Outcome policies.Outcome `json:"outcome"`
	// Ask says who asks for what, and Text what the decision comes to.
	Ask      string   `json:"ask"`
	Text     string   `json:"text"`
	Branches []Branch `json:"branches"`
}

// Branch is one thing that the decision depended on, with what that depended on.
type Branch struct {
	State State `json:"state"`
	// Rule is the stable name of the rule that spoke; empty for a heading.
	Rule     string   `json:"rule,omitempty"`
	Text     string   `json:"text"`
	Remedy   string   `json:"remedy,omitempty"` // what would change it
	Branches []Branch `json:"branches,omitempty"`
}

// Explain says in words how a decision on facts came about: what stands in the way and
// what would change it, who has to agree, and what is fulfilled. With a population
// (nil: without) it names those whose approval would count now.
func Explain(b *policies.Bundle, f policies.Facts, d policies.Decision, people *analysis.Population) Explanation {
	e := Explanation{Outcome: d.Outcome, Ask: askWords(f), Text: outcomeWords(f, d), Branches: []Branch{}}
	missing := Branch{State: StateMissing, Text: "In the way"}
	stages := Branch{State: StateOpen, Text: "Who has to agree"}
	met := Branch{State: StateMet, Text: "Fulfilled"}
	notes := Branch{State: StateNote, Text: "Approvals that were not counted"}
	for _, r := range d.Reasons {
		branch := Branch{State: StateMet, Rule: r.Rule, Text: r.Text}
		if !r.Met {
			branch.Remedy = r.Remedy
		}
		name, isStage := strings.CutPrefix(r.Rule, "stage:")
		switch {
		case kindOf(r.Rule).note:
			branch.State = StateNote
			notes.Branches = append(notes.Branches, branch)
		case isStage:
			if !r.Met {
				branch.State = StateOpen
			}
			branch.Branches = stageWords(b, f, d, name, people)
			stages.Branches = append(stages.Branches, branch)
		case !r.Met && kindOf(r.Rule).refuses:
			branch.State = StateMissing
			missing.Branches = append(missing.Branches, branch)
		case !r.Met:
			branch.State = StateOpen
			stages.Branches = append(stages.Branches, branch)
		default:
			met.Branches = append(met.Branches, branch)
		}
	}
	if !slices.ContainsFunc(stages.Branches, func(b Branch) bool { return b.State == StateOpen }) {
		stages.State = StateMet
	}
	for _, branch := range []Branch{missing, stages, notes, met} {
		if len(branch.Branches) > 0 {
			e.Branches = append(e.Branches, branch)
		}
	}
	return e
}

func askWords(f policies.Facts) string {
	ask := f.Ask
	var text strings.Builder
	fmt.Fprintf(&text, "%s asks for %s", called(f.Requester), ask.Role)
	for _, part := range []struct{ word, value string }{{" on ", ask.Target}, {" as ", ask.Login}} {
		if part.value != "" {
			text.WriteString(part.word + part.value)
		}
	}
	fmt.Fprintf(&text, " for %s, %s", policies.FormatDuration(ask.Duration), clock(f.Asked))
	if !ask.Start.IsZero() {
		fmt.Fprintf(&text, ", to begin %s", clock(ask.Start))
	}
	if ask.BreakGlass {
		text.WriteString(", alone in an emergency")
	}
	if f.Now.After(f.Asked) {
		fmt.Fprintf(&text, "; decided %s later", policies.FormatDuration(f.Now.Sub(f.Asked)))
	}
	return text.String() + "."
}

func outcomeWords(f policies.Facts, d policies.Decision) string {
	length := policies.FormatDuration(d.Duration)
	switch d.Outcome {
	case policies.Refused:
		return "Refused: no approval could change it."
	case policies.NeedsApproval:
		waits := openStages(d)
		text := "Needs approval: " + listed(waits, "and") + " must agree; then it is allowed for " + length + "."
		if len(waits) == 0 {
			text = "Waits for the requester's own passkey; then it is allowed for " + length + "."
		}
		return text
	case policies.Scheduled:
		return fmt.Sprintf("Scheduled: it begins %s, for %s.", clock(d.Begins), length)
	}
	text := fmt.Sprintf("Allowed for %s, until %s.", length, clock(d.Ends))
	if !d.UseBy.IsZero() {
		text += fmt.Sprintf(" It is over unless used by %s.", clock(d.UseBy))
	}
	return text
}

// clock shows a time so that nobody takes it for another.
func clock(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05 UTC") }

func called(p policies.Person) string { return analysis.Person{Person: p}.Called() }

// mostNamed is how many people an explanation names at one place.
const mostNamed = 8

// stageWords says of one stage who agreed, who could, and what comes first.
func stageWords(b *policies.Bundle, f policies.Facts, d policies.Decision, name string, people *analysis.Population) []Branch {
	i := slices.IndexFunc(d.Stages, func(s policies.StageResult) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	stage := d.Stages[i]
	var branches []Branch
	if len(stage.After) > 0 {
		branches = append(branches, Branch{State: StateOpen, Text: "It takes no approval until " + listed(stage.After, "and") + " is full."})
	}
	if len(stage.Given) >= stage.Count {
		return branches // and the reason says who agreed
	}
	for _, subject := range stage.Given {
		text := subject.Subject
		for _, a := range f.Approvals {
			if a.Approver.Subject == subject {
				text = called(a.Approver)
			}
		}
		branches = append(branches, Branch{State: StateMet, Text: text + " agreed."})
	}
	if people == nil || len(stage.After) > 0 {
		return branches
	}
	names, more := couldApprove(b, f, d, i, people)
	switch {
	case len(names) == 0 && more:
		return branches
	case len(names) == 0:
		return append(branches, Branch{State: StateOpen, Text: "Of the people who are known, nobody could approve now."})
	case more:
		names = append(names, "perhaps others")
	}
	return append(branches, CouldApprove(names))
}

// CouldApprove says whose approval would count now.
func CouldApprove(names []string) Branch {
	return Branch{State: StateOpen, Text: "Could approve now: " + strings.Join(names, ", ") + "."}
}

// mostTried bounds how many approvals are tried for a stage.
const mostTried = 500

// couldApprove names people whose approval would fill one place more of a stage, by
// trying it; more: not all were tried.
func couldApprove(b *policies.Bundle, f policies.Facts, d policies.Decision, stage int, people *analysis.Population) (names []string, more bool) {
	tried := 0
	for _, approval := range approvals(f, people) {
		holder := approval.Approver
		if approval.For != nil {
			holder = *approval.For
		}
		if !slices.ContainsFunc(d.Stages[stage].Groups, func(g string) bool { return slices.Contains(holder.Groups, g) }) {
			continue
		}
		if tried++; tried > mostTried || len(names) == mostNamed {
			return names, true
		}
		with := f
		with.Approvals = append(slices.Clone(f.Approvals), approval)
		after := b.Decide(with)
		k := slices.IndexFunc(after.Stages, func(s policies.StageResult) bool { return s.Name == d.Stages[stage].Name })
		name := called(approval.Approver)
		if approval.For != nil {
			name += " for " + called(*approval.For)
		}
		if k >= 0 && len(after.Stages[k].Given) > len(d.Stages[stage].Given) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, false
}

// approvals are all that people could give now, in their own right and by delegation.
func approvals(f policies.Facts, people *analysis.Population) []policies.Approval {
	var all []policies.Approval
	for _, p := range people.People() {
		for _, k := range p.Passkeys {
			approver := p.Person
			approver.Groups = k.Groups
			all = append(all, policies.Approval{Approver: approver, Duration: f.Ask.Duration, Issued: f.Now, Attested: k.Attested})
		}
	}
	for _, delegation := range people.Delegations() {
		from, known := people.Find(delegation.From.String())
		to, known2 := people.Find(delegation.To.String())
		if !known || !known2 {
			continue
		}
		on, _ := Approver(from, nil)
		on.Groups = slices.DeleteFunc(slices.Clone(on.Groups), func(g string) bool { return !slices.Contains(delegation.Groups, g) })
		approver, attested := Approver(to, nil)
		all = append(all, policies.Approval{Approver: approver, For: &on, Duration: f.Ask.Duration, Issued: f.Now, Attested: attested})
	}
	return all
}
