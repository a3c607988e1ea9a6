package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/fxamacker/cbor/v2"

	"stint/cmd/stint-dev/internal/installation"
	"stint/server/api"
)

// relyingParty is the host of every portal that stint-dev starts.
const relyingParty = "localhost"

// passkey is a software authenticator with one credential: what a phone does in
// hardware, for an approver who is nobody. Its key lies in a file until the demo
// is over.
type passkey struct {
	path   string
	origin string
	key    *ecdsa.PrivateKey
}

// openPasskey reads the key of an interrupted demo, or makes one.
func openPasskey(path, origin string) (*passkey, error) {
	p := &passkey{path: path, origin: origin}
	der, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
		if der, err = x509.MarshalPKCS8PrivateKey(p.key); err != nil {
			return nil, err
		}
		return p, installation.WriteFile(path, der)
	}
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the demo's passkey: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the demo's passkey is a %T", parsed)
	}
	p.key = key
	return p, nil
}

// destroy overwrites and removes the key. (On a disk that keeps old blocks the
// roster is what counts: it no longer holds this key.)
func (p *passkey) destroy() error {
	p.key = nil
	if info, err := os.Stat(p.path); err == nil {
		if err := os.WriteFile(p.path, make([]byte, info.Size()), 0o600); err != nil {
			return err
		}
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// id is the credential id: it says nothing and is found again from the key.
func (p *passkey) id() []byte {
	sum := sha256.Sum256(append([]byte("stint-dev demo credential\n"), p.publicPoint()...))
	return sum[:]
}

func (p *passkey) publicPoint() []byte {
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // a P-256 key has one
	}
	return point
}

func (p *passkey) credential() string { return encode(p.id()) }

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// Flags of authenticator data (Web Authentication Level 3, section 6.1).
const (
	userPresent  = 0x01
	userVerified = 0x04
	attested     = 0x40
)

func (p *passkey) authenticatorData(flags byte) []byte {
	party := sha256.Sum256([]byte(relyingParty))
	return append(party[:], flags, 0, 0, 0, 0) // a counter that stays at zero, as synced passkeys have it
}

func (p *passkey) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": p.origin, "crossOrigin": false})
	if err != nil {
		panic(err) // strings always encode
	}
	return text
}

// register answers navigator.credentials.create: a RegistrationResponseJSON.
func (p *passkey) register(options json.RawMessage) (json.RawMessage, error) {
	var asked struct {
		Challenge string `json:"challenge"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
	}
	if err := json.Unmarshal(options, &asked); err != nil {
		return nil, fmt.Errorf("reading the registration options: %w", err)
	}
	if asked.RP.ID != relyingParty {
		return nil, fmt.Errorf("the registration is for %q, not for %s", asked.RP.ID, relyingParty)
	}
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	point := p.publicPoint() // 4, X, Y
	// COSE_Key (RFC 9052): EC2, ES256, P-256.
	cose, err := mode.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return nil, err
	}
	data := p.authenticatorData(userPresent | userVerified | attested)
	data = append(data, make([]byte, 16)...) // no AAGUID
	data = append(data, 0, byte(len(p.id())))
	data = append(data, p.id()...)
	data = append(data, cose...)
	attestation, err := mode.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"id": p.credential(), "rawId": p.credential(), "type": "public-key",
		"response": map[string]any{
			"clientDataJSON":    encode(p.clientData("webauthn.create", asked.Challenge)),
			"attestationObject": encode(attestation),
			"transports":        []string{"internal"},
		},
		"clientExtensionResults": map[string]any{},
	})
}

// sign answers navigator.credentials.get for a statement. The challenge is made
// from the statement here, never taken from whoever sent it.
func (p *passkey) sign(statement string) (api.Assertion, error) {
	challenge := sha256.Sum256([]byte(statement))
	client := p.clientData("webauthn.get", encode(challenge[:]))
	data := p.authenticatorData(userPresent | userVerified)
	clientHash := sha256.Sum256(client)
	digest := sha256.Sum256(append(data[:len(data):len(data)], clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
	if err != nil {
		return api.Assertion{}, err
	}
	return api.Assertion{
		Credential: p.credential(), AuthenticatorData: encode(data), ClientData: encode(client), Signature: encode(signature),
	}, nil
}
