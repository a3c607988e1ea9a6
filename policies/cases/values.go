package cases

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Span is a length of time as people write it: 30m, 4h, 3d or 3d12h. A day has 24 hours.
type Span string

var spanPattern = regexp.MustCompile(`^(?:(\d{1,4})d)?(\d.*)?$`)

// mostSpan keeps sums of times within what a time can hold.
const mostSpan = 10_000 * 24 * time.Hour

// read is the duration, in whole seconds; none where nothing is written.
func (s Span) read() (time.Duration, error) {
	parts := spanPattern.FindStringSubmatch(string(s))
	if parts == nil {
		return 0, fmt.Errorf("%q is no duration such as 30m, 4h or 3d", string(s))
	}
	days, rest := time.Duration(0), time.Duration(0)
	if parts[1] != "" {
		n, _ := strconv.Atoi(parts[1])
		days = time.Duration(n) * 24 * time.Hour
	}
	if parts[2] != "" {
		var err error
		if rest, err = time.ParseDuration(parts[2]); err != nil || rest > mostSpan {
			return 0, fmt.Errorf("%q is no duration such as 30m, 4h or 3d", string(s))
		}
	}
	if rest%time.Second != 0 {
		return 0, fmt.Errorf("%q is not whole seconds", string(s))
	}
	return days + rest, nil
}

// duration is that of a Span that was checked.
func (s Span) duration() time.Duration {
	d, _ := s.read()
	return d
}

// Time is a time in whole seconds (RFC 3339).
type Time string

// read is the time; zero where nothing is written. Years that people live in keep sums in range.
func (t Time) read() (time.Time, error) {
	if t == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, string(t))
	if err != nil || at.Nanosecond() != 0 || at.Year() < 2000 || at.Year() > 2200 {
		return time.Time{}, fmt.Errorf("%q is no time such as 2026-03-02T10:00:00Z, in whole seconds between 2000 and 2200", string(t))
	}
	return at, nil
}

// Moment is a time: a Span after the asking, or a Time.
type Moment string

// read is the moment in a case that was asked at that time.
func (m Moment) read(asked time.Time) (time.Time, error) {
	if at, err := Time(m).read(); err == nil && m != "" {
		return at, nil
	}
	span, err := Span(m).read()
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no duration after the asking, such as 30m, and no time such as 2026-03-02T10:00:00Z", string(m))
	}
	return asked.Add(span), nil
}

// at is read for a Moment that was checked.
func (m Moment) at(asked time.Time) time.Time {
	at, _ := m.read(asked)
	return at
}
