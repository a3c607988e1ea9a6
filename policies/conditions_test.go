package policies

import (
	"fmt"
	"strings"
	"testing"

	"stint/policies/internal/condition"
)

const conditionsHead = `kind: Organization
facts:
  - {name: on-call, type: bool, description: Whether they are on call}
  - {name: risk, type: number, description: From 0 to 9}
---
kind: Target
name: db1
address: db1.example.com:22
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxCQTL7o0fV2o7+oyQWC2sQyOtMvyhxMHJqQeCDZTvD
labels: {env: prod, owner: databases}
---
`

const conditionsRole = `kind: Role
name: prod
description: Production
requesters: [sre]
targets: {labels: {env: prod}}
logins: [root]
duration: {default: 1h, longest: 4h}
reason: optional
approval:
  - name: lead
    groups: [leads]
    count: 1
`

func TestConditionFaultsStandWhereTheyAre(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ role, want string }{
		"plain":                 {"require:\n  - name: a\n    that: requester.nam == 'x'\n    else: No.\n", `26:21: ` + "`requester` has no field `nam`. Did you mean `requester.name`?"},
		"plain, folded":         {"require:\n  - name: a\n    that: requester.name == 'x'\n\n      && nothing\n    else: No.\n", "28:10: There is nothing called `nothing` here."},
		"single quotes":         {"require:\n  - name: a\n    that: 'requester.name == ''x'' && nothing'\n    else: No.\n", "26:39: There is nothing"},
		"double quotes":         {"require:\n  - name: a\n    that: \"requester.name == \\\"x\\\" && \\u006eothing\"\n    else: No.\n", "26:39: There is nothing"},
		"double quotes, folded": {"require:\n  - name: a\n    that: \"requester.name == \\\"x\\\" \\\n      && nothing\"\n    else: No.\n", "27:10: There is nothing"},
		"literal":               {"require:\n  - name: a\n    that: |\n      requester.name == 'x' &&\n        nothing\n    else: No.\n", "28:9: There is nothing"},
		"folded":                {"require:\n  - name: a\n    that: >-\n      requester.name == 'x' &&\n      true &&\n      nothing\n    else: No.\n", "29:7: There is nothing"},
		"of a stage":            {"allow:\n  - {name: a, when: 'true', without: [lead]}\nrestrict:\n  - {name: a, when: asserted.onn_call, refuse: Not now.}\n", "27:30: The organization declares no asserted fact `onn_call`. Did you mean `asserted.on_call`?"},
		"untrusted":             {"allow:\n  - {name: a, when: asserted.on_call, without: [lead]}\n", "25:30: `on-call` cannot be read: asserted facts need trust here, see the role's `trust`."},
		"a label":               {"restrict:\n  - {name: a, when: 'target.labels[\"emv\"] == \"x\"', refuse: No.}\n", "25:36: No target bears the label `emv`. Did you mean `env`?"},
		"trusted":               {"trust: [on-call]\nallow:\n  - {name: a, when: asserted.on_call, without: [lead]}\n", ""},
		"an own label":          {"restrict:\n  - {name: a, when: '\"zone\" in target.labels', refuse: No.}\n", ""},
	} {
		_, err := Parse(map[string]string{"a.yaml": conditionsHead + conditionsRole + c.role})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), "a.yaml:"+c.want)) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

func TestConditionFactsComeFromFacts(t *testing.T) {
	t.Parallel()
	b, err := Parse(map[string]string{"a.yaml": conditionsHead + conditionsRole +
		"restrict:\n  - {name: a, when: 'asserted.on_call && asserted.risk == 3', refuse: No.}\n"})
	if err != nil {
		t.Fatal(err)
	}
	compiled := b.conditionsOf("prod").restrict[0]
	for name, c := range map[string]struct {
		asserted []Assertion
		want     string
	}{
		"both":         {[]Assertion{{"on-call", "true"}, {"risk", "3"}}, "true <nil>"},
		"another":      {[]Assertion{{"on-call", "true"}, {"risk", "4"}, {"mood", "good"}}, "false <nil>"},
		"one":          {[]Assertion{{"on-call", "true"}}, "false nobody says"},
		"malformed":    {[]Assertion{{"on-call", "yes"}, {"risk", "3"}}, "false nobody says"},
		"not plain":    {[]Assertion{{"on-call", "true"}, {"risk", "+3"}}, "false nobody says"},
		"twice":        {[]Assertion{{"on-call", "true"}, {"risk", "3"}, {"risk", "3"}}, "true <nil>"},
		"contradicted": {[]Assertion{{"on-call", "true"}, {"risk", "3"}, {"risk", "4"}}, "false nobody says"},
	} {
		in := b.conditionFacts(Facts{Asserted: c.asserted})
		holds, err := b.holds(compiled, &in)
		if got := fmt.Sprint(holds, err); !strings.HasPrefix(strings.ReplaceAll(got, "  ", " "), c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What is written in several roles that trust the same facts is compiled once: that is what
// makes a policy of very many conditions load quickly.
func TestConditionsAreCompiledOnce(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString(conditionsHead)
	for i, trusted := range []string{"", "", "trust: [risk]\n", "trust: [risk]\n"} {
		text.WriteString(strings.Replace(conditionsRole, "name: prod", fmt.Sprintf("name: prod-%d", i), 1) + trusted)
		text.WriteString("require:\n  - {name: a, that: '\"sre\" in requester.groups', else: No.}\n---\n")
	}
	b, err := Parse(map[string]string{"a.yaml": strings.TrimSuffix(text.String(), "---\n")})
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) *condition.Condition { return b.conditionsOf(fmt.Sprintf("prod-%d", i)).require[0] }
	if of(0) != of(1) || of(2) != of(3) {
		t.Error("the same condition was compiled twice")
	}
	if of(0) == of(2) {
		t.Error("roles that trust other facts have one condition")
	}
}
