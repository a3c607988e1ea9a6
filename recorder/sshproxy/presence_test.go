package sshproxy

import (
	"testing"
	"time"
)

// Notices come five minutes and a minute before the end, where the role's time is longer.
func TestWhenWhoeverIsThereIsAsked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct{ every, since, want time.Duration }{
		{time.Hour, 0, 55 * time.Minute},
		{time.Hour, 54 * time.Minute, time.Minute},
		{time.Hour, 55 * time.Minute, 4 * time.Minute},
		{time.Hour, 59 * time.Minute, time.Minute},
		{time.Hour, 61 * time.Minute, -time.Minute},
		{5 * time.Minute, 0, 4 * time.Minute},
		{2 * time.Minute, 90 * time.Second, 30 * time.Second},
		{30 * time.Second, 0, 30 * time.Second},
	} {
		s := &session{proxy: &Proxy{now: func() time.Time { return now }}, rules: rules{reauthenticate: c.every}}
		s.presence.at = now.Add(-c.since)
		if got := s.untilPresence(); got != c.want {
			t.Errorf("asked every %v, %v after the last time: there is something to do in %v, want %v", c.every, c.since, got, c.want)
		}
	}
}
