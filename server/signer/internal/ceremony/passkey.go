package ceremony

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
)

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// creationOptions are for navigator.credentials.create, as
// PublicKeyCredentialCreationOptionsJSON (Web Authentication Level 3, section 5.1.9).
func (c *Ceremony) creationOptions(person policies.Person, challenge, handle string) map[string]any {
	attestation := "none"
	if c.config.Attested(person.Groups) {
		attestation = "direct"
	}
	called := person.Email
	if called == "" {
		called = person.Name
	}
	// What evidence.VerifyAssertion accepts, the best first.
	var parameters []map[string]any
	for _, algorithm := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		parameters = append(parameters, map[string]any{"type": "public-key", "alg": algorithm})
	}
	return map[string]any{
		"challenge":              challenge,
		"rp":                     map[string]string{"id": c.config.RelyingParty, "name": "Stint"},
		"user":                   map[string]string{"id": handle, "name": called, "displayName": person.Name},
		"pubKeyCredParams":       parameters,
		"authenticatorSelection": map[string]string{"residentKey": "preferred", "userVerification": "required"},
		"attestation":            attestation,
		"timeout":                challengeLife.Milliseconds() / 2,
	}
}

// madePasskey is a passkey that a browser made here, as statements have it.
type madePasskey struct {
	credential, publicKey, aaguid string
	attestation                   evidence.Attestation
}

// registered is what navigator.credentials.create answers, as far as it is looked
// at: RegistrationResponseJSON (section 5.1.8).
type registered struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientData string `json:"clientDataJSON"`
		Object     string `json:"attestationObject"`
	} `json:"response"`
}

// parsePasskey reads a new passkey, and checks that it was made on this page, for
// this challenge, with its user verified (section 7.1). That whoever made it holds
// it, and whether an attestation is believed, is package evidence's to check.
func parsePasskey(answer registered, challenge, relyingParty, origin string) (madePasskey, error) {
	none := madePasskey{}
	// 1. The browser was asked for a new passkey by this page.
	clientData, err := base64.RawURLEncoding.DecodeString(answer.Response.ClientData)
	if err != nil {
		return none, errors.New("the client data is not base64url")
	}
	var client struct {
		Type, Challenge, Origin string
		CrossOrigin             bool
	}
	if err := errors.Join(border.CheckNames(clientData), json.Unmarshal(clientData, &client)); err != nil {
		return none, err
	}
	if client.Type != "webauthn.create" || client.Challenge != challenge || client.Origin != origin || client.CrossOrigin {
		return none, errors.New("the passkey was made for another challenge, or on another page")
	}
	// 2. The authenticator made it for our relying party, with its user verified.
	object, err := base64.RawURLEncoding.DecodeString(answer.Response.Object)
	if err != nil {
		return none, errors.New("the attestation object is not base64url")
	}
	var attested struct {
		AuthenticatorData []byte `cbor:"authData"`
	}
	if err := webauthncbor.Unmarshal(object, &attested); err != nil {
		return none, err
	}
	made, err := parseAuthenticatorData(attested.AuthenticatorData, relyingParty)
	if err == nil && (made.credential != answer.ID || made.credential != answer.RawID || answer.Type != "public-key") {
		err = errors.New("the browser names another passkey than the authenticator made")
	}
	made.attestation = evidence.Attestation{Object: answer.Response.Object, ClientData: answer.Response.ClientData}
	return made, err
}

// Authenticator data (section 6.1): hash of the relying party, flags, counter, and
// where a passkey was made the AAGUID, the credential's id behind its length, and its
// key.
const (
	headSize         = sha256.Size + 1 + 4
	attestedSize     = headSize + 16 + 2
	flagUserPresent  = 1 << 0
	flagUserVerified = 1 << 2
	flagAttestedData = 1 << 6
)

func parseAuthenticatorData(data []byte, relyingParty string) (madePasskey, error) {
	none := madePasskey{}
	party := sha256.Sum256([]byte(relyingParty))
	const flags = flagUserPresent | flagUserVerified | flagAttestedData
	if len(data) < attestedSize || !bytes.HasPrefix(data, party[:]) || data[sha256.Size]&flags != flags {
		return none, errors.New("the passkey is another relying party's, or its user was not verified")
	}
	size, rest := int(binary.BigEndian.Uint16(data[attestedSize-2:])), data[attestedSize:]
	if size == 0 || len(rest) <= size {
		return none, errors.New("the passkey has no id, or no key")
	}
	var key cbor.RawMessage
	if _, err := cbor.UnmarshalFirst(rest[size:], &key); err != nil {
		return none, err
	}
	return madePasskey{
		credential: encode(rest[:size]), publicKey: encode(key), aaguid: hex.EncodeToString(data[headSize : headSize+16]),
	}, nil
}
