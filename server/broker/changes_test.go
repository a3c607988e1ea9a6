package broker

import (
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// signsChange fetches the text of a change and signs it.
func (p *person) signsChange(id string) api.Change {
	t := p.w.t
	t.Helper()
	challenge, err := p.api.ChangeChallenge(t.Context(), id)
	must(t, err)
	change, err := p.api.SignChange(t.Context(), id, api.ChangeSignature{Assertion: p.sign(challenge.Statement).Assertion})
	must(t, err)
	return change
}

// enrolledBy is somebody whose passkey all of these administrators signed for.
func (w *world) enrolledBy(name string, administrators []*person, groups ...string) *person {
	w.t.Helper()
	p := w.portalSignIn(name)
	enrolment := p.enrol(groups...)
	for i, by := range administrators {
		assertion := api.Assertion(by.passkey.Sign(w.t, enrolment.Statement))
		after, err := by.api.Authorise(w.t.Context(), enrolment.ID, api.Authorisation{Passkey: &assertion})
		must(w.t, err)
		if want := len(administrators) - 1 - i; after.Missing != want {
			w.t.Fatalf("after %s's signature %d are missing, not %d", by.name, after.Missing, want)
		}
		enrolment = after
	}
	if enrolment.State != "pinned" {
		w.t.Fatalf("after %d signatures the enrolment is %s", len(administrators), enrolment.State)
	}
	return p
}

// Two administrators together, and neither alone, change somebody's groups and the
// policy; the signer has checked every signature.
func TestQuorumOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{quorum: 2})
	ctx := t.Context()
	dana := w.joined("dana")
	if me, err := dana.api.Me(ctx); err != nil || !me.Ceremony || !me.Administrator {
		t.Errorf("while Frank is still to join: %+v, %v", me, err)
	}
	frank := w.joined("frank")
	if me, err := dana.api.Me(ctx); err != nil || me.Ceremony {
		t.Errorf("when both have joined: %+v, %v", me, err)
	}
	both := []*person{dana, frank}
	bob := w.enrolledBy("bob", both, "sre-leads")
	alice := w.commandLine("alice")

	// 1. Somebody's groups.
	who := w.provider.Person("bob").Subject
	draft := api.RosterDraft{
		Change: "groups", Issuer: who.Issuer, Subject: who.Subject, Groups: []string{"security", "sre-leads"},
		Passkeys: []string{bob.passkey.Credential}, Reason: "he moved",
	}
	if _, err := bob.api.ProposeRoster(ctx, draft); codeOf(err) != "forbidden" {
		t.Errorf("Bob proposes it himself: %v", err)
	}
	change, err := dana.api.ProposeRoster(ctx, draft)
	must(t, err)
	if change = dana.signsChange(change.ID); change.State != "pending" || change.Missing != 1 {
		t.Fatalf("after one signature: %s, %d missing", change.State, change.Missing)
	}
	if me, err := bob.api.Me(ctx); err != nil || len(me.RosterGroups) != 1 {
		t.Errorf("after one signature Bob is %+v, %v", me, err)
	}
	if change = frank.signsChange(change.ID); change.State != "in-force" {
		t.Fatalf("after two signatures: %s", change.State)
	}
	if me, err := bob.api.Me(ctx); err != nil || !slices.Equal(me.RosterGroups, []string{"security", "sre-leads"}) || !me.Reviewer {
		t.Errorf("after two signatures Bob is %+v, %v", me, err)
	}

	// 2. The policy, whole.
	inForce, err := bob.api.Policy(ctx)
	must(t, err)
	files := map[string]string{}
	for name, text := range inForce.Files {
		files[name] = strings.ReplaceAll(text, "longest: 4h", "longest: 1h")
	}
	proposed, err := bob.api.ProposePolicy(ctx, api.PolicyDraft{Files: files, Reason: "four hours are too many"})
	must(t, err)
	if len(proposed.Files) == 0 || len(proposed.Words) == 0 || !slices.Equal(proposed.May, []string{"reject"}) {
		t.Errorf("proposed: %v, files %d, may %v", proposed.Words, len(proposed.Files), proposed.May)
	}
	dana.signsChange(proposed.ID)
	if after := frank.signsChange(proposed.ID); after.State != "in-force" {
		t.Fatalf("the policy is %s", after.State)
	}
	_, err = alice.api.Ask(ctx, api.Ask{Role: "production-shell", Target: "web-1", DurationSeconds: 2 * 3600, Reason: "the disk is full"})
	if codeOf(err) != "policy.refused" {
		t.Errorf("two hours are still allowed: %v", err)
	}
	if me, err := dana.api.Me(ctx); err != nil || !strings.Contains(me.PolicyWarning, "bring the same files to the broker") {
		t.Errorf("the broker's files are the old ones, and Dana is told %q, %v", me.PolicyWarning, err)
	}
	// 3. Neither can be removed: then nobody could change anything.
	other := w.provider.Person("frank").Subject
	if _, err := dana.api.Suspend(ctx, api.SuspensionDraft{Issuer: other.Issuer, Subject: other.Subject}); codeOf(err) != "roster.below-quorum" {
		t.Errorf("suspending one of two: %v", err)
	}
}

// Suspending ends everything, at once and everywhere; lifting it takes signatures.
func TestSuspension(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice, browser := w.commandLine("alice"), w.portalSignIn("alice")
	request := alice.granted(bob)
	if _, err := alice.activate(request); err != nil {
		t.Fatal(err)
	}
	found, err := dana.api.People(ctx, api.PeopleQuery{View: "all", Person: "alice@example.com"})
	must(t, err)
	if len(found.Items) != 1 {
		t.Fatalf("found %+v", found)
	}
	who := found.Items[0].Person
	whole, err := dana.api.Member(ctx, who.Issuer, who.Subject)
	must(t, err)
	if len(whole.Holds) != 1 {
		t.Errorf("what a suspension would end: %v", whole.Holds)
	}
	if _, err := alice.api.Suspend(ctx, api.SuspensionDraft{Issuer: who.Issuer, Subject: who.Subject}); codeOf(err) != "forbidden" {
		t.Errorf("by herself: %v", err)
	}
	after, err := dana.api.Suspend(ctx, api.SuspensionDraft{Issuer: who.Issuer, Subject: who.Subject, Reason: "left the company"})
	must(t, err)
	if after.Suspension == nil || after.Suspension.By.Name != "Dana" || len(after.Holds) != 0 {
		t.Errorf("suspended she is %+v", after)
	}
	for name, client := range map[string]*api.Client{"the command line": alice.api, "the browser": browser.api} {
		_, err := client.Me(ctx)
		var problem *api.Error
		if codeOf(err) != "person.suspended" || !strings.Contains(err.Error(), "by Dana") || !strings.Contains(err.Error(), "left the company") {
			t.Errorf("%s is told %v, %v", name, err, problem)
		}
	}
	ended, err := dana.api.Request(ctx, request.ID)
	must(t, err)
	if ended.State != "ended" || ended.EndReason != "revoked" {
		t.Errorf("her grant is %s, %s", ended.State, ended.EndReason)
	}
	// The signer itself signs nothing for her.
	trust, err := w.broker.signing.Trust(ctx)
	must(t, err)
	if p, ok := trust.Roster.Find(w.provider.Person("alice").Subject); !ok || !p.IsSuspended(time.Now()) {
		t.Error("the signer's roster does not say that she is suspended")
	}
	change, err := dana.api.ProposeRoster(ctx, api.RosterDraft{Change: "unsuspend", Issuer: who.Issuer, Subject: who.Subject})
	must(t, err)
	if change = dana.signsChange(change.ID); change.State != "in-force" {
		t.Errorf("lifting it is %s", change.State)
	}
	if _, err := alice.api.Me(ctx); codeOf(err) != "sign-in.needed" {
		t.Errorf("her sign-in from before: %v", err)
	}
	if _, err := w.commandLine("alice").api.Me(ctx); err != nil {
		t.Errorf("a new sign-in: %v", err)
	}
}

// Targets that a key of the policy's has signed can be asked for; nobody signs in.
func TestInventory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx, key := t.Context(), evidencetest.NewKey(t)
	dana := w.administrator()
	inForce, err := dana.api.Policy(ctx)
	must(t, err)
	for name, text := range inForce.Files {
		inForce.Files[name] = strings.Replace(text, "quorum: 1\n", "quorum: 1\ninventories:\n  - {name: scaling, key: \""+key.Public+"\", labels: {env: [production]}}\n", 1)
	}
	proposed, err := dana.api.ProposePolicy(ctx, api.PolicyDraft{Files: inForce.Files, Reason: "hosts that come and go"})
	must(t, err)
	dana.signsChange(proposed.ID)

	targets := "kind: Target\nname: worker-7\naddress: 127.0.0.1:2207\nhostKey: " + newSSHKey(t) + "\nlabels: {env: production}\n"
	text, err := evidence.Encode(&evidence.InventoryChange{
		Instance: "test1234", Inventory: "scaling", Number: 1, Targets: evidence.Digest(targets),
		Issued: time.Now().UTC().Truncate(time.Second), Expires: time.Now().UTC().Truncate(time.Second).Add(time.Hour), Nonce: evidencetest.Nonce(),
	})
	must(t, err)
	anonymous, err := api.NewClient(w.config.URL, "", nil)
	must(t, err)
	draft := api.InventoryDraft{Statement: text, Targets: targets, Signature: evidence.SignWithKey(text, evidencetest.NewKey(t).Private).Signature}
	if _, err := anonymous.PushInventory(ctx, draft); codeOf(err) != "inventory.evidence" {
		t.Errorf("signed with another key: %v", err)
	}
	draft.Signature = evidence.SignWithKey(text, key.Private).Signature
	taken, err := anonymous.PushInventory(ctx, draft)
	must(t, err)
	if taken.Name != "scaling" || taken.Number != 1 {
		t.Errorf("taken: %+v", taken)
	}
	request, err := w.commandLine("alice").api.Ask(ctx, api.Ask{Role: "production-shell", Target: "worker-7", Reason: "it is slow"})
	if err != nil || request.State != "pending" {
		t.Errorf("asking for it: %v, %s", err, request.State)
	}
	// Too many are refused before anything is looked at.
	var refused error
	for range 1000 {
		if _, refused = anonymous.PushInventory(ctx, draft); codeOf(refused) == "calls.too-many" {
			return
		}
	}
	t.Errorf("a thousand in a row: %v", refused)
}

// An end in the person's own word reaches the signer's ledger with its signature.
func TestEndInOnesOwnWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	alice := w.commandLine("alice")
	request := alice.granted(bob)
	who := w.provider.Person("alice").Subject
	text, err := evidence.Encode(&evidence.End{
		Instance: "test1234", Request: request.ID, Change: evidence.EndDropped, Person: who, Reason: "done",
		Issued: time.Now().UTC().Truncate(time.Second), Nonce: evidencetest.Nonce(),
	})
	must(t, err)
	_, forged, _ := ed25519.GenerateKey(nil)
	word := api.EndEvidence{Statement: text, Signature: evidence.SignWithKey(text, forged).Signature}
	if _, err := alice.api.Drop(ctx, request.ID, api.Taking{Reason: "done", Evidence: &word}); codeOf(err) != "input.invalid" {
		t.Errorf("signed with another key: %v", err)
	}
	word.Signature = evidence.SignWithKey(text, alice.key.Private).Signature
	_, err = alice.api.Drop(ctx, request.ID, api.Taking{Reason: "done", Evidence: &word})
	must(t, err)
	w.eventually("the signer's ledger holds her word", func() bool {
		page, err := w.broker.signer.Ledger(ctx, 0, 100)
		must(t, err)
		return slices.ContainsFunc(page.Entries, func(encoded string) bool {
			var entry evidence.Entry
			must(t, json.Unmarshal([]byte(encoded), &entry))
			return entry.Ending != nil && entry.Ending.Request == request.ID && entry.Ending.Evidence != nil && entry.Ending.Evidence.Signature == word.Signature
		})
	})
}
