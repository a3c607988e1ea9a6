package analysis

import (
	"fmt"
	"slices"

	"stint/policies"
)

// WhoCan says who may ask for a role, approve, act in an emergency and review. It is
// empty for a role that there is not. Without a population, one member stands for each
// group.
func (a *Analysis) WhoCan(role string) RoleAnswer {
	answer := RoleAnswer{Role: role, Ask: []Who{}, Excluded: []Excluded{}, Stages: []StageAnswer{}, BreakGlass: []Who{}, Review: []Who{}, Replay: []Who{}}
	r, ok := a.bundle.Role(role)
	if !ok {
		return answer
	}
	q := a.ask(r)
	q.whoAsks(&answer)
	for _, stage := range r.Approval {
		s := q.whoApproves(stage)
		for _, allowance := range r.Allow {
			if slices.Contains(allowance.Without, stage.Name) {
				s.Spared = append(s.Spared, allowance.Name)
			}
		}
		answer.Stages = append(answer.Stages, s)
	}
	for _, restriction := range r.Restrict {
		for _, stage := range restriction.Add {
			s := q.whoApproves(stage)
			s.Added = restriction.Name
			answer.Stages = append(answer.Stages, s)
		}
	}
	if r.BreakGlass != nil {
		answer.Review = a.behind(doorsTo(r.BreakGlass.Review.Groups), false)
	}
	answer.Replay = a.inDirectory(a.replayers(r))
	return answer
}

// replayers are the groups that may replay the sessions of a role.
func (a *Analysis) replayers(role policies.Role) []string {
	if len(role.Recording.Reviewers) > 0 {
		return role.Recording.Reviewers
	}
	return a.bundle.Organization().Reviewers
}

func doorsTo(groups []string) []door {
	var doors []door
	for _, g := range groups {
		doors = append(doors, door{group: g, by: ByGroup})
	}
	return doors
}

// whoAsks sorts those in the groups that may ask into those who may and those who are
// kept out.
func (q *question) whoAsks(answer *RoleAnswer) {
	for _, asker := range q.askers(nil) {
		open, emergency := q.open(asker, false), q.open(asker, true)
		for _, i := range asker.identities {
			if q.a.stoodFor(i) {
				continue
			}
			who := q.a.who(i)
			for _, g := range q.role.Requesters {
				if slices.Contains(q.a.population.people[i].Groups, g) {
					who.Why = append(who.Why, Why{By: ByGroup, Group: g, Text: "in " + g})
				}
			}
			if open {
				answer.Ask = append(answer.Ask, who)
			}
			if emergency {
				answer.BreakGlass = append(answer.BreakGlass, who)
			}
			answer.Excluded = append(answer.Excluded, q.exclusions(i, open || emergency)...)
		}
	}
	sortWho(answer.Ask)
	sortWho(answer.BreakGlass)
	slices.SortStableFunc(answer.Excluded, func(x, y Excluded) int { return byName(x.Name, x.Subject, y.Name, y.Subject) })
}

// open tells whether somebody can ask for the role at all.
func (q *question) open(one *asker, emergency bool) bool {
	if one.kept || emergency && !one.emergency {
		return false
	}
	for i, target := range q.targets {
		if one.owns && q.keptFrom(one.wide, target) {
			continue
		}
		if slices.ContainsFunc(one.outlooks[bit(emergency)][q.scenes[i]], func(o policies.Outlook) bool { return !refused(q.role, o) }) {
			return true
		}
	}
	return false
}

// exclusions says what keeps an identity out, from all or from some targets.
func (q *question) exclusions(i int, open bool) []Excluded {
	p := q.a.population.people[i]
	out := Excluded{Subject: p.Subject, Name: q.a.who(i).Name}
	var all []Excluded
	for _, s := range q.separations {
		x := out
		x.Separation = s.Name
		if s.Forbid == policies.ForbidEligible {
			if other := q.a.eligible(s, q.role.Name, q.a.wide[i]); other != "" {
				x.Text = fmt.Sprintf("may ask for %s too, and nobody may be able to ask for both", other)
				all = append(all, x)
			}
			continue
		}
		for _, t := range q.all {
			if group := owns(s, t, q.a.wide[i]); group != "" {
				x.Targets = append(x.Targets, t.Name)
				x.Text = fmt.Sprintf("is in %s, whose own targets these are", group)
			}
		}
		if len(x.Targets) > 0 {
			all = append(all, x)
		}
	}
	if len(all) == 0 && !open {
		out.Text = "a requirement cannot hold for them, or a restriction refuses them, on every target"
		if len(q.targets) == 0 {
			out.Text = "the role selects no target"
		}
		all = append(all, out)
	}
	return all
}

// whoApproves lists who may fill a stage for somebody, somewhere.
func (q *question) whoApproves(stage policies.Stage) StageAnswer {
	return StageAnswer{
		Name: stage.Name, Count: stage.Count, When: stage.When, After: stage.After,
		Approvers: q.a.behind(q.everyDoor(stage), q.role.Passkey.Approvers == policies.PasskeyAttested),
	}
}

// everyDoor are the groups that lead to a stage for anybody who may ask, on any target of
// the role.
func (q *question) everyDoor(stage policies.Stage) []door {
	doors := doorsTo(stage.Groups)
	if slices.Contains(stage.Relations, policies.RelationManager) {
		for _, t := range q.teams {
			for _, g := range t.Managers {
				doors = append(doors, door{group: g, by: ByManager, team: t.Name})
			}
		}
	}
	if slices.Contains(stage.Relations, policies.RelationOwner) {
		var owners []string
		for _, t := range q.targets {
			if owner, ok := t.Labels[policies.OwnerLabel]; ok {
				owners = append(owners, owner)
			}
		}
		for _, g := range plainly(owners) {
			doors = append(doors, door{group: g, by: ByOwner})
		}
	}
	for _, e := range stage.Escalate {
		for _, g := range e.Groups {
			doors = append(doors, door{group: g, by: ByEscalation, after: e.After})
		}
	}
	return doors
}

// behind lists the identities with a passkey that opens one of the doors, and those that
// may open one on behalf of another.
func (a *Analysis) behind(doors []door, attested bool) []Who {
	at := map[int]int{}
	found := []Who{}
	note := func(i int, why Why) {
		if a.stoodFor(i) {
			return
		}
		if _, known := at[i]; !known {
			at[i] = len(found)
			found = append(found, a.who(i))
		}
		found[at[i]].Why = append(found[at[i]].Why, why)
	}
	for _, d := range doors {
		for _, person := range a.voters[d.group] {
			for _, i := range a.someone[person].identities {
				if a.population.people[i].speaksFor(d.group, attested) {
					note(i, d.why())
				}
			}
		}
		for _, one := range a.delegated {
			if slices.Contains(one.groups, d.group) && (one.attested || !attested) {
				why := d.why()
				from := one.identity
				why.By, why.For = ByDelegation, &from
				why.Text = "on behalf of " + a.identity(from).Called() + ", " + why.Text
				note(a.population.subjects[one.by], why)
			}
		}
	}
	sortWho(found)
	return found
}

// speaksFor tells whether one of a person's passkeys speaks for a group.
func (p Person) speaksFor(group string, attested bool) bool {
	return slices.ContainsFunc(p.Passkeys, func(k Passkey) bool {
		return (k.Attested || !attested) && slices.Contains(k.Groups, group)
	})
}

// why is a door as a ground.
func (d door) why() Why {
	w := Why{By: d.by, Group: d.group, Team: d.team, After: d.after, Text: "in " + d.group}
	switch d.by {
	case ByManager:
		w.Text += ", which manages the team " + d.team
	case ByOwner:
		w.Text += ", for what it owns"
	case ByEscalation:
		w.Text += ", once it has waited " + policies.FormatDuration(d.after)
	}
	return w
}

// inDirectory lists the identities in one of the groups by their ID token.
func (a *Analysis) inDirectory(groups []string) []Who {
	at := map[int]int{}
	found := []Who{}
	for _, g := range groups {
		for _, i := range a.askers[g] {
			if a.stoodFor(i) {
				continue
			}
			if _, known := at[i]; !known {
				at[i] = len(found)
				found = append(found, a.who(i))
			}
			found[at[i]].Why = append(found[at[i]].Why, Why{By: ByGroup, Group: g, Text: "in " + g})
		}
	}
	sortWho(found)
	return found
}

func (a *Analysis) who(identity int) Who {
	p := a.population.people[identity]
	w := Who{Subject: p.Subject, Name: p.Called(), Why: []Why{}}
	if a.abstract {
		w.Name = "everybody in " + p.Groups[0]
	}
	return w
}

// stoodFor tells whether another stands for this one in a list: where there is no
// population, the first member of a group does for all.
func (a *Analysis) stoodFor(identity int) bool {
	if !a.abstract {
		return false
	}
	p := a.population.people[identity]
	return p.Name != memberName(0, p.Groups[0])
}

func sortWho(list []Who) {
	slices.SortStableFunc(list, func(v, w Who) int { return byName(v.Name, v.Subject, w.Name, w.Subject) })
}
