package analysis

import (
	"maps"
	"slices"

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
	all         []policies.Target // that it selects, or those that stand for what inventories may bring
	targets     []policies.Target // one for all that are alike to the role
	logins      []string          // likewise
	scenes      []int             // of each of targets, which of looked it looks like to the conditions
	looked      []policies.Target // one for all that are alike to the conditions
	labels      map[string]bool   // groups that separations may keep from a target
	everybody   []*asker          // all who may ask, once they were looked for
}

// asker is one or more identities of whom it does not matter which one asks, but for who
// else they are.
type asker struct {
	identities []int
	groups     []string // of the first, by its ID token; they may differ in groups that do not matter
	wide       []string // of the first, with those of the person in the roster
	emergency  bool     // may act alone
	kept       bool     // a separation keeps them out
	owns       bool     // a separation may keep them from some targets
	outlooks   *outlooks
}

// outlooks are those of an asker's requests, by what their conditions see: whether it is an
// emergency, the target and the login.
type outlooks [2][][]policies.Outlook

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
	awaited := a.standIns(role)
	if q.all = a.bundle.TargetsOf(role.Name); len(q.all) == 0 {
		q.all = awaited
	}
	q.sort(awaited)
	return q
}

// sort finds which targets are alike, among those that there are and those that are awaited:
// what an inventory brings tomorrow may be had by fewer people.
func (q *question) sort(awaited []policies.Target) {
	q.labels = map[string]bool{}
	seen, scenes := map[string]bool{}, map[string]int{}
	for _, t := range slices.Concat(q.all, awaited) {
		key := q.targetKey(t)
		if seen[key] {
			continue
		}
		seen[key] = true
		scene := signature(q.seen(t))
		if _, known := scenes[scene]; !known {
			scenes[scene] = len(q.looked)
			q.looked = append(q.looked, t)
		}
		q.targets, q.scenes = append(q.targets, t), append(q.scenes, scenes[scene])
		for _, s := range q.separations {
			for _, label := range s.Labels {
				q.labels[t.Labels[label]] = true
			}
		}
	}
}

// targetKey is the same for targets that are alike to the role.
func (q *question) targetKey(t policies.Target) string {
	var keys []string
	if q.owner {
		keys = append(keys, policies.OwnerLabel)
	}
	for _, s := range q.separations {
		keys = append(keys, s.Labels...)
	}
	return signature(q.seen(t)) + "/" + signature(labelled(t, keys))
}

// seen is what the conditions of the role look at of a target.
func (q *question) seen(t policies.Target) []string {
	keys := slices.Clone(q.reads.keys)
	if q.reads.labels {
		keys = slices.AppendSeq(keys, maps.Keys(t.Labels))
	}
	parts := labelled(t, keys)
	if q.reads.name || isStandIn(t) {
		parts = append(parts, t.Name)
	}
	return parts
}

// labelled lists some labels of a target.
func labelled(t policies.Target, keys []string) []string {
	var parts []string
	for _, key := range plainly(keys) {
		if value, ok := t.Labels[key]; ok {
			parts = append(parts, key, value)
		}
	}
	return parts
}

// keptFrom tells whether a separation keeps somebody with such groups from a target.
func (q *question) keptFrom(groups []string, target policies.Target) bool {
	return slices.ContainsFunc(q.separations, func(s policies.Separation) bool {
		return s.Forbid == policies.ForbidObject && owns(s, target, groups) != ""
	})
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
