package sshproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// errOtherRules means that what the role says of sessions is not what it was when this
// one was opened.
var errOtherRules = errors.New("the role says other things of a session than when this one was opened. Open another")

// tryExtension has the session go on under another grant, in its own time: whoever says
// that there is one does not wait. One attempt is made at a time, and none again by a
// grant by which it was refused.
func (s *session) tryExtension(next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.extending || next == s.refused || slices.Contains(s.grants, next) || !s.serves.Load() {
		return
	}
	s.extending = true
	s.proxy.background.Go(func() {
		err := s.extend(next)
		s.mu.Lock()
		s.extending = false
		if isRefusal(err) {
			s.refused = next
		}
		s.mu.Unlock()
		log := s.proxy.log.With("session", s.id, "request", next)
		switch {
		case err == nil:
			log.Info("a session was extended")
		case s.context.Err() != nil:
		case isRefusal(err):
			log.Warn("a session was not extended", "error", err)
			s.announce("stint: this session is not extended by " + next + ": " + refusalTitle(err))
		default:
			log.Warn("a session could not be extended and is tried again", "error", err)
		}
	})
}

// extend has the session go on under another grant, in steps. Where one fails, it ends
// when it would have.
func (s *session) extend(next string) error {
	ctx, cancel := context.WithTimeout(s.context, signerCall)
	defer cancel()
	// 1. The signer, which does not trust the broker, says that it may, and until when.
	answer, err := s.proxy.options.Signer.Continue(ctx, signer.ContinueRequest{
		Session: s.id, Opened: s.pass.Request, SessionKey: s.pass.SessionKey, Next: next,
	})
	if err != nil {
		return fmt.Errorf("asking the signer: %w", err)
	}
	// 2. It is held to what it was held to: what runs was let in by those rules.
	if !reflect.DeepEqual(answer.Rules, s.said) {
		return errOtherRules
	}
	// 3. The broker has written it down.
	if err := s.proxy.options.Broker.ExtendSession(ctx, s.id, wire.Extension{Request: next}); err != nil {
		return fmt.Errorf("telling the broker: %w", err)
	}
	// 4. The recording says so.
	sentence := fmt.Sprintf("stint: this session goes on until %s, extended by %s", clock(answer.GrantEnds), next)
	if !s.record(0, cast.Note(strings.TrimPrefix(sentence, "stint: "))) {
		return errors.New("it could not be recorded")
	}
	// 5. It lasts longer, unless it is over; and the end of that grant finds it, even one
	// that was heard since the signer answered.
	if !s.lengthen(next, answer.GrantEnds) {
		return nil
	}
	if why, over := s.proxy.live.extend(s, next); over {
		s.end(why)
		return nil
	}
	s.tellTerminals(s.terminals(), sentence)
	return nil
}

// lengthen puts the session under another grant; false when it is over. A timer that
// has run out meanwhile has ended it.
func (s *session) lengthen(next string, ends time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.over:
		return false
	default:
	}
	s.grants, s.grantEnds = append(s.grants, next), ends
	s.grant.Reset(ends.Sub(s.proxy.now()))
	s.countDown()
	return true
}

// isExtended tells whether the session has another grant than it was opened with.
func (s *session) isExtended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.grants) > 1
}

// endsWith tells whether the end of a grant is the session's. That the time of one that
// it had before is over is not; that somebody took it away is.
func (s *session) endsWith(request string, why ending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.grants) == 0 { // the broker was not heard yet
		return request == s.pass.Request
	}
	if i := slices.Index(s.grants, request); i < len(s.grants)-1 && why.reason == wire.ReasonExpired {
		return false
	}
	return slices.Contains(s.grants, request)
}

// isRefusal tells an answer that would be the same again from trouble that passes.
func isRefusal(err error) bool {
	if errors.Is(err, errOtherRules) {
		return true
	}
	byBroker, bySigner := (*wire.Error)(nil), (*signer.Error)(nil)
	status := 0
	switch {
	case errors.As(err, &bySigner):
		status = bySigner.Status
	case errors.As(err, &byBroker):
		status = byBroker.Status
	}
	return status/100 == 4 && status != http.StatusTooManyRequests
}

// refusalTitle is what a person is told of a refusal.
func refusalTitle(err error) string {
	byBroker, bySigner := (*wire.Error)(nil), (*signer.Error)(nil)
	switch {
	case errors.As(err, &bySigner):
		return printable(bySigner.Title)
	case errors.As(err, &byBroker):
		return printable(byBroker.Title)
	}
	return err.Error()
}
