package policies

import (
	"testing"
	"time"
)

// Two approvals of one person may state different groups. What each is worth hangs on what
// it states and on what is known of the person, never on the other.
func TestAnApprovalIsJudgedByWhatItStates(t *testing.T) {
	t.Parallel()
	b, err := Parse(map[string]string{"a.yaml": `kind: Organization
reviewers: [audit]
independence: {directReports: true}
---
kind: Team
name: platform
members: [platform]
managers: [managers]
---
kind: Target
name: db1
address: db1.example.com:22
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxCQTL7o0fV2o7+oyQWC2sQyOtMvyhxMHJqQeCDZTvD
labels: {env: production}
---
kind: Role
name: shell
description: Shell
requesters: [managers]
targets: {labels: {env: production}}
logins: [root]
duration: {default: 1h, longest: 4h}
reason: optional
approval:
  - {name: lead, groups: [leads], count: 1}
`})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	lea := func(groups ...string) Person {
		p := person("lea")
		p.Groups = groups
		return p
	}
	manager := person("mara")
	manager.Groups = []string{"managers"}
	at := func(seconds int, groups ...string) Approval {
		return Approval{Approver: lea(groups...), Duration: time.Hour, Issued: now.Add(time.Duration(seconds-60) * time.Second)}
	}
	far, near := []string{"leads"}, []string{"leads", "platform"}
	for _, c := range []struct {
		name      string
		known     []Person
		approvals []Approval
		want      Outcome
	}{
		{"neither in the team nor known", nil, []Approval{at(1, far...)}, Allowed},
		{"in the team", nil, []Approval{at(1, near...)}, NeedsApproval},
		{"in the team, then not", nil, []Approval{at(1, near...), at(2, far...)}, Allowed},
		{"not in the team, then in it", nil, []Approval{at(1, far...), at(2, near...)}, Allowed},
		{"known to be in the team", []Person{lea(near...)}, []Approval{at(1, far...)}, NeedsApproval},
		{"known to be in the team, in either order", []Person{lea(near...)}, []Approval{at(1, near...), at(2, far...)}, NeedsApproval},
	} {
		f := Facts{Now: now, Asked: now.Add(-time.Minute), Requester: manager, Ask: Ask{Role: "shell", Target: "db1", Login: "root", Duration: time.Hour}, Known: NewPeople(c.known), Approvals: c.approvals}
		if got := b.Decide(f).Outcome; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		last := c.approvals[len(c.approvals)-1]
		alone := f
		alone.Approvals = []Approval{last}
		if counts := b.Decide(alone).Outcome == Allowed; counts != (b.Approvers(f).Dismissal(last) == nil) {
			t.Errorf("%s: Decide and Dismissal differ on the last approval by itself", c.name)
		}
	}
}
