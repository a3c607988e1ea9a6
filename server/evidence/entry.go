package evidence

import (
	"time"

	"stint/policies"
	"stint/server/ledger"
)

// Entry is one leaf of the signer's ledger, encoded as one JSON object. Exactly
// one of the pointers is set.
type Entry struct {
	Time time.Time `json:"time"` // never before the entry in front of it
	// Believed is the index of the latest entry before this one that changed what
	// the signer believes, and -1 where there is none. From a Session entry these
	// lead through everything its issue was decided by, so that an export of them
	// is complete or shows that it is not.
	Believed int64 `json:"believed"`

	Session *SessionEntry `json:"session,omitempty"` // a certificate for a person
	Target  *TargetEntry  `json:"target,omitempty"`  // a certificate for a proxy to one login@target
	// Extension: a live session goes on under another grant.
	Extension *ExtensionEntry `json:"extension,omitempty"`

	// Presence: whose session it is said that they are there.
	Presence *PresenceEntry `json:"presence,omitempty"`

	Host    *HostEntry    `json:"host,omitempty"`    // a host certificate for a proxy
	Ending  *EndingEntry  `json:"ending,omitempty"`  // a request was denied, withdrawn, dropped or revoked
	Review  *ReviewEntry  `json:"review,omitempty"`  // an emergency was reviewed
	Refusal *RefusalEntry `json:"refusal,omitempty"` // the signer said no

	// These change what the signer believes.
	Enrolment  *EnrolmentEntry  `json:"enrolment,omitempty"`  // a passkey joined the roster
	Removal    *RemovalEntry    `json:"removal,omitempty"`    // a passkey left it
	Suspension *SuspensionEntry `json:"suspension,omitempty"` // somebody signs nothing until a Change says otherwise
	Change     *ChangeEntry     `json:"change,omitempty"`     // a quorum changed somebody's standing
	Policy     *PolicyEntry     `json:"policy,omitempty"`     // the policy the signer decides by
	Inventory  *InventoryEntry  `json:"inventory,omitempty"`  // targets beside the policy's
	Keys       *KeysEntry       `json:"keys,omitempty"`       // the signer's or the provider's keys

	Device      *DeviceEntry      `json:"device,omitempty"`       // a device's key is known
	DeviceBlock *DeviceBlockEntry `json:"device_block,omitempty"` // it signs nothing any more

	Delegation    *DelegationEntry    `json:"delegation,omitempty"`     // somebody may approve on another's behalf
	DelegationEnd *DelegationEndEntry `json:"delegation_end,omitempty"` // no longer
}

// SessionEntry records the issue of a certificate to a person, with all its evidence;
// or, where Reissues names another, its issue once more: see Beliefs.VerifyReissue.
type SessionEntry struct {
	Bundle        Bundle           `json:"bundle,omitzero"` // absent from what was issued once more
	Circumstances Circumstances    `json:"circumstances"`
	PolicyDigest  string           `json:"policy_digest"`
	Request       string           `json:"request"`
	Requester     policies.Subject `json:"requester"`
	Role          string           `json:"role"`
	Principal     string           `json:"principal"` // login@target
	Serial        uint64           `json:"serial"`
	SessionKey    string           `json:"session_key"`
	Ends          time.Time        `json:"ends"` // of the grant and of the certificate
	// BreakGlass: the requester acted alone, and somebody must review it.
	BreakGlass bool `json:"break_glass,omitempty"`
	// Networks are those from which the certificate may be used, as CIDR; none: all.
	Networks []string `json:"networks,omitempty"`
	// Reissues is the serial of the certificate in whose place this one stands, for the
	// same key, principal and end, after the key that had signed it was withdrawn.
	Reissues uint64 `json:"reissues,omitempty"`
}

// TargetEntry records the issue of a target certificate to a proxy.
type TargetEntry struct {
	Request   string    `json:"request"`
	Proxy     string    `json:"proxy"`
	Principal string    `json:"principal"`
	Serial    uint64    `json:"serial"`
	PublicKey string    `json:"public_key"`
	Ends      time.Time `json:"ends"`
}

// ExtensionEntry records that a live session goes on, at a proxy, under another grant of
// the same person's, for the same role, login and target.
type ExtensionEntry struct {
	Session   string    `json:"session"` // the proxy's own id of it
	Proxy     string    `json:"proxy"`
	Request   string    `json:"request"` // whose grant it goes on under
	Extends   string    `json:"extends"` // whose grant it had until then
	Opened    string    `json:"opened"`  // whose certificate opened it
	Principal string    `json:"principal"`
	Ends      time.Time `json:"ends"` // no later than the grant
}

// HostEntry records the issue of a host certificate to a proxy.
type HostEntry struct {
	Proxy      string    `json:"proxy"`
	Principals []string  `json:"principals"`
	Serial     uint64    `json:"serial"`
	PublicKey  string    `json:"public_key"`
	Ends       time.Time `json:"ends"`
}

// Who allowed an enrolment, in a word.
const (
	AuthorityCeremony       = "ceremony"       // the signer's own page, for the first administrators
	AuthorityAdministrators = "administrators" // a quorum
	AuthorityPasskey        = "passkey"        // the person's own earlier one
	AuthorityLogin          = "login"          // the person's own login key
)

// EnrolmentEntry records a passkey that joined the roster, with its evidence.
type EnrolmentEntry struct {
	Evidence  EnrolmentEvidence  `json:"evidence"`
	Authority string             `json:"authority"` // AuthorityCeremony and so on
	By        []policies.Subject `json:"by"`        // the administrators, or the enrolled themselves
	// Attested is the make of the authenticator, as the policy names it, where the
	// evidence proves it.
	Attested string `json:"attested,omitempty"`
	// Last says, of an enrolment in the ceremony, that everybody listed has joined
	// with it: the ceremony is over, whoever is listed later.
	Last bool `json:"last,omitempty"`
}

// RemovalEntry records a passkey that left the roster.
type RemovalEntry struct {
	Credential string           `json:"credential"`
	By         policies.Subject `json:"by"` // as the broker says
}

// SuspensionEntry records that somebody was suspended. It needs no proof.
type SuspensionEntry struct {
	Person policies.Subject `json:"person"`
	Name   string           `json:"name"` // as the broker says; the roster's own stays
	By     policies.Subject `json:"by"`   // as the broker says
}

// ChangeEntry records a change of somebody's standing.
type ChangeEntry struct {
	Evidence ChangeEvidence     `json:"evidence"`
	By       []policies.Subject `json:"by"`
}

// EndingEntry records that the signer will sign nothing more for a request.
type EndingEntry struct {
	Request string           `json:"request"`
	Reason  string           `json:"reason"` // denied, withdrawn, dropped, revoked, expired, completed
	By      policies.Subject `json:"by"`     // as the broker says; taking away needs no proof
	// Evidence is an End that somebody's login key signed, where they had one.
	Evidence *SignedByKey `json:"evidence,omitempty"`
}

// RefusalEntry records refusals, gathered so that nobody can fill the disk.
type RefusalEntry struct {
	Caller string `json:"caller"` // broker, a proxy's name, or ceremony for whoever reaches its page
	Call   string `json:"call"`
	Check  string `json:"check"`
	Why    string `json:"why"`
	Count  int    `json:"count"`
}

// KeysEntry records the keys in force from here on. What is absent stays.
type KeysEntry struct {
	// Keys are all keys of the signer's. One may be left out once it is withdrawn,
	// or retired and accepted no longer.
	Keys   []SigningKey `json:"keys,omitempty"`
	Log    string       `json:"log,omitempty"`
	Issuer []IssuerKey  `json:"issuer,omitempty"` // all that the identity provider has now
	Reason string       `json:"reason,omitempty"` // of a rotation that somebody asked for
}

// PolicyEntry records the policy bundle in force from here on.
type PolicyEntry struct {
	Digest string `json:"digest"`
	// Files are the first policy's, which the signer was given. A later one has its
	// files in Evidence.
	Files    map[string]string `json:"files,omitempty"`
	Evidence *PolicyEvidence   `json:"evidence,omitempty"`
}

// InventoryEntry records what an inventory holds from here on.
type InventoryEntry struct {
	Evidence InventoryEvidence `json:"evidence"`
}

// DeviceEntry records a device that was enrolled.
type DeviceEntry struct {
	Evidence DeviceEvidence `json:"evidence"`
	// MakerRoot is what the evidence proves by the policy of the moment, see
	// EnrolledDevice.
	MakerRoot string `json:"maker_root,omitempty"`
	// Answered: the TPM answered the signer's challenge. That is the signer's word.
	Answered bool `json:"answered,omitempty"`
}

// DeviceBlockEntry records that a device was blocked. It needs no proof.
type DeviceBlockEntry struct {
	Device string           `json:"device"`
	By     policies.Subject `json:"by"` // as the broker says
}

// DelegationEntry records a delegation.
type DelegationEntry struct {
	Evidence SignedByPasskey `json:"evidence"`
}

// DelegationEndEntry records that a delegation ended early. It needs no proof.
type DelegationEndEntry struct {
	Digest string           `json:"digest"` // of the delegation's statement
	By     policies.Subject `json:"by"`     // as the broker says
}

// ReviewEntry records the review of an emergency, which closes it.
type ReviewEntry struct {
	Request  string          `json:"request"`
	Evidence SignedByPasskey `json:"evidence"`
}

// PresenceEntry records that whose session it is said that they are there.
type PresenceEntry struct {
	Request  string          `json:"request"` // whose certificate opened the session
	Session  string          `json:"session"` // the proxy's own id of it
	Evidence SignedByPasskey `json:"evidence"`
}

// Proof is an entry with its place in the ledger.
type Proof struct {
	Entry      string           `json:"entry"` // the leaf's exact bytes
	Inclusion  ledger.Inclusion `json:"inclusion"`
	Checkpoint string           `json:"checkpoint"` // signed note
}
