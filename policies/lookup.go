package policies

import (
	"cmp"
	"maps"
	"slices"
)

// Digest names the exact bytes of the bundle: "sha256:" and 64 hex digits over
// a label, then each file in the order of names, name and text each behind its
// length in 8 bytes.
func (b *Bundle) Digest() string { return b.digest }

// Files is the exact text of each file by its name. The map is the caller's.
func (b *Bundle) Files() map[string]string { return maps.Clone(b.files) }

// Organization is what is true for the whole installation.
func (b *Bundle) Organization() Organization { return b.organization }

// Quorum is how many different administrators must sign a change.
func (b *Bundle) Quorum() int { return b.organization.Quorum }

// Inventory finds a source of targets by its name.
func (b *Bundle) Inventory(name string) (Inventory, bool) {
	i := slices.IndexFunc(b.organization.Inventories, func(i Inventory) bool { return i.Name == name })
	if i < 0 {
		return Inventory{}, false
	}
	return b.organization.Inventories[i], true
}

// NeedsAttestation tells whether an enrolment that states these groups must prove
// on which make of authenticator its passkey lives.
func (b *Bundle) NeedsAttestation(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(b.organization.Attestation.Groups, g) })
}

// Roles lists every role by name.
func (b *Bundle) Roles() []Role { return slices.Clone(b.roles) }

// Role finds a role by its name.
func (b *Bundle) Role(name string) (Role, bool) {
	i, ok := slices.BinarySearchFunc(b.roles, name, func(r Role, name string) int { return cmp.Compare(r.Name, name) })
	if !ok {
		return Role{}, false
	}
	return b.roles[i], true
}

// Targets lists every target by name.
func (b *Bundle) Targets() []Target { return slices.Clone(b.targets) }

// Target finds a target by its name.
func (b *Bundle) Target(name string) (Target, bool) {
	i, ok := slices.BinarySearchFunc(b.targets, name, func(t Target, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return Target{}, false
	}
	return b.targets[i], true
}

// Separations lists every separation of duty by name.
func (b *Bundle) Separations() []Separation { return slices.Clone(b.separations) }

// Teams lists every team by name.
func (b *Bundle) Teams() []Team { return slices.Clone(b.teams) }

// Calendars lists every calendar by name.
func (b *Bundle) Calendars() []Calendar { return slices.Clone(b.calendars) }

// Calendar finds a calendar by its name.
func (b *Bundle) Calendar(name string) (Calendar, bool) {
	i, ok := slices.BinarySearchFunc(b.calendars, name, func(c Calendar, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return Calendar{}, false
	}
	return b.calendars[i], true
}

// TargetsOf lists the targets that a role selects, by name; none for a role
// that does not exist.
func (b *Bundle) TargetsOf(role string) []Target {
	r, ok := b.Role(role)
	if !ok {
		return nil
	}
	var selected []Target
	for _, t := range b.targets {
		if r.Targets.selects(t) {
			selected = append(selected, t)
		}
	}
	return selected
}

// ApproverGroups lists every group whose members some role asks to agree or to review an
// emergency, sorted: those of stages, also of restrictions and after an escalation, the
// managers' of teams and those that own targets, where a stage asks for them.
func (b *Bundle) ApproverGroups() []string {
	groups := map[string]bool{}
	add := func(more ...string) {
		for _, g := range more {
			groups[g] = true
		}
	}
	stage := func(role Role, s Stage) {
		add(s.Groups...)
		for _, e := range s.Escalate {
			add(e.Groups...)
		}
		if slices.Contains(s.Relations, RelationManager) {
			for _, t := range b.teams {
				add(t.Managers...)
			}
		}
		if slices.Contains(s.Relations, RelationOwner) {
			for _, t := range b.TargetsOf(role.Name) {
				if owner := t.Labels[OwnerLabel]; owner != "" {
					add(owner)
				}
			}
		}
	}
	for _, r := range b.roles {
		for _, s := range r.Approval {
			stage(r, s)
		}
		for _, restriction := range r.Restrict {
			for _, s := range restriction.Add {
				stage(r, s)
			}
		}
		if r.BreakGlass != nil {
			add(r.BreakGlass.Review.Groups...)
		}
	}
	return slices.Sorted(maps.Keys(groups))
}

// Groups lists every group that a rule names, sorted: those that ask, approve, review,
// administrate, manage, are managed or must prove their passkeys. That somebody is in
// another changes nothing, but for what a condition makes of it.
func (b *Bundle) Groups() []string {
	groups := append(b.ApproverGroups(), AdministratorsGroup)
	groups = append(groups, b.organization.Reviewers...)
	groups = append(groups, b.organization.Attestation.Groups...)
	for _, r := range b.roles {
		groups = append(append(groups, r.Requesters...), r.Recording.Reviewers...)
		if r.BreakGlass != nil {
			groups = append(groups, r.BreakGlass.Requesters...)
		}
	}
	for _, t := range b.teams {
		groups = append(append(groups, t.Members...), t.Managers...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
