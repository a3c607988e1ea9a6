// Package ceremonytest goes through the signer's ceremony as a browser does, with
// a passkey in software, for the tests of everything that needs a first
// administrator.
package ceremonytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"stint/policies"
	"stint/server/evidence/evidencetest"
)

// Address is a free port of this machine: where to listen, and the origin of the
// page there. It lies below the range of outgoing connections (from 32768), one of
// which could else have it before the signer listens.
func Address(t testing.TB) (listen, origin string) {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10000 + rand.IntN(10000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		check(t, listener.Close())
		return "127.0.0.1:" + port, "http://localhost:" + port
	}
	t.Fatal("there is no free port")
	return "", ""
}

// Link is the person's link in the file that the signer keeps in its data
// directory (ceremony.json).
func Link(t testing.TB, file string, person policies.Subject) string {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	var links []struct {
		Person policies.Subject `json:"person"`
		URL    string           `json:"url"`
	}
	check(t, json.Unmarshal(data, &links))
	for _, link := range links {
		if link.Person == person {
			return link.URL
		}
	}
	t.Fatalf("the ceremony has no link for %s", person)
	return ""
}

// Join goes through the ceremony by a link, and returns the statement that the
// passkey signed. The passkey signs there as of the ceremony's origin, and keeps
// its own for everything after.
func Join(t testing.TB, link string, passkey *evidencetest.Passkey) (statement string) {
	t.Helper()
	origin, secret, _ := strings.Cut(link, "/#")
	var begun struct {
		Options json.RawMessage `json:"options"`
	}
	Call(t, origin, "/begin", map[string]any{"secret": secret}, &begun)
	there := *passkey
	there.Origin = origin
	var made struct {
		Statement string `json:"statement"`
	}
	Call(t, origin, "/register", map[string]any{"secret": secret, "name": "Laptop", "credential": Registration(t, &there, begun.Options)}, &made)
	Call(t, origin, "/enrol", map[string]any{"secret": secret, "assertion": there.Sign(t, made.Statement)}, nil)
	return made.Statement
}

// Call makes a call that has to succeed.
func Call(t testing.TB, origin, path string, body map[string]any, into any) {
	t.Helper()
	if status, answer := Try(t, origin, path, body); status != http.StatusOK {
		t.Fatalf("%s answers %d: %s", path, status, answer)
	} else if into != nil {
		check(t, json.Unmarshal(answer, into))
	}
}

// Try makes a call.
func Try(t testing.TB, origin, path string, body map[string]any) (status int, answer []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	check(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin+path, bytes.NewReader(text))
	check(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", origin)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer response.Body.Close()
	var read bytes.Buffer
	_, err = read.ReadFrom(response.Body)
	check(t, err)
	return response.StatusCode, read.Bytes()
}

// Registration answers navigator.credentials.create, as RegistrationResponseJSON.
// The passkey says nothing of its make.
func Registration(t testing.TB, passkey *evidencetest.Passkey, options json.RawMessage) map[string]any {
	t.Helper()
	var asked struct {
		Challenge string `json:"challenge"`
	}
	check(t, json.Unmarshal(options, &asked))
	id, err := base64.RawURLEncoding.DecodeString(passkey.Credential)
	check(t, err)
	key, err := base64.RawURLEncoding.DecodeString(passkey.PublicKey)
	check(t, err)
	party := sha256.Sum256([]byte(passkey.RelyingParty))
	data := append(party[:], 0x45, 0, 0, 0, 0) // user present and verified, a credential follows
	data = append(data, make([]byte, 16)...)
	data = append(data, byte(len(id)>>8), byte(len(id)))
	data = append(append(data, id...), key...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	check(t, err)
	client := fmt.Sprintf(`{"type":"webauthn.create","challenge":%q,"origin":%q,"crossOrigin":false}`, asked.Challenge, passkey.Origin)
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{
		"id": passkey.Credential, "rawId": passkey.Credential, "type": "public-key",
		"response": map[string]any{"clientDataJSON": encode([]byte(client)), "attestationObject": encode(object)},
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
