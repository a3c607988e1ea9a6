package evidencetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"stint/server/evidence"
)

// Maker makes authenticators of one make, and attests passkeys on them.
type Maker struct {
	AAGUID string // 32 hex digits
	Root   string // PEM

	root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
}

// NewMaker makes a maker with a root certificate of its own.
func NewMaker(t testing.TB) *Maker {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A maker's root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	root, err := x509.ParseCertificate(der)
	check(t, err)
	aaguid := make([]byte, 16)
	rand.Read(aaguid)
	return &Maker{AAGUID: hex.EncodeToString(aaguid), Root: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), root: root, rootKey: key}
}

// YAML is an Organization's attestation for SetOrganization: a group's passkeys must
// be on an authenticator of this maker's.
func (m *Maker) YAML(group string) string {
	return "attestation:\n  groups: [" + group + "]\n  authenticators:\n    - aaguid: " + m.AAGUID +
		"\n      name: Test authenticator\n      roots:\n        - |\n          " + strings.ReplaceAll(strings.TrimSpace(m.Root), "\n", "\n          ") + "\n"
}

// Attesting is what an authenticator attests, for a test to alter.
type Attesting struct {
	ClientData   map[string]any
	Format       string
	RelyingParty string
	Flags        byte
	AAGUID       string
	Credential   string
	PublicKey    string
	Extra        []byte
	Algorithm    int64
	Certificate  x509.Certificate
	Chain        func(leaf []byte) [][]byte // the x5c; the leaf alone where it is nil
	Signature    func(signature []byte) []byte
}

// Attest attests a passkey. The enrolment must state the maker's AAGUID.
func (m *Maker) Attest(t testing.TB, k *Passkey, alter ...func(*Attesting)) *evidence.Attestation {
	t.Helper()
	a := Attesting{
		ClientData: map[string]any{"type": "webauthn.create", "challenge": encode([]byte("the page's own challenge")), "origin": k.Origin, "crossOrigin": false},
		Format:     "packed", RelyingParty: k.RelyingParty, Flags: 0x45, AAGUID: m.AAGUID, Credential: k.Credential, PublicKey: k.PublicKey, Algorithm: -7,
		Certificate: x509.Certificate{
			SerialNumber: big.NewInt(2),
			Subject:      pkix.Name{Country: []string{"SE"}, Organization: []string{"A maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Batch 1"},
			NotBefore:    m.root.NotBefore, NotAfter: m.root.NotAfter, BasicConstraintsValid: true,
			ExtraExtensions: []pkix.Extension{AAGUIDExtension(t, m.AAGUID)},
		},
	}
	for _, f := range alter {
		f(&a)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	leaf, err := x509.CreateCertificate(rand.Reader, &a.Certificate, m.root, key.Public(), m.rootKey)
	check(t, err)
	clientData, err := json.Marshal(a.ClientData)
	check(t, err)
	data := a.authenticatorData(t)
	hash := sha256.Sum256(clientData)
	sum := sha256.Sum256(append(data[:len(data):len(data)], hash[:]...))
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	check(t, err)
	if a.Signature != nil {
		signature = a.Signature(signature)
	}
	chain := [][]byte{leaf}
	if a.Chain != nil {
		chain = a.Chain(leaf)
	}
	object, err := webauthncbor.Marshal(map[string]any{
		"fmt": a.Format, "authData": data, "attStmt": map[string]any{"alg": a.Algorithm, "sig": signature, "x5c": chain},
	})
	check(t, err)
	return &evidence.Attestation{Object: encode(object), ClientData: encode(clientData)}
}

func (a *Attesting) authenticatorData(t testing.TB) []byte {
	party := sha256.Sum256([]byte(a.RelyingParty))
	data := binary.BigEndian.AppendUint32(append(party[:], a.Flags), 0)
	aaguid, err := hex.DecodeString(a.AAGUID)
	check(t, err)
	credential, err := base64.RawURLEncoding.DecodeString(a.Credential)
	check(t, err)
	key, err := base64.RawURLEncoding.DecodeString(a.PublicKey)
	check(t, err)
	data = binary.BigEndian.AppendUint16(append(data, aaguid...), uint16(len(credential)))
	return append(append(append(data, credential...), key...), a.Extra...)
}

// AAGUIDExtension is the extension by which a maker says for which make an
// attestation certificate is (Web Authentication Level 3, section 8.2.1).
func AAGUIDExtension(t testing.TB, aaguid string) pkix.Extension {
	t.Helper()
	id, err := hex.DecodeString(aaguid)
	check(t, err)
	value, err := asn1.Marshal(id)
	check(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: value}
}
