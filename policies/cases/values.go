package cases

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Span is a length of time as people write it: 30m, 4h, 3d or 3d12h. A day has 24 hours.
type Span time.Duration

var spanPattern = regexp.MustCompile(`^(?:(\d{1,4})d)?(\d.*)?$`)

// ParseSpan reads a Span in whole seconds.
func ParseSpan(text string) (Span, error) {
	parts := spanPattern.FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, fmt.Errorf("%q is no duration such as 30m, 4h or 3d", text)
	}
	var total time.Duration
	if parts[1] != "" {
		days, _ := strconv.Atoi(parts[1])
		total = time.Duration(days) * 24 * time.Hour
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || rest > mostSpan {
			return 0, fmt.Errorf("%q is no duration such as 30m, 4h or 3d", text)
		}
		total += rest
	}
	if total%time.Second != 0 {
		return 0, fmt.Errorf("%q is not whole seconds", text)
	}
	return Span(total), nil
}

// mostSpan keeps sums of times within what a time can hold.
const mostSpan = 10_000 * 24 * time.Hour

// UnmarshalYAML reads a Span.
func (s *Span) UnmarshalYAML(n *yaml.Node) error {
	span, err := ParseSpan(n.Value)
	if err == nil {
		*s = span
	}
	return err
}

// Time is a time of its own (RFC 3339).
type Time struct{ time.Time }

// UnmarshalYAML reads a Time.
func (t *Time) UnmarshalYAML(n *yaml.Node) error {
	at, err := parseTime(n.Value)
	if err == nil {
		t.Time = at
	}
	return err
}

// Moment is a time: a Span after the asking, or a time of its own (RFC 3339).
type Moment struct {
	After Span
	Time  time.Time // zero: After counts
}

// UnmarshalYAML reads a Moment.
func (m *Moment) UnmarshalYAML(n *yaml.Node) error {
	if at, err := parseTime(n.Value); err == nil {
		*m = Moment{Time: at}
		return nil
	}
	span, err := ParseSpan(n.Value)
	if err == nil {
		*m = Moment{After: span}
	}
	return err
}

// at is the moment in a case that was asked at that time.
func (m Moment) at(asked time.Time) time.Time {
	if !m.Time.IsZero() {
		return m.Time
	}
	return asked.Add(time.Duration(m.After))
}

// parseTime reads a time in whole seconds. Years that people live in keep sums in range.
func parseTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return time.Time{}, err
	case at.Nanosecond() != 0 || at.Year() < 2000 || at.Year() > 2200:
		return time.Time{}, errors.New("a time is in whole seconds, and between 2000 and 2200")
	}
	return at, nil
}

// Value is what an asserted fact is said to be, as text (policies.Assertion).
type Value string

// UnmarshalYAML reads a Value.
func (v *Value) UnmarshalYAML(n *yaml.Node) error {
	switch n.Tag {
	case "!!bool":
		var is bool
		if err := n.Decode(&is); err != nil {
			return err
		}
		*v = Value(strconv.FormatBool(is))
	case "!!int":
		var number int64
		if err := n.Decode(&number); err != nil {
			return err
		}
		*v = Value(strconv.FormatInt(number, 10))
	case "!!str", "!!timestamp":
		*v = Value(n.Value)
	default:
		return fmt.Errorf("%q is no true, false, whole number or text", n.Value)
	}
	return nil
}
