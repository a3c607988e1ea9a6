package policies

import (
	"fmt"
	"slices"
)

// separated judges the separations of duty that name the role.
func (j *judgement) separated() {
	for _, i := range j.b.apart[j.role.Name] {
		s := &j.b.separations[i]
		before := len(j.reasons)
		switch s.Forbid {
		case ForbidEligible:
			j.notEligible(s)
		case ForbidHeld:
			j.notHeld(s)
		case ForbidHistory:
			j.notHad(s)
		case ForbidObject:
			j.notTheirs(s)
		default:
			j.refuse("separation:"+s.Name, "", "%s forbids %q, which nobody can judge.", s.Name, s.Forbid)
		}
		if len(j.reasons) == before {
			j.say("separation:"+s.Name, j.f.Requester.called()+separationHolds[s.Forbid]+j.role.Name+".")
		}
	}
}

// separationHolds says for each kind that nothing stands against the requester and the role,
// whose names stand before and behind.
var separationHolds = map[string]string{
	ForbidEligible: " may ask for nothing that must be kept apart from ",
	ForbidHeld:     " holds nothing that must be kept apart from ",
	ForbidHistory:  " had nothing lately that must be kept apart from ",
	ForbidObject:   " is in no group that this target belongs to; that would keep them from ",
}

// notEligible refuses whoever may ask for another of the roles, under any identity.
func (j *judgement) notEligible(s *Separation) {
	for _, name := range s.Roles {
		other := j.b.role(name)
		if other == nil || name == j.role.Name {
			continue
		}
		if i := slices.IndexFunc(other.Requesters, func(g string) bool { return slices.Contains(j.groups, g) }); i >= 0 {
			who, group := j.f.Requester.called(), other.Requesters[i]
			j.refuse("separation:"+s.Name, fmt.Sprintf("%s would have to leave %s.", who, group),
				"%s is in %s and may ask for %s too; nobody may be able to ask for both %s and %s.", who, group, name, j.role.Name, name)
		}
	}
}

// notHeld refuses whoever holds another of the roles.
func (j *judgement) notHeld(s *Separation) {
	for _, name := range s.Roles {
		if name != j.role.Name && slices.ContainsFunc(j.f.Held, func(h Held) bool { return h.Role == name }) {
			j.refuse("separation:"+s.Name, fmt.Sprintf("Drop %s.", name),
				"%s holds %s and must drop it first: nobody may hold both %s and %s.", j.f.Requester.called(), name, j.role.Name, name)
		}
	}
}

// notHad refuses whoever had another of the roles, until so many days after its end.
func (j *judgement) notHad(s *Separation) {
	for _, name := range s.Roles {
		if name == j.role.Name {
			continue
		}
		var last *PastGrant
		for i := range j.f.History.Grants {
			if g := &j.f.History.Grants[i]; g.Role == name && (last == nil || g.Ended.After(last.Ended)) {
				last = g
			}
		}
		if last == nil {
			continue
		}
		// A grant that still runs counts from its end, which is yet to come.
		had := "had"
		if last.Ended.After(j.f.Now) {
			had = "has"
		}
		if free := last.Ended.Add(days(s.Days)); j.f.Now.Before(free) {
			j.refuse("separation:"+s.Name, fmt.Sprintf("Ask again from %s on.", moment(free)),
				"%s %s %s until %s; nobody may have %s within %s of that.", j.f.Requester.called(), had, name, moment(last.Ended), j.role.Name, dayCount(s.Days))
		}
	}
}

// notTheirs refuses whoever is in a group that the target's labels name, under any identity.
func (j *judgement) notTheirs(s *Separation) {
	if j.target == nil {
		return
	}
	for _, label := range s.Labels {
		if group := j.target.Labels[label]; group != "" && slices.Contains(j.groups, group) {
			j.refuse("separation:"+s.Name, "Somebody who is not in "+group+" may ask.",
				"%s is in %s, which is the %s of %s; nobody may have %s on what is their own.", j.f.Requester.called(), group, label, j.target.Name, j.role.Name)
		}
	}
}
