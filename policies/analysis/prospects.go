package analysis

import (
	"iter"
	"slices"

	"stint/policies"
)

// prospect is a request as far as the policy can look at it.
type prospect struct {
	*sight
	asker  *asker
	target policies.Target
}

// sight is what all requests have in common that are alike to the conditions.
type sight struct {
	askers    []*asker
	targets   []policies.Target
	login     string
	emergency bool
	outlook   policies.Outlook
}

// sights are all requests, of those whom only admits, or of anybody where that is nil,
// that no requirement or restriction refuses for sure.
func (q *question) sights(only func(identity int) bool, emergency bool) []*sight {
	var looks []*outlooks
	alike := map[*outlooks][]*asker{}
	for _, asker := range q.askers(only) {
		if asker.kept || emergency && !asker.emergency {
			continue
		}
		if alike[asker.outlooks] == nil {
			looks = append(looks, asker.outlooks)
		}
		alike[asker.outlooks] = append(alike[asker.outlooks], asker)
	}
	targets := make([][]policies.Target, len(q.looked))
	for i, t := range q.targets {
		targets[q.scenes[i]] = append(targets[q.scenes[i]], t)
	}
	var found []*sight
	for _, look := range looks {
		for scene, logins := range look[bit(emergency)] {
			for i, outlook := range logins {
				if !refused(q.role, outlook) {
					found = append(found, &sight{alike[look], targets[scene], q.logins[i], emergency, outlook})
				}
			}
		}
	}
	return found
}

// all goes through the requests of a sight that no separation refuses.
func (s *sight) all(q *question) iter.Seq[prospect] {
	return func(yield func(prospect) bool) {
		for _, asker := range s.askers {
			for _, target := range s.targets {
				if asker.owns && q.keptFrom(asker.wide, target) {
					continue
				}
				if !yield(prospect{s, asker, target}) {
					return
				}
			}
		}
	}
}

// refused tells whether a requirement cannot hold, or a restriction that refuses must. A
// restriction that has no answer refuses.
func refused(role policies.Role, outlook policies.Outlook) bool {
	if slices.ContainsFunc(outlook.Require, func(c policies.Possible) bool { return !c.True }) {
		return true
	}
	for i, c := range outlook.Restrict {
		if c.Fails || !c.False && len(role.Restrict[i].Add) == 0 {
			return true
		}
	}
	return false
}
