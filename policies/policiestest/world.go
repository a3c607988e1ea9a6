// Package policiestest makes a policy of the size that deciding is measured with, its
// people, and requests of theirs.
package policiestest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
)

// Sizes of a world. Everything of a number n belongs to the class n modulo Classes: a
// person is in the groups of their class, and a role's groups are of classes next to
// each other, so that it is easy to say who may do what.
const (
	Roles   = 500
	Groups  = 1000
	Targets = 1000
	Classes = 50
)

// Now is the time of every request.
var Now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC) // a Tuesday

// World is a loaded policy and its people.
type World struct {
	Bundle *policies.Bundle
	People []policies.Person
	Known  *policies.People
}

// bundle is the policy of every world.
var bundle = sync.OnceValues(func() (*policies.Bundle, error) {
	return policies.Parse(map[string]string{"world.yaml": text()})
})

// New makes the world with so many people, at least two of each class. The first people
// are the same in every world.
func New(t testing.TB, people int) World {
	t.Helper()
	bundle, err := bundle()
	if err != nil {
		t.Fatal(err)
	}
	w := World{Bundle: bundle}
	for i := range people {
		w.People = append(w.People, person(i))
	}
	w.Known = policies.NewPeople(append([]policies.Person(nil), w.People...))
	return w
}

func group(n int) string  { return fmt.Sprintf("group-%d", n%Groups) }
func role(n int) string   { return fmt.Sprintf("role-%d", n%Roles) }
func target(n int) string { return fmt.Sprintf("target-%d", n%Targets) }

func subject(i int) policies.Subject {
	return policies.Subject{Issuer: "https://id.example.com", Subject: fmt.Sprintf("person-%d", i)}
}

func person(i int) policies.Person {
	p := policies.Person{Subject: subject(i), Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("person-%d@example.com", i)}
	for g := i % Classes; g < Groups; g += Classes {
		p.Groups = append(p.Groups, group(g))
	}
	return p
}

// text is the policy. A role of number r is asked for by its groups 2r and 2r+1; its
// stages are filled from 2r+2 and 2r+3; managers come from class 7 behind their people's.
func text() string {
	var s strings.Builder
	add := func(format string, values ...any) { fmt.Fprintf(&s, format+"\n---\n", values...) }
	var aliases strings.Builder
	for i := range 50 {
		fmt.Fprintf(&aliases, "  - [{issuer: https://id.example.com, subject: person-%d}, {issuer: https://old.example.com, subject: person-%d}]\n", i, i)
	}
	add("kind: Organization\naliases:\n%sindependence: {directReports: true, reciprocalDays: 30, policyChangeDays: 7}\nfacts:\n"+
		"  - {name: on-call, type: bool, description: Whether they are on call}\n  - {name: risk, type: number, description: From 0 to 9}", aliases.String())
	add("kind: Calendar\nname: working-hours\nzone: Europe/Berlin\nopen: [{days: [monday, tuesday, wednesday, thursday, friday], from: \"08:00\", to: \"20:00\"}]")
	for i := range Targets {
		add("kind: Target\nname: %s\naddress: 192.0.2.%d:22\nhostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxCQTL7o0fV2o7+oyQWC2sQyOtMvyhxMHJqQeCDZTvD\nlabels: {env: %s, unit: unit-%d, owner: %s}",
			target(i), i%250+1, []string{"prod", "staging"}[i%2], i%Roles, group(i+11))
	}
	for i := range Roles {
		add(`kind: Role
name: %s
description: What unit %d needs
requesters: [%s, %s]
targets: {labels: {unit: unit-%d}}
logins: [app, root]
duration: {default: 1h, longest: 8h}
windows: [working-hours]
reason: required
allow:
  - {name: routine, when: 'ask.login == "app" && target.labels["env"] == "staging" && ask.duration <= duration("1h")', without: [security]}
require:
  - {name: staff, that: 'requester.email.endsWith("@example.com") && !("%s" in requester.groups)', else: Only staff may.}
  - {name: short, that: 'ask.duration <= duration("4h") || "%s" in requester.groups', else: It is too long for this group.}
restrict:
  - {name: risky, when: 'asserted.risk > 7', refuse: The risk is too high.}
  - {name: off-call, when: '!asserted.on_call && target.labels["env"] == "prod"', add: [{name: second, groups: [%s], count: 1}]}
approval:
  - {name: lead, groups: [%s], relations: [manager], count: 1}
  - {name: security, groups: [%s], count: 1, when: 'ask.login == "root" || target.labels["env"] == "prod"'}`,
			role(i), i, group(2*i), group(2*i+1), i, group(2*i+20), group(2*i), group(2*i+5), group(2*i+2), group(2*i+3))
	}
	for i := 0; i < Roles; i += 5 {
		add("kind: Separation\nname: held-%d\ndescription: One at a time\nforbid: held\nroles: [%s, %s]", i, role(i), role(i+1))
		add("kind: Separation\nname: history-%d\ndescription: Not soon after\nforbid: history\ndays: 30\nroles: [%s, %s]", i, role(i), role(i+2))
		add("kind: Separation\nname: object-%d\ndescription: Not your own\nforbid: object\nlabels: [owner]\nroles: [%s]", i, role(i))
	}
	for i := range 200 {
		add("kind: Team\nname: team-%d\nmembers: [%s]\nmanagers: [%s]", i, group(i), group(i+7))
	}
	return strings.TrimSuffix(s.String(), "---\n")
}

// Requests makes so many, of the first two people of each class; three of four are allowed,
// and the others lack something.
func (w World) Requests(count int) []policies.Facts {
	member := func(group, other int) policies.Person { return w.People[group%Classes+Classes*(other%2)] }
	var all []policies.Facts
	for i := range count {
		n := i * 7919 % Roles
		f := policies.Facts{
			Now: Now, Asked: Now.Add(-20 * time.Minute), Requester: member(2*n+i%2, i), Known: w.Known,
			Ask: policies.Ask{
				Role: role(n), Target: target(n + Roles*(i/3%2)), Login: []string{"app", "root"}[i%2],
				Duration: time.Duration(1+i%3) * time.Hour, Reason: "INC-42: the queue is stuck",
			},
			Asserted: []policies.Assertion{{Name: "on-call", Value: fmt.Sprint(i%3 > 0)}, {Name: "risk", Value: "2"}},
			Held:     []policies.Held{{Request: "r1", Role: role(n + 9)}, {Request: "r2", Role: role(n + 23)}},
			History: policies.History{
				Grants: []policies.PastGrant{{Request: "r0", Role: role(n + 31), Begun: Now.Add(-50 * time.Hour), Ended: Now.Add(-48 * time.Hour)}},
				Agreed: []policies.PastApproval{{Request: "r9", Requester: subject(2*n + 30), At: Now.Add(-100 * time.Hour)}},
			},
			Changes: []policies.PolicyChange{{At: Now.Add(-30 * time.Hour), By: []policies.Subject{subject(2*n + 31)}, Roles: []string{role(n)}}},
		}
		for k, from := range []int{2*n + 2, 2*n + 3, 2*n + 5} {
			f.Approvals = append(f.Approvals, policies.Approval{Approver: member(from, i/2), Duration: f.Ask.Duration, Issued: f.Asked.Add(time.Duration(k+1) * time.Minute)})
		}
		switch i % 16 {
		case 3:
			f.Approvals = f.Approvals[1:]
		case 7:
			f.Asserted[1].Value = "9"
		case 11:
			f.Held[0].Role = role(n + 1)
		case 15:
			f.Requester = member(2*n+25, i)
		}
		all = append(all, f)
	}
	return all
}
