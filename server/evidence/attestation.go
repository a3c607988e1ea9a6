package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
)

// Bounds of an attestation.
const (
	mostAttestation  = 32 << 10 // bytes of the object
	mostCertificates = 8
)

// Attested credential data: AAGUID and the length of the credential id stand in front
// of both (Web Authentication Level 3, section 6.5.1).
const attestedHeadSize = authenticatorDataSize + 16 + 2

// aaguidExtension is id-fido-gen-ce-aaguid (section 8.2.1).
var aaguidExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// checkAttested checks the attestation of a new passkey, where there is one, and
// returns the make of its authenticator, as the policy names it. Where the policy
// demands one for the groups that the enrolment states, there must be one. One that
// does not hold refuses the enrolment even if none was needed.
func checkAttested(a *Attestation, e *Enrolment, trust Trust, now time.Time) (string, error) {
	policy, err := trust.loaded()
	if err != nil {
		return "", err
	}
	if a == nil {
		if policy.NeedsAttestation(e.Groups) {
			return "", fail("attestation-missing", "the policy demands to know on which authenticator this passkey lives; register it with attestation")
		}
		return "", nil
	}
	made, err := verifyAttestation(*a, e, policy, trust, now)
	return made, within("attestation", err)
}

// attestationObject is the object as CBOR has it (section 6.5.4), of which only the
// format "packed" (section 8.2) is read.
type attestationObject struct {
	Format            string `cbor:"fmt"`
	AuthenticatorData []byte `cbor:"authData"`
	Statement         struct {
		Algorithm    int64    `cbor:"alg"`
		Signature    []byte   `cbor:"sig"`
		Certificates [][]byte `cbor:"x5c"`
	} `cbor:"attStmt"`
}

// verifyAttestation checks that an authenticator of a make that the policy lists
// holds the passkey of an enrolment (sections 7.1, 8.2 and 8.2.1). The challenge of
// the registration was the page's to choose and proves nothing here: what counts is
// that the attested key is the one enrolled, which the possession proves.
func verifyAttestation(a Attestation, e *Enrolment, policy *policies.Bundle, trust Trust, now time.Time) (string, error) {
	// 1. Parse strictly.
	clientData, err := boundedBase64(a.ClientData, mostClientData)
	if err != nil {
		return "", fail("client-data", "the client data of the registration cannot be read")
	}
	if _, err := checkClientContext(clientData, "webauthn.create", trust.Origins); err != nil {
		return "", err
	}
	encoded, err := boundedBase64(a.Object, mostAttestation)
	if err != nil {
		return "", fail("object", "the attestation object cannot be read")
	}
	var object attestationObject
	if err := webauthncbor.Unmarshal(encoded, &object); err != nil {
		return "", fail("object", "the attestation object cannot be read")
	}
	if object.Format != "packed" {
		return "", fail("format", "the authenticator attests in the format %.40q; only packed counts", object.Format)
	}

	// 2. It is about the passkey that is enrolled.
	if err := checkAttestedData(object.AuthenticatorData, e, trust.RelyingParty); err != nil {
		return "", err
	}

	// 3. The policy lists the make.
	listed := policy.Organization().Attestation.Authenticators
	i := slices.IndexFunc(listed, func(a policies.Authenticator) bool { return a.AAGUID == e.AAGUID })
	if i < 0 {
		return "", fail("authenticator", "the policy lists no authenticator with the AAGUID %s", e.AAGUID)
	}

	// 4. The certificate is one of the maker's, and its key signed.
	leaf, others, err := attestationCertificates(object.Statement.Certificates)
	if err != nil {
		return "", fail("certificate", "the attestation certificates cannot be used: %v", err)
	}
	if err := checkAttestationCertificate(leaf, e.AAGUID); err != nil {
		return "", err
	}
	roots, err := listed[i].Certificates()
	if err != nil {
		return "", fail("root", "the policy's root certificates cannot be read")
	}
	if !leadsTo(leaf, others, roots, now) {
		return "", fail("root", "the attestation certificate does not lead to a root that the policy lists for %s", listed[i].Name)
	}
	hash := sha256.Sum256(clientData)
	message := append(bytes.Clone(object.AuthenticatorData), hash[:]...)
	if !attestationSigned(leaf, object.Statement.Algorithm, message, object.Statement.Signature) {
		return "", fail("signature", "the authenticator's maker did not sign this attestation")
	}
	return listed[i].Name, nil
}

// checkAttestedData holds the authenticator data of a registration against the
// enrolment.
func checkAttestedData(data []byte, e *Enrolment, relyingParty string) error {
	if len(data) < attestedHeadSize {
		return fail("authenticator-data", "the authenticator data is too short")
	}
	flags := data[sha256.Size]
	party := sha256.Sum256([]byte(relyingParty))
	switch {
	case !bytes.Equal(data[:sha256.Size], party[:]):
		return fail("relying-party", "the passkey was registered for another relying party")
	case flags&flagUserPresent == 0:
		return fail("user-present", "nobody touched the authenticator")
	case flags&flagAttestedData == 0:
		return fail("authenticator-data", "the authenticator data is not that of a registration")
	case hex.EncodeToString(data[authenticatorDataSize:authenticatorDataSize+16]) != e.AAGUID:
		return fail("aaguid", "the enrolment states another AAGUID than the authenticator")
	}
	size := int(binary.BigEndian.Uint16(data[attestedHeadSize-2:]))
	rest := data[attestedHeadSize:]
	if len(rest) < size {
		return fail("authenticator-data", "the authenticator data is too short")
	}
	if toBase64(rest[:size]) != e.Credential {
		return fail("credential", "the attestation is of another passkey")
	}
	rest = rest[size:]
	var key webauthncbor.RawMessage
	used, err := webauthncbor.UnmarshalFirst(rest, &key)
	if err != nil {
		return fail("authenticator-data", "the passkey's public key cannot be read")
	}
	if identity := keyIdentity(toBase64(rest[:used])); identity == "" || identity != keyIdentity(e.PublicKey) {
		return fail("key", "the attestation is of another key")
	}
	if flags&flagExtensionData == 0 && used != len(rest) {
		return fail("authenticator-data", "there is more after the passkey's public key")
	}
	return nil
}

// attestationCertificates reads the chain, the authenticator's own certificate first.
func attestationCertificates(chain [][]byte) (leaf *x509.Certificate, others []*x509.Certificate, err error) {
	if len(chain) == 0 || len(chain) > mostCertificates {
		return nil, nil, errors.New("there is none, or there are too many")
	}
	for _, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, errors.New("one cannot be read")
		}
		others = append(others, certificate)
	}
	return others[0], others[1:], nil
}

// checkAttestationCertificate checks what section 8.2.1 demands: else a maker's
// certificate for something else would do.
func checkAttestationCertificate(c *x509.Certificate, aaguid string) error {
	if c.Version != 3 || c.IsCA || !slices.Equal(c.Subject.OrganizationalUnit, []string{"Authenticator Attestation"}) {
		return fail("certificate", "the certificate is none for attestation")
	}
	for _, extension := range c.Extensions {
		if !extension.Id.Equal(aaguidExtension) {
			continue
		}
		var stated []byte
		if rest, err := asn1.Unmarshal(extension.Value, &stated); err != nil || len(rest) > 0 || hex.EncodeToString(stated) != aaguid {
			return fail("certificate", "the certificate is for authenticators of another make")
		}
	}
	return nil
}

// leadsTo tells whether a chain leads to one of the roots, at a moment.
func leadsTo(leaf *x509.Certificate, others, roots []*x509.Certificate, now time.Time) bool {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range roots {
		options.Roots.AddCert(c)
	}
	for _, c := range others {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	return err == nil
}

// attestationSigned checks the signature over a registration, of the algorithms that
// authenticators' makers use.
func attestationSigned(c *x509.Certificate, algorithm int64, message, signature []byte) bool {
	known := map[webauthncose.COSEAlgorithmIdentifier]x509.SignatureAlgorithm{
		webauthncose.AlgES256: x509.ECDSAWithSHA256,
		webauthncose.AlgES384: x509.ECDSAWithSHA384,
		webauthncose.AlgRS256: x509.SHA256WithRSA,
		webauthncose.AlgEdDSA: x509.PureEd25519,
	}
	with, ok := known[webauthncose.COSEAlgorithmIdentifier(algorithm)]
	return ok && c.CheckSignature(with, message, signature) == nil
}
