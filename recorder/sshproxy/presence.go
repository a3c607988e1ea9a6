package sshproxy

import (
	"context"
	"fmt"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// presence is when whose session it is was last known to be there. The session's mutex
// guards it.
type presence struct {
	clock  *time.Timer   // to the next notice, or the end; nil where the role never asks
	warned time.Duration // what was said last, by the time before the end; zero: nothing since at
	at     time.Time     // on the monotonic clock, so that no step of the other moves the end
	signed time.Time     // what the signer said last
	heard  time.Time     // what the broker said when the signer was asked last
	asking bool
}

// armPresence begins to ask whose session it is whether they are there, where the role
// wants that. To have opened it counts.
func (s *session) armPresence() {
	if s.rules.reauthenticate == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.presence.at = s.proxy.now()
	s.presence.clock = time.AfterFunc(s.untilPresence(), s.checkPresence)
}

// untilPresence is how long there is nothing to do. The caller holds the mutex.
func (s *session) untilPresence() time.Duration {
	left := s.rules.reauthenticate - s.proxy.now().Sub(s.presence.at)
	for _, before := range warnings {
		if left > before && before < s.rules.reauthenticate {
			return left - before
		}
	}
	return left
}

// checkPresence tells the terminals that somebody must say that they are there, and ends
// the session where nobody did.
func (s *session) checkPresence() {
	s.mu.Lock()
	select {
	case <-s.over: // its clocks are stopped already, or will be after this
		s.mu.Unlock()
		return
	default:
	}
	left := s.rules.reauthenticate - s.proxy.now().Sub(s.presence.at)
	var due time.Duration
	for _, before := range warnings { // falling: the last that is due counts
		if left <= before && before < s.rules.reauthenticate {
			due = before
		}
	}
	tell := due != 0 && due != s.presence.warned
	s.presence.warned = due
	if left > 0 {
		s.presence.clock.Reset(s.untilPresence())
	}
	s.mu.Unlock()
	switch {
	case left <= 0:
		s.end(ending{reason: wire.ReasonReauthentication, detail: "nobody confirmed for " + idleWords(s.rules.reauthenticate) + " that they are there"})
	case tell:
		s.announce(fmt.Sprintf("stint: this session ends at %s unless you confirm that you are there. In another terminal: stint reauthenticate", clock(s.proxy.now().Add(left))))
	}
}

// hearPresence is told by the broker that the signer has the word of whose session it is,
// and asks the signer. Whoever tells does not wait. The broker alone moves nothing.
func (s *session) hearPresence(told time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.presence
	if p.clock == nil || p.asking || !told.After(p.heard) || !s.serves.Load() {
		return
	}
	p.asking = true
	s.proxy.background.Go(func() {
		err := s.takePresence()
		s.mu.Lock()
		if p.asking = false; err == nil {
			p.heard = told
		}
		s.mu.Unlock()
		if err != nil && s.context.Err() == nil {
			s.proxy.log.Warn("whether somebody is there could not be asked and is tried again", "session", s.id, "error", err)
		}
	})
}

// takePresence moves the end of a session whose person is there, in steps.
func (s *session) takePresence() error {
	ctx, cancel := context.WithTimeout(s.context, signerCall)
	defer cancel()
	// 1. The signer, which does not trust the broker, has their passkey's word.
	answer, err := s.proxy.options.Signer.Present(ctx, signer.PresentRequest{Session: s.id, Opened: s.pass.Request})
	if err != nil {
		return fmt.Errorf("asking the signer: %w", err)
	}
	s.mu.Lock()
	again := !answer.At.After(s.presence.signed)
	s.mu.Unlock()
	if again {
		return nil
	}
	// 2. The recording says so.
	if !s.record(0, cast.Note("the person confirmed at "+clock(answer.At)+" with a passkey that they are there")) {
		return nil // it is over
	}
	// 3. It counts from when they signed, and never from later than now.
	s.mu.Lock()
	select {
	case <-s.over:
		s.mu.Unlock()
		return nil
	default:
	}
	now := s.proxy.now()
	s.presence.signed = answer.At
	if at := now.Add(-max(now.Sub(answer.At), 0)); at.After(s.presence.at) {
		s.presence.at, s.presence.warned = at, 0
	}
	s.presence.clock.Reset(s.untilPresence())
	next := s.presence.at.Add(s.rules.reauthenticate)
	s.mu.Unlock()
	s.tellTerminals(s.terminals(), "stint: you confirmed that you are there; you are asked again before "+clock(next))
	return nil
}
