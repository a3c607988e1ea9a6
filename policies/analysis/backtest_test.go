package analysis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

// asks is a request by somebody in dev, with approvals by members of groups.
func asks(id string, outcome policies.Outcome, groups ...string) analysis.Recorded {
	f := policies.Facts{
		Now: asked.Add(10 * time.Minute), Asked: asked, Requester: policies.Person{Subject: subject("ann"), Name: "Ann", Groups: []string{"dev"}},
		Ask: policies.Ask{Role: "r", Target: "a", Login: "root", Duration: time.Hour},
	}
	for i, g := range groups {
		name := fmt.Sprintf("%s%d", g, i)
		f.Approvals = append(f.Approvals, policies.Approval{
			Approver: policies.Person{Subject: subject(name), Name: name, Groups: []string{g}}, Duration: time.Hour, Issued: asked.Add(time.Duration(i+1) * time.Minute),
		})
	}
	return analysis.Recorded{Request: id, Facts: f, Outcome: outcome}
}

func TestBacktest(t *testing.T) {
	t.Parallel()
	const lead = "approval: [{name: lead, groups: [lead], count: 1}]\n"
	history := []analysis.Recorded{asks("one", policies.Allowed, "lead"), asks("two", policies.NeedsApproval), asks("three", policies.Allowed, "lead", "sec")}
	for _, c := range []struct {
		name, before, after string
		want                string
		same, uncertain     int
	}{
		{name: "the same", before: lead, after: lead, same: 3},
		{name: "another stage", before: lead, after: "approval: [{name: lead, groups: [lead], count: 1}, {name: sec, groups: [sec], count: 1}]\n", want: "needs more people: 2 | one needs-more allowed>needs-approval | two needs-more needs-approval>needs-approval", same: 0},
		{name: "nobody", before: lead, after: "approval: []\n", want: "would now be allowed: 1 (wider!) | two now-allowed needs-approval>allowed | needs fewer people: 2 (wider!)"},
		{name: "others", before: lead, after: "approval: [{name: lead, groups: [lead, sec], count: 1}]\n", want: "others may approve too: 3 (wider!)"},
		{name: "not they", before: "approval: [{name: lead, groups: [lead, sec], count: 1}]\n", after: lead, want: "fewer may approve: 3"},
		{name: "refused", before: lead, after: lead + "requesters: [ops]\n", want: "would now be refused: 3"},
		{name: "open", before: lead + "requesters: [ops]\n", after: lead, want: "would now be allowed: 2 (wider!) | could now be approved: 1 (wider!)"},
		{name: "gone", before: lead, after: strings.Replace(lead, "approval", "logins: [app]\napproval", 1), want: "would now be refused: 3"},
		{name: "reasons", before: lead, after: lead + "ticket: {pattern: '[A-Z]+'}\n", want: "the same, for other reasons: 3"},
		{name: "uncertain", before: lead, after: lead + "renewals: {most: 3, days: 7}\n", want: "the same, for other reasons: 3", uncertain: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before, after := bundleOf(t, role("r", c.before), "a env=prod"), bundleOf(t, role("r", c.after), "a env=prod")
			replay := analysis.Backtest(before, after, history)
			var got []string
			for _, n := range replay.Counts {
				got = append(got, n.Text)
			}
			for i, d := range replay.Differences {
				got = append(got, fmt.Sprintf("%s %s %s>%s", d.Request, d.Change, d.Before, d.After))
				if i > 0 && d.Wider && !replay.Differences[i-1].Wider {
					t.Errorf("what widens comes behind what does not: %+v", replay.Differences)
				}
				if d.Text == "" || d.Then != history[strings.Index("one two three", d.Request)/4].Outcome {
					t.Errorf("of %s it is said: %+v", d.Request, d)
				}
			}
			for _, want := range strings.Split(c.want, " | ") {
				if want != "" && !strings.Contains(strings.Join(got, "\n")+"\n", want+"\n") {
					t.Errorf("got\n%s\nwant %s", strings.Join(got, "\n"), want)
				}
			}
			if c.same > 0 && replay.Same != c.same || replay.Requests != 3 || replay.Same+len(replay.Differences) != 3 || replay.Uncertain != c.uncertain {
				t.Errorf("%d requests, %d the same, %d differences, %d uncertain", replay.Requests, replay.Same, len(replay.Differences), replay.Uncertain)
			}
		})
	}
	after := bundleOf(t, role("r", lead+"requesters: [ops]\n"), "a env=prod")
	if replay := analysis.Backtest(nil, after, history); len(replay.Differences) != 3 || replay.Differences[0].Before != policies.Allowed ||
		!strings.HasPrefix(replay.Differences[0].Text, "Ann asked for r on a as root. It was allowed, and would be refused. Ann is not in ops") {
		t.Errorf("against what was recorded: %+v", replay)
	}
}

// What was refused when it was asked stands in front of what only waited.
func TestBacktestOfRefusedAsks(t *testing.T) {
	t.Parallel()
	history := []analysis.Recorded{asks("waiting", policies.NeedsApproval), asks("ref-1", policies.Refused), asks("ref-2", policies.Refused)}
	history[1].Facts.Requester.Groups, history[1].Facts.Requester.Name = []string{"ops"}, "Ben"
	history[2].Facts.Requester.Groups = []string{"others"}
	before := bundleOf(t, role("r", "approval: [{name: lead, groups: [lead], count: 1}]\n"), "a env=prod")
	after := bundleOf(t, role("r", "approval: []\nrequesters: [dev, ops]\n"), "a env=prod")
	replay := analysis.Backtest(before, after, history)
	if len(replay.Differences) != 3 || replay.Requests != 3 {
		t.Fatalf("it says %+v", replay)
	}
	first := replay.Differences[0]
	if first.Request != "ref-1" || first.Change != analysis.ChangeAllowed || !strings.HasPrefix(first.Text, "Ben asked for r on a as root. It was refused, and would be allowed.") {
		t.Errorf("in front is %+v", first)
	}
	if replay.Differences[1].Request != "waiting" || replay.Differences[2].Change != analysis.ChangeReasons {
		t.Errorf("behind it are %+v", replay.Differences[1:])
	}
}
