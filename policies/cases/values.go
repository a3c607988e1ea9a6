package cases

import (
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
	at, err := ParseTime(n.Value)
	if err == nil {
		*t = at
	}
	return err
}

// ParseTime reads a Time in whole seconds. Years that people live in keep sums in range.
func ParseTime(text string) (Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Nanosecond() != 0 || at.Year() < 2000 || at.Year() > 2200 {
		return Time{}, fmt.Errorf("%q is no time such as 2026-03-02T10:00:00Z, in whole seconds between 2000 and 2200", text)
	}
	return Time{at}, nil
}

// Moment is a time: a Span after the asking, or a time of its own (RFC 3339).
type Moment struct {
	After Span
	Time  time.Time // zero: After counts
}

// UnmarshalYAML reads a Moment.
func (m *Moment) UnmarshalYAML(n *yaml.Node) error {
	moment, err := ParseMoment(n.Value)
	if err == nil {
		*m = moment
	}
	return err
}

// ParseMoment reads a Moment.
func ParseMoment(text string) (Moment, error) {
	if at, err := ParseTime(text); err == nil {
		return Moment{Time: at.Time}, nil
	}
	span, err := ParseSpan(text)
	return Moment{After: span}, err
}

// at is the moment in a case that was asked at that time.
func (m Moment) at(asked time.Time) time.Time {
	if !m.Time.IsZero() {
		return m.Time
	}
	return asked.Add(time.Duration(m.After))
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
