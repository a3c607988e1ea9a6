package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"stint/policies"
)

// mostDelegated is how many delegated approvals take part in one request.
const mostDelegated = 4

// place is a stage as it stands for one request: whoever is behind one of its doors may
// take one of its seats.
type place struct {
	stage policies.Stage
	doors []door
}

// door is a group of the roster that leads to a stage, and how.
type door struct {
	group string
	by    string        // ByGroup, ByManager, ByOwner or ByEscalation
	team  string        // ByManager
	after time.Duration // ByEscalation
}

// room is all that matters for who can fill the stages of a request. Requests with equal
// rooms differ by their requesters alone.
type room struct {
	places   []place
	attested bool     // approvers' passkeys must be
	close    []string // members of these groups report to the requester, and do not count
}

// seats is how many people a room asks for.
func (r room) seats() int {
	total := 0
	for _, p := range r.places {
		total += p.stage.Count
	}
	return total
}

// key is the same for rooms that the same people can fill.
func (r room) key() string {
	key := strconv.FormatBool(r.attested) + signature(r.close)
	for _, p := range r.places {
		var groups []string
		for _, d := range p.doors {
			groups = append(groups, d.group)
		}
		slices.Sort(groups)
		key += "|" + strconv.Itoa(p.stage.Count) + signature(slices.Compact(groups))
	}
	return key
}

// entry is by which door and with which passkey somebody takes a seat.
type entry struct {
	door door
	as   *delegated // nil: in their own right
}

// table is a room with people at its seats. Somebody sits once, and nobody sits while a
// delegate of theirs sits for them.
type table struct {
	a      *Analysis
	room   room
	out    map[int]bool       // the requester, and those for whom somebody sits
	bound  map[int]*delegated // who sits for another, if at all
	at     map[int]int        // person -> place
	seated [][]int            // by place
	tried  []bool             // places that the attempt at hand looked at
	short  []bool             // places that an attempt in vain looked at
	empty  int                // seats that nobody could take
}

// fill seats as many different people as the room asks for, none of whom is out. It
// answers who sits where, or false if there is no way to.
//
// Without delegations this is a matching of seats with people (augmenting paths find a
// greatest one). A delegation lets one person sit only in the place of another, so that
// those are tried in turn: only such as lead to places that were left empty, and at most
// mostDelegated at once.
func (a *Analysis) fill(r room, out map[int]bool) (*table, bool) {
	return a.fillWith(r, out, nil, map[string]bool{})
}

func (a *Analysis) fillWith(r room, out map[int]bool, bound map[int]*delegated, known map[string]bool) (*table, bool) {
	t := &table{a: a, room: r, out: out, bound: bound, at: map[int]int{}, seated: make([][]int, len(r.places)), short: make([]bool, len(r.places))}
	t.fillAll()
	if t.empty == 0 {
		return t, true
	}
	if len(bound)+t.empty > mostDelegated {
		return nil, false // each of them takes one seat at most
	}
	for i := range a.delegated {
		d := &a.delegated[i]
		if bound[d.to] != nil || bound[d.from] != nil || out[d.from] || out[d.to] || !t.opens(d) {
			continue
		}
		with, without := map[int]*delegated{d.to: d}, map[int]bool{d.from: true}
		maps.Copy(with, bound)
		maps.Copy(without, out)
		if key := boundKey(with); known[key] {
			continue
		} else {
			known[key] = true
		}
		if filled, ok := a.fillWith(r, without, with, known); ok {
			return filled, true
		}
	}
	return nil, false
}

// boundKey names a choice of delegations.
func boundKey(bound map[int]*delegated) string {
	key := ""
	for _, to := range slices.Sorted(maps.Keys(bound)) {
		d := bound[to]
		key += fmt.Sprintf("%d for %d in %s|", d.to, d.from, signature(d.groups))
	}
	return key
}

// involves tells whether somebody sits, or another sits for them.
func (t *table) involves(person int) bool {
	_, sits := t.at[person]
	return sits || t.out[person]
}

// opens tells whether a delegation leads to a place that could not be filled.
func (t *table) opens(d *delegated) bool {
	for i, short := range t.short {
		if short {
			if _, ok := t.enters(d.to, i, d); ok {
				return true
			}
		}
	}
	return false
}

func (t *table) fillAll() {
	for i, p := range t.room.places {
		for range p.stage.Count {
			t.tried = make([]bool, len(t.room.places))
			if t.seat(i) {
				continue
			}
			t.empty++
			for k, tried := range t.tried {
				t.short[k] = t.short[k] || tried
			}
		}
	}
}

// seat finds one person more for a place: somebody who sits nowhere, or somebody from
// another place for whom that one finds somebody else.
func (t *table) seat(place int) bool {
	t.tried[place] = true
	for _, d := range t.room.places[place].doors {
		for _, person := range t.a.voters[d.group] {
			if _, sits := t.at[person]; sits {
				continue
			}
			if _, ok := t.entry(person, place); ok {
				t.put(person, place)
				return true
			}
		}
	}
	for _, person := range slices.Sorted(maps.Keys(t.bound)) {
		if _, sits := t.at[person]; sits {
			continue
		}
		if _, ok := t.entry(person, place); ok {
			t.put(person, place)
			return true
		}
	}
	for other, people := range t.seated {
		if t.tried[other] {
			continue
		}
		for _, person := range people {
			if _, ok := t.entry(person, place); ok && t.seat(other) {
				t.seated[other] = slices.DeleteFunc(t.seated[other], func(p int) bool { return p == person })
				t.put(person, place)
				return true
			} else if ok {
				break // the other place has nobody else, whoever leaves it
			}
		}
	}
	return false
}

func (t *table) put(person, place int) {
	t.at[person] = place
	t.seated[place] = append(t.seated[place], person)
}

// entry is how somebody may sit at a place.
func (t *table) entry(person, place int) (entry, bool) {
	if t.out[person] {
		return entry{}, false
	}
	return t.enters(person, place, t.bound[person])
}

// enters is how somebody may sit at a place, by one of their passkeys, or for another.
func (t *table) enters(person, place int, as *delegated) (entry, bool) {
	if as != nil {
		// Neither of both may be close to the requester.
		if t.room.attested && !as.attested || t.a.reports(as.from, t.room) || t.a.reports(as.to, t.room) {
			return entry{}, false
		}
		if d, ok := opened(t.room.places[place].doors, as.groups); ok {
			return entry{d, as}, true
		}
		return entry{}, false
	}
	if t.a.reports(person, t.room) {
		return entry{}, false
	}
	for _, k := range t.a.someone[person].passkeys {
		if t.room.attested && !k.Attested {
			continue
		}
		if d, ok := opened(t.room.places[place].doors, k.Groups); ok {
			return entry{door: d}, true
		}
	}
	return entry{}, false
}

// opened is the first of the doors that one of the groups opens.
func opened(doors []door, groups []string) (door, bool) {
	i := slices.IndexFunc(doors, func(d door) bool { return slices.Contains(groups, d.group) })
	if i < 0 {
		return door{}, false
	}
	return doors[i], true
}

// reports tells whether somebody reports to the requester.
func (a *Analysis) reports(person int, r room) bool {
	return len(r.close) > 0 && meets(a.someone[person].roster, r.close)
}
