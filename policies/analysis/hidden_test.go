package analysis_test

import (
	"testing"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// TestNoConditionHidesWhatItReads: a comment, or a text in three quotes, that shifts what the
// text of a condition seems to quote makes two people look alike of whom one gets in alone.
func TestNoConditionHidesWhatItReads(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for name, condition := range map[string]string{
		"a comment":    `// "` + "\n    " + `"(".size() == 1 && requester.email.size() == 9 || " in requester.groups)" == "z"`,
		"three quotes": `"""x"x""" == "q" || "(".size() == 1 && requester.email.size() == 9 || " in requester.groups)" == "z"`,
		"a label":      `// "` + "\n    " + `"target.labels[".size() == 14 && requester.email.size() == 9 || "]" == "z"`,
	} {
		b := bundleOf(t, role("r", "approval: [{name: lead, groups: [lead], count: 1}]\nallow:\n- name: eve\n  without: [lead]\n  when: |\n    "+condition+"\n"), "a env=prod")
		population := population(nil, "ann dev / x ann@x.example", "eve dev / x eve@x.org", "bob x / lead bob@x.org")
		eve := policies.Facts{
			Now: at, Asked: at, Requester: population.People()[2].Person, Ask: policies.Ask{Role: "r", Target: "a", Login: "root", Duration: time.Hour},
		}
		if d := b.Decide(eve); d.Outcome != policies.Allowed {
			t.Fatalf("%s: %s alone: %s, %+v", name, eve.Requester.Name, d.Outcome, d.Reasons)
		}
		if got := analysis.New(b, population).Collusion("r"); got.People != 1 {
			t.Errorf("%s: %d people, though Eve alone gets it", name, got.People)
		}
	}
}

// TestWhatAnInventoryMayBringCounts: a target that is not there yet may be had by fewer
// people than those that are.
func TestWhatAnInventoryMayBringCounts(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, "kind: Organization\ninventories:\n- {name: fleet, key: "+hostKey+", labels: {env: [prod, test]}}\n---\n"+
		role("r", "targets: {labels: {env: \"*\"}}\napproval: [{name: lead, groups: [lead], count: 1}]\nallow:\n- {name: test, without: [lead], when: 'target.labels.env == \"test\"'}\n"), "a env=prod")
	population := population(nil, "ann dev", "bob x / lead")
	if got := analysis.New(b, population).Collusion("r"); got.People != 1 {
		t.Errorf("%d people, though one alone has whatever the inventory calls a test", got.People)
	}
}
