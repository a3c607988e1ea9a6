package analysis

import (
	"fmt"
	"maps"
	"slices"

	"stint/policies"
)

// everybody is enough people for every group that a policy names: each is in one group,
// by the directory and by the roster, and has an attested passkey.
func everybody(b *policies.Bundle) *Population {
	enough := b.Quorum()
	for _, role := range b.Roles() {
		seats := 0
		for _, stage := range stagesOf(role) {
			seats += stage.Count
		}
		enough = max(enough, seats+1)
	}
	var people []Person
	for _, group := range groupsOf(b) {
		for i := range enough {
			name := memberName(i, group)
			people = append(people, Person{
				Person: policies.Person{
					Subject: policies.Subject{Issuer: "https://nobody.invalid", Subject: name},
					Name:    name, Groups: []string{group},
				},
				Passkeys: []Passkey{{Groups: []string{group}, Attested: true}},
			})
		}
	}
	return NewPopulation(people, nil)
}

func memberName(i int, group string) string { return fmt.Sprintf("member %d of %s", i+1, group) }

// stagesOf lists the stages of a role, those that restrictions add too.
func stagesOf(role policies.Role) []policies.Stage {
	stages := slices.Clone(role.Approval)
	for _, r := range role.Restrict {
		stages = append(stages, r.Add...)
	}
	return stages
}

// groupsOf lists every group that a policy names, sorted.
func groupsOf(b *policies.Bundle) []string {
	groups := map[string]bool{policies.AdministratorsGroup: true}
	add := func(names []string) {
		for _, name := range names {
			groups[name] = true
		}
	}
	add(b.Organization().Reviewers)
	for _, team := range b.Teams() {
		add(team.Members)
		add(team.Managers)
	}
	for _, target := range b.Targets() {
		if owner, ok := target.Labels[policies.OwnerLabel]; ok {
			add([]string{owner})
		}
	}
	for _, role := range b.Roles() {
		add(role.Requesters)
		add(role.Recording.Reviewers)
		if role.BreakGlass != nil {
			add(role.BreakGlass.Requesters)
			add(role.BreakGlass.Review.Groups)
		}
		for _, stage := range stagesOf(role) {
			add(stage.Groups)
			for _, e := range stage.Escalate {
				add(e.Groups)
			}
		}
	}
	return slices.Sorted(maps.Keys(groups))
}
