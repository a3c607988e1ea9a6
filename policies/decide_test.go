package policies

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const issuer = "https://id.example.com"

var asked = time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)

func person(name string, groups ...string) Person {
	return Person{Subject: Subject{issuer, name}, Name: strings.ToUpper(name[:1]) + name[1:], Email: name + "@example.com", Groups: groups}
}

func approval(by Person, d time.Duration, after time.Duration) Approval {
	return Approval{Approver: by, Duration: d, Issued: asked.Add(after)}
}

// facts are those of a request that is allowed: alice asks for an hour, bob and
// carol and dana agree in the fifth, sixth and seventh minute.
func facts() Facts {
	return Facts{
		Now:       asked.Add(10 * time.Minute),
		Asked:     asked,
		Requester: person("alice", "engineering"),
		Ask:       Ask{Role: "production-shell", Target: "web-1", Login: "app", Duration: time.Hour, Reason: "disk full"},
		Approvals: []Approval{
			approval(person("bob", "sre-leads"), time.Hour, 5*time.Minute),
			approval(person("carol", "security"), time.Hour, 6*time.Minute),
			approval(person("dana", "security", "sre-leads"), time.Hour, 7*time.Minute),
		},
	}
}

func testBundle(t testing.TB) *Bundle {
	return mustLoad(t, goodOrganization, goodRole, goodOtherRole, goodSeparation, goodTarget,
		strings.Replace(strings.Replace(goodTarget, "web-1", "keys-1", 2), "env: production", "env: keys", 1))
}

func TestDecideAllows(t *testing.T) {
	t.Parallel()
	b := testBundle(t)
	d := b.Decide(facts())
	if d.Outcome != Allowed || d.Duration != time.Hour || !d.Ends.Equal(asked.Add(67*time.Minute)) || d.Digest != b.Digest() {
		t.Fatalf("the decision is %+v", d)
	}
	want := []Reason{
		{Rule: "requester-group", Met: true, Text: "Alice is in engineering, which may ask for production-shell."},
		{Rule: "target", Met: true, Text: "production-shell reaches web-1."},
		{Rule: "login", Met: true, Text: "production-shell gives the login app."},
		{Rule: "duration", Met: true, Text: "1h is within the 4h that production-shell allows."},
		{Rule: "reason", Met: true, Text: "A reason was given."},
		{Rule: "separation:shell-or-keys", Met: true, Text: "Alice holds nothing that must be kept apart from production-shell."},
		{Rule: "stage:lead", Met: true, Text: "Bob approved, for sre-leads."},
		{Rule: "stage:security", Met: true, Text: "Carol and Dana approved, for security or sre-leads."},
	}
	if !slices.Equal(d.Reasons, want) {
		t.Errorf("the reasons are %+v", d.Reasons)
	}
	if !d.Begins.Equal(asked.Add(7*time.Minute)) || !d.UseBy.IsZero() || d.Confirm != "" {
		t.Errorf("it begins at %v, is to be used by %v and confirmed by %q", d.Begins, d.UseBy, d.Confirm)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	b := testBundle(t)
	for name, c := range map[string]struct {
		alter   func(*Facts)
		outcome Outcome
		want    Reason // must be among the reasons, whatever its remedy
	}{
		"no such role":     {func(f *Facts) { f.Ask.Role = "root" }, Refused, Reason{Rule: "role", Met: false, Text: `There is no role "root".`}},
		"not in the group": {func(f *Facts) { f.Requester.Groups = []string{"sales"} }, Refused, Reason{Rule: "requester-group", Met: false, Text: "Alice is not in engineering or platform, which may ask for production-shell."}},
		"no such target":   {func(f *Facts) { f.Ask.Target = "web-9" }, Refused, Reason{Rule: "target", Met: false, Text: `There is no target "web-9".`}},
		"other target":     {func(f *Facts) { f.Ask.Target = "keys-1" }, Refused, Reason{Rule: "target", Met: false, Text: "production-shell does not reach keys-1."}},
		"other login":      {func(f *Facts) { f.Ask.Login = "root" }, Refused, Reason{Rule: "login", Met: false, Text: `production-shell does not give the login "root"; it gives app or postgres.`}},
		"too long":         {func(f *Facts) { f.Ask.Duration = 5 * time.Hour }, Refused, Reason{Rule: "duration", Met: false, Text: "5h is longer than the 4h that production-shell allows."}},
		"no time":          {func(f *Facts) { f.Ask.Duration = 0 }, Refused, Reason{Rule: "duration", Met: false, Text: "The duration must be a whole number of seconds, and more than none."}},
		"fraction":         {func(f *Facts) { f.Ask.Duration += time.Millisecond }, Refused, Reason{Rule: "duration", Met: false, Text: "The duration must be a whole number of seconds, and more than none."}},
		"no reason":        {func(f *Facts) { f.Ask.Reason = " " }, Refused, Reason{Rule: "reason", Met: false, Text: "production-shell needs a reason."}},
		"hidden reason":    {func(f *Facts) { f.Ask.Reason = "a\u202eb" }, Refused, Reason{Rule: "reason", Met: false, Text: "The reason cannot be used: the text holds the character U+202E (a direction mark), which cannot be seen or changes how the rest is read."}},
		"conflict":         {func(f *Facts) { f.Held = []Held{{"r1", "key-management"}, {"r2", "key-management"}} }, Refused, Reason{Rule: "separation:shell-or-keys", Met: false, Text: "Alice holds key-management and must drop it first: nobody may hold both production-shell and key-management."}},
		"held itself":      {func(f *Facts) { f.Held = []Held{{"r1", "production-shell"}} }, Allowed, Reason{Rule: "separation:shell-or-keys", Met: true, Text: "Alice holds nothing that must be kept apart from production-shell."}},
		"nobody yet":       {func(f *Facts) { f.Approvals = nil }, NeedsApproval, Reason{Rule: "stage:security", Met: false, Text: "Needs 2 of security or sre-leads."}},
		"one more":         {func(f *Facts) { f.Approvals = f.Approvals[:2] }, NeedsApproval, Reason{Rule: "stage:security", Met: false, Text: "Needs 1 more of security or sre-leads."}},
		"one still to approve, though not needed first": {func(f *Facts) { f.Approvals = f.Approvals[1:] }, NeedsApproval, Reason{Rule: "stage:lead", Met: true, Text: "Dana approved, for sre-leads."}},
		"own approval":         {func(f *Facts) { f.Requester.Subject = person("bob").Subject }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Bob asked for this, so Bob cannot approve it."}},
		"alias":                {func(f *Facts) { f.Requester = person("bob-admin", "engineering") }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "bob @ https://id.example.com is the same person as bob-admin @ https://id.example.com, who asked for this, and cannot approve it."}},
		"same e-mail":          {func(f *Facts) { f.Requester.Email = "BOB@example.com" }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "bob @ https://id.example.com is the same person as alice @ https://id.example.com, who asked for this, and cannot approve it."}},
		"stranger's approval":  {func(f *Facts) { f.Approvals[0].Approver.Groups = []string{"engineering"} }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Bob is in no group that may approve production-shell."}},
		"longer than asked":    {func(f *Facts) { f.Approvals[0].Duration = 2 * time.Hour }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Bob agreed to 2h, which is longer than the 1h that was asked for, so it does not count."}},
		"for no time":          {func(f *Facts) { f.Approvals[0].Duration = 0 }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Bob agreed to no time at all, so it does not count."}},
		"before it was asked":  {func(f *Facts) { f.Approvals[0].Issued = asked.Add(-time.Second) }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "The approval by Bob is older than what was asked for, so it does not count."}},
		"from the future":      {func(f *Facts) { f.Approvals[0].Issued = f.Now.Add(Skew + time.Second) }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "The approval by Bob is dated in the future, so it does not count."}},
		"twice the same":       {func(f *Facts) { f.Approvals[2] = f.Approvals[0] }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Bob already approved; each person counts once."}},
		"the same by an alias": {func(f *Facts) { f.Approvals[2].Approver.Subject = person("bob-admin").Subject }, NeedsApproval, Reason{Rule: "approval", Met: false, Text: "Dana already approved; each person counts once."}},
		"not needed": {func(f *Facts) {
			f.Approvals = append(f.Approvals, approval(person("erin", "security"), time.Hour, 8*time.Minute))
		}, Allowed, Reason{Rule: "approval", Met: true, Text: "Erin approved too; it was not needed."}},
		"over":        {func(f *Facts) { f.Now = asked.Add(67 * time.Minute) }, Refused, Reason{Rule: "end", Met: false, Text: "The time is up: it was for 1h and ended at 2026-03-04T06:07:00Z."}},
		"nearly over": {func(f *Facts) { f.Now = asked.Add(67*time.Minute - 1) }, Allowed, Reason{Rule: "stage:lead", Met: true, Text: "Bob approved, for sre-leads."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := facts()
			c.alter(&f)
			d := b.Decide(f)
			if d.Outcome != c.outcome {
				t.Errorf("the outcome is %s, want %s: %+v", d.Outcome, c.outcome, d.Reasons)
			}
			if !slices.ContainsFunc(d.Reasons, func(r Reason) bool { r.Remedy = ""; return r == c.want }) {
				t.Errorf("%+v is not among %+v", c.want, d.Reasons)
			}
			if (d.Outcome == Allowed) == d.Ends.IsZero() || (d.Outcome == Refused) != (d.Duration == 0) {
				t.Errorf("outcome, duration and end do not fit: %+v", d)
			}
		})
	}
}

func TestAConflictHoldsForBothSides(t *testing.T) {
	t.Parallel()
	f := facts()
	f.Ask = Ask{Role: "key-management", Target: "keys-1", Login: "app", Duration: time.Hour}
	f.Approvals = nil
	b := testBundle(t)
	if d := b.Decide(f); d.Outcome != Allowed || !d.Ends.Equal(asked.Add(time.Hour)) {
		t.Fatalf("a role without stages: %+v", d)
	}
	f.Held = []Held{{"r1", "production-shell"}}
	if d := b.Decide(f); d.Outcome != Refused {
		t.Errorf("key-management was allowed beside production-shell: %+v", d)
	}
}

func TestAnApproverMayShorten(t *testing.T) {
	t.Parallel()
	f := facts()
	f.Approvals[1].Duration = 20 * time.Minute
	d := testBundle(t).Decide(f)
	if d.Outcome != Allowed || d.Duration != 20*time.Minute || !d.Ends.Equal(asked.Add(27*time.Minute)) {
		t.Errorf("the decision is %+v", d)
	}
}

// Bob fits both stages and sits at the first; Carol fits that one only. A greedy
// count would turn Carol away.
func TestSeatsAreGivenUpForOthers(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, strings.Replace(goodRole,
		"  - {name: lead, groups: [sre-leads], count: 1}\n  - {name: security, groups: [security, sre-leads], count: 2}\n",
		"  - {name: one, groups: [a, b], count: 1}\n  - {name: two, groups: [b, c], count: 1}\n  - {name: three, groups: [c, d], count: 1}\n", 1), goodTarget)
	f := facts()
	f.Approvals = []Approval{
		approval(person("bob", "b"), time.Hour, 1*time.Minute),
		approval(person("carol", "c"), time.Hour, 2*time.Minute),
		approval(person("dana", "a"), time.Hour, 3*time.Minute),
	}
	if d := b.Decide(f); d.Outcome != Allowed {
		t.Errorf("the decision is %+v", d)
	}
}

func TestMayAskAndMayApprove(t *testing.T) {
	t.Parallel()
	b := testBundle(t)
	alice, bob := person("alice", "engineering"), person("bob", "sre-leads", "platform")
	if !b.MayAsk(alice, "production-shell") || b.MayAsk(person("carol", "security"), "production-shell") || b.MayAsk(alice, "nothing") {
		t.Error("MayAsk is wrong")
	}
	if !b.MayApprove(bob, alice, "production-shell") || b.MayApprove(bob, bob, "production-shell") ||
		b.MayApprove(bob, person("bob-admin"), "production-shell") || b.MayApprove(alice, bob, "production-shell") || b.MayApprove(bob, alice, "key-management") {
		t.Error("MayApprove is wrong")
	}
}

func TestMayApproveLooksAtEveryWay(t *testing.T) {
	t.Parallel()
	b := &Bundle{
		roles: []Role{{
			Name: "shell", Targets: Selector{Labels: map[string]string{"env": "production"}},
			Approval: []Stage{{Name: "one", Groups: []string{"leads"}, Relations: []string{RelationManager, RelationOwner}, Count: 1, Escalate: []Escalation{{After: time.Hour, Groups: []string{"heads"}}}}},
			Restrict: []Restriction{{Name: "more", Add: []Stage{{Name: "two", Groups: []string{"security"}, Count: 1}}}},
		}},
		targets: []Target{
			{Name: "web-1", Labels: map[string]string{"env": "production", OwnerLabel: "platform"}},
			{Name: "web-2", Labels: map[string]string{"env": "test", OwnerLabel: "research"}},
			{Name: "web-3", Labels: map[string]string{"env": "production"}},
		},
		teams: []Team{{Name: "engineers", Members: []string{"engineering"}, Managers: []string{"managers"}}},
	}
	b.index()
	alice := person("alice", "engineering")
	for group, want := range map[string]bool{
		"leads": true, "heads": true, "security": true, "managers": true, "platform": true,
		"research": false, "engineering": false, "": false,
	} {
		if got := b.MayApprove(person("bob", group), alice, "shell"); got != want {
			t.Errorf("whoever is in %q may approve: %v", group, got)
		}
	}
	if b.MayApprove(person("bob", "managers"), person("carol", "research"), "shell") {
		t.Error("a manager may approve for somebody who is in no team of theirs")
	}
	if b.MayApprove(person("alice", "leads"), alice, "shell") {
		t.Error("who asks may approve")
	}
}

// Many who approve for one another cost no more than a moment.
func TestDelegationsAreBounded(t *testing.T) {
	t.Parallel()
	b := &Bundle{
		roles:   []Role{{Name: "role", Approval: []Stage{{Name: "one", Groups: []string{"leads"}, Count: 20}}}},
		targets: []Target{{Name: "web-1"}},
	}
	b.index()
	f := facts()
	f.Ask.Role, f.Approvals = "role", nil
	for i := range 40 {
		a := approval(person("delegate"+string(rune('a'+i))), time.Hour, time.Duration(i)*time.Second)
		other := person("other"+string(rune('a'+i)), "leads")
		a.For = &other
		f.Approvals = append(f.Approvals, a)
	}
	if d := b.Decide(f); seated(d) != mostDelegated {
		t.Errorf("%d approvals on behalf of others count", seated(d))
	}
}
