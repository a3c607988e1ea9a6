package proxies

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"stint/recorder/wire"
	"stint/server/access"
)

// backlog is how many endings may wait for one slow proxy: more grants than end in one
// act, when a role is locked or somebody suspended. One that falls further behind loses its
// stream; it then connects again and renews every lease, which tells it the same.
const backlog = 8192

// writeTimeout bounds one write to a proxy.
const writeTimeout = 5 * time.Second

// Endings passes notices of ends on to every connected proxy. It is the flow's
// access.Notifier and is safe for concurrent use.
type Endings struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

type listener struct {
	news chan wire.Ending
	// lost is closed when the listener fell behind.
	lost chan struct{}
}

var _ access.Notifier = (*Endings)(nil)

// NewEndings returns one without listeners.
func NewEndings() *Endings { return &Endings{listeners: map[*listener]struct{}{}} }

// Notify tells every proxy. It never blocks.
func (e *Endings) Notify(n access.Notice) {
	ending := wire.Ending{Request: n.Request, Session: n.Session, Reason: n.Reason, By: n.By, At: n.At}
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.listeners {
		select {
		case l.news <- ending:
		default:
			close(l.lost)
			delete(e.listeners, l)
		}
	}
}

func (e *Endings) listen() (l *listener, stop func()) {
	l = &listener{news: make(chan wire.Ending, backlog), lost: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listeners[l] = struct{}{}
	return l, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.listeners, l)
	}
}

// stream sends endings to one proxy until it leaves, falls behind, or the broker
// stops. The first line is a ping: it says that from here on nothing is missed.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	l, stop := s.endings.listen()
	defer stop()
	control := http.NewResponseController(w)
	// The server's read timeout would end the stream: it counts from the request.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		s.refuse(w, r, "", err)
		return
	}
	encoder := json.NewEncoder(w)
	send := func(ending wire.Ending) bool {
		if control.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return false
		}
		if encoder.Encode(ending) != nil {
			return false
		}
		// What waits goes with it: many end in one act.
		for range len(l.news) {
			if encoder.Encode(<-l.news) != nil {
				return false
			}
		}
		return control.Flush() == nil
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	ping := time.NewTicker(s.ping)
	defer ping.Stop()
	for alive := send(wire.Ending{}); alive; {
		select {
		case ending := <-l.news:
			alive = send(ending)
		case <-ping.C:
			alive = send(wire.Ending{})
		case <-l.lost:
			return
		case <-s.stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}
