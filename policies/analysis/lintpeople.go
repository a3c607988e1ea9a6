package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stint/policies"
)

// fewNames is how many names a sentence lists.
const fewNames = 5

// groups finds groups that the policy names and nobody is in.
func (l *linter) groups() {
	type use struct {
		kind, name string
		at         []any
	}
	asks, approves := map[string]use{}, map[string]use{}
	note := func(uses map[string]use, groups []string, kind, name string, where ...any) {
		for i, g := range groups {
			if _, known := uses[g]; !known {
				uses[g] = use{kind, name, append(slices.Clone(where), i)}
			}
		}
	}
	stages := func(role policies.Role, list []policies.Stage, where ...any) {
		for i, s := range list {
			here := append(slices.Clone(where), i)
			note(approves, s.Groups, kindRole, role.Name, append(slices.Clone(here), "groups")...)
			for k, e := range s.Escalate {
				note(approves, e.Groups, kindRole, role.Name, append(slices.Clone(here), "escalate", k, "groups")...)
			}
		}
	}
	for _, role := range l.a.bundle.Roles() {
		note(asks, role.Requesters, kindRole, role.Name, "requesters")
		stages(role, role.Approval, "approval")
		for i, r := range role.Restrict {
			stages(role, r.Add, "restrict", i, "add")
		}
		if role.BreakGlass != nil {
			note(asks, role.BreakGlass.Requesters, kindRole, role.Name, "breakGlass", "requesters")
			note(approves, role.BreakGlass.Review.Groups, kindRole, role.Name, "breakGlass", "review", "groups")
		}
	}
	for _, team := range l.a.bundle.Teams() {
		note(asks, team.Members, kindTeam, team.Name, "members")
		note(approves, team.Managers, kindTeam, team.Name, "managers")
	}
	for _, g := range slices.Sorted(maps.Keys(asks)) {
		if u := asks[g]; len(l.a.askers[g]) == 0 && len(l.a.voters[g]) == 0 {
			l.find(SeverityNote, "empty-group", u.kind, u.name, u.at, "Nobody is in "+g+".", "Correct the name, or put people into the group.")
		}
	}
	for _, g := range slices.Sorted(maps.Keys(approves)) {
		u := approves[g]
		if len(l.a.voters[g]) > 0 {
			continue
		}
		text := "No passkey speaks for " + g + ", so nobody approves as a member of it."
		if n := len(l.a.askers[g]); n > 0 {
			text += fmt.Sprintf(" By the directory, %d %s in it.", n, is(n))
		}
		l.find(SeverityNote, "empty-group", u.kind, u.name, u.at, text, "Enrol passkeys for it, or correct the name.")
	}
}

func is(n int) string {
	if n == 1 {
		return "identity is"
	}
	return "identities are"
}

// unseenReports names approvers whom only the directory has in a team: as reports of its
// managers the signer does not know them, since it knows approvers by its roster.
func (l *linter) unseenReports() {
	if !l.a.bundle.Organization().Independence.DirectReports {
		return
	}
	for _, team := range l.a.bundle.Teams() {
		names := map[string]bool{}
		for _, g := range team.Members {
			for _, i := range l.a.askers[g] {
				one := l.a.someone[l.a.whose(i)]
				approves := slices.ContainsFunc(one.passkeys, func(k Passkey) bool { return len(k.Groups) > 0 })
				if approves && !slices.ContainsFunc(team.Members, func(g string) bool { return slices.Contains(one.roster, g) }) {
					names[l.a.population.people[i].Called()] = true
				}
			}
		}
		if len(names) > 0 {
			l.find(SeverityWarning, "unseen-report", kindTeam, team.Name, at("members"),
				fmt.Sprintf("Only the directory has %s in the team %s; the signer, which knows approvers by its roster, lets them approve what their managers ask for.", few(slices.Sorted(maps.Keys(names)), fewNames), team.Name),
				"Enrol them as members of it in the roster too.")
		}
	}
}

// violations names those whom a separation shuts out because they are in the groups for
// two of its roles: they get none of these.
func (l *linter) violations() {
	for _, s := range l.a.bundle.Separations() {
		if s.Forbid != policies.ForbidEligible {
			continue
		}
		var names []string
		for _, one := range l.a.someone {
			if c, concerned := l.a.concern(s, one); concerned && c.Violated {
				names = append(names, l.a.population.people[one.identities[0]].Called())
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			l.find(SeverityWarning, "separation-violated", kindSeparation, s.Name, nil,
				fmt.Sprintf("%s could ask for more than one of %s, which %s keeps apart; so they can have none of them.", few(names, fewNames), strings.Join(s.Roles, ", "), s.Name),
				"Take them out of the groups of all but one.")
		}
	}
}

// chains finds delegates who delegate on: what somebody approves on behalf of another
// cannot be handed on.
func (l *linter) chains() {
	for _, d := range l.a.delegated {
		for _, e := range l.a.delegated {
			if e.from != d.to || e.to == d.from {
				continue
			}
			if shared := slices.DeleteFunc(slices.Clone(d.groups), func(g string) bool { return !slices.Contains(e.groups, g) }); len(shared) > 0 {
				l.find(SeverityNote, "delegation-chain", "", "", nil,
					fmt.Sprintf("%s delegates %s to %s, who delegates it to %s: the last acts for %s only.", l.a.identity(d.identity).Called(), few(shared, fewNames),
						l.a.identity(d.by).Called(), l.a.identity(e.by).Called(), l.a.identity(d.by).Called()),
					"Delegate to the last of them directly.")
			}
		}
	}
}
