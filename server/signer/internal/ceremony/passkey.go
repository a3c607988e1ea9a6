package ceremony

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
	"stint/server/evidence"
)

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// algorithms are what evidence.VerifyAssertion accepts, the best first.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256}

func credentialParameters() (parameters []protocol.CredentialParameter) {
	for _, algorithm := range algorithms {
		parameters = append(parameters, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	return parameters
}

// creationOptions are for navigator.credentials.create, as
// PublicKeyCredentialCreationOptionsJSON (Web Authentication Level 3, section 5.1.9).
func (c *Ceremony) creationOptions(person policies.Person, challenge, handle string) map[string]any {
	attestation := protocol.PreferNoAttestation
	if c.config.Attested(person.Groups) {
		attestation = protocol.PreferDirectAttestation
	}
	called := person.Email
	if called == "" {
		called = person.Name
	}
	return map[string]any{
		"challenge":        challenge,
		"rp":               map[string]string{"id": c.config.RelyingParty, "name": "Stint"},
		"user":             map[string]string{"id": handle, "name": called, "displayName": person.Name},
		"pubKeyCredParams": credentialParameters(),
		"authenticatorSelection": map[string]any{
			"residentKey": protocol.ResidentKeyRequirementPreferred, "userVerification": protocol.VerificationRequired,
		},
		"attestation": attestation,
		"timeout":     challengeLife.Milliseconds() / 2,
	}
}

// madePasskey is a passkey that a browser made here.
type madePasskey struct {
	credential, publicKey, aaguid string // as statements have them
	attestation                   evidence.Attestation
}

// parsePasskey reads what navigator.credentials.create answered, as
// RegistrationResponseJSON, and checks it against what was asked (Web
// Authentication Level 3, section 7.1). Whether an attestation is believed is
// package evidence's to say.
func parsePasskey(answer json.RawMessage, challenge, relyingParty, origin string) (madePasskey, error) {
	made, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return madePasskey{}, told(err)
	}
	_, err = made.Verify(challenge, relyingParty, []string{origin}, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, credentialParameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return madePasskey{}, told(err)
	}
	data := made.Response.AttestationObject.AuthData.AttData
	aaguid := data.AAGUID
	if len(aaguid) != 16 {
		aaguid = make([]byte, 16)
	}
	return madePasskey{
		credential: encode(data.CredentialID), publicKey: encode(data.CredentialPublicKey), aaguid: hex.EncodeToString(aaguid),
		attestation: evidence.Attestation{
			Object: encode(made.Raw.AttestationResponse.AttestationObject), ClientData: encode(made.Raw.AttestationResponse.ClientDataJSON),
		},
	}, nil
}

// told is the library's whole story, for the log.
func told(err error) error {
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%s (%s)", refusal.Details, refusal.DevInfo)
	}
	return err
}
