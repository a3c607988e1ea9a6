package access

import (
	"testing"
	"time"
)

func TestTimeDoesNotGoBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		wall, last time.Time
		since      time.Duration
		want       instant
	}{
		"an empty log":                          {noon, time.Time{}, time.Hour, instant{now: noon, stamp: noon}},
		"in order":                              {noon, noon.Add(-time.Minute), time.Minute, instant{now: noon, stamp: noon}},
		"after a sleep, which does not count":   {noon, noon.Add(-time.Hour), time.Minute, instant{now: noon, stamp: noon}},
		"another broker a little ahead":         {noon, noon.Add(4 * time.Second), 0, instant{now: noon.Add(4 * time.Second), stamp: noon.Add(4 * time.Second)}},
		"set back behind the log":               {noon, noon.Add(time.Hour), 0, instant{now: noon.Add(time.Hour), stamp: noon.Add(time.Hour), behind: true}},
		"and time goes on":                      {noon, noon.Add(time.Hour), time.Minute, instant{now: noon.Add(61 * time.Minute), stamp: noon.Add(time.Hour), behind: true}},
		"set back, but not behind the log":      {noon, noon.Add(-time.Hour), 2 * time.Hour, instant{now: noon.Add(time.Hour), stamp: noon, behind: true}},
		"a reading that went back without help": {noon, noon.Add(-time.Second), -time.Hour, instant{now: noon, stamp: noon}},
	} {
		if got := reading(test.wall, test.last, test.since); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestFloorCountsFromWhenTheLogGrew(t *testing.T) {
	t.Parallel()
	var f floor
	now := time.Now() // with its monotonic reading
	last := now.Round(0).Add(time.Hour)
	first := f.read(now, last)
	if got := first.now.Sub(last).Round(time.Millisecond); got != 0 {
		t.Errorf("at first the time is %s after the last entry", got)
	}
	later := f.read(now.Add(time.Minute), last) // wall and monotonic a minute on
	if got := later.now.Sub(last).Round(time.Millisecond); got != time.Minute {
		t.Errorf("a minute later the time is %s after the last entry", got)
	}
	grown := f.read(now.Add(time.Minute), last.Add(time.Second))
	if got := grown.now.Sub(last).Round(time.Millisecond); got != time.Second {
		t.Errorf("when the log has grown the time is %s after the old entry", got)
	}
	if older := f.read(now.Add(time.Minute), last); older.now != grown.now {
		t.Errorf("an older snapshot takes the time back to %s", older.now)
	}
}
