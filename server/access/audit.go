package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"stint/policies"
)

// Kinds of audit events. They are stable.
const (
	EventSignedIn            = "person.signed-in"
	EventSignedOut           = "person.signed-out"
	EventLoginRequested      = "login.requested"
	EventLoginConfirmed      = "login.confirmed"
	EventEnrolmentStarted    = "enrolment.started"
	EventEnrolmentProved     = "enrolment.proved"
	EventEnrolmentPinned     = "enrolment.pinned"
	EventEnrolmentRejected   = "enrolment.rejected"
	EventPasskeyRenamed      = "passkey.renamed"
	EventPasskeyRemoved      = "passkey.removed"
	EventEnrolmentSigned     = "enrolment.signed"
	EventChangeProposed      = "change.proposed"
	EventChangeSigned        = "change.signed"
	EventChangeInForce       = "change.in-force"
	EventChangeRejected      = "change.rejected"
	EventChangeExpired       = "change.expired"
	EventChangeSuperseded    = "change.superseded"
	EventSuspended           = "person.suspended"
	EventSuspensionDelivered = "person.suspension-confirmed" // the signer has it in its ledger
	EventSuspensionRefused   = "person.suspension-refused"
	EventInventoryTaken      = "inventory.taken"
	EventKeysRotated         = "keys.rotated"
	EventAsked               = "request.asked"
	EventBreakGlass          = "request.break-glass-asked" // in the place of EventAsked
	EventRefused             = "request.refused"           // when it was asked: no request came of it
	EventBreakGlassTold      = "request.break-glass-told"
	EventBreakGlassFound     = "request.break-glass-found" // its use, in the signer's ledger
	EventConfirmed           = "request.confirmed"
	EventReminded            = "request.reminded"
	EventEscalated           = "request.escalated"
	EventReviewDue           = "review.due"
	EventReviewed            = "review.closed"
	EventApprovalGiven       = "request.approval-given"
	EventApproved            = "request.approved"
	EventDenied              = "request.denied"
	EventWithdrawn           = "request.withdrawn"
	EventExpired             = "request.expired"
	EventCertificateIssued   = "certificate.issued"
	EventCertificateReissued = "certificate.issued-again"
	EventCertificateHeld     = "certificate.withheld"
	EventGrantEnded          = "grant.ended"
	EventEndingDelivered     = "grant.end-confirmed" // the signer has it in its ledger
	EventSessionStarted      = "session.started"
	EventSessionRefused      = "session.refused"
	EventSessionExtended     = "session.extended"
	EventPresence            = "session.presence"
	EventSessionKilled       = "session.killed"
	EventSessionEnded        = "session.ended"
	EventRecordingSealed     = "recording.sealed"
	EventRecordingRead       = "recording.read"
	EventRecordingStored     = "recording.stored"
	EventRecordingHeld       = "recording.held"
	EventRecordingReleased   = "recording.released"
	EventRecordingRemoved    = "recording.removed"
	EventClockBehind         = "clock.behind"
	EventClockRight          = "clock.right"
	EventAlarmRaised         = "alarm.raised"
	EventAlarmAcknowledged   = "alarm.acknowledged"
)

// AuditEvent is one leaf of the audit log: what happened, to what, by whom. Its
// encoding is the JSON of this struct, in this order, and nothing else.
type AuditEvent struct {
	Version int             `json:"version"` // 1
	Time    time.Time       `json:"time"`    // never before the event in front of it
	Kind    string          `json:"kind"`
	Actor   *Actor          `json:"actor,omitempty"` // absent: time, or Stint itself
	Request string          `json:"request,omitempty"`
	Session string          `json:"session,omitempty"`
	Text    string          `json:"text"` // one sentence for people
	Data    json.RawMessage `json:"data,omitempty"`
}

// Actor is who did it.
type Actor struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Name    string `json:"name,omitempty"`
	Proxy   string `json:"proxy,omitempty"` // alone, when a proxy said so
}

// ActorOf names a person as the one who did something.
func ActorOf(p policies.Person) *Actor {
	return &Actor{Issuer: p.Issuer, Subject: p.Subject.Subject, Name: p.Name}
}

// AuditLeaf is an event with its place in the log.
type AuditLeaf struct {
	Index int64
	Event AuditEvent
	Data  []byte   // exact bytes
	Hash  [32]byte // RFC 6962 leaf hash, as stored at the time
}

// Encode gives the leaf's bytes.
func (e AuditEvent) Encode() ([]byte, error) {
	e.Time = e.Time.UTC()
	return encodeJSON(e)
}

func encodeJSON(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding an audit event: %w", err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// ParseAuditEvent reads a leaf. Unknown fields, and anything behind it, are refused.
func ParseAuditEvent(data []byte) (AuditEvent, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var e AuditEvent
	if err := decoder.Decode(&e); err != nil {
		return AuditEvent{}, fmt.Errorf("reading an audit event: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return AuditEvent{}, errors.New("reading an audit event: something follows it")
	}
	if e.Version != 1 {
		return AuditEvent{}, fmt.Errorf("reading an audit event: version %d is not known", e.Version)
	}
	return e, nil
}
