package policies

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for machines without zones of their own
)

// Bounds of calendars.
const (
	mostHours  = 50
	mostClosed = 500
	// farthestChange is how far At looks for the next change.
	farthestChange = 400 * 24 * time.Hour
)

// weekdays are the days of the week as a policy has them.
var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// week is a calendar as it is asked. It never changes.
type week struct {
	zone   *time.Location
	open   [7][]spell // by time.Weekday, in their order, none touching the next
	closed []span     // in their order, none touching the next
}

// spell is a part of a day, in seconds on its clock: from, and not at to.
type spell struct{ from, to int64 }

// span is from the first day to the last, each as year*10000 + month*100 + day.
type span struct{ first, last int }

const wholeDay = 24 * 60 * 60

// At tells whether the calendar is open at a moment, and until when that is so; zero
// where it does not change within 400 days.
//
// It goes by the clock on the wall in the calendar's zone. What that clock skips in
// spring is nowhere open, and what it shows twice in autumn is open twice: from 02:00 to
// 02:30 is then half an hour, and half an hour again.
//
// Zones are read when the policy is loaded. Go takes those of the machine before the ones
// that are part of the program: keep machines that decide together on equal ones. A
// calendar that is malformed is never open.
func (c Calendar) At(t time.Time) (open bool, until time.Time) {
	w := c.week
	if w == nil { // not from a policy that was loaded
		if w = c.read(func([]any, error) {}); w == nil {
			return false, time.Time{}
		}
	}
	open = w.openAt(t)
	for next := w.next(t); next.Sub(t) <= farthestChange; next = w.next(next) {
		if w.openAt(next) != open {
			return open, next.UTC()
		}
	}
	return open, time.Time{}
}

// openAt looks at the clock on the wall.
func (w *week) openAt(t time.Time) bool {
	local := t.In(w.zone)
	if w.isClosed(local) {
		return false
	}
	clock := secondsOf(local)
	return slices.ContainsFunc(w.open[local.Weekday()], func(s spell) bool { return s.from <= clock && clock < s.to })
}

// next is the next moment at which something may change: a spell begins or ends, a day
// begins, or the clock on the wall jumps.
func (w *week) next(t time.Time) time.Time {
	local := t.In(w.zone)
	clock, edge := secondsOf(local), int64(wholeDay)
	if !w.isClosed(local) {
		for _, s := range w.open[local.Weekday()] {
			for _, at := range []int64{s.from, s.to} {
				if at > clock {
					edge = min(edge, at)
				}
			}
		}
	}
	next := time.Unix(t.Unix()+edge-clock, 0)
	if _, jump := local.ZoneBounds(); !jump.IsZero() && jump.Before(next) {
		next = jump
	}
	return next
}

func (w *week) isClosed(local time.Time) bool {
	day := dayNumber(local)
	i, _ := slices.BinarySearchFunc(w.closed, day, func(s span, day int) int { return cmp.Compare(s.last, day) })
	return i < len(w.closed) && w.closed[i].first <= day
}

func secondsOf(local time.Time) int64 {
	hour, minute, second := local.Clock()
	return int64(hour)*3600 + int64(minute)*60 + int64(second)
}

func dayNumber(t time.Time) int {
	year, month, day := t.Date()
	return year*10_000 + int(month)*100 + day
}

// read makes the week that a calendar describes, and tells wrong of everything that is
// but the names of days, each with its place; then there is no week.
func (c Calendar) read(wrong func(at []any, err error)) *week {
	w, whole := &week{}, true
	fault := func(err error, at ...any) {
		if err != nil {
			whole = false
			wrong(at, err)
		}
	}
	var err error
	w.zone, err = zoneOf(c.Zone)
	fault(err, "zone")
	for i, hours := range c.Open {
		from, err := clockTime(hours.From)
		fault(err, "open", i, "from")
		to, err2 := clockTime(hours.To)
		fault(err2, "open", i, "to")
		if err == nil && err2 == nil && from >= to {
			fault(fmt.Errorf("%s is not after %s; write a night as two, until 24:00 and from 00:00", hours.To, hours.From), "open", i, "to")
		}
		for _, name := range hours.Days {
			day := slices.Index(weekdays, name)
			if day < 0 {
				whole = false
				continue
			}
			day = (day + 1) % 7 // as time.Weekday counts
			w.open[day] = append(w.open[day], spell{from, to})
		}
	}
	for i, text := range c.Closed {
		s, err := daysOf(text)
		fault(err, "closed", i)
		w.closed = append(w.closed, s)
	}
	if !whole {
		return nil
	}
	w.tidy()
	return w
}

// tidy sorts what is open and closed, and joins what overlaps or touches.
func (w *week) tidy() {
	for day, spells := range w.open {
		slices.SortFunc(spells, func(a, b spell) int { return cmp.Compare(a.from, b.from) })
		var joined []spell
		for _, s := range spells {
			if n := len(joined); n > 0 && s.from <= joined[n-1].to {
				joined[n-1].to = max(joined[n-1].to, s.to)
			} else {
				joined = append(joined, s)
			}
		}
		w.open[day] = joined
	}
	slices.SortFunc(w.closed, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var joined []span
	for _, s := range w.closed {
		if n := len(joined); n > 0 && s.first <= joined[n-1].last {
			joined[n-1].last = max(joined[n-1].last, s.last)
		} else {
			joined = append(joined, s)
		}
	}
	w.closed = joined
}

var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$`)

// zoneOf finds a zone. "Local" is none: it is another on each machine.
func zoneOf(name string) (*time.Location, error) {
	if zoneName.MatchString(name) && len(name) <= 64 && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%q is no time zone; write one of the IANA time zone database, such as Europe/Berlin or UTC", shown(name))
}

var clockPattern = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

// clockTime reads hours and minutes as seconds of the day.
func clockTime(text string) (int64, error) {
	if text == "24:00" {
		return wholeDay, nil
	}
	m := clockPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no time of day; write it as 09:00, and the end of the day as 24:00", shown(text))
	}
	hours, _ := strconv.ParseInt(m[1], 10, 64)
	minutes, _ := strconv.ParseInt(m[2], 10, 64)
	return hours*3600 + minutes*60, nil
}

// daysOf reads one day, or the first and the last of a span of them.
func daysOf(text string) (span, error) {
	from, to, several := strings.Cut(text, "..")
	if !several {
		to = from
	}
	first, err := time.Parse(time.DateOnly, from)
	last, err2 := time.Parse(time.DateOnly, to)
	if err != nil || err2 != nil {
		return span{}, fmt.Errorf("%q is no day; write 2026-12-25, or a span as 2026-12-24..2027-01-01", shown(text))
	}
	if several && !first.Before(last) {
		return span{}, fmt.Errorf("%s is not after %s", to, from)
	}
	return span{dayNumber(first), dayNumber(last)}, nil
}

// checkCalendar checks one calendar.
func (l *loader) checkCalendar(d definition) {
	c := d.calendar
	l.is(d, field("name"), CheckName(c.Name))
	if len(c.Open) == 0 || len(c.Open) > mostHours {
		l.at(d, field("open"), "A calendar says in 1 to %d entries when it is open.", mostHours)
	}
	bound(l, d, field("closed"), c.Closed, mostClosed)
	c.read(func(at []any, err error) { l.is(d, at, err) })
	for i, hours := range c.Open {
		if len(hours.Days) == 0 {
			l.at(d, field("open", i, "days"), "`days` are the days of the week with these hours.")
		}
		l.words(d, field("open", i, "days"), hours.Days, weekdays...)
	}
	l.distinct(d, field("closed"), c.Closed)
}
