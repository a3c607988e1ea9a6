package policies_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"stint/policies"
	"stint/policies/policiestest"
)

// BenchmarkDecide measures decisions under 500 roles and 1,000 groups, one by one: half of
// them take no longer than p50, and all but one of a hundred no longer than p99. Whatever
// else the machine does is in p99 too; p99-request is of requests, each of which counts with
// the median of its decisions.
func BenchmarkDecide(b *testing.B) {
	for _, people := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			world := policiestest.New(b, people)
			requests := world.Requests(1000)
			took, each := make([]time.Duration, 0, b.N), make([][]time.Duration, len(requests))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				begun := time.Now()
				world.Bundle.Decide(requests[i%len(requests)])
				took = append(took, time.Since(begun))
			}
			b.StopTimer()
			for i, t := range took {
				each[i%len(each)] = append(each[i%len(each)], t)
			}
			var medians []time.Duration
			for _, times := range each[:min(b.N, len(each))] {
				medians = append(medians, percentile(times, 50))
			}
			report := func(t time.Duration, name string) { b.ReportMetric(float64(t.Nanoseconds())/1e3, name) }
			report(percentile(took, 50), "p50-µs")
			report(percentile(took, 99), "p99-µs")
			report(percentile(medians, 99), "p99-request-µs")
		})
	}
}

func percentile(times []time.Duration, n int) time.Duration {
	slices.Sort(times)
	return times[len(times)*n/100]
}

// TestDecideCostsNoMoreForMorePeople: among a hundred times the people a decision
// allocates no more, and comes to the same.
func TestDecideCostsNoMoreForMorePeople(t *testing.T) {
	few, many := policiestest.New(t, 100), policiestest.New(t, 10_000)
	inFew, inMany := few.Requests(100), many.Requests(100)
	outcomes := map[policies.Outcome]int{}
	for i := range inFew {
		a, b := few.Bundle.Decide(inFew[i]), many.Bundle.Decide(inMany[i])
		if a.Outcome != b.Outcome {
			t.Errorf("request %d: %s among few people, %s among many", i, a.Outcome, b.Outcome)
		}
		outcomes[a.Outcome]++
	}
	if outcomes[policies.Allowed] < 50 || outcomes[policies.Refused] < 10 || outcomes[policies.NeedsApproval] < 3 {
		t.Errorf("the requests come to %v; that is no fair sample", outcomes)
	}
	perFew := testing.AllocsPerRun(2, func() { decideAll(few, inFew) })
	perMany := testing.AllocsPerRun(2, func() { decideAll(many, inMany) })
	if perMany > perFew*1.01 {
		t.Errorf("%d decisions allocate %.0f times among 100 people and %.0f times among 10,000", len(inFew), perFew, perMany)
	}
}

func decideAll(w policiestest.World, requests []policies.Facts) {
	for _, f := range requests {
		w.Bundle.Decide(f)
	}
}
