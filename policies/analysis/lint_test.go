package analysis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
)

// sealed is an organization's line that says for whom recordings are.
func sealed() string {
	return "recordings: {recipients: [age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944], input: {" +
		"first: [age190gspssm22vtg4j8ymr07tuh97wuuuqf4quzwuqgxhcznplz9y6s9u5fa2], second: [age1ee7rz7dswp87pwq2gmzzg6h6hzcmklfxjew5aw8rkpdmz5nh5v3qtv89v6]}}\n"
}

func TestLint(t *testing.T) {
	t.Parallel()
	const lead = "approval:\n- {name: lead, groups: [lead], count: 1}\n"
	staff := []string{"ann dev / dev", "bob dev / lead", "cid sec / sec", "ada dev / administrators", "ida dev / administrators"}
	for _, c := range []struct {
		name         string
		organization string
		role         string
		rest         string
		targets      []string
		people       []string // staff where there are none; "-" for no population
		delegations  []analysis.Delegation
		options      analysis.Options
		unsealed     bool     // without keys of recordings
		want         []string // severity rule line text, cut
	}{
		{name: "nothing", role: lead},
		{name: "no approval", want: []string{"warning alone 13 One person alone can have r: nobody needs to approve it."}},
		{name: "an allowance", role: lead + "allow: [{name: x, when: ask.ticket != \"\", without: [lead]}]\n", want: []string{"warning alone 15 One person alone can have r, when x spares every stage."}},
		{name: "an emergency", role: lead + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [sec], within: 24h}}\n", want: []string{"note alone 15 One person alone can have r in an emergency."}},
		{name: "an emergency that nobody reviews", role: lead + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [none], within: 24h}}\n",
			want: []string{"warning no-emergency-review 15", "note alone 15", "note empty-group 15 No passkey speaks for none"}},
		{name: "an emergency that only its cause reviews", role: lead + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [lead], within: 24h}}\n",
			want: []string{"warning no-emergency-review 15 The only person", "note alone 15"}},
		{name: "too few", role: lead, options: analysis.Options{MinCollusion: 3}, want: []string{"error min-collusion 14 2 people can get r, fewer than 3: "}},
		{name: "too few in an emergency", role: lead + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [sec], within: 24h}}\n", options: analysis.Options{MinCollusion: 2},
			want: []string{"error min-collusion 15 1 person can get r, fewer than 2: ", "note alone 15"}},
		{name: "enough but in an emergency", role: lead + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [sec], within: 24h}}\n", options: analysis.Options{MinCollusion: 2, WithoutBreakGlass: true},
			want: []string{"note alone 15"}},
		{name: "enough", role: lead, options: analysis.Options{MinCollusion: 2}},
		{name: "a trusted fact", organization: "facts: [{name: on-call, type: bool, description: d}, {name: idle, type: bool, description: d}]\n", role: lead + "trust: [on-call]\nallow: [{name: x, when: asserted.on_call, without: [lead]}]\n",
			want: []string{"warning trusted-fact 15 r trusts on-call", "warning alone 16", "note unused 3 No condition reads the fact idle."}},
		{name: "no targets", role: lead + "targets: {labels: {env: none}}\n", want: []string{"warning no-targets 14 r selects no target"}},
		{name: "a short stage", role: "approval:\n- {name: lead, groups: [lead], count: 2}\n", want: []string{"warning short-stage 14 1 person can fill the stage lead of r, which needs 2."}},
		{name: "an empty stage", role: "approval:\n- {name: lead, groups: [dev-leads], count: 1}\n", people: append([]string{"max dev-leads"}, staff...),
			want: []string{"warning short-stage 14 0 people can fill", "note empty-group 14 No passkey speaks for dev-leads, so nobody approves as a member of it. By the directory, 1 identity is in it."}},
		{name: "nobody may ask", role: lead + "requesters: [none]\n", want: []string{"warning no-requesters 14 Nobody is in none", "note empty-group 14"}},
		{name: "out of reach", role: lead, people: []string{"bob dev / lead", "ada x / administrators", "ida x / administrators", "cid sec / sec"}, want: []string{"warning out-of-reach 5"}},
		{name: "out of reach until somebody enrols a better passkey", role: "approval:\n- {name: lead, groups: [lead], count: 1}\n- {name: two, groups: [sec], count: 1}\npasskey: {approvers: attested}\n",
			people: []string{"ann dev", "bob x / lead,sec", "cid sec / sec plain", "ada x / administrators", "ida x / administrators"}, want: []string{"warning out-of-reach 5"}},
		{name: "a cheaper way", role: lead, rest: "---\n" + role("easy", "requesters: [dev]\n"), want: []string{"warning alone 23", "warning cheaper-way 23 easy gives root@a to 1 person, and r asks for 2."}},
		{name: "a report whom the roster does not have in the team", organization: "independence: {directReports: true}\n", role: lead, rest: "---\nkind: Team\nname: t\nmembers: [dev]\nmanagers: [sec]\n",
			people: append([]string{"max dev / lead", "eva dev / dev, lead"}, staff...), want: []string{"warning unseen-report 18 Only the directory has Ada, Bob, Ida and Max in the team t;"}},
		{name: "a cheaper way for others", role: lead, rest: "---\n" + role("easy", "requesters: [sec]\n"), want: []string{"warning alone 23"}},
		{name: "another login", role: lead, rest: "---\n" + strings.Replace(role("easy", "requesters: [dev]\n"), "root", "app", 1), want: []string{"warning alone 23"}},
		{name: "a restriction that never holds", role: lead + "restrict: [{name: x, when: 'target.labels[\"env\"] == \"dev\"', refuse: No.}]\n", want: []string{"warning never 15 The restriction x of r never holds for anybody who may ask, on any of its targets: it restricts nothing."}},
		{name: "a restriction that always holds", role: lead + "restrict: [{name: x, when: 'target.labels[\"env\"] == \"prod\"', refuse: No.}]\n", want: []string{"warning out-of-reach 5", "warning always 15 The restriction x of r always holds"}},
		{name: "a requirement that never holds", role: lead + "require: [{name: x, that: '\"ops\" in requester.groups', else: No.}]\n", want: []string{"warning out-of-reach 5", "warning never 15 The requirement x"}},
		{name: "a requirement that hangs on time", role: lead + "require: [{name: x, that: 'now.getHours(\"UTC\") > 8', else: No.}]\n"},
		{name: "a separation that is violated", role: lead, rest: "---\n" + role("other", "requesters: [sec]\nlogins: [app]\n") + "---\nkind: Separation\nname: s\ndescription: d\nforbid: eligible\nroles: [r, other]\n", people: append([]string{"eve dev,sec"}, staff...),
			want: []string{"warning alone 22", "warning separation-violated 26 Eve could ask for more than one of r, other"}},
		{name: "what is unused", role: lead, rest: "---\nkind: Team\nname: t\nmembers: [dev]\nmanagers: [lead]\n---\nkind: Calendar\nname: c\nzone: UTC\nopen: [{days: [monday], from: '09:00', to: '10:00'}]\n",
			want: []string{"note unused 16 Nothing asks who manages the team t", "note unused 21 No role has the calendar c"}},
		{name: "a long time", role: strings.Replace(lead, "approval", "pending: 2h\napproval", 1) + "duration: {default: 1h, longest: 48h}\n", want: []string{"note long-duration 15 r may last 48h."}},
		{name: "peers", role: "approval:\n- {name: peer, groups: [dev], count: 1}\n", want: []string{"warning peers-only 14 Only those who may ask for r approve it"}},
		{name: "a chain of delegations", role: lead, delegations: []analysis.Delegation{{From: subject("bob"), To: subject("cid"), Groups: []string{"lead"}}, {From: subject("cid"), To: subject("ann"), Groups: []string{"sec"}}}},
		{name: "a chain of delegations of one group", role: lead, people: append([]string{"max x / lead"}, staff...), delegations: []analysis.Delegation{{From: subject("bob"), To: subject("max"), Groups: []string{"lead"}}, {From: subject("max"), To: subject("ann"), Groups: []string{"lead"}}},
			want: []string{"note delegation-chain 0 Bob delegates lead to Max, who delegates it to Ann"}},
		{name: "quorum of one", organization: "quorum: 1\n", role: lead, want: []string{"warning quorum-one 3"}},
		{name: "no quorum", role: lead, people: staff[:3], want: []string{"error no-quorum 1 0 people have a passkey that speaks for administrators, and 2 must sign a change"}},
		{name: "no reviewers", organization: "reviewers: []\n", role: lead, want: []string{"warning no-reviewers 2"}},
		{name: "no keys", unsealed: true, role: lead, want: []string{"warning no-recipients 1 Sessions could be replayed by nobody"}},
		{name: "nobody reviews", organization: "reviewers: [none]\n", role: lead, want: []string{"warning no-reviewers 2 Nobody is in none"}},
		{name: "no test", role: lead, options: analysis.Options{Tested: map[string]bool{}}, want: []string{"note untested 5 No case decides on r."}},
		{name: "tested", role: lead, options: analysis.Options{Tested: map[string]bool{"r": true}}},
		{name: "without people", role: lead + "requesters: [none]\n", people: []string{"-"}},
		{name: "without people, no approval", people: []string{"-"}, want: []string{"warning alone 13"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			organization := "kind: Organization\n"
			if !strings.Contains(c.organization, "reviewers") {
				organization += "reviewers: [sec]\n"
			}
			if strings.Contains(c.role, "breakGlass") || strings.Contains(c.role, "attested") {
				organization = strings.TrimSuffix(authenticators("reviewers: [sec]\n"+c.organization), "---\n")
			} else {
				organization += c.organization
			}
			if !c.unsealed {
				organization += sealed()
			}
			// The role begins at line 5, wherever the organization ends.
			lines := strings.Count(organization, "\n")
			text := organization + "---\n" + role("r", strings.TrimPrefix(c.role, "\n")) + c.rest
			if c.targets == nil {
				c.targets = []string{"a env=prod"}
			}
			if c.people == nil {
				c.people = staff
			}
			var p *analysis.Population
			if c.people[0] != "-" {
				p = population(c.delegations, c.people...)
			}
			b := bundleOf(t, text, c.targets...)
			findings := analysis.New(b, p).Lint(c.options)
			var got []string
			for _, f := range findings {
				if f.Text == "" || f.Line > 0 && f.File != "policy.yaml" {
					t.Errorf("a finding says too little: %+v", f)
				}
				line := f.Line
				if line > lines {
					line += 3 - lines
				}
				got = append(got, fmt.Sprintf("%s %s %d %s", f.Severity, f.Rule, line, f.Text))
			}
			if len(got) != len(c.want) {
				t.Fatalf("found\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"), text)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("found %s, want %s", got[i], want)
				}
			}
		})
	}
}

// TestLintFindsItsWayInEveryWorld: whatever the policy, its findings are in order.
func TestLintFindsItsWayInEveryWorld(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		w := randomWorld(t, seed)
		findings := analysis.New(w.bundle, w.population).Lint(analysis.Options{MinCollusion: 3})
		severities := []string{analysis.SeverityError, analysis.SeverityWarning, analysis.SeverityNote}
		if !slices.IsSortedFunc(findings, func(f, g analysis.Finding) int {
			return slices.Index(severities, f.Severity) - slices.Index(severities, g.Severity)
		}) {
			t.Fatalf("seed %d: %+v", seed, findings)
		}
		if again := analysis.New(w.bundle, w.population).Lint(analysis.Options{MinCollusion: 3}); !slices.Equal(findings, again) {
			t.Fatalf("seed %d: lint says one thing and then another:\n%+v\n%+v", seed, findings, again)
		}
		p := w.population.People()[0]
		analysis.New(w.bundle, nil).Lint(analysis.Options{})
		if answer := analysis.New(w.bundle, w.population).WhatCan(p.Subject); len(answer.Identities) == 0 {
			t.Fatalf("seed %d: nobody is %v", seed, p.Subject)
		}
	}
	if answer := analysis.New(bundleOf(t, role("r", "")), population(nil, "ann dev")).WhatCan(policies.Subject{}); len(answer.Identities) > 0 {
		t.Errorf("%+v was said of nobody", answer)
	}
}
