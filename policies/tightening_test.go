package policies

import (
	"slices"
	"testing"
	"time"
)

// tightening takes something away from whoever asks for the role; it says whether there
// was anything to take.
type tightening struct {
	name string
	do   func(r chance, b *Bundle, role *Role) bool
}

func cutOne[T any](r chance, list *[]T) bool {
	if len(*list) == 0 {
		return false
	}
	i := r.IntN(len(*list))
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return true
}

// someStage is one of the role's own, which may be changed.
func (r chance) someStage(role *Role) *Stage {
	if len(role.Approval) == 0 {
		return &Stage{}
	}
	role.Approval = slices.Clone(role.Approval)
	return &role.Approval[r.IntN(len(role.Approval))]
}

var tightenings = []tightening{
	{"a group of those who may ask leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &role.Requesters) }},
	{"a group of a stage leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &r.someStage(role).Groups) }},
	{"a relation of a stage leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &r.someStage(role).Relations) }},
	{"an escalation leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &r.someStage(role).Escalate) }},
	{"an escalation waits longer", func(r chance, _ *Bundle, role *Role) bool {
		s := r.someStage(role)
		if len(s.Escalate) == 0 {
			return false
		}
		s.Escalate = []Escalation{{After: s.Escalate[0].After + 5*time.Minute, Groups: s.Escalate[0].Groups}}
		return true
	}},
	{"a count rises", func(r chance, _ *Bundle, role *Role) bool { r.someStage(role).Count++; return len(role.Approval) > 0 }},
	{"a stage comes", func(r chance, _ *Bundle, role *Role) bool {
		role.Approval = append(slices.Clone(role.Approval), r.stage("new"))
		return true
	}},
	{"a stage waits for another", func(r chance, _ *Bundle, role *Role) bool {
		if len(role.Approval) < 2 {
			return false
		}
		role.Approval = slices.Clone(role.Approval)
		last := &role.Approval[len(role.Approval)-1]
		last.After = append(slices.Clone(last.After), role.Approval[0].Name)
		return true
	}},
	{"a stage loses its condition", func(r chance, _ *Bundle, role *Role) bool { r.someStage(role).When = ""; return true }},
	{"an allowance leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &role.Allow) }},
	{"trust leaves", func(r chance, _ *Bundle, role *Role) bool { return cutOne(r, &role.Trust) }},
	{"a requirement comes", func(r chance, _ *Bundle, role *Role) bool {
		role.Require = append(slices.Clone(role.Require), Condition{Name: "new", That: r.pick(attestedConditions...), Else: "No."})
		return true
	}},
	{"a restriction comes", func(r chance, _ *Bundle, role *Role) bool {
		role.Restrict = append(slices.Clone(role.Restrict), r.restriction("new"))
		return true
	}},
	{"a separation comes", func(r chance, b *Bundle, _ *Role) bool {
		b.separations = append(slices.Clone(b.separations), r.separation("new"))
		return true
	}},
	{"a separation looks back further", func(r chance, b *Bundle, _ *Role) bool {
		b.separations = slices.Clone(b.separations)
		for i := range b.separations {
			b.separations[i].Days++
		}
		return len(b.separations) > 0
	}},
	{"the longest duration shrinks", func(_ chance, _ *Bundle, role *Role) bool { role.Duration.Longest = time.Hour; return true }},
	{"a window closes earlier", func(_ chance, b *Bundle, _ *Role) bool {
		b.calendars = slices.Clone(b.calendars)
		b.calendars[1].Open = []Hours{{Days: b.calendars[1].Open[0].Days, From: "05:20", To: "05:30"}}
		b.calendars[1].week = nil
		return true
	}},
	{"a window leaves", func(_ chance, _ *Bundle, role *Role) bool {
		if len(role.Windows) < 2 {
			return false
		}
		role.Windows = role.Windows[:1]
		return true
	}},
	{"a window is demanded", func(r chance, _ *Bundle, role *Role) bool {
		if len(role.Windows) > 0 {
			return false
		}
		role.Windows = []string{r.pick("early", "late")}
		return true
	}},
	{"no time can be set", func(_ chance, _ *Bundle, role *Role) bool { role.Start.Ahead = 0; return true }},
	{"it must be used sooner", func(_ chance, _ *Bundle, role *Role) bool { role.Start.Within = 20 * time.Minute; return true }},
	{"renewals shrink", func(_ chance, _ *Bundle, role *Role) bool {
		most := 1
		if role.Renewals != nil {
			most = role.Renewals.Most - 1
		}
		role.Renewals = &Renewals{Most: most, Days: 5}
		return true
	}},
	{"a ticket is demanded", func(_ chance, _ *Bundle, role *Role) bool {
		role.Ticket = &Ticket{Required: true, Pattern: "T-[0-9]"}
		return true
	}},
	{"approvers need better passkeys", func(_ chance, _ *Bundle, role *Role) bool { role.Passkey.Approvers = PasskeyAttested; return true }},
	{"the requester needs a better passkey", func(_ chance, _ *Bundle, role *Role) bool { role.Passkey.Requester = PasskeyAttested; return true }},
	{"a confirmation must be fresh", func(_ chance, _ *Bundle, role *Role) bool { role.Passkey.Fresh = 4 * time.Minute; return true }},
	{"approvers are more independent", func(_ chance, b *Bundle, _ *Role) bool {
		b.organization.Independence = Independence{DirectReports: true, ReciprocalDays: 3, PolicyChangeDays: 3}
		return true
	}},
	{"two identities become one person's", func(_ chance, b *Bundle, _ *Role) bool {
		b.organization.Aliases = append(slices.Clone(b.organization.Aliases), []Subject{person("p2").Subject, person("p3").Subject})
		return true
	}},
	{"emergencies are shorter", func(_ chance, _ *Bundle, role *Role) bool {
		if role.BreakGlass != nil {
			glass := *role.BreakGlass
			glass.Longest, glass.Requesters, glass.Review.Within = 40*time.Minute, nil, time.Hour
			role.BreakGlass = &glass
		}
		return role.BreakGlass != nil
	}},
	{"there are no emergencies any more", func(_ chance, _ *Bundle, role *Role) bool {
		had := role.BreakGlass != nil
		role.BreakGlass = nil
		return had
	}},
}

// tightened is the bundle with something taken away; nil where there was nothing.
func (t tightening) tightened(r chance, b *Bundle) *Bundle {
	after := &Bundle{
		organization: b.organization, roles: slices.Clone(b.roles), targets: b.targets,
		separations: b.separations, teams: b.teams, calendars: b.calendars,
	}
	if !t.do(r, after, &after.roles[1]) {
		return nil
	}
	r.index(after)
	return after
}

// nearly gives requests that are allowed or that one rule alone keeps from it, out of many:
// where more stand against it, no slip in one of them shows.
func (r chance) nearly(b *Bundle) (asks []Facts, decisions []Decision) {
	for range 4 * requests {
		ask := r.facts()
		d := b.Decide(ask)
		against := 0
		for _, reason := range d.Reasons {
			if !reason.Met && !ofAnApproval(reason) {
				against++
			}
		}
		if against <= 1 && d.Outcome != Scheduled {
			asks, decisions = append(asks, ask), append(decisions, d)
		}
		if len(asks) == requests/2 {
			break
		}
	}
	return asks, decisions
}

// What is not allowed is not by taking something away.
func TestPropertyTighteningNeverAllows(t *testing.T) {
	t.Parallel()
	took := map[string]bool{}
	compiled := &environments{facts: propertyFacts}
	for seed := range bundles(t) {
		r := newChance(seed, 8, compiled)
		b := r.bundle()
		asks, decisions := r.nearly(b)
		for _, how := range tightenings {
			tightened := how.tightened(r, b)
			for n := 0; tightened != nil && n < len(asks); n++ {
				before := decisions[n]
				if before.Outcome == Allowed && took[how.name] {
					continue // whatever becomes of it shows nothing
				}
				after := tightened.Decide(asks[n])
				given := after.Outcome == Allowed || after.Outcome == Scheduled
				switch {
				case before.Outcome == Allowed && after.Outcome != Allowed:
					took[how.name] = true
				case before.Outcome != Allowed && given && !isOver(before):
					t.Fatalf("seed %d: %s, and it is %s instead of %s:\n%s\n%s", seed, how.name, after.Outcome, before.Outcome, written(before), written(after))
				}
			}
		}
	}
	for _, how := range tightenings {
		if !took[how.name] {
			t.Errorf("%q never took anything away: the cases are too tame", how.name)
		}
	}
}
