package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// longestMemory is how far back any rule looks (366 days), and a day.
const longestMemory = 367 * 24 * time.Hour

// remember keeps who changed which roles, for as long as a rule may look at it.
func (b *Beliefs) remember(administrators []Assertion, before *policies.Bundle, at time.Time) {
	change := policies.PolicyChange{At: at}
	for _, a := range administrators {
		if holder, _, ok := b.roster.Holder(a.Credential, at); ok {
			change.By = append(change.By, holder.Person.Subject)
		}
	}
	switch {
	case before != nil && b.bundle != nil:
		change.Roles = policies.ChangedRoles(before, b.bundle)
	case b.bundle != nil: // nothing could be had before
		for _, role := range b.bundle.Roles() {
			change.Roles = append(change.Roles, role.Name)
		}
	}
	b.altered = slices.DeleteFunc(slices.Clone(b.altered), func(c policies.PolicyChange) bool { return at.Sub(c.At) > longestMemory })
	if len(change.Roles) > 0 {
		b.altered = append(b.altered, change)
	}
}
