package analysis

import (
	"maps"
	"slices"

	"stint/policies"
)

// quorum are as many different administrators as sign a change, under the identity by
// which each does, a certain person first if they are one; nobody if there are fewer.
func (a *Analysis) quorum(first int) []int {
	people := slices.Clone(a.voters[policies.AdministratorsGroup])
	if len(people) < a.bundle.Quorum() {
		return nil
	}
	if i := slices.Index(people, first); i > 0 {
		people[0], people[i] = people[i], people[0]
	}
	var signers []int
	for _, person := range people[:a.bundle.Quorum()] {
		as := entry{door: door{group: policies.AdministratorsGroup}}
		signers = append(signers, a.population.subjects[a.voter(person, as, room{})])
	}
	return signers
}

// policyChanged is the way of administrators who have the policy give them the role.
func (q *question) policyChanged() (Way, bool) {
	w := Way{Way: WayPolicy}
	for _, identity := range q.a.quorum(-1) {
		w.Parts = append(w.Parts, q.a.part(identity, "signs a policy that gives it to them"))
	}
	w.People, w.Text = len(w.Parts), sentence(w.Parts)
	return w, len(w.Parts) > 0
}

// enrolled is the way of administrators who enrol approvers that do not exist, and hold
// their passkeys themselves, for somebody who may ask: best for one of them.
func (q *question) enrolled(prospects []prospect) (Way, bool) {
	asks, p := -1, prospect{}
	for _, one := range prospects {
		if r, _ := q.room(one, q.possible(one)); !r.inventable() {
			continue
		}
		i := slices.IndexFunc(one.asker.identities, func(i int) bool {
			return slices.Contains(q.a.voters[policies.AdministratorsGroup], q.a.whose(i))
		})
		if i >= 0 {
			asks, p = one.asker.identities[i], one
			break
		}
		if asks < 0 {
			asks, p = one.asker.identities[0], one
		}
	}
	if asks < 0 {
		return Way{}, false
	}
	signers := q.a.quorum(q.a.whose(asks))
	_, assumed := q.room(p, q.possible(p))
	w := Way{Way: WayEnrolment, Target: p.target.Name, Login: p.login, Assumed: assumed, Parts: []Part{q.a.part(asks, "asks")}}
	for _, identity := range signers {
		const acts = "signs the enrolment of approvers who are nobody"
		if q.a.whose(identity) == q.a.whose(asks) {
			w.Parts[0].Acts += " and " + acts
			continue
		}
		w.Parts = append(w.Parts, q.a.part(identity, acts))
	}
	w.People, w.Text = len(w.Parts), sentence(w.Parts)
	return w, len(signers) > 0
}

// brokenGlass is the way of an emergency, in which no stage is asked but those that a
// restriction adds.
func (q *question) brokenGlass(prospects []prospect) []Way {
	if way, ok := q.fewest(prospects, nil); ok {
		return []Way{way}
	}
	return nil
}

// possible are the allowances that can hold.
func (q *question) possible(p prospect) []string {
	names := map[string]bool{}
	for i, c := range p.outlook.Allow {
		if c.True {
			names[q.role.Allow[i].Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// inventable tells whether people that are invented for it could fill a room that needs any.
func (r room) inventable() bool {
	return len(r.places) > 0 && !slices.ContainsFunc(r.places, func(p place) bool {
		return !slices.ContainsFunc(p.doors, func(d door) bool { return !slices.Contains(r.close, d.group) })
	})
}
