package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"stint/policies/analysis"
	"stint/policies/cases"
)

const testPolicy = "testdata/policy"

// changedPolicy is a copy of the policy of these tests with a text in the place of another.
func changedPolicy(t *testing.T, from, to string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(testPolicy)); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, name := range []string{"roles.yaml", "tests/roles.yaml", "tests/people.yaml"} {
		path := filepath.Join(folder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found = found || strings.Contains(string(text), from)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Fatalf("nothing says %q", from)
	}
	return folder
}

func TestPolicyCommands(t *testing.T) {
	t.Parallel()
	few := filepath.Join(t.TempDir(), "few.yaml")
	if err := os.WriteFile(few, []byte("kind: Person\nname: Zoe\ngroups: [engineering]\napproves: [sre-leads, security]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	recorded := filepath.Join(t.TempDir(), "recorded.jsonl")
	line := `{"request":"r-1","outcome":"allowed","facts":{"now":"2026-03-02T10:05:00Z","asked":"2026-03-02T10:00:00Z",` +
		`"requester":{"issuer":"https://id.test","subject":"ada","name":"Ada","groups":["engineering"]},` +
		`"ask":{"role":"production-shell","target":"web-1","login":"deploy","duration":1800000000000,"reason":"x"},` +
		`"approvals":[{"approver":{"issuer":"https://id.test","subject":"bob","name":"Bob","groups":["sre-leads"]},"duration":1800000000000,"issued":"2026-03-02T10:05:00Z"}],"held":[]}}` + "\n"
	if err := os.WriteFile(recorded, []byte(line+"\n"+line), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.jsonl")
	if err := os.WriteFile(wrong, []byte(line+"{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stricter := changedPolicy(t, "longest: 4h}", "longest: 4h}\npasskey: {requester: any}")
	tests := []struct {
		name      string
		arguments []string
		code      int
		says      []string
	}{
		{"test", []string{"test", testPolicy}, 0, []string{"5 cases: 5 passed, 0 failed. They see "}},
		{"test with coverage", []string{"test", testPolicy, "--coverage"}, 0, []string{"- production-shell: target never refuses", "- customer-data: stage:security is never open"}},
		{"too little coverage", []string{"test", testPolicy, "--min-coverage", "99"}, exitFailed, []string{"That is less than 99 %; see which with --coverage."}},
		{"a case that fails", []string{"test", changedPolicy(t, "ends: 35m", "ends: 40m")}, exitFailed,
			[]string{"tests/roles.yaml:8: FAILED: production: a lead agrees", "ends: expected 2026-03-02T10:40:00Z (40m after the asking)", "came     2026-03-02T10:35:00Z", "Bob approved", "4 passed, 1 failed"}},
		{"a policy with a fault", []string{"test", changedPolicy(t, "requesters:", "requestors:")}, exitFailed, []string{"roles.yaml:8:1: There is no field \"requestors\" here. Did you mean `requesters`?"}},
		{"tests with a fault", []string{"test", changedPolicy(t, "by: Ada", "by: Adda")}, exitFailed, []string{`tests/roles.yaml:3:5: There is no person "Adda"; did you mean Ada?`}},
		{"no policy", []string{"test", t.TempDir()}, exitUsage, []string{"there are no policy files (*.yaml) in the folder"}},
		{"two folders", []string{"test", "a", "b"}, exitUsage, []string{"give one folder"}},

		{"lint", []string{"lint", testPolicy}, 0, []string{"0 errors"}},
		{"lint of a policy with a fault", []string{"lint", changedPolicy(t, "count: 1", "count: 0")}, exitFailed, []string{"roles.yaml:14:46: `count`"}},
		{"lint and few people", []string{"lint", testPolicy, "--min-collusion", "2"}, 0, []string{"0 errors"}},
		{"lint and too few people", []string{"lint", testPolicy, "--min-collusion", "3"}, exitFailed, []string{"production-shell", "error"}},

		{"explain", []string{"explain", "customers: on production meanwhile", "--policy", testPolicy}, 0, []string{"Refused: no approval could change it.", "In the way:", "[separation:one-at-a-time]", "> Drop production-shell."}},
		{"explain what there is not", []string{"explain", "nothing", "--policy", testPolicy}, exitUsage, []string{`there is no case "nothing" in the tests`, "stint login"}},
		{"simulate", []string{"simulate", "--person", "Ada", "--role", "customer-data", "--approved-by", "Bob", "--policy", testPolicy, "--at", "2026-03-02T10:00:00Z"}, 0,
			[]string{"Ada asks for customer-data on customers-1 as deploy for 15m", "Needs approval: security must agree", "Could approve now: Sam."}},
		{"simulate a stranger", []string{"simulate", "--person", "zoe", "--group", "engineering", "--role", "production-shell", "--duration", "5h", "--policy", testPolicy}, 0, []string{"zoe asks", "[duration]", "Could approve now: Bob."}},
		{"simulate, scheduled or not", []string{"simulate", "--person", "Ada", "--role", "production-shell", "--start", "2h", "--policy", testPolicy}, 0, []string{"[start]"}},
		{"simulate other people", []string{"simulate", "--person", "Zoe", "--role", "production-shell", "--people", few, "--policy", testPolicy}, 0, []string{"Of the people who are known, nobody could approve now."}},
		{"simulate nobody known", []string{"simulate", "--person", "zoe", "--role", "production-shell", "--policy", testPolicy}, exitUsage, []string{"--group"}},
		{"simulate no role", []string{"simulate", "--person", "Ada", "--role", "production", "--policy", testPolicy}, exitUsage, []string{`there is no role "production"`}},
		{"simulate no time", []string{"simulate", "--person", "Ada", "--role", "production-shell", "--at", "noon", "--policy", testPolicy}, exitUsage, []string{`"noon" is no time such as`}},
		{"simulate nothing", []string{"simulate", "--policy", testPolicy}, exitUsage, []string{"--person and --role"}},

		{"who-can", []string{"who-can", "customer-data", "--policy", testPolicy}, 0, []string{"May ask:\n  - Ada", "Approve as security (1 needed, after lead):\n  - Sam"}},
		{"who-can, no role", []string{"who-can", "customer", "--policy", testPolicy}, exitUsage, []string{`there is no role "customer"`}},
		{"what-can", []string{"what-can", "Bob", "--policy", testPolicy}, 0, []string{"Bob may ask for:", "production-shell, as deploy on web-1", "May approve:", "customer-data, as lead"}},
		{"what-can, nobody", []string{"what-can", "Rob", "--policy", testPolicy}, exitUsage, []string{`there is no person "Rob"; did you mean Bob?`}},
		{"collusion", []string{"collusion", "--policy", testPolicy}, 0, []string{"production-shell: 2 people together", "As if every group had enough people"}},
		{"collusion of people", []string{"collusion", "customer-data", "--policy", testPolicy, "--people", testPolicy + "/tests"}, 0, []string{"customer-data: 3 people together", "Sam"}},
		{"collusion of nobody", []string{"collusion", "--policy", testPolicy, "--people", testPolicy}, exitFailed, []string{"There is no kind"}},

		{"diff of the same", []string{"diff", testPolicy, testPolicy}, 0, []string{"Both mean the same."}},
		{"diff", []string{"diff", testPolicy, stricter}, 0, []string{"production-shell"}},
		{"diff against what was recorded", []string{"diff", testPolicy, stricter, "--against", recorded}, 0, []string{"Of 2 recorded requests, 0 would come out the same.", "r-1: "}},
		{"diff against nothing", []string{"diff", testPolicy, testPolicy, "--against", wrong}, exitUsage, []string{"wrong.jsonl:2: this is no recorded request"}},
		{"diff of one", []string{"diff", testPolicy}, exitUsage, []string{"name two folders"}},
		{"no such command", []string{"lent"}, exitUsage, []string{"see: stint policy --help"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, out, said := command(t, append([]string{"policy"}, test.arguments...)...)
			if code != test.code {
				t.Errorf("it ended with %d", code)
			}
			for _, text := range test.says {
				if !strings.Contains(out+said, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			for line := range strings.Lines(out) {
				if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > policyWidth && code == 0 {
					t.Errorf("a line is wide: %q", line)
				}
			}
			if t.Failed() {
				t.Log(out + said)
			}
		})
	}
}

// Where no folder is named, it is the folder policies, or the current one.
func TestPolicyCommandsFindTheFolder(t *testing.T) {
	home := t.TempDir()
	if err := os.CopyFS(filepath.Join(home, "policies"), os.DirFS(testPolicy)); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{home, filepath.Join(home, "policies")} {
		t.Chdir(folder)
		if code, out, said := command(t, "policy", "test"); code != 0 || !strings.Contains(out, "5 passed") {
			t.Errorf("in %s it ended with %d: %s%s", folder, code, out, said)
		}
	}
}

// What the commands print as JSON is what the packages answer.
func TestPolicyCommandsPrintJSON(t *testing.T) {
	t.Parallel()
	var tested policyTested
	var explanation cases.Explanation
	var who analysis.RoleAnswer
	var findings []analysis.Finding
	var differed policyDiffered
	for _, test := range []struct {
		arguments []string
		into      any
		there     func() bool
	}{
		{[]string{"test", testPolicy}, &tested, func() bool { return tested.Passed == 5 && tested.Coverage.Of > 20 && tested.Percent > 10 }},
		{[]string{"simulate", "--person", "Ada", "--role", "production-shell", "--policy", testPolicy}, &explanation, func() bool { return explanation.Outcome == "needs-approval" && len(explanation.Branches) == 2 }},
		{[]string{"who-can", "production-shell", "--policy", testPolicy}, &who, func() bool { return len(who.Ask) == 2 }},
		{[]string{"lint", testPolicy}, &findings, func() bool { return findings != nil }},
		{[]string{"diff", testPolicy, testPolicy}, &differed, func() bool { return differed.Sentences != nil }},
	} {
		code, out, said := command(t, append([]string{"policy"}, append(test.arguments, "-o", "json")...)...)
		if code != 0 || json.Unmarshal([]byte(out), test.into) != nil || !test.there() {
			t.Errorf("%v ended with %d: %s%s", test.arguments, code, out, said)
		}
	}
}
