package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Bounds of an assertion's parts, in bytes.
const (
	mostAuthenticatorData = 4 << 10
	mostClientData        = 4 << 10
	mostSignature         = 1 << 10
)

// Authenticator data: the hash of the relying-party id, flags and a counter
// (Web Authentication Level 3, section 6.1).
const (
	authenticatorDataSize = sha256.Size + 1 + 4
	flagUserPresent       = 1 << 0
	flagUserVerified      = 1 << 2
	flagAttestedData      = 1 << 6
	flagExtensionData     = 1 << 7
)

// VerifyAssertion checks that a passkey signed the exact text of a statement,
// on one of the trusted origins, with its user present and verified (Web
// Authentication Level 3, section 7.2). It does not ask whether the passkey may
// still sign: see Passkey.Active. A refusal is a *Failure.
//
// The signature counter is not looked at: passkeys that are synchronized do not
// keep one, and a statement that was signed once counts once, whoever repeats it.
func VerifyAssertion(a Assertion, statement string, passkey Passkey, trust Trust) error {
	// 1. It is this passkey's.
	if a.Credential != passkey.Credential {
		return fail("credential", "the assertion is by another passkey")
	}
	authenticatorData, err := boundedBase64(a.AuthenticatorData, mostAuthenticatorData)
	if err != nil {
		return fail("authenticator-data", "the authenticator data cannot be read")
	}
	clientData, err := boundedBase64(a.ClientData, mostClientData)
	if err != nil {
		return fail("client-data", "the client data cannot be read")
	}
	signature, err := boundedBase64(a.Signature, mostSignature)
	if err != nil {
		return fail("signature", "the signature cannot be read")
	}

	// 2. The browser was asked for an assertion over this text, by a page of ours.
	if err := checkClientData(clientData, statement, trust.Origins); err != nil {
		return err
	}

	// 3. The authenticator answered our relying party, with its user there and
	// verified.
	if err := checkAuthenticatorData(authenticatorData, trust.RelyingParty); err != nil {
		return err
	}

	// 4. The pinned key signed both.
	key, err := parsePasskeyKey(passkey.PublicKey)
	if err != nil {
		return fail("passkey-key", "the passkey's public key cannot be used: %v", err)
	}
	hash := sha256.Sum256(clientData)
	if valid, err := webauthncose.VerifySignature(key, append(authenticatorData, hash[:]...), signature); err != nil || !valid {
		return fail("signature", "the passkey did not sign this")
	}
	return nil
}

func boundedBase64(text string, most int) ([]byte, error) {
	data, err := fromBase64(text)
	if err == nil && (len(data) == 0 || len(data) > most) {
		err = errors.New("it is empty or too long")
	}
	return data, err
}

// checkClientData holds the client data of an assertion against what the page
// should have asked for.
func checkClientData(data []byte, statement string, origins []string) error {
	asked, err := checkClientContext(data, "webauthn.get", origins)
	if err != nil {
		return err
	}
	if challenge := Challenge(statement); asked != toBase64(challenge[:]) {
		return fail("challenge", "the passkey signed something other than this statement")
	}
	return nil
}

// checkClientContext checks what was asked of the passkey and by which page, and
// returns the challenge. Members that this version of the standard does not know
// are let be, as it demands.
func checkClientContext(data []byte, kind string, origins []string) (challenge string, err error) {
	members, err := exactMembers(data)
	if err != nil {
		return "", fail("client-data", "the client data is no JSON object: %v", err)
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	origin := text("origin")
	switch {
	case text("type") != kind:
		return "", fail("client-data-type", "the passkey was asked for something else than %s", kind)
	case origin == "" || !slices.Contains(origins, origin):
		return "", fail("origin", "the passkey was asked by %.100q, which is no trusted origin", origin)
	}
	// A page that frames the portal could have drawn over the statement.
	if cross, there := members["crossOrigin"]; there && string(cross) != "false" {
		return "", fail("cross-origin", "the passkey was asked inside another site's page")
	}
	if _, there := members["topOrigin"]; there {
		return "", fail("cross-origin", "the passkey was asked inside another site's page")
	}
	return text("challenge"), nil
}

// clientOrigin is the origin that client data states; empty where it states none.
func clientOrigin(a Assertion) (origin string) {
	data, err := boundedBase64(a.ClientData, mostClientData)
	if err != nil {
		return ""
	}
	members, err := exactMembers(data)
	if err != nil || json.Unmarshal(members["origin"], &origin) != nil {
		return ""
	}
	return origin
}

// exactMembers reads one JSON object. Unlike encoding/json it tells names apart
// by their case and refuses a name that stands twice, so that nobody can show
// one value to us and another to someone else.
func exactMembers(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("it does not begin as one")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if _, twice := members[name]; !ok || twice {
			return nil, errors.New("a name stands twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after it")
	}
	return members, nil
}

func checkAuthenticatorData(data []byte, relyingParty string) error {
	if len(data) < authenticatorDataSize {
		return fail("authenticator-data", "the authenticator data is too short")
	}
	flags := data[sha256.Size]
	hash := sha256.Sum256([]byte(relyingParty))
	switch {
	case !bytes.Equal(data[:sha256.Size], hash[:]):
		return fail("relying-party", "the passkey answered another relying party")
	case flags&flagUserPresent == 0:
		return fail("user-present", "nobody touched the passkey")
	case flags&flagUserVerified == 0:
		return fail("user-verified", "the passkey did not verify its user (by PIN, finger or face)")
	case flags&flagAttestedData != 0, flags&flagExtensionData == 0 && len(data) != authenticatorDataSize:
		return fail("authenticator-data", "the authenticator data is not that of an assertion")
	}
	return nil
}

// parsePasskeyKey reads a COSE key (RFC 9052, section 7) of an algorithm that we
// accept: ES256, EdDSA with Ed25519, or RS256 with at least 2048 bits.
func parsePasskeyKey(text string) (any, error) {
	data, err := boundedBase64(text, mostPublicKey)
	if err != nil {
		return nil, errors.New("it is not base64url")
	}
	// The library accepts more algorithms than we do: look before it parses.
	var head webauthncose.PublicKeyData
	if err := webauthncbor.Unmarshal(data, &head); err != nil {
		return nil, errors.New("it is no COSE key")
	}
	kind, algorithm := webauthncose.COSEKeyType(head.KeyType), webauthncose.COSEAlgorithmIdentifier(head.Algorithm)
	accepted := kind == webauthncose.EllipticKey && algorithm == webauthncose.AlgES256 ||
		kind == webauthncose.OctetKey && algorithm == webauthncose.AlgEdDSA ||
		kind == webauthncose.RSAKey && algorithm == webauthncose.AlgRS256
	if !accepted {
		return nil, errors.New("its algorithm is none of ES256, EdDSA and RS256")
	}
	key, err := webauthncose.ParsePublicKey(data)
	if err != nil {
		return nil, errors.New("it is no key of its algorithm")
	}
	if rsa, ok := key.(webauthncose.RSAPublicKeyData); ok {
		bits := new(big.Int).SetBytes(rsa.Modulus).BitLen()
		if exponent := new(big.Int).SetBytes(rsa.Exponent); bits < 2048 || exponent.Cmp(big.NewInt(65537)) != 0 {
			return nil, errors.New("an RSA key has at least 2048 bits and the exponent 65537")
		}
	}
	return key, nil
}

// keyIdentity is equal for equal keys however their COSE map was written, and
// empty for what is no key.
func keyIdentity(publicKey string) string {
	key, err := parsePasskeyKey(publicKey)
	if err != nil {
		return ""
	}
	var id []byte
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		id = sized(sized(binary.BigEndian.AppendUint64(nil, uint64(k.Algorithm)), k.XCoord), k.YCoord)
	case webauthncose.OKPPublicKeyData:
		id = sized(binary.BigEndian.AppendUint64(nil, uint64(k.Algorithm)), k.XCoord)
	case webauthncose.RSAPublicKeyData:
		id = sized(binary.BigEndian.AppendUint64(nil, uint64(k.Algorithm)), bytes.TrimLeft(k.Modulus, "\x00"))
	}
	return string(id)
}
