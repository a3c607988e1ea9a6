package proxies

import (
	"context"
	"net/http"
	"sync"
	"time"

	"stint/recorder/wire"
)

// maxProcesses bounds the processes of one proxy that are remembered: one serves, and
// those before it still carry sessions.
const maxProcesses = 32

// Statuses is what proxies said last of how they are, to this broker, in memory. It says
// only where people are best sent: it gives nothing and takes nothing away. It is safe for
// concurrent use.
type Statuses struct {
	now func() time.Time

	mu   sync.Mutex
	said map[string]map[string]said // by proxy, then by process
}

type said struct {
	status wire.ProxyStatus
	at     time.Time
}

// NewStatuses returns one that has heard of nobody.
func NewStatuses(now func() time.Time) *Statuses {
	return &Statuses{now: now, said: map[string]map[string]said{}}
}

func (s *Statuses) hear(proxy string, status wire.ProxyStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	processes := s.said[proxy]
	if processes == nil {
		processes = map[string]said{}
		s.said[proxy] = processes
	}
	for process, last := range processes {
		if process != status.Process && now.Sub(last.at) > wire.StatusLost {
			delete(processes, process)
		}
	}
	if _, known := processes[status.Process]; known || len(processes) < maxProcesses {
		processes[status.Process] = said{status, now}
	}
}

// Serves tells whether a proxy takes new sessions, as far as is known: one of its
// processes said so a short while ago. Of one that never said anything here it is
// assumed: it may talk to another broker.
func (s *Statuses) Serves(proxy string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, last := range s.said[proxy] {
		if last.status.State == wire.ProxyServes && now.Sub(last.at) <= wire.StatusLost {
			return true
		}
	}
	return len(s.said[proxy]) == 0
}

func (s *Server) hearStatus(_ context.Context, proxy string, r *http.Request) (any, error) {
	status, err := decode[wire.ProxyStatus](r)
	if err != nil {
		return nil, err
	}
	switch {
	case len(status.Process) < 16 || len(status.Process) > 64 || len(status.Version) > 64 || status.Sessions < 0:
	case status.State == wire.ProxyServes || status.State == wire.ProxyDrains || status.State == wire.ProxyStopped:
		s.statuses.hear(proxy, status)
		return nil, nil
	}
	return nil, &wire.Error{Status: http.StatusUnprocessableEntity, Code: "status", Title: "This is no status of a proxy; are proxy and broker of the same version?"}
}
