package portal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"golang.org/x/crypto/ssh"
)

// FuzzCursors: a cursor that is taken is one that a page has given, letter by letter.
func FuzzCursors(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if before, err := fromCursor(text); err == nil && toCursor(before) != text {
			t.Errorf("%q is taken for request %d", text, before)
		}
		if place, err := fromSessionCursor(text); err == nil && toSessionCursor(place) != text {
			t.Errorf("%q is taken for session %+v", text, place)
		}
		if place, err := fromPlace(text); err == nil && toPlace(place) != text {
			t.Errorf("%q is taken for %+v", text, place)
		}
	})
}

// FuzzSignedByHost: no signature but the one by the target's own key counts, and none
// over another text.
func FuzzSignedByHost(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize))
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	hostKey, text := string(ssh.MarshalAuthorizedKey(public)), []byte("what a target reports")
	good := ed25519.Sign(key, text)
	f.Fuzz(func(t *testing.T, encoded string, other []byte) {
		if signedByHost(hostKey, text, encoded) {
			raw, err := base64.StdEncoding.DecodeString(encoded)
			var signature ssh.Signature
			if err != nil || ssh.Unmarshal(raw, &signature) != nil || signature.Format != ssh.KeyAlgoED25519 || !bytes.Equal(signature.Blob, good) {
				t.Errorf("%q counts", encoded)
			}
		}
		if !bytes.Equal(other, text) && signedByHost(hostKey, other, encoded) {
			t.Errorf("%q counts for %q", encoded, other)
		}
		signedByHost(string(other), text, encoded)
	})
}
