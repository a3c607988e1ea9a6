package policies

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// chance makes random bundles and facts that use every construct. Its pieces are few, so that rules meet.
type chance struct {
	*rand.Rand
	// compiled are conditions: all bundles declare the same facts, and to compile the same few texts
	// for each of thousands would be most of the time.
	compiled *environments
}

// newChance is one for each seed of a test; they share what one of them compiled.
func newChance(seed, test uint64, compiled *environments) chance {
	return chance{rand.New(rand.NewPCG(seed, test)), compiled}
}

var propertyFacts = []AssertedFact{{Name: "risk", Type: FactNumber}, {Name: "open", Type: FactBool}}

// index does what is done to a bundle that is loaded.
func (r chance) index(b *Bundle) {
	b.conditions, b.environments = map[string]*conditions{}, r.compiled
	b.index()
}

func (r chance) one(n int) bool { return r.IntN(n) == 0 }

var propertyGroups = []string{"a", "b", "c", "d"}

func (r chance) groups() []string {
	chosen := []string{propertyGroups[r.IntN(len(propertyGroups))]}
	for _, g := range propertyGroups {
		if r.one(3) && !slices.Contains(chosen, g) {
			chosen = append(chosen, g)
		}
	}
	return chosen
}

func (r chance) pick(from ...string) string { return from[r.IntN(len(from))] }

// attestedConditions and assertedConditions are conditions for the blocks; some have no answer to some facts.
var (
	attestedConditions = []string{
		`"a" in requester.groups`, `ask.duration <= duration("40m")`, `target.labels["env"] == "production"`,
		`target.labels["owner"] == "b"`, `"keys" in held`, `ask.breakGlass`, `ask.ticket != ""`,
	}
	assertedConditions = []string{`asserted.risk > 5`, `asserted.open`, `asserted.open || asserted.risk < 3`, `!asserted.open`}
)

func (r chance) stage(name string) Stage {
	s := Stage{Name: name, Groups: r.groups(), Count: 1 + r.IntN(2)}
	if r.one(4) {
		s.Relations = []string{r.pick(RelationManager, RelationOwner)}
	}
	if r.one(2) {
		s.Escalate = []Escalation{{After: time.Duration(5+r.IntN(10)) * time.Minute, Groups: r.groups()}}
	}
	return s
}

func (r chance) role() Role {
	role := Role{
		Name: "role", Requesters: []string{"a", "b"}, Logins: []string{"app"}, Reason: "optional",
		Targets: Selector{Labels: map[string]string{"env": "production"}}, Duration: Duration{Default: time.Hour, Longest: 4 * time.Hour},
	}
	for i := range r.IntN(4) {
		s := r.stage(fmt.Sprint("s", i))
		for k := range i {
			if r.one(4) {
				s.After = append(s.After, fmt.Sprint("s", k))
			}
		}
		if r.one(4) {
			s.When = r.pick(attestedConditions...)
		}
		role.Approval = append(role.Approval, s)
	}
	if r.one(3) {
		role.Start = Start{At: r.pick(AtApproval, AtFirstUse), Within: time.Duration(r.IntN(3)) * time.Hour, Ahead: time.Duration(r.IntN(2)) * 4 * time.Hour}
	}
	if r.one(4) {
		role.Renewals = &Renewals{Most: 1 + r.IntN(2), Days: 1 + r.IntN(3)}
	}
	if r.one(3) {
		role.Windows = []string{"early", "late"}[:1+r.IntN(2)]
	}
	if r.one(5) {
		role.Ticket = &Ticket{Required: r.one(2), Pattern: "T-[0-9]"}
	}
	if r.one(4) {
		role.Passkey = PasskeyRule{Approvers: r.pick("", PasskeyAny, PasskeyAttested), Requester: r.pick("", PasskeyAny, PasskeyAttested), Fresh: time.Duration(r.IntN(3)) * 5 * time.Minute}
	}
	conditions := attestedConditions
	if r.one(2) {
		role.Trust = []string{"open"}
		conditions = append(slices.Clip(conditions), "asserted.open", "asserted.open", "!asserted.open")
	}
	if r.one(3) && len(role.Approval) > 0 {
		role.Allow = []Allowance{{Name: "allow", When: r.pick(conditions...), Without: []string{role.Approval[r.IntN(len(role.Approval))].Name}}}
	}
	if r.one(4) {
		role.Require = []Condition{{Name: "require", That: r.pick(conditions...), Else: "No."}}
	}
	if r.one(3) {
		role.Restrict = append(role.Restrict, r.restriction("restrict"))
	}
	if r.one(3) {
		role.BreakGlass = &BreakGlass{Requesters: []string{"a"}, Longest: time.Hour, Review: Review{Groups: []string{"c"}, Within: 24 * time.Hour}}
	}
	return role
}

func (r chance) restriction(name string) Restriction {
	made := Restriction{Name: name, When: r.pick(append(slices.Clip(attestedConditions), assertedConditions...)...), Refuse: "No."}
	if r.one(2) {
		made.Refuse, made.Add = "", []Stage{r.stage("added-" + name)}
	}
	return made
}

func (r chance) separation(name string) Separation {
	s := Separation{Name: name, Forbid: r.pick(ForbidEligible, ForbidHeld, ForbidHistory, ForbidObject), Roles: []string{"role", "keys"}, Days: 1 + r.IntN(3)}
	if s.Forbid == ForbidObject {
		s.Labels = []string{OwnerLabel}
	}
	return s
}

func (r chance) bundle() *Bundle {
	every := []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	b := &Bundle{
		roles: []Role{{Name: "keys", Requesters: []string{"d"}}, r.role()},
		targets: []Target{
			{Name: "web-1", Labels: map[string]string{"env": "production", OwnerLabel: "b"}},
			{Name: "web-2", Labels: map[string]string{"env": "production"}},
		},
		teams: []Team{{Name: "team", Members: []string{"a"}, Managers: []string{"c"}}},
		calendars: []Calendar{
			{Name: "early", Zone: "UTC", Open: []Hours{{Days: every, From: "04:00", To: "05:12"}}},
			{Name: "late", Zone: "UTC", Open: []Hours{{Days: every, From: "05:20", To: "07:00"}}},
		},
	}
	o := &b.organization
	o.Aliases = [][]Subject{{person("alice").Subject, person("alice-too").Subject}, {person("p0").Subject, person("p1").Subject}}
	o.Facts = propertyFacts
	if r.one(3) {
		o.Independence = Independence{DirectReports: r.one(2), ReciprocalDays: r.IntN(3), PolicyChangeDays: r.IntN(3)}
	}
	if r.one(3) {
		b.separations = []Separation{r.separation("apart")}
	}
	r.index(b)
	return b
}

// person is anybody of those who are known but the requester: as a roster has them, each with
// the same groups in all that is said of one request.
func (r chance) person(f *Facts) Person {
	all := f.Known.All()[2:]
	return all[r.IntN(len(all))]
}

func (r chance) approval(f *Facts) Approval {
	a := Approval{Approver: r.person(f), Duration: f.Ask.Duration - time.Duration(r.IntN(2))*10*time.Minute, Issued: asked.Add(time.Duration(r.IntN(15)) * time.Minute), Attested: !r.one(3)}
	if r.one(4) {
		other := r.person(f)
		a.For = &other
	}
	return a
}

// facts are mostly those of something that could be allowed.
func (r chance) facts() Facts {
	f := Facts{Now: asked.Add(time.Duration(15+r.IntN(3)*10) * time.Minute), Asked: asked, Requester: person("alice", "a")}
	if r.one(4) {
		f.Requester.Groups = r.groups()
	}
	known := []Person{person("alice", "a"), person("alice-too")}
	if r.one(4) {
		known[1].Groups = r.groups()
	}
	for i := range 7 {
		known = append(known, person(fmt.Sprint("p", i), r.groups()...))
	}
	if r.one(3) { // p5 is one person with p6
		linked := known[2+5]
		linked.Email = "p6@example.com"
		known = append(known, linked)
	}
	f.Known = NewPeople(known)
	f.Ask = Ask{Role: "role", Target: r.pick("web-1", "web-1", "web-2"), Login: "app", Duration: time.Duration(40+r.IntN(3)*20) * time.Minute, Ticket: r.pick("", "T-1", "T-1", "other")}
	if r.one(6) {
		f.Ask.Start = asked.Add(time.Duration(r.IntN(40)) * time.Minute)
	}
	f.Ask.BreakGlass = r.one(8)
	for range r.IntN(9) {
		f.Approvals = append(f.Approvals, r.approval(&f))
	}
	if r.one(4) {
		f.Held = []Held{{"h1", "keys"}}
	}
	if r.one(3) {
		f.Used = asked.Add(time.Duration(10+r.IntN(5)) * time.Minute)
	}
	if !r.one(3) {
		f.Confirmed = &Confirmation{Issued: asked.Add(time.Duration(r.IntN(15)) * time.Minute), Attested: !r.one(3)}
	}
	for range r.IntN(3) {
		ended := asked.Add(-time.Duration(r.IntN(80)) * time.Hour)
		f.History.Grants = append(f.History.Grants, PastGrant{Role: r.pick("role", "keys"), Begun: ended.Add(-time.Hour), Ended: ended})
	}
	if r.one(3) {
		f.History.Agreed = []PastApproval{{Requester: r.person(&f).Subject, At: asked.Add(-time.Duration(r.IntN(60)) * time.Hour)}, {Requester: r.person(&f).Subject, At: asked}}
	}
	if r.one(6) {
		f.History.Reviews = []OpenReview{{"e1", asked.Add(-time.Duration(r.IntN(30)) * time.Hour)}, {"e2", asked}}
	}
	for range r.IntN(3) {
		f.Changes = append(f.Changes, PolicyChange{At: asked.Add(-time.Duration(r.IntN(60)) * time.Hour), By: []Subject{r.person(&f).Subject, r.person(&f).Subject}, Roles: []string{"role"}})
	}
	f.Asserted = r.asserted()
	return f
}

func (r chance) asserted() []Assertion {
	var said []Assertion
	if !r.one(4) {
		said = append(said, Assertion{"risk", fmt.Sprint(r.IntN(10))})
	}
	if !r.one(4) {
		said = append(said, Assertion{"open", r.pick("true", "false")})
	}
	return said
}
