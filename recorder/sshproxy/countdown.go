package sshproxy

import (
	"fmt"
	"time"
)

// warnings are how long before its end a session is told of it, falling.
var warnings = []time.Duration{5 * time.Minute, time.Minute}

// countDown sets the clock to the next notice of the session's end, which may just have
// moved. The caller holds the session's mutex.
func (s *session) countDown() {
	left := s.grantEnds.Sub(s.proxy.now())
	for _, before := range warnings {
		if left <= before {
			continue
		}
		s.warned = before
		if s.countdown == nil {
			s.countdown = time.AfterFunc(left-before, s.warn)
		} else {
			s.countdown.Reset(left - before)
		}
		return
	}
	if s.countdown != nil {
		s.countdown.Stop()
	}
}

// warn tells the terminals that the session is about to end, and sets the clock to the
// next notice.
func (s *session) warn() {
	s.mu.Lock()
	select {
	case <-s.over:
		s.mu.Unlock()
		return
	default:
	}
	// The end may have moved while this was on its way.
	before, ends := s.warned, s.grantEnds
	early := ends.Sub(s.proxy.now()) > before
	request := s.grants[len(s.grants)-1]
	s.countDown()
	s.mu.Unlock()
	if !early {
		s.announce(endsSoon(ends, before, request))
	}
}

// endsSoon is the notice, which tells how to go on.
func endsSoon(ends time.Time, before time.Duration, request string) string {
	minutes := "1 minute"
	if n := int(before / time.Minute); n != 1 {
		minutes = fmt.Sprintf("%d minutes", n)
	}
	return fmt.Sprintf(`stint: this session ends at %s, in %s. To go on, in another terminal: stint extend %s --reason "..."`, clock(ends), minutes, request)
}
