package evidencetest

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/legacy/tpm2"
	"github.com/google/go-tpm/tpmutil"

	"stint/policies"
	"stint/server/evidence"
)

// TPM is software that plays a TPM: it states of any key whatever a TPM would, and
// more than one would if its fields are changed first. Only its certificate it cannot
// make itself.
type TPM struct {
	// Attestation and Key are the properties that it states of its attestation key and
	// of device keys.
	Attestation, Key tpm2.KeyProp
	// Magic stands in front of what it states.
	Magic uint32
	// Names is the algorithm that it says to have made the names with which it states keys.
	Names       tpm2.Algorithm
	Certificate []byte // see TPMMaker.Certify; nil for none

	endorsement *rsa.PrivateKey
	attestation *ecdsa.PrivateKey
}

// endorsements are made once: such keys take long. Each TPM of a test takes another.
var endorsements = sync.OnceValues(func() (keys [2]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

// NewTPM makes the TPM with that number, 0 or 1, which says which endorsement key it
// has. Its attestation key is new.
func NewTPM(t testing.TB, number int) *TPM {
	t.Helper()
	keys, err := endorsements()
	check(t, err)
	attestation, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	inTPM := tpm2.FlagFixedTPM | tpm2.FlagFixedParent | tpm2.FlagSensitiveDataOrigin | tpm2.FlagUserWithAuth | tpm2.FlagSign
	return &TPM{
		Attestation: inTPM | tpm2.FlagRestricted, Key: inTPM, Magic: 0xff544347, Names: tpm2.AlgSHA256,
		endorsement: keys[number], attestation: attestation,
	}
}

// Proof is what it states of a device's key.
func (p *TPM) Proof(t testing.TB, d *Device) *evidence.TPMProof {
	t.Helper()
	endorsement, err := x509.MarshalPKIXPublicKey(p.endorsement.Public())
	check(t, err)
	selection, err := tpmutil.Pack(uint32(1), tpm2.AlgSHA256, []byte{3, 0, 0, 0})
	check(t, err)
	parent, err := tpmutil.Pack(byte(1), tpm2.AlgSHA256, tpmutil.U16Bytes("\x00\x0bparent-of-32-bytes-parent-of-32-"), tpmutil.U16Bytes("\x00\x0bparent-of-32-bytes-parent-of-32-"), tpmutil.U16Bytes{})
	check(t, err)
	digest, err := tpmutil.Pack(tpmutil.U16Bytes(make([]byte, 32)))
	check(t, err)
	creation := append(append(selection, digest...), parent...)
	hash := sha256.Sum256(creation)

	attestation, name := public(t, &p.attestation.PublicKey, p.Attestation)
	key, keyName := public(t, &d.key.PublicKey, p.Key)
	return &evidence.TPMProof{
		Endorsement: endorsement, Certificate: p.Certificate, Creation: creation,
		Attestation: p.states(t, attestation, tpm2.TagAttestCreation, name, hash[:]),
		Key:         p.states(t, key, tpm2.TagAttestCertify, keyName, keyName),
	}
}

// public is a key as a TPM writes it, with its name.
func public(t testing.TB, key *ecdsa.PublicKey, properties tpm2.KeyProp) (encoded, name []byte) {
	t.Helper()
	point, err := key.Bytes()
	check(t, err)
	encoded, err = tpm2.Public{
		Type: tpm2.AlgECC, NameAlg: tpm2.AlgSHA256, Attributes: properties,
		ECCParameters: &tpm2.ECCParams{
			Sign: &tpm2.SigScheme{Alg: tpm2.AlgECDSA, Hash: tpm2.AlgSHA256}, CurveID: tpm2.CurveNISTP256,
			Point: tpm2.ECPoint{XRaw: point[1:33], YRaw: point[33:]},
		},
	}.Encode()
	check(t, err)
	sum := sha256.Sum256(encoded)
	return encoded, append([]byte{0, 0x0b}, sum[:]...)
}

// states signs a statement about a key with the attestation key.
func (p *TPM) states(t testing.TB, public []byte, kind tpmutil.Tag, name, more []byte) evidence.TPMCertified {
	t.Helper()
	named, err := tpmutil.Pack(p.Names, tpmutil.RawBytes(name[2:]))
	check(t, err)
	statement, err := tpmutil.Pack(p.Magic, kind, tpmutil.U16Bytes("\x00\x0bsigner-of-32-bytes-signer-of-32-"), tpmutil.U16Bytes{},
		tpm2.ClockInfo{Clock: 1, ResetCount: 1, Safe: 1}, uint64(1), tpmutil.U16Bytes(named), tpmutil.U16Bytes(more))
	check(t, err)
	sum := sha256.Sum256(statement)
	r, s, err := ecdsa.Sign(rand.Reader, p.attestation, sum[:])
	check(t, err)
	signature, err := tpmutil.Pack(tpm2.AlgECDSA, tpm2.AlgSHA256, tpmutil.U16Bytes(r.FillBytes(make([]byte, 32))), tpmutil.U16Bytes(s.FillBytes(make([]byte, 32))))
	check(t, err)
	return evidence.TPMCertified{Public: public, Statement: statement, Signature: signature}
}

// Answer opens a challenge as TPM2_ActivateCredential does (TPM 2.0 Library, Part 1,
// section 24). It fails where the challenge is for another endorsement key, or for
// another attestation key than the TPM's.
func (p *TPM) Answer(t testing.TB, c evidence.DeviceChallenge) (evidence.DeviceAnswer, error) {
	t.Helper()
	none := evidence.DeviceAnswer{}
	seed, err := rsa.DecryptOAEP(sha256.New(), rand.Reader, p.endorsement, c.Secret[2:], []byte("IDENTITY\x00"))
	if err != nil {
		return none, err
	}
	var integrity tpmutil.U16Bytes
	rest := bytes.NewBuffer(c.Credential[2:])
	if err := tpmutil.UnpackBuf(rest, &integrity); err != nil {
		return none, err
	}
	_, name := public(t, &p.attestation.PublicKey, p.Attestation)
	key, err := tpm2.KDFa(tpm2.AlgSHA256, seed, "INTEGRITY", nil, nil, 256)
	check(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write(rest.Bytes())
	mac.Write(name)
	if !hmac.Equal(mac.Sum(nil), integrity) {
		return none, errors.New("the challenge is for another attestation key")
	}
	key, err = tpm2.KDFa(tpm2.AlgSHA256, seed, "STORAGE", name, nil, 128)
	check(t, err)
	block, err := aes.NewCipher(key)
	check(t, err)
	// CFB mode, from zeros: each block of the stream is the block of text before it.
	sealed, stream := rest.Bytes(), make([]byte, aes.BlockSize)
	opened := make([]byte, len(sealed))
	for i := 0; i < len(sealed); i += aes.BlockSize {
		block.Encrypt(stream, stream)
		end := min(i+aes.BlockSize, len(sealed))
		subtle.XORBytes(opened[i:end], sealed[i:end], stream)
		copy(stream, sealed[i:end])
	}
	var secret tpmutil.U16Bytes
	_, err = tpmutil.Unpack(opened, &secret)
	check(t, err)
	return evidence.DeviceAnswer{Secret: secret, Expires: c.Expires}, nil
}

// TPMMaker certifies TPMs.
type TPMMaker struct {
	Root string // in PEM
	// Alter changes a certificate before it is signed; nil changes nothing.
	Alter func(*x509.Certificate)

	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewTPMMaker makes one whose certificates hold for an hour before and after now.
func NewTPMMaker(t testing.TB, now time.Time) *TPMMaker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A maker of TPMs"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	root, err := x509.ParseCertificate(der)
	check(t, err)
	return &TPMMaker{Root: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), root: root, key: key}
}

// Digest names the root.
func (m *TPMMaker) Digest() string { return policies.RootDigest(m.root) }

// Certify gives a TPM its certificate.
func (m *TPMMaker) Certify(t testing.TB, p *TPM) {
	p.Certificate = m.Certificate(t, p.endorsement.Public())
}

// Certificate certifies an endorsement key as makers do: no subject, and a critical
// alternative name that names the model.
func (m *TPMMaker) Certificate(t testing.TB, endorsement any) []byte {
	t.Helper()
	name, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: marshalled(t, pkix.Name{CommonName: "TPM"}.ToRDNSequence())}})
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: m.root.NotBefore, NotAfter: m.root.NotAfter, KeyUsage: x509.KeyUsageKeyEncipherment,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}}, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: name}},
	}
	if m.Alter != nil {
		m.Alter(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, m.root, endorsement, m.key)
	check(t, err)
	return der
}

func marshalled(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	check(t, err)
	return der
}

// YAML is the maker as the Organization of a policy lists it.
func (m *TPMMaker) YAML(name string) string {
	return "tpmMakers:\n  - name: " + name + "\n    roots:\n      - |\n        " + strings.ReplaceAll(strings.TrimSpace(m.Root), "\n", "\n        ") + "\n"
}

// Believe adds the maker to the world's policy.
func (w *World) Believe(m *TPMMaker, name string) {
	w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "quorum: 1\n", "quorum: 1\n"+m.YAML(name), 1)
}

// DeviceInTPM is the evidence of a device of Alice's whose key is in a TPM.
func (w *World) DeviceInTPM(t testing.TB, d *Device, p *TPM) evidence.DeviceEvidence {
	t.Helper()
	s := w.DeviceStatement(d)
	s.Held = evidence.HeldTPM
	e := w.DeviceEvidence(t, d, s)
	e.TPM = p.Proof(t, d)
	return e
}
