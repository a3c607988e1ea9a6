package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// cheaper finds roles that reach the same login of the same target as another by fewer
// people.
func (l *linter) cheaper() {
	reach := map[string]map[string]bool{} // role -> login@target
	roles := map[string][]string{}        // login@target -> roles
	for name, q := range l.questions {
		reach[name] = map[string]bool{}
		for _, t := range l.a.bundle.TargetsOf(name) {
			for _, login := range q.role.Logins {
				spot := login + "@" + t.Name
				reach[name][spot] = true
				roles[spot] = append(roles[spot], name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reach)) {
		beside := map[string]bool{}
		for spot := range reach[name] {
			for _, other := range roles[spot] {
				beside[other] = true
			}
		}
		for _, other := range slices.Sorted(maps.Keys(beside)) {
			if other == name || !l.mayBeCheaper(other, name) {
				continue
			}
			shared := slices.DeleteFunc(slices.Sorted(maps.Keys(reach[name])), func(spot string) bool { return !reach[other][spot] })
			mine, theirs := l.questions[name].fewestAt(shared), l.questions[other].fewestAt(shared)
			if mine > 0 && theirs > 0 && theirs < mine {
				l.find(SeverityWarning, "cheaper-way", kindRole, other, at("approval"),
					fmt.Sprintf("%s gives %s to %d %s, and %s asks for %d.", other, few(shared, fewNames), theirs, people(theirs), name, mine),
					"Ask for as many in both, or let "+other+" reach other targets or logins.")
			}
		}
	}
}

// fewestAt is how few people together get a role by asking, for one of some login@target;
// zero where nobody can.
func (q *question) fewestAt(spots []string) int {
	key := func(login, target string) string {
		if !q.reads.login {
			login = ""
		}
		return login + "@" + target
	}
	wanted := map[string]bool{}
	for _, spot := range spots {
		login, name, _ := strings.Cut(spot, "@")
		if target, ok := q.a.bundle.Target(name); ok {
			wanted[key(login, q.targetKey(target))] = true
		}
	}
	ways := q.asked(q.sights(nil, false), func(p prospect) bool { return wanted[key(p.login, q.targetKey(p.target))] })
	if len(ways) == 0 {
		return 0
	}
	return slices.MinFunc(ways, func(v, w Way) int { return cmp.Compare(v.People, w.People) }).People
}

// mayBeCheaper tells whether it is worth to look: a role that takes more people than
// another ever asks for is not cheaper, nor is one that nobody may ask for who may ask for
// the other.
func (l *linter) mayBeCheaper(role, than string) bool {
	if !l.sameAskers(role, than) {
		return false
	}
	most := 1
	for _, s := range stagesOf(l.questions[than].role) {
		most += s.Count
	}
	for _, w := range l.results[role].Ways {
		if (w.Way == WayAsk || w.Way == WayAllow) && w.People < most {
			return true
		}
	}
	return false
}

// sameAskers tells whether somebody may ask for both roles. Without people that is sure only
// of those in a group that may: others who are imagined in the groups for both would make a
// finding of every two roles for the same.
func (l *linter) sameAskers(role, other string) bool {
	if l.a.abstract {
		return meets(l.questions[role].role.Requesters, l.questions[other].role.Requesters)
	}
	first := map[int]bool{}
	for _, g := range l.questions[role].role.Requesters {
		for _, i := range l.a.askers[g] {
			first[l.a.whose(i)] = true
		}
	}
	return slices.ContainsFunc(l.questions[other].role.Requesters, func(g string) bool {
		return slices.ContainsFunc(l.a.askers[g], func(i int) bool { return first[l.a.whose(i)] })
	})
}
