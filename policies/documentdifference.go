package policies

import (
	"cmp"
	"slices"
	"strconv"
)

func (d *differ) independence(old, now Independence) {
	d.choice(old.DirectReports, now.DirectReports, "Nobody approves what a manager of theirs asks for.", "Members of a team may approve what a manager of theirs asks for.")
	d.days(old.ReciprocalDays, now.ReciprocalDays,
		"Nobody approves for somebody who approved for them in the %s before%s.", "Somebody may approve for whoever approved for them, however lately.")
	d.days(old.PolicyChangeDays, now.PolicyChangeDays,
		"Those who signed a change of a role are not its only approvers for %s%s.", "Those who signed a change of a role may be its only approvers at once.")
}

// days tells of a number of days of which zero asks nothing. The first format takes the
// days and what they were after the values.
func (d *differ) days(old, now int, there, none string, values ...any) {
	words := func(n int) string {
		if n == 1 {
			return "1 day"
		}
		return strconv.Itoa(n) + " days"
	}
	switch {
	case old == now:
	case now == 0:
		d.say(none, values...)
	default:
		d.say(there, append(slices.Clone(values), words(now), insteadOf(old != 0, words(old)))...)
	}
}

func (d *differ) facts(before, after []AssertedFact) {
	kept(d, before, after, func(f AssertedFact) string { return f.Name },
		"The broker may no longer assert the fact %s.", "The broker may assert the fact %s.", func(id string, old, now AssertedFact) {
			if old.Type != now.Type {
				d.say("The fact %s is of the type %s%s.", id, now.Type, insteadOf(old.Type != "", old.Type))
			}
			if old.Description != now.Description {
				d.say("The fact %s is described as “%s”.", id, now.Description)
			}
		})
}

// kept tells of what is gone and what is new, and has more told of all that there is; of
// what is new, as it differs from nothing.
func kept[T any](d *differ, before, after []T, name func(T) string, removed, added string, more func(id string, old, now T)) {
	had, has := byName(before, name), byName(after, name)
	for _, id := range union(had, has) {
		old, was := had[id]
		now, is := has[id]
		if !is {
			d.say(removed, id)
			continue
		}
		if !was {
			d.say(added, id)
		}
		more(id, old, now)
	}
}

func (d *differ) separations(before, after []Separation) {
	forbids := func(s Separation) string {
		return cmp.Or(map[string]string{
			ForbidEligible: "being in groups that may ask for two of its roles",
			ForbidHeld:     "holding two of its roles at once",
			ForbidHistory:  "having one of its roles soon after another",
			ForbidObject:   "having its roles on a target whose labels name a group of one's own",
		}[s.Forbid], s.Forbid)
	}
	kept(d, before, after, func(s Separation) string { return s.Name },
		"The separation %s is removed.", "The separation %s is added.", func(id string, old, now Separation) {
			if old.Forbid != now.Forbid {
				d.say("The separation %s forbids %s%s.", id, forbids(now), insteadOf(old.Forbid != "", forbids(old)))
			}
			d.members(old.Roles, now.Roles, "The separation %s is of the role %s.", "The separation %s is no longer of the role %s.", id)
			d.days(old.Days, now.Days, "The separation %s looks back for %s%s.", "The separation %s no longer looks back.", id)
			d.members(old.Labels, now.Labels, "The separation %s looks at the label %s.", "The separation %s no longer looks at the label %s.", id)
			if old.Description != now.Description {
				d.say("The separation %s is described as “%s”.", id, now.Description)
			}
		})
}

func (d *differ) teams(before, after []Team) {
	kept(d, before, after, func(t Team) string { return t.Name },
		"The team %s is removed.", "The team %s is added.", func(id string, old, now Team) {
			d.members(old.Members, now.Members, "Of the team %s, whoever is in %s is a member.", "Of the team %s, whoever is in %s is no longer a member.", id)
			d.members(old.Managers, now.Managers, "Of the team %s, whoever is in %s is a manager.", "Of the team %s, whoever is in %s is no longer a manager.", id)
		})
}

func (d *differ) calendars(before, after []Calendar) {
	hours := func(c Calendar) (all []string) {
		for _, h := range c.Open {
			for _, day := range h.Days {
				all = append(all, day+" from "+h.From+" to "+h.To)
			}
		}
		return all
	}
	kept(d, before, after, func(c Calendar) string { return c.Name },
		"The calendar %s is removed.", "The calendar %s is added.", func(id string, old, now Calendar) {
			if old.Zone != now.Zone {
				d.say("The calendar %s goes by the time of %s%s.", id, now.Zone, insteadOf(old.Zone != "", old.Zone))
			}
			d.members(hours(old), hours(now), "The calendar %s is open on %s.", "The calendar %s is no longer open on %s.", id)
			d.members(old.Closed, now.Closed, "The calendar %s is closed on %s.", "The calendar %s is no longer closed on %s.", id)
		})
}
