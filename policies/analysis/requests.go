package analysis

import (
	"slices"
	"strconv"
	"strings"

	"stint/policies"
)

// question is a role with all that is asked of the population about it.
type question struct {
	a           *Analysis
	role        policies.Role
	reads       reads
	teams       []policies.Team // those whose managers may fill one of the stages
	owner       bool            // owners may
	close       []policies.Team // those whose managers their members may not approve for
	separations []policies.Separation
	all         []policies.Target // that it selects
	awaited     bool              // they stand for what inventories may bring
	targets     []policies.Target // one for all that are alike to the role
	logins      []string          // likewise
}

// asker is one or more identities of whom it does not matter which one asks, but for who
// else they are.
type asker struct {
	identities []int
	groups     []string // of the first, by its ID token; they may differ in groups that do not matter
	wide       []string // of the first, with those of the person in the roster
	emergency  bool     // may act alone
}

// prospect is a request as far as the policy can look at it.
type prospect struct {
	asker     asker
	target    policies.Target
	login     string
	emergency bool
	outlook   policies.Outlook
}

// ask gathers what matters for a role.
func (a *Analysis) ask(role policies.Role) *question {
	q := &question{a: a, role: role, reads: readsOf(role)}
	for _, s := range stagesOf(role) {
		if slices.Contains(s.Relations, policies.RelationManager) {
			q.teams = a.bundle.Teams()
		}
		q.owner = q.owner || slices.Contains(s.Relations, policies.RelationOwner)
	}
	if a.bundle.Organization().Independence.DirectReports {
		q.close = a.bundle.Teams()
	}
	for _, s := range a.bundle.Separations() {
		if (s.Forbid == policies.ForbidEligible || s.Forbid == policies.ForbidObject) && slices.Contains(s.Roles, role.Name) {
			q.separations = append(q.separations, s)
		}
	}
	q.logins = role.Logins
	if !q.reads.login {
		q.logins = q.logins[:min(1, len(q.logins))]
	}
	seen := map[string]bool{}
	q.all = a.bundle.TargetsOf(role.Name)
	if len(q.all) == 0 {
		q.all, q.awaited = a.standIns(role), true
	}
	for _, t := range q.all {
		if key := q.targetKey(t); !seen[key] {
			seen[key] = true
			q.targets = append(q.targets, t)
		}
	}
	return q
}

// targetKey is the same for targets that are alike to the role.
func (q *question) targetKey(t policies.Target) string {
	keys := slices.Clone(q.reads.keys)
	if q.owner {
		keys = append(keys, policies.OwnerLabel)
	}
	for _, s := range q.separations {
		if s.Forbid == policies.ForbidObject {
			keys = append(keys, s.Labels...)
		}
	}
	if q.reads.labels {
		for key := range t.Labels {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var parts []string
	for _, key := range slices.Compact(keys) {
		if value, ok := t.Labels[key]; ok {
			parts = append(parts, key, value)
		}
	}
	if q.reads.name {
		parts = append(parts, t.Name)
	}
	return signature(parts)
}

// askers are those who are in a group that may ask, under one of the identities that
// belong to one of only; of anybody, where that is nil.
func (q *question) askers(only func(identity int) bool) []asker {
	var found []asker
	place, of, seen := map[string]int{}, map[int]string{}, map[int]bool{}
	people := q.a.population.People()
	for _, group := range q.role.Requesters {
		for _, i := range q.a.askers[group] {
			if seen[i] || only != nil && !only(i) {
				continue
			}
			seen[i] = true
			key, known := of[q.a.sets[i]]
			if !known || q.reads.identity {
				key = q.askerKey(people[i].Groups, q.a.wide[i])
				if q.reads.identity {
					key += strconv.Itoa(i)
				}
				of[q.a.sets[i]] = key
			}
			at, known := place[key]
			if !known {
				at = len(found)
				place[key] = at
				found = append(found, asker{groups: people[i].Groups, wide: q.a.wide[i], emergency: q.role.BreakGlass != nil && meets(q.role.BreakGlass.Requesters, people[i].Groups)})
			}
			found[at].identities = append(found[at].identities, i)
		}
	}
	return found
}

// askerKey is the same for groups that are alike to the role: those of an ID token, and
// those with the person's of the roster.
func (q *question) askerKey(groups, wide []string) string {
	if q.reads.groups {
		return signature(plainly(groups)) + "/" + signature(wide)
	}
	var key strings.Builder
	bit := func(is bool) {
		if is {
			key.WriteByte('1')
		} else {
			key.WriteByte('0')
		}
	}
	for _, group := range q.reads.members {
		bit(slices.Contains(groups, group))
	}
	for _, t := range q.teams {
		bit(meets(t.Members, groups))
	}
	for _, t := range q.close {
		bit(meets(t.Managers, wide))
	}
	bit(q.role.BreakGlass != nil && meets(q.role.BreakGlass.Requesters, groups))
	for _, s := range q.separations {
		if s.Forbid == policies.ForbidEligible {
			bit(q.a.eligible(s, q.role.Name, wide) != "")
			continue
		}
		for _, t := range q.targets {
			bit(owns(s, t, wide) != "")
		}
	}
	return key.String()
}

// prospects are the requests that no separation, requirement or restriction refuses for
// sure.
func (q *question) prospects(only func(identity int) bool, emergency bool) []prospect {
	var found []prospect
	for _, asker := range q.askers(only) {
		found = append(found, q.prospectsOf(asker, emergency)...)
	}
	return found
}

func (q *question) prospectsOf(asker asker, emergency bool) []prospect {
	if emergency && !asker.emergency {
		return nil
	}
	var found []prospect
	who := q.a.population.people[asker.identities[0]].Person
	for _, target := range q.targets {
		if q.kept(asker.wide, target) != "" {
			continue
		}
		for _, login := range q.logins {
			p := prospect{asker: asker, target: target, login: login, emergency: emergency, outlook: q.outlook(who, target, login, emergency)}
			if !p.refused(q.role) {
				found = append(found, p)
			}
		}
	}
	return found
}

// outlook is what can become of the conditions. Nobody knows what else those are who
// stand for a group, or for what an inventory may bring.
func (q *question) outlook(who policies.Person, target policies.Target, login string, emergency bool) policies.Outlook {
	outlook := q.a.bundle.Outlook(who, policies.Ask{Role: q.role.Name, Target: target.Name, Login: login, BreakGlass: emergency})
	anybody := q.a.abstract && (q.reads.identity || q.reads.groups || len(q.reads.members) > 0)
	anything := q.awaited && (q.reads.name || q.reads.labels || len(q.reads.keys) > 0)
	if !anybody && !anything {
		return outlook
	}
	for _, list := range [][]policies.Possible{outlook.Allow, outlook.Require, outlook.Restrict, outlook.Stages} {
		for i := range list {
			list[i] = policies.Possible{True: true, False: true}
		}
	}
	for i, stage := range q.role.Approval {
		if stage.When == "" {
			outlook.Stages[i].False = false
		}
	}
	return outlook
}

// refused tells whether a requirement cannot hold, or a restriction that refuses must. A
// restriction that has no answer refuses.
func (p prospect) refused(role policies.Role) bool {
	if slices.ContainsFunc(p.outlook.Require, func(c policies.Possible) bool { return !c.True }) {
		return true
	}
	for i, c := range p.outlook.Restrict {
		if c.Fails || !c.False && len(role.Restrict[i].Add) == 0 {
			return true
		}
	}
	return false
}

// kept is the separation that keeps somebody with such groups from a target, if any.
func (q *question) kept(groups []string, target policies.Target) string {
	for _, s := range q.separations {
		if s.Forbid == policies.ForbidEligible && q.a.eligible(s, q.role.Name, groups) != "" || s.Forbid == policies.ForbidObject && owns(s, target, groups) != "" {
			return s.Name
		}
	}
	return ""
}

// eligible is another role of the separation that somebody with such groups may ask for.
func (a *Analysis) eligible(s policies.Separation, role string, groups []string) string {
	for _, name := range s.Roles {
		if other, ok := a.bundle.Role(name); ok && name != role && meets(other.Requesters, groups) {
			return name
		}
	}
	return ""
}

// owns is the group that a label of the target names, of which somebody is a member.
func owns(s policies.Separation, target policies.Target, groups []string) string {
	for _, label := range s.Labels {
		if group, ok := target.Labels[label]; ok && slices.Contains(groups, group) {
			return group
		}
	}
	return ""
}
