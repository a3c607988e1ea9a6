package evidence

import (
	"time"

	"stint/policies"
)

// Assertion is a WebAuthn assertion (Web Authentication Level 3, section 6.3.3)
// whose challenge is the SHA-256 of the statement it signs. All four are
// base64url without padding, as browsers give them.
type Assertion struct {
	Credential        string `json:"credential"`
	AuthenticatorData string `json:"authenticator_data"`
	ClientData        string `json:"client_data"`
	Signature         string `json:"signature"`
}

// SignedByPasskey is a statement's text with the assertion over it.
type SignedByPasskey struct {
	Statement string    `json:"statement"`
	Assertion Assertion `json:"assertion"`
}

// SignedByKey is a statement's text with a signature over its bytes: by a login key
// (SignWithKey), or by a key that only signs where it is kept (SignWithAuthority).
// The first line of every statement names its kind, which separates domains.
type SignedByKey struct {
	Statement string `json:"statement"`
	Signature string `json:"signature"` // base64url without padding
}

// LoginBinding ties a login key, which only the person's own machine holds, to
// the person's ID token. Either the token's nonce commits to the key
// (LoginNonce), or the person's pinned passkey confirms it.
type LoginBinding struct {
	IDToken      string           `json:"id_token"`             // compact JWS from the token endpoint, client stint-cli
	LoginKey     string           `json:"login_key"`            // authorized_keys form, ssh-ed25519, no comment
	NonceSalt    string           `json:"nonce_salt,omitempty"` // 32 bytes, base64url; opens the nonce
	Confirmation *SignedByPasskey `json:"confirmation,omitempty"`
}

// Bundle is everything that proves one issuance: what was asked, who agreed,
// and that the requester's own key asked for this session key.
type Bundle struct {
	Version    int               `json:"version"` // 1
	Request    string            `json:"request"` // text of the request statement
	Approvals  []SignedByPasskey `json:"approvals"`
	Login      *LoginBinding     `json:"login,omitempty"`
	Activation *SignedByKey      `json:"activation,omitempty"`
	Device     *DeviceProof      `json:"device,omitempty"` // of the device that the activation names
	// Confirmation is the requester's, where policy asks for it: they sign a
	// [Confirmation] of the request.
	Confirmation *SignedByPasskey `json:"confirmation,omitempty"`
}

// EnrolmentEvidence proves an enrolment. Exactly one authority is set:
// Administrators, Own, Login or Ceremony.
type EnrolmentEvidence struct {
	Statement  string    `json:"statement"`
	Possession Assertion `json:"possession"` // by the new passkey

	Administrators []Assertion `json:"administrators,omitempty"` // a quorum, none of them the enrolled person
	Own            *Assertion  `json:"own,omitempty"`            // by the person's own earlier passkey
	Login          *LoginProof `json:"login,omitempty"`          // by the person's own login key
	// Ceremony marks one of the first administrators. The signer sets it, for its
	// own ceremony page; it takes no such evidence from anybody.
	Ceremony bool `json:"ceremony,omitempty"`

	// Attestation says where the new passkey lives; the policy may demand it.
	Attestation *Attestation `json:"attestation,omitempty"`
}

// Attestation is what the registration of a passkey answered (Web Authentication
// Level 3, section 5.2.1), both in base64url without padding.
type Attestation struct {
	Object     string `json:"object"`
	ClientData string `json:"client_data"`
}

// ChangeEvidence proves a RosterChange: a quorum of administrators signed it.
type ChangeEvidence struct {
	Statement      string      `json:"statement"`
	Administrators []Assertion `json:"administrators"`
}

// PolicyEvidence proves a PolicyChange: a quorum of administrators signed it.
type PolicyEvidence struct {
	Statement      string            `json:"statement"`
	Files          map[string]string `json:"files"` // the new bundle: file name -> text
	Administrators []Assertion       `json:"administrators"`
}

// InventoryEvidence proves an InventoryChange: the inventory's key signed it.
type InventoryEvidence struct {
	Statement string `json:"statement"`
	Targets   string `json:"targets"`   // the targets document, see policies.ParseTargets
	Signature string `json:"signature"` // see SignWithAuthority
}

// LoginProof is a login key's signature over the statement's bytes.
type LoginProof struct {
	Binding   LoginBinding `json:"binding"`
	Signature string       `json:"signature"`
}

// Circumstances are what a verification depends on beside bundle and trust.
// The signer records them in the ledger entry, so that an auditor re-runs the
// same decision.
type Circumstances struct {
	// Now is the signer's clock at signing.
	Now time.Time `json:"now"`
	// Held are the requester's other live grants, from the signer's ledger.
	Held []policies.Held `json:"held"`
	// Used is the Now of the first Session entry of this request; zero: there is none.
	Used time.Time `json:"used,omitzero"`
	// History is what the role's rules need of the past (policies.Bundle.Needs), from
	// the signer's ledger.
	History policies.History `json:"history,omitzero"`
	// Asserted is the broker's word, sorted by name. Nobody can check it.
	Asserted []policies.Assertion `json:"asserted,omitempty"`

	anew time.Time // when what was issued at Now is decided on anew; zero: it is not
}

// Failure is a refusal by Verify. It names the check, so that a test, a log and
// a person can tell which one spoke.
type Failure struct {
	Check string // stable, for example "approval-signature", "nonce", "policy"
	Why   string // one sentence
}

// Error joins check and sentence.
func (f *Failure) Error() string { return f.Check + ": " + f.Why }
