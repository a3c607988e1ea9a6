package analysis

import (
	"maps"
	"slices"
	"strings"

	"stint/policies"
)

// standIns stand for the targets that inventories may bring to a role: one for each
// inventory, and for each owner that it may name.
func (a *Analysis) standIns(role policies.Role) []policies.Target {
	var targets []policies.Target
	for _, inventory := range a.bundle.Organization().Inventories {
		if !inventory.CouldBring(role.Targets) {
			continue
		}
		labels := map[string]string{}
		for key := range role.Targets.Labels {
			labels[key] = fitting(inventory, role.Targets, key)[0]
		}
		name := standIn + inventory.Name + ")"
		owners := fitting(inventory, role.Targets, policies.OwnerLabel)
		for _, owner := range owners {
			owned := maps.Clone(labels)
			owned[policies.OwnerLabel] = owner
			targets = append(targets, policies.Target{Name: name, Labels: owned})
		}
		if len(owners) == 0 {
			targets = append(targets, policies.Target{Name: name, Labels: labels})
		}
	}
	return targets
}

// standIn begins the names of stand-ins, and of no target.
const standIn = "(of the inventory "

func isStandIn(t policies.Target) bool { return strings.HasPrefix(t.Name, standIn) }

// fitting are the values of a label that an inventory may give and a selector takes.
func fitting(inventory policies.Inventory, s policies.Selector, key string) []string {
	pattern, asked := s.Labels[key]
	return slices.DeleteFunc(slices.Clone(inventory.Labels[key]), func(value string) bool {
		one := policies.Inventory{Labels: map[string][]string{key: {value}}}
		return asked && !one.CouldBring(policies.Selector{Labels: map[string]string{key: pattern}})
	})
}
