package sshproxy

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/wire"
)

const (
	// drainTime is how long a client may take to read what the target said
	// before it went away.
	drainTime = 2 * time.Second
	// noticeTime is how long the notice of an ending may take to reach a client
	// that is slow; nothing else passes meanwhile.
	noticeTime = 100 * time.Millisecond
	// lingerTime is how long a client may take to hang up after the notice, so
	// that closing the connection does not overtake it.
	lingerTime = time.Second
	// endTime is how long a session may take to end before its client is hung up
	// on, whatever it still reads or answers. It is more than the three above.
	endTime = 4 * time.Second
	// agreeTime is how long a client may take to agree that a connection inside
	// another is closed, before the outer one is cut and everything in it.
	agreeTime = 3 * time.Second
	// reportTime is how long the report of an ending may take.
	reportTime = 3 * time.Second
)

// close ends what the session holds, in the order that lets nothing pass that
// may not, and loses nothing that may.
func (s *session) close() {
	// 1. The target is let go, and with it everything that runs there.
	if s.target != nil {
		_ = s.target.Close()
	}
	s.work.Go(func() {
		for opened := range s.client.channels {
			_ = opened.Reject(ssh.Prohibited, s.ending.notice())
		}
	})

	// 2. What it had said before still goes to the client, where that is allowed.
	channels := s.liveChannels()
	if s.ending.lets() {
		until := time.Now().Add(drainTime)
		s.waitChannels(channels, drainTime)
		waitConnections(s.liveConnections(), until)
	}

	// 3. The recording and the person learn why.
	if s.recording != nil && s.ending.reason != wire.ReasonCompleted {
		_ = s.recording.Write(0, cast.Note(s.ending.note()))
	}
	s.tellAll(channels)

	// 4. The client hangs up, or is hung up on.
	select {
	case <-s.client.gone.Done():
	case <-time.After(s.linger(channels)):
	}
	s.hangUp()
	s.work.Wait()
	s.disarm()
	s.proxy.live.remove(s)

	// 5. The recording is closed and goes its way; the broker learns the rest
	// from it.
	s.finish()
}

// linger is how long the client may take to hang up by itself. One that has
// been told nothing has nothing to read.
func (s *session) linger(channels []*channel) time.Duration {
	if len(channels) == 0 {
		return 0
	}
	return lingerTime
}

// hangUp closes the client's connection. A connection inside another is closed
// only when the other side agrees; where it does not, the outer one is cut as a
// last resort, since others may be inside too. It returns when nothing of what the client
// said is left to read.
func (s *session) hangUp() {
	cut := time.AfterFunc(agreeTime, s.client.cut)
	defer cut.Stop()
	_ = s.client.Close()
	<-s.heard
}

// loseClient hangs up on a client that is still there when a session had its time
// to end. Whoever waits to write to it then goes on.
func (s *session) loseClient() {
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-s.client.gone.Done():
	case <-timer.C:
		s.hangUp()
	}
}

func (s *session) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, timer := range []*time.Timer{s.lease, s.grant, s.idle, s.countdown, s.presence.clock} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// finish closes the recording, or, where there is none, tells the broker that
// there is no session.
func (s *session) finish() {
	log := s.proxy.log.With("session", s.id)
	if s.recording != nil {
		// A few at a time: where a thousand end at once, telling the others comes first,
		// and a thousand files that are synced together would each hold a thread.
		s.proxy.closing <- struct{}{}
		defer func() { <-s.proxy.closing }()
		if err := s.recording.End(s.ending.reason, s.ending.note()); err != nil {
			log.Error("a recording could not be closed", "error", err)
		}
		return
	}
	if !s.announced {
		return
	}
	// The broker said yes, or may have, and there is no recording to say more. It
	// is told once only: if that fails, the session's lease runs out there.
	ctx, cancel := context.WithTimeout(context.Background(), reportTime)
	defer cancel()
	err := s.proxy.options.Broker.EndSession(ctx, s.id, wire.SessionEnd{Reason: s.ending.reason, Ended: s.ending.at.UTC()})
	if problem := (*wire.Error)(nil); err != nil && !errors.As(err, &problem) { // refused: it has no such session, or none that lives
		log.Warn("the end of a session could not be reported", "error", err)
	}
}
