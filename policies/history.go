package policies

import (
	"fmt"
	"slices"
	"time"

	"stint/policies/internal/condition"
)

// Needs says which facts about what happened before the rules of a role look at.
// OpenReviews of the role always do. Whoever gathers Facts leaves out what they do not, so
// that a ledger entry holds no more of people's doings than the decision needs. Spans count
// back from Facts.Asked, and the revision that is decided on is never part of its own
// history; earlier ones are.
type Needs struct {
	// Grants says of each role how far back its PastGrants matter: those that ended, or
	// will end, later than that.
	Grants map[string]time.Duration
	// Agreed is how far back PastApprovals matter; zero: not at all.
	Agreed time.Duration
	// Changes is how far back the PolicyChanges that name the role matter; zero: not at all.
	Changes time.Duration
	// Asserted are the names of the asserted facts that the role's conditions read, sorted.
	Asserted []string
}

// Needs says what the rules of a role look at; nothing for a role that does not exist.
func (b *Bundle) Needs(role string) Needs {
	n := Needs{}
	r, ok := b.Role(role)
	if !ok {
		return n
	}
	further := func(role string, d int) {
		if n.Grants == nil {
			n.Grants = map[string]time.Duration{}
		}
		n.Grants[role] = max(n.Grants[role], days(d))
	}
	if r.Renewals != nil {
		further(role, r.Renewals.Days)
	}
	for _, s := range b.separations {
		if s.Forbid != ForbidHistory || !slices.Contains(s.Roles, role) {
			continue
		}
		for _, other := range s.Roles {
			if other != role {
				further(other, s.Days)
			}
		}
	}
	n.Agreed = days(b.organization.Independence.ReciprocalDays)
	n.Changes = days(b.organization.Independence.PolicyChangeDays)
	if c := b.conditionsOf(role); c != nil {
		for _, conditions := range [][]*condition.Condition{c.allow, c.require, c.restrict, c.stages} {
			for _, one := range conditions {
				if one != nil {
					n.Asserted = append(n.Asserted, one.Reads()...)
				}
			}
		}
		slices.Sort(n.Asserted)
		n.Asserted = slices.Compact(n.Asserted)
	}
	return n
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// renewable counts how often the requester had the role in the days before this begins.
func (j *judgement) renewable() {
	rule := j.role.Renewals
	if rule == nil {
		return
	}
	begins := j.f.Used
	if begins.IsZero() {
		begins = j.soonest()
	}
	var begun []time.Time
	for i := range j.f.History.Grants {
		g := &j.f.History.Grants[i]
		// One that came after this was used counted this one.
		later := !j.f.Used.IsZero() && g.Begun.After(j.f.Used)
		if g.Role == j.role.Name && !later && g.Begun.After(begins.Add(-days(rule.Days))) {
			begun = append(begun, g.Begun)
		}
	}
	name, within := j.f.Requester.called(), dayCount(rule.Days)
	if len(begun) < rule.Most {
		j.say("renewals", fmt.Sprintf("%s had %s %s in %s; %d is the most.", name, j.role.Name, times(len(begun)), within, rule.Most))
		return
	}
	remedy := ""
	if rule.Most > 0 {
		slices.SortFunc(begun, time.Time.Compare)
		remedy = fmt.Sprintf("Ask again from %s on.", moment(begun[len(begun)-rule.Most].Add(days(rule.Days))))
	}
	j.refuse("renewals", remedy, "%s had %s %s in %s; %d is the most.", name, j.role.Name, times(len(begun)), within, rule.Most)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
