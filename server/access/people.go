package access

import (
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// KnownPerson is somebody who has signed in, as last seen.
type KnownPerson struct {
	Person policies.Person
	// Handle is the WebAuthn user handle: 32 random bytes, which say nothing
	// about the person and never change.
	Handle    []byte
	FirstSeen time.Time
	LastSeen  time.Time
}

// SignInKind says what a sign-in is good for.
type SignInKind string

const (
	// PortalSignIn is a browser's, by cookie.
	PortalSignIn SignInKind = "portal"
	// CommandLineSignIn is the command line's, by bearer token.
	CommandLineSignIn SignInKind = "command-line"
)

// SignIn is an authenticated person at one surface. The token itself is known
// to its holder only.
type SignIn struct {
	Token    [32]byte // SHA-256 of the cookie's value or the bearer token
	Kind     SignInKind
	Person   policies.Person // as the identity provider said
	Began    time.Time
	Ends     time.Time
	LoginKey string // of a command line: its login key, authorized_keys form
	// Confirmation is the code of the confirmation that this sign-in waits for:
	// until a passkey has signed it, it is good for nothing else. Empty: none.
	Confirmation string
}

// IDToken is what an ID token is known by, so that it signs in one login key
// only: whoever reads it later, in evidence, cannot sign in with it.
type IDToken struct {
	// Digest is the SHA-256 of what the provider signed, which is the token
	// without its signature: a signature can be written in more than one way.
	Digest [32]byte
	Ends   time.Time
}

// Passkey is a WebAuthn credential that was registered in the portal. Whether
// it counts for anything is the signer's to say: see Pinned.
type Passkey struct {
	Credential string // base64url without padding
	Owner      policies.Subject
	Name       string
	Groups     []string // what it was enrolled for
	Record     []byte   // the WebAuthn library's own record, verbatim
	Created    time.Time
	LastUsed   time.Time // zero: never
	Pinned     bool      // in the signer's roster as last fetched; not stored
}

// NewPasskey is a passkey that was just registered, before any enrolment.
type NewPasskey struct {
	Credential string
	PublicKey  string // COSE_Key, base64url without padding
	AAGUID     string // 32 hex digits
	Name       string
	Groups     []string // approver groups asked for; none: only confirms the owner's own sign-ins
	Record     []byte
	// Attestation is what the registration answered. It is kept where policy asks
	// for it, for these groups.
	Attestation *evidence.Attestation
}

// EnrolmentState is how far a passkey is on its way into the signer's roster.
type EnrolmentState string

// The states of an enrolment. The last three are final.
const (
	NeedsPossession   EnrolmentState = "needs-possession"
	NeedsAuthority    EnrolmentState = "needs-authority"
	EnrolmentPinned   EnrolmentState = "pinned"
	EnrolmentRejected EnrolmentState = "rejected"
	EnrolmentExpired  EnrolmentState = "expired"
)

// Enrolment is a passkey on its way into the signer's roster.
type Enrolment struct {
	ID         string // "enr-" and 10 characters of lower-case Crockford base32
	Number     int64  // leaf of the audit log that records its beginning; orders them
	State      EnrolmentState
	Person     policies.Person
	Groups     []string
	Passkey    string // its name
	Credential string
	PublicKey  string
	AAGUID     string
	Statement  string // what everybody signs
	Created    time.Time
	Expires    time.Time
	Possession *evidence.Assertion
	// Attestation is what the authenticator said of itself, where policy asks.
	Attestation *evidence.Attestation
}

// EnrolmentAuthority is an authority's yes; exactly one is set.
type EnrolmentAuthority struct {
	// Passkey is an administrator's for somebody else's enrolment, one of the
	// quorum; or the person's own earlier one.
	Passkey *evidence.Assertion
	Login   *evidence.LoginProof
}

// Confirmation is a login key that waits for its person's passkey, after a
// device-flow sign-in.
type Confirmation struct {
	Code      string // what the page's address holds: "con-" and 13 characters
	Person    policies.Person
	LoginKey  string
	Requested time.Time
	Expires   time.Time
	Signed    *evidence.SignedByPasskey // once confirmed
}
