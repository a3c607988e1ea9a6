package policies

import "stint/policies/internal/condition"

// Possible tells whether a condition can be true and whether it can be false.
type Possible struct {
	True  bool
	False bool
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
// What cannot be told, or fails, is said to be possible both ways.
func (b *Bundle) Outlook(requester Person, ask Ask) Outlook {
	compiled := b.conditionsOf(ask.Role)
	if compiled == nil {
		return Outlook{}
	}
	facts := b.conditionFacts(Facts{Requester: requester, Ask: ask})
	could := func(conditions []*condition.Condition) []Possible {
		possible := make([]Possible, len(conditions))
		for i, c := range conditions {
			possible[i] = Possible{True: true}
			if c != nil {
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
