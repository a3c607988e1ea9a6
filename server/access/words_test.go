package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
)

func TestHeadline(t *testing.T) {
	t.Parallel()
	begins := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		state    access.State
		asked    time.Duration
		got      time.Duration
		headline string
	}{
		{access.Pending, time.Hour, 0, "Alice wants app on web-1 for 1 hour"},
		{access.Pending, 26*time.Hour + 90*time.Second, 0, "Alice wants app on web-1 for 1 day 2 hours 1 minute 30 seconds"},
		{access.Approved, time.Hour, 45 * time.Minute, "Alice has app on web-1 for 45 minutes"},
		{access.Ended, time.Hour, time.Second, "Alice had app on web-1 for 1 second"},
		{access.Denied, time.Hour, 0, "Alice wanted app on web-1 for 1 hour"},
	} {
		q := access.Request{State: test.state, Requester: policies.Person{Name: "Alice"}}
		q.Revision.Ask = policies.Ask{Login: "app", Target: "web-1", Duration: test.asked}
		if test.got > 0 {
			q.Begins, q.Ends = begins, begins.Add(test.got)
		}
		if got := access.Headline(q); got != test.headline {
			t.Errorf("got %q, want %q", got, test.headline)
		}
	}
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	person := func(name string) policies.Person {
		return policies.Person{Subject: policies.Subject{Issuer: "i", Subject: name}, Name: name}
	}
	stage := func(count int, given ...string) policies.StageResult {
		s := policies.StageResult{Name: "lead", Groups: []string{"leads"}, Count: count}
		for _, g := range given {
			s.Given = append(s.Given, person(g).Subject)
		}
		return s
	}
	people := func(names string) (list []policies.Person) {
		for _, name := range strings.Fields(names) {
			list = append(list, person(name))
		}
		return list
	}
	for want, test := range map[string]struct {
		outcome   policies.Outcome
		stages    []policies.StageResult
		approvers [][]policies.Person
	}{
		"Granted at once: the role needs no approval.":       {policies.Allowed, nil, nil},
		"All approvals are given.":                           {policies.Allowed, []policies.StageResult{stage(1, "Bob")}, nil},
		"Needs 1 of Bob, Dana.":                              {policies.NeedsApproval, []policies.StageResult{stage(1)}, [][]policies.Person{people("Bob Dana")}},
		"Needs 1 of Dana, and 1 of Eve.":                     {policies.NeedsApproval, []policies.StageResult{stage(2, "Bob"), stage(1)}, [][]policies.Person{people("Bob Dana"), people("Eve")}},
		"Needs 1 of Eve.":                                    {policies.NeedsApproval, []policies.StageResult{stage(1, "Bob"), stage(1)}, [][]policies.Person{people("Bob"), people("Eve")}},
		"Needs 1 of leads, where there is nobody who could.": {policies.NeedsApproval, []policies.StageResult{stage(1)}, [][]policies.Person{nil}},
		"Needs 2 of a, b, c, d, e, f and 2 others.":          {policies.NeedsApproval, []policies.StageResult{stage(2)}, [][]policies.Person{people("a b c d e f g h")}},
		"Policy does not allow this.":                        {policies.Refused, nil, nil},
	} {
		if got := access.Summarise(policies.Decision{Outcome: test.outcome, Stages: test.stages}, test.approvers); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk is on fire")
	err := error(&access.Error{Code: access.CodeBusy, Message: "Try again.", Cause: cause})
	if !errors.Is(err, cause) || !access.IsCode(err, access.CodeBusy) || access.IsCode(cause, access.CodeBusy) {
		t.Error("cause or code is lost")
	}
}

func TestNewRefusesBadWiring(t *testing.T) {
	t.Parallel()
	if s, err := access.New(access.Config{}); err == nil {
		t.Errorf("made %v of nothing", s)
	}
}
