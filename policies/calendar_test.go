package policies

import (
	"strings"
	"testing"
	"time"
)

func calendar(t testing.TB, text string) Calendar {
	t.Helper()
	b := mustLoad(t, "kind: Calendar\nname: c\n"+text)
	c, _ := b.Calendar("c")
	return c
}

const (
	office  = "open: [{days: [monday, tuesday, wednesday, thursday, friday], from: \"09:00\", to: \"17:30\"}]\n"
	nightly = "open:\n  - {days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], from: \"22:00\", to: \"24:00\"}\n  - {days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], from: \"00:00\", to: \"06:00\"}\n"
	always  = "open: [{days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], from: \"00:00\", to: \"24:00\"}]\n"
	small   = "open: [{days: [sunday], from: \"02:00\", to: \"02:30\"}]\n" // in the hour that is skipped or comes twice
	berlin  = "zone: Europe/Berlin\n"
	newYork = "zone: America/New_York\n"
)

func TestCalendars(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, text, at string
		open           bool
		until          string // empty: never
	}{
		{"before the day", berlin + office, "2026-06-01T06:59:59Z", false, "2026-06-01T07:00:00Z"},
		{"the first moment", berlin + office, "2026-06-01T07:00:00Z", true, "2026-06-01T15:30:00Z"},
		{"in between", berlin + office, "2026-06-01T10:00:00.5Z", true, "2026-06-01T15:30:00Z"},
		{"a moment before the end", berlin + office, "2026-06-01T15:29:59.999999999Z", true, "2026-06-01T15:30:00Z"},
		{"the end is not open", berlin + office, "2026-06-01T15:30:00Z", false, "2026-06-02T07:00:00Z"},
		{"in winter an hour later", berlin + office, "2026-01-12T08:00:00Z", true, "2026-01-12T16:30:00Z"},
		{"from friday to monday", berlin + office, "2026-06-05T16:00:00Z", false, "2026-06-08T07:00:00Z"},
		{"from friday to monday, in which spring begins", berlin + office, "2026-03-27T17:00:00Z", false, "2026-03-30T07:00:00Z"},
		{"from friday to monday, in which autumn begins", berlin + office, "2026-10-23T17:00:00Z", false, "2026-10-26T08:00:00Z"},
		{"another part of the world", newYork + office, "2026-06-01T13:00:00Z", true, "2026-06-01T21:30:00Z"},
		{"without a summer", "zone: Asia/Kolkata\n" + office, "2026-06-01T03:30:00Z", true, "2026-06-01T12:00:00Z"},
		{"the world's own time", "zone: UTC\n" + office, "2026-06-01T09:00:00Z", true, "2026-06-01T17:30:00Z"},

		{"a closed day", berlin + office + "closed: [2026-06-01]\n", "2026-06-01T10:00:00Z", false, "2026-06-02T07:00:00Z"},
		{"the day before a closed one", berlin + office + "closed: [2026-06-02]\n", "2026-06-01T16:00:00Z", false, "2026-06-03T07:00:00Z"},
		{"days that are closed", berlin + office + "closed: [2026-12-24..2027-01-03]\n", "2026-12-23T17:00:00Z", false, "2027-01-04T08:00:00Z"},
		{"spans that overlap, in any order", berlin + office + "closed: [2027-01-02..2027-01-05, 2026-12-24..2027-01-03, 2026-12-30]\n", "2026-12-23T17:00:00Z", false, "2027-01-06T08:00:00Z"},
		{"a closed day is one of the calendar's zone", newYork + always + "closed: [2026-06-02]\n", "2026-06-02T03:59:59Z", true, "2026-06-02T04:00:00Z"},
		{"and ends there", newYork + always + "closed: [2026-06-02]\n", "2026-06-02T12:00:00Z", false, "2026-06-03T04:00:00Z"},
		{"closed in a leap year", berlin + always + "closed: [2028-02-28..2028-02-29]\n", "2028-02-28T12:00:00Z", false, "2028-02-29T23:00:00Z"},

		{"a night over midnight", berlin + nightly, "2026-06-01T21:00:00Z", true, "2026-06-02T04:00:00Z"},
		{"a night that ends at 24:00", "zone: UTC\nopen: [{days: [friday], from: \"22:00\", to: \"24:00\"}]\n", "2026-06-05T23:59:59Z", true, "2026-06-06T00:00:00Z"},
		{"a night of closed days", berlin + nightly + "closed: [2026-06-02]\n", "2026-06-01T21:00:00Z", true, "2026-06-01T22:00:00Z"},
		{"always", berlin + always, "2026-06-01T10:00:00Z", true, ""},
		{"always but one day far away", berlin + always + "closed: [2027-06-01]\n", "2026-06-01T10:00:00Z", true, "2027-05-31T22:00:00Z"},
		{"always but one day too far away", berlin + always + "closed: [2027-08-01]\n", "2026-06-01T10:00:00Z", true, ""},
		{"closed for years", berlin + always + "closed: [2026-01-01..2040-01-01]\n", "2026-06-01T10:00:00Z", false, ""},
		{"hours that touch", "zone: UTC\nopen: [{days: [monday], from: \"12:00\", to: \"14:00\"}, {days: [monday], from: \"08:00\", to: \"12:00\"}, {days: [monday], from: \"09:00\", to: \"10:00\"}]\n", "2026-06-01T08:00:00Z", true, "2026-06-01T14:00:00Z"},

		// Berlin skips 02:00 to 03:00 on 2026-03-29, at 01:00 UTC.
		{"spring skips it", berlin + small, "2026-03-28T12:00:00Z", false, "2026-04-05T00:00:00Z"},
		{"a night in spring is short", berlin + nightly, "2026-03-28T21:00:00Z", true, "2026-03-29T04:00:00Z"},
		{"into what is skipped", berlin + "open: [{days: [sunday], from: \"01:00\", to: \"02:30\"}]\n", "2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z"},
		{"out of what is skipped", berlin + "open: [{days: [sunday], from: \"02:30\", to: \"04:00\"}]\n", "2026-03-29T00:30:00Z", false, "2026-03-29T01:00:00Z"},
		{"out of what is skipped, open", berlin + "open: [{days: [sunday], from: \"02:30\", to: \"04:00\"}]\n", "2026-03-29T01:00:00Z", true, "2026-03-29T02:00:00Z"},
		// It shows 02:00 to 03:00 twice on 2026-10-25, from 00:00 and from 01:00 UTC.
		{"autumn, before", berlin + small, "2026-10-24T12:00:00Z", false, "2026-10-25T00:00:00Z"},
		{"autumn, the first time", berlin + small, "2026-10-25T00:10:00Z", true, "2026-10-25T00:30:00Z"},
		{"autumn, between", berlin + small, "2026-10-25T00:30:00Z", false, "2026-10-25T01:00:00Z"},
		{"autumn, the second time", berlin + small, "2026-10-25T01:10:00Z", true, "2026-10-25T01:30:00Z"},
		{"autumn, after", berlin + small, "2026-10-25T01:30:00Z", false, "2026-11-01T01:00:00Z"},
		{"a night in autumn is long", berlin + nightly, "2026-10-24T20:00:00Z", true, "2026-10-25T05:00:00Z"},
		{"what spans both is open throughout", berlin + "open: [{days: [sunday], from: \"02:00\", to: \"03:00\"}]\n", "2026-10-25T00:10:00Z", true, "2026-10-25T02:00:00Z"},
		// New York skips 02:00 to 03:00 on 2026-03-08, at 07:00 UTC, and repeats 01:00 to 02:00 on 2026-11-01.
		{"New York's spring", newYork + small, "2026-03-07T12:00:00Z", false, "2026-03-15T06:00:00Z"},
		{"New York's spring, a whole day", newYork + "open: [{days: [sunday], from: \"00:00\", to: \"24:00\"}]\n", "2026-03-08T05:00:00Z", true, "2026-03-09T04:00:00Z"},
		{"New York's autumn, a whole day", newYork + "open: [{days: [sunday], from: \"00:00\", to: \"24:00\"}]\n", "2026-11-01T04:00:00Z", true, "2026-11-02T05:00:00Z"},
		{"New York's autumn, the first time", newYork + "open: [{days: [sunday], from: \"01:30\", to: \"01:45\"}]\n", "2026-11-01T05:30:00Z", true, "2026-11-01T05:45:00Z"},
		{"New York's autumn, the second time", newYork + "open: [{days: [sunday], from: \"01:30\", to: \"01:45\"}]\n", "2026-11-01T05:45:00Z", false, "2026-11-01T06:30:00Z"},
		// A day begins at 01:00 where summer begins at midnight.
		{"a day without a midnight", "zone: America/Santiago\nopen: [{days: [sunday], from: \"00:00\", to: \"06:00\"}]\n", "2026-09-05T12:00:00Z", false, "2026-09-06T04:00:00Z"},
		// Samoa left out 2011-12-30, a Friday, altogether.
		{"a day that never was", "zone: Pacific/Apia\nopen: [{days: [friday], from: \"00:00\", to: \"24:00\"}]\n", "2011-12-29T12:00:00Z", false, "2012-01-05T10:00:00Z"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339Nano, c.at)
			if err != nil {
				t.Fatal(err)
			}
			open, until := calendar(t, c.text).At(at)
			got := ""
			if !until.IsZero() {
				got = until.Format(time.RFC3339)
			}
			if open != c.open || got != c.until {
				t.Errorf("open %t until %s, want %t until %s", open, got, c.open, c.until)
			}
			if again, _ := calendar(t, c.text).At(at.In(time.FixedZone("", 5*3600))); again != open {
				t.Error("another zone of the moment makes a difference")
			}
		})
	}
}

func TestCalendarsByHand(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	whole := []Hours{{Days: []string{"monday"}, From: "00:00", To: "24:00"}}
	if open, until := (Calendar{Zone: "UTC", Open: whole}).At(monday); !open || !until.Equal(monday.Add(12*time.Hour)) {
		t.Errorf("open %t until %s", open, until)
	}
	for name, c := range map[string]Calendar{
		"none":            {},
		"in no zone":      {Open: whole},
		"in a local zone": {Zone: "Local", Open: whole},
		"with a slip":     {Zone: "UTC", Open: whole, Closed: []string{"2026-1-1"}},
		"of no day":       {Zone: "UTC", Open: append(whole, Hours{Days: []string{"someday"}, From: "00:00", To: "24:00"})},
	} {
		if open, until := c.At(monday); open || !until.IsZero() {
			t.Errorf("a calendar %s is open", name)
		}
	}
}

// FuzzCalendars: what At says of a moment holds until the moment that it names, and not
// at that one.
func FuzzCalendars(f *testing.F) {
	f.Add("Europe/Berlin", "02:00", "02:30", "2026-12-24..2027-01-03", int64(1_774_700_000), uint8(127))
	f.Fuzz(func(t *testing.T, zone, from, to, closed string, at int64, days uint8) {
		c := Calendar{Name: "c", Zone: zone, Open: []Hours{{From: from, To: to}}, Closed: strings.Fields(closed)}
		for i, day := range weekdays {
			if days&(1<<i) != 0 {
				c.Open[0].Days = append(c.Open[0].Days, day)
			}
		}
		w := c.read(func([]any, error) {})
		moment := time.Unix(at%(1<<33), 0)
		open, until := c.At(moment)
		if w == nil {
			if open {
				t.Error("a malformed calendar is open")
			}
			return
		}
		if open != w.openAt(moment) {
			t.Error("it is not as it says")
		}
		if until.IsZero() {
			return
		}
		if !until.After(moment) || w.openAt(until) == open {
			t.Errorf("nothing changes at %s", until)
		}
		for _, part := range []time.Duration{1, 2, 3, 5, 7, 11} {
			if between := moment.Add(until.Sub(moment) / 13 * part); w.openAt(between) != open {
				t.Errorf("at %s it is not what it was to be until %s", between, until)
			}
		}
		if w.openAt(until.Add(-time.Second)) != open {
			t.Errorf("it changes before %s", until)
		}
	})
}
