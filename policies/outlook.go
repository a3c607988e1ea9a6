package policies

import "stint/policies/internal/condition"

// Possible tells what can become of a condition.
type Possible struct {
	True  bool
	False bool
	Fails bool // it has no answer, whatever else the request says
}

// Outlook tells of each condition of a role what is possible, in lists parallel to the
// role's own. A stage without a condition is always there.
type Outlook struct {
	Allow    []Possible
	Require  []Possible
	Restrict []Possible
	Stages   []Possible
}

// Outlook is what can become of the role's conditions in a request of which only the
// requester, the role, the target, the login and whether it is an emergency are known.
// Where that cannot be told, both answers are said to be possible.
func (b *Bundle) Outlook(requester Person, ask Ask) Outlook {
	compiled := b.conditionsOf(ask.Role)
	if compiled == nil {
		return Outlook{}
	}
	facts := b.conditionFacts(Facts{Requester: requester, Ask: ask})
	could := func(conditions []*condition.Condition) []Possible {
		possible := make([]Possible, len(conditions))
		for i, c := range conditions {
			switch {
			case c == nil:
				possible[i].True = true
			case c.Fails(facts):
				possible[i].Fails = true
			default:
				possible[i].True, possible[i].False = c.Could(facts)
			}
		}
		return possible
	}
	return Outlook{
		Allow: could(compiled.allow), Require: could(compiled.require),
		Restrict: could(compiled.restrict), Stages: could(compiled.stages),
	}
}

// CouldBring tells whether the inventory may bring targets that a selector selects, as far
// as that hangs on their labels.
func (i Inventory) CouldBring(s Selector) bool { return couldBring(i, s) }
