package evidence

import (
	"time"

	"stint/policies"
	"stint/server/ledger"
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

// SignedByKey is a statement's text with an Ed25519 signature over its bytes.
// The first line of every statement names its kind, which separates domains.
type SignedByKey struct {
	Statement string `json:"statement"`
	Signature string `json:"signature"` // base64url without padding, 64 bytes
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
}

// EnrolmentEvidence proves an enrolment. Exactly one authority is set.
type EnrolmentEvidence struct {
	Statement  string    `json:"statement"`
	Possession Assertion `json:"possession"` // by the new passkey

	Passkey   *Assertion      `json:"passkey,omitempty"`   // by an administrator's, or the person's own earlier passkey
	Bootstrap *BootstrapProof `json:"bootstrap,omitempty"` // by whoever holds a one-time code
	Login     *LoginProof     `json:"login,omitempty"`     // by the person's own login key
}

// BootstrapProof is an HMAC-SHA256 of the statement's bytes under a one-time
// code that the signer knows; the code itself is never sent.
type BootstrapProof struct {
	Code string `json:"code"` // id of the code, not the code
	MAC  string `json:"mac"`  // base64url without padding
}

// LoginProof is a login key's signature over the statement's bytes.
type LoginProof struct {
	Binding   LoginBinding `json:"binding"`
	Signature string       `json:"signature"`
}

// Trust is whom a verifier believes, as the signer exports it and trust.json
// holds it. A verifier takes it from the signer or pins it once; never from the
// evidence itself.
type Trust struct {
	Version      int               `json:"version"` // 1
	Instance     string            `json:"instance"`
	RelyingParty string            `json:"relying_party"` // WebAuthn relying-party id, an exact host
	Origins      []string          `json:"origins"`       // exact origins whose client data counts
	Issuer       Issuer            `json:"issuer"`
	Roster       Roster            `json:"roster"`
	Policy       map[string]string `json:"policy"` // file name -> text, see policies.Bundle.Files
	Log          string            `json:"log"`    // verifier key of the ledger's checkpoints (C2SP signed-note)
	UserCA       []string          `json:"user_ca"`
	TargetCA     []string          `json:"target_ca"`
	HostCA       []string          `json:"host_ca"`

	loaded *policies.Bundle // of Policy, where WithPolicy set both
}

// WithPolicy is the same trust with a policy that is loaded already, so that
// verifying need not read its text again.
func (t Trust) WithPolicy(bundle *policies.Bundle) Trust {
	t.Policy, t.loaded = bundle.Files(), bundle
	return t
}

// policy is the policy that t holds.
func (t Trust) policy() (*policies.Bundle, error) {
	if t.loaded != nil {
		return t.loaded, nil
	}
	return policies.Parse(t.Policy)
}

// Issuer is the identity provider with its keys as the signer fetched them.
type Issuer struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"` // the command line's own client; no other client's token activates
	// Keys are the provider's signature keys, in the order first seen, as JWKs
	// (RFC 7517).
	Keys []IssuerKey `json:"keys"`
}

// IssuerKey is a provider's key and when the signer first saw it.
type IssuerKey struct {
	JWK  string    `json:"jwk"`
	Seen time.Time `json:"seen"`
}

// Roster is who may approve, with which passkeys. Only the signer changes it.
type Roster struct {
	People []RosterPerson `json:"people"`
}

// RosterPerson is one person of the roster.
type RosterPerson struct {
	Person   policies.Person `json:"person"`
	Passkeys []Passkey       `json:"passkeys"`
}

// Passkey is a pinned WebAuthn credential.
type Passkey struct {
	Credential string `json:"credential"`
	PublicKey  string `json:"public_key"` // COSE_Key, base64url
	AAGUID     string `json:"aaguid"`
	Name       string `json:"name"`
	// Groups are what the enrolment of this passkey stated. It approves as a
	// member of these at most, whatever the person is in by now.
	Groups   []string   `json:"groups,omitempty"`
	Enrolled time.Time  `json:"enrolled"`
	Removed  *time.Time `json:"removed,omitempty"` // from then on it signs nothing
}

// Circumstances are what a verification depends on beside bundle and trust.
// The signer records them in the ledger entry, so that an auditor re-runs the
// same decision.
type Circumstances struct {
	// Now is the signer's clock at signing.
	Now time.Time `json:"now"`
	// Held are the requester's other live grants, from the signer's ledger.
	Held []policies.Held `json:"held"`
}

// Failure is a refusal by Verify. It names the check, so that a test, a log and
// a person can tell which one spoke.
type Failure struct {
	Check string // stable, for example "approval-signature", "nonce", "policy"
	Why   string // one sentence
}

// Error joins check and sentence.
func (f *Failure) Error() string { return f.Check + ": " + f.Why }

// Entry is one leaf of the signer's ledger, encoded as one JSON object. Exactly
// one of the pointers is set.
type Entry struct {
	Time time.Time `json:"time"` // never before the entry in front of it

	Session   *SessionEntry   `json:"session,omitempty"`   // a certificate for a person
	Target    *TargetEntry    `json:"target,omitempty"`    // a certificate for a proxy to one login@target
	Host      *HostEntry      `json:"host,omitempty"`      // a host certificate for a proxy
	Enrolment *EnrolmentEntry `json:"enrolment,omitempty"` // a passkey joined the roster
	Removal   *RemovalEntry   `json:"removal,omitempty"`   // a passkey left it
	Ending    *EndingEntry    `json:"ending,omitempty"`    // a request was denied, withdrawn, dropped or revoked
	Refusal   *RefusalEntry   `json:"refusal,omitempty"`   // the signer said no
	Keys      *KeysEntry      `json:"keys,omitempty"`      // the signer's or the provider's keys
	Policy    *PolicyEntry    `json:"policy,omitempty"`    // the policy the signer decides by
}

// SessionEntry records the issue of a certificate to a person, with all its evidence.
type SessionEntry struct {
	Bundle        Bundle           `json:"bundle"`
	Circumstances Circumstances    `json:"circumstances"`
	PolicyDigest  string           `json:"policy_digest"`
	Request       string           `json:"request"`
	Requester     policies.Subject `json:"requester"`
	Role          string           `json:"role"`
	Principal     string           `json:"principal"` // login@target
	Serial        uint64           `json:"serial"`
	SessionKey    string           `json:"session_key"`
	Ends          time.Time        `json:"ends"` // of the grant and of the certificate
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

// HostEntry records the issue of a host certificate to a proxy.
type HostEntry struct {
	Proxy      string    `json:"proxy"`
	Principals []string  `json:"principals"`
	Serial     uint64    `json:"serial"`
	PublicKey  string    `json:"public_key"`
	Ends       time.Time `json:"ends"`
}

// EnrolmentEntry records a passkey that joined the roster, with its evidence.
type EnrolmentEntry struct {
	Evidence EnrolmentEvidence `json:"evidence"`
	// Authority is who allowed it, in a word: "bootstrap:<code id>",
	// "administrator", "passkey" or "login".
	Authority string           `json:"authority"`
	By        policies.Subject `json:"by"`
}

// RemovalEntry records a passkey that left the roster.
type RemovalEntry struct {
	Credential string           `json:"credential"`
	By         policies.Subject `json:"by"` // as the broker says
}

// EndingEntry records that the signer will sign nothing more for a request.
type EndingEntry struct {
	Request string           `json:"request"`
	Reason  string           `json:"reason"` // denied, withdrawn, dropped, revoked, expired, completed
	By      policies.Subject `json:"by"`     // as the broker says; taking away needs no proof
}

// RefusalEntry records refusals, gathered so that nobody can fill the disk.
type RefusalEntry struct {
	Caller string `json:"caller"` // broker, or a proxy's name
	Call   string `json:"call"`
	Check  string `json:"check"`
	Why    string `json:"why"`
	Count  int    `json:"count"`
}

// KeysEntry records the public keys in force from here on.
type KeysEntry struct {
	UserCA   []string    `json:"user_ca,omitempty"`
	TargetCA []string    `json:"target_ca,omitempty"`
	HostCA   []string    `json:"host_ca,omitempty"`
	Log      string      `json:"log,omitempty"`
	Issuer   []IssuerKey `json:"issuer,omitempty"`
}

// PolicyEntry records the policy bundle in force from here on.
type PolicyEntry struct {
	Digest string            `json:"digest"`
	Files  map[string]string `json:"files"`
}

// Proof is an entry with its place in the ledger.
type Proof struct {
	Entry      string           `json:"entry"` // the leaf's exact bytes
	Inclusion  ledger.Inclusion `json:"inclusion"`
	Checkpoint string           `json:"checkpoint"` // signed note
}
