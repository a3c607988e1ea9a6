package broker

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
)

// rules are added to the world's policy: a role that is scheduled ahead and confirmed.
const rules = `kind: Role
name: reading
description: Reads.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 30m, longest: 1h}
reason: optional
ticket: {required: true, pattern: "[A-Z]+-[0-9]+"}
start: {ahead: 24h}
passkey: {requester: any}
approval: [{name: lead, groups: [sre-leads], count: 1}]
---
kind: Separation
name: read-or-shell
description: Whoever reads does not write.
forbid: held
roles: [reading, production-shell]
`

// Everything new in a request's life once through the API, and the real signer takes it.
func TestRulesOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{extra: rules})
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	carol := w.approver("carol", dana, "security")
	alice := w.approver("alice", dana) // with a passkey that approves nothing
	ctx := t.Context()

	// The form knows what it has to ask for.
	roles, err := alice.api.Roles(ctx)
	must(t, err)
	i := slices.IndexFunc(roles.Items, func(r api.Role) bool { return r.Name == "reading" })
	if i < 0 {
		t.Fatalf("she may ask for %+v", roles.Items)
	}
	if r := roles.Items[i]; r.Ticket == nil || !r.Ticket.Required || r.Start.AheadSeconds != 24*3600 || r.Confirm != "any" || len(r.Separations) != 1 || r.PendingSeconds != 24*3600 {
		t.Errorf("the role is %+v", r)
	}

	// Bob delegates to Carol, who approves on his behalf.
	mine, err := bob.api.Delegations(ctx)
	must(t, err)
	at := slices.IndexFunc(mine.Delegates, func(p api.Person) bool { return p.Name == "Carol" })
	if at < 0 || !slices.Contains(mine.Groups, "sre-leads") {
		t.Fatalf("he could delegate %v to %v", mine.Groups, mine.Delegates)
	}
	text, err := bob.api.DelegationChallenge(ctx, api.DelegationDraft{
		Issuer: mine.Delegates[at].Issuer, Subject: mine.Delegates[at].Subject, Groups: []string{"sre-leads"}, Ends: time.Now().Add(time.Hour).Truncate(time.Second),
	})
	must(t, err)
	given, err := bob.api.Delegate(ctx, bob.sign(text.Statement))
	must(t, err)

	begins := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	_, err = alice.api.Ask(ctx, api.Ask{Role: "reading", Target: "web-1", Ticket: "later"})
	wantCode(t, err, "policy.refused")
	asked, err := alice.api.Ask(ctx, api.Ask{Role: "reading", Target: "web-1", Ticket: "OPS-1", Start: &begins})
	must(t, err)
	seen, err := carol.api.Request(ctx, asked.ID)
	must(t, err)
	if seen.ApproveFor == nil || seen.ApproveFor.Name != "Bob" || seen.Ticket != "OPS-1" || seen.Start == nil || !seen.Start.Equal(begins) {
		t.Errorf("Carol sees %+v", seen)
	}
	approval, err := carol.api.Challenge(ctx, asked.ID, api.ApprovalDraft{})
	must(t, err)
	if approval.For == nil || approval.For.Name != "Bob" {
		t.Errorf("she would approve for %+v", approval.For)
	}
	half, err := carol.api.Approve(ctx, asked.ID, carol.sign(approval.Statement))
	must(t, err)
	if half.State != "pending" || half.Decision.Confirm != "any" {
		t.Errorf("without her word it is %s, and to confirm is %q", half.State, half.Decision.Confirm)
	}
	word, err := alice.api.AskChallenge(ctx, asked.ID)
	must(t, err)
	granted, err := alice.api.ConfirmAsk(ctx, asked.ID, alice.sign(word.Statement))
	must(t, err)
	if granted.State != "approved" || granted.Decision.Outcome != "scheduled" || granted.Begins == nil || !granted.Begins.Equal(begins) || granted.Confirmation == nil || granted.Approvals[0].For == nil {
		t.Errorf("granted it is %+v", granted)
	}
	ended, err := carol.api.EndDelegation(ctx, given.ID, api.Taking{Reason: "he is back"})
	must(t, err)
	if ended.InForce || ended.Ended == nil {
		t.Errorf("the delegation is %+v", ended)
	}
	w.eventually("the signer has the end of the delegation", func() bool {
		trust, err := w.broker.signing.Trust(ctx)
		return err == nil && len(trust.Delegations) == 1 && trust.Delegations[0].Revoked != nil
	})
	if reviews, err := carol.api.Reviews(ctx); err != nil || len(reviews.Items) != 0 {
		t.Errorf("reviews: %v, %v", reviews, err)
	}
	if news, err := bob.api.News(ctx); err != nil || len(news.Items) != 0 {
		t.Errorf("news: %v, %v", news, err)
	}
	w.policyPages(alice, carol, dana, asked.ID)
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if problem, ok := err.(*api.Error); !ok || problem.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// policyPages reads the policy as somebody who only asks, as a reviewer and as an
// administrator.
func (w *world) policyPages(alice, carol, dana *person, request string) {
	t, ctx := w.t, w.t.Context()
	t.Helper()
	own, err := alice.api.PolicyRoles(ctx)
	must(t, err)
	all, err := carol.api.PolicyRoles(ctx)
	must(t, err)
	if own.All || !all.All || own.Items[0].Collusion != nil || all.Items[0].Collusion == nil || len(all.Items) < len(own.Items) {
		t.Errorf("she sees %+v, a reviewer %+v", own, all)
	}
	page, err := carol.api.PolicyRole(ctx, "reading")
	must(t, err)
	if page.Who == nil || len(page.Who.Ask) == 0 || page.Collusion == nil || page.Collusion.People != 1 /* one administrator changes the policy */ || len(page.Words) < 5 || len(page.Uses) != 1 || page.Uses[0].ID != request {
		t.Errorf("the role's page is %+v", page)
	}
	w.approver("erin", dana, "sre-leads") // who reads the page next is told of her at once
	page, err = carol.api.PolicyRole(ctx, "reading")
	must(t, err)
	if !slices.ContainsFunc(page.Who.Stages, func(stage api.StageWho) bool {
		return slices.ContainsFunc(stage.Approvers, func(who api.Who) bool { return who.Person.Name == "Erin" })
	}) {
		t.Errorf("the role's page does not know who just became an approver: %+v", page.Who.Stages)
	}
	page, err = alice.api.PolicyRole(ctx, "reading")
	must(t, err)
	if page.Who != nil || page.Collusion != nil || len(page.Uses) != 1 {
		t.Errorf("to her the role's page is %+v", page)
	}
	_, err = alice.api.PolicyRole(ctx, "no-such-role")
	wantCode(t, err, "role.not-found")
	people, err := dana.api.PolicyPeople(ctx)
	must(t, err)
	if !slices.ContainsFunc(people.People, func(p api.Inhabitant) bool {
		return p.Name == "Bob" && slices.ContainsFunc(p.Passkeys, func(k api.PopulationKey) bool { return slices.Contains(k.Groups, "sre-leads") })
	}) {
		t.Errorf("the people are %+v", people)
	}
	me, err := alice.api.Me(ctx)
	must(t, err)
	at := time.Now().Add(time.Hour)
	what, err := carol.api.Simulate(ctx, api.WhatIf{
		Issuer: me.Person.Issuer, Subject: me.Person.Subject, Ask: api.Ask{Role: "reading", Target: "web-1", Ticket: "OPS-2"}, At: &at,
	})
	must(t, err)
	if what.Outcome != "needs-approval" {
		t.Errorf("what if: %+v", what)
	}

	// What she was refused is written down behind her back, and stands among the requests.
	var history api.RecordedRequests
	w.eventually("the refused ask is recorded", func() bool {
		history, err = dana.api.PolicyHistory(ctx, 10, "")
		return err == nil && len(history.Items) == 2
	})
	refused := history.Items[1]
	var facts policies.Facts
	if !strings.HasPrefix(refused.Request, "ref-") || refused.Outcome != "refused" || json.Unmarshal(refused.Facts, &facts) != nil || facts.Ask.Ticket != "later" || facts.Requester.Name != "Alice" {
		t.Errorf("the refused ask is %+v", refused)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(refused.Request, "ref-"), 10, 64)
	must(t, err)
	log, err := carol.api.AuditLog(ctx, index)
	must(t, err)
	if event, err := access.ParseAuditEvent([]byte(log.Leaves[0].Data)); err != nil || event.Kind != access.EventRefused || event.Actor.Name != "Alice" {
		t.Errorf("a reviewer reads of the refusal %+v, %v", event, err)
	}

	// Another policy, before anybody proposes it: with a fault, and without.
	inForce, err := dana.api.Policy(ctx)
	must(t, err)
	files := inForce.Files
	files["rules.yaml"] = strings.Replace(rules, "longest: 1h", "longest: wrong", 1)
	check, err := dana.api.CheckPolicy(ctx, api.PolicyFiles{Files: files})
	must(t, err)
	if len(check.Faults) != 1 || check.Faults[0].File != "rules.yaml" || check.Faults[0].Line != 7 || check.Faults[0].Column != 35 {
		t.Errorf("the faults are %+v", check.Faults)
	}
	files["rules.yaml"] = strings.Replace(rules, "[A-Z]+-[0-9]+", "[A-Za-z0-9-]+", 1)
	check, err = carol.api.CheckPolicy(ctx, api.PolicyFiles{Files: files})
	must(t, err)
	if d := check.Backtest.Differences; len(d) == 0 || d[0].Request != refused.Request || d[0].Change != "now-open" || !d[0].Wider || d[0].Who.Name != "Alice" || d[0].Asked.IsZero() {
		t.Errorf("with a laxer ticket: %+v", check)
	}
	files["rules.yaml"] = strings.Replace(rules, "requesters: [engineering]", "requesters: [contractors]", 1)
	check, err = dana.api.CheckPolicy(ctx, api.PolicyFiles{Files: files})
	must(t, err)
	if len(check.Faults) != 0 || len(check.Changes) == 0 || check.Backtest == nil || check.Backtest.Requests != 2 {
		t.Errorf("the check says %+v", check)
	}
	_, err = alice.api.CheckPolicy(ctx, api.PolicyFiles{Files: files})
	wantCode(t, err, "forbidden")
	proposed, err := dana.api.ProposePolicy(ctx, api.PolicyDraft{Files: files, Reason: "only contractors read"})
	must(t, err)
	change, err := dana.api.Change(ctx, proposed.ID)
	must(t, err)
	if change.Backtest == nil || change.Backtest.Requests != 2 || change.Backtest.Note == "" {
		t.Errorf("the change's backtest is %+v", change.Backtest)
	}

	matrix, err := carol.api.Separation(ctx, "")
	must(t, err)
	if len(matrix.Rules) == 0 || !slices.Contains(matrix.Roles, "reading") || len(matrix.Rows) == 0 {
		t.Errorf("the matrix is %+v", matrix)
	}
	if history.Items[0].Request != request || json.Unmarshal(history.Items[0].Facts, &facts) != nil {
		t.Fatalf("the history is %+v", history)
	}
	if len(facts.Approvals) != 1 || facts.Approvals[0].For == nil || facts.Confirmed == nil || facts.Ask.Ticket != "OPS-1" {
		t.Errorf("the facts are %+v", facts)
	}
	for name, call := range map[string]func() error{
		"people":     func() error { _, err := alice.api.PolicyPeople(ctx); return err },
		"separation": func() error { _, err := alice.api.Separation(ctx, ""); return err },
		"history":    func() error { _, err := alice.api.PolicyHistory(ctx, 0, ""); return err },
		"what if": func() error {
			_, err := alice.api.Simulate(ctx, api.WhatIf{Issuer: "x", Subject: "y", Ask: api.Ask{Role: "reading", Target: "web-1"}})
			return err
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s is open to somebody who only asks", name)
		}
	}
}
