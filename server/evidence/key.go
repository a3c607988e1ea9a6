package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// keyType is the one type of login and session keys (RFC 8709).
const keyType = "ssh-ed25519"

// SaltSize is the length of the salt of a login nonce, in bytes.
const SaltSize = 32

// ParseKey reads an Ed25519 public key in authorized_keys form without options
// or comment: "ssh-ed25519 AAAA…". It accepts exactly what FormatKey writes.
func ParseKey(text string) (ed25519.PublicKey, error) {
	err := errors.New(`a key is written "ssh-ed25519" and its base64, without a comment`)
	encoded, found := strings.CutPrefix(text, keyType+" ")
	if !found {
		return nil, err
	}
	wire, decodeErr := base64.StdEncoding.Strict().DecodeString(encoded)
	if decodeErr != nil {
		return nil, err
	}
	// A type and a length that fit leave as many bytes as the length says.
	front := binary.BigEndian.AppendUint32(sized(nil, []byte(keyType)), ed25519.PublicKeySize)
	rest, found := bytes.CutPrefix(wire, front)
	if !found || len(rest) != ed25519.PublicKeySize || FormatKey(rest) != text {
		return nil, err
	}
	return ed25519.PublicKey(rest), nil
}

// FormatKey writes an Ed25519 public key in authorized_keys form, without a
// comment.
func FormatKey(key ed25519.PublicKey) string {
	return keyType + " " + base64.StdEncoding.EncodeToString(wireKey(key))
}

// wireKey is the key as SSH sends it (RFC 8709, section 4): type and key, each
// behind its length.
func wireKey(key ed25519.PublicKey) []byte { return sized(sized(nil, []byte(keyType)), key) }

// sized appends data behind its length in four bytes.
func sized(to, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(data))), data...)
}

// SignWithKey signs a statement's text with an Ed25519 key.
func SignWithKey(statement string, key ed25519.PrivateKey) SignedByKey {
	return SignedByKey{Statement: statement, Signature: toBase64(ed25519.Sign(key, []byte(statement)))}
}

// verifyKey checks an Ed25519 signature over a statement's text.
func verifyKey(statement, signature string, key ed25519.PublicKey) bool {
	sig, err := fromBase64(signature)
	return err == nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(key, []byte(statement), sig)
}

// LoginNonce is the nonce by which an ID token commits to a login key: the
// SHA-256, in base64url, of a label, the key and a salt of SaltSize random
// bytes, each behind its length. Whoever holds the key chooses the salt, asks
// for the token with this nonce and redeems the code itself; nobody else can
// make the provider sign it. A malformed key or salt has no nonce.
func LoginNonce(loginKey string, salt []byte) (string, error) {
	key, err := ParseKey(loginKey)
	if err != nil {
		return "", err
	}
	if len(salt) != SaltSize {
		return "", fmt.Errorf("the salt of a login nonce has %d bytes", SaltSize)
	}
	message := sized(nil, []byte("stint login nonce 1"))
	message = sized(message, wireKey(key))
	message = sized(message, salt)
	sum := sha256.Sum256(message)
	return toBase64(sum[:]), nil
}

// NewNonce writes 16 random bytes as a statement's nonce.
func NewNonce(random [16]byte) string { return hex.EncodeToString(random[:]) }
