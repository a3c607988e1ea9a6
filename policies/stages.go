package policies

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Skew is by how much the clocks of those who take part may differ.
const Skew = 30 * time.Second

// table seats those who approved at the places of a role's stages: stage i has
// stages[i].Count places, a person sits at one place at most, and only at a
// stage that names one of their groups.
//
// Approvals come in the order in which they were given. Whenever one makes it
// possible to fill one place more, it is filled, if need be by moving those
// already seated to other stages of theirs; nobody seated ever loses a place
// altogether. So the number of places taken is the greatest there is (an
// augmenting path is found whenever one exists), no approval takes away from
// another, and the stages are full at the earliest moment that they could be.
type table struct {
	stages []Stage
	people []voter // in the order of their first approval
	places [][]int // places[i] holds indices of people

	// What counts is settled by the last approval that filled a place.
	filled time.Time     // when it was given; zero while no place is taken
	agreed time.Duration // the shortest that anybody seated had agreed to by then
}

// voter is one person with the approvals that they gave, by whatever identity.
type voter []Approval

// fits is the first of the person's approvals that the stage takes.
func (v voter) fits(s Stage) (Approval, bool) {
	i := slices.IndexFunc(v, func(a Approval) bool { return a.Approver.inAny(s.Groups) })
	if i < 0 {
		return Approval{}, false
	}
	return v[i], true
}

// take adds an approval by a person (an index, or one past the last for
// somebody new), and says whether one place more could be filled by it.
func (t *table) take(person int, a Approval) bool {
	if person == len(t.people) {
		t.people = append(t.people, nil)
	}
	t.people[person] = append(t.people[person], a)
	for i := range t.people {
		if !t.seated(i) && t.seat(i, make([]bool, len(t.stages))) {
			t.filled, t.agreed = a.Issued, t.shortest()
			return true
		}
	}
	return false
}

// seat finds a person a place, at a stage that was not tried yet: a free one if
// there is one, else one whose holder can move.
func (t *table) seat(person int, tried []bool) bool {
	for i, stage := range t.stages {
		if _, fits := t.people[person].fits(stage); fits && !tried[i] && len(t.places[i]) < stage.Count {
			t.places[i] = append(t.places[i], person)
			return true
		}
	}
	for i, stage := range t.stages {
		if _, fits := t.people[person].fits(stage); !fits || tried[i] {
			continue
		}
		tried[i] = true
		for k, holder := range t.places[i] {
			if t.seat(holder, tried) {
				t.places[i][k] = person
				return true
			}
		}
	}
	return false
}

func (t *table) seated(person int) bool {
	return slices.ContainsFunc(t.places, func(places []int) bool { return slices.Contains(places, person) })
}

// shortest is the shortest duration that anybody seated has agreed to.
func (t *table) shortest() time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for i, v := range t.people {
		for _, a := range v {
			if t.seated(i) {
				shortest = min(shortest, a.Duration)
			}
		}
	}
	return shortest
}

// given lists who fills stage i, in the order in which they approved.
func (t *table) given(i int) []Person {
	var people []Person
	for _, person := range slices.Sorted(slices.Values(t.places[i])) {
		a, _ := t.people[person].fits(t.stages[i])
		people = append(people, a.Approver)
	}
	return people
}

// results tells the state of each stage.
func (t *table) results() []StageResult {
	results := make([]StageResult, 0, len(t.stages))
	for i, stage := range t.stages {
		result := StageResult{Name: stage.Name, Groups: stage.Groups, Count: stage.Count, Given: []Subject{}}
		for _, p := range t.given(i) {
			result.Given = append(result.Given, p.Subject)
		}
		results = append(results, result)
	}
	return results
}

// reason says in words where stage i stands.
func (t *table) reason(i int) Reason {
	stage, given := t.stages[i], t.given(i)
	r := Reason{Rule: "stage:" + stage.Name, Met: len(given) == stage.Count}
	switch open := stage.Count - len(given); {
	case r.Met:
		var names []string
		for _, p := range given {
			names = append(names, p.called())
		}
		r.Text = fmt.Sprintf("%s approved, for %s.", list(names, "and"), list(stage.Groups, "or"))
	case len(given) > 0:
		r.Text = fmt.Sprintf("Needs %d more of %s.", open, list(stage.Groups, "or"))
	default:
		r.Text = fmt.Sprintf("Needs %d of %s.", open, list(stage.Groups, "or"))
	}
	return r
}

// count seats everybody whose approval counts, and tells of each other approval
// why it does not.
func (b *Bundle) count(role Role, f Facts) (*table, []Reason) {
	t := &table{stages: role.Approval, places: make([][]int, len(role.Approval))}
	reasons := []Reason{}
	for _, a := range inOrder(f.Approvals) {
		if why := b.dismiss(role, f, a); why != "" {
			reasons = append(reasons, Reason{Rule: "approval", Text: why})
			continue
		}
		person := slices.IndexFunc(t.people, func(v voter) bool {
			return slices.ContainsFunc(v, func(earlier Approval) bool { return b.Linked(earlier.Approver, a.Approver, f.Known) })
		})
		again := person >= 0
		if !again {
			person = len(t.people)
		}
		if filled := t.take(person, a); !filled && again {
			reasons = append(reasons, Reason{Rule: "approval", Text: a.Approver.called() + " already approved; each person counts once."})
		}
	}
	for i, v := range t.people {
		if !t.seated(i) {
			reasons = append(reasons, Reason{Rule: "approval", Met: true, Text: v[0].Approver.called() + " approved too; it was not needed."})
		}
	}
	return t, reasons
}

// inOrder sorts approvals by when they were given, so that it does not matter
// in which order they are told. Equal times are told apart by all the rest.
func inOrder(approvals []Approval) []Approval {
	return slices.SortedStableFunc(slices.Values(approvals), func(a, b Approval) int {
		return cmp.Or(
			a.Issued.Compare(b.Issued),
			cmp.Compare(a.Approver.Subject.String(), b.Approver.Subject.String()),
			cmp.Compare(a.Duration, b.Duration),
			cmp.Compare(a.Approver.Email, b.Approver.Email),
			cmp.Compare(a.Approver.Name, b.Approver.Name),
			slices.Compare(a.Approver.Groups, b.Approver.Groups),
		)
	})
}

// dismiss says why an approval cannot count at all, or nothing if it may.
func (b *Bundle) dismiss(role Role, f Facts, a Approval) string {
	name := a.Approver.called()
	switch {
	case a.Approver.Subject == f.Requester.Subject:
		return name + " asked for this, so " + name + " cannot approve it."
	case b.Linked(a.Approver, f.Requester, f.Known):
		return fmt.Sprintf("%s is the same person as %s, who asked for this, and cannot approve it.", a.Approver.Subject, f.Requester.Subject)
	case a.Duration > f.Ask.Duration:
		return fmt.Sprintf("%s agreed to %s, which is longer than the %s that was asked for, so it does not count.", name, FormatDuration(a.Duration), FormatDuration(f.Ask.Duration))
	case a.Duration <= 0:
		return name + " agreed to no time at all, so it does not count."
	case a.Issued.Before(f.Asked):
		return "The approval by " + name + " is older than what was asked for, so it does not count."
	case a.Issued.After(f.Now.Add(Skew)):
		return "The approval by " + name + " is dated in the future, so it does not count."
	case !slices.ContainsFunc(role.Approval, func(s Stage) bool { return a.Approver.inAny(s.Groups) }):
		return name + " is in no group that may approve " + role.Name + "."
	}
	return ""
}

// list joins names for a sentence: "a", "a or b", "a, b or c".
func list(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + last + " " + names[len(names)-1]
}
