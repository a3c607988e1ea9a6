package analysis

import (
	"fmt"
	"maps"
	"slices"

	"stint/policies"
)

// everybody is enough people for whatever somebody could be: for every group that a policy
// names people who are in it alone, by the directory and by the roster, each with an attested
// passkey; and of those who may ask, one in each choice of groups that suits them (see
// combinations). More approvers, in more groups, would open no stage more.
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
			people = append(people, imagined(name, name, []string{group}, group))
		}
	}
	for _, role := range b.Roles() {
		for _, c := range (&Analysis{bundle: b, abstract: true}).ask(role).combinations() {
			people = append(people, c.person())
		}
	}
	return NewPopulation(people, nil)
}

// imagined is somebody in groups of the directory, with a passkey that speaks for others.
func imagined(subject, name string, groups []string, speaksFor ...string) Person {
	p := Person{Person: policies.Person{Subject: policies.Subject{Issuer: "https://nobody.invalid", Subject: subject}, Name: name, Groups: groups}}
	if len(speaksFor) > 0 {
		p.Passkeys = []Passkey{{Groups: speaksFor, Attested: true}}
	}
	return p
}

func memberName(i int, group string) string { return fmt.Sprintf("member %d of %s", i+1, group) }

// combination is somebody who asks, in several groups at once.
type combination struct {
	groups     []string // of the directory
	administer bool     // they are an administrator too, by the roster
}

func (c combination) person() Person {
	// Groups are named freely, so a list of them in words could be the name of another.
	subject, all := fmt.Sprintf("somebody in %q", c.groups), c.groups
	var speaksFor []string
	if c.administer {
		speaksFor = []string{policies.AdministratorsGroup}
		subject, all = subject+" who is an administrator", slices.Concat(all, speaksFor)
	}
	return imagined(subject, "somebody in "+few(all, len(all)), c.groups, speaksFor...)
}

// combinations are those in which somebody gets the role with as few others as anybody could.
//
// Being in a group helps who asks in four ways only: to be one of those who may ask, of those
// who may break the glass, a member of a team whose managers then approve, and an administrator
// who signs enrolments. One group is enough for each, and whatever else a group does stands in
// their way: a separation, or that their reports may not approve. So it takes every choice of
// one group for each way that is of use, and of groups that are alike in what stands in the
// way one will do; of those with nothing in the way, one instead of all.
func (q *question) combinations() []combination {
	seconds := []combination{{}, {administer: true}}
	if q.role.BreakGlass != nil {
		for _, group := range q.best(q.role.BreakGlass.Requesters) {
			seconds = append(seconds, combination{groups: []string{group}})
		}
	}
	var members []string
	for _, t := range q.teams {
		members = append(members, t.Members...)
	}
	members = plainly(members)
	var found []combination
	for _, first := range q.best(q.role.Requesters) {
		for _, second := range seconds {
			thirds := q.best(members)
			if q.manages(first) || slices.ContainsFunc(second.groups, q.manages) || second.administer && q.manages(policies.AdministratorsGroup) {
				thirds = q.unlike(members) // some teams' managers may report to them
			}
			for _, third := range append([]string{""}, thirds...) {
				c := combination{groups: append([]string{first}, second.groups...), administer: second.administer}
				if third != "" {
					c.groups = append(c.groups, third)
				}
				if c.groups = plainly(c.groups); len(c.groups) > 1 || c.administer {
					found = append(found, c)
				}
			}
		}
	}
	return found
}

// best is one of the groups that has nothing in the way of who asks, or where none has
// nothing, one of each that differ in it.
func (q *question) best(groups []string) []string {
	if i := slices.IndexFunc(groups, func(g string) bool { return q.burden(g) == "" }); i >= 0 {
		return groups[i : i+1 : i+1]
	}
	return q.unlike(groups)
}

// unlike is one of each of the groups that differ in what they mean to who asks.
func (q *question) unlike(groups []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool {
		key := q.burden(g) + "/"
		for _, t := range q.close {
			key += string('0' + bit(slices.Contains(t.Members, g)))
		}
		known := seen[key]
		seen[key] = true
		return known
	})
}

// burden is the same for groups that have the same in the way of who asks; empty for
// those that have nothing.
func (q *question) burden(group string) string {
	var parts []string
	for _, s := range q.separations {
		if s.Forbid == policies.ForbidEligible && q.a.eligible(s, q.role.Name, []string{group}) != "" {
			parts = append(parts, "separation", s.Name)
		}
	}
	if q.labels[group] {
		parts = append(parts, "label", group)
	}
	for _, t := range q.close {
		if slices.Contains(t.Managers, group) {
			parts = append(parts, "team", t.Name)
		}
	}
	return signature(parts)
}

// manages tells whether members of a group have reports, who may not approve for them.
func (q *question) manages(group string) bool {
	return slices.ContainsFunc(q.close, func(t policies.Team) bool { return slices.Contains(t.Managers, group) })
}

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
	for _, inventory := range b.Organization().Inventories {
		add(inventory.Labels[policies.OwnerLabel])
	}
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
