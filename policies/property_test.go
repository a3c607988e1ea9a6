package policies

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
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
	if r.one(4) {
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

func (r chance) person() Person { return person(fmt.Sprint("p", r.IntN(7)), r.groups()...) }

func (r chance) approval(f *Facts) Approval {
	a := Approval{Approver: r.person(), Duration: f.Ask.Duration - time.Duration(r.IntN(2))*10*time.Minute, Issued: asked.Add(time.Duration(r.IntN(15)) * time.Minute), Attested: !r.one(3)}
	if r.one(4) {
		other := r.person()
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
		f.History.Agreed = []PastApproval{{Requester: r.person().Subject, At: asked.Add(-time.Duration(r.IntN(60)) * time.Hour)}, {Requester: r.person().Subject, At: asked}}
	}
	if r.one(6) {
		f.History.Reviews = []OpenReview{{"e1", asked.Add(-time.Duration(r.IntN(30)) * time.Hour)}, {"e2", asked}}
	}
	for range r.IntN(3) {
		f.Changes = append(f.Changes, PolicyChange{At: asked.Add(-time.Duration(r.IntN(60)) * time.Hour), By: []Subject{r.person().Subject, r.person().Subject}, Roles: []string{"role"}})
	}
	f.Asserted = r.asserted()
	known := []Person{person("alice", "a"), person("alice-too")}
	if r.one(4) {
		known[1].Groups = r.groups()
	}
	for i := range 7 {
		known = append(known, person(fmt.Sprint("p", i), propertyGroups[i%4]))
	}
	if r.one(3) { // p5 is one person with p6
		linked := person("p5")
		linked.Email = "p6@example.com"
		known = append(known, linked)
	}
	f.Known = NewPeople(known)
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

// bundles and requests are how many a property is held against.
const (
	bundles  = 100
	requests = 20
)

func everyDecision(t *testing.T, check func(t *testing.T, r chance, b *Bundle, f Facts)) {
	t.Parallel()
	compiled := &environments{facts: propertyFacts}
	for seed := range uint64(bundles) {
		r := newChance(seed, 7, compiled)
		b := r.bundle()
		for n := range requests {
			f := r.facts()
			check(t, r, b, f)
			if t.Failed() {
				t.Fatalf("with seed %d, request %d: %+v", seed, n, b.roles[1])
			}
		}
	}
}

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

// isOver tells whether it was allowed before, and its time has passed. Then a rule that is met
// later would begin it later: that nothing is given back which is over is for those to see to who know that it was had.
func isOver(d Decision) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool {
		return !r.Met && (r.Rule == "end" || r.Rule == "use-by" || r.Rule == "window" && len(d.Stages) > 0 || r.Rule == "independence:policy-change")
	})
}

// What is not allowed is not by taking something away.
func TestTighteningNeverAllows(t *testing.T) {
	t.Parallel()
	took := map[string]bool{}
	compiled := &environments{facts: propertyFacts}
	for seed := range uint64(bundles) {
		r := newChance(seed, 8, compiled)
		b := r.bundle()
		asks := make([]Facts, requests)
		decisions := make([]Decision, requests)
		for n := range asks {
			asks[n] = r.facts()
			decisions[n] = b.Decide(asks[n])
		}
		for _, how := range tightenings {
			tightened := how.tightened(r, b)
			for n := 0; tightened != nil && n < requests; n++ {
				before := decisions[n]
				if before.Outcome == Scheduled || before.Outcome == Allowed && took[how.name] {
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

// What is enough stays enough when somebody approves besides: no stage loses anybody,
// and later approvals change nothing at all.
func TestAddingAnApprovalNeverTakesAway(t *testing.T) {
	allowed := 0
	everyDecision(t, func(t *testing.T, r chance, b *Bundle, f Facts) {
		before := b.Decide(f)
		more := f
		another := r.approval(&f)
		more.Approvals = append(slices.Clone(f.Approvals), another)
		after := b.Decide(more)
		if seated(after) < seated(before) {
			t.Errorf("%d are seated instead of %d with %+v", seated(after), seated(before), another)
		}
		if before.Outcome == Allowed && after.Outcome != Allowed && !isOver(after) {
			t.Errorf("%+v made it %s:\n%s\n%s", another, after.Outcome, written(before), written(after))
		}
		another.Issued = asked.Add(15 * time.Minute)
		more.Approvals = append(slices.Clone(f.Approvals), another)
		if before.Outcome == Allowed {
			allowed++
			later := b.Decide(more)
			later.Reasons, before.Reasons = nil, nil
			if !reflect.DeepEqual(later, before) {
				t.Errorf("a later approval made of\n%s\n%s", written(before), written(later))
			}
		}
	})
	if allowed < 100 {
		t.Errorf("only %d cases were allowed", allowed)
	}
}

// However the requester approves (as themselves, by an alias, through an address, or with somebody in the middle),
// it does not count.
func TestTheRequesterNeverCounts(t *testing.T) {
	everyDecision(t, func(t *testing.T, r chance, b *Bundle, f Facts) {
		linked := person("alice-linked", propertyGroups...)
		middle := person("alice-too")
		middle.Email = linked.Email
		f.Known = NewPeople(append(slices.Clone(f.Known.All()), middle))
		before := b.Decide(f)
		own := []Person{
			person("alice", propertyGroups...), person("alice-too", propertyGroups...), linked,
			{Subject: Subject{issuer, "x"}, Email: "ALICE@example.com", Groups: propertyGroups},
		}[r.IntN(4)]
		a := []Approval{
			{Approver: own},
			{Approver: own, For: &Person{Subject: Subject{issuer, "other"}, Groups: propertyGroups}},
			{Approver: Person{Subject: Subject{issuer, "other"}}, For: &own},
		}[r.IntN(3)]
		a.Duration, a.Issued, a.Attested = f.Ask.Duration, asked, true
		f.Approvals = append(slices.Clone(f.Approvals), a)
		after := b.Decide(f)
		after.Reasons, before.Reasons = nil, nil
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%+v made a difference:\n%+v\n%+v", a, before, after)
		}
	})
}

// It does not matter in which order things are told.
func TestTheOrderOfTellingDoesNotMatter(t *testing.T) {
	everyDecision(t, func(t *testing.T, r chance, b *Bundle, f Facts) {
		told := f
		told.Approvals = shuffled(r, f.Approvals)
		told.Held = shuffled(r, append(slices.Clone(f.Held), Held{"h2", "role"}))
		f.Held = append(slices.Clone(f.Held), Held{"h2", "role"})
		told.History = History{Grants: shuffled(r, f.History.Grants), Agreed: shuffled(r, f.History.Agreed), Reviews: shuffled(r, f.History.Reviews)}
		told.Changes = shuffled(r, f.Changes)
		told.Asserted = shuffled(r, f.Asserted)
		told.Known = NewPeople(shuffled(r, f.Known.All()))
		if first, again := b.Decide(f), b.Decide(told); !reflect.DeepEqual(first, again) {
			t.Errorf("%s\n%s", written(first), written(again))
		}
	})
}

func shuffled[T any](r chance, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

// What the broker asserts only ever takes away, unless the role trusts it.
func TestAssertedFactsGiveNothing(t *testing.T) {
	differed := 0
	stripped := map[*Bundle]*Bundle{}
	everyDecision(t, func(t *testing.T, r chance, b *Bundle, f Facts) {
		if len(b.roles[1].Trust) > 0 {
			return
		}
		free := stripped[b]
		if free == nil {
			free = &Bundle{organization: b.organization, roles: slices.Clone(b.roles), targets: b.targets, separations: b.separations, teams: b.teams, calendars: b.calendars}
			free.roles[1].Restrict = nil
			r.index(free)
			stripped[b] = free
		}
		other := f
		other.Asserted = r.asserted()
		if one, two := free.Decide(f), free.Decide(other); !reflect.DeepEqual(one, two) {
			t.Errorf("asserted facts made of\n%s\n%s", written(one), written(two))
		}
		most := free.Decide(f)
		got := b.Decide(other)
		if !reflect.DeepEqual(got.Outcome, most.Outcome) {
			differed++
		}
		if most.Outcome != Allowed && got.Outcome == Allowed && !isOver(most) {
			t.Errorf("%+v gave it:\n%s\n%s", other.Asserted, written(most), written(got))
		}
	})
	if differed < 10 {
		t.Errorf("only %d restrictions spoke", differed)
	}
}

// What a decision says of itself fits together.
func TestDecisionsFitTogether(t *testing.T) {
	everyDecision(t, func(t *testing.T, _ chance, b *Bundle, f Facts) {
		d := b.Decide(f)
		given := d.Outcome == Allowed || d.Outcome == Scheduled
		unmet := slices.ContainsFunc(d.Reasons, func(r Reason) bool {
			return !r.Met && !slices.Contains([]string{"approval", "independence:direct-reports", "independence:reciprocal", "independence:policy-change"}, r.Rule)
		})
		full := !slices.ContainsFunc(d.Stages, func(s StageResult) bool { return len(s.Given) < s.Count })
		switch {
		case given == unmet, given && !full, given == d.Begins.IsZero(), given == d.Ends.IsZero():
		case d.Outcome == Refused && d.Duration != 0, d.Outcome != Refused && (d.Duration <= 0 || d.Duration > f.Ask.Duration):
		case d.Confirm != "" && d.Outcome != NeedsApproval, d.Outcome == NeedsApproval && full && d.Confirm == "":
		case d.Outcome == Scheduled && !d.Begins.After(f.Now), d.Outcome == Allowed && (d.Begins.After(f.Now) || !f.Now.Before(d.Ends)):
		case given && (d.Ends.Sub(d.Begins) > d.Duration || !d.Begins.Before(d.Ends)):
		case f.Ask.BreakGlass && given && (f.Confirmed == nil || !f.Confirmed.Attested || b.roles[1].BreakGlass == nil):
		case d.Outcome != Refused && slices.ContainsFunc(b.roles[1].Approval, func(s Stage) bool {
			return f.Ask.BreakGlass && slices.ContainsFunc(d.Stages, func(r StageResult) bool { return r.Name == s.Name })
		}):
		default:
			return
		}
		t.Errorf("it does not fit together:\n%s", written(d))
	})
}
