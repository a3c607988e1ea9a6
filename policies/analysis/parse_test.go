package analysis_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
)

func TestParsePopulation(t *testing.T) {
	t.Parallel()
	p, err := analysis.ParsePopulation(map[string]string{
		"tests/people.yaml": `kind: Person
name: Ada Example
groups: [engineering]
---
kind: Person
name: Mara
subject: m-1
issuer: https://id.example.com
email: mara@example.com
groups: [engineering, leads]
approves: [leads]
delegations:
  - {to: Ada Example, groups: [leads]}
---
kind: Person
name: Tom
approves: [leads]
passkey: none
---
kind: Person
name: Eve
approves: [leads]
passkey: any
`,
		"tests/cases.yaml": "kind: Case\nname: x\nwhatever: {is: not read}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	ada, mara := subjectAt(analysis.LocalIssuer, "ada-example"), subjectAt("https://id.example.com", "m-1")
	want := []analysis.Person{
		{Person: policies.Person{Subject: ada, Name: "Ada Example", Groups: []string{"engineering"}}, Passkeys: []analysis.Passkey{{Attested: true}}},
		{Person: policies.Person{Subject: subjectAt(analysis.LocalIssuer, "eve"), Name: "Eve"}, Roster: []string{"leads"}, Passkeys: []analysis.Passkey{{Groups: []string{"leads"}}}},
		{
			Person: policies.Person{Subject: mara, Name: "Mara", Email: "mara@example.com", Groups: []string{"engineering", "leads"}}, Roster: []string{"leads"},
			Passkeys: []analysis.Passkey{{Groups: []string{"leads"}, Attested: true}},
		},
		{Person: policies.Person{Subject: subjectAt(analysis.LocalIssuer, "tom"), Name: "Tom"}, Roster: []string{"leads"}},
	}
	if !reflect.DeepEqual(p.People(), want) {
		t.Errorf("read\n%+v\nwant\n%+v", p.People(), want)
	}
	if want := []analysis.Delegation{{From: mara, To: ada, Groups: []string{"leads"}}}; !reflect.DeepEqual(p.Delegations(), want) {
		t.Errorf("read the delegations %+v, want %+v", p.Delegations(), want)
	}
	for _, name := range []string{"Mara", "m-1", "MARA@example.com", mara.String()} {
		if found, ok := p.Find(name); !ok || found.Subject != mara {
			t.Errorf("%q finds %v", name, found)
		}
	}
	if _, ok := p.Find("nobody"); ok {
		t.Error("somebody was found who is not there")
	}
}

func subjectAt(issuer, name string) policies.Subject {
	return policies.Subject{Issuer: issuer, Subject: name}
}

func TestParsePopulationTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name: x\n":                                                                   "p.yaml:1:1: A document begins with `kind:` and one of Case, Person or Target.",
		"kind: Persona\nname: x\n":                                                    "p.yaml:1:7: There is no kind \"Persona\" here; use Case, Person or Target. Did you mean `Person`?",
		"kind: Person\nname: x\ngroup: [a]\n":                                         "p.yaml:3:1: There is no field \"group\" here. Did you mean `groups`?",
		"kind: Person\nname: x\ngroups: a\n":                                          "p.yaml:3:9: \"a\" does not fit here: a list is wanted.",
		"kind: Person\ngroups: [a]\n":                                                 "p.yaml:1:1: A person has a `name`.",
		"kind: Person\nname: x\nissuer: example.com\n":                                "p.yaml:2:7: An issuer is an http or https URL.",
		"kind: Person\nname: x\nsubject: a b\n":                                       "p.yaml:3:10: A subject and its issuer are each 1 to 255 visible ASCII characters without a space.",
		"kind: Person\nname: x\npasskey: yes please\n":                                "p.yaml:3:10: `passkey` is attested, any or none.",
		"kind: Person\nname: x\ngroups: [a, a]\n":                                     "p.yaml:3:13: \"a\" stands twice.",
		"kind: Person\nname: x\n---\nkind: Person\nname: X\n":                         "p.yaml:5:7: \"x\" is already described at p.yaml:1.",
		"kind: Person\nname: x\ndelegations: [{to: y, groups: [a]}]\n":                "p.yaml:3:20: There is nobody, or more than one person, of the name \"y\".",
		"kind: Person\nname: x\ndelegations: [{to: x, groups: [a]}]\n":                "p.yaml:3:20: Nobody delegates to themselves.",
		"kind: Person\nname: y\n---\nkind: Person\nname: x\ndelegations: [{to: y}]\n": "p.yaml:6:15: A delegation names the groups that it is for.",
		"kind: Person\nname: &a x\n":                                                  "p.yaml:2:7: Anchors and aliases are not used in policies; write it out.",
		"kind: Person\nname: \"x\n":                                                   "p.yaml:2:1: This is not YAML: found unexpected end of stream.",
		"kind: Person\nname: x\u202e\n":                                               "p.yaml:2:8: This cannot stand in a policy: the text holds the character U+202E (a direction mark), which cannot be seen or changes how the rest is read.",
	} {
		_, err := analysis.ParsePopulation(map[string]string{"p.yaml": text})
		if err == nil {
			t.Errorf("%q was read", text)
		} else if got := strings.Split(err.Error(), "\n"); !slices.Contains(got, want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

// FuzzParsePopulation: what is read is without fault, and can be analysed.
func FuzzParsePopulation(f *testing.F) {
	f.Add("kind: Person\nname: Ada\ngroups: [dev]\n---\nkind: Person\nname: Mara\napproves: [lead]\ndelegations: [{to: Ada, groups: [lead]}]\n")
	b := bundleOf(f, role("r", "approval: [{name: lead, groups: [lead], count: 1}]\n"), "a env=prod")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := analysis.ParsePopulation(map[string]string{"p.yaml": text})
		if err != nil {
			if p != nil || !strings.HasPrefix(err.Error(), "p.yaml:") {
				t.Errorf("%v is not told with its place", err)
			}
			return
		}
		for _, one := range p.People() {
			if err := one.Subject.Check(); err != nil {
				t.Errorf("%v was read", one)
			}
		}
		for _, d := range p.Delegations() {
			if d.From == d.To || len(d.Groups) == 0 {
				t.Errorf("%+v was read", d)
			}
		}
		a := analysis.New(b, p)
		a.Collusion("r")
		a.Lint(analysis.Options{})
	})
}
