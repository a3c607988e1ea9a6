package analysis

import (
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
func (q *question) enrolled() (Way, bool) {
	if q.a.quorum(-1) == nil {
		return Way{}, false
	}
	administrators := func(i int) bool { return slices.Contains(q.a.voters[policies.AdministratorsGroup], q.a.whose(i)) }
	for _, only := range []func(int) bool{administrators, nil} {
		for _, s := range q.sights(only, false) {
			if by := (passage{through: q.possible(s)}); q.openRoom(s, by).inventable() {
				for p := range s.all(q) {
					if q.room(p, by).inventable() {
						return q.enrolledBy(p), true
					}
				}
			}
		}
	}
	return Way{}, false
}

func (q *question) enrolledBy(p prospect) Way {
	_, assumed := q.stages(p.sight, q.possible(p.sight))
	asks := p.asker.identities[0]
	w := Way{Way: WayEnrolment, Target: p.target.Name, Login: p.login, Assumed: assumed, Parts: []Part{q.a.part(asks, "asks")}}
	for _, identity := range q.a.quorum(q.a.whose(asks)) {
		const acts = "signs the enrolment of approvers who are nobody"
		if q.a.whose(identity) == q.a.whose(asks) {
			w.Parts[0].Acts += " and " + acts
			continue
		}
		w.Parts = append(w.Parts, q.a.part(identity, acts))
	}
	w.People, w.Text = len(w.Parts), sentence(w.Parts)
	return w
}

// possible are the allowances that can hold.
func (q *question) possible(s *sight) []string {
	var names []string
	for i, c := range s.outlook.Allow {
		if c.True {
			names = append(names, q.role.Allow[i].Name)
		}
	}
	return names
}

// inventable tells whether people that are invented for it could fill a room that needs any.
func (r room) inventable() bool {
	return len(r.places) > 0 && !slices.ContainsFunc(r.places, func(p place) bool {
		return !slices.ContainsFunc(p.doors, func(d door) bool { return !slices.Contains(r.close, d.group) })
	})
}
