package device

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/go-attestation/attest"
	"github.com/google/go-tpm/legacy/tpm2"
)

// Certified is what a TPM states about a key: TPMT_PUBLIC, TPMS_ATTEST and
// TPMT_SIGNATURE (TPM 2.0 Library, Part 2).
type Certified struct {
	Public    []byte `json:"public"`
	Statement []byte `json:"statement"`
	Signature []byte `json:"signature"`
}

// Proof is what a TPM says of a device key. An attestation key, which signs
// nothing but what the TPM itself states, certifies that the device key was made
// in the same TPM and cannot leave it. That the attestation key is a TPM's at all
// takes an answer to a Challenge; whose TPM it is, its maker's certificate says.
type Proof struct {
	Endorsement []byte    `json:"endorsement,omitempty"` // endorsement key, PKIX DER; absent if the TPM's owner withholds it
	Certificate []byte    `json:"certificate,omitempty"` // of the endorsement key, by the TPM's maker, DER
	Attestation Certified `json:"attestation"`           // the attestation key, by itself
	Creation    []byte    `json:"creation"`              // of the attestation key: TPMS_CREATION_DATA
	Key         Certified `json:"key"`                   // the device key, by the attestation key
}

// Verified is a proof that holds. Only Verify makes one.
type Verified struct {
	proof       Proof
	endorsement *rsa.PublicKey // nil if there is none
	certificate *x509.Certificate
}

// Challenge is sealed to a TPM's endorsement key and the name of an attestation key.
type Challenge struct {
	Credential []byte `json:"credential"`
	Secret     []byte `json:"secret"`
}

// endorsementSize is the length in bytes of an endorsement key, RSA with 2048 bits:
// the one that every TPM has (TCG EK Credential Profile, template L-1).
const endorsementSize = 256

// maxPart bounds each part of a proof. The largest, an endorsement certificate, is
// about 1.5 KiB.
const maxPart = 8 << 10

// Verify checks what the proof says of the device key (authorized_keys form) by
// itself, without a TPM. It does no I/O and reads no clock.
func (p Proof) Verify(deviceKey string) (Verified, error) {
	refuse := func(why string, err error) (Verified, error) {
		return Verified{}, fmt.Errorf("the TPM's proof does not hold: %s: %w", why, err)
	}
	// 1. Everything is bounded, and reads as what it should be: the library's own
	// checks take the kinds of keys and signatures for granted.
	if err := p.shape(); err != nil {
		return refuse("it does not read", err)
	}
	// 2. The attestation key was made in a TPM, stays there, and signs only what
	// the TPM states.
	attestation := attest.ActivationParameters{AK: p.attestation()}
	if err := attestation.CheckAKParameters(); err != nil {
		return refuse("the attestation key", err)
	}
	// 3. It certifies the device key: made in the TPM, stays there, is the TPM's own.
	signer, err := attest.ParseAKPublic(p.Attestation.Public)
	if err != nil {
		return refuse("the attestation key", err)
	}
	key := attest.CertificationParameters{Public: p.Key.Public, CreateAttestation: p.Key.Statement, CreateSignature: p.Key.Signature}
	if err := key.Verify(attest.VerifyOpts{Public: signer.Public, Hash: signer.Hash}); err != nil {
		return refuse("the device key", err)
	}
	// 4. What is certified is this device key.
	if err := p.certifies(deviceKey); err != nil {
		return refuse("the device key", err)
	}
	// 5. The endorsement key, if it is there, and its certificate's.
	verified := Verified{proof: p}
	if verified.endorsement, verified.certificate, err = p.endorsed(); err != nil {
		return refuse("the endorsement key", err)
	}
	return verified, nil
}

// shape checks that each part is what it should be, so that nothing behind it
// meets a surprise.
func (p Proof) shape() error {
	parts := [][]byte{p.Endorsement, p.Certificate, p.Creation}
	for _, c := range []Certified{p.Attestation, p.Key} {
		parts = append(parts, c.Public, c.Statement, c.Signature)
	}
	if slices.ContainsFunc(parts, func(part []byte) bool { return len(part) > maxPart }) {
		return errors.New("a part is too long")
	}
	return errors.Join(p.Attestation.shape(), p.Key.shape())
}

// shape checks that key, statement and signature are of the kinds that Create makes.
func (c Certified) shape() error {
	public, err := tpm2.DecodePublic(c.Public)
	if err != nil {
		return err
	}
	if public.Type != tpm2.AlgECC || public.NameAlg != tpm2.AlgSHA256 || public.ECCParameters == nil || public.ECCParameters.CurveID != tpm2.CurveNISTP256 {
		return errors.New("a key is not on P-256")
	}
	if scheme := public.ECCParameters.Sign; scheme == nil || scheme.Alg != tpm2.AlgECDSA || scheme.Hash != tpm2.AlgSHA256 {
		return errors.New("a key does not sign with ECDSA and SHA-256")
	}
	// One spelling, so that the name which is certified is that of these bytes.
	if again, err := public.Encode(); err != nil || !bytes.Equal(again, c.Public) {
		return errors.New("a key is spelled in another way")
	}
	// A point off its curve is no key, and the library does not look.
	if !onCurve(public) {
		return errors.New("a key is no point of its curve")
	}
	statement, err := tpm2.DecodeAttestationData(c.Statement)
	if err != nil {
		return err
	}
	if statement.AttestedCertifyInfo == nil && statement.AttestedCreationInfo == nil {
		return errors.New("a statement states something else")
	}
	rest := bytes.NewBuffer(c.Signature)
	signature, err := tpm2.DecodeSignature(rest)
	if err != nil {
		return err
	}
	if rest.Len() > 0 || signature.Alg != tpm2.AlgECDSA || signature.ECC.HashAlg != tpm2.AlgSHA256 {
		return errors.New("a signature is not ECDSA with SHA-256")
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

// certifies checks that the key which was certified is the device key, and that it
// signs.
func (p Proof) certifies(deviceKey string) error {
	want, err := parsePublic(deviceKey)
	if err != nil {
		return err
	}
	public, err := tpm2.DecodePublic(p.Key.Public)
	if err != nil {
		return err
	}
	key, err := public.Key()
	if err != nil {
		return err
	}
	if !want.Equal(key) {
		return errors.New("it is another key's")
	}
	if public.Attributes&tpm2.FlagSign == 0 || public.Attributes&tpm2.FlagDecrypt != 0 {
		return errors.New("it is not a key that signs, and no more")
	}
	return nil
}

// endorsed reads the endorsement key and its certificate.
func (p Proof) endorsed() (*rsa.PublicKey, *x509.Certificate, error) {
	if len(p.Endorsement) == 0 {
		if len(p.Certificate) != 0 {
			return nil, nil, errors.New("there is a certificate and no key")
		}
		return nil, nil, nil
	}
	public, err := x509.ParsePKIXPublicKey(p.Endorsement)
	if err != nil {
		return nil, nil, err
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.Size() != endorsementSize {
		return nil, nil, errors.New("it is not RSA with 2048 bits")
	}
	if len(p.Certificate) == 0 {
		return key, nil, nil
	}
	certificate, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return nil, nil, err
	}
	if !key.Equal(certificate.PublicKey) {
		return nil, nil, errors.New("the certificate is another key's")
	}
	return key, certificate, nil
}

// subjectAlternativeName is the extension of RFC 5280, 4.2.1.6.
var subjectAlternativeName = asn1.ObjectIdentifier{2, 5, 29, 17}

// Maker checks that the endorsement key is certified by one of the makers of TPMs
// in roots, at the time given.
func (v Verified) Maker(roots, intermediates *x509.CertPool, now time.Time) error {
	if v.certificate == nil {
		return errors.New("the TPM has no certificate of its maker's")
	}
	certificate := *v.certificate
	// The subject's alternative name is critical in these certificates, and names
	// the TPM's model in a form that x509 leaves to its caller.
	certificate.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(certificate.UnhandledCriticalExtensions),
		subjectAlternativeName.Equal)
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("the TPM's certificate is of no known maker: %w", err)
	}
	return nil
}

// Challenge seals a fresh secret so that only the TPM which holds both the
// endorsement key and the attestation key can open it (TPM2_ActivateCredential).
// Whoever then answers with the secret holds the device key in that TPM.
func (v Verified) Challenge(random io.Reader) (Challenge, []byte, error) {
	if v.endorsement == nil {
		return Challenge{}, nil, errors.New("the TPM withholds its endorsement key: nothing can be sealed to it")
	}
	parameters := attest.ActivationParameters{EK: v.endorsement, Rand: random, AK: v.proof.attestation()}
	secret, sealed, err := parameters.Generate()
	if err != nil {
		return Challenge{}, nil, fmt.Errorf("sealing a challenge to the TPM: %w", err)
	}
	return Challenge{Credential: sealed.Credential, Secret: sealed.Secret}, secret, nil
}

// attestation is the library's form of the attestation key.
func (p Proof) attestation() attest.AttestationParameters {
	return attest.AttestationParameters{
		Public: p.Attestation.Public, CreateData: p.Creation, CreateAttestation: p.Attestation.Statement, CreateSignature: p.Attestation.Signature,
	}
}
