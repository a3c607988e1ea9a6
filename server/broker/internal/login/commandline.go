package login

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// ProofLife is how far from the broker's clock a proof may have been made.
const ProofLife = 2 * time.Minute

// Proof is what the command line shows: an ID token, and that it holds the key
// that goes with it.
type Proof struct {
	IDToken   string
	LoginKey  string // authorized_keys form
	NonceSalt string // base64url; empty after a device-flow sign-in
	Issued    time.Time
	Signature string // base64url, over ProofMessage
	// DeviceFlow says that the token's nonce does not commit to the key.
	DeviceFlow bool
}

// ProofMessage is what the login key signs.
func ProofMessage(url string, issued time.Time, token string) string {
	sum := sha256.Sum256([]byte(token))
	return "stint sign-in 1\n" + url + "\n" + issued.UTC().Format(time.RFC3339Nano) + "\n" + hex.EncodeToString(sum[:]) + "\n"
}

// TokenDigest is the SHA-256 of what the provider signed of a token; see
// access.IDToken.
func TokenDigest(token string) [32]byte {
	signed := token
	if at := strings.LastIndexByte(token, '.'); at >= 0 {
		signed = token[:at]
	}
	return sha256.Sum256([]byte(signed))
}

// A Refusal says why a command line's sign-in was not accepted.
type Refusal struct {
	Code    string // stable: login.clock, login.key, login.proof, login.token, login.nonce
	Message string
	Cause   error // for the log
}

// Error gives code and cause.
func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Code + ": " + r.Message
	}
	return fmt.Sprintf("%s: %v", r.Code, r.Cause)
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// CommandLine says who signed in, and when their ID token ends. The cheap checks
// come first: anybody can call this.
func (p *Provider) CommandLine(ctx context.Context, proof Proof) (policies.Person, time.Time, error) {
	refuse := func(code, message string, cause error) (policies.Person, time.Time, error) {
		return policies.Person{}, time.Time{}, &Refusal{Code: code, Message: message, Cause: cause}
	}
	// 1. The proof is fresh.
	if age := p.config.Now().Sub(proof.Issued); age > ProofLife || age < -ProofLife {
		return refuse("login.clock", "The clock of this machine and the broker's differ by more than two minutes; set it and sign in again.", nil)
	}
	// 2. Whoever calls holds the login key, for this token, here.
	key, err := evidence.ParseKey(proof.LoginKey)
	if err != nil {
		return refuse("login.key", "The login key must be an ssh-ed25519 key without a comment.", err)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(proof.Signature)
	if err != nil || !ed25519.Verify(key, []byte(ProofMessage(p.config.URL, proof.Issued, proof.IDToken)), signature) {
		return refuse("login.proof", fmt.Sprintf("The proof of possession does not fit; sign in again, at exactly %s.", p.config.URL), err)
	}
	// 3. The token is the provider's, for the command line, and has not ended.
	provider, err := p.provider()
	if err != nil {
		return policies.Person{}, time.Time{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	token, person, err := p.verify(ctx, provider, proof.IDToken, p.config.CommandLineClient)
	if err != nil {
		return refuse("login.token", "The identity provider's token was not accepted; sign in again.", err)
	}
	// 4. Its nonce commits to the key, unless a passkey is to confirm the key: then
	// it has none, or it commits to somebody else's. The signer checks this again,
	// and for itself.
	if proof.DeviceFlow && token.Nonce != "" {
		return refuse("login.nonce", "The token belongs to another sign-in than the device flow; sign in again.", nil)
	}
	if !proof.DeviceFlow {
		salt, err := base64.RawURLEncoding.Strict().DecodeString(proof.NonceSalt)
		if err != nil {
			return refuse("login.nonce", "The nonce's salt must be 32 bytes in base64url.", err)
		}
		nonce, err := evidence.LoginNonce(proof.LoginKey, salt)
		if err != nil || subtle.ConstantTimeCompare([]byte(nonce), []byte(token.Nonce)) != 1 {
			return refuse("login.nonce", "The token does not belong to this login key; sign in again.", err)
		}
	}
	return person, token.Expiry, nil
}
