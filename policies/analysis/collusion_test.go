package analysis_test

import (
	"strings"
	"testing"

	"stint/policies/analysis"
)

func TestCollusion(t *testing.T) {
	t.Parallel()
	const two = "approval:\n- {name: lead, groups: [lead], count: 1}\n- {name: security, groups: [security], count: 1}\n"
	for _, c := range []struct {
		name        string
		role        string
		rest        string // documents beside the role
		targets     []string
		people      []string
		delegations []analysis.Delegation
		want        int
		way         string
		text        string
		assumed     string
	}{
		{name: "nobody has an attested passkey yet", role: two + "passkey: {approvers: attested}\n", people: []string{"ann dev", "bob x / lead", "cid x / security plain"}, want: 3,
			text: "Ann asks; Bob approves stage lead as one of lead; Cid approves stage security as one of security.", assumed: "Cid enrols an attested passkey"},
		{name: "another than the attested passkey's", role: two + "passkey: {approvers: attested}\n", people: []string{"ann dev", "bob x / lead,security", "cid x / lead plain"}, want: 3, assumed: "Cid enrols an attested passkey"},
		{name: "attested passkeys suffice", role: two + "passkey: {approvers: attested}\n", people: []string{"ann dev", "abe x / lead plain", "bob x / lead", "cid x / security", "eve x / security plain"}, want: 3},
		{name: "a delegate with an attested passkey", role: two + "passkey: {approvers: attested}\n", people: []string{"ann dev", "bob x / lead", "cid x / security plain", "dan x / x"},
			delegations: []analysis.Delegation{{From: subject("cid"), To: subject("dan"), Groups: []string{"security"}}}, want: 3,
			text: "Ann asks; Bob approves stage lead as one of lead; Dan approves stage security as one of security on behalf of Cid."},
		{name: "no passkey is none", role: two + "passkey: {approvers: attested}\n", people: []string{"ann dev", "bob x / lead", "cid security"}, want: 0},
		{name: "nobody approves", people: []string{"ann dev"}, want: 1, way: analysis.WayAsk, text: "Ann asks."},
		{name: "nobody may ask", people: []string{"ann ops"}, want: 0},
		{name: "two stages", role: two, people: []string{"ann dev", "bob x / lead", "cid x / security"}, want: 3, way: analysis.WayAsk,
			text: "Ann asks; Bob approves stage lead as one of lead; Cid approves stage security as one of security."},
		{name: "one person cannot fill two stages", role: two, people: []string{"ann dev", "bob x / lead,security"}, want: 0},
		{name: "the requester never approves", role: two, people: []string{"ann dev / lead", "cid x / security"}, want: 0},
		{name: "another may ask", role: two, people: []string{"ann dev / lead", "eve dev", "cid x / security"}, want: 3},
		{name: "aliases are one person", role: two, people: []string{"ann dev / ann@x.org", "bob x / lead ann@x.org", "cid x / security"}, want: 0},
		{name: "moving people between stages", role: two, people: []string{"ann dev", "bob x / lead,security", "cid x / lead"}, want: 3},
		{name: "quorum changes the policy", role: two, people: []string{"ann dev", "bob x / lead,administrators", "cid x / administrators"}, want: 2, way: analysis.WayPolicy},
		{name: "a delegate sits for another", role: two, people: []string{"ann dev", "bob x / lead", "cid x / security", "dan x / x"},
			delegations: []analysis.Delegation{{From: subject("cid"), To: subject("dan"), Groups: []string{"security"}}}, want: 3},
		{name: "only a delegate is left", role: two, people: []string{"ann dev", "bob x / lead", "cid dev / security", "dan x / x"},
			delegations: []analysis.Delegation{{From: subject("cid"), To: subject("dan"), Groups: []string{"security"}}}, want: 3},
		{name: "a delegate for the requester", role: two, people: []string{"cid dev / security", "bob x / lead", "dan x / x"},
			delegations: []analysis.Delegation{{From: subject("cid"), To: subject("dan"), Groups: []string{"security"}}}, want: 0},
		{name: "delegate and delegator take one seat", role: "approval: [{name: s, groups: [security], count: 2}]\n", people: []string{"ann dev", "cid x / security", "dan x / x"},
			delegations: []analysis.Delegation{{From: subject("cid"), To: subject("dan"), Groups: []string{"security"}}}, want: 0},
		{name: "break glass", role: two + "breakGlass: {requesters: [dev], longest: 30m, review: {groups: [security], within: 24h}}\n", people: []string{"ann dev", "bob x / lead", "cid x / security"}, want: 1, way: analysis.WayBreakGlass},
		{name: "escalation", role: "approval:\n- {name: lead, groups: [lead], count: 1, escalate: [{after: 4h, groups: [boss]}]}\n", people: []string{"ann dev", "bob x / boss"}, want: 2,
			text: "Ann asks; Bob approves stage lead as one of boss, after 4h."},
		{name: "manager", role: "approval:\n- {name: lead, relations: [manager], count: 1}\n", rest: "\n---\nkind: Team\nname: t\nmembers: [dev]\nmanagers: [boss]\n", people: []string{"ann dev", "bob x / boss"}, want: 2},
		{name: "no manager", role: "approval:\n- {name: lead, relations: [manager], count: 1}\n", rest: "\n---\nkind: Team\nname: t\nmembers: [other]\nmanagers: [boss]\n", people: []string{"ann dev", "bob x / boss"}, want: 0},
		{name: "owner of one of the targets", role: "approval:\n- {name: lead, relations: [owner], count: 1}\n", targets: []string{"a env=prod owner=none", "b env=prod owner=boss"}, people: []string{"ann dev", "bob x / boss"}, want: 2},
		{name: "eligible for two roles", rest: "\n---\n" + role("other", "requesters: [ops]") + "\n---\nkind: Separation\nname: s\ndescription: d\nforbid: eligible\nroles: [r, other]\n", people: []string{"ann dev,ops"}, want: 0},
		{name: "not on what one owns", rest: "\n---\nkind: Separation\nname: s\ndescription: d\nforbid: object\nroles: [r]\nlabels: [owner]\n", targets: []string{"a env=prod owner=dev"}, people: []string{"ann dev"}, want: 0},
		{name: "an allowance", role: two + "allow: [{name: night, when: '\"oncall\" in requester.groups', without: [lead]}]\n", people: []string{"ann dev", "eve dev,oncall", "bob x / lead", "cid x / security"}, want: 2, way: analysis.WayAllow,
			text: "Eve asks; Cid approves stage security as one of security."},
		{name: "a requirement", role: "require: [{name: n, that: '\"oncall\" in requester.groups', else: You are not on call.}]\n", people: []string{"ann dev"}, want: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.targets == nil {
				c.targets = []string{"a env=prod"}
			}
			a := analysis.New(bundleOf(t, authenticators("")+role("r", c.role)+c.rest, c.targets...), population(c.delegations, c.people...))
			got := a.Collusion("r")
			if got.People != c.want {
				t.Fatalf("%d people get it, want %d: %+v", got.People, c.want, got.Ways)
			}
			if c.want > 0 && c.way != "" && got.Ways[0].Way != c.way {
				t.Errorf("the way is %s, want %s", got.Ways[0].Way, c.way)
			}
			if c.text != "" && got.Ways[0].Text != c.text {
				t.Errorf("the example is %q, want %q", got.Ways[0].Text, c.text)
			}
			if c.want > 0 && strings.Join(got.Ways[0].Assumed, ", ") != c.assumed {
				t.Errorf("it assumes %q, want %q", got.Ways[0].Assumed, c.assumed)
			}
			for _, w := range got.Ways {
				if len(w.Parts) != w.People {
					t.Errorf("%s: %d parts for %d people", w.Way, len(w.Parts), w.People)
				}
			}
		})
	}
}
