package evidence

import (
	"sync"
	"time"

	"stint/policies"
)

// rosterIndex finds people of one roster, at the same cost for many as for few. It is
// made when it is first asked, once.
type rosterIndex struct {
	from time.Time // nobody in the roster joins or leaves later: from then on known does not change

	once      sync.Once
	subject   map[policies.Subject]int
	known     *policies.People
	suspended []RosterPerson
}

// made is the index once it is there.
func (x *rosterIndex) made(people []RosterPerson) *rosterIndex {
	x.once.Do(func() {
		x.subject = make(map[policies.Subject]int, len(people))
		for i, p := range people {
			if _, twice := x.subject[p.Person.Subject]; !twice {
				x.subject[p.Person.Subject] = i
			}
			if p.Suspended != nil {
				x.suspended = append(x.suspended, p)
			}
		}
		x.known = known(people, x.from)
	})
	return x
}

// indexed is a roster whose times are all at from or before, with an index.
func indexed(r Roster, from time.Time) Roster {
	return Roster{People: listed(r.People), index: &rosterIndex{from: from}}
}

// Indexed is the same roster, in which people are found at the same cost for many as for
// few. Its people must not be changed afterwards.
func (r Roster) Indexed() Roster {
	var from time.Time
	for _, p := range r.People {
		if p.Deleted != nil && p.Deleted.After(from) {
			from = *p.Deleted
		}
		for _, k := range p.Passkeys {
			if k.Enrolled.After(from) {
				from = k.Enrolled
			}
		}
	}
	return indexed(r, from)
}

// present is what is left of roster, devices and delegations at from and later, as
// Roster.Present gives it. It is worked out when it is first asked for, once.
type present struct {
	from time.Time

	once        sync.Once
	roster      Roster
	devices     Devices
	delegations []GivenDelegation
}

func (x *present) made(b *Beliefs) *present {
	x.once.Do(func() {
		x.roster = indexed(b.roster.Present(x.from), x.from)
		x.devices = b.devices.Present(x.from)
		x.delegations = presentDelegations(b.delegations, x.from)
	})
	return x
}
