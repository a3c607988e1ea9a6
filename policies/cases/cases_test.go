package cases

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"stint/policies"
	"stint/policies/analysis"
)

const policyText = `kind: Role
name: shell
description: A shell.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy, admin]
duration: {default: 30m, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [leads], count: 1}
  - {name: security, groups: [security], count: 1}
---
kind: Role
name: peek
description: A look.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 5m, longest: 5m}
reason: optional
approval: []
---
kind: Separation
name: shell-or-peek
description: Not both.
forbid: held
roles: [shell, peek]
`

const targetText = "kind: Target\nname: web-1\nlabels: {env: production}\n---\n"

func bundleOf(t *testing.T, text string) *policies.Bundle {
	t.Helper()
	b, err := policies.Load(fstest.MapFS{"policy.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cast are the people of these tests: name, groups of the ID token, groups of the passkey.
func cast() *analysis.Population {
	var people []analysis.Person
	for _, p := range []struct {
		name   string
		groups []string
		keys   []analysis.Passkey
	}{
		{"ada", []string{"engineering"}, nil},
		{"bob", []string{"engineering"}, []analysis.Passkey{{Groups: []string{"leads"}}}},
		{"mara", nil, []analysis.Passkey{{Groups: []string{"leads"}}, {Groups: []string{"leads", "security"}, Attested: true}}},
		{"sam", nil, []analysis.Passkey{{Groups: []string{"security"}}}},
	} {
		people = append(people, analysis.Person{
			Person:   policies.Person{Name: p.name, Subject: policies.Subject{Subject: p.name, Issuer: "https://id.test"}, Groups: p.groups},
			Passkeys: p.keys,
		})
	}
	return analysis.NewPopulation(people, nil)
}

func suiteOf(t *testing.T, text string) (*Suite, *policies.Bundle) {
	t.Helper()
	s, err := parse(map[string]string{"tests/cases.yaml": targetText + text}, cast())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Bundle(bundleOf(t, policyText))
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func TestCasesComeAsExpected(t *testing.T) {
	t.Parallel()
	s, b := suiteOf(t, `kind: Case
name: both agree
by: ada
ask: {role: shell}
approvals:
  - {by: bob, after: 5m}
  - {by: sam, after: 10m, duration: 20m}
expect: {outcome: allowed, open: [], duration: 20m, ends: 30m, begins: 10m, says: [bob approved]}
---
kind: Case
name: shell
by: ada
ask: {role: shell, duration: 1h, reason: An incident}
approvals: [{by: bob}]
expect: {outcome: needs-approval, open: [security]}
cases:
  - {name: one agrees}
  - {name: nobody agrees, approvals: [], expect: {outcome: needs-approval, open: [lead, security]}}
  - {name: too long, ask: {duration: 5h}, expect: {outcome: refused, refusedBy: [duration]}}
  - {name: no reason, ask: {reason: ""}, expect: {outcome: refused, refusedBy: [reason]}}
  - {name: the reason came back}
  - {name: a stranger, by: sam, expect: {outcome: refused, refusedBy: [requester-group]}}
  - {name: both at once, held: [peek], expect: {outcome: refused, says: [peek]}}
  - {name: once more}
  - {name: over, approvals: [{by: mara}, {by: sam}], at: 3d, expect: {outcome: refused, refusedBy: [end]}}
  - {name: no such role, ask: {role: shall}, expect: {outcome: refused, refusedBy: [role]}}
`)
	results := s.Run(b)
	for _, r := range results.Cases {
		for _, f := range r.Failures {
			t.Errorf("%s:%d: %s: %s: expected %s, came %s", r.File, r.Line, r.Name, f.What, f.Expected, f.Came)
		}
	}
	if results.Passed != 11 || results.Failed != 0 {
		t.Errorf("%d passed, %d failed", results.Passed, results.Failed)
	}
	if got := s.Cases[3].Name; got != "shell: too long" {
		t.Errorf("it is called %q", got)
	}
}

func TestFailuresSayWhatCame(t *testing.T) {
	t.Parallel()
	s, b := suiteOf(t, `kind: Case
name: all wrong
by: ada
ask: {role: shell}
expect: {outcome: allowed, open: [lead], refusedBy: [target], says: [the moon], duration: 1h, ends: 1h, confirm: any}
---
kind: Case
name: refused
by: ada
ask: {role: shell, login: root, target: web-9}
expect: {outcome: refused, refusedBy: [login]}
`)
	results := s.Run(b)
	want := []Failure{
		{"outcome", "allowed", "needs-approval"},
		{"open", "lead", "lead, security"},
		{"refusedBy", "target", "none"},
		{"says", `"the moon"`, "no reason that says so"},
		{"duration", "1h", "30m"},
		{"ends", "2026-03-02T11:00:00Z (1h after the asking)", "none"},
		{"confirm", "any", "none"},
	}
	if diff := cmp.Diff(want, results.Cases[0].Failures); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Failure{{"refusedBy", "login", "login, target"}}, results.Cases[1].Failures); diff != "" {
		t.Error(diff)
	}
	if results.Failed != 2 {
		t.Errorf("%d failed", results.Failed)
	}
}

func TestFactsOfACase(t *testing.T) {
	t.Parallel()
	s, b := suiteOf(t, `kind: Case
name: everything
asked: 2026-05-04T22:00:00+02:00
by: ada
ask: {role: shell, ticket: OPS-1, start: 2h, breakGlass: true}
approvals:
  - {by: sam, for: mara, groups: [leads], after: 1m}
  - {by: mara, attested: false, after: 2m}
  - {by: mara, after: 3m}
held: [peek]
confirmed: {after: 4m, attested: true}
used: 3h
history:
  grants: [{role: shell, ago: 1d, lasted: 2h}, {role: peek, ago: 2d12h}]
  agreed: [{for: bob, ago: 3d}]
  reviews: [{ago: 1h}]
changes: [{by: [bob], ago: 1d}]
asserted: {risk: 3, on-call: true, ticket-state: open}
expect: {outcome: allowed}
`)
	f := s.Facts(b, s.Cases[0])
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.UTC()
	}
	who := func(name string, groups ...string) policies.Person {
		p, _ := s.People.Find(name)
		person := p.Person
		person.Groups = groups
		return person
	}
	mara := who("mara", "leads")
	want := policies.Facts{
		Now: at("2026-05-04T23:00:00Z"), Asked: at("2026-05-04T20:00:00Z"), Requester: who("ada", "engineering"),
		Ask: policies.Ask{Role: "shell", Target: "web-1", Login: "deploy", Duration: 30 * time.Minute, Reason: "To see what the policy says", Ticket: "OPS-1", Start: at("2026-05-04T22:00:00Z"), BreakGlass: true},
		Approvals: []policies.Approval{
			{Approver: who("sam", "security"), For: &mara, Duration: 30 * time.Minute, Issued: at("2026-05-04T20:01:00Z")},
			{Approver: who("mara", "leads"), Duration: 30 * time.Minute, Issued: at("2026-05-04T20:02:00Z")},
			{Approver: who("mara", "leads", "security"), Duration: 30 * time.Minute, Issued: at("2026-05-04T20:03:00Z"), Attested: true},
		},
		Held:      []policies.Held{{Request: "held-1", Role: "peek"}},
		Used:      at("2026-05-04T23:00:00Z"),
		Confirmed: &policies.Confirmation{Issued: at("2026-05-04T20:04:00Z"), Attested: true},
		History: policies.History{
			Grants: []policies.PastGrant{
				{Request: "past-2", Role: "peek", Begun: at("2026-05-02T08:00:00Z"), Ended: at("2026-05-02T09:00:00Z")},
				{Request: "past-1", Role: "shell", Begun: at("2026-05-03T20:00:00Z"), Ended: at("2026-05-03T22:00:00Z")},
			},
			Agreed:  []policies.PastApproval{{Request: "agreed-1", Requester: who("bob").Subject, At: at("2026-05-01T20:00:00Z")}},
			Reviews: []policies.OpenReview{{Request: "emergency-1", Begun: at("2026-05-04T19:00:00Z")}},
		},
		Changes:  []policies.PolicyChange{{At: at("2026-05-03T20:00:00Z"), By: []policies.Subject{who("bob").Subject}, Roles: []string{"shell"}}},
		Asserted: []policies.Assertion{{Name: "on-call", Value: "true"}, {Name: "risk", Value: "3"}, {Name: "ticket-state", Value: "open"}},
	}
	f.Known = nil
	if diff := cmp.Diff(want, f, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsOfCases(t *testing.T) {
	t.Parallel()
	const good = "kind: Case\nname: c\nby: ada\nask: {role: shell}\nexpect: {outcome: allowed}\n"
	tests := []struct{ name, text, says string }{
		{"no kind", "name: x\n", "tests/c.yaml:1:1: A document begins with `kind:` and one of Case, Person or Target."},
		{"another kind", "kind: Cas\nname: x\n", `tests/c.yaml:1:7: There is no kind "Cas" here; use Case, Person or Target. Did you mean `+"`Case`?"},
		{"a role", "kind: Role\nname: x\n", "1:7: There is no kind \"Role\" here; use Case, Person or Target."},
		{"a slip", strings.Replace(good, "expect", "expct", 1), "tests/c.yaml:5:1: There is no field \"expct\" here. Did you mean `expect`?"},
		{"a slip inside", strings.Replace(good, "{role: shell}", "{role: shell, durration: 1h}", 1), "tests/c.yaml:4:20: There is no field \"durration\" here. Did you mean `duration`?"},
		{"nothing like it", strings.Replace(good, "by: ada", "by: ada\nzzz: 1", 1), `tests/c.yaml:4:1: There is no field "zzz" here.`},
		{"a list", strings.Replace(good, "by: ada", "by: [ada]", 1), "tests/c.yaml:3:5: A list does not fit here: text is wanted."},
		{"no list", good + "held: peek\n", `6:7: "peek" does not fit here: a list is wanted.`},
		{"no duration", strings.Replace(good, "{role: shell}", "{role: shell, duration: soon}", 1), `tests/c.yaml:4:30: "soon" is no duration such as 30m, 4h or 3d.`},
		{"no time", good + "asked: yesterday\n", `6:8: "yesterday" is no time such as`},
		{"a moment", good + "used: 2h ago\n", `6:7: "2h ago" is no duration after the asking`},
		{"a fraction", good + "at: 1.5s\n", `6:5: "1.5s" is no duration`},
		{"nothing there", good + "held:\n", "6:6: `held` is left empty: write a list"},
		{"twice", good + "by: bob\n", `6:1: "by" already stands at line 3.`},
		{"an anchor", good + "held: &a [peek]\n", "6:7: Anchors and aliases are not used"},
		{"no YAML", "kind: Case\n  name: [\n", "This is not YAML"},
		{"invisible", "kind: Case\nname: a\u200bb\n", "tests/c.yaml:2:8: This cannot stand"},
		{"no expectation", strings.Replace(good, "expect: {outcome: allowed}\n", "", 1), "A case says what to `expect`."},
		{"no outcome", strings.Replace(good, "outcome: allowed", "open: []", 1), "5:9: An expectation has an `outcome`: allowed, needs-approval, scheduled or refused."},
		{"another outcome", strings.Replace(good, "outcome: allowed", "outcome: alowed", 1), `There is no outcome "alowed"; did you mean allowed?`},
		{"no role", strings.Replace(good, "{role: shell}", "{}", 1), "A case says what is asked for"},
		{"no name", strings.Replace(good, "name: c", `name: ""`, 1), "A case has a `name`"},
		{"a stranger", strings.Replace(good, "by: ada", "by: adda", 1), `tests/c.yaml:3:5: There is no person "adda"; did you mean ada?`},
		{"nobody", strings.Replace(good, "by: ada\n", "", 1), "A case says who asks"},
		{"an unknown approver", good + "approvals: [{by: leo}]\n", `6:18: There is no person "leo"; there are ada, bob, mara and sam.`},
		{"the same name", good + "---\n" + good, `8:7: There is a case "c" already, at tests/c.yaml:`},
		{"before the asking", strings.Replace(good, "{role: shell}", "{role: shell, start: 2020-01-01T00:00:00Z}", 1), "`start` is before the asking."},
		{"a row of rows", good + "cases: [{name: r, cases: []}]\n", "A row has no rows of its own."},
		{"a row without a name", good + "cases: [{held: []}]\n", "6:9: Each row has a `name`"},
		{"no rows", good + "cases: []\n", "6:8: A case with rows has some"},
		{"a row with a slip", good + "cases: [{name: r, hold: []}]\n", "6:19: There is no field \"hold\" here. Did you mean `held`?"},
		{"a target", "kind: Target\nname: Web\nlabels: {env: x}\n", `"Web" is not a name`},
		{"two targets", "kind: Target\nname: web\n---\nkind: Target\nname: web\n", "There is a target web already."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(map[string]string{"tests/c.yaml": test.text}, cast())
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v, not %q", err, test.says)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	s, b := suiteOf(t, `kind: Case
name: shell
by: ada
ask: {role: shell}
expect: {outcome: needs-approval}
cases:
  - {name: one agrees, approvals: [{by: bob}]}
  - {name: too long, ask: {duration: 5h}, expect: {outcome: refused}}
`)
	coverage := s.Run(b).Coverage(b)
	unseen := coverage.Unseen()
	for _, want := range []string{"shell: requester-group never refuses", "shell: stage:security is never full", "peek: target is never fulfilled"} {
		if !strings.Contains(strings.Join(unseen, "\n"), want) {
			t.Errorf("it does not say %q: %q", want, unseen)
		}
	}
	for _, not := range []string{"shell: duration", "shell: stage:lead"} {
		if strings.Contains(strings.Join(unseen, "\n"), not) {
			t.Errorf("it says %q: %q", not, unseen)
		}
	}
	// Of shell: four rules that every role has, reason, a separation and two stages; of
	// peek the same without reason and stages.
	if coverage.Of != 26 || coverage.Of-coverage.Seen != len(unseen) || coverage.Percent() != 100*coverage.Seen/26 {
		t.Errorf("%d of %d are seen, and %d are not", coverage.Seen, coverage.Of, len(unseen))
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s, b := suiteOf(t, `kind: Case
name: c
by: ada
ask: {role: shell, login: root}
approvals: [{by: bob, after: 1m}, {by: ada, after: 2m}]
expect: {outcome: refused}
`)
	facts := s.Facts(b, s.Cases[0])
	e := Explain(b, facts, b.Decide(facts), s.People)
	text := strings.Join(e.Lines(80), "\n")
	for _, want := range []string{
		"ada asks for shell on web-1 as root for 30m, Mon 2026-03-02 10:00:00 UTC;",
		"Refused: no approval could change it.",
		"In the way:\n  x shell does not give the login \"root\"; it gives deploy or admin. [login]",
		"? Could approve now: mara, sam.",
		"+ bob approved, for leads. [stage:lead]",
		"- ada asked for this, so ada cannot approve it. [approval]",
		"+ shell reaches web-1. [target]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	for _, line := range e.Lines(60) {
		if len([]rune(line)) > 60 {
			t.Errorf("a line is too long: %q", line)
		}
	}
}

// Each side of each kind of rule is seen by a case that shows it, and by no other.
func TestCoverageOfConditions(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, `kind: Organization
reviewers: [security]
aliases: []
independence: {reciprocalDays: 7}
facts: [{name: risk, type: number, description: How unusual it is.}]
---
kind: Role
name: shell
description: A shell.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy, root]
duration: {default: 30m, longest: 4h}
reason: required
passkey: {requester: any}
allow: [{name: short, when: 'ask.duration <= duration("10m")', without: [lead]}]
require: [{name: no-root, that: 'ask.login != "root"', else: Ask for deploy.}]
restrict:
  - {name: high, when: 'asserted.risk > 8', refuse: The risk is too high.}
  - {name: unusual, when: 'asserted.risk > 4', add: [{name: board, groups: [security], count: 1}]}
approval:
  - {name: lead, groups: [leads], count: 1}
  - {name: long, groups: [security], count: 1, when: 'ask.duration > duration("1h")'}
`)
	const base = "kind: Case\nname: c\nby: ada\nask: {role: shell}\nasserted: {risk: 1}\nexpect: {outcome: needs-approval}\ncases:\n"
	tests := []struct {
		row  string
		seen []string
	}{
		{"- {name: usual}", []string{"shell: allow:short never fails to hold", "shell: restrict:high never fails to hold", "shell: restrict:unusual never fails to hold", "shell: when:long never fails to hold", "shell: stage:lead is never open", "shell: confirm is never missing", "shell: require:no-root is never fulfilled"}},
		{"- {name: short, ask: {duration: 5m}}", []string{"shell: allow:short never holds"}},
		{"- {name: long, ask: {duration: 2h}}", []string{"shell: when:long never holds", "shell: stage:long is never open"}},
		{"- {name: root, ask: {login: root}}", []string{"shell: require:no-root never refuses"}},
		{"- {name: high, asserted: {risk: 9}}", []string{"shell: restrict:high never holds", "shell: restrict:unusual never holds"}},
		{"- {name: unusual, asserted: {risk: 5}, approvals: [{by: bob}, {by: sam}]}", []string{"shell: stage:lead is never full", "shell: stage:board is never full", "shell: restrict:unusual never holds"}},
		{"- {name: confirmed, confirmed: {}}", []string{"shell: confirm is never given"}},
		{"- {name: returned, history: {agreed: [{for: bob, ago: 1d}]}, approvals: [{by: bob}]}", []string{"independence:reciprocal never turns an approval away"}},
	}
	for i, test := range tests {
		s, err := parse(map[string]string{"tests/c.yaml": targetText + base + "  " + test.row + "\n"}, cast())
		if err != nil {
			t.Fatal(err)
		}
		with, err := s.Bundle(b)
		if err != nil {
			t.Fatal(err)
		}
		unseen := strings.Join(s.Run(with).Coverage(with).Unseen(), "\n")
		for k, other := range tests {
			for _, side := range other.seen {
				if i == k && strings.Contains(unseen, side) {
					t.Errorf("%s: it does not see that %q", test.row, side)
				}
				if i == 0 && k > 0 && !strings.Contains(unseen, side) {
					t.Errorf("%s: it sees that %q", test.row, side)
				}
			}
		}
	}
}
