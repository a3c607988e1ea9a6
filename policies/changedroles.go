package policies

import (
	"reflect"
	"slices"
)

// ChangedRoles lists the roles whose rules differ between two policies, sorted: those
// that came, went or read differently, and those that use what does (a target, a
// separation, a team, a calendar, a part of the organization). A description is no rule.
func ChangedRoles(before, after *Bundle) []string {
	var changed []string
	for _, b := range []*Bundle{before, after} {
		for i := range b.roles {
			if name := b.roles[i].Name; !reflect.DeepEqual(before.rulesOf(name), after.rulesOf(name)) {
				changed = append(changed, name)
			}
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed)
}

// rules are all that Decide reads for a role, and what bounds its use.
type rules struct {
	Role        *Role
	Targets     []Target
	Inventories []Inventory
	Separations []Separation
	// Askers are the groups that may ask for the roles that are kept apart from this one
	// by who is eligible.
	Askers    [][]string
	Teams     []Team
	Calendars []Calendar
	// Of the organization.
	Aliases      [][]Subject
	Independence Independence
	Attestation  Attestation
	Makers       []TPMMaker
	Facts        []AssertedFact
}

// rulesOf gathers a role's rules; nil for a role that does not exist.
func (b *Bundle) rulesOf(role string) *rules {
	r, ok := b.Role(role)
	if !ok {
		return nil
	}
	r.Description = ""
	u := &rules{Role: &r, Targets: b.TargetsOf(role)}
	o := b.organization
	for _, inventory := range o.Inventories {
		if couldBring(inventory, r.Targets) {
			u.Inventories = append(u.Inventories, inventory)
		}
	}
	for _, s := range b.separations {
		if !slices.Contains(s.Roles, role) {
			continue
		}
		s.Description = ""
		u.Separations = append(u.Separations, s)
		for _, name := range s.Roles {
			if other, ok := b.Role(name); ok && s.Forbid == ForbidEligible {
				u.Askers = append(u.Askers, other.Requesters)
			}
		}
	}
	for _, name := range r.Windows {
		if c, ok := b.Calendar(name); ok {
			c.week = nil
			u.Calendars = append(u.Calendars, c)
		}
	}
	stages := r.everyStage()
	if len(stages) > 0 {
		u.Aliases, u.Independence = o.Aliases, o.Independence
	}
	if len(u.Separations) > 0 {
		u.Aliases = o.Aliases
	}
	if o.Independence.DirectReports && len(stages) > 0 ||
		slices.ContainsFunc(stages, func(s Stage) bool { return slices.Contains(s.Relations, RelationManager) }) {
		u.Teams = b.teams
	}
	if r.Passkey.Approvers == PasskeyAttested || r.Passkey.Requester == PasskeyAttested || r.BreakGlass != nil ||
		slices.ContainsFunc(stages, func(s Stage) bool { return b.NeedsAttestation(s.Groups) }) {
		u.Attestation = o.Attestation
	}
	if r.Device.Held == HeldTPM {
		u.Makers = o.TPMMakers
	}
	for _, name := range b.Needs(role).Asserted {
		for _, fact := range o.Facts {
			if fact.Name == name {
				fact.Description = ""
				u.Facts = append(u.Facts, fact)
			}
		}
	}
	return u
}

// couldBring tells whether an inventory may bring targets that a selector selects.
func couldBring(inventory Inventory, s Selector) bool {
	for key, value := range s.Labels {
		one := Selector{Labels: map[string]string{key: value}}
		if !slices.ContainsFunc(inventory.Labels[key], func(v string) bool {
			return one.selects(Target{Labels: map[string]string{key: v}})
		}) {
			return false
		}
	}
	return true
}

// everyStage lists the role's stages and those that its restrictions may add.
func (r Role) everyStage() []Stage {
	stages := slices.Clone(r.Approval)
	for _, restriction := range r.Restrict {
		stages = append(stages, restriction.Add...)
	}
	return stages
}
