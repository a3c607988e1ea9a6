package cases

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stint/policies"
)

const guarded = `kind: Role
name: guarded
description: A role with much beside its decisions.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 30m, longest: 1h}
pending: 8h
singleUse: true
reason: required
device: {required: true, posture: {require: [firewall, disk-encryption]}}
session: {idle: 10m, reauthenticate: 1h, channels: [shell], networks: [198.51.100.0/24]}
recording: {reviewers: [security]}
approval:
  - {name: lead, groups: [leads], count: 1, remind: 1h}
---
kind: Role
name: plain
description: One with nothing.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 30m, longest: 1h}
reason: required
approval:
  - {name: lead, groups: [leads], count: 1}
---
kind: Organization
reviewers: [auditors]
quorum: 3
`

// besideOf runs one case, whose expectation ends as given, about a role of guarded.
func besideOf(t *testing.T, role, expectation string) (Results, *policies.Bundle) {
	t.Helper()
	s, err := parse(map[string]string{"tests/cases.yaml": targetText +
		"kind: Case\nname: beside\nby: ada\nask: {role: " + role + "}\nexpect: {outcome: needs-approval, " + expectation + "}\n"}, cast())
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Bundle(bundleOf(t, guarded))
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(b), b
}

func TestWhatIsStatedBesideADecision(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ role, expectation, fails string }{
		{"guarded", "grant: {}, organization: {}", ""},
		{"guarded", "grant: {pending: 8h, singleUse: true, idle: 600s, reauthenticate: 60m, channels: [shell], networks: [198.51.100.0/24], reviewers: [security], review: [], remind: {lead: 60m}}", ""},
		// In any order, and with what stands where nothing is written.
		{"guarded", "grant: {device: {required: true, posture: {period: 5m, require: [disk-encryption, firewall]}}}", ""},
		{"guarded", "organization: {quorum: 3, reviewers: [auditors], attested: [], makes: {}}", ""},
		{"plain", "grant: {pending: 1d, singleUse: false, idle: 0s, reauthenticate: 0s, channels: [], networks: [], reviewers: [auditors], review: [], remind: {}}", ""},
		{"guarded", "grant: {pending: 7h59m}", "grant.pending: 7h59m instead of 8h"},
		{"guarded", "grant: {singleUse: false}", "grant.singleUse: false instead of true"},
		{"guarded", "grant: {idle: 0s}", "grant.idle: 0s instead of 10m"},
		{"guarded", "grant: {reauthenticate: 0s}", "grant.reauthenticate: 0s instead of 1h"},
		{"guarded", "grant: {channels: []}", "grant.channels: none instead of shell"},
		{"guarded", "grant: {channels: [shell, exec]}", "grant.channels: exec, shell instead of shell"},
		{"guarded", "grant: {networks: [198.51.100.0/25]}", "grant.networks: 198.51.100.0/25 instead of 198.51.100.0/24"},
		{"guarded", "grant: {reviewers: [auditors]}", "grant.reviewers: auditors instead of security"},
		{"guarded", "grant: {review: [security]}", "grant.review: security instead of none"},
		{"guarded", "grant: {remind: {lead: 2h}}", "grant.remind: lead: 2h instead of lead: 1h"},
		{"guarded", "grant: {remind: {}}", "grant.remind: none instead of lead: 1h"},
		{"plain", "grant: {singleUse: true}", "grant.singleUse: true instead of false"},
		{"plain", "grant: {channels: [shell]}", "grant.channels: shell instead of none"},
		{"plain", "organization: {quorum: 2}", "organization.quorum: 2 instead of 3"},
		{"plain", "organization: {attested: [leads]}", "organization.attested: leads instead of none"},
		{"plain", "organization: {makes: {2FC0579F-8113-47ea-b116-bb5a8db9202a: [x]}}", "organization.makes: 2fc0579f811347eab116bb5a8db9202a: x instead of none"},
	} {
		results, _ := besideOf(t, c.role, c.expectation)
		var fails []string
		for _, f := range results.Cases[0].Failures {
			fails = append(fails, f.What+": "+f.Expected+" instead of "+f.Came)
		}
		if got := strings.Join(fails, "; "); got != c.fails {
			t.Errorf("%s of %s came to %q instead of %q", c.expectation, c.role, got, c.fails)
		}
	}
	results, _ := besideOf(t, "plain", "grant: {device: {required: true}}")
	if fails := results.Cases[0].Failures; len(fails) != 1 || fails[0].Came != "none" {
		t.Errorf("a rule about devices that is not there: %+v", fails)
	}
}

func TestCoverageCountsWhatIsStated(t *testing.T) {
	t.Parallel()
	results, b := besideOf(t, "guarded", "grant: {idle: 10m, channels: [shell]}, organization: {quorum: 3}")
	unseen := slices.DeleteFunc(results.Coverage(b).Unseen(), func(text string) bool { return !strings.HasSuffix(text, "is never stated") })
	want := []string{
		"organization:reviewers is never stated",
		"guarded: grant:pending is never stated", "guarded: grant:singleUse is never stated", "guarded: grant:reauthenticate is never stated", "guarded: grant:networks is never stated",
		"guarded: grant:device is never stated", "guarded: grant:reviewers is never stated", "guarded: grant:remind is never stated",
	}
	if diff := cmp.Diff(want, unseen); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsOfWhatIsStated(t *testing.T) {
	t.Parallel()
	for expectation, want := range map[string]string{
		"grant: {pending: soon}":        "is no duration",
		"grant: {idle: -1m}":            "is no duration",
		"grant: {remind: {lead: soon}}": "is no duration",
		"grant: {device: {held: tpm}}":  "says `required: true`",
		"grant: {idel: 10m}":            "did you mean `idle`",
		"organization: {quorum: many}":  "a whole number is wanted",
		"organization: {makes: [x]}":    "a mapping is wanted",
		"grant: {device: {required: true, held: 1h, posture: {period: soon}}}": "a duration",
	} {
		_, err := parse(map[string]string{"tests/cases.yaml": targetText +
			"kind: Case\nname: beside\nby: ada\nask: {role: plain}\nexpect: {outcome: needs-approval, " + expectation + "}\n"}, cast())
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), want) || !strings.Contains(err.Error(), "tests/cases.yaml:9:") {
			t.Errorf("%s: %v", expectation, err)
		}
	}
}
