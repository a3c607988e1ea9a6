// Package proxies serves recorder/wire to the recording proxies, on a listener
// of its own with mutual TLS. A proxy is known by its public key; its name comes
// from the configuration, never from what it says.
package proxies

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"stint/recorder/wire"
	"stint/server/access"
	"stint/server/border"
	"stint/server/broker/internal/recordings"
)

// maxBody bounds every JSON body; the longest renews MaxLeases leases.
const maxBody = 256 << 10

// callTimeout bounds the work for one call. Proxies give up sooner than that.
const callTimeout = 15 * time.Second

// maxUploads bounds the chunks that are in memory at a time.
const maxUploads = 16

// Flow is what proxies do, as the flow offers it.
type Flow interface {
	StartSession(ctx context.Context, start access.SessionStart) (access.StartedSession, error)
	RenewLeases(ctx context.Context, proxy string, sessions []string) ([]access.Verdict, error)
	ExtendSession(ctx context.Context, proxy, session, request string) error
	EndSession(ctx context.Context, proxy, session string, end access.SessionEnd) error
	StoreSeals(ctx context.Context, proxy, session string, seals []access.Seal) error
	SessionOfProxy(ctx context.Context, proxy, session string) (access.Session, error)
}

// Marker notes how much of a recording is held.
type Marker interface {
	SetRecordingBytes(ctx context.Context, session string, bytes int64) error
}

// Config wires a Server; every field is required.
type Config struct {
	// Certificate is the broker's own; Authority issued the proxies'.
	Certificate tls.Certificate
	Authority   *x509.CertPool
	// Names gives a proxy's name by the SHA-256 of its certificate's
	// SubjectPublicKeyInfo in lower-case hex.
	Names      map[string]string
	Flow       Flow
	Marker     Marker
	Endings    *Endings
	Statuses   *Statuses
	Recordings *recordings.Keeper
	Log        *slog.Logger
}

// Server serves the proxies.
type Server struct {
	flow       Flow
	marker     Marker
	endings    *Endings
	statuses   *Statuses
	recordings *recordings.Keeper
	names      map[string]string
	log        *slog.Logger
	http       *http.Server
	ping       time.Duration
	uploads    chan struct{}
	stopping   chan struct{}
	stop       sync.Once
}

// New checks the wiring.
func New(c Config) (*Server, error) {
	if len(c.Certificate.Certificate) == 0 || c.Authority == nil || c.Flow == nil || c.Marker == nil || c.Endings == nil || c.Statuses == nil || c.Recordings == nil || c.Log == nil {
		return nil, errors.New("proxies: the wiring is incomplete")
	}
	s := &Server{
		flow: c.Flow, marker: c.Marker, endings: c.Endings, statuses: c.Statuses, recordings: c.Recordings, names: c.Names, log: c.Log,
		ping: wire.EndingsPing, uploads: make(chan struct{}, maxUploads), stopping: make(chan struct{}),
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // one connection a stream: a stream's deadlines are its own
	s.http = &http.Server{
		Handler:   s.routes(),
		Protocols: &protocols,
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{c.Certificate},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    c.Authority,
			VerifyConnection: func(state tls.ConnectionState) error {
				_, err := s.nameOf(&state)
				return err
			},
		},
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelInfo),
	}
	return s, nil
}

// Serve answers on the listener until Shutdown.
func (s *Server) Serve(listener net.Listener) error {
	err := s.http.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends the streams of endings, lets other calls finish and closes.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop.Do(func() { close(s.stopping) })
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// nameOf is who a connection is from. The handshake has shown that the peer
// holds the key.
func (s *Server) nameOf(state *tls.ConnectionState) (string, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", errors.New("the proxy showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	name, ok := s.names[border.KeyOf(leaf)]
	if !ok {
		return "", errors.New("no proxy with this key is configured")
	}
	if leaf.Subject.CommonName != name {
		return "", fmt.Errorf("the key of proxy %s came with a certificate for %q", name, leaf.Subject.CommonName)
	}
	return name, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+wire.PathSessions, s.call(s.startSession))
	mux.Handle("POST "+wire.PathLeases, s.call(s.renewLeases))
	mux.HandleFunc("GET "+wire.PathEndings, s.stream)
	mux.Handle("POST "+wire.PathExtension, s.call(s.extendSession))
	mux.Handle("POST "+wire.PathSessionEnd, s.call(s.endSession))
	mux.Handle("POST "+wire.PathSeals, s.call(s.storeSeals))
	mux.Handle("POST "+wire.PathStatus, s.call(s.hearStatus))
	mux.Handle("GET "+wire.PathRecording, s.call(s.recordingState))
	mux.Handle("PUT "+wire.PathRecording, s.call(s.upload))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, "", &wire.Error{Status: http.StatusNotFound, Code: "path.not-found", Title: "There is no such call; are proxy and broker of the same version?"})
	})
	return mux
}

// handler makes one call for a proxy; a nil answer is 204.
type handler func(ctx context.Context, proxy string, r *http.Request) (any, error)

func (s *Server) call(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy, err := s.nameOf(r.TLS)
		if err != nil {
			s.refuse(w, r, "", &wire.Error{Status: http.StatusForbidden, Code: "proxy.unknown", Title: "This key belongs to no proxy of this broker."})
			return
		}
		defer func() {
			if failure := recover(); failure != nil {
				s.log.Error("a call of a proxy panicked", "proxy", proxy, "path", r.URL.Path, "failure", fmt.Sprint(failure))
				s.refuse(w, r, proxy, errors.New("panicked"))
			}
		}()
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		answer, err := handle(ctx, proxy, r)
		if err != nil {
			s.refuse(w, r, proxy, err)
			return
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			s.log.Debug("answering a proxy", "proxy", proxy, "error", err)
		}
	})
}

func (s *Server) startSession(ctx context.Context, proxy string, r *http.Request) (any, error) {
	start, err := decode[wire.SessionStart](r)
	if err != nil {
		return nil, err
	}
	started, err := s.flow.StartSession(ctx, access.SessionStart{
		Session: start.Session, Request: start.Request, Serial: start.Serial, SessionKey: start.SessionKey, Login: start.Login, Target: start.Target,
		Proxy: proxy, ClientAddress: start.ClientAddress, ClientVersion: start.ClientVersion,
	})
	if err != nil {
		return nil, err
	}
	return wire.Session{
		Session: started.Session.ID, Person: started.Session.Person.Subject, Name: started.Session.Person.Name,
		Role: started.Session.Role, GrantEnds: started.GrantEnds, Lease: wire.Lease,
	}, nil
}

func (s *Server) renewLeases(ctx context.Context, proxy string, r *http.Request) (any, error) {
	request, err := decode[wire.LeaseRequest](r)
	if err != nil {
		return nil, err
	}
	if len(request.Sessions) > wire.MaxLeases {
		return nil, &wire.Error{Status: http.StatusUnprocessableEntity, Code: "leases.too-many", Title: fmt.Sprintf("Renew at most %d leases in one call.", wire.MaxLeases)}
	}
	verdicts, err := s.flow.RenewLeases(ctx, proxy, request.Sessions)
	if err != nil {
		return nil, err
	}
	result := wire.LeaseResult{Verdicts: make([]wire.Verdict, len(verdicts))}
	for i, v := range verdicts {
		result.Verdicts[i] = wire.Verdict{Session: v.Session, Lease: v.Lease, Request: v.Request, GrantEnds: v.GrantEnds, Next: v.Next, Present: v.Present, Ended: v.Ended, By: v.By}
	}
	return result, nil
}

func (s *Server) extendSession(ctx context.Context, proxy string, r *http.Request) (any, error) {
	extension, err := decode[wire.Extension](r)
	if err != nil {
		return nil, err
	}
	return nil, s.flow.ExtendSession(ctx, proxy, r.PathValue("session"), extension.Request)
}

func (s *Server) endSession(ctx context.Context, proxy string, r *http.Request) (any, error) {
	end, err := decode[wire.SessionEnd](r)
	if err != nil {
		return nil, err
	}
	return nil, s.flow.EndSession(ctx, proxy, r.PathValue("session"), access.SessionEnd{Reason: end.Reason, Ended: end.Ended, Bytes: end.Bytes})
}

func (s *Server) storeSeals(ctx context.Context, proxy string, r *http.Request) (any, error) {
	reported, err := decode[wire.Seals](r)
	if err != nil {
		return nil, err
	}
	seals := make([]access.Seal, len(reported.Seals))
	for i, seal := range reported.Seals {
		seals[i] = access.Seal{Sequence: seal.Sequence, Offset: seal.Offset, Head: seal.Head}
	}
	return nil, s.flow.StoreSeals(ctx, proxy, r.PathValue("session"), seals)
}

func (s *Server) recordingState(ctx context.Context, proxy string, r *http.Request) (any, error) {
	// 1. Whose session is it? Nothing is looked up by a name that is no session of this proxy.
	session, err := s.flow.SessionOfProxy(ctx, proxy, r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	size, err := s.recordings.Held(session.ID)
	if err != nil {
		return nil, err
	}
	// 2. Is it stored meanwhile? The file goes only after that was noted, so this is asked
	//    again when the file has been looked at.
	if session, err = s.flow.SessionOfProxy(ctx, proxy, session.ID); err != nil {
		return nil, err
	}
	if !session.Stored.IsZero() || !session.Removed.IsZero() {
		size = session.Size
	}
	return wire.RecordingState{Bytes: size}, nil
}

func (s *Server) upload(ctx context.Context, proxy string, r *http.Request) (any, error) {
	// 1. Whose session is it?
	session, err := s.flow.SessionOfProxy(ctx, proxy, r.PathValue("session"))
	if err != nil {
		return nil, err
	}
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		return nil, &wire.Error{Status: http.StatusUnprocessableEntity, Code: "recording.offset", Title: "Say where the bytes belong: ?offset= and a number."}
	}
	if r.ContentLength < 0 || r.ContentLength > wire.MaxChunk {
		return nil, &wire.Error{Status: http.StatusRequestEntityTooLarge, Code: "recording.chunk", Title: fmt.Sprintf("Send a length, and at most %d bytes at a time.", wire.MaxChunk)}
	}
	// 2. The whole chunk, so that half of one is never written.
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	chunk := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, chunk); err != nil {
		return nil, &wire.Error{Status: http.StatusBadRequest, Code: "recording.cut", Title: "The bytes did not arrive in full; send them again."}
	}
	// 3. On disk.
	size, err := s.recordings.Append(session.ID, offset, chunk)
	if errors.Is(err, recordings.ErrOffset) {
		return nil, &wire.Error{Status: http.StatusConflict, Code: "recording.offset", Title: fmt.Sprintf("The recording is held up to byte %d; go on from there.", size)}
	}
	if err != nil {
		return nil, err
	}
	// 4. Noted. The file is what counts; the note is for lists.
	if err := s.marker.SetRecordingBytes(ctx, session.ID, size); err != nil {
		s.log.Warn("noting the size of a recording", "session", session.ID, "error", err)
	}
	return wire.RecordingState{Bytes: size}, nil
}

// decode reads exactly one JSON value without unknown fields.
func decode[T any](r *http.Request) (T, error) {
	var value T
	malformed := func(code, title string) (T, error) {
		return value, &wire.Error{Status: http.StatusBadRequest, Code: code, Title: title}
	}
	data, err := border.ReadAtMost(r.Body, maxBody)
	if errors.Is(err, border.ErrTooLong) {
		return value, &wire.Error{Status: http.StatusRequestEntityTooLarge, Code: "input.too-large", Title: "The body is too large for this call."}
	} else if err != nil {
		return malformed("input.cut", "The body did not arrive in full.")
	}
	if err := border.DecodeStrict(data, &value); errors.Is(err, border.ErrFollowed) {
		return malformed("input.malformed", "Something follows the JSON in the body.")
	} else if err != nil {
		return malformed("input.malformed", "The body is not the JSON that this call expects; are proxy and broker of the same version?")
	}
	return value, nil
}

// statuses are the answers to the flow's problems.
var statuses = map[access.Problem]int{
	access.Invalid: http.StatusUnprocessableEntity, access.Unauthenticated: http.StatusForbidden,
	access.Forbidden: http.StatusForbidden, access.NotFound: http.StatusNotFound, access.Conflict: http.StatusConflict,
	access.PolicyRefused: http.StatusForbidden, access.SignerRefused: http.StatusForbidden, access.Unavailable: http.StatusServiceUnavailable,
}

// refuse answers with an error. What is not a refusal is logged and told as a
// failure, which the proxy tries again.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, proxy string, err error) {
	problem := &wire.Error{Status: http.StatusInternalServerError, Code: "internal", Title: "The broker could not do this; it has been logged."}
	var refusal *wire.Error
	var flow *access.Error
	switch {
	case errors.As(err, &refusal):
		problem = refusal
	case errors.As(err, &flow) && statuses[flow.Problem] != 0:
		problem = &wire.Error{Status: statuses[flow.Problem], Code: flow.Code, Title: flow.Message}
	case errors.Is(err, recordings.ErrName):
		problem = &wire.Error{Status: http.StatusUnprocessableEntity, Code: "session.name", Title: recordings.ErrName.Error() + "."}
	}
	if problem.Status >= http.StatusInternalServerError {
		s.log.Error("a call of a proxy failed", "proxy", proxy, "method", r.Method, "path", r.URL.Path, "code", problem.Code, "error", err)
	} else {
		s.log.Info("a call of a proxy was refused", "proxy", proxy, "method", r.Method, "path", r.URL.Path, "code", problem.Code)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	_ = json.NewEncoder(w).Encode(problem)
}
