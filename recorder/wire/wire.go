// Package wire is the contract between a recording proxy and the broker. The
// broker serves it on a listener of its own, over mutual TLS; the proxy's name
// is the common name of its client certificate, whose public key the broker
// pins. Bodies are JSON, except recordings, which are bytes.
package wire

import (
	"time"

	"stint/policies"
	"stint/server/ledger"
)

// Paths of the calls; {session} is a session id.
const (
	PathSessions   = "/v1/sessions"                     // POST SessionStart -> Session
	PathLeases     = "/v1/leases"                       // POST LeaseRequest -> LeaseResult
	PathEndings    = "/v1/endings"                      // GET -> stream of Ending, one JSON object a line, with pings
	PathSessionEnd = "/v1/sessions/{session}/end"       // POST SessionEnd
	PathExtension  = "/v1/sessions/{session}/extension" // POST Extension
	PathRecording  = "/v1/sessions/{session}/recording" // GET -> RecordingState; PUT ?offset=N bytes -> RecordingState
	PathSeals      = "/v1/sessions/{session}/seals"     // POST Seals
	PathStatus     = "/v1/status"                       // POST ProxyStatus
)

// Lease is how long a live session outlives its last renewal. The proxy renews
// every LeaseRenewal; a session whose lease runs out is closed.
const (
	Lease        = 15 * time.Second
	LeaseRenewal = 5 * time.Second
	// EndingsPing is how often the endings stream carries an empty line's worth
	// of life; a proxy that hears nothing for two of them reconnects.
	EndingsPing = 5 * time.Second
	// StatusEvery is how often a proxy says how it is; one that is silent for
	// StatusLost is taken for dead, and nobody is sent there.
	StatusEvery = 3 * time.Second
	StatusLost  = 10 * time.Second
	// MaxChunk bounds the bytes of one recording upload.
	MaxChunk = 4 << 20
	// MaxSessions bounds the live sessions of one grant: at the broker those of all
	// proxies together, at each proxy its own.
	MaxSessions = 128
)

// CodeNotLive is the code of the refusal of a session whose grant is over.
const CodeNotLive = "request.not-live"

// SessionStart announces a connection that has authenticated at the proxy with
// a user certificate.
type SessionStart struct {
	Session       string `json:"session"` // chosen by the proxy, 128 random bits; repeating it is harmless
	Request       string `json:"request"` // key id of the certificate
	Serial        uint64 `json:"serial"`
	SessionKey    string `json:"session_key"` // that the certificate is for, authorized_keys form
	Login         string `json:"login"`
	Target        string `json:"target"`
	ClientAddress string `json:"client_address"`
	ClientVersion string `json:"client_version"`
}

// Session is the broker's yes: the grant is live and policy still allows it.
type Session struct {
	Session   string           `json:"session"`
	Person    policies.Subject `json:"person"`
	Name      string           `json:"name"`
	Role      string           `json:"role"`
	GrantEnds time.Time        `json:"grant_ends"`
	Lease     time.Duration    `json:"lease"` // from now, on the proxy's monotonic clock
}

// LeaseRequest renews the leases of live sessions, all of a proxy's in one call
// (at most MaxLeases; more calls for more).
type LeaseRequest struct {
	Sessions []string `json:"sessions"`
}

// MaxLeases bounds one LeaseRequest.
const MaxLeases = 1000

// LeaseResult has a verdict for each session asked about, in the same order.
type LeaseResult struct {
	Verdicts []Verdict `json:"verdicts"`
}

// Verdict is either a lease or an ending.
type Verdict struct {
	Session string        `json:"session"`
	Lease   time.Duration `json:"lease,omitempty"`
	// Request is whose grant the session has, which ends at GrantEnds.
	Request   string    `json:"request,omitempty"`
	GrantEnds time.Time `json:"grant_ends,omitzero"`
	// Next is whose grant the session may go on under, if the signer says so too.
	Next string `json:"next,omitempty"`
	// Present is when whose session it is last said to the signer that they are there.
	Present time.Time `json:"present,omitzero"`
	Ended   string    `json:"ended,omitempty"` // one of Reasons, or unknown: the broker has no such session of this proxy
	By      string    `json:"by,omitempty"`    // a person's name, for the notice in the terminal
}

// Ending tells the proxies to close sessions at once. An Ending without Request
// and Session is a ping.
type Ending struct {
	Request string    `json:"request,omitempty"` // every session of this grant
	Session string    `json:"session,omitempty"` // or this one alone
	Reason  string    `json:"reason,omitempty"`  // ReasonDropped, ReasonRevoked, ReasonExpired, ReasonKilled or ReasonDevice
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Extension reports that the signer lets a live session go on under another grant. The
// session lasts longer only once the broker has taken it. Repeating it is harmless.
type Extension struct {
	Request string `json:"request"`
}

// SessionEnd reports that a session is over.
type SessionEnd struct {
	Reason string    `json:"reason"` // one of Reasons
	Ended  time.Time `json:"ended"`
	Bytes  int64     `json:"bytes"` // size of the whole recording
}

// RecordingState says how much of a recording the broker holds durably. Upload
// goes on from there.
type RecordingState struct {
	Bytes int64 `json:"bytes"`
}

// Seals reports sealed segments, in order; repeating one is harmless, changing
// one is refused.
type Seals struct {
	Seals []Seal `json:"seals"`
}

// Seal is the head of a recording's hash chain after one segment.
type Seal struct {
	Sequence int64       `json:"sequence"`
	Offset   int64       `json:"offset"` // bytes of the recording up to and with this seal
	Head     ledger.Hash `json:"head"`
}

// States of a proxy's process.
const (
	ProxyServes  = "serving"
	ProxyDrains  = "draining" // no session starts there; those it has go on
	ProxyStopped = "stopped"
)

// ProxyStatus says how a process of a proxy's is. There are two of one name while one
// takes over from another.
type ProxyStatus struct {
	Process  string    `json:"process"` // chosen at its start, 128 random bits
	Version  string    `json:"version"`
	State    string    `json:"state"`
	Started  time.Time `json:"started"`
	Sessions int       `json:"sessions"`
}

// Error is the body of every refusal (RFC 9457, application/problem+json).
type Error struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
}

// Error gives the code and the sentence.
func (e *Error) Error() string { return e.Code + ": " + e.Title }
