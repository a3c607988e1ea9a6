package policies

import (
	"stint/policies/internal/condition"
)

// conditions are a role's conditions in their compiled form, each list parallel to the
// role's own.
type conditions struct {
	allow, require, restrict []*condition.Condition
	stages                   []*condition.Condition // of Approval; nil where a stage has no When
}

// conditionsOf finds the compiled conditions of a role.
func (b *Bundle) conditionsOf(role string) *conditions { return b.conditions[role] }

// holds evaluates a condition. An error means that it has no answer for these facts.
func (b *Bundle) holds(c *condition.Condition, in condition.Facts) (bool, error) { return c.Holds(in) }

// conditionFacts are the facts that conditions see.
func (b *Bundle) conditionFacts(f Facts) condition.Facts { return condition.Facts{} }

// checkConditions reports each fault of a role's conditions where it stands.
func (l *loader) checkConditions(d document) {}
