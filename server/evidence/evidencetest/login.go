package evidencetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"stint/policies"
	"stint/server/evidence"
)

// Issuer is an OpenID provider's key, which signs ID tokens.
type Issuer struct {
	URL       string
	ClientID  string
	Key       crypto.Signer
	KeyID     string
	Algorithm jose.SignatureAlgorithm
}

// NewIssuer makes a provider that signs with ES256.
func NewIssuer(t testing.TB, url, clientID string) *Issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return &Issuer{URL: url, ClientID: clientID, Key: key, KeyID: "key-1", Algorithm: jose.ES256}
}

// JWK is the provider's public key.
func (i *Issuer) JWK(t testing.TB) string {
	text, err := json.Marshal(jose.JSONWebKey{Key: i.Key.Public(), KeyID: i.KeyID, Algorithm: string(i.Algorithm), Use: "sig"})
	check(t, err)
	return string(text)
}

// Claims are those of an ID token for a person with a nonce, issued a minute ago
// and good for an hour from now.
func (i *Issuer) Claims(p policies.Person, nonce string, now time.Time) map[string]any {
	claims := map[string]any{
		"iss": i.URL, "sub": p.Subject.Subject, "aud": i.ClientID,
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
		"name": p.Name, "email": p.Email, "email_verified": true, "groups": p.Groups,
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return claims
}

// Token signs claims.
func (i *Issuer) Token(t testing.TB, claims map[string]any) string {
	return i.TokenOfType(t, "JWT", claims)
}

// TokenOfType signs claims in a token whose header states a type.
func (i *Issuer) TokenOfType(t testing.TB, kind string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: i.Algorithm, Key: jose.JSONWebKey{Key: i.Key, KeyID: i.KeyID}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(kind)))
	check(t, err)
	payload, err := json.Marshal(claims)
	check(t, err)
	signed, err := signer.Sign(payload)
	check(t, err)
	text, err := signed.CompactSerialize()
	check(t, err)
	return text
}

// Key is an Ed25519 key: a login key or a session key.
type Key struct {
	Private ed25519.PrivateKey
	Public  string // authorized_keys form
	Salt    []byte // of the login nonce
}

// NewKey makes a key and a salt.
func NewKey(t testing.TB) *Key {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	salt := make([]byte, evidence.SaltSize)
	rand.Read(salt)
	return &Key{Private: private, Public: evidence.FormatKey(public), Salt: salt}
}

// Nonce is the login nonce that commits to the key.
func (k *Key) Nonce(t testing.TB) string {
	nonce, err := evidence.LoginNonce(k.Public, k.Salt)
	check(t, err)
	return nonce
}
