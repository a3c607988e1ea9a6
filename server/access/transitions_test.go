package access_test

import (
	"testing"

	"stint/server/access"
)

var (
	states = []access.State{
		access.Pending, access.Approved, access.Active, access.Denied, access.Withdrawn, access.Expired, access.Ended,
	}
	steps = []access.Transition{
		access.ToApprove, access.ToActivate, access.ToDeny, access.ToWithdraw, access.ToDrop, access.ToRevoke, access.ToExpire,
	}
)

// TestTransitionTable writes the table down a second time, as it is meant:
// every pair that is not listed is illegal.
func TestTransitionTable(t *testing.T) {
	t.Parallel()
	type pair struct {
		from access.State
		by   access.Transition
	}
	legal := map[pair]access.Step{
		{access.Pending, access.ToApprove}:   {State: access.Approved},
		{access.Pending, access.ToDeny}:      {State: access.Denied},
		{access.Pending, access.ToWithdraw}:  {State: access.Withdrawn},
		{access.Pending, access.ToExpire}:    {State: access.Expired},
		{access.Approved, access.ToActivate}: {State: access.Active},
		{access.Approved, access.ToDrop}:     {State: access.Ended, Reason: access.EndDropped},
		{access.Approved, access.ToRevoke}:   {State: access.Ended, Reason: access.EndRevoked},
		{access.Approved, access.ToExpire}:   {State: access.Ended, Reason: access.EndExpired},
		{access.Active, access.ToActivate}:   {State: access.Active},
		{access.Active, access.ToDrop}:       {State: access.Ended, Reason: access.EndDropped},
		{access.Active, access.ToRevoke}:     {State: access.Ended, Reason: access.EndRevoked},
		{access.Active, access.ToExpire}:     {State: access.Ended, Reason: access.EndCompleted},
	}
	for _, from := range append(states, "", "unheard-of") {
		for _, by := range append(steps, "", "unheard-of") {
			want, ok := legal[pair{from, by}]
			got, is := access.Next(from, by)
			if got != want || is != ok {
				t.Errorf("%q, %q: got %v %v, want %v %v", from, by, got, is, want, ok)
			}
			if from.Final() && is {
				t.Errorf("%q is final, and %q leads on", from, by)
			}
		}
	}
}

// TestNothingLeadsBack: from each state only later ones can be reached, so that
// nothing that was taken away can come back.
func TestNothingLeadsBack(t *testing.T) {
	t.Parallel()
	rank := map[access.State]int{
		access.Pending: 0, access.Approved: 1, access.Active: 2,
		access.Denied: 3, access.Withdrawn: 3, access.Expired: 3, access.Ended: 3,
	}
	for _, from := range states {
		for _, by := range steps {
			step, ok := access.Next(from, by)
			if ok && rank[step.State] <= rank[from] && by != access.ToActivate {
				t.Errorf("%s leads from %s back to %s", by, from, step.State)
			}
			if ok && (step.State == access.Ended) != (step.Reason != "") {
				t.Errorf("%s from %s ends as %q for the reason %q", by, from, step.State, step.Reason)
			}
		}
	}
}
