package policies

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const historyPolicy = `kind: Organization
aliases:
  - - {issuer: "https://id.example.com", subject: bob}
    - {issuer: "https://id.example.com", subject: bob-admin}
facts:
  - {name: risk, type: number, description: Risk.}
  - {name: ticket-open, type: bool, description: Whether it is open.}
  - {name: unused, type: bool, description: Nobody reads it.}
independence: {directReports: false, reciprocalDays: 7, policyChangeDays: 14}
inventories:
  - {name: fleet, key: "` + testHostKey + `", labels: {env: [test, staging]}}
---
kind: Role
name: shell
description: A shell.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app]
duration: {default: 30m, longest: 4h}
reason: optional
renewals: {most: 2, days: 10}
windows: [work]
trust: [ticket-open]
require: [{name: open, that: asserted.ticket_open, else: Open it.}]
restrict: [{name: risky, when: asserted.risk > 3 && asserted.ticket_open, refuse: Too risky.}]
approval: [{name: lead, groups: [leads], relations: [manager], count: 1}]
breakGlass: {requesters: [on-call], longest: 30m, review: {groups: [auditors], within: 24h}}
---
kind: Role
name: keys
description: Keys.
requesters: [key-managers]
targets: {labels: {env: keys}}
logins: [app]
duration: {default: 30m, longest: 4h}
reason: optional
approval: []
---
kind: Role
name: test
description: Tests.
requesters: [engineering]
targets: {labels: {env: test}}
logins: [app]
duration: {default: 30m, longest: 4h}
reason: optional
approval: []
---
kind: Separation
name: shell-or-keys
description: Apart.
forbid: history
roles: [shell, keys]
days: 30
---
kind: Separation
name: eligible
description: Apart.
forbid: eligible
roles: [test, keys]
---
kind: Team
name: engineers
members: [engineering]
managers: [heads]
---
kind: Calendar
name: work
zone: UTC
open: [{days: [monday], from: "09:00", to: "17:00"}]
---
kind: Target
name: web-1
address: web-1.example.com:22
hostKey: ` + testHostKey + `
labels: {env: production}
`

func TestNeeds(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, withAuthenticators(t))
	for role, want := range map[string]Needs{
		"shell": {
			Grants: map[string]time.Duration{"shell": days(10), "keys": days(30)}, Agreed: days(7),
			Changes: days(14), Asserted: []string{"risk", "ticket-open"},
		},
		"keys": {Grants: map[string]time.Duration{"shell": days(30)}, Agreed: days(7), Changes: days(14)},
		"test": {Agreed: days(7), Changes: days(14)},
		"none": {},
	} {
		if got := b.Needs(role); !reflect.DeepEqual(got, want) {
			t.Errorf("%s needs %+v, want %+v", role, got, want)
		}
	}
}

func withAuthenticators(t *testing.T) string {
	return strings.Replace(historyPolicy, "independence:", attestationYAML("EE882879-721C-4913-9775-3DFCCE97072A", testRoot(t))+"independence:", 1)
}

func TestChangedRoles(t *testing.T) {
	t.Parallel()
	policy := withAuthenticators(t)
	before := mustLoad(t, policy)
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing":                       {"", "", nil},
		"descriptions":                  {"description: A shell.", "description: Another.", nil},
		"a description of a fact":       {"description: Risk.", "description: Danger.", nil},
		"a role":                        {"requesters: [engineering]\ntargets: {labels: {env: production}}", "requesters: [everybody]\ntargets: {labels: {env: production}}", []string{"shell"}},
		"who may ask for one apart":     {"requesters: [key-managers]", "requesters: [everybody]", []string{"keys", "test"}},
		"a role that comes":             {"---\nkind: Separation", "---\nkind: Role\nname: new\ndescription: A new one.\nrequesters: [engineering]\ntargets: {labels: {env: test}}\nlogins: [app]\nduration: {default: 30m, longest: 4h}\nreason: optional\napproval: []\n---\nkind: Separation", []string{"new"}},
		"a separation":                  {"days: 30", "days: 31", []string{"keys", "shell"}},
		"a team":                        {"managers: [heads]", "managers: [chiefs]", []string{"shell"}},
		"a calendar":                    {`"17:00"`, `"18:00"`, []string{"shell"}},
		"a target":                      {"address: web-1.example.com:22", "address: web-2.example.com:22", []string{"shell"}},
		"a target's labels":             {"labels: {env: production}\n", "labels: {env: test}\n", []string{"shell", "test"}},
		"an alias":                      {"subject: bob-admin", "subject: carol", []string{"keys", "shell", "test"}},
		"independence":                  {"reciprocalDays: 7", "reciprocalDays: 8", []string{"shell"}},
		"a fact that it reads":          {"type: number, description: Risk.}", "type: number, description: Danger.}\n  - {name: another, type: text, description: Another.}", nil},
		"a fact that nobody reads":      {"{name: unused, type: bool", "{name: unused, type: text", nil},
		"an inventory":                  {"labels: {env: [test, staging]}", "labels: {env: [test, other]}", []string{"test"}},
		"an inventory for nobody's":     {"labels: {env: [test, staging]}", "labels: {env: [test, staging], production: [env]}", []string{"test"}},
		"direct reports bring in teams": {"directReports: false", "directReports: true", []string{"shell"}},
		"the makes of authenticators":   {"name: A key", "name: Another key", []string{"shell"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(policy, c.old, c.new, 1)
			if text == policy && c.old != "" {
				t.Fatal("nothing was replaced")
			}
			after := mustLoad(t, text)
			if got := ChangedRoles(before, after); !slices.Equal(got, c.want) {
				t.Errorf("the roles %v changed, want %v", got, c.want)
			}
			if got := ChangedRoles(after, before); !slices.Equal(got, c.want) {
				t.Errorf("the other way round the roles %v changed, want %v", got, c.want)
			}
		})
	}
}
