package analysis_test

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// world is a small random policy with its people.
type world struct {
	text       string
	bundle     *policies.Bundle
	population *analysis.Population
}

var worldGroups = []string{"g0", "g1", "g2", "g3"}

// made are worlds by their seeds. Nobody changes one, and to read its policy is most of the work.
var made sync.Map

func randomWorld(t testing.TB, seed uint64) world {
	if w, ok := made.Load(seed); ok {
		return w.(world)
	}
	w := makeWorld(t, seed)
	made.Store(seed, w)
	return w
}

// makeWorld makes a world whose conditions hang on nothing but who asks, and for what.
func makeWorld(t testing.TB, seed uint64) world {
	r := rand.New(rand.NewPCG(seed, 7))
	some := func(most int) string {
		var list []string
		for range 1 + r.IntN(most) {
			if g := worldGroups[r.IntN(len(worldGroups))]; !slices.Contains(list, g) {
				list = append(list, g)
			}
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	chance := func(percent int) bool { return r.IntN(100) < percent }
	condition := func() string {
		return [...]string{
			`'"g0" in requester.groups'`, `'!("g1" in requester.groups)'`, `'requester.groups.exists(g, g == "g2")'`, `'target.labels["tier"] == "a"'`,
			`'ask.login == "root"'`, `'"tier" in target.labels'`, `'target.name == "one"'`, `'requester.subject == "p1"'`, `'ask.breakGlass || "g3" in requester.groups'`,
		}[r.IntN(9)]
	}
	stage := func(name string, after []string, conditional bool) string {
		text := fmt.Sprintf("{name: %s, count: %d", name, 1+r.IntN(2)*r.IntN(2))
		related := chance(30)
		if !related || chance(50) {
			text += ", groups: " + some(2)
		}
		if related {
			text += ", relations: [" + [...]string{"manager", "owner", "manager, owner"}[r.IntN(3)] + "]"
		}
		if len(after) > 0 && chance(40) {
			text += ", after: [" + after[r.IntN(len(after))] + "]"
		}
		if conditional && chance(20) {
			text += ", when: " + condition()
		}
		if chance(20) {
			text += ", escalate: [{after: 2h, groups: " + some(1) + "}]"
		}
		return text + "}"
	}
	rest := "logins: [root, app]\nrequesters: " + some(2) + "\napproval:"
	var names []string
	for i := range r.IntN(4) {
		name := fmt.Sprintf("s%d", i)
		rest += "\n- " + stage(name, names, true)
		names = append(names, name)
	}
	if len(names) == 0 {
		rest += " []"
	}
	rest += "\n"
	if len(names) > 0 && chance(30) {
		rest += "allow:\n"
		for i := range 1 + r.IntN(2) {
			rest += fmt.Sprintf("- {name: a%d, when: %s, without: [%s]}\n", i, condition(), names[r.IntN(len(names))])
		}
	}
	if chance(20) {
		rest += "require: [{name: q, that: " + condition() + ", else: It is not so.}]\n"
	}
	if chance(30) {
		rest += "restrict:\n- {name: x, when: " + condition() + ", add: [" + stage("added", names, false) + "]}\n"
		if chance(30) {
			rest += "- {name: y, when: " + condition() + ", refuse: It is so.}\n"
		}
	}
	if chance(30) {
		rest += "breakGlass: {requesters: " + some(2) + ", longest: 30m, review: {groups: [g0], within: 24h}}\n"
	}
	if chance(20) {
		rest += "passkey: {approvers: attested}\n"
	}
	organization := fmt.Sprintf("independence: {directReports: %t}\n", chance(30))
	if chance(30) {
		organization += "aliases: [[{issuer: 'https://id.example.com', subject: p0}, {issuer: 'https://id.example.com', subject: p1}]]\n"
	}
	text := authenticators(organization) + role("r", rest) + "---\n" + role("other", "requesters: "+some(1)+"\n")
	if strings.Contains(text, "manager") || strings.Contains(text, "directReports: true") || chance(40) {
		all := r.Perm(len(worldGroups))
		split := 1 + r.IntN(2)
		text += fmt.Sprintf("---\nkind: Team\nname: t0\nmembers: %s\nmanagers: %s\n", groupsAt(all[:split]), groupsAt(all[split:split+1+r.IntN(2)]))
	}
	if chance(20) {
		text += "---\nkind: Separation\nname: e\ndescription: d\nforbid: eligible\nroles: [r, other]\n"
	}
	if chance(20) {
		text += "---\nkind: Separation\nname: o\ndescription: d\nforbid: object\nroles: [r]\nlabels: [owner]\n"
	}
	targets := []string{"one env=prod owner=g1 tier=a"}
	if chance(50) {
		targets = append(targets, "two env=prod owner="+worldGroups[r.IntN(4)])
	}
	w := world{text: text, bundle: bundleOf(t, text, targets...)}
	w.population = randomPeople(r)
	return w
}

func groupsAt(places []int) string {
	var list []string
	for _, i := range places {
		list = append(list, worldGroups[i])
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func randomPeople(r *rand.Rand) *analysis.Population {
	groups := func(chance int) []string {
		var list []string
		for _, g := range worldGroups {
			if r.IntN(100) < chance {
				list = append(list, g)
			}
		}
		return list
	}
	var people []analysis.Person
	for i := range 3 + r.IntN(4) {
		name := fmt.Sprintf("p%d", i)
		p := analysis.Person{Person: policies.Person{Subject: subject(name), Name: name, Groups: groups(35)}, Roster: groups(15)}
		if r.IntN(5) == 0 {
			p.Email = "shared@example.com"
		}
		for range r.IntN(3) {
			key := analysis.Passkey{Groups: groups(40), Attested: r.IntN(3) > 0}
			p.Roster = append(p.Roster, key.Groups...)
			p.Passkeys = append(p.Passkeys, key)
		}
		people = append(people, p)
	}
	var delegations []analysis.Delegation
	for range r.IntN(4) * r.IntN(2) {
		from, to := people[r.IntN(len(people))], people[r.IntN(len(people))]
		delegations = append(delegations, analysis.Delegation{From: from.Subject, To: to.Subject, Groups: groups(60)})
	}
	return analysis.NewPopulation(people, delegations)
}

var asked = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// tried is what the oracle does: it has everybody of a set of identities do all they can,
// for each of them who could ask, and looks at what Decide says.
type tried struct {
	world
	known    *policies.People
	of       []int // identity -> person
	count    int   // of people
	attested bool  // each has enrolled attested passkeys in the place of theirs
}

func try(w world) tried {
	o := tried{world: w, of: make([]int, len(w.population.People()))}
	var known []policies.Person
	for _, p := range w.population.People() {
		plain := p.Person
		plain.Groups = p.Roster
		known = append(known, plain)
	}
	// Who is outside of the roster links nobody, and comes after those in it.
	var pinned []policies.Person
	var inside, outside []int
	for i, p := range w.population.People() {
		if len(p.Passkeys)+len(p.Roster) > 0 {
			pinned, inside = append(pinned, known[i]), append(inside, i)
		} else {
			outside = append(outside, i)
		}
	}
	o.known = policies.NewPeople(pinned)
	all := append(inside, outside...)
	for n, i := range all {
		earlier := slices.IndexFunc(all[:n], func(k int) bool { return w.bundle.Linked(known[i], known[k], o.known) })
		if earlier >= 0 {
			o.of[i] = o.of[all[earlier]]
			continue
		}
		o.of[i], o.count = o.count, o.count+1
	}
	return o
}

// approvals are all that the people of a set can sign, but who asks, once for each round.
func (o tried) approvals(set uint, asker int) []policies.Approval {
	var all []policies.Approval
	add := func(p analysis.Person, groups []string, attested bool, behalf *policies.Person) {
		approver := p.Person
		approver.Groups = groups
		for round := range 6 {
			at := asked.Add(3*time.Hour + time.Duration(round)*time.Minute)
			all = append(all, policies.Approval{Approver: approver, Duration: 20 * time.Minute, Issued: at, Attested: attested || o.attested, For: behalf})
		}
	}
	people := o.population.People()
	for i, p := range people {
		if set&(1<<o.of[i]) == 0 || o.of[i] == o.of[asker] {
			continue
		}
		for _, k := range p.Passkeys {
			add(p, k.Groups, k.Attested, nil)
			for _, d := range o.population.Delegations() {
				if d.To != p.Subject {
					continue
				}
				from := people[slices.IndexFunc(people, func(q analysis.Person) bool { return q.Subject == d.From })]
				behalf := from.Person
				behalf.Groups = nil
				for _, k := range from.Passkeys {
					for _, g := range k.Groups {
						if slices.Contains(d.Groups, g) && !slices.Contains(behalf.Groups, g) {
							behalf.Groups = append(behalf.Groups, g)
						}
					}
				}
				if o.of[i] != o.of[slices.IndexFunc(people, func(q analysis.Person) bool { return q.Subject == d.From })] {
					add(p, k.Groups, k.Attested, &behalf)
				}
			}
		}
	}
	return all
}

// allows tells whether the people of a set get the role, alone with themselves.
func (o tried) allows(set uint, emergency bool) bool {
	for asker, p := range o.population.People() {
		if set&(1<<o.of[asker]) == 0 {
			continue
		}
		approvals := o.approvals(set, asker)
		for _, target := range o.bundle.TargetsOf("r") {
			for _, login := range []string{"root", "app"} {
				now := asked.Add(3*time.Hour + 10*time.Minute)
				f := policies.Facts{
					Now: now, Asked: asked, Requester: p.Person, Known: o.known, Approvals: approvals,
					Ask:       policies.Ask{Role: "r", Target: target.Name, Login: login, Duration: 20 * time.Minute, BreakGlass: emergency},
					Confirmed: &policies.Confirmation{Issued: now, Attested: true},
				}
				// What needs nobody begins when it is asked for.
				early := f
				early.Now, early.Confirmed = asked.Add(time.Minute), &policies.Confirmation{Issued: asked.Add(time.Minute), Attested: true}
				early.Approvals = nil
				if o.bundle.Decide(f).Outcome == policies.Allowed || o.bundle.Decide(early).Outcome == policies.Allowed {
					return true
				}
			}
		}
	}
	return false
}

// fewest is the size of the smallest set that gets the role; zero where none does.
func (o tried) fewest(emergency bool) int {
	everybody := uint(1)<<o.count - 1
	if !o.allows(everybody, emergency) {
		return 0 // more approvals never take away
	}
	for size := 1; ; size++ {
		for set := uint(1); set <= everybody; set++ {
			if bits.OnesCount(set) == size && o.allows(set, emergency) {
				return size
			}
		}
	}
}

// checkExact holds each way against trying everything, once by the passkeys that there are
// and once as if all were attested.
func checkExact(t *testing.T, seed uint64, w world) (people int) {
	t.Helper()
	result := analysis.New(w.bundle, w.population).Collusion("r")
	o := try(w)
	for _, o.attested = range []bool{false, true} {
		if o.attested && !strings.Contains(w.text, "approvers: attested") {
			continue // it asks for none
		}
		said := map[bool]int{}
		for _, way := range result.Ways {
			if way.Way == analysis.WayPolicy || way.Way == analysis.WayEnrolment || len(way.Assumed) > 0 && !o.attested {
				continue
			}
			emergency := way.Way == analysis.WayBreakGlass
			if said[emergency] == 0 || way.People < said[emergency] {
				said[emergency] = way.People
			}
			for _, assumed := range way.Assumed {
				if !strings.HasSuffix(assumed, " enrols an attested passkey") {
					t.Errorf("seed %d: something was assumed: %v", seed, way.Assumed)
				}
			}
			checkParts(t, seed, way)
		}
		for _, emergency := range []bool{false, true} {
			if want := o.fewest(emergency); said[emergency] != want {
				t.Fatalf("seed %d: %d people get it (emergency: %t, all attested: %t), and trying everything says %d\n%+v\n%+v\n%s",
					seed, said[emergency], emergency, o.attested, want, w.population.People(), w.population.Delegations(), w.text)
			}
		}
		people = said[false]
	}
	return people
}

func checkParts(t *testing.T, seed uint64, way analysis.Way) {
	t.Helper()
	seen := map[policies.Subject]bool{}
	for _, p := range way.Parts {
		if seen[p.Subject] {
			t.Errorf("seed %d: %s has two parts: %s", seed, p.Name, way.Text)
		}
		seen[p.Subject] = true
	}
	if len(way.Parts) != way.People {
		t.Errorf("seed %d: %d parts for %d people", seed, len(way.Parts), way.People)
	}
}

// TestCollusionIsExact holds it against trying everything, in as many worlds as STINT_SOAK_WORLDS says.
func TestCollusionIsExact(t *testing.T) {
	t.Parallel()
	worlds := 250
	if many := os.Getenv("STINT_SOAK_WORLDS"); many != "" {
		var err error
		if worlds, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	found := map[int]int{}
	for seed := range uint64(worlds) {
		found[checkExact(t, seed, randomWorld(t, seed))]++
		if t.Failed() {
			return
		}
	}
	for people := range 4 {
		if found[people] < worlds/30 {
			t.Errorf("only %d worlds in which %d people get it: the test says little", found[people], people)
		}
	}
	t.Log(found)
}

func FuzzCollusionIsExact(f *testing.F) {
	f.Add(uint64(1) << 40)
	f.Fuzz(func(t *testing.T, seed uint64) { checkExact(t, seed, makeWorld(t, seed)) })
}
