package policies

import "time"

// checkCalendar checks one calendar.
func (l *loader) checkCalendar(d document) {
	c := d.calendar
	l.is(d, field("name"), CheckName(c.Name))
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "" || c.Zone == "Local" {
		l.at(d, field("zone"), "%q is no time zone; write one as Europe/Berlin or UTC.", c.Zone)
	}
}
