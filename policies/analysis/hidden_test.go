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

// TestOnlyTheRosterLinks: an identity that the signer does not know links no others to it.
func TestOnlyTheRosterLinks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	b := bundleOf(t, "kind: Organization\naliases: [[{issuer: https://id.example.com, subject: boss}, {issuer: https://id.example.com, subject: old}]]\n---\n"+
		role("r", "approval: [{name: lead, groups: [lead], count: 1}, {name: chief, groups: [chief], count: 1}]\n"), "a env=prod")
	people := analysis.NewPopulation([]analysis.Person{
		person("ann dev / lead ann@x.org"), person("boss x / chief"), person("eve dev"),
		{Person: policies.Person{Subject: subject("old"), Name: "Old", Email: "ann@x.org"}}, // never enrolled
	}, nil)
	find := func(name string) policies.Person { p, _ := people.Find(name); return p.Person }
	ann, boss := find("ann"), find("boss")
	ann.Groups, boss.Groups = []string{"lead"}, []string{"chief"}
	d := b.Decide(policies.Facts{
		Now: at, Asked: at.Add(-time.Hour), Requester: find("eve"), Ask: policies.Ask{Role: "r", Target: "a", Login: "root", Duration: time.Hour},
		Approvals: []policies.Approval{{Approver: ann, Duration: time.Hour, Issued: at.Add(-time.Minute)}, {Approver: boss, Duration: time.Hour, Issued: at.Add(-time.Minute)}},
		Known:     policies.NewPeople([]policies.Person{ann, boss}),
	})
	if d.Outcome != policies.Allowed {
		t.Fatalf("it is %s: %+v", d.Outcome, d.Reasons)
	}
	if got := analysis.New(b, people).Collusion("r"); got.People != 3 {
		t.Errorf("%d people, though the three get it together", got.People)
	}
}
