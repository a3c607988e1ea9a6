package policies

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// crowd makes a random role and random approvals, of whom some do not count.
func crowd(r *rand.Rand) (*Bundle, Facts) {
	groups := []string{"a", "b", "c", "d"}
	some := func() []string {
		var chosen []string
		for _, g := range groups {
			if r.IntN(2) == 0 {
				chosen = append(chosen, g)
			}
		}
		return chosen
	}
	role := Role{Name: "role", Requesters: []string{"engineering"}, Logins: []string{"app"}, Duration: Duration{time.Hour, 4 * time.Hour}, Reason: "optional", Targets: Selector{Labels: map[string]string{"env": "production"}}}
	for i := range 1 + r.IntN(4) {
		role.Approval = append(role.Approval, Stage{Name: fmt.Sprint("s", i), Groups: append(some(), groups[r.IntN(4)]), Count: 1 + r.IntN(3)})
	}
	b := &Bundle{roles: []Role{role}, targets: []Target{{Name: "web-1", Labels: map[string]string{"env": "production"}}}}
	b.organization.Aliases = [][]Subject{{person("p0").Subject, person("p1").Subject}, {person("alice").Subject, person("p2").Subject}}
	b.index()
	f := facts()
	f.Ask.Role, f.Now, f.Approvals = "role", asked.Add(30*time.Minute), nil
	for range r.IntN(10) {
		f.Approvals = append(f.Approvals, someApproval(r, some()))
	}
	return b, f
}

func someApproval(r *rand.Rand, groups []string) Approval {
	duration := []time.Duration{time.Hour, 50 * time.Minute, 40 * time.Minute, 2 * time.Hour}[r.IntN(4)]
	by := person(fmt.Sprint("p", r.IntN(12)), groups...)
	if r.IntN(12) == 0 {
		by.Subject = person("alice").Subject
	}
	return approval(by, duration, time.Duration(r.IntN(20)-1)*time.Minute)
}

func each(t *testing.T, check func(t *testing.T, r *rand.Rand)) {
	t.Parallel()
	for seed := range uint64(1000) {
		check(t, rand.New(rand.NewPCG(seed, 1)))
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func TestTheOrderOfApprovalsDoesNotMatter(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		first := b.Decide(f)
		f.Approvals = slices.Clone(f.Approvals)
		r.Shuffle(len(f.Approvals), func(i, k int) { f.Approvals[i], f.Approvals[k] = f.Approvals[k], f.Approvals[i] })
		if again := b.Decide(f); !reflect.DeepEqual(first, again) {
			t.Errorf("%+v\n%+v", first, again)
		}
	})
}

func TestNobodyCountsWhoMustNot(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		d := b.Decide(f)
		var counted []Person
		for i, stage := range d.Stages {
			if len(stage.Given) > stage.Count {
				t.Errorf("stage %d took more than it needs", i)
			}
			for _, subject := range stage.Given {
				k := slices.IndexFunc(f.Approvals, func(a Approval) bool {
					return a.Approver.Subject == subject && a.Duration <= f.Ask.Duration && !a.Issued.Before(f.Asked) && a.Approver.inAny(stage.Groups)
				})
				if k < 0 {
					t.Fatalf("%v counts for stage %d without an approval that may", subject, i)
				}
				p := f.Approvals[k].Approver
				if b.SamePerson(p, f.Requester) || slices.ContainsFunc(counted, func(q Person) bool { return b.SamePerson(p, q) }) {
					t.Errorf("%v counts though they asked or already counted", subject)
				}
				counted = append(counted, p)
			}
		}
		full := len(d.Stages) > 0
		for _, stage := range d.Stages {
			full = full && len(stage.Given) == stage.Count
		}
		if full != (d.Outcome == Allowed) {
			t.Errorf("stages full: %v, outcome %s", full, d.Outcome)
		}
	})
}

// The number that counts is the greatest there is, held against trying
// everything.
func TestSeatingIsExact(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		role := b.roles[0]
		// One entry a person, in all the groups that they approved in.
		var people []Person
		for _, a := range f.Approvals {
			if b.dismiss(role, f, a) != "" {
				continue
			}
			i := slices.IndexFunc(people, func(p Person) bool { return b.SamePerson(p, a.Approver) })
			if i < 0 {
				i, people = len(people), append(people, Person{Subject: a.Approver.Subject, Email: a.Approver.Email})
			}
			people[i].Groups = append(people[i].Groups, a.Approver.Groups...)
		}
		if got, best := seated(b.Decide(f)), tryAll(role.Approval, make([]int, len(role.Approval)), people); got != best {
			t.Errorf("%d are seated, %d could be", got, best)
		}
	})
}

// tryAll seats people one after the other in every way, or not at all.
func tryAll(stages []Stage, taken []int, people []Person) int {
	if len(people) == 0 {
		return 0
	}
	best := tryAll(stages, taken, people[1:])
	for i, stage := range stages {
		if taken[i] < stage.Count && people[0].inAny(stage.Groups) {
			taken[i]++
			best = max(best, 1+tryAll(stages, taken, people[1:]))
			taken[i]--
		}
	}
	return best
}

// What was enough stays enough, and what was missing does not grow, whoever
// approves besides and whenever.
func TestAnotherApprovalTakesNothingAway(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		before := seated(b.Decide(f))
		another := someApproval(r, []string{"a", "b", "c", "d"}[:1+r.IntN(4)])
		f.Approvals = append(slices.Clone(f.Approvals), another)
		if after := seated(b.Decide(f)); after < before {
			t.Errorf("%d counted before, %d after %+v", before, after, another)
		}
	})
}

// A later approval changes neither who counts already nor when it ends.
func TestALaterApprovalChangesNothingThatWasAllowed(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		before := b.Decide(f)
		if before.Outcome != Allowed {
			return
		}
		another := someApproval(r, []string{"a", "b", "c", "d"})
		another.Issued = asked.Add(25 * time.Minute)
		f.Approvals = append(slices.Clone(f.Approvals), another)
		after := b.Decide(f)
		if after.Outcome != Allowed || !after.Ends.Equal(before.Ends) || after.Duration != before.Duration || !reflect.DeepEqual(after.Stages, before.Stages) {
			t.Errorf("%+v\n%+v", before, after)
		}
	})
}

func seated(d Decision) (n int) {
	for _, stage := range d.Stages {
		n += len(stage.Given)
	}
	return n
}
