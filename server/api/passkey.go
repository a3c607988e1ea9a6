package api

import (
	"encoding/json"
	"time"
)

// Configuration is what the command line needs before anybody is signed in.
type Configuration struct {
	Instance string `json:"instance"`
	Issuer   string `json:"issuer" doc:"URL of the OpenID provider"`
	ClientID string `json:"client_id" doc:"the command line's own public client"`
}

// LoginRequest signs the command line in. The caller has redeemed the code at
// the provider itself and holds the login key; Proof shows that.
type LoginRequest struct {
	Login LoginBinding `json:"login"`
	// Issued and Proof: an Ed25519 signature by the login key over
	// "stint sign-in 1\n" + broker URL + "\n" + Issued (RFC 3339) + "\n" + SHA-256
	// of the ID token in hex + "\n"; Issued within two minutes of the broker's clock.
	Issued time.Time `json:"issued"`
	Proof  string    `json:"proof" minLength:"1" maxLength:"128"`
	// DeviceFlow says that the ID token's nonce does not commit to the key, so
	// the person's passkey must confirm it in the browser before it activates.
	DeviceFlow bool `json:"device_flow,omitempty"`
}

// LoginResult is a bearer token for the API. It asks and takes away; alone it
// activates nothing.
type LoginResult struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Person  Person    `json:"person"`
	// ConfirmURL and ConfirmCode are set after a device-flow sign-in: the page
	// where the person's passkey confirms the key, and the code to poll with.
	ConfirmURL  string `json:"confirm_url,omitempty"`
	ConfirmCode string `json:"confirm_code,omitempty"`
}

// LoginConfirmation is a login key that waits for its person's passkey.
type LoginConfirmation struct {
	Code      string           `json:"code"`
	Person    Person           `json:"person"`
	LoginKey  string           `json:"login_key"`
	Requested time.Time        `json:"requested"`
	Expires   time.Time        `json:"expires"`
	Confirmed bool             `json:"confirmed"`
	Statement *SignedStatement `json:"statement,omitempty" doc:"once confirmed, for the key's own holder"`
}

// Passkey is one of the caller's passkeys.
type Passkey struct {
	Credential string     `json:"credential"`
	Name       string     `json:"name"`
	Groups     []string   `json:"groups" doc:"what its owner may approve for, by the signer's roster"`
	Pinned     bool       `json:"pinned" doc:"in the signer's roster; false: still waits for a signature"`
	Created    time.Time  `json:"created"`
	LastUsed   *time.Time `json:"last_used,omitempty"`
}

// Passkeys is the caller's passkeys.
type Passkeys struct {
	Items []Passkey `json:"items"`
}

// PasskeyName renames a passkey.
type PasskeyName struct {
	Name string `json:"name" minLength:"1" maxLength:"64"`
}

// RegistrationStart begins a WebAuthn registration.
type RegistrationStart struct {
	Name string `json:"name" minLength:"1" maxLength:"64" doc:"of the passkey, for example Bob's phone"`
}

// RegistrationOptions is what navigator.credentials.create takes.
type RegistrationOptions struct {
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options" doc:"PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3)"`
}

// Registration is the authenticator's answer, with the groups to be enrolled for.
type Registration struct {
	Ceremony   string          `json:"ceremony" minLength:"1" maxLength:"64"`
	Credential json.RawMessage `json:"credential" doc:"RegistrationResponseJSON (WebAuthn Level 3)"`
	Groups     []string        `json:"groups" maxItems:"50" doc:"approver groups asked for; empty: a passkey that only confirms the owner's own sign-ins"`
}

// Enrolment is a passkey on its way into the signer's roster.
type Enrolment struct {
	ID         string    `json:"id"`
	State      string    `json:"state" enum:"needs-possession,needs-authority,pinned,rejected,expired"`
	Person     Person    `json:"person"`
	Groups     []string  `json:"groups"`
	Passkey    string    `json:"passkey" doc:"its name"`
	Credential string    `json:"credential"`
	Statement  string    `json:"statement" doc:"the exact text that everybody signs"`
	Digest     string    `json:"digest"`
	Created    time.Time `json:"created"`
	Expires    time.Time `json:"expires"`
	// Signed are administrators' signatures; Quorum of them are needed, where
	// nothing else allows it.
	Signed  []Signature `json:"signed"`
	Quorum  int         `json:"quorum"`
	Missing int         `json:"missing"`
	May     []string    `json:"may" doc:"possession, authorise (with an own earlier passkey), sign (as an administrator), send, reject"`
}

// Enrolments is a list of enrolments that wait.
type Enrolments struct {
	Items []Enrolment `json:"items"`
}

// Authorisation is an authority's yes; exactly one is set.
type Authorisation struct {
	Passkey *Assertion      `json:"passkey,omitempty" doc:"an administrator's, one of the quorum; or an earlier one of the person's own"`
	Login   *LoginAuthority `json:"login,omitempty"`
}

// LoginAuthority is a login key's signature over the enrolment statement.
type LoginAuthority struct {
	Login     LoginBinding `json:"login"`
	Signature string       `json:"signature" minLength:"1" maxLength:"128"`
}
