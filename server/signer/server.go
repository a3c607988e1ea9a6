package signer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"stint/server/border"
	"stint/server/signer/wire"
)

const (
	callTimeout = 12 * time.Second // shorter than the client's, which then hears why
	maxGiving   = 64               // calls of one caller that give, at a time
	maxTaking   = 64               // calls of one caller that take away; their own, so that giving cannot crowd them out
	// calls of one caller that confirm the ledger, or read it
	maxConfirming = 8
)

// caller is who a pinned key stands for. Each has slots of its own, so that a
// stolen proxy that keeps calls waiting holds up nobody else.
type caller struct {
	name   string
	proxy  *ProxyConfig // nil for the broker
	giving chan struct{}
	taking chan struct{}
	// Confirming is apart: calls that wait for it must not hold it up.
	confirming chan struct{}
}

func newCaller(name string, proxy *ProxyConfig) caller {
	return caller{
		name: name, proxy: proxy,
		giving: make(chan struct{}, maxGiving), taking: make(chan struct{}, maxTaking), confirming: make(chan struct{}, maxConfirming),
	}
}

// Which of a caller's slots a call takes.
func giving(by caller) chan struct{}     { return by.giving }
func taking(by caller) chan struct{}     { return by.taking }
func confirming(by caller) chan struct{} { return by.confirming }

// server takes calls.
type server struct {
	signer  *signer
	log     *slog.Logger
	callers map[string]caller // by key
}

// Who may make a call.
type callers int

const (
	brokerOnly callers = iota
	proxyOnly
	brokerOrProxy
)

func newServer(s *signer, log *slog.Logger) *server {
	server := &server{signer: s, log: log, callers: map[string]caller{s.config.Broker: newCaller("broker", nil)}}
	for _, proxy := range s.config.Proxies {
		server.callers[proxy.Key] = newCaller(proxy.Name, &proxy)
	}
	return server
}

// handler holds every call with who may make it.
func (v *server) handler() http.Handler {
	s := v.signer
	mux := http.NewServeMux()
	mux.Handle("POST "+wire.PathSignSession, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.SessionRequest) (any, error) {
		return s.signSession(ctx, in)
	})))
	mux.Handle("POST "+wire.PathReissue, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.ReissueRequest) (any, error) {
		return s.reissue(ctx, in)
	})))
	mux.Handle("POST "+wire.PathSignTarget, v.call(proxyOnly, giving, body(func(ctx context.Context, by caller, in wire.TargetRequest) (any, error) {
		return s.signTarget(ctx, *by.proxy, in)
	})))
	mux.Handle("POST "+wire.PathContinue, v.call(proxyOnly, giving, body(func(ctx context.Context, by caller, in wire.ContinueRequest) (any, error) {
		return s.continueSession(ctx, *by.proxy, in)
	})))
	mux.Handle("POST "+wire.PathSignHost, v.call(proxyOnly, giving, body(func(ctx context.Context, by caller, in wire.HostRequest) (any, error) {
		return s.signHost(ctx, *by.proxy, in)
	})))
	mux.Handle("GET "+wire.PathTargetTrust, v.call(brokerOnly, giving, func(r *http.Request, _ caller) (any, error) {
		from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
		if err != nil || from < 0 {
			return nil, refuse(http.StatusBadRequest, "from", "Say with from how many entries of the ledger the target has seen (0 or more).")
		}
		return s.targetTrust(r.Context(), from)
	}))
	mux.Handle("POST "+wire.PathEnrol, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.EnrolRequest) (any, error) {
		return s.pin(ctx, in)
	})))
	mux.Handle("POST "+wire.PathRemovePasskey, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.RemovePasskeyRequest) (any, error) {
		return s.removePasskey(ctx, in)
	})))
	mux.Handle("POST "+wire.PathChange, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.ChangeRequest) (any, error) {
		return s.change(ctx, in)
	})))
	mux.Handle("POST "+wire.PathPolicy, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.PolicyRequest) (any, error) {
		return s.changePolicy(ctx, in)
	})))
	mux.Handle("POST "+wire.PathInventory, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.InventoryRequest) (any, error) {
		return s.changeInventory(ctx, in)
	})))
	mux.Handle("POST "+wire.PathSuspend, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.SuspendRequest) (any, error) {
		return s.suspend(ctx, in)
	})))
	mux.Handle("POST "+wire.PathDevice, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.DeviceRequest) (any, error) {
		return s.enrolDevice(ctx, in)
	})))
	mux.Handle("POST "+wire.PathChallengeDevice, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.ChallengeRequest) (any, error) {
		return s.challenge(ctx, in)
	})))
	mux.Handle("POST "+wire.PathBlockDevice, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.BlockDeviceRequest) (any, error) {
		return s.blockDevice(ctx, in)
	})))
	mux.Handle("POST "+wire.PathDelegate, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.DelegateRequest) (any, error) {
		return s.delegate(ctx, in)
	})))
	mux.Handle("POST "+wire.PathEndDelegation, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.EndDelegationRequest) (any, error) {
		return s.endDelegation(ctx, in)
	})))
	mux.Handle("POST "+wire.PathReview, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.ReviewRequest) (any, error) {
		return s.review(ctx, in)
	})))
	mux.Handle("POST "+wire.PathPresence, v.call(brokerOnly, giving, body(func(ctx context.Context, _ caller, in wire.PresenceRequest) (any, error) {
		return s.presence(ctx, in)
	})))
	mux.Handle("POST "+wire.PathPresent, v.call(proxyOnly, giving, body(func(_ context.Context, _ caller, in wire.PresentRequest) (any, error) {
		return s.present(in)
	})))
	mux.Handle("POST "+wire.PathEnd, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.EndRequest) (any, error) {
		return s.end(ctx, in)
	})))
	mux.Handle("POST "+wire.PathRotate, v.call(brokerOnly, taking, body(func(ctx context.Context, _ caller, in wire.RotateRequest) (any, error) {
		return s.rotate(ctx, in)
	})))
	mux.Handle("POST "+wire.PathConfirm, v.call(brokerOnly, confirming, body(func(_ context.Context, _ caller, in wire.ConfirmRequest) (any, error) {
		return s.confirm(in)
	})))
	mux.Handle("GET "+wire.PathConsistency, v.call(brokerOnly, confirming, func(r *http.Request, _ caller) (any, error) {
		from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
		if err != nil || from < 0 {
			return nil, refuse(http.StatusBadRequest, "page", "A proof begins at from (0 or more).")
		}
		return s.consistency(from)
	}))
	mux.Handle("GET "+wire.PathTrust, v.call(brokerOrProxy, confirming, func(r *http.Request, _ caller) (any, error) {
		return s.trust(r.Context())
	}))
	mux.Handle("GET "+wire.PathLedger, v.call(brokerOnly, confirming, func(r *http.Request, _ caller) (any, error) {
		from, limit, err := pageOf(r)
		if err != nil {
			return nil, err
		}
		return s.page(from, limit)
	}))
	mux.Handle("GET "+wire.PathHealth, v.call(brokerOrProxy, confirming, func(*http.Request, caller) (any, error) {
		return s.healthy()
	}))
	mux.Handle("/", v.call(brokerOrProxy, giving, func(*http.Request, caller) (any, error) {
		return nil, refuse(http.StatusNotFound, "no-such-call", "The signer has no such call. Are both of the same version?")
	}))
	return mux
}

// call is the frame of every call: who calls, whether they may, how many at a
// time, how long, and what becomes of a refusal.
func (v *server) call(may callers, slotsOf func(caller) chan struct{}, act func(*http.Request, caller) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		by, err := v.identify(r, may)
		if err != nil {
			v.refuse(w, r, by, err)
			return
		}
		slots := slotsOf(by)
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			v.refuse(w, r, by, refuse(http.StatusServiceUnavailable, "busy", "The signer is busy. Try again in a moment."))
			return
		}
		// Whatever would be put into the ledger waits until the ledger is confirmed.
		if r.Method == http.MethodPost && r.URL.Path != wire.PathConfirm {
			if err := v.signer.book.standing.wait(ctx); err != nil {
				v.refuse(w, r, by, err)
				return
			}
		}
		answer, err := act(r.WithContext(ctx), by)
		if err != nil {
			v.refuse(w, r, by, err)
			return
		}
		v.write(w, http.StatusOK, "application/json", answer)
	})
}

// identify says who calls, by the key of the certificate that the handshake has
// proven, and refuses who may not make this call.
func (v *server) identify(r *http.Request, may callers) (caller, error) {
	unknown := caller{name: "unknown"}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return unknown, refuse(http.StatusForbidden, "not-pinned", "The signer knows its callers by their certificates.")
	}
	key := border.KeyOf(r.TLS.PeerCertificates[0])
	by, ok := v.callers[key]
	if !ok {
		return unknown, refuse(http.StatusForbidden, "not-pinned", "The signer does not know this caller's key. Put it into the signer's configuration.").
			because(fmt.Errorf("key %s", key))
	}
	if may == brokerOnly && by.proxy != nil || may == proxyOnly && by.proxy == nil {
		return by, refuse(http.StatusForbidden, "not-allowed", "This call is not for this kind of caller.")
	}
	return by, nil
}

// body decodes the body of a call, strictly.
func body[In any](act func(context.Context, caller, In) (any, error)) func(*http.Request, caller) (any, error) {
	return func(r *http.Request, by caller) (any, error) {
		var in In
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return nil, refuse(http.StatusUnsupportedMediaType, "media-type", "The body of a call is application/json.")
		}
		data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, wire.MaxBody))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, refuse(http.StatusRequestEntityTooLarge, "too-large", "The body of the call is too long.")
		}
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "malformed", "The body of the call did not arrive whole.").because(err)
		}
		if err := errors.Join(border.CheckNames(data), border.DecodeStrict(data, &in)); err != nil {
			return nil, refuse(http.StatusBadRequest, "malformed", "The body of the call is not as the contract has it.").because(err)
		}
		return act(r.Context(), by, in)
	}
}

func pageOf(r *http.Request) (from int64, limit int, err error) {
	query := r.URL.Query()
	from, fromErr := strconv.ParseInt(query.Get("from"), 10, 64)
	limit, limitErr := strconv.Atoi(query.Get("limit"))
	if fromErr != nil || limitErr != nil || from < 0 || limit < 1 || limit > wire.MaxLedgerPage {
		return 0, 0, refuse(http.StatusBadRequest, "page", fmt.Sprintf("A page begins at from (0 or more) and has at most limit (1 to %d) entries.", wire.MaxLedgerPage))
	}
	return from, limit, nil
}

// refuse answers with a problem, gathers it for the ledger, and tells the log the
// first of its kind. What is not a refusal is a fault of the signer's own.
func (v *server) refuse(w http.ResponseWriter, r *http.Request, by caller, err error) {
	no, ok := errors.AsType[*refusal](err)
	if !ok {
		v.log.Error("a call failed", "call", r.URL.Path, "caller", by.name, "error", err)
		no = refuse(http.StatusInternalServerError, "internal", "The signer could not do this. Its log says why.")
	} else if v.signer.refusals.add(by.name, callName(r), no.problem) {
		v.log.Warn("a call is refused", "call", r.URL.Path, "caller", by.name, "code", no.problem.Code, "title", no.problem.Title, "error", no.cause)
	}
	v.write(w, no.problem.Status, wire.ProblemType, no.problem)
}

// callName is the path, if it is one of the calls; the ledger holds no text that a
// caller makes up freely.
func callName(r *http.Request) string {
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return path
	}
	return "other"
}

func (v *server) write(w http.ResponseWriter, status int, kind string, answer any) {
	data, err := json.Marshal(answer)
	if err != nil {
		v.log.Error("an answer cannot be encoded", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(data); err != nil {
		v.log.Debug("an answer did not arrive", "error", err)
	}
}

// httpServer is the transport: HTTP/1.1 over TLS 1.3, both sides with
// certificates, everything with a bound.
func (v *server) httpServer(files TLSFiles) (*http.Server, error) {
	certificate, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the signer's TLS certificate: %w", err)
	}
	authority, err := os.ReadFile(files.Authority)
	if err != nil {
		return nil, fmt.Errorf("loading the authority of callers' certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", files.Authority)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: v.handler(),
		TLSConfig: &tls.Config{
			MinVersion:             tls.VersionTLS13,
			Certificates:           []tls.Certificate{certificate},
			ClientAuth:             tls.RequireAndVerifyClientCert,
			ClientCAs:              pool,
			SessionTicketsDisabled: true, // a caller whose key is taken out of the configuration proves it anew
		},
		Protocols:         protocols,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(v.log.Handler(), slog.LevelDebug),
	}, nil
}
