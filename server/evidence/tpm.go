package evidence

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"time"

	"github.com/google/go-attestation/attest"
	"github.com/google/go-tpm/legacy/tpm2"

	"stint/policies"
)

// TPMCertified is what a TPM states about a key: TPMT_PUBLIC, TPMS_ATTEST and
// TPMT_SIGNATURE (TPM 2.0 Library, Part 2).
type TPMCertified struct {
	Public    []byte `json:"public"`
	Statement []byte `json:"statement"`
	Signature []byte `json:"signature"`
}

// TPMProof is what a TPM says of a device key. An attestation key, which signs
// nothing but what the TPM itself states, certifies that the device key was made in
// the same TPM and cannot leave it. That the attestation key is a TPM's at all takes
// an answer to a DeviceChallenge; whose TPM it is, its maker's certificate says.
type TPMProof struct {
	Endorsement []byte       `json:"endorsement,omitempty"` // endorsement key, PKIX DER; absent if the TPM's owner withholds it
	Certificate []byte       `json:"certificate,omitempty"` // of the endorsement key, by the TPM's maker, DER
	Attestation TPMCertified `json:"attestation"`           // the attestation key, by itself
	Creation    []byte       `json:"creation"`              // of the attestation key: TPMS_CREATION_DATA
	Key         TPMCertified `json:"key"`                   // the device key, by the attestation key
}

// VerifiedTPM is a TPM's proof that holds. Only VerifyTPM makes one that holds
// anything.
type VerifiedTPM struct {
	proof       TPMProof
	endorsement *rsa.PublicKey // nil if there is none
	certificate *x509.Certificate
}

// Bounds of a proof's parts, in bytes. An endorsement certificate has about 1.5 KiB,
// every other part less than 300 bytes.
const (
	mostTPMCertificate = 4 << 10
	mostTPMPart        = 1 << 10
)

// EndorsementSize is the length in bytes of an endorsement key that counts, RSA with
// 2048 bits: the one that every TPM has (TCG EK Credential Profile, template L-1).
const EndorsementSize = 256

// VerifyTPM checks what a proof says of a device key (form of ParseAuthorityKey) by
// itself, without a TPM. A refusal is a *Failure.
func VerifyTPM(p TPMProof, deviceKey string) (VerifiedTPM, error) {
	none := VerifiedTPM{}
	// 1. Everything is bounded, and reads as what it should be: the library's own
	// checks take the kinds of keys and signatures for granted.
	if err := p.bounded(); err != nil {
		return none, err
	}
	if err := p.Attestation.shape(); err != nil {
		return none, fail("attestation", "the attestation key of the TPM's proof does not read: %v", err)
	}
	if err := p.Key.shape(); err != nil {
		return none, fail("key", "the device key of the TPM's proof does not read: %v", err)
	}
	// 2. The attestation key was made in a TPM, stays there, signs, and signs only what
	// the TPM states.
	attestation := attest.ActivationParameters{AK: p.attestation()}
	if err := attestation.CheckAKParameters(); err != nil {
		return none, fail("attestation", "the TPM's attestation key is not one that signs only what a TPM states: %v", err)
	}
	if _, err := p.Attestation.signs(); err != nil {
		return none, fail("attestation", "the TPM's attestation key %v", err)
	}
	// 3. It certifies the device key: made in the TPM, stays there, is the TPM's own.
	signer, err := attest.ParseAKPublic(p.Attestation.Public)
	if err != nil {
		return none, fail("attestation", "the TPM's attestation key does not read: %v", err)
	}
	certified := attest.CertificationParameters{Public: p.Key.Public, CreateAttestation: p.Key.Statement, CreateSignature: p.Key.Signature}
	if err := certified.Verify(attest.VerifyOpts{Public: signer.Public, Hash: signer.Hash}); err != nil {
		return none, fail("key", "the TPM does not certify that the device key was made in it and stays there: %v", err)
	}
	// 4. What is certified is this device key, and it signs.
	if err := p.certifies(deviceKey); err != nil {
		return none, err
	}
	// 5. The endorsement key, if it is there, and its certificate's.
	verified := VerifiedTPM{proof: p}
	if verified.endorsement, verified.certificate, err = p.endorsed(); err != nil {
		return none, err
	}
	return verified, nil
}

// bounded checks how long each part is, and that none is missing.
func (p TPMProof) bounded() error {
	if len(p.Certificate) > mostTPMCertificate {
		return fail("size", "the certificate of the TPM's proof is too long")
	}
	needed := [][]byte{p.Creation, p.Attestation.Public, p.Attestation.Statement, p.Attestation.Signature, p.Key.Public, p.Key.Statement, p.Key.Signature}
	if slices.ContainsFunc(append(needed, p.Endorsement), func(part []byte) bool { return len(part) > mostTPMPart }) {
		return fail("size", "a part of the TPM's proof is too long")
	}
	if slices.ContainsFunc(needed, func(part []byte) bool { return len(part) == 0 }) {
		return fail("size", "a part of the TPM's proof is missing")
	}
	return nil
}

// shape checks that key, statement and signature are of the kinds that the command
// line makes.
func (c TPMCertified) shape() error {
	public, err := tpm2.DecodePublic(c.Public)
	if err != nil {
		return err
	}
	if public.Type != tpm2.AlgECC || public.NameAlg != tpm2.AlgSHA256 || public.ECCParameters == nil || public.ECCParameters.CurveID != tpm2.CurveNISTP256 {
		return errors.New("it is not on P-256")
	}
	if scheme := public.ECCParameters.Sign; scheme == nil || scheme.Alg != tpm2.AlgECDSA || scheme.Hash != tpm2.AlgSHA256 {
		return errors.New("it does not sign with ECDSA and SHA-256")
	}
	// One spelling, so that the name which is certified is that of these bytes.
	if again, err := public.Encode(); err != nil || !bytes.Equal(again, c.Public) {
		return errors.New("it is spelled in another way")
	}
	// A point off its curve is no key, and the library does not look.
	if !onCurve(public) {
		return errors.New("it is no point of its curve")
	}
	statement, err := tpm2.DecodeAttestationData(c.Statement)
	if err != nil {
		return err
	}
	var named *tpm2.HashValue
	switch {
	case statement.AttestedCertifyInfo != nil:
		named = statement.AttestedCertifyInfo.Name.Digest
	case statement.AttestedCreationInfo != nil:
		named = statement.AttestedCreationInfo.Name.Digest
	default:
		return errors.New("its statement states something else")
	}
	// The library compares the digest alone.
	if named == nil || named.Alg != public.NameAlg {
		return errors.New("its statement names it by another algorithm")
	}
	if again, err := statement.Encode(); err != nil || !bytes.Equal(again, c.Statement) {
		return errors.New("its statement is spelled in another way")
	}
	rest := bytes.NewBuffer(c.Signature)
	signature, err := tpm2.DecodeSignature(rest)
	if err != nil {
		return err
	}
	if rest.Len() > 0 || signature.Alg != tpm2.AlgECDSA || signature.ECC.HashAlg != tpm2.AlgSHA256 {
		return errors.New("its signature is not ECDSA with SHA-256")
	}
	return nil
}

// onCurve tells whether the public key is a point of P-256.
func onCurve(public tpm2.Public) bool {
	point := public.ECCParameters.Point
	if len(point.XRaw) > 32 || len(point.YRaw) > 32 {
		return false
	}
	encoded := make([]byte, 65)
	encoded[0] = 4
	copy(encoded[33-len(point.XRaw):], point.XRaw)
	copy(encoded[65-len(point.YRaw):], point.YRaw)
	_, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), encoded)
	return err == nil
}

// signs gives the public key, of a key that signs and does nothing else.
func (c TPMCertified) signs() (*ecdsa.PublicKey, error) {
	public, err := tpm2.DecodePublic(c.Public)
	if err != nil {
		return nil, err
	}
	key, err := public.Key()
	if err != nil {
		return nil, err
	}
	ecc, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Attributes&tpm2.FlagSign == 0 || public.Attributes&tpm2.FlagDecrypt != 0 {
		return nil, errors.New("is not a key that signs, and no more")
	}
	return ecc, nil
}

// certifies checks that the key which was certified is the device key, and that it
// signs.
func (p TPMProof) certifies(deviceKey string) error {
	want, err := ParseAuthorityKey(deviceKey)
	if err != nil {
		return fail("key", "the device key cannot be read: %v", err)
	}
	key, err := p.Key.signs()
	if err != nil {
		return fail("key", "the device key %v", err)
	}
	if !key.Equal(want) {
		return fail("key", "the TPM's proof is another key's")
	}
	return nil
}

// endorsed reads the endorsement key and its certificate.
func (p TPMProof) endorsed() (*rsa.PublicKey, *x509.Certificate, error) {
	if len(p.Endorsement) == 0 {
		if len(p.Certificate) != 0 {
			return nil, nil, fail("endorsement", "the TPM's proof has a certificate, and no key that it is for")
		}
		return nil, nil, nil
	}
	public, err := x509.ParsePKIXPublicKey(p.Endorsement)
	if err != nil {
		return nil, nil, fail("endorsement", "the TPM's endorsement key does not read")
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.Size() != EndorsementSize || key.E != 65537 {
		return nil, nil, fail("endorsement", "the TPM's endorsement key is not RSA with 2048 bits")
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, p.Endorsement) {
		return nil, nil, fail("endorsement", "the TPM's endorsement key is spelled in another way")
	}
	if len(p.Certificate) == 0 {
		return key, nil, nil
	}
	certificate, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return nil, nil, fail("certificate", "the TPM's certificate does not read")
	}
	if !key.Equal(certificate.PublicKey) {
		return nil, nil, fail("certificate", "the TPM's certificate is another key's")
	}
	return key, certificate, nil
}

var (
	// subjectAlternativeName is the extension of RFC 5280, 4.2.1.6.
	subjectAlternativeName = asn1.ObjectIdentifier{2, 5, 29, 17}
	// endorsementUsage is tcg-kp-EKCertificate (TCG EK Credential Profile, 3.2.16).
	endorsementUsage = asn1.ObjectIdentifier{2, 23, 133, 8, 1}
)

// MakerRoot finds the root (see policies.RootDigest) of the makers in the policy that
// signed the certificate of the endorsement key and is valid with it at a moment; empty
// where none did, or there is no certificate. One that answers for what signed it is not
// it: striking an authority whose key was stolen must refuse whatever that signed, also
// where a root above it stays. The maker's other certificates, for something else than
// endorsement keys, say nothing about TPMs. An error is a *Failure.
func (v VerifiedTPM) MakerRoot(policy *policies.Bundle, now time.Time) (root string, err error) {
	if v.certificate == nil || v.certificate.IsCA || !slices.ContainsFunc(v.certificate.UnknownExtKeyUsage, endorsementUsage.Equal) {
		return "", nil
	}
	// The subject's alternative name is critical in these certificates, and names the
	// TPM's model in a form that x509 leaves to its caller.
	leaf := *v.certificate
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), subjectAlternativeName.Equal)
	for _, maker := range policy.Organization().TPMMakers {
		roots, err := maker.Certificates()
		if err != nil {
			return "", fail("root", "the policy's root certificates of TPMs cannot be read")
		}
		for _, root := range roots {
			if leadsTo(&leaf, nil, []*x509.Certificate{root}, now) {
				return policies.RootDigest(root), nil
			}
		}
	}
	return "", nil
}

// attestation is the library's form of the attestation key.
func (p TPMProof) attestation() attest.AttestationParameters {
	return attest.AttestationParameters{
		Public: p.Attestation.Public, CreateData: p.Creation, CreateAttestation: p.Attestation.Statement, CreateSignature: p.Attestation.Signature,
	}
}
