package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stint/policies"
)

func byName(name string, s policies.Subject, other string, t policies.Subject) int {
	return cmp.Or(strings.Compare(name, other), strings.Compare(s.String(), t.String()))
}

// WhatCan says what somebody can do, under each of their identities. It is empty for an
// identity that there is not.
func (a *Analysis) WhatCan(person policies.Subject) PersonAnswer {
	answer := PersonAnswer{Identities: []policies.Subject{}, Ask: []Reach{}, Approve: []Approves{}, Separations: []Concern{}}
	number, ok := a.number[person]
	if !ok {
		return answer
	}
	one := a.someone[number]
	answer.Name = a.identity(person).Called()
	for _, i := range one.identities {
		answer.Identities = append(answer.Identities, a.population.people[i].Subject)
	}
	for _, role := range a.bundle.Roles() {
		q := a.ask(role)
		if reach, ok := q.reach(number); ok {
			answer.Ask = append(answer.Ask, reach)
		}
		for _, stage := range stagesOf(role) {
			if why := q.mayFill(number, stage); len(why) > 0 {
				answer.Approve = append(answer.Approve, Approves{Role: role.Name, Stage: stage.Name, Why: why})
			}
		}
	}
	for _, s := range a.bundle.Separations() {
		if c, ok := a.concern(s, one); ok {
			answer.Separations = append(answer.Separations, c)
		}
	}
	return answer
}

// reach is what somebody may ask for of a role, if anything.
func (q *question) reach(person int) (Reach, bool) {
	r := Reach{Role: q.role.Name, Why: []Why{}, Targets: []string{}, Logins: q.role.Logins}
	themselves := func(i int) bool { return q.a.whose(i) == person }
	groups := map[string]bool{}
	for _, i := range q.a.someone[person].identities {
		for _, g := range q.role.Requesters {
			if slices.Contains(q.a.population.people[i].Groups, g) && !groups[g] {
				groups[g] = true
				r.Why = append(r.Why, Why{By: ByGroup, Group: g, Text: "in " + g})
			}
		}
	}
	if len(groups) == 0 {
		return r, false
	}
	open, emergency := q.sights(themselves, false), q.sights(themselves, true)
	reached := map[string]bool{}
	for _, s := range slices.Concat(open, emergency) {
		for p := range s.all(q) {
			reached[q.targetKey(p.target)] = true
			r.BreakGlass = r.BreakGlass || s.emergency
		}
	}
	for _, t := range q.all {
		if reached[q.targetKey(t)] {
			r.Targets = append(r.Targets, t.Name)
		}
	}
	for _, w := range append(q.asked(open, nil), q.asked(emergency, nil)...) {
		if r.People == 0 || w.People < r.People {
			r.People = w.People
		}
	}
	return r, true
}

// mayFill says why somebody may fill a stage for somebody, somewhere.
func (q *question) mayFill(person int, stage policies.Stage) []Why {
	var why []Why
	attested := q.role.Passkey.Approvers == policies.PasskeyAttested
	doors := q.everyDoor(stage)
	for _, i := range q.a.someone[person].identities {
		for _, d := range doors {
			if q.a.population.people[i].speaksFor(d.group, attested) {
				why = append(why, d.why())
			}
		}
	}
	for _, d := range q.a.delegated {
		if d.to != person || attested && !d.attested {
			continue
		}
		if through, ok := opened(doors, d.groups); ok {
			w, from := through.why(), d.identity
			w.By, w.For, w.Text = ByDelegation, &from, "on behalf of "+q.a.identity(from).Called()+", "+w.Text
			why = append(why, w)
		}
	}
	return why
}

// concern is a separation as it touches somebody, if it does: they may ask for one of its
// roles at least, and something of it stands in their way, or could.
func (a *Analysis) concern(s policies.Separation, one someone) (Concern, bool) {
	c := Concern{Separation: s.Name, Forbid: s.Forbid, Roles: []string{}}
	wide := a.wide[one.identities[0]]
	for _, i := range one.identities {
		wide = plainly(slices.Concat(wide, a.wide[i]))
	}
	for _, name := range s.Roles {
		if role, ok := a.bundle.Role(name); ok && meets(role.Requesters, wide) {
			c.Roles = append(c.Roles, name)
		}
	}
	both := strings.Join(c.Roles, " and ")
	switch s.Forbid {
	case policies.ForbidEligible:
		c.Violated = len(c.Roles) > 1
		c.Text = "nobody may be able to ask for both " + both + "; so they get none of them"
	case policies.ForbidHeld:
		c.Text = "they may not hold " + both + " at once"
	case policies.ForbidHistory:
		c.Text = fmt.Sprintf("they may not have one of %s within %d days of another", both, s.Days)
	case policies.ForbidObject:
		var targets []string
		for _, name := range c.Roles {
			for _, t := range a.bundle.TargetsOf(name) {
				if owns(s, t, wide) != "" && !slices.Contains(targets, t.Name) {
					targets = append(targets, t.Name)
				}
			}
		}
		c.Text = fmt.Sprintf("they may not have %s on %s, which is their own", both, few(targets, 5))
		return c, len(targets) > 0
	}
	return c, len(c.Roles) > 1
}

// few names a few of many: "a, b and 3 more".
func few(names []string, most int) string {
	if over := len(names) - most; over > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), over)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
