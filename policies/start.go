package policies

import (
	"fmt"
	"time"
)

// bounds are when a grant begins and ends.
type bounds struct{ begins, ends, useBy time.Time }

// soonest is when what is asked for could begin: now, or when it was set to.
func (j *judgement) soonest() time.Time {
	if j.f.Ask.Start.After(j.f.Now) {
		return j.f.Ask.Start
	}
	return j.f.Now
}

// startFits looks at the time that was set for the beginning.
func (j *judgement) startFits() {
	start, ahead := j.f.Ask.Start, j.role.Start.Ahead
	if start.IsZero() {
		return
	}
	latest := j.f.Asked.Add(ahead)
	switch {
	case ahead <= 0:
		j.refuse("start", "Ask without setting a time.", "No time can be set for %s to begin.", j.role.Name)
	case start.Nanosecond() != 0:
		j.refuse("start", "Set a whole second.", "The time that was set is no whole second.")
	case start.Before(j.f.Asked.Add(-Skew)):
		j.refuse("start", "Set a time to come, or none.", "%s had passed when it was asked for.", moment(start))
	case start.After(latest):
		j.refuse("start", fmt.Sprintf("Set a time until %s.", moment(latest)), "%s is more than %s ahead, which is the most for %s.", moment(start), FormatDuration(ahead), j.role.Name)
	default:
		j.say("start", "It begins at "+moment(start)+" at the earliest, as was set.")
	}
}

// windowOpen looks at the role's windows at the soonest that it could begin.
func (j *judgement) windowOpen() {
	if len(j.role.Windows) == 0 {
		return
	}
	at := j.soonest()
	open, until := j.window(at)
	if open {
		text := list(j.role.Windows, "or") + " is open at " + moment(at)
		if !until.IsZero() {
			text += " until " + moment(until)
		}
		j.say("window", text+".")
		return
	}
	remedy := ""
	if !until.IsZero() {
		remedy = fmt.Sprintf("Ask again from %s on.", moment(until))
		if j.role.Start.Ahead > 0 {
			remedy = fmt.Sprintf("Ask again from %s on, or set that as the time when it begins.", moment(until))
		}
	}
	j.refuse("window", remedy, "%s can be had while %s is open, and at %s it is closed.", j.role.Name, list(j.role.Windows, "or"), moment(at))
}

// window tells whether one of the role's windows is open at a time, and until when: of those
// that are open the latest closing, or else the earliest opening; zero where that is
// never.
func (j *judgement) window(at time.Time) (open bool, until time.Time) {
	endless := false
	for _, name := range j.role.Windows {
		calendar, ok := j.b.Calendar(name)
		if !ok {
			continue
		}
		switch is, next := calendar.At(at); {
		case is && !open:
			open, until, endless = true, next, next.IsZero()
		case is && next.IsZero():
			endless = true
		case is && next.After(until):
			until = next
		case !is && !open && !next.IsZero() && (until.IsZero() || next.Before(until)):
			until = next
		}
	}
	if endless {
		until = time.Time{}
	}
	return open, until
}

// boundsOf finds when what was agreed to at filled, for a duration, begins and ends, and
// refuses it where that is over.
//
// It begins when everybody had agreed, or at the time that was set; where the clock
// starts at the first use, then, or now as long as it was not used.
func (j *judgement) boundsOf(filled time.Time, duration time.Duration) bounds {
	earliest := filled
	if j.f.Ask.Start.After(earliest) {
		earliest = j.f.Ask.Start
	}
	s := bounds{begins: earliest}
	if j.role.Start.At == AtFirstUse {
		use := j.f.Used
		if use.IsZero() {
			use = j.f.Now
			within := j.role.Start.Within
			if within <= 0 {
				within = DefaultWithin
			}
			s.useBy = earliest.Add(within)
		}
		if use.After(s.begins) {
			s.begins = use
		}
	}
	if !s.useBy.IsZero() && !j.f.Now.Before(s.useBy) {
		j.refuse("use-by", "Ask again.", "It was not used by %s, and is over.", moment(s.useBy))
		return s
	}
	s.ends = s.begins.Add(duration)
	if len(j.role.Windows) > 0 {
		switch open, until := j.window(s.begins); {
		case !open && j.refused && s.begins.Equal(j.soonest()): // as windowOpen said
			return s
		case !open:
			j.refuse("window", "Ask again while it is open.", "It would have begun at %s, while %s is closed.", moment(s.begins), list(j.role.Windows, "or"))
			return s
		case !until.IsZero() && until.Before(s.ends):
			s.ends = until
		}
	}
	if !j.f.Now.Before(s.ends) {
		j.refuse("end", "Ask again.", "The time is up: it was for %s and ended at %s.", FormatDuration(duration), moment(s.ends))
	}
	return s
}
