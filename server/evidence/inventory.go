package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// fitting are inventories as far as a new policy lets them be. One that it names no
// longer, or with another key, holds nothing; a target that it does not admit, or
// whose name it takes, is gone. What an inventory said last keeps its number, so
// that none of it can be said again.
func fitting(policy *policies.Bundle, inventories []Inventory) []Inventory {
	fit := slices.Clone(inventories)
	for i := range fit {
		source, named := policy.Inventory(fit[i].Name)
		fit[i].Targets = slices.DeleteFunc(slices.Clone(fit[i].Targets), func(t policies.Target) bool {
			_, taken := policy.Target(t.Name)
			return !named || source.Key != fit[i].Key || source.Admits(t) != nil || taken
		})
	}
	return fit
}

// standing are inventories at a moment: one that has expired holds nothing.
func standing(inventories []Inventory, now time.Time) []Inventory {
	left := slices.Clone(inventories)
	for i := range left {
		if !now.Before(left[i].Expires) {
			left[i].Targets = nil
		}
	}
	return left
}

// taken tells whether a target has that name in the policy or in one of the
// inventories.
func taken(policy *policies.Bundle, inventories []Inventory, name string) bool {
	_, there := policy.Target(name)
	return there || slices.ContainsFunc(inventories, func(i Inventory) bool {
		return slices.ContainsFunc(i.Targets, func(t policies.Target) bool { return t.Name == name })
	})
}
