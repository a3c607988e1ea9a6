package analysis_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
)

// TestWhoAsksIsInWhateverGroups: who asks is imagined in all groups that suit them at once.
func TestWhoAsksIsInWhateverGroups(t *testing.T) {
	t.Parallel()
	const (
		two     = "approval:\n- {name: lead, groups: [lead], count: 1}\n- {name: security, groups: [security], count: 1}\n"
		glass   = two + "breakGlass: {requesters: [oncall], longest: 30m, review: {groups: [security], within: 24h}}\n"
		manager = "approval:\n- {name: manager, relations: [manager], count: 1}\n"
		team    = "\n---\nkind: Team\nname: t\nmembers: [staff]\nmanagers: [boss]\n"
		apart   = "\n---\n" + "kind: Separation\nname: s\ndescription: d\nforbid: eligible\nroles: [r, other]\n"
		own     = "\n---\n" + "kind: Separation\nname: s\ndescription: d\nforbid: object\nroles: [r]\nlabels: [owner]\n"
	)
	// A role for emergencies alone, with a stage of its own.
	emergency := func(oncall, stage string) string {
		return "approval: []\nrequire: [{name: e, that: ask.breakGlass, else: No.}]\nrestrict: [{name: x, when: ask.breakGlass, add: [{name: x, " + stage + ", count: 1}]}]\n" +
			"breakGlass: {requesters: " + oncall + ", longest: 30m, review: {groups: [security], within: 24h}}\n"
	}
	// Some manage the lead, who manages them and the idle.
	teams := func(some string) string {
		text := ""
		for _, team := range []string{"t\nmembers: [lead]\nmanagers: [" + some + "]", "u\nmembers: [idle, " + some + "]\nmanagers: [lead]", "v\nmembers: [some]\nmanagers: [chief]"} {
			text += "\n---\nkind: Team\nname: " + team + "\n"
		}
		return text
	}
	other := func(requesters string) string { return "\n---\n" + role("other", "requesters: ["+requesters+"]\n") }
	for _, c := range []struct {
		name         string
		organization string
		role         string
		rest         string
		targets      []string
		want         int
		way          string
		text         string
	}{
		{name: "who asks is not on call by their group", role: glass, want: 1, way: analysis.WayBreakGlass, text: "somebody in dev and oncall breaks the glass."},
		{name: "whoever is on call may not ask", role: glass, rest: other("oncall") + apart, want: 3},
		{name: "one of those on call may", role: strings.Replace(glass, "[oncall]", "[oncall, duty]", 1), rest: other("oncall") + apart, want: 1, text: "somebody in dev and duty breaks the glass."},
		{name: "nobody is on call where they ask", role: glass, rest: own, targets: []string{"a env=prod owner=oncall"}, want: 3},
		{name: "somebody is elsewhere", role: glass, rest: own, targets: []string{"a env=prod owner=oncall", "b env=prod owner=x"}, want: 1},
		{name: "who asks is in no team by their group", role: manager, rest: team, want: 2, text: "somebody in dev and staff asks; member 1 of boss approves stage manager as one of boss, which manages team t."},
		{name: "in a team and on call", role: emergency("[oncall]", "relations: [manager]"), rest: team, want: 2, way: analysis.WayBreakGlass,
			text: "somebody in dev, oncall and staff breaks the glass; member 1 of boss approves stage x as one of boss, which manages team t."},
		{name: "nobody may be in a team", role: manager, rest: team + other("staff") + apart, want: 3, way: analysis.WayPolicy},
		{name: "the manager of whoever asks reports to them", organization: "independence: {directReports: true}\n", role: strings.Replace(manager, "approval:", "requesters: [boss]\napproval:", 1),
			rest: "\n---\nkind: Team\nname: t\nmembers: [lead]\nmanagers: [boss]\n---\nkind: Team\nname: u\nmembers: [boss, idle]\nmanagers: [lead]\n", want: 3, way: analysis.WayPolicy},
		{name: "another manager does not", organization: "independence: {directReports: true}\n", role: strings.Replace(manager, "approval:", "requesters: [boss]\napproval:", 1),
			rest: "\n---\nkind: Team\nname: t\nmembers: [lead]\nmanagers: [boss]\n---\nkind: Team\nname: u\nmembers: [boss, idle]\nmanagers: [lead]\n---\nkind: Team\nname: v\nmembers: [some]\nmanagers: [chief]\n", want: 2, text: "somebody in boss and some asks; member 1 of chief approves stage manager as one of chief, which manages team v."},
		{name: "whoever is on call manages the manager", organization: "independence: {directReports: true}\n", role: emergency("[boss]", "relations: [manager]"), rest: teams("boss"), want: 2,
			text: "somebody in boss, dev and some breaks the glass; member 1 of chief approves stage x as one of chief, which manages team v."},
		{name: "administrators manage the manager", organization: "independence: {directReports: true}\n", role: manager, rest: teams("administrators"), want: 2,
			text: "somebody in dev, some and administrators asks and signs the enrolment of approvers who are nobody; " +
				"member 2 of administrators signs the enrolment of approvers who are nobody; member 3 of administrators signs the enrolment of approvers who are nobody."},
		{name: "only one of those who ask manages who approves", organization: "independence: {directReports: true}\n", role: "requesters: [boss, dev]\n" + emergency("[oncall]", "groups: [lead]"), rest: teams("boss"), want: 2,
			text: "somebody in dev and oncall breaks the glass; member 1 of lead approves stage x as one of lead."},
		{name: "an administrator may ask", role: two, want: 3, text: "somebody in dev and administrators asks and signs the enrolment of approvers who are nobody; " +
			"member 2 of administrators signs the enrolment of approvers who are nobody; member 3 of administrators signs the enrolment of approvers who are nobody."},
		{name: "the owner of what an inventory may bring", organization: "inventories:\n- {name: fleet, key: " + hostKey + ", labels: {env: [prod], owner: [keepers]}}\n",
			role: "approval: [{name: owner, relations: [owner], count: 1}]\n", want: 2, text: "member 1 of dev asks; member 1 of keepers approves stage owner as one of keepers, which owns the target."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.targets == nil {
				c.targets = []string{"a env=prod"}
			}
			b := bundleOf(t, authenticators("quorum: 3\n"+c.organization)+role("r", c.role)+c.rest, c.targets...)
			got := analysis.New(b, nil).Collusion("r")
			if got.People != c.want || c.way != "" && got.Ways[0].Way != c.way {
				t.Fatalf("%d people get it, want %d by %s: %+v", got.People, c.want, c.way, got.Ways)
			}
			if c.text != "" && !slices.ContainsFunc(got.Ways, func(w analysis.Way) bool { return w.Text == c.text }) {
				t.Errorf("no example is %q: %+v", c.text, got.Ways)
			}
		})
	}
}

// TestTheOwnersOfWhatAnInventoryBringsApprove, though those of the policy's own targets are nobody.
func TestTheOwnersOfWhatAnInventoryBringsApprove(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, "kind: Organization\ninventories:\n- {name: fleet, key: "+hostKey+", labels: {env: [prod], owner: [keepers]}}\n---\n"+
		role("r", "approval: [{name: owner, relations: [owner], count: 1}]\n"), "a env=prod owner=nobody")
	if got := analysis.New(b, population(nil, "ann dev", "bob x / keepers")).Collusion("r"); got.People != 2 {
		t.Errorf("%d people get it, though Bob would own what the inventory brings", got.People)
	}
}

// TestMinCollusionWithoutPeople: the gate of a pipeline that knows nobody sees who gets in alone.
func TestMinCollusionWithoutPeople(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, authenticators("reviewers: [sec]\n"+sealed())+role("r", "approval: [{name: lead, groups: [lead], count: 1}]\nbreakGlass: {requesters: [oncall], longest: 30m, review: {groups: [sec], within: 24h}}\n"), "a env=prod")
	findings := analysis.New(b, nil).Lint(analysis.Options{MinCollusion: 2})
	if len(findings) != 2 || findings[0].Rule != "min-collusion" || findings[1].Rule != "alone" || findings[0].Line == 0 {
		t.Errorf("it found %+v", findings)
	}
}

// TestCheaperWayWithoutPeople: two roles are held against each other where one group may ask
// for both, whatever else somebody may be imagined to be in.
func TestCheaperWayWithoutPeople(t *testing.T) {
	t.Parallel()
	for requesters, want := range map[string]bool{"[dev, ops]": true, "[ops]": false} {
		b := bundleOf(t, role("r", "requesters: [dev]\napproval: [{name: lead, groups: [lead], count: 1}]\n")+"---\n"+role("easy", "requesters: "+requesters+"\n"), "a env=prod")
		got := slices.ContainsFunc(analysis.New(b, nil).Lint(analysis.Options{}), func(f analysis.Finding) bool { return f.Rule == "cheaper-way" })
		if got != want {
			t.Errorf("easy for %s is a cheaper way: %t", requesters, got)
		}
	}
}

// elsewhere is a group that only an inventory names.
const elsewhere = "elsewhere"

// anybodyOf are people in every set of groups there is: by the directory those who ask, as
// administrators and not, and by the roster enough of each group who approve.
func anybodyOf(groups []string) *analysis.Population {
	var people []analysis.Person
	add := func(name string, by []string, speaksFor ...string) {
		p := analysis.Person{Person: policies.Person{Subject: subject(name), Name: name, Groups: by}}
		if len(speaksFor) > 0 {
			p.Passkeys = []analysis.Passkey{{Groups: speaksFor, Attested: true}}
		}
		people = append(people, p)
	}
	for set := range 1 << len(groups) {
		var by []string
		for i, g := range groups {
			if set&(1<<i) != 0 {
				by = append(by, g)
			}
		}
		add(fmt.Sprintf("asks %d", set), by)
		add(fmt.Sprintf("asks and administers %d", set), by, policies.AdministratorsGroup)
	}
	for _, g := range append(slices.Clone(groups), policies.AdministratorsGroup, elsewhere) {
		for i := range 12 {
			add(fmt.Sprintf("%s %d", g, i), nil, g)
		}
	}
	return analysis.NewPopulation(people, nil)
}

// leastOf is the smallest number of each kind of way; ask and allow are one.
func leastOf(r analysis.Result) map[string]int {
	least := map[string]int{"any": r.People}
	for _, w := range r.Ways {
		kind := w.Way
		if kind == analysis.WayAllow {
			kind = analysis.WayAsk
		}
		if n, known := least[kind]; !known || w.People < n {
			least[kind] = w.People
		}
	}
	return least
}

// covers tells whether what is said without people is no more than what some people need.
// Nobody enrols approvers where none are needed, so where that is so fewer get it by asking.
func covers(without map[string]int, kind string, people int) bool {
	least := without[kind]
	if least == 0 && kind == analysis.WayEnrolment {
		least = without["any"]
	}
	return 0 < least && least <= people
}

// checkAbstract holds what is said without people against what is said with some, and with
// people of every kind.
func checkAbstract(t *testing.T, seed uint64, w world) (looked bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 11))
	text, groups := w.bundle.Files()["policy.yaml"], slices.Clone(worldGroups)
	if r.IntN(2) == 0 { // administrators do other things too
		i := r.IntN(len(groups))
		text = strings.ReplaceAll(text, groups[i], policies.AdministratorsGroup)
		groups[i] = policies.AdministratorsGroup
	}
	if r.IntN(2) == 0 {
		text = strings.Replace(text, "\nindependence:", "\ninventories: [{name: fleet, key: "+hostKey+", labels: {env: [prod], owner: ["+groups[r.IntN(4)]+", "+elsewhere+"]}}]\nindependence:", 1)
	}
	if r.IntN(2) == 0 { // several teams
		groups = append(groups, "h0", "h1")
		for i := range 2 {
			all := r.Perm(len(groups))
			text += fmt.Sprintf("---\nkind: Team\nname: more-%d\nmembers: [%s, %s]\nmanagers: [%s]\n", i, groups[all[0]], groups[all[1]], groups[all[2]])
		}
		if r.IntN(2) == 0 {
			text = strings.Replace(text, "directReports: false", "directReports: true", 1)
		}
		if r.IntN(2) == 0 {
			text = strings.Replace(text, "restrict:\n", "restrict:\n- {name: managed, when: 'true', add: [{name: managed, relations: [manager], count: 1}]}\n", 1)
		}
	}
	b := bundleOf(t, text)
	without := leastOf(analysis.New(b, nil).Collusion("r"))
	for range 3 {
		p := randomPeople(r)
		for kind, n := range leastOf(analysis.New(b, p).Collusion("r")) {
			if n > 0 && !covers(without, kind, n) {
				t.Fatalf("seed %d: %d people get it by %s, and without people it is said to take %d\n%+v\n%+v\n%s", seed, n, kind, without[kind], p.People(), p.Delegations(), text)
			}
		}
	}
	with := analysis.New(b, anybodyOf(groups)).Collusion("r")
	least := leastOf(with)
	for kind, n := range least {
		if !covers(without, kind, n) {
			t.Fatalf("seed %d: people get it by %s, %d of them, and without people it is said to take %d\n%+v\n%s", seed, kind, n, without[kind], with.Ways, text)
		}
	}
	if strings.Contains(text, "requester.") {
		return false // what such a condition makes of somebody is taken to suit them
	}
	for kind, n := range without {
		if least[kind] != n {
			t.Fatalf("seed %d: %s is said to take %d people, and nobody could get it with fewer than %d\n%+v\n%s", seed, kind, n, least[kind], with.Ways, text)
		}
	}
	return true
}

// TestWithoutPeopleIsTheLeastOfAll: whoever there may be, they are no fewer than what is said
// where nobody is known, and somewhere so few are enough.
func TestWithoutPeopleIsTheLeastOfAll(t *testing.T) {
	t.Parallel()
	looked := 0
	for seed := range uint64(250) {
		if checkAbstract(t, seed, randomWorld(t, seed)) {
			looked++
		}
	}
	if looked < 50 {
		t.Errorf("only %d policies were held against everybody there could be", looked)
	}
}

func FuzzWithoutPeopleIsTheLeastOfAll(f *testing.F) {
	f.Add(uint64(1) << 41)
	f.Fuzz(func(t *testing.T, seed uint64) { checkAbstract(t, seed, makeWorld(t, seed)) })
}
