package portal

import (
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	t.Parallel()
	a, now := newAllowance(2, time.Minute), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, true}, {0, false}, {59 * time.Second, false}, {time.Second, true}, {0, false}, {time.Hour, true}, {0, true}, {0, false}, {-time.Hour, false}} {
		now = now.Add(step.after)
		if got := a.admit(now); got != step.want {
			t.Errorf("step %d at %s: %v", i, now, got)
		}
	}
}

func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var r reports
	for i := range reportBurst {
		if !r.admit("db1", now) {
			t.Fatalf("report %d is refused", i)
		}
	}
	if r.admit("db1", now) || !r.admit("db2", now) {
		t.Error("a burst is unbounded, or another target's counts")
	}
	// Whoever raises alarms waits; whoever does not, does not.
	now = now.Add(time.Minute)
	for range alarmBurst {
		if !r.admit("db1", now) {
			t.Error("refused before its alarms were spent")
		}
		r.alarmed("db1", now)
	}
	if r.admit("db1", now.Add(time.Minute)) || !r.admit("db2", now) || !r.admit("db1", now.Add(alarmEvery)) {
		t.Error("alarms are unbounded, or for ever spent")
	}
}
