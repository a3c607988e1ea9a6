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
