package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"

	"stint/policies"
	"stint/policies/policiestest"
)

// BenchmarkAgainstCedar judges the same requests in both languages, by turns, and reports
// how many times as long cedar-go takes as Decide, at the median of each.
//
// Cedar knows neither approvers' stages nor calendars, history or who is close to whom.
// What it is asked is therefore less: who has approved, what is open and what the
// requester had are put into its context beforehand, ready to be looked up, and that is
// not measured. It answers yes or no where Decide gives its reasons in words. whole is
// cedar over the whole policy, as its interface has it; one is cedar over the policies
// of the role alone, which somebody picked beforehand.
func BenchmarkAgainstCedar(b *testing.B) {
	world := policiestest.New(b, 10_000)
	requests := world.Requests(1000)
	c := translate(b, world, requests)
	// First of all they must agree, or the comparison is of different policies.
	for i, f := range requests {
		ours := world.Bundle.Decide(f).Outcome == policies.Allowed
		whole, diagnostic := cedar.Authorize(c.whole, c.entities, c.requests[i])
		one, _ := cedar.Authorize(c.byRole[f.Ask.Role], c.entities, c.requests[i])
		if len(diagnostic.Errors) > 0 || bool(whole) != ours || bool(one) != ours {
			b.Fatalf("request %d: Decide allows: %v, cedar: %v and %v (%v)", i, ours, whole, one, diagnostic.Errors)
		}
	}
	var decide, whole, one []time.Duration
	timed := func(into *[]time.Duration, run func()) {
		begun := time.Now()
		run()
		*into = append(*into, time.Since(begun))
	}
	b.ResetTimer()
	for i := range b.N {
		f, request := requests[i%len(requests)], c.requests[i%len(requests)]
		timed(&decide, func() { world.Bundle.Decide(f) })
		timed(&one, func() { cedar.Authorize(c.byRole[f.Ask.Role], c.entities, request) })
		if i%20 == 0 {
			timed(&whole, func() { cedar.Authorize(c.whole, c.entities, request) })
		}
	}
	b.StopTimer()
	median := func(took []time.Duration) float64 {
		slices.Sort(took)
		return float64(took[len(took)/2].Nanoseconds())
	}
	b.ReportMetric(median(decide)/1e3, "decide-µs")
	b.ReportMetric(median(one)/1e3, "cedar-one-µs")
	b.ReportMetric(median(whole)/1e3, "cedar-whole-µs")
	b.ReportMetric(median(one)/median(decide), "cedar-one/decide")
	b.ReportMetric(median(whole)/median(decide), "cedar-whole/decide")
}

// translation is a world in cedar's terms.
type translation struct {
	whole    *cedar.PolicySet
	byRole   map[string]*cedar.PolicySet
	entities cedar.EntityMap
	requests []cedar.Request
}

func translate(b *testing.B, world policiestest.World, requests []policies.Facts) translation {
	c := translation{whole: cedar.NewPolicySet(), byRole: map[string]*cedar.PolicySet{}, entities: cedar.EntityMap{}}
	for _, role := range world.Bundle.Roles() {
		set, err := cedar.NewPolicySetFromBytes(role.Name, []byte(inCedar(world.Bundle, role)))
		if err != nil {
			b.Fatalf("%s: %v\n%s", role.Name, err, inCedar(world.Bundle, role))
		}
		c.byRole[role.Name] = set
		for id, policy := range set.All() {
			c.whole.Add(cedar.PolicyID(role.Name+"/"+string(id)), policy)
		}
	}
	for _, p := range world.People {
		var groups []cedar.EntityUID
		for _, g := range p.Groups {
			groups = append(groups, cedar.NewEntityUID("Group", cedar.String(g)))
		}
		uid := cedar.NewEntityUID("Person", cedar.String(p.Subject.Subject))
		c.entities[uid] = cedar.Entity{UID: uid, Parents: cedar.NewEntityUIDSet(groups...), Attributes: cedar.NewRecord(cedar.RecordMap{
			"email": cedar.String(p.Email), "managers": texts(managersOf(world.Bundle, p)),
		})}
	}
	for _, t := range world.Bundle.Targets() {
		uid := cedar.NewEntityUID("Target", cedar.String(t.Name))
		labels := cedar.RecordMap{"ownerGroup": cedar.NewEntityUID("Group", cedar.String(t.Labels["owner"]))}
		for key, value := range t.Labels {
			labels[cedar.String(key)] = cedar.String(value)
		}
		c.entities[uid] = cedar.Entity{UID: uid, Attributes: cedar.NewRecord(labels)}
	}
	for _, f := range requests {
		c.requests = append(c.requests, inContext(world, f))
	}
	return c
}

// managersOf lists the groups of those who manage a person.
func managersOf(bundle *policies.Bundle, p policies.Person) (groups []string) {
	for _, team := range bundle.Teams() {
		if slices.ContainsFunc(team.Members, func(g string) bool { return slices.Contains(p.Groups, g) }) {
			groups = append(groups, team.Managers...)
		}
	}
	return groups
}

// inContext says of a request what cedar cannot find out.
func inContext(world policiestest.World, f policies.Facts) cedar.Request {
	var approvers, held, had []string
	for _, a := range f.Approvals {
		if !reports(world.Bundle, f.Requester, a.Approver) {
			approvers = append(approvers, a.Approver.Groups...)
		}
	}
	for _, h := range f.Held {
		held = append(held, h.Role)
	}
	for _, g := range f.History.Grants {
		had = append(had, g.Role)
	}
	context := cedar.RecordMap{
		"login": cedar.String(f.Ask.Login), "minutes": cedar.Long(f.Ask.Duration.Minutes()), "reason": cedar.String(f.Ask.Reason),
		"approvers": texts(approvers), "held": texts(held), "had": texts(had), "open": texts([]string{"working-hours"}),
	}
	for _, said := range f.Asserted {
		switch said.Name {
		case "on-call":
			context["onCall"] = cedar.Boolean(said.Value == "true")
		case "risk":
			context["risk"] = cedar.Long(said.Value[0] - '0')
		}
	}
	return cedar.Request{
		Principal: cedar.NewEntityUID("Person", cedar.String(f.Requester.Subject.Subject)),
		Action:    cedar.NewEntityUID("Action", cedar.String(f.Ask.Role)),
		Resource:  cedar.NewEntityUID("Target", cedar.String(f.Ask.Target)),
		Context:   cedar.NewRecord(context),
	}
}

// reports tells whether somebody is in a team that another manages.
func reports(bundle *policies.Bundle, manager, report policies.Person) bool {
	return slices.ContainsFunc(managersOf(bundle, report), func(g string) bool { return slices.Contains(manager.Groups, g) })
}

// inCedar writes one role's rules.
func inCedar(bundle *policies.Bundle, role policies.Role) string {
	var s strings.Builder
	deny := func(when string, values ...any) {
		fmt.Fprintf(&s, "forbid (principal, action == Action::%q, resource) when { %s };\n", role.Name, fmt.Sprintf(when, values...))
	}
	in := func(groups []string) string {
		var all []string
		for _, g := range groups {
			all = append(all, fmt.Sprintf("principal in Group::%q", g))
		}
		return "(" + strings.Join(all, " || ") + ")"
	}
	// The conditions are written by the world, so what they mean is known by their place.
	outsiders, longer := quoted(role.Require[0].That, 1), quoted(role.Require[1].That, 1)
	lead, security, second := role.Approval[0].Groups, role.Approval[1].Groups, role.Restrict[1].Add[0].Groups
	fmt.Fprintf(&s, `permit (principal, action == Action::%q, resource) when {
		%s && resource.unit == %q && %s.contains(context.login) && context.minutes > 0 && context.minutes <= %d && context.reason != "" &&
		%s.containsAny(context.open) &&
		principal.email like "*@example.com" && !(principal in Group::%q) &&
		(context.minutes <= 240 || principal in Group::%q) &&
		(context.approvers.containsAny(%s) || context.approvers.containsAny(principal.managers)) &&
		((context.login == "app" && resource.env == "staging" && context.minutes <= 60) ||
			!(context.login == "root" || resource.env == "prod") || context.approvers.containsAny(%s))
	};
`, role.Name, in(role.Requesters), role.Targets.Labels["unit"], setOf(role.Logins), int(role.Duration.Longest.Minutes()), setOf(role.Windows),
		outsiders, longer, setOf(lead), setOf(security))
	deny("context.risk > 7")
	deny("!context.onCall && resource.env == \"prod\" && !context.approvers.containsAny(%s)", setOf(second))
	for _, separation := range bundle.Separations() {
		if !slices.Contains(separation.Roles, role.Name) {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(separation.Roles), func(name string) bool { return name == role.Name })
		switch separation.Forbid {
		case policies.ForbidHeld:
			deny("context.held.containsAny(%s)", setOf(others))
		case policies.ForbidHistory:
			deny("context.had.containsAny(%s)", setOf(others))
		case policies.ForbidObject:
			deny("principal in resource.ownerGroup")
		}
	}
	return s.String()
}

// quoted is the text in the quotes of that number, from the back.
func quoted(expression string, number int) string {
	parts := strings.Split(expression, `"`)
	return parts[len(parts)-2*number]
}

func setOf(values []string) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf("%q", v))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func texts(values []string) cedar.Set {
	var all []cedar.Value
	for _, v := range values {
		all = append(all, cedar.String(v))
	}
	return cedar.NewSet(all...)
}
