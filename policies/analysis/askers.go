package analysis

import (
	"encoding/binary"
	"slices"

	"stint/policies"
)

// askers are those who are in a group that may ask, under one of the identities that
// belong to one of only; of anybody, where that is nil.
func (q *question) askers(only func(identity int) bool) []*asker {
	if only == nil && q.everybody != nil {
		return q.everybody
	}
	found := []*asker{}
	place, done := map[string]int{}, map[int]bool{}
	keys, looks := map[int]string{}, map[string]*outlooks{}
	for _, group := range q.role.Requesters {
		for _, i := range q.a.askers[group] {
			if done[i] || only != nil && !only(i) {
				continue
			}
			done[i] = true
			look := q.look(i, looks)
			key, known := keys[q.a.sets[i]]
			if !known || q.reads.identity && !q.a.abstract {
				key = q.askerKey(i, look)
				keys[q.a.sets[i]] = key
			}
			at, known := place[key]
			if !known {
				at = len(found)
				place[key] = at
				found = append(found, q.asker(i, look))
			}
			found[at].identities = append(found[at].identities, i)
		}
	}
	if only == nil {
		q.everybody = found
	}
	return found
}

// asker is somebody who stands for all that are alike.
func (q *question) asker(i int, look *outlooks) *asker {
	one := &asker{groups: q.a.population.people[i].Groups, wide: q.a.wide[i], outlooks: look}
	one.emergency = q.mayBreak(one.groups)
	for _, s := range q.separations {
		if s.Forbid == policies.ForbidEligible && q.a.eligible(s, q.role.Name, one.wide) != "" {
			one.kept = true
		}
	}
	one.owns = slices.ContainsFunc(one.wide, func(g string) bool { return q.labels[g] })
	return one
}

func (q *question) mayBreak(groups []string) bool {
	return q.role.BreakGlass != nil && meets(q.role.BreakGlass.Requesters, groups)
}

// look is how the conditions look for an identity, asked of the policy once for all that
// are alike to them.
func (q *question) look(i int, known map[string]*outlooks) *outlooks {
	var key []byte
	groups := q.a.population.people[i].Groups
	switch {
	case q.a.abstract: // what hangs on them is taken to suit
	case q.reads.identity:
		key = binary.AppendVarint(nil, int64(i))
	case q.reads.groups:
		key = []byte(signature(plainly(groups)))
	default:
		for _, group := range q.reads.members {
			key = append(key, bit(slices.Contains(groups, group)))
		}
	}
	if one, ok := known[string(key)]; ok {
		return one
	}
	one := &outlooks{}
	who := q.a.population.people[i].Person
	for emergency := range len(one) {
		if emergency == 1 && q.role.BreakGlass == nil {
			continue
		}
		for _, target := range q.looked {
			var logins []policies.Outlook
			for _, login := range q.logins {
				logins = append(logins, q.outlook(who, target, login, emergency == 1))
			}
			one[emergency] = append(one[emergency], logins)
		}
	}
	known[string(key)] = one
	return one
}

func bit(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// askerKey is the same for identities that are alike to the role.
func (q *question) askerKey(i int, look *outlooks) string {
	groups, wide := q.a.population.people[i].Groups, q.a.wide[i]
	var key []byte
	if len(q.teams) > 0 {
		key = append(key, q.a.member[i]...)
	}
	if len(q.close) > 0 {
		key = append(key, q.a.manages[i]...)
	}
	key = append(key, bit(q.mayBreak(groups)))
	for _, s := range q.separations {
		key = append(key, bit(s.Forbid == policies.ForbidEligible && q.a.eligible(s, q.role.Name, wide) != ""))
	}
	for _, scenes := range look {
		for _, logins := range scenes {
			for _, outlook := range logins {
				for _, list := range [][]policies.Possible{outlook.Allow, outlook.Require, outlook.Restrict, outlook.Stages} {
					for _, c := range list {
						key = append(key, bit(c.True)|bit(c.False)<<1|bit(c.Fails)<<2)
					}
				}
			}
		}
	}
	// The rest is of any length.
	for _, group := range wide {
		if q.labels[group] {
			key = append(key, signature([]string{group})...)
		}
	}
	return string(key)
}

// outlook is what can become of the conditions. Nobody knows what else those are who
// stand for a group, or for what an inventory may bring.
func (q *question) outlook(who policies.Person, target policies.Target, login string, emergency bool) policies.Outlook {
	outlook := q.a.bundle.Outlook(who, policies.Ask{Role: q.role.Name, Target: target.Name, Login: login, BreakGlass: emergency})
	anybody := q.a.abstract && (q.reads.identity || q.reads.groups || len(q.reads.members) > 0)
	anything := isStandIn(target) && (q.reads.name || q.reads.labels || len(q.reads.keys) > 0)
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
