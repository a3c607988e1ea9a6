package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stint/policies"
)

// asked are the ways through the stages: without any allowance, with each by itself, and
// with all of them; then the same where approvers enrol attested passkeys for it. Each
// stands there as far as it leads to fewer people than those before. Only such requests
// count as admit does, or all where it is nil.
func (q *question) asked(sights []*sight, admit func(prospect) bool) []Way {
	ways := []Way{}
	choices := [][]string{{}}
	var all []string
	for i, allowance := range q.role.Allow {
		// In an emergency there is nothing to spare.
		if slices.ContainsFunc(sights, func(s *sight) bool { return !s.emergency && s.outlook.Allow[i].True }) {
			all = append(all, allowance.Name)
			choices = append(choices, []string{allowance.Name})
		}
	}
	if len(all) > 1 {
		choices = append(choices, all)
	}
	for _, enrolling := range q.enrolling() {
		for _, through := range choices {
			way, ok := q.fewest(sights, passage{through, enrolling}, admit)
			fewer := !slices.ContainsFunc(ways, func(w Way) bool {
				return w.People <= way.People && (len(w.Through) == 0 || len(through) > 1 || slices.Equal(w.Through, through))
			})
			if ok && fewer {
				ways = append(ways, way)
			}
		}
	}
	return ways
}

// passage is what those who collude make use of on their way through the stages.
type passage struct {
	through   []string // allowances
	enrolling bool     // approvers whose passkeys are not attested enrol such as are
}

// enrolling tells by which passkeys approvals are looked at: as they are, and as they
// could be where that may make a difference.
func (q *question) enrolling() []bool {
	if q.role.Passkey.Approvers == policies.PasskeyAttested && q.a.unattested {
		return []bool{false, true}
	}
	return []bool{false}
}

// fewest is the way with the fewest people through the stages that are left on a passage.
//
// Every seat of a stage takes another person, who is not the requester; so those who
// collude are one more than there are seats, and how many seats there are hangs on the
// conditions alone. Whether all of them can be taken is to be found, for the fewest seats
// first: once for all requests that are alike to the conditions, with every door open, which
// spares looking at each where it cannot be; then for each different room with nobody
// left out; and then anew for those who may ask and have a seat in that, until one succeeds.
func (q *question) fewest(sights []*sight, by passage, admit func(prospect) bool) (Way, bool) {
	seats := func(s *sight) int {
		total := 0
		stages, _ := q.stages(s, by.through)
		for _, stage := range stages {
			total += stage.Count
		}
		return total
	}
	inOrder := slices.SortedStableFunc(slices.Values(sights), func(s, t *sight) int { return cmp.Compare(seats(s), seats(t)) })
	tables := map[string]*table{} // by the keys of rooms; nil where nobody can fill it
	for _, s := range inOrder {
		if _, ok := q.a.fill(q.openRoom(s, by), nil); !ok {
			continue
		}
		for p := range s.all(q) {
			if admit != nil && !admit(p) {
				continue
			}
			r := q.room(p, by)
			key := r.key()
			t, known := tables[key]
			if !known {
				t, _ = q.a.fill(r, nil)
				tables[key] = t
			}
			if t == nil {
				continue
			}
			for _, identity := range p.asker.identities {
				asks := q.a.whose(identity)
				filled, ok := t, true
				if t.involves(asks) {
					filled, ok = q.a.fill(r, map[int]bool{asks: true})
				}
				if ok {
					return q.way(p, identity, filled, by), true
				}
			}
		}
	}
	return Way{}, false
}

// whose is the person that an identity belongs to.
func (a *Analysis) whose(identity int) int { return a.number[a.population.people[identity].Subject] }

// stages are those that a request asks for where the named allowances spare some, as few
// as can be, and the conditions that were taken to suit for that. In an emergency they
// are only what restrictions add.
func (q *question) stages(s *sight, through []string) (stages []policies.Stage, assumed []string) {
	assume := func(c policies.Possible, format, name string) {
		if c.True && c.False {
			assumed = append(assumed, fmt.Sprintf(format, name))
		}
	}
	for i, c := range s.outlook.Require {
		assume(c, "the requirement %s holds", q.role.Require[i].Name)
	}
	var spared []string
	for i, c := range s.outlook.Allow {
		if c.True && slices.Contains(through, q.role.Allow[i].Name) {
			spared = append(spared, q.role.Allow[i].Without...)
			assume(c, "the allowance %s holds", q.role.Allow[i].Name)
		}
	}
	for i, stage := range q.role.Approval {
		switch c := s.outlook.Stages[i]; {
		case s.emergency, slices.Contains(spared, stage.Name):
		case c.False:
			assume(c, "the condition of the stage %s does not hold", stage.Name)
		default:
			stages = append(stages, stage)
		}
	}
	for i, c := range s.outlook.Restrict {
		if c.False {
			assume(c, "the restriction %s does not hold", q.role.Restrict[i].Name)
			continue
		}
		stages = append(stages, q.role.Restrict[i].Add...)
	}
	return stages, assumed
}

// room is what a request asks of approvers.
func (q *question) room(p prospect, by passage) room {
	r := room{attested: q.attested(by)}
	for _, t := range q.close {
		if meets(t.Managers, p.asker.wide) {
			r.close = append(r.close, t.Members...)
		}
	}
	stages, _ := q.stages(p.sight, by.through)
	for _, stage := range stages {
		r.places = append(r.places, place{stage, q.doors(stage, p)})
	}
	return r
}

// openRoom is one that is at least as easy to fill as that of any request of a sight.
func (q *question) openRoom(s *sight, by passage) room {
	r := room{attested: q.attested(by)}
	stages, _ := q.stages(s, by.through)
	for _, stage := range stages {
		r.places = append(r.places, place{stage, q.everyDoor(stage)})
	}
	return r
}

// attested tells whether only attested passkeys count.
func (q *question) attested(by passage) bool {
	return q.role.Passkey.Approvers == policies.PasskeyAttested && !by.enrolling
}

// doors are the groups that lead to a stage, those that wait among them: whoever
// colludes can wait too.
func (q *question) doors(stage policies.Stage, p prospect) []door {
	var doors []door
	for _, g := range stage.Groups {
		doors = append(doors, door{group: g, by: ByGroup})
	}
	if slices.Contains(stage.Relations, policies.RelationManager) {
		for _, t := range q.teams {
			if meets(t.Members, p.asker.groups) {
				for _, g := range t.Managers {
					doors = append(doors, door{group: g, by: ByManager, team: t.Name})
				}
			}
		}
	}
	if owner, ok := p.target.Labels[policies.OwnerLabel]; ok && slices.Contains(stage.Relations, policies.RelationOwner) {
		doors = append(doors, door{group: owner, by: ByOwner})
	}
	for _, e := range stage.Escalate {
		for _, g := range e.Groups {
			doors = append(doors, door{group: g, by: ByEscalation, after: e.After})
		}
	}
	return doors
}

// way is the example that a table shows.
func (q *question) way(p prospect, identity int, t *table, by passage) Way {
	t.room = q.room(p, by) // the same groups may have led to another in other ways
	_, assumed := q.stages(p.sight, by.through)
	w := Way{Way: WayAsk, People: 1 + t.room.seats(), Target: p.target.Name, Login: p.login, Assumed: assumed}
	switch {
	case p.emergency:
		w.Way = WayBreakGlass
		w.Parts = append(w.Parts, q.a.part(identity, "breaks the glass"))
	case len(by.through) > 0:
		w.Way, w.Through = WayAllow, by.through
		fallthrough
	default:
		w.Parts = append(w.Parts, q.a.part(identity, "asks"))
	}
	now := *t
	now.room.attested = q.attested(passage{})
	for i, people := range t.seated {
		for _, person := range people {
			e, counts := now.entry(person, i)
			if !counts {
				e, _ = t.entry(person, i)
			}
			acts := "approves stage " + t.room.places[i].stage.Name + " " + e.door.phrase()
			subject := q.a.voter(person, e, now.room)
			if e.as != nil {
				acts += " on behalf of " + q.a.identity(e.as.identity).Called()
				subject = e.as.by
			}
			part := q.a.part(q.a.population.subjects[subject], acts)
			w.Parts = append(w.Parts, part)
			if !counts {
				w.enrols = true
				w.Assumed = append(w.Assumed, part.Name+" enrols an attested passkey")
			}
		}
	}
	w.Text = sentence(w.Parts)
	return w
}

// voter is under which identity somebody takes a seat, one that can do so now first.
func (a *Analysis) voter(person int, e entry, r room) policies.Subject {
	for _, attested := range []bool{r.attested, false} {
		for _, i := range a.someone[person].identities {
			if p := a.population.people[i]; p.speaksFor(e.door.group, attested) {
				return p.Subject
			}
		}
	}
	return a.population.people[a.someone[person].identities[0]].Subject
}

// phrase says how a door is passed: "as one of dba-lead".
func (d door) phrase() string {
	switch d.by {
	case ByManager:
		return fmt.Sprintf("as one of %s, which manages team %s", d.group, d.team)
	case ByOwner:
		return fmt.Sprintf("as one of %s, which owns the target", d.group)
	case ByEscalation:
		return fmt.Sprintf("as one of %s, after %s", d.group, policies.FormatDuration(d.after))
	}
	return "as one of " + d.group
}

func (a *Analysis) part(identity int, acts string) Part {
	p := a.population.people[identity]
	return Part{Subject: p.Subject, Name: p.Called(), Acts: acts}
}

// sentence is an example in words: "Ann asks; Bob approves stage lead as one of leads."
func sentence(parts []Part) string {
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.Name+" "+p.Acts)
	}
	return strings.Join(texts, "; ") + "."
}
