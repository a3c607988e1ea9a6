package sshproxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"stint/recorder/wire"
)

// status tells the broker, again and again, that this process serves, how far, and
// with how many sessions. Nothing depends on it but where people are sent.
type status struct {
	broker Broker
	live   *live
	log    *slog.Logger

	mu  sync.Mutex
	now wire.ProxyStatus // all but the number of sessions
}

func newStatus(broker Broker, live *live, version string, started time.Time, log *slog.Logger) *status {
	return &status{broker: broker, live: live, log: log, now: wire.ProxyStatus{
		Process: newSessionID(), Version: version, Started: started.UTC(), State: wire.ProxyServes,
	}}
}

// keep reports until ctx ends.
func (s *status) keep(ctx context.Context) {
	ticker := time.NewTicker(wire.StatusEvery)
	defer ticker.Stop()
	for {
		s.report(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// draining says that no session starts here any more.
func (s *status) draining(ctx context.Context) { s.become(ctx, wire.ProxyDrains) }

// stopped says that this process ends.
func (s *status) stopped(ctx context.Context) { s.become(ctx, wire.ProxyStopped) }

func (s *status) become(ctx context.Context, state string) {
	s.mu.Lock()
	s.now.State = state
	s.mu.Unlock()
	s.report(ctx)
}

// report says it once. Reports overtake each other only where one takes longer than
// another's deadline, and the next puts it right.
func (s *status) report(ctx context.Context) {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	now.Sessions = s.live.count()
	if err := s.broker.ReportStatus(ctx, now); err != nil && ctx.Err() == nil {
		s.log.Warn("the broker could not be told how this proxy is", "error", err)
	}
}

// count is how many sessions live.
func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}
