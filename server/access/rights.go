package access

import (
	"slices"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// right is by what somebody could approve: groups of their own, or those that another
// delegated to them.
type right struct {
	behalf   *policies.Person // with the delegated groups; nil: in their own right
	passkeys []voice          // that speak for behalf, or for themselves
}

func (r right) speaksFor(groups []string) bool {
	return slices.ContainsFunc(r.passkeys, func(v voice) bool { return v.in(groups) })
}

// rights lists them, the own right first, then delegations in the order in which they
// were given. There is none against somebody's own request, under whatever identity,
// nor on behalf of who asked.
func (m moment) rights(p, requester policies.Person) []right {
	var given []evidence.GivenDelegation
	for _, d := range m.trust.Delegations {
		if d.Delegate == p.Subject {
			given = append(given, d)
		}
	}
	return m.against(m.rightsWith(p.Subject, given), p, requester)
}

// against keeps the rights of a person that hold against what somebody asks.
func (m moment) against(rights []right, p, requester policies.Person) []right {
	if len(rights) == 0 || m.isRequester(p, requester) {
		return nil
	}
	kept := make([]right, 0, len(rights))
	for _, r := range rights {
		if r.behalf == nil || !m.linked(*r.behalf, requester) {
			kept = append(kept, r)
		}
	}
	return kept
}

// isRequester says whether somebody is who asked, under whatever identity.
func (m moment) isRequester(p, requester policies.Person) bool {
	return p.Subject == requester.Subject || m.linked(p, requester) || m.linked(m.roster(p.Subject).Person, requester)
}

// rightsWith lists somebody's rights, whoever asks, with what was delegated to them.
func (m moment) rightsWith(s policies.Subject, given []evidence.GivenDelegation) []right {
	own := m.passkeysOf(s)
	if len(own) == 0 {
		return nil
	}
	rights := []right{{passkeys: own}}
	for _, d := range given {
		behalf, ok := m.delegator(d.Delegator, s, m.now)
		known := slices.ContainsFunc(rights, func(r right) bool { return r.behalf != nil && r.behalf.Subject == d.Delegator })
		if !ok || known {
			continue
		}
		as := right{behalf: &behalf}
		for _, v := range own {
			if m.attestedFor(v.Passkey, behalf.Groups) {
				as.passkeys = append(as.passkeys, voice{v.Passkey, behalf})
			}
		}
		rights = append(rights, as)
	}
	return rights
}

// attestedFor says whether a passkey may act for groups of which policy wants a known
// authenticator.
func (m moment) attestedFor(passkey evidence.Passkey, groups []string) bool {
	return passkey.Attested != "" || !m.policy.NeedsAttestation(groups)
}

// within keeps those passkeys with which the right could approve a request: in one
// of the role's stages, or in one that its decision asks for.
func (m moment) within(r right, q Request) right {
	kept := right{behalf: r.behalf}
	for _, v := range r.passkeys {
		if m.policy.MayApprove(v.speaks, q.Requester, q.Revision.Ask.Role) ||
			slices.ContainsFunc(q.Decision.Stages, func(stage policies.StageResult) bool { return v.in(stage.Groups) }) {
			kept.passkeys = append(kept.passkeys, v)
		}
	}
	return kept
}

// approvesBy lists by which rights a person could approve a request.
func (m moment) approvesBy(p policies.Person, q Request) []right {
	var usable []right
	for _, r := range m.rights(p, q.Requester) {
		if kept := m.within(r, q); len(kept.passkeys) > 0 {
			usable = append(usable, kept)
		}
	}
	return usable
}

func (m moment) mayApprove(p policies.Person, q Request) bool { return len(m.approvesBy(p, q)) > 0 }

// reviewsWith lists the passkeys with which a person could close the review of an
// emergency.
func (m moment) reviewsWith(p policies.Person, q Request) []string {
	if m.isRequester(p, q.Requester) {
		return []string{}
	}
	groups := m.reviewGroups(q.Revision.Ask.Role)
	return credentials(m.passkeysOf(p.Subject), func(v voice) bool { return v.in(groups) })
}

// reviewGroups are those whose members close the review of an emergency.
func (m moment) reviewGroups(role string) []string { return m.policy.ReviewRule(role).Groups }

// mayReplay says who may replay the sessions of a role beside those whose they are:
// the role's own reviewers, or else the organization's. It takes either source of
// groups, as isReviewer does.
func (m moment) mayReplay(p policies.Person, role string) bool {
	known, ok := m.policy.Role(role)
	if !ok || len(known.Recording.Reviewers) == 0 {
		return m.isReviewer(p)
	}
	return sharesGroup([]policies.Person{p, m.roster(p.Subject).Person}, known.Recording.Reviewers)
}

// mayEnd says who may take away what is somebody else's: whoever might have
// approved it, reviewers and administrators, and of an emergency whoever is to review it.
func (m moment) mayEnd(p policies.Person, q Request) bool {
	return m.mayApprove(p, q) || m.isReviewer(p) || m.isAdministrator(p.Subject) ||
		q.Revision.Ask.BreakGlass && len(m.reviewsWith(p, q)) > 0
}

// maySee says who may read a request with its evidence.
func (m moment) maySee(p policies.Person, q Request) bool {
	return p.Subject == q.Requester.Subject || m.mayEnd(p, q) || m.mayReplay(p, q.Revision.Ask.Role)
}

func sharesGroup(people []policies.Person, groups []string) bool {
	return slices.ContainsFunc(people, func(p policies.Person) bool {
		return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) })
	})
}

// delegator is on whose behalf somebody approved or would approve at a moment, in the
// delegated groups for which the passkey that signed the delegation still speaks; false
// without one that was in force then and counts now.
func (m moment) delegator(of, to policies.Subject, at time.Time) (policies.Person, bool) {
	person := m.roster(of)
	if m.isSuspended(person.Person) || person.Deleted != nil {
		return policies.Person{}, false
	}
	behalf := person.Person
	behalf.Groups = nil
	for _, group := range person.Person.Groups {
		delegated := slices.ContainsFunc(m.trust.Delegations, func(given evidence.GivenDelegation) bool {
			signed, _ := m.active(person, given.Credential)
			return given.Delegator == of && given.Delegate == to && slices.Contains(given.Groups, group) &&
				slices.Contains(signed.Groups, group) && m.inForce(given, at)
		})
		if delegated {
			behalf.Groups = append(behalf.Groups, group)
		}
	}
	return behalf, len(behalf.Groups) > 0
}

// inForce says whether a delegation held at a moment, was not ended early, and did not
// fall with the passkey that signed it.
func (m moment) inForce(given evidence.GivenDelegation, at time.Time) bool {
	if _, ok := m.active(m.roster(given.Delegator), given.Credential); !ok {
		return false
	}
	revoked := given.Revoked != nil && !m.now.Before(*given.Revoked) || m.over[given.Digest]
	return !revoked && !at.Before(given.Begins) && at.Before(given.Ends)
}
