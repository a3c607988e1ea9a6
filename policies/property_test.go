package policies

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

// requests are how many of each random bundle a property is held against.
const requests = 20

// bundles is how many random bundles it is held against: as many as STINT_SOAK_WORLDS says.
func bundles(t *testing.T) uint64 {
	t.Helper()
	many := os.Getenv("STINT_SOAK_WORLDS")
	if many == "" {
		return 100
	}
	n, err := strconv.ParseUint(many, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func everyDecision(t *testing.T, check func(t *testing.T, r chance, b *Bundle, f Facts)) {
	t.Parallel()
	compiled := &environments{facts: propertyFacts}
	for seed := range bundles(t) {
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

// isOver tells whether it was allowed before, and its time has passed. Then a rule that is met
// later would begin it later: that nothing is given back which is over is for those to see to who know that it was had.
func isOver(d Decision) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool {
		return !r.Met && (r.Rule == "end" || r.Rule == "use-by" || r.Rule == "window" && len(d.Stages) > 0 || r.Rule == "independence:policy-change")
	})
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

// ofAnApproval tells whether a reason is of one approval, and stands against nothing by itself.
func ofAnApproval(r Reason) bool {
	return slices.Contains([]string{"approval", "independence:direct-reports", "independence:reciprocal", "independence:policy-change"}, r.Rule)
}

// What a decision says of itself fits together.
func TestDecisionsFitTogether(t *testing.T) {
	everyDecision(t, func(t *testing.T, _ chance, b *Bundle, f Facts) {
		d := b.Decide(f)
		given := d.Outcome == Allowed || d.Outcome == Scheduled
		unmet := slices.ContainsFunc(d.Reasons, func(r Reason) bool {
			return !r.Met && !ofAnApproval(r)
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

// What is said of one approval more is what the decision with it says.
func TestUncountedIsAsDecided(t *testing.T) {
	counted, uncounted := 0, 0
	everyDecision(t, func(t *testing.T, r chance, b *Bundle, f Facts) {
		if len(f.Approvals) == 0 {
			return
		}
		n := r.IntN(len(f.Approvals))
		one, without := f.Approvals[n], f
		without.Approvals = slices.Delete(slices.Clone(f.Approvals), n, n+1)
		same := func(a Approval) bool {
			return compareApprovals(a, one) == 0 || a.Approver.Subject == one.Approver.Subject
		}
		if slices.ContainsFunc(without.Approvals, same) {
			return // the decision does not say which of the two counts
		}
		d, why := b.Decide(f), b.Uncounted(without, one)
		given := slices.ContainsFunc(d.Stages, func(s StageResult) bool { return slices.Contains(s.Given, one.Approver.Subject) })
		waits := slices.ContainsFunc(d.Stages, func(s StageResult) bool { return len(s.After) > 0 })
		if given {
			counted++
		} else {
			uncounted++
		}
		// Of one person with many identities each may name another.
		said := why != nil && slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Rule == why.Rule && r.Met == why.Met })
		if given != (why == nil) || why != nil && !said && !waits {
			t.Errorf("%+v is uncounted because of %+v in\n%s", one, why, written(d))
		}
	})
	if counted < 100 || uncounted < 100 {
		t.Errorf("%d counted, %d did not", counted, uncounted)
	}
}
