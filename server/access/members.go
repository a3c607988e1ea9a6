package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Member is somebody in the signer's roster, or who has signed in, as
// administrators and reviewers see them.
type Member struct {
	Person     policies.Person // groups as in the roster
	Pinned     bool            // the roster has them
	Passkeys   []MemberPasskey
	Suspension *Suspension // while suspended
	LastSeen   time.Time   // zero: never signed in here
	Holds      []string    // what a suspension would end, a sentence each; not in lists
	May        []string    // suspend, and what may be proposed: groups, unsuspend, delete, remove-passkey
}

// MemberPasskey is an active passkey of a member.
type MemberPasskey struct {
	Credential string
	Name       string
	Groups     []string // for which it speaks
	Enrolled   time.Time
	LastUsed   time.Time // zero: not that the broker knows
}

// Members lists who is in the roster, by name; with everybody, who has signed in
// by identity. Administrators and reviewers see them. next is where the list goes
// on, zero at its end.
func (s *Service) Members(ctx context.Context, by policies.Person, everybody bool, q PeopleQuery) (members []Member, next policies.Subject, err error) {
	err = s.read(ctx, func(r Reader, m moment) error {
		members, next = []Member{}, policies.Subject{}
		if !m.seesChanges(by) {
			return fail(Forbidden, CodeForbidden, "Only administrators and reviewers see the roster.")
		}
		q.Limit = page(q.Limit)
		var listed []policies.Subject
		if !everybody {
			listed = m.inRoster(q)
		} else if known, err := r.People(q); err != nil {
			return err
		} else {
			for _, k := range known {
				listed = append(listed, k.Person.Subject)
			}
		}
		for _, of := range listed {
			member, err := m.member(r, by, of)
			if err != nil {
				return err
			}
			members = append(members, member)
		}
		if len(listed) == q.Limit {
			next = listed[len(listed)-1]
		}
		return nil
	})
	return members, next, err
}

// Member reads one of them.
func (s *Service) Member(ctx context.Context, by policies.Person, of policies.Subject) (member Member, err error) {
	err = s.read(ctx, func(r Reader, m moment) (err error) {
		if !m.seesChanges(by) {
			return fail(Forbidden, CodeForbidden, "Only administrators and reviewers see the roster.")
		}
		if member, err = m.member(r, by, of); err != nil {
			return err
		}
		open, err := m.openRequests(r, member.Person)
		for _, q := range open {
			if !q.Due(m.now) {
				member.Holds = append(member.Holds, Headline(q))
			}
		}
		return err
	})
	return member, err
}

// inRoster is a page of the roster, by name and then by identity. It goes on behind
// where a person would stand who has been deleted meanwhile; behind somebody whom
// the roster never knew there is nothing.
func (m moment) inRoster(q PeopleQuery) []policies.Subject {
	after, known := m.trust.Roster.Find(q.After)
	if q.After != (policies.Subject{}) && !known {
		return nil
	}
	people := slices.DeleteFunc(slices.Clone(m.trust.Roster.People), func(p evidence.RosterPerson) bool {
		return p.Deleted != nil || known && compareNames(p.Person, after.Person) <= 0 ||
			q.Person != "" && p.Person.Subject.Subject != q.Person && !strings.EqualFold(p.Person.Email, q.Person)
	})
	slices.SortFunc(people, func(a, b evidence.RosterPerson) int { return compareNames(a.Person, b.Person) })
	people = people[:min(len(people), q.Limit)]
	listed := make([]policies.Subject, len(people))
	for i, p := range people {
		listed[i] = p.Person.Subject
	}
	return listed
}

// compareNames orders people by name, and those of one name by identity.
func compareNames(a, b policies.Person) int {
	return cmp.Or(compareFold(a.Name, b.Name), strings.Compare(a.Subject.Issuer, b.Subject.Issuer), strings.Compare(a.Subject.Subject, b.Subject.Subject))
}

func (m moment) member(r PeopleReader, by policies.Person, of policies.Subject) (Member, error) {
	pinned, inRoster := m.trust.Roster.Find(of)
	inRoster = inRoster && pinned.Deleted == nil
	v := Member{Pinned: inRoster, Person: pinned.Person, Passkeys: []MemberPasskey{}, May: []string{}}
	// 1. Who it is, and when they were last here.
	known, err := r.Person(of)
	switch {
	case errors.Is(err, ErrNoRow) && !inRoster:
		return v, fail(NotFound, CodePersonNotFound, "Nobody with this identity is in the roster or has signed in.")
	case err != nil && !errors.Is(err, ErrNoRow):
		return v, err
	case err == nil:
		v.LastSeen = known.LastSeen
		if !inRoster {
			v.Person = known.Person
			v.Person.Groups = nil
		}
	}
	// 2. What they sign with.
	if v.Passkeys, err = m.memberPasskeys(r, pinned); err != nil {
		return v, err
	}
	// 3. Whether they are suspended, and what may be done about that.
	suspension, suspended, err := m.suspension(r, v.Person)
	if err != nil {
		return v, err
	}
	if suspended {
		v.Suspension = &suspension
	} else {
		v.May = append(v.May, "suspend")
	}
	if m.isAdministrator(by.Subject) && inRoster {
		if pinned.Suspended != nil {
			v.May = append(v.May, evidence.ChangeUnsuspend)
		}
		v.May = append(v.May, evidence.ChangeGroups, evidence.ChangeDelete)
		if len(v.Passkeys) > 0 {
			v.May = append(v.May, evidence.ChangeRemovePasskey)
		}
	}
	return v, nil
}

func (m moment) memberPasskeys(r PeopleReader, pinned evidence.RosterPerson) ([]MemberPasskey, error) {
	passkeys := []MemberPasskey{}
	for _, k := range pinned.Passkeys {
		if !k.Active(m.now) {
			continue
		}
		shown := MemberPasskey{Credential: k.Credential, Name: k.Name, Groups: pinned.With(k).Groups, Enrolled: k.Enrolled}
		row, err := r.Passkey(k.Credential)
		if err != nil && !errors.Is(err, ErrNoRow) {
			return nil, err
		}
		if err == nil {
			shown.Name, shown.LastUsed = row.Name, row.LastUsed
		}
		passkeys = append(passkeys, shown)
	}
	return passkeys, nil
}
