// Package wire is the contract between the signer and those who call it: the
// broker and the recording proxies. Calls are HTTP POST with JSON bodies over
// mutual TLS; the client certificate's public key says who calls, and the
// signer pins it. Unknown fields are refused on both sides.
package wire

import (
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/ledger"
)

// Paths of the calls. The comment says who may make each.
const (
	PathTrust         = "/v1/trust"          // GET; broker, proxy
	PathLedger        = "/v1/ledger"         // GET ?from=&limit=; broker
	PathEnrol         = "/v1/enrol"          // broker
	PathRemovePasskey = "/v1/remove-passkey" // broker
	PathSuspend       = "/v1/suspend"        // broker
	PathChange        = "/v1/change"         // broker
	PathPolicy        = "/v1/policy"         // broker
	PathInventory     = "/v1/inventory"      // broker
	PathEnd           = "/v1/end"            // broker
	PathDevice        = "/v1/device"         // broker
	PathBlockDevice   = "/v1/block-device"   // broker
	PathDelegate      = "/v1/delegate"       // broker
	PathEndDelegation = "/v1/end-delegation" // broker
	PathReview        = "/v1/review"         // broker
	PathSignSession   = "/v1/sign/session"   // broker
	PathReissue       = "/v1/reissue"        // broker
	PathSignTarget    = "/v1/sign/target"    // proxy
	PathSignHost      = "/v1/sign/host"      // proxy
	PathContinue      = "/v1/continue"       // proxy
	PathPresence      = "/v1/presence"       // broker
	PathPresent       = "/v1/present"        // proxy
	PathRotate        = "/v1/rotate"         // broker
	PathHealth        = "/v1/health"         // GET; anybody whose certificate is pinned
	PathConfirm       = "/v1/confirm"        // broker
	PathConsistency   = "/v1/consistency"    // GET ?from=; broker
)

// Limits of the transport.
const (
	MaxBody       = 1 << 20 // bytes of one request
	MaxLedgerPage = 500     // entries of one answer
)

// Codes of refusals that a broker acts on.
const (
	// CodeNoSuchPasskey: the roster does not hold the passkey that is to be removed, or
	// holds it no longer.
	CodeNoSuchPasskey = "no-such-passkey"
	// CodeUnconfirmed: the signer has begun anew and waits for [ConfirmRequest].
	CodeUnconfirmed = "unconfirmed"
	// CodeRolledBack: the signer's ledger lacks what the broker has mirrored. The
	// signer ends, and gives nothing until its data directory is restored.
	CodeRolledBack = "rolled-back"
	// CodeNoSuchDelegation: the delegation that is to end never took effect, or is long over.
	CodeNoSuchDelegation = "no-such-delegation"
	// CodeScheduled: everything is agreed, and the time that was set has not come.
	CodeScheduled = "evidence.scheduled"
)

// SessionRequest asks for a certificate for a person.
type SessionRequest struct {
	Bundle evidence.Bundle `json:"bundle"`
	// Asserted are the facts that policies.Bundle.Needs names for the role, no others and
	// sorted by name. One that is not known is left out.
	Asserted []policies.Assertion `json:"asserted,omitempty"`
}

// ReissueRequest asks for a certificate in the place of one whose key was withdrawn:
// for the same session key, principal and end. It is idempotent, also where that one was
// withdrawn too: the answer is the one that counts now. It gives nothing that was not
// given before, and is refused where a new activation would be, ages apart.
type ReissueRequest struct {
	Serial uint64 `json:"serial"`
}

// SessionCertificate is the answer: an OpenSSH user certificate that the proxy
// accepts. Its key id is the request id, its one principal is login@target, its
// end is the grant's.
type SessionCertificate struct {
	Certificate string         `json:"certificate"` // authorized_keys form
	Serial      uint64         `json:"serial"`
	Ends        time.Time      `json:"ends"`
	Proof       evidence.Proof `json:"proof"`
}

// TargetRequest asks, for a proxy, for a certificate that opens one connection
// to the target of a live grant. The signer takes login and target from its own
// ledger, never from the caller.
type TargetRequest struct {
	Request   string `json:"request"`
	PublicKey string `json:"public_key"` // authorized_keys form, fresh
}

// TargetCertificate is the answer, with where to go and whom to expect there.
type TargetCertificate struct {
	Certificate string           `json:"certificate"` // principal login@target, lives TargetLife
	Login       string           `json:"login"`
	Target      string           `json:"target"`
	Address     string           `json:"address"`  // host:port, from the signer's policy
	HostKey     string           `json:"host_key"` // authorized_keys form, from the signer's policy
	Ends        time.Time        `json:"ends"`     // of the certificate
	GrantEnds   time.Time        `json:"grant_ends"`
	Role        string           `json:"role"`
	Requester   policies.Subject `json:"requester"`
	Rules       SessionRules     `json:"rules"`
}

// SessionRules are what the proxy holds a session to, by the role as policy has it now.
type SessionRules struct {
	IdleSeconds int64 `json:"idle_seconds,omitempty"` // zero: no bound
	// ReauthenticateSeconds is how long a session lasts without the signer having its
	// person's word that they are there; zero: no bound.
	ReauthenticateSeconds int64    `json:"reauthenticate_seconds,omitempty"`
	Channels              []string `json:"channels,omitempty"` // policies.ChannelShell and so on; none: all but agent and x11
	Networks              []string `json:"networks,omitempty"` // from which sessions are opened, as CIDR; none: all
	// SingleUse: the signer gives no other target certificate under this grant.
	SingleUse bool `json:"single_use,omitempty"`
	// Files and Forwards are policies.KeepEvents, which empty means too, or
	// policies.KeepContent.
	Files    string `json:"files,omitempty"`
	Forwards string `json:"forwards,omitempty"`
	// BulkBytes bounds what is kept whole of each direction of a command without a
	// terminal; zero: no bound.
	BulkBytes int64 `json:"bulk_bytes,omitempty"`
	// Outage is policies.OutageEnd, which empty means too, or policies.OutageHold.
	Outage     string     `json:"outage,omitempty"`
	Recipients Recipients `json:"recipients"`
}

// Extensions are those of a target certificate under these rules (OpenSSH's
// PROTOCOL.certkeys): the target itself then allows no forwarding that the role does
// not give.
func (r SessionRules) Extensions() map[string]string {
	extensions := map[string]string{"permit-pty": ""}
	if len(r.Channels) == 0 {
		extensions["permit-port-forwarding"] = ""
	}
	for _, channel := range r.Channels {
		switch channel {
		case "forward", "remote-forward":
			extensions["permit-port-forwarding"] = ""
		case "agent":
			extensions["permit-agent-forwarding"] = ""
		case "x11":
			extensions["permit-X11-forwarding"] = ""
		}
	}
	return extensions
}

// Recipients are the age recipients for whom recordings are sealed: everything but
// the input to any of Session, the input to any of First inside any of Second.
type Recipients struct {
	Session []string `json:"session"`
	First   []string `json:"first"`
	Second  []string `json:"second"`
}

// ContinueRequest asks, for a proxy, whether and on what terms a live session goes on under
// another grant than it has. The signer goes by its own ledger: the two grants are of one
// person, for one role, login and target, and were activated from one device.
// Repeating it is harmless.
type ContinueRequest struct {
	Session    string `json:"session"`     // the proxy's own id of it
	Opened     string `json:"opened"`      // request of the certificate that opened it
	SessionKey string `json:"session_key"` // that the certificate is for, authorized_keys form
	Next       string `json:"next"`        // request of the grant that it is to go on under
}

// ContinueResult says until when the session may last, and what it is held to.
type ContinueResult struct {
	GrantEnds time.Time    `json:"grant_ends"`
	Rules     SessionRules `json:"rules"`
}

// PresentRequest asks, for a proxy, when whose session it is last said that they are there.
type PresentRequest struct {
	Session string `json:"session"` // the proxy's own id of it
	Opened  string `json:"opened"`  // request of the certificate that opened it
}

// PresentResult is the answer.
type PresentResult struct {
	At time.Time `json:"at,omitzero"` // zero: they never did
}

// TargetLife is how long a target certificate lives: long enough to open one
// connection, no more.
const TargetLife = 60 * time.Second

// HostRequest asks, for a proxy, for a host certificate over its own host key.
// The signer puts in the names: the proxy's own and every target's.
type HostRequest struct {
	PublicKey string `json:"public_key"`
}

// HostCertificate is the answer.
type HostCertificate struct {
	Certificate string    `json:"certificate"`
	Principals  []string  `json:"principals"`
	Ends        time.Time `json:"ends"`
}

// EnrolRequest asks to pin a passkey.
type EnrolRequest struct {
	Evidence evidence.EnrolmentEvidence `json:"evidence"`
}

// EnrolResult is what was pinned.
type EnrolResult struct {
	Person policies.Person `json:"person"`
	Proof  evidence.Proof  `json:"proof"`
}

// RemovePasskeyRequest takes a passkey out of the roster. It needs no proof, and is
// refused where fewer administrators than the quorum would be left.
type RemovePasskeyRequest struct {
	Credential string           `json:"credential"`
	By         policies.Subject `json:"by"`
}

// SuspendRequest says that nothing a person signs counts any more, and that nothing
// is signed for them. It needs no proof, is idempotent, holds for somebody whom the
// roster does not know, and is refused where fewer administrators than the quorum
// would be left.
type SuspendRequest struct {
	Person policies.Subject `json:"person"`
	Name   string           `json:"name"` // of somebody whom the roster does not know
	By     policies.Subject `json:"by"`
}

// ChangeRequest changes somebody's standing, by a quorum of administrators.
type ChangeRequest struct {
	Evidence evidence.ChangeEvidence `json:"evidence"`
}

// PolicyRequest puts another policy in force, by a quorum of administrators.
type PolicyRequest struct {
	Evidence evidence.PolicyEvidence `json:"evidence"`
}

// InventoryRequest says what targets an inventory holds, by its key.
type InventoryRequest struct {
	Evidence evidence.InventoryEvidence `json:"evidence"`
}

// DeviceRequest asks to take a device's key as its person's.
type DeviceRequest struct {
	Evidence evidence.DeviceEvidence `json:"evidence"`
	// Answer is the device's TPM's to a challenge about this very evidence; nil where a
	// file holds the key.
	Answer *evidence.DeviceAnswer `json:"answer,omitempty"`
}

// BlockDeviceRequest says that nothing a device signs counts any more. It needs no
// proof and is idempotent.
type BlockDeviceRequest struct {
	Device string           `json:"device"`
	By     policies.Subject `json:"by"`
}

// DelegateRequest lets somebody approve on another's behalf. It is idempotent.
type DelegateRequest struct {
	Evidence evidence.SignedByPasskey `json:"evidence"` // of an evidence.Delegation
}

// EndDelegationRequest says that a delegation counts for nothing any more. It needs no
// proof and is idempotent.
type EndDelegationRequest struct {
	Digest string           `json:"digest"` // of the delegation's statement
	By     policies.Subject `json:"by"`
}

// ReviewRequest closes the review of an emergency. The answer proves the review that
// closed it, which is another where somebody was faster.
type ReviewRequest struct {
	Evidence evidence.SignedByPasskey `json:"evidence"` // of an evidence.Review
}

// PresenceRequest says that whose session it is is there. It is idempotent.
type PresenceRequest struct {
	Evidence evidence.SignedByPasskey `json:"evidence"` // of an evidence.Presence
}

// EndRequest says that nothing more may be signed for a request. It needs no
// proof, is idempotent, and holds for a request the signer has not seen yet.
type EndRequest struct {
	Request string           `json:"request"`
	Reason  string           `json:"reason"` // denied, withdrawn, dropped, revoked, expired, completed
	By      policies.Subject `json:"by"`
	// Evidence is an End statement that somebody's login key signed. It is kept, and
	// never needed.
	Evidence *evidence.SignedByKey `json:"evidence,omitempty"`
}

// AllPurposes stands for every purpose in a RotateRequest.
const AllPurposes = "all"

// RotateRequest replaces keys of the signer's at once: the next one signs, and what
// was current is accepted no longer. It takes away and gives nothing, and needs no proof.
type RotateRequest struct {
	Purpose string           `json:"purpose"` // evidence.PurposeUserCA and so on, or AllPurposes
	Reason  string           `json:"reason"`  // one line, kept in the ledger
	By      policies.Subject `json:"by"`
}

// RotateResult is the signer's keys as they are since then.
type RotateResult struct {
	Keys  []evidence.SigningKey `json:"keys"`
	Proof evidence.Proof        `json:"proof"`
}

// Done answers calls that return nothing but their place in the ledger.
type Done struct {
	Proof evidence.Proof `json:"proof"`
}

// TrustResult is what the signer believes and the head of its ledger.
type TrustResult struct {
	Trust        evidence.Trust `json:"trust"`
	PolicyDigest string         `json:"policy_digest"`
	Checkpoint   string         `json:"checkpoint"`
	// Ceremony says that first administrators are still to join at the signer's own
	// page.
	Ceremony bool `json:"ceremony"`
	// Confirmed says that the ledger is known to be the newest, so that the signer
	// gives. See [ConfirmRequest].
	Confirmed bool `json:"confirmed"`
	// Proxies are the recording proxies, by the signer's configuration.
	Proxies []Proxy `json:"proxies,omitempty"`
}

// LedgerPage is a run of leaves from one index on.
type LedgerPage struct {
	From       int64    `json:"from"`
	Entries    []string `json:"entries"` // exact bytes of each leaf
	Checkpoint string   `json:"checkpoint"`
	// Cosigned is the newest checkpoint with the signatures of witnesses. It may be
	// somewhat older; it is empty where no witness has signed since the start.
	Cosigned string `json:"cosigned,omitempty"`
}

// ConfirmRequest tells a signer that has begun anew the last checkpoint that the
// broker has mirrored, so that a signer whose disk was put back to an older state
// finds out. It is empty for a broker that never mirrored any.
type ConfirmRequest struct {
	Checkpoint string `json:"checkpoint"`
}

// ConfirmResult says whether the signer gives now. Where witnesses are configured
// only they confirm, and the broker's checkpoint is compared all the same.
type ConfirmResult struct {
	Confirmed bool `json:"confirmed"`
}

// ConsistencyResult proves that the ledger continues the one of an earlier size.
type ConsistencyResult struct {
	Proof      ledger.Consistency `json:"proof"`
	Checkpoint string             `json:"checkpoint"` // of the proof's size
}

// Error is the body of every refusal (RFC 9457, application/problem+json).
type Error struct {
	Status int    `json:"status"`
	Code   string `json:"code"`  // stable, for example "evidence.approval-signature", "ended", "not-pinned"
	Title  string `json:"title"` // one sentence that tells what to do
}

// Error gives the code and the sentence.
func (e *Error) Error() string { return e.Code + ": " + e.Title }
