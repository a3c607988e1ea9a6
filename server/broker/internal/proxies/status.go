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

// States of a proxy beside those that its processes report.
const (
	stateSilent  = "silent"  // it said nothing for wire.StatusLost
	stateUnheard = "unheard" // it never said anything here: it may talk to another broker
)

// Status is how a proxy is, of all its processes together.
type Status struct {
	State    string    // wire.ProxyServes and so on, stateSilent or stateUnheard
	Version  string    // of the process that serves, or that was heard last
	Started  time.Time // zero where it is unheard
	Heard    time.Time
	Sessions int
}

// Serves tells whether the proxy takes new sessions, as far as is known. Of one that never
// said anything here it is assumed.
func (s Status) Serves() bool { return s.State == wire.ProxyServes || s.State == stateUnheard }

// Of says how a proxy is. It serves if one of its processes said so a short while ago.
func (s *Statuses) Of(proxy string) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	whole := Status{State: stateUnheard}
	for _, last := range s.said[proxy] {
		state := last.status.State
		if now.Sub(last.at) > wire.StatusLost && state != wire.ProxyStopped {
			state = stateSilent
		} else if state != wire.ProxyStopped {
			whole.Sessions += last.status.Sessions
		}
		serves := state == wire.ProxyServes
		if whole.State == stateUnheard || serves && whole.State != wire.ProxyServes || serves == (whole.State == wire.ProxyServes) && last.at.After(whole.Heard) {
			whole.State, whole.Version, whole.Started, whole.Heard = state, last.status.Version, last.status.Started, last.at
		}
	}
	return whole
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
