package analysis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stint/policies/analysis"
)

const reachPolicy = `kind: Role
name: shell
description: A shell
requesters: [dev, ops]
targets: {labels: {env: prod}}
logins: [root]
duration: {default: 1h, longest: 4h}
reason: optional
approval:
- {name: lead, groups: [lead], relations: [manager, owner], count: 1, escalate: [{after: 2h, groups: [boss]}]}
allow: [{name: calm, when: ask.ticket != '', without: [lead]}]
restrict: [{name: outside, when: '"contractor" in requester.groups', add: [{name: security, groups: [sec], count: 1}]}]
breakGlass: {requesters: [ops], longest: 30m, review: {groups: [sec], within: 24h}}
---
kind: Role
name: audit
description: To look
requesters: [aud]
targets: {labels: {env: prod}}
logins: [auditor]
duration: {default: 1h, longest: 4h}
reason: optional
approval: []
---
kind: Team
name: makers
members: [dev]
managers: [heads]
---
kind: Separation
name: look-or-act
description: Whoever audits does not act
forbid: eligible
roles: [shell, audit]
---
kind: Separation
name: not-their-own
description: Nobody acts on what is theirs
forbid: object
roles: [shell]
labels: [owner]
`

var (
	reachTargets = []string{"one env=prod owner=dbas", "two env=prod owner=dev"}
	reachPeople  = []string{"ann dev", "bob x / lead", "cid ops,contractor / boss", "dan x / heads", "eve dev,aud", "fay x / sec", "gus x / dbas", "hal x / x"}
	reachHands   = []analysis.Delegation{{From: subject("bob"), To: subject("hal"), Groups: []string{"lead"}}}
)

func named(list []analysis.Who) string {
	var texts []string
	for _, w := range list {
		var why []string
		for _, y := range w.Why {
			why = append(why, y.Text)
		}
		texts = append(texts, w.Name+" "+strings.Join(why, "; "))
	}
	return strings.Join(texts, " | ")
}

func TestWhoCan(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, authenticators("reviewers: [sec, x]\n")+reachPolicy, reachTargets...)
	answer := analysis.New(b, population(reachHands, reachPeople...)).WhoCan("shell")
	for what, pair := range map[string][2]string{
		"asks":         {named(answer.Ask), "Ann in dev | Cid in ops"},
		"acts alone":   {named(answer.BreakGlass), "Cid in ops"},
		"reviews":      {named(answer.Review), "Fay in sec"},
		"replays":      {named(answer.Replay), "Bob in x | Dan in x | Fay in x | Gus in x | Hal in x"},
		"is kept out":  {fmt.Sprint(answer.Excluded[0].Name, answer.Excluded[0].Targets, answer.Excluded[1].Name, answer.Excluded[1].Text), "Ann[two]Evemay ask for audit too, and nobody may be able to ask for both"},
		"leads":        {named(answer.Stages[0].Approvers), "Bob in lead | Cid in boss, once it has waited 2h | Dan in heads, which manages the team makers | Gus in dbas, for what it owns | Hal on behalf of Bob, in lead"},
		"is spared by": {fmt.Sprint(answer.Stages[0].Spared), "[calm]"},
		"is added by":  {answer.Stages[1].Name + " " + answer.Stages[1].Added + " " + named(answer.Stages[1].Approvers), "security outside Fay in sec"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s\nwant %s", what, pair[0], pair[1])
		}
	}
	if nothing := analysis.New(b, nil).WhoCan("none"); len(nothing.Ask)+len(nothing.Stages) > 0 {
		t.Errorf("%+v is said of no role", nothing)
	}
	if all := analysis.New(b, nil).WhoCan("shell"); named(all.Ask) != "everybody in dev in dev | everybody in ops in ops" {
		t.Errorf("without people, %s may ask", named(all.Ask))
	}
}

func TestWhatCan(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, authenticators("")+reachPolicy, reachTargets...)
	a := analysis.New(b, population(reachHands, reachPeople...))
	for name, want := range map[string]string{
		"ann": "asks shell [one] people 1 glass false | keeps not-their-own they may not have shell on two, which is their own false",
		"bob": "approves shell lead in lead",
		"cid": "asks shell [one two] people 2 glass true | approves shell lead in boss, once it has waited 2h",
		"eve": "asks audit [] people 0 glass false | asks shell [] people 0 glass false | keeps look-or-act nobody may be able to ask for both shell and audit; so they get none of them true | keeps not-their-own they may not have shell on two, which is their own false",
		"hal": "approves shell lead on behalf of Bob, in lead",
	} {
		answer := a.WhatCan(subject(name))
		var got []string
		for _, r := range answer.Ask {
			got = append(got, fmt.Sprintf("asks %s %v people %d glass %t", r.Role, r.Targets, r.People, r.BreakGlass))
		}
		for _, s := range answer.Approve {
			got = append(got, fmt.Sprintf("approves %s %s %s", s.Role, s.Stage, s.Why[0].Text))
		}
		for _, c := range answer.Separations {
			got = append(got, fmt.Sprintf("keeps %s %s %t", c.Separation, c.Text, c.Violated))
		}
		if text := strings.Join(got, " | "); text != want {
			t.Errorf("%s: %s\nwant %s", name, text, want)
		}
	}
}

func TestIdentitiesOfOnePersonAnswerTogether(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, authenticators("")+reachPolicy, reachTargets...)
	answer := analysis.New(b, population(nil, "ann dev / x ann@x.org", "ann2 ops / lead ann@x.org", "bob x / lead")).WhatCan(subject("ann"))
	if len(answer.Identities) != 2 || len(answer.Ask) != 1 || named([]analysis.Who{{Why: answer.Ask[0].Why}}) != " in dev; in ops" || len(answer.Approve) != 1 {
		t.Errorf("of both identities it is said: %+v", answer)
	}
}

func TestCollusionWithoutPeople(t *testing.T) {
	t.Parallel()
	const two = "approval:\n- {name: lead, groups: [lead], count: 2}\n- {name: security, groups: [security, lead], count: 1}\n"
	for _, c := range []struct {
		name, role, rest string
		want             int
		assumed          string
	}{
		{name: "two stages", role: two, want: 2}, // by the administrators
		{name: "a large quorum", role: two, rest: "---\nkind: Organization\nquorum: 9\n", want: 4},
		{name: "nobody approves", want: 1},
		{name: "peers are enough for each other", role: "approval: [{name: s, groups: [dev], count: 3}]\n", rest: "---\nkind: Organization\nquorum: 9\n", want: 4},
		{name: "what hangs on who asks", role: two + "require: [{name: q, that: '\"oncall\" in requester.groups', else: No.}]\n", rest: "---\nkind: Organization\nquorum: 9\n", want: 4, assumed: "the requirement q holds"},
		{name: "what hangs on the time", role: two + "allow: [{name: q, when: 'now.getHours(\"UTC\") > 8', without: [lead]}]\n", rest: "---\nkind: Organization\nquorum: 9\n", want: 2, assumed: "the allowance q holds"},
		{name: "what an inventory may bring", role: two + "targets: {labels: {env: stage}}\nrequire: [{name: q, that: 'target.labels[\"tier\"] == \"x\"', else: No.}]\n",
			rest: "---\nkind: Organization\nquorum: 9\ninventories: [{name: fleet, key: " + hostKey + ", labels: {env: [stage]}}]\n", want: 4, assumed: "the requirement q holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := analysis.New(bundleOf(t, role("r", c.role)+c.rest, "a env=prod"), nil).Collusion("r")
			if got.People != c.want || !got.Abstract {
				t.Fatalf("%d people get it, want %d: %+v", got.People, c.want, got.Ways)
			}
			if c.assumed != "" && !slices.Contains(got.Ways[0].Assumed, c.assumed) {
				t.Errorf("assumed %v, want %s", got.Ways[0].Assumed, c.assumed)
			}
		})
	}
}

func TestAdministratorsHaveWaysOfTheirOwn(t *testing.T) {
	t.Parallel()
	const two = "approval:\n- {name: lead, groups: [lead], count: 1}\n- {name: security, groups: [security], count: 1}\n"
	b := bundleOf(t, "kind: Organization\nquorum: 2\n---\n"+role("r", two), "a env=prod")
	for _, c := range []struct {
		people []string
		want   string
	}{
		{[]string{"ann dev / administrators", "bob x / administrators"}, "policy 2, enrolment 2"},
		{[]string{"ann dev", "eve x / administrators", "bob x / administrators"}, "policy 2, enrolment 3"},
		{[]string{"ann dev / administrators", "bob x"}, ""},
		{[]string{"ann x / administrators a@x.org", "bob x / administrators a@x.org"}, ""},
	} {
		var got []string
		for _, w := range analysis.New(b, population(nil, c.people...)).Collusion("r").Ways {
			got = append(got, fmt.Sprintf("%s %d", w.Way, w.People))
			if len(w.Parts) != w.People {
				t.Errorf("%v: %s", c.people, w.Text)
			}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%v: %s, want %s", c.people, text, c.want)
		}
	}
	if got := analysis.New(b, nil).Collusion("none"); got.People != 0 || len(got.Ways) > 0 {
		t.Errorf("%+v is said of no role", got)
	}
	if got := analysis.New(b, population(nil, "ann dev")).Collusions(); len(got) != 1 || got[0].Role != "r" {
		t.Errorf("the roles are %+v", got)
	}
}
