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
		stage := Stage{Name: fmt.Sprint("s", i), Groups: append(some(), groups[r.IntN(4)]), Count: 1 + r.IntN(3)}
		for k := range i {
			if r.IntN(4) == 0 {
				stage.After = append(stage.After, fmt.Sprint("s", k))
			}
		}
		if r.IntN(4) == 0 {
			stage.Escalate = []Escalation{{After: time.Duration(r.IntN(10)) * time.Minute, Groups: some()}}
		}
		role.Approval = append(role.Approval, stage)
	}
	r.Shuffle(len(role.Approval), func(i, k int) { role.Approval[i], role.Approval[k] = role.Approval[k], role.Approval[i] })
	b := &Bundle{roles: []Role{role}, targets: []Target{{Name: "web-1", Labels: map[string]string{"env": "production"}}}}
	b.organization.Aliases = [][]Subject{{person("p0").Subject, person("p1").Subject}, {person("alice").Subject, person("p2").Subject}}
	f := facts()
	f.Ask.Role, f.Now, f.Approvals = "role", asked.Add(30*time.Minute), nil
	if r.IntN(2) == 0 {
		b.organization.Independence.PolicyChangeDays = 1
		f.Changes = []PolicyChange{{At: asked, Roles: []string{"role"}, By: []Subject{person("p3").Subject, person("p4").Subject, person("p5").Subject, person("p6").Subject}}}
	}
	b.index()
	for range r.IntN(12) {
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
	a := approval(by, duration, time.Duration(r.IntN(20)-1)*time.Minute)
	if r.IntN(4) == 0 {
		other := person(fmt.Sprint("p", r.IntN(12)), groups...)
		a.For, a.Approver.Groups = &other, nil
	}
	return a
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

// circle are all who must not count beside an approval: who gave it, and for whom.
func circle(a Approval) []Person {
	if a.For != nil {
		return []Person{a.Approver, *a.For}
	}
	return []Person{a.Approver}
}

func TestNobodyCountsWhoMustNot(t *testing.T) {
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		d := b.Decide(f)
		full := len(d.Stages) > 0
		var given []Subject
		for i, stage := range d.Stages {
			full = full && len(stage.Given) == stage.Count
			if len(stage.Given) > stage.Count {
				t.Errorf("stage %d took more than it needs", i)
			}
			for _, subject := range stage.Given {
				given = append(given, subject)
				if !slices.ContainsFunc(f.Approvals, func(a Approval) bool {
					return a.Approver.Subject == subject && a.Duration <= f.Ask.Duration && !a.Issued.Before(f.Asked) && a.speaksFor().inAny(stage.Groups) &&
						!slices.ContainsFunc(circle(a), func(p Person) bool { return b.SamePerson(p, f.Requester) })
				}) {
					t.Fatalf("%v counts for stage %d without an approval that may", subject, i)
				}
			}
		}
		for i, subject := range given {
			if slices.ContainsFunc(given[:i], func(other Subject) bool { return b.SamePerson(Person{Subject: subject}, Person{Subject: other}) }) {
				t.Errorf("%v counts twice", subject)
			}
		}
		if full != (d.Outcome == Allowed) {
			t.Errorf("stages full: %v, outcome %s", full, d.Outcome)
		}
		changed := func(s Subject) bool {
			return slices.ContainsFunc(f.Changes, func(c PolicyChange) bool {
				return slices.ContainsFunc(c.By, func(by Subject) bool { return by == s })
			})
		}
		if full && !slices.ContainsFunc(given, func(s Subject) bool { return !changed(s) }) {
			t.Error("only those who changed the rules approved")
		}
	})
}

// Who counts, and since when, is the best there is, held against trying everything.
func TestSeatingIsExact(t *testing.T) {
	full := 0
	each(t, func(t *testing.T, r *rand.Rand) {
		b, f := crowd(r)
		j := newJudgement(b, b.role("role"), &f)
		stages := j.spared()
		j.order(stages)
		h := j.gather(stages)
		got := h.seat()
		most, last := everything{h}.best()
		if got.taken != most || got.full() && got.last != last {
			t.Errorf("%d are seated, the last by approval %d; %d could be, the last by %d", got.taken, got.last, most, last)
		}
		if got.full() {
			full++
		}
		// Nobody sits in two circles.
		var people []int
		for v, i := range got.seats {
			if i < 0 {
				continue
			}
			for _, p := range slices.Compact([]int{h.voters[v].person, h.voters[v].other}) {
				if p >= 0 && slices.Contains(people, p) {
					t.Errorf("person %d counts twice", p)
				}
				people = append(people, p)
			}
		}
	})
	if full < 50 {
		t.Errorf("only %d of the cases were full", full)
	}
}

// everything tries every way to seat those in a hall.
type everything struct{ *hall }

// best is the greatest number of places that can be taken, and with which vote all are; as
// the comment of hall says it.
func (e everything) best() (most, last int) {
	last = never
	for choice := range 1 << len(e.voters) {
		if !e.allowed(choice) {
			continue
		}
		for end := range len(e.votes) + 1 {
			taken := e.most(choice, end, 1<<len(e.stages)-1, -1)
			if e.apart && taken == e.places(1<<len(e.stages)-1) && taken > 0 && !e.others(choice, end) {
				taken--
			}
			if most = max(most, taken); taken == e.places(1<<len(e.stages)-1) {
				last = min(last, end-1)
				break
			}
		}
	}
	return most, last
}

// allowed tells whether a choice of voters (bits) is of separate circles, with few enough on behalf of others.
func (e everything) allowed(choice int) bool {
	delegated := 0
	for v := range e.voters {
		for w := range v {
			if choice&(1<<v) != 0 && choice&(1<<w) != 0 && e.voters[v].meets(&e.voters[w]) {
				return false
			}
		}
		if choice&(1<<v) != 0 && e.voters[v].other >= 0 {
			delegated++
		}
	}
	return delegated <= mostDelegated
}

func (e everything) places(stages uint64) (n int) {
	for i := range e.stages {
		if stages&(1<<i) != 0 {
			n += e.stages[i].Count
		}
	}
	return n
}

// takes tells whether the stage takes one of a voter's first votes, but for one vote: those
// after others have filled what it waits for, by the time of that vote.
func (e everything) takes(choice, voter, stage, end, without int) bool {
	for k := range end {
		if k != without && e.votes[k].voter == voter && e.votes[k].fits&(1<<stage) != 0 && e.most(choice, e.by(k), e.stages[stage].after, k) == e.places(e.stages[stage].after) {
			return true
		}
	}
	return false
}

// by is how many votes were given by the time that the k-th was.
func (e everything) by(k int) int {
	n := k
	for n < len(e.votes) && !e.votes[n].Issued.After(e.votes[k].Issued) {
		n++
	}
	return n
}

// most is how many places of some stages can be taken by the first votes.
func (e everything) most(choice, end int, stages uint64, without int) int {
	if stages == 0 {
		return 0
	}
	taken := make([]int, len(e.stages))
	var try func(voter int) int
	try = func(voter int) int {
		if voter == len(e.voters) {
			return 0
		}
		best := try(voter + 1)
		for i := range e.stages {
			if choice&(1<<voter) != 0 && stages&(1<<i) != 0 && taken[i] < e.stages[i].Count && e.takes(choice, voter, i, end, without) {
				taken[i]++
				best = max(best, 1+try(voter+1))
				taken[i]--
			}
		}
		return best
	}
	return try(0)
}

// others tells whether a seating that takes all places has somebody who did not change the rules.
func (e everything) others(choice, end int) bool {
	taken := make([]int, len(e.stages))
	var try func(voter, seated int, other bool) bool
	try = func(voter, seated int, other bool) bool {
		if voter == len(e.voters) {
			return other && seated == e.places(1<<len(e.stages)-1)
		}
		if try(voter+1, seated, other) {
			return true
		}
		for i := range e.stages {
			if choice&(1<<voter) != 0 && taken[i] < e.stages[i].Count && e.takes(choice, voter, i, end, -1) {
				taken[i]++
				found := try(voter+1, seated+1, other || !e.voters[voter].changed)
				taken[i]--
				if found {
					return true
				}
			}
		}
		return false
	}
	return try(0, 0, false)
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
