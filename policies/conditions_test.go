package policies

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
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

func TestPlacesInScalarsAreFound(t *testing.T) {
	t.Parallel()
	// Each @ of the value is looked for, and must be found at an @ of the file.
	for _, file := range []string{
		"a: x @ y @", "a: 'x '' @ ''@'", `a: "x \" @ \x41 \u0041\U00000041@ \\@"`, "a: x @\n  @ y\n\n  @", "a: 'x\n\n  @''@\n  @'",
		"a: |\n  x @\n    @\n\n  @\n", "a: |2-\n    x @\n  @\n", "a: >\n  x @\n  @\n\n  @\n", "a: \"x \\\n    @ \\\n  @\"", "- - |+\n    @\n\n    ü@\n\n",
		"a: ü@ ü\n  ü@", "a: [x, y @, '@']", "a: \"x @\n  @\n\n\n  @\"", "a:\n  x @\n  @\n", "a: >-\n  x\n    @ y\n    @\n  @\n", "a: x @\r\n  @ y\r\n",
	} {
		var top yaml.Node
		if err := yaml.Unmarshal([]byte(file), &top); err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		lines := strings.Split(file, "\n")
		var visit func(n *yaml.Node)
		visit = func(n *yaml.Node) {
			for _, child := range n.Content {
				visit(child)
			}
			line, column := 1, 0
			for _, r := range n.Value {
				if column++; r == '\n' {
					line, column = line+1, 0
				}
				if r != '@' {
					continue
				}
				l, c := placeIn(file, n, line, column)
				if row := []rune(lines[l-1]); c > len(row) || row[c-1] != '@' {
					t.Errorf("%q: %d:%d of %q is placed at %d:%d", file, line, column, n.Value, l, c)
				}
			}
		}
		visit(&top)
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

// TestManyConditionsLoadQuickly does not hold the time against a bound of its own: the
// test is that environments are shared.
func TestManyConditionsLoadQuickly(t *testing.T) {
	t.Parallel()
	var files strings.Builder
	files.WriteString(conditionsHead)
	for i := range 500 {
		files.WriteString(strings.Replace(conditionsRole, "name: prod", fmt.Sprintf("name: prod-%d", i), 1))
		fmt.Fprintf(&files, "restrict:\n  - {name: a, when: 'asserted.on_call && asserted.risk == %d', refuse: No.}\n", i)
		fmt.Fprintf(&files, "require:\n  - {name: a, that: '\"sre\" in requester.groups && target.labels[\"env\"] == \"prod\"', else: No.}\n---\n")
	}
	begun := time.Now()
	b, err := Parse(map[string]string{"a.yaml": strings.TrimSuffix(files.String(), "---\n")})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("500 roles with 1,000 conditions loaded in %s", time.Since(begun))
	if len(b.conditions) != 500 {
		t.Errorf("%d roles have conditions", len(b.conditions))
	}
}

// FuzzPlaces: wherever a character of a scalar stands, it is looked for without harm and
// said to be in the file.
func FuzzPlaces(f *testing.F) {
	f.Fuzz(func(t *testing.T, file string) {
		var top yaml.Node
		if len(file) > 2000 || yaml.Unmarshal([]byte(file), &top) != nil {
			return
		}
		lines := strings.Count(file, "\n") + strings.Count(file, "\r") + strings.Count(file, "\u0085") + strings.Count(file, "\u2028") + strings.Count(file, "\u2029") + 1
		var visit func(n *yaml.Node)
		visit = func(n *yaml.Node) {
			for _, child := range n.Content {
				visit(child)
			}
			for line := range min(strings.Count(n.Value, "\n")+2, 20) {
				for column := range 20 {
					if l, c := placeIn(file, n, line+1, column+1); n.Line > 0 && (l < 1 || l > lines || c < 1) {
						t.Fatalf("%d:%d of %q is placed at %d:%d of %q", line+1, column+1, n.Value, l, c, file)
					}
				}
			}
		}
		visit(&top)
	})
}
