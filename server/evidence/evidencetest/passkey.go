package evidencetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/big"
	"sync"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/server/evidence"
)

// Passkey is a WebAuthn authenticator with one credential, in software.
type Passkey struct {
	Credential   string // id, base64url
	PublicKey    string // COSE key, base64url
	RelyingParty string
	Origin       string

	signer crypto.Signer
	hash   crypto.Hash
}

// NewPasskey makes a passkey that signs with ES256.
func NewPasskey(t testing.TB, relyingParty, origin string) *Passkey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return passkey(t, relyingParty, origin, key, crypto.SHA256, EC2Key(&key.PublicKey))
}

// NewEd25519Passkey makes a passkey that signs with EdDSA.
func NewEd25519Passkey(t testing.TB, relyingParty, origin string) *Passkey {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	return passkey(t, relyingParty, origin, key, 0, webauthncose.OKPPublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.OctetKey), Algorithm: int64(webauthncose.AlgEdDSA)},
		Curve:         int64(webauthncose.Ed25519),
		XCoord:        public,
	})
}

// NewRSAPasskey makes a passkey that signs with RS256.
func NewRSAPasskey(t testing.TB, relyingParty, origin string, bits int) *Passkey {
	key := RSAKey(t, bits)
	return passkey(t, relyingParty, origin, key, crypto.SHA256, webauthncose.RSAPublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.RSAKey), Algorithm: int64(webauthncose.AlgRS256)},
		Modulus:       key.N.Bytes(),
		Exponent:      big.NewInt(int64(key.E)).Bytes(),
	})
}

// RSAKey is an RSA key of so many bits. Making one is slow, so that all tests of
// a process share it.
func RSAKey(t testing.TB, bits int) *rsa.PrivateKey {
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	if rsaKeys.made[bits] == nil {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		check(t, err)
		rsaKeys.made[bits] = key
	}
	return rsaKeys.made[bits]
}

var rsaKeys = struct {
	sync.Mutex
	made map[int]*rsa.PrivateKey
}{made: map[int]*rsa.PrivateKey{}}

// EC2Key is the COSE key of a P-256 key for ES256.
func EC2Key(key *ecdsa.PublicKey) webauthncose.EC2PublicKeyData {
	point, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	return webauthncose.EC2PublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.EllipticKey), Algorithm: int64(webauthncose.AlgES256)},
		Curve:         int64(webauthncose.P256),
		XCoord:        point[1:33],
		YCoord:        point[33:],
	}
}

// COSE encodes a COSE key in base64url.
func COSE(t testing.TB, key any) string {
	data, err := webauthncbor.Marshal(key)
	check(t, err)
	return encode(data)
}

func passkey(t testing.TB, relyingParty, origin string, signer crypto.Signer, hash crypto.Hash, public any) *Passkey {
	id := make([]byte, 32)
	rand.Read(id)
	return &Passkey{Credential: encode(id), PublicKey: COSE(t, public), RelyingParty: relyingParty, Origin: origin, signer: signer, hash: hash}
}

// Ceremony is what browser and authenticator put into an assertion, for a test
// to alter before the passkey signs it.
type Ceremony struct {
	// Client are the members of the client data.
	Client map[string]any
	// ClientData, unless empty, stands in the place of Client, byte for byte.
	ClientData string

	RelyingParty string
	Flags        byte   // user present and verified
	Extra        []byte // behind the authenticator data
}

// Sign makes an assertion over a statement, with whatever alter does to it.
func (p *Passkey) Sign(t testing.TB, statement string, alter ...func(*Ceremony)) evidence.Assertion {
	t.Helper()
	challenge := evidence.Challenge(statement)
	c := Ceremony{
		Client: map[string]any{
			"type":        "webauthn.get",
			"challenge":   encode(challenge[:]),
			"origin":      p.Origin,
			"crossOrigin": false,
		},
		RelyingParty: p.RelyingParty,
		Flags:        0x05,
	}
	for _, f := range alter {
		f(&c)
	}
	clientData := []byte(c.ClientData)
	if c.ClientData == "" {
		var err error
		clientData, err = json.Marshal(c.Client)
		check(t, err)
	}
	party := sha256.Sum256([]byte(c.RelyingParty))
	authenticatorData := append(party[:], c.Flags)
	authenticatorData = binary.BigEndian.AppendUint32(authenticatorData, 0)
	authenticatorData = append(authenticatorData, c.Extra...)
	hash := sha256.Sum256(clientData)
	message := append(authenticatorData[:len(authenticatorData):len(authenticatorData)], hash[:]...)
	if p.hash != 0 {
		digest := sha256.Sum256(message)
		message = digest[:]
	}
	signature, err := p.signer.Sign(rand.Reader, message, p.hash)
	check(t, err)
	return evidence.Assertion{
		Credential:        p.Credential,
		AuthenticatorData: encode(authenticatorData),
		ClientData:        encode(clientData),
		Signature:         encode(signature),
	}
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
