package api

import (
	"encoding/json"
	"time"
)

// Session is one connection through a proxy, with its recording.
type Session struct {
	ID            string     `json:"id"`
	Request       string     `json:"request"`
	Extension     string     `json:"extension,omitempty" doc:"the request whose grant it goes on under, if it was extended"`
	Person        Person     `json:"person"`
	Role          string     `json:"role"`
	Login         string     `json:"login"`
	Target        string     `json:"target"`
	Proxy         string     `json:"proxy"`
	ClientAddress string     `json:"client_address"`
	ClientVersion string     `json:"client_version"`
	Started       time.Time  `json:"started"`
	Ended         *time.Time `json:"ended,omitempty"`
	EndReason     string     `json:"end_reason,omitempty"`
	Live          bool       `json:"live"`
	Bytes         int64      `json:"bytes" doc:"of the recording, so far"`
	Seals         int        `json:"seals"`
	// ChainVerified says what the broker found when it last read the whole
	// recording against its seals in the audit log: verified, cut, broken, live;
	// unchecked: a long one that it has not read since it started (open the session);
	// removed: one whose time was over.
	ChainVerified string `json:"chain_verified" enum:"verified,cut,broken,live,unchecked,removed"`
	ChainDetail   string `json:"chain_detail,omitempty"`
	// Stored is when the whole recording was found in the object store, and Digest the
	// SHA-256 of what was found there.
	Stored *time.Time `json:"stored,omitempty"`
	Digest string     `json:"digest,omitempty"`
	// Hold keeps the recording from being removed.
	Hold *Hold `json:"hold,omitempty"`
	// Removed is when the recording's time was over.
	Removed *time.Time `json:"removed,omitempty"`
	// ReauthenticateBy is by when, about, its person must say again by passkey that they are
	// there; set where one live session is read whose role asks.
	ReauthenticateBy *time.Time `json:"reauthenticate_by,omitempty"`
	// May is what the caller may do: kill, extend, reauthenticate, replay, hold, release. Set where one session is read,
	// as is GrantEnds: when the grant ends that a live one has.
	May       []string   `json:"may,omitempty"`
	GrantEnds *time.Time `json:"grant_ends,omitempty"`
}

// Hold is a legal hold of a recording.
type Hold struct {
	By     Person    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Sessions is a page of sessions, live first, then newest first.
type Sessions struct {
	Items  []Session `json:"items"`
	Cursor string    `json:"cursor,omitempty"`
}

// EventsFormat is the media type of a recording's decoded events, for players:
// frames of a fixed little-endian header and a payload,
//
//	u8  kind     (the kind numbers of recorder/cast/FORMAT.md)
//	u8  zero
//	u16 channel
//	u32 payload length in bytes
//	u64 offset   in microseconds since the start of the recording
//	payload
//
// The first frame has kind 0 and the recording's header as JSON. Payloads of
// output, error output and input (kinds 2, 3, 4) are the bytes themselves, those
// of every other kind the JSON of the body as recorder/cast has it. Input is left
// out unless ?input=true asks for it, and what went through a connection (a forward,
// the agent, X11) always. A stream that ends without a frame of the
// kind end is of a session that still runs, or was cut.
const EventsFormat = "application/vnd.stint.events"

// RecordingKeys is the header of a recording's own secrets, which come with its file
// where the broker has a key for it: recorder/cast.Revealed as JSON, in base64. What was
// typed stays closed without them as with them.
const RecordingKeys = "Stint-Recording-Keys"

// AuditEvent is one leaf of the broker's audit log.
type AuditEvent struct {
	Index   int64           `json:"index"`
	Time    time.Time       `json:"time"`
	Kind    string          `json:"kind" doc:"for example request.asked, request.approved, session.started"`
	Actor   *Person         `json:"actor,omitempty"`
	Request string          `json:"request,omitempty"`
	Session string          `json:"session,omitempty"`
	Text    string          `json:"text" doc:"one sentence"`
	Data    json.RawMessage `json:"data,omitempty"`
	Hash    string          `json:"hash" doc:"RFC 6962 leaf hash, base64"`
}

// AuditEvents is a page of the audit log, newest first.
type AuditEvents struct {
	Items      []AuditEvent `json:"items"`
	Cursor     string       `json:"cursor,omitempty"`
	Checkpoint string       `json:"checkpoint"`
}

// AuditLog is a run of leaves, oldest first, with the newest checkpoint.
type AuditLog struct {
	From       int64       `json:"from"`
	Leaves     []AuditLeaf `json:"leaves"`
	Checkpoint string      `json:"checkpoint"`
	Key        string      `json:"key" doc:"verifier key of the checkpoint"`
}

// AuditLeaf is a leaf's exact bytes and the hash that was stored beside it.
type AuditLeaf struct {
	Data string `json:"data"`
	Hash string `json:"hash"`
}

// Trust is the signer's trust, the ledger's head, and where to connect.
type Trust struct {
	Trust      json.RawMessage `json:"trust" doc:"evidence.Trust"`
	Checkpoint string          `json:"checkpoint"`
	AuditKey   string          `json:"audit_key"`
	Proxies    []Proxy         `json:"proxies"`
	Targets    []Target        `json:"targets"`
	Issuer     string          `json:"issuer"`
	ClientID   string          `json:"client_id"`
}

// KeyRotation replaces keys of the signer's at once.
type KeyRotation struct {
	Purpose string `json:"purpose" enum:"user-ca,target-ca,host-ca,token,all"`
	Reason  string `json:"reason" maxLength:"300"`
}

// KeysRotated says what became of live grants, whose certificates a rotation may have
// made worthless.
type KeysRotated struct {
	Reissued int             `json:"reissued" doc:"live grants whose newest certificate was issued once more"`
	Failed   []FailedReissue `json:"failed" doc:"those whose was not; their requesters have to activate them anew. At most 100"`
	More     bool            `json:"more" doc:"more failed, or more are still to come and follow by themselves"`
}

// FailedReissue is a live grant whose certificate counts no longer.
type FailedReissue struct {
	Request   string `json:"request"`
	Principal string `json:"principal" doc:"login@target"`
	Why       string `json:"why" doc:"one sentence"`
}

// Health is whether the broker can do its work.
type Health struct {
	Status   string   `json:"status" enum:"ok,degraded"`
	Troubles []string `json:"troubles" doc:"what does not work now, one sentence each"`
	Version  string   `json:"version,omitempty"`
}
