package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stint/policies"
	"stint/policies/analysis"
	"stint/policies/cases"
	"stint/server/api"
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

// recordedFacts are those of a request that both leads and policy agreed to.
const recordedFacts = `{"now":"2026-03-02T10:05:00Z","asked":"2026-03-02T10:00:00Z",` +
	`"requester":{"issuer":"https://id.test","subject":"ada","name":"Ada","groups":["engineering"]},` +
	`"ask":{"role":"production-shell","target":"web-1","login":"deploy","duration":1800000000000,"reason":"x"},` +
	`"approvals":[{"approver":{"issuer":"https://id.test","subject":"bob","name":"Bob","groups":["sre-leads"]},"duration":1800000000000,"issued":"2026-03-02T10:05:00Z"}],"held":[]}`

// refusedFacts are those of an ask for longer than anybody may have the role.
const refusedFacts = `{"now":"2026-03-02T10:00:00Z","asked":"2026-03-02T10:00:00Z",` +
	`"requester":{"issuer":"https://id.test","subject":"ada","name":"Ada","groups":["engineering"]},` +
	`"ask":{"role":"production-shell","target":"web-1","login":"deploy","duration":18000000000000,"reason":"x"},"approvals":null,"held":null}`

const recordedLine = `{"request":"r-1","outcome":"allowed","facts":` + recordedFacts + "}\n"

func TestPolicyCommands(t *testing.T) {
	t.Parallel()
	few := filepath.Join(t.TempDir(), "few.yaml")
	if err := os.WriteFile(few, []byte("kind: Person\nname: Zoe\ngroups: [engineering]\napproves: [sre-leads, security]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	recorded := filepath.Join(t.TempDir(), "recorded.jsonl")
	if err := os.WriteFile(recorded, []byte(recordedLine+"\n"+recordedLine+strings.Replace(recordedLine, "web-1", "web-9", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.jsonl")
	if err := os.WriteFile(wrong, []byte(recordedLine+"{}\n"), 0o600); err != nil {
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
		{"a target that the policy has", []string{"test", changedPolicy(t, "kind: Organization", "kind: Target\nname: web-1\naddress: a:22\nhostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM\nlabels: {env: production}\n---\nkind: Organization")}, exitFailed,
			[]string{"tests/people.yaml:15:7: The policy has a target web-1 itself; rename this one"}},
		{"no policy", []string{"test", t.TempDir()}, exitUsage, []string{"there are no policy files (*.yaml) in the folder"}},
		{"two folders", []string{"test", "a", "b"}, exitUsage, []string{"give one folder"}},

		{"lint", []string{"lint", testPolicy}, 0, []string{"0 errors"}},
		{"lint of a policy with a fault", []string{"lint", changedPolicy(t, "count: 1", "count: 0")}, exitFailed, []string{"roles.yaml:14:46: `count`"}},
		{"lint and few people", []string{"lint", testPolicy, "--min-collusion", "2"}, 0, []string{"0 errors"}},
		{"lint and too few people", []string{"lint", testPolicy, "--min-collusion", "3"}, exitFailed, []string{"production-shell", "error"}},

		{"lint without emergencies", []string{"lint", "../../policies/bundle", "--min-collusion", "2", "--without-break-glass"}, exitFailed, []string{"1 person can get on-call-shell, fewer than 2", "spare fewer stages"}},
		{"lint without emergencies and nothing else", []string{"lint", testPolicy, "--without-break-glass"}, exitUsage, []string{"give that too"}},
		{"lint and fewer people than none", []string{"lint", testPolicy, "--min-collusion", "-1"}, exitUsage, []string{"--min-collusion is a number of people"}},
		{"lint of a file", []string{"lint", testPolicy + "/roles.yaml"}, exitUsage, []string{"is a file; name the folder"}},
		{"lint of nobody", []string{"lint", testPolicy, "--people", "nowhere"}, exitUsage, []string{"--people nowhere: no such file"}},
		{"more coverage than there is", []string{"test", testPolicy, "--min-coverage", "101"}, exitUsage, []string{"a percentage"}},
		{"a case of no target", []string{"test", changedPolicy(t, "duration: 5h", "duration: 5h, target: web-9")}, exitFailed, []string{`tests/roles.yaml:10:50: There is no target "web-9"; did you mean web-1?`}},
		{"a case of no role", []string{"test", changedPolicy(t, "held: [production-shell]", "held: [production]")}, exitFailed, []string{`There is no role "production"; did you mean production-shell?`}},

		{"explain", []string{"explain", "customers: on production meanwhile", "--policy", testPolicy}, 0, []string{"Refused: no approval could change it.", "In the way:", "[separation:one-at-a-time]", "> Drop production-shell."}},
		{"simulate", []string{"simulate", "--person", "Ada", "--role", "customer-data", "--approved-by", "Bob", "--policy", testPolicy, "--at", "2026-03-02T10:00:00Z"}, 0,
			[]string{"Ada asks for customer-data on customers-1 as deploy for 15m", "Needs approval: security must agree", "Could approve now: Sam."}},
		{"simulate a stranger", []string{"simulate", "--person", "zoe", "--group", "engineering", "--role", "production-shell", "--duration", "5h", "--policy", testPolicy}, 0, []string{"zoe asks", "[duration]", "Could approve now: Bob."}},
		{"simulate, scheduled or not", []string{"simulate", "--person", "Ada", "--role", "production-shell", "--start", "2h", "--policy", testPolicy}, 0, []string{"[start]"}},
		{"simulate other people", []string{"simulate", "--person", "Zoe", "--role", "production-shell", "--people", few, "--policy", testPolicy}, 0, []string{"Of the people who are known, nobody could approve now."}},
		{"simulate nobody known", []string{"simulate", "--person", "zoe", "--role", "production-shell", "--policy", testPolicy}, exitUsage, []string{"--group"}},
		{"simulate no role", []string{"simulate", "--person", "Ada", "--role", "production", "--policy", testPolicy}, exitUsage, []string{`there is no role "production"`}},
		{"simulate no time", []string{"simulate", "--person", "Ada", "--role", "production-shell", "--at", "noon", "--policy", testPolicy}, exitUsage, []string{`"noon" is no time such as`}},
		{"simulate no target", []string{"simulate", "--person", "Ada", "--role", "production-shell", "--target", "web", "--held", "none", "--policy", testPolicy}, exitUsage, []string{"stint: there is no target \"web\"; did you mean web-1?\n  there is no role \"none\""}},
		{"simulate nothing", []string{"simulate", "--policy", testPolicy}, exitUsage, []string{"--person and --role"}},

		{"who-can", []string{"who-can", "customer-data", "--policy", testPolicy}, 0, []string{"May ask:\n  - Ada", "Approve as security (1 needed, after lead):\n  - Sam"}},
		{"who-can, no role", []string{"who-can", "customer", "--policy", testPolicy}, exitUsage, []string{`there is no role "customer"`}},
		{"what-can", []string{"what-can", "Bob", "--policy", testPolicy}, 0, []string{"Bob may ask for:", "production-shell, as deploy on web-1", "May approve:", "customer-data, as lead"}},
		{"what-can, too few", []string{"what-can", "Zoe", "--policy", testPolicy, "--people", few}, 0, []string{"production-shell, as deploy on web-1, in engineering; but too few of these"}},
		{"what-can, nobody", []string{"what-can", "Rob", "--policy", testPolicy}, exitUsage, []string{`there is no person "Rob"; did you mean Bob?`}},
		{"collusion", []string{"collusion", "--policy", testPolicy}, 0, []string{
			"ROLE              FEWEST  ASK  POLICY  ENROLMENT\ncustomer-data     2       3    2       2\nproduction-shell  2       2    2       2\n",
			"\n  ASK          somebody asks, and others approve\n", "As if there were people in whatever groups suit them",
		}},
		{"collusion of some people", []string{"collusion", "--policy", testPolicy, "--people", testPolicy + "/tests"}, 0, []string{
			"ROLE              FEWEST  ASK\nproduction-shell  2       2\ncustomer-data     3       3\n", "For example:\n  - production-shell, ask (2): Ada asks; Bob approves",
			"Among these people is no quorum of administrators with passkeys",
		}},
		{"collusion of one", []string{"collusion", "--policy", testPolicy, "--people", few}, 0, []string{"ROLE              FEWEST\ncustomer-data     nobody\n"}},
		{"collusion in no role", []string{"collusion", "customer", "--policy", testPolicy}, exitUsage, []string{`there is no role "customer"`}},
		{"collusion without emergencies", []string{"collusion", "emergency-shell", "--without-break-glass", "--policy", "../../policies/bundle"}, 0, []string{"emergency-shell: 2 people together\n  - policy (2)"}},
		{"collusion with emergencies", []string{"collusion", "emergency-shell", "--policy", "../../policies/bundle"}, 0, []string{"emergency-shell: 1 person alone\n  - break-glass (1)"}},
		{"collusion of people", []string{"collusion", "customer-data", "--policy", testPolicy, "--people", testPolicy + "/tests"}, 0, []string{"customer-data: 3 people together", "Sam"}},
		{"collusion of nobody", []string{"collusion", "--policy", testPolicy, "--people", testPolicy}, exitFailed, []string{"There is no kind"}},

		{"diff of the same", []string{"diff", testPolicy, testPolicy}, 0, []string{"Both mean the same."}},
		{"diff", []string{"diff", testPolicy, stricter}, 0, []string{"production-shell"}},
		{"diff of what only the tests have", []string{"diff", testPolicy, changedPolicy(t, "name: web-1", "name: web-2")}, 0, []string{"Both mean the same."}},
		{"diff against what was recorded", []string{"diff", testPolicy, stricter, "--against", recorded}, 0, []string{"Of 3 recorded requests, 0 would come out the same.", "r-1: ", "Neither policy has the targets of 1 of them"}},
		{"diff against nothing", []string{"diff", testPolicy, testPolicy, "--against", wrong}, exitUsage, []string{"wrong.jsonl:2: this is no recorded request"}},
		{"diff against an empty file", []string{"diff", testPolicy, testPolicy, "--against", few[:len(few)-len("few.yaml")] + "none.jsonl"}, exitUsage, []string{"none.jsonl: no such file"}},
		{"diff of one", []string{"diff", testPolicy}, exitUsage, []string{"name two folders"}},
		{"schema", []string{"schema"}, 0, []string{`"$schema"`, "requesters"}},
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
				if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > policyWidth && code == 0 && test.name != "schema" {
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
	t.Setenv("STINT_HOME", t.TempDir()) // signed out
	home := t.TempDir()
	if err := os.CopyFS(filepath.Join(home, "policies"), os.DirFS(testPolicy)); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{home, filepath.Join(home, "policies")} {
		t.Chdir(folder)
		if code, out, said := command(t, "policy", "test"); code != 0 || !strings.Contains(out, "5 passed") {
			t.Errorf("in %s it ended with %d: %s%s", folder, code, out, said)
		}
		if code, _, said := command(t, "policy", "explain", "customers: both agre"); code != exitUsage || !strings.Contains(said, `there is no case "customers: both agre"; did you mean "customers: both agree"? (To explain a request`) {
			t.Errorf("in %s it ended with %d: %s", folder, code, said)
		}
	}
	t.Chdir(t.TempDir())
	if code, _, _ := command(t, "policy", "explain", "r-1"); code != exitSignedOut {
		t.Errorf("without a policy it ended with %d", code)
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

// policyBroker answers as a broker does whose policy is that of these tests.
func policyBroker(t *testing.T) *httptest.Server {
	t.Helper()
	bundle, err := policies.Load(os.DirFS(testPolicy))
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]any{
		api.PathPolicy: api.Policy{Digest: bundle.Digest(), Quorum: 2, Files: bundle.Files()},
		api.PathPolicyPeople: api.Population{
			People: []api.Inhabitant{
				{Issuer: "https://id.test", Subject: "ada", Name: "Ada", Groups: []string{"engineering"}},
				{Issuer: "https://id.test", Subject: "lea", Name: "Lea", Passkeys: []api.PopulationKey{{Groups: []string{"sre-leads"}}}},
				{Issuer: "https://id.test", Subject: "tim", Name: "Tim", Passkeys: []api.PopulationKey{{Groups: []string{"others"}}}},
			},
			Delegations: []api.PopulationProxy{{From: api.Identity{Issuer: "https://id.test", Subject: "lea"}, To: api.Identity{Issuer: "https://id.test", Subject: "tim"}, Groups: []string{"sre-leads"}}},
		},
		api.PathPolicyHistory: api.RecordedRequests{Items: []api.RecordedRequest{{Request: "r-1", Outcome: "allowed", Facts: json.RawMessage(recordedFacts)}, {Request: "ref-7", Outcome: "refused", Facts: json.RawMessage(refusedFacts)}}, Note: "So far as is known."},
		strings.Replace(api.PathRequest, "{id}", "r-1", 1): api.Request{
			ID: "r-1", Requester: api.Person{Subject: "ada", Name: "Ada"}, Role: "customer-data", Target: "customers-1", Login: "deploy", DurationSeconds: 900,
			Asked: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
			Decision: api.Decision{
				Outcome: "needs-approval", DurationSeconds: 900,
				Stages: []api.Stage{
					{Name: "lead", Count: 1, Given: []api.Person{{Subject: "bob", Name: "Bob"}}},
					{Name: "security", Count: 2, Given: []api.Person{{Subject: "sue", Name: "Sue"}}, Approvers: []api.Person{{Subject: "sam", Name: "Sam"}}},
				},
				Reasons: []api.Reason{
					{Rule: "duration", Met: true, Text: "15m is within the hour."},
					{Rule: "stage:lead", Met: true, Text: "Bob approved."},
					{Rule: "stage:security", Text: "Needs 1 more of security.", Remedy: "1 of security must approve."},
				},
			},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !known {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			answer = api.Error{Status: http.StatusNotFound, Code: "not-found", Title: "There is nothing here."}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestPolicyCommandsAskTheBroker(t *testing.T) {
	signInto(t, policyBroker(t).URL)
	for _, test := range []struct {
		arguments []string
		code      int
		says      []string
	}{
		{[]string{"explain", "r-1", "--policy", testPolicy}, 0, []string{
			"Ada asks for customer-data on customers-1 as deploy for 15m", "Needs approval: security must agree", "+ Bob approved. [stage:lead]",
			"? Needs 1 more of security. [stage:security]\n    > 1 of security must approve.\n    + Sue agreed.\n    ? Could approve now: Sam.", "+ 15m is within the hour. [duration]",
		}},
		{[]string{"explain", "r-2", "--policy", testPolicy}, exitFailed, []string{"There is nothing here."}},
		{[]string{"simulate", "--person", "Ada", "--role", "production-shell", "--people", "broker", "--policy", testPolicy}, 0, []string{"Could approve now: Lea, Tim for Lea."}},
		{[]string{"diff", "current", changedPolicy(t, "count: 1", "count: 2"), "--against", "history"}, 0, []string{"Of 2 recorded requests, 0 would come out the same.", "r-1: ", "So far as is known."}},
		{[]string{"diff", "current", changedPolicy(t, "longest: 4h", "longest: 5h"), "--against", "history"}, 0, []string{
			"Of 2 recorded requests, 0 would come out the same.\n  ! could now be approved: 1 (wider!)\n", "\n- ref-7: Ada asked for production-shell on web-1 as deploy. It was refused, and\n  would be waiting for approval.",
		}},
		{[]string{"diff", "current", testPolicy}, 0, []string{"Both mean the same."}},
		{[]string{"diff", changedPolicy(t, "longest: 4h", "longest: 5h"), "current"}, 0, []string{"production-shell", "4h"}},
	} {
		code, out, said := command(t, append([]string{"policy"}, test.arguments...)...)
		for _, text := range test.says {
			if code != test.code || !strings.Contains(out+said, text) {
				t.Errorf("%v ended with %d and does not say %q: %s%s", test.arguments, code, text, out, said)
			}
		}
	}
}
