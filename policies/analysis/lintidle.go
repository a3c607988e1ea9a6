package analysis

import (
	"slices"

	"stint/policies"
)

// unused finds what the policy defines and nothing in it uses.
func (l *linter) unused() {
	o := l.a.bundle.Organization()
	managers := o.Independence.DirectReports
	windows, facts := map[string]bool{}, map[string]bool{}
	for _, role := range l.a.bundle.Roles() {
		for _, name := range role.Windows {
			windows[name] = true
		}
		reads := l.a.bundle.Needs(role.Name).Asserted
		for _, name := range reads {
			facts[name] = true
		}
		for i, name := range role.Trust {
			if !slices.Contains(reads, name) {
				l.find(SeverityNote, "unused", kindRole, role.Name, at("trust", i), role.Name+" trusts "+name+", and no condition of it reads that.", "Take it out of `trust`.")
			}
		}
		managers = managers || slices.ContainsFunc(stagesOf(role), func(s policies.Stage) bool { return slices.Contains(s.Relations, policies.RelationManager) })
	}
	const remedy = "Use it or remove it."
	for _, c := range l.a.bundle.Calendars() {
		if !windows[c.Name] {
			l.find(SeverityNote, "unused", kindCalendar, c.Name, nil, "No role has the calendar "+c.Name+" among its windows.", remedy)
		}
	}
	for _, t := range l.a.bundle.Teams() {
		if !managers {
			l.find(SeverityNote, "unused", kindTeam, t.Name, nil, "Nothing asks who manages the team "+t.Name+": no stage has the relation manager, and direct reports may approve.", remedy)
		}
	}
	for i, f := range o.Facts {
		if !facts[f.Name] {
			l.find(SeverityNote, "unused", kindOrganization, "", at("facts", i), "No condition reads the fact "+f.Name+".", remedy)
		}
	}
	for i, inventory := range o.Inventories {
		if !slices.ContainsFunc(l.a.bundle.Roles(), func(r policies.Role) bool { return inventory.CouldBring(r.Targets) }) {
			l.find(SeverityNote, "unused", kindOrganization, "", at("inventories", i), "No role could select a target of the inventory "+inventory.Name+".", remedy)
		}
	}
}
