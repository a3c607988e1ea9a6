package evidence

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The second type of authority keys (RFC 5656, section 3.1); the first is keyType.
const (
	ecdsaType  = "ecdsa-sha2-nistp256"
	ecdsaCurve = "nistp256"
)

// ParseAuthorityKey reads a public key of the signer's, an inventory's or a
// device's: an ed25519.PublicKey or a P-256 *ecdsa.PublicKey, in authorized_keys
// form without options or comment. It accepts exactly what FormatAuthorityKey writes.
func ParseAuthorityKey(text string) (crypto.PublicKey, error) {
	if strings.HasPrefix(text, keyType+" ") {
		return ParseKey(text)
	}
	err := fmt.Errorf("a key is written %q or %q and its base64, without a comment", keyType, ecdsaType)
	encoded, found := strings.CutPrefix(text, ecdsaType+" ")
	if !found {
		return nil, err
	}
	wire, decodeErr := base64.StdEncoding.Strict().DecodeString(encoded)
	if decodeErr != nil {
		return nil, err
	}
	const size = 1 + 2*32 // an uncompressed point (SEC 1, section 2.3.3)
	front := sized(sized(nil, []byte(ecdsaType)), []byte(ecdsaCurve))
	point, found := bytes.CutPrefix(wire, append(front, 0, 0, 0, size))
	if !found || len(point) != size {
		return nil, err
	}
	key, parseErr := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if parseErr != nil {
		return nil, err
	}
	if again, formatErr := FormatAuthorityKey(key); formatErr != nil || again != text {
		return nil, err
	}
	return key, nil
}

// FormatAuthorityKey writes an Ed25519 or P-256 public key in authorized_keys form,
// without a comment, and refuses every other key.
func FormatAuthorityKey(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return FormatKey(key), nil
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			point, err := key.Bytes()
			if err != nil {
				return "", fmt.Errorf("writing a public key: %w", err)
			}
			wire := sized(sized(sized(nil, []byte(ecdsaType)), []byte(ecdsaCurve)), point)
			return ecdsaType + " " + base64.StdEncoding.EncodeToString(wire), nil
		}
	}
	return "", errors.New("only Ed25519 and P-256 keys have a form here")
}

// SignWithAuthority signs a statement's text with an Ed25519 key, or with a P-256
// key over its SHA-256 (then the signature is in ASN.1). It is for keys that only
// sign where they are kept.
func SignWithAuthority(statement string, key crypto.Signer) (SignedByKey, error) {
	message, hash := []byte(statement), crypto.Hash(0)
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		sum := sha256.Sum256(message)
		message, hash = sum[:], crypto.SHA256
	}
	signature, err := key.Sign(rand.Reader, message, hash)
	if err != nil {
		return SignedByKey{}, fmt.Errorf("signing a statement: %w", err)
	}
	return SignedByKey{Statement: statement, Signature: toBase64(signature)}, nil
}

// verifyAuthority checks a signature by a key in the form of ParseAuthorityKey over
// a statement's text.
func verifyAuthority(statement, signature, key string) bool {
	public, err := ParseAuthorityKey(key)
	if err != nil {
		return false
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return verifyKey(statement, signature, public)
	case *ecdsa.PublicKey:
		sig, err := boundedBase64(signature, mostSignature)
		sum := sha256.Sum256([]byte(statement))
		return err == nil && ecdsa.VerifyASN1(public, sum[:], sig)
	}
	return false
}
