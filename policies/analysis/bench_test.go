package analysis_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
)

// company is a large policy with its people.
func company(t testing.TB, roles, people, targets int) (*policies.Bundle, *analysis.Population) {
	r := rand.New(rand.NewPCG(1, 2))
	group := func() string { return fmt.Sprintf("team-%d", r.IntN(roles)) }
	var text strings.Builder
	text.WriteString(authenticators("independence: {directReports: true}\n"))
	for i := range roles {
		rest := fmt.Sprintf("requesters: [team-%d, peer-%d, everybody]\ntargets: {labels: {tier: t%d}}\n", i, r.IntN(roles), i%50)
		rest += fmt.Sprintf("approval:\n- {name: lead, groups: [lead-%d], relations: [owner], count: 1, escalate: [{after: 2h, groups: [leads]}]}\n- {name: security, groups: [security, %s], count: 2, after: [lead]}\n", i%40, group())
		switch i % 5 {
		case 0:
			rest += "allow: [{name: oncall, when: '\"oncall\" in requester.groups && now.getHours(\"UTC\") > 18', without: [lead]}]\n"
		case 1:
			rest += "restrict: [{name: outside, when: '\"contractor\" in requester.groups || ask.duration > duration(\"1h\")', add: [{name: boss, relations: [manager], count: 1}]}]\n"
		case 2:
			rest += "require: [{name: tier, that: 'target.labels[\"tier\"] != \"t3\" || requester.groups.exists(g, g.startsWith(\"lead\"))', else: No.}]\n"
		case 3:
			rest += "breakGlass: {requesters: [oncall], longest: 30m, review: {groups: [security], within: 24h}}\n"
		}
		text.WriteString(role(fmt.Sprintf("role-%d", i), rest) + "---\n")
	}
	for i := range 60 {
		fmt.Fprintf(&text, "kind: Team\nname: team-%d\nmembers: [team-%d, team-%d]\nmanagers: [lead-%d]\n---\n", i, i*3, i*3+1, i%40)
	}
	for i := range 20 {
		fmt.Fprintf(&text, "kind: Separation\nname: apart-%d\ndescription: d\nforbid: object\nroles: [role-%d, role-%d]\nlabels: [owner]\n---\n", i, i, i+20)
	}
	text.WriteString("kind: Calendar\nname: never\nzone: UTC\nopen: [{days: [monday], from: '09:00', to: '10:00'}]\n")
	var hosts []string
	for i := range targets {
		hosts = append(hosts, fmt.Sprintf("host-%d tier=t%d owner=team-%d", i, i%50, r.IntN(roles)))
	}
	b := bundleOf(t, text.String(), hosts...)
	var all []analysis.Person
	for i := range people {
		name := fmt.Sprintf("p%d", i)
		p := analysis.Person{Person: policies.Person{Subject: subject(name), Name: name, Email: name + "@example.com", Groups: []string{"everybody"}}}
		for range 4 {
			p.Groups = append(p.Groups, group())
		}
		if i%40 == 0 {
			p.Groups = append(p.Groups, "oncall")
		}
		key := analysis.Passkey{Attested: true, Groups: []string{group(), fmt.Sprintf("lead-%d", i%400)}}
		if i%100 == 0 {
			key.Groups = append(key.Groups, "security", "leads")
		}
		if i%1000 == 0 {
			key.Groups = append(key.Groups, policies.AdministratorsGroup)
		}
		p.Passkeys, p.Roster = []analysis.Passkey{key}, key.Groups
		all = append(all, p)
	}
	return b, analysis.NewPopulation(all, nil)
}

func BenchmarkCollusions(b *testing.B) {
	bundle, population := company(b, 300, 5000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if len(analysis.New(bundle, population).Collusions()) != 300 {
			b.Fatal("a role is missing")
		}
	}
}

func BenchmarkCollusionsAbstract(b *testing.B) {
	bundle, _ := company(b, 300, 1, 1000)
	b.ReportAllocs()
	for b.Loop() {
		analysis.New(bundle, nil).Collusions()
	}
}

func BenchmarkLint(b *testing.B) {
	bundle, population := company(b, 300, 5000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		analysis.New(bundle, population).Lint(analysis.Options{MinCollusion: 2})
	}
}

func BenchmarkWhatCan(b *testing.B) {
	bundle, population := company(b, 300, 5000, 1000)
	a := analysis.New(bundle, population)
	b.ReportAllocs()
	for b.Loop() {
		a.WhatCan(subject("p40"))
	}
}
