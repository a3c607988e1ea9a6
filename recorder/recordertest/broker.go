package recordertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/recorder/wire"
)

// Broker says yes to every session whose request has not ended, and keeps what
// it is sent, in memory.
type Broker struct {
	server *server

	mu       sync.Mutex
	changed  *sync.Cond
	sessions map[string]*Session
	ended    map[string]wire.Ending // by request
	streams  map[chan wire.Ending]bool
	lease    time.Duration
	renewals int // answered
	silences int
	full     bool                        // nothing of a recording is taken
	statuses map[string]wire.ProxyStatus // by process
	next     map[string]string           // by request: the one that extends its sessions
	present  map[string]time.Time        // when a person said that they are there, by request
}

// patience is how long what must come about is waited for.
const patience = time.Minute

// Session is what the broker knows of a session.
type Session struct {
	Start     wire.SessionStart
	Recording []byte
	Seals     []wire.Seal
	End       *wire.SessionEnd
	EndHeard  time.Time
	Extended  []string // by which requests, in order
}

func newBroker(testing.TB) *Broker {
	b := &Broker{sessions: map[string]*Session{}, ended: map[string]wire.Ending{}, streams: map[chan wire.Ending]bool{}, lease: wire.Lease, statuses: map[string]wire.ProxyStatus{}, next: map[string]string{}, present: map[string]time.Time{}}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// Revoke ends a request and tells the proxies.
func (b *Broker) Revoke(request, by string) {
	ending := wire.Ending{Request: request, Reason: wire.ReasonRevoked, By: by, At: time.Now().UTC()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[request] = ending
	for stream := range b.streams {
		stream <- ending
	}
}

// RevokeQuietly ends a request without telling anybody who does not ask.
func (b *Broker) RevokeQuietly(request, by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[request] = wire.Ending{Request: request, Reason: wire.ReasonRevoked, By: by, At: time.Now().UTC()}
}

// Extend lets the sessions of one request go on under another's grant.
func (b *Broker) Extend(request, next string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next[request] = next
}

// TellPresent tells, of the sessions of one request, when their person said that they are
// there.
func (b *Broker) TellPresent(request string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.present[request] = at
}

// Expire tells the proxies that the time of a request is over.
func (b *Broker) Expire(request string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for stream := range b.streams {
		stream <- wire.Ending{Request: request, Reason: wire.ReasonExpired, At: time.Now().UTC()}
	}
}

// SetLease sets the lease of sessions that start from now on, and the answer to
// renewals; zero makes it refuse to renew.
func (b *Broker) SetLease(lease time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lease = lease
}

// BeSilent makes the broker answer nothing to the next so many starts of sessions,
// though it starts them.
func (b *Broker) BeSilent(starts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silences = starts
}

// silent takes one of the silences, if any is left.
func (b *Broker) silent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silences == 0 {
		return false
	}
	b.silences--
	return true
}

// BeFull makes the broker take nothing of recordings, as one whose disk is full, until it
// is not full any more. It does all else.
func (b *Broker) BeFull(full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = full
}

// AwaitRenewal waits until leases were renewed as they are set now, and the proxy has
// read so. It fails the test after a time.
func (b *Broker) AwaitRenewal(t testing.TB) {
	t.Helper()
	answered := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.renewals
	}
	// One follows another, so that the second is asked for when the first was read.
	for enough, deadline := answered()+2, time.Now().Add(patience); answered() < enough; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("leases were not renewed within %v", patience)
		}
	}
}

// Stop makes the broker unreachable, and returns when nobody hears of endings any
// more; Start brings it back.
func (b *Broker) Stop() {
	b.server.stop()
	for b.listeners() > 0 {
		time.Sleep(time.Millisecond)
	}
}

func (b *Broker) listeners() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.streams)
}

// Start brings a stopped broker back at its address.
func (b *Broker) Start() { b.server.start() }

// Await waits until a session fits, and returns a copy of it. It fails the test
// after a time.
func (b *Broker) Await(t testing.TB, what string, fits func(*Session) bool) Session {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		for _, s := range b.sessions {
			if fits(s) {
				defer b.mu.Unlock()
				return s.clone()
			}
		}
		b.mu.Unlock()
	}
	t.Fatalf("no session came to be %s; there are %d", what, len(b.Sessions()))
	return Session{}
}

// AwaitDelivered waits for a session of a request whose whole recording is here.
func (b *Broker) AwaitDelivered(t testing.TB, request string) Session {
	t.Helper()
	return b.Await(t, "delivered", func(s *Session) bool { return s.Start.Request == request && s.delivered() })
}

// AwaitSession waits for the whole recording of a session, which is nothing if its proxy
// died before the header was on disk.
func (b *Broker) AwaitSession(t testing.TB, id string) Session {
	t.Helper()
	return b.Await(t, "delivered", func(s *Session) bool {
		return s.Start.Session == id && (s.delivered() || s.End != nil && s.End.Bytes == 0)
	})
}

// AwaitAll waits until there are count sessions, all of them delivered whole.
func (b *Broker) AwaitAll(t testing.TB, count int) []Session {
	t.Helper()
	b.Await(t, "delivered with all others", func(*Session) bool {
		for _, s := range b.sessions {
			if !s.delivered() {
				return false
			}
		}
		return len(b.sessions) == count
	})
	return b.Sessions()
}

// AwaitListener waits for a proxy that hears of endings; it misses those before.
func (b *Broker) AwaitListener(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if b.listeners() > 0 {
			return
		}
	}
	t.Fatal("no proxy came to hear of endings")
}

// delivered tells whether nothing is missing.
func (s *Session) delivered() bool {
	return s.End != nil && int64(len(s.Recording)) == s.End.Bytes && len(s.Seals) > 0 && s.Seals[len(s.Seals)-1].Offset == s.End.Bytes
}

// Sessions are all sessions, copied.
func (b *Broker) Sessions() []Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sessions []Session
	for _, s := range b.sessions {
		sessions = append(sessions, s.clone())
	}
	return sessions
}

func (s *Session) clone() Session {
	c := *s
	c.Recording, c.Seals, c.Extended = slices.Clone(s.Recording), slices.Clone(s.Seals), slices.Clone(s.Extended)
	return c
}

func (b *Broker) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathSessions, b.start)
	mux.HandleFunc("POST "+wire.PathLeases, b.leases)
	mux.HandleFunc("GET "+wire.PathEndings, b.endings)
	mux.HandleFunc("POST "+wire.PathSessionEnd, b.end)
	mux.HandleFunc("POST "+wire.PathExtension, b.extend)
	mux.HandleFunc("GET "+wire.PathRecording, b.state)
	mux.HandleFunc("PUT "+wire.PathRecording, b.upload)
	mux.HandleFunc("POST "+wire.PathSeals, b.seals)
	mux.HandleFunc("POST "+wire.PathStatus, b.status)
	return mux
}

func (b *Broker) start(w http.ResponseWriter, r *http.Request) {
	var start wire.SessionStart
	if err := read(r, &start); err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
		return
	}
	if b.silent() {
		b.mu.Lock()
		b.sessions[start.Session] = &Session{Start: start}
		b.mu.Unlock()
		<-r.Context().Done()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ending, ok := b.ended[start.Request]; ok {
		refuse(w, http.StatusConflict, wire.CodeNotLive, fmt.Sprintf("this grant ended at %s (%s by %s). Ask again: stint request", ending.At.Format("15:04 UTC"), ending.Reason, ending.By))
		return
	}
	b.sessions[start.Session] = &Session{Start: start}
	answer(w, wire.Session{
		Session: start.Session, Person: policies.Subject{Issuer: "http://localhost/dex", Subject: "alice"}, Name: "Alice",
		Role: "role", GrantEnds: time.Now().Add(time.Hour), Lease: b.lease,
	})
}

func (b *Broker) leases(w http.ResponseWriter, r *http.Request) {
	var request wire.LeaseRequest
	if err := read(r, &request); err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lease == 0 {
		refuse(w, http.StatusServiceUnavailable, "busy", "later")
		return
	}
	result := wire.LeaseResult{}
	for _, id := range request.Sessions {
		verdict := wire.Verdict{Session: id, Ended: wire.ReasonKilled}
		if s := b.sessions[id]; s != nil {
			has := s.grant()
			if ending, ok := b.ended[has]; ok {
				verdict.Ended, verdict.By = ending.Reason, ending.By
			} else {
				verdict = wire.Verdict{Session: id, Lease: b.lease, Request: has, GrantEnds: time.Now().Add(time.Hour), Next: b.next[has], Present: b.present[has]}
			}
		}
		result.Verdicts = append(result.Verdicts, verdict)
	}
	b.renewals++
	answer(w, result)
}

func (b *Broker) endings(w http.ResponseWriter, r *http.Request) {
	stream := make(chan wire.Ending, 64)
	b.mu.Lock()
	b.streams[stream] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.streams, stream)
		b.mu.Unlock()
	}()
	ping := time.NewTicker(wire.EndingsPing)
	defer ping.Stop()
	encoder := json.NewEncoder(w)
	for ending := (wire.Ending{}); ; {
		if encoder.Encode(ending) != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case ending = <-stream:
		case <-ping.C:
			ending = wire.Ending{}
		case <-r.Context().Done():
			return
		}
	}
}

// session finds the session of a path; the caller holds mu.
func (b *Broker) session(w http.ResponseWriter, r *http.Request) *Session {
	s := b.sessions[r.PathValue("session")]
	if s == nil {
		refuse(w, http.StatusNotFound, "unknown-session", "There is no such session.")
	}
	return s
}

func (b *Broker) end(w http.ResponseWriter, r *http.Request) {
	var end wire.SessionEnd
	err := read(r, &end)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.session(w, r); s != nil && err == nil {
		s.End = &end
		s.EndHeard = time.Now()
	}
}

// grant is the request whose grant a session has.
func (s *Session) grant() string {
	if n := len(s.Extended); n > 0 {
		return s.Extended[n-1]
	}
	return s.Start.Request
}

func (b *Broker) extend(w http.ResponseWriter, r *http.Request) {
	var extension wire.Extension
	err := read(r, &extension)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.session(w, r); s != nil && err == nil {
		s.Extended = append(s.Extended, extension.Request)
	}
}

func (b *Broker) state(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.session(w, r); s != nil {
		answer(w, wire.RecordingState{Bytes: int64(len(s.Recording))})
	}
}

func (b *Broker) upload(w http.ResponseWriter, r *http.Request) {
	chunk, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxChunk+1))
	offset, wrong := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.session(w, r)
	switch {
	case s == nil:
	case b.full:
		refuse(w, http.StatusServiceUnavailable, "recordings.no-room", "The broker has no room for recordings.")
	case err != nil || wrong != nil || len(chunk) > wire.MaxChunk:
		refuse(w, http.StatusBadRequest, "chunk", "The chunk cannot be read.")
	case offset != int64(len(s.Recording)):
		refuse(w, http.StatusConflict, "offset", "The recording goes on elsewhere.")
	default:
		s.Recording = append(s.Recording, chunk...)
		answer(w, wire.RecordingState{Bytes: int64(len(s.Recording))})
	}
}

func (b *Broker) status(w http.ResponseWriter, r *http.Request) {
	var status wire.ProxyStatus
	if err := read(r, &status); err != nil {
		refuse(w, http.StatusBadRequest, "body", err.Error())
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.statuses[status.Process] = status
}

// AwaitState waits until a process has said that it is in a state, and returns what it
// said.
func (b *Broker) AwaitState(t testing.TB, state string) wire.ProxyStatus {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		for _, status := range b.statuses {
			if status.State == state {
				defer b.mu.Unlock()
				return status
			}
		}
		b.mu.Unlock()
	}
	t.Fatalf("no proxy came to be %s", state)
	return wire.ProxyStatus{}
}

func (b *Broker) seals(w http.ResponseWriter, r *http.Request) {
	var report wire.Seals
	err := read(r, &report)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.session(w, r)
	if s == nil || err != nil {
		return
	}
	for _, seal := range report.Seals {
		switch {
		case seal.Sequence >= 1 && seal.Sequence <= int64(len(s.Seals)):
			if old := s.Seals[seal.Sequence-1]; old.Offset != seal.Offset || !bytes.Equal(old.Head[:], seal.Head[:]) {
				refuse(w, http.StatusConflict, "seal-changed", "This seal was reported otherwise.")
				return
			}
		case seal.Sequence == int64(len(s.Seals))+1:
			s.Seals = append(s.Seals, seal)
		default:
			refuse(w, http.StatusConflict, "seal-order", "A seal is missing.")
			return
		}
	}
}
