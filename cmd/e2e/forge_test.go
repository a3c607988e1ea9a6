//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"stint/server/evidence"
)

// What a hostile broker can make of what it has.

// account is what alice's machine keeps of her sign-in, login key and all.
type account struct {
	Key   []byte
	Login evidence.LoginBinding
}

func (a account) login() *evidence.LoginBinding { return &a.Login }

func (s *story) account() (a account) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.alice.home, ".stint", "account.json"))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// bundle is the evidence for a request that bob agrees to, whatever it says, and
// that alice's own machine activates.
func (s *story) bundle(request string) evidence.Bundle {
	s.t.Helper()
	trust := s.alice.trust()
	for _, one := range trust.Roster.People {
		if one.Person.Name != "bob" {
			continue
		}
		asked, err := evidence.DecodeAs[*evidence.Request](request)
		if err != nil {
			s.t.Fatal(err)
		}
		approval, err := evidence.ApprovalOf(request, one.Person, nil, asked.Ask.Duration, now(), nonce())
		if err != nil {
			s.t.Fatal(err)
		}
		a := s.account()
		return evidence.Bundle{
			Version: 1, Request: request, Login: a.login(), Activation: s.activation(request, ed25519.NewKeyFromSeed(a.Key)),
			Approvals: []evidence.SignedByPasskey{s.bobSigns(encode(s.t, approval), one.Passkeys[0].Credential)},
		}
	}
	s.t.Fatal("bob is not in the roster")
	return evidence.Bundle{}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func nonce() string {
	var random [16]byte
	rand.Read(random[:])
	return evidence.NewNonce(random)
}

// activation asks for a certificate for a fresh session key, signed by a login key.
func (s *story) activation(request string, login ed25519.PrivateKey) *evidence.SignedByKey {
	s.t.Helper()
	session, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	activation, err := evidence.ActivationOf(request, evidence.FormatKey(session), now(), nonce())
	if err != nil {
		s.t.Fatal(err)
	}
	signed := evidence.SignWithKey(encode(s.t, activation), login)
	return &signed
}

// bobSigns has bob's authenticator sign a text in his browser, as a page would
// that a hostile broker sent.
func (s *story) bobSigns(text, credential string) evidence.SignedByPasskey {
	s.t.Helper()
	s.bob.open(s.Portal + "/passkeys")
	challenge := sha256.Sum256([]byte(text))
	assertion := get[evidence.Assertion](s.bob, "evaluate", arguments{"expression": `(async () => {
		const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
		const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
		const made = await navigator.credentials.get({ publicKey: {
			challenge: bytes('` + base64.RawURLEncoding.EncodeToString(challenge[:]) + `'), rpId: 'localhost', userVerification: 'required',
			allowCredentials: [{ type: 'public-key', id: bytes('` + credential + `') }],
		} })
		return { credential: made.id, authenticator_data: text(made.response.authenticatorData), client_data: text(made.response.clientDataJSON), signature: text(made.response.signature) }
	})()`})
	return evidence.SignedByPasskey{Statement: text, Assertion: assertion}
}

// tokenOfPortal signs somebody in at the provider as the portal does, with a
// nonce of the broker's choice, and redeems the code with the portal's secret.
func (s *story) tokenOfPortal(name, nonce string) string {
	s.t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.data, "config", "portal-client-secret"))
	if err != nil {
		s.t.Fatal(err)
	}
	portal := oauth2.Config{
		ClientID: "stint-portal", ClientSecret: strings.TrimSpace(string(secret)), RedirectURL: s.Portal + "/auth/callback",
		Endpoint: oauth2.Endpoint{AuthURL: s.Issuer + "/auth", TokenURL: s.Issuer + "/token"},
		Scopes:   []string{"openid", "profile", "email", "groups"},
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	browser := http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.Portal) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	form, err := browser.Get(portal.AuthCodeURL("state", oauth2.SetAuthURLParam("nonce", nonce)))
	if err != nil {
		s.t.Fatal(err)
	}
	form.Body.Close()
	back, err := browser.PostForm(form.Request.URL.String(), url.Values{"login": {name}, "password": {s.user(name).Password}})
	if err != nil {
		s.t.Fatal(err)
	}
	back.Body.Close()
	location, err := back.Location()
	if err != nil {
		s.t.Fatalf("signing in as %s: status %d, %v", name, back.StatusCode, err)
	}
	token, err := portal.Exchange(s.t.Context(), location.Query().Get("code"))
	if err != nil {
		s.t.Fatal(err)
	}
	text, ok := token.Extra("id_token").(string)
	if !ok {
		s.t.Fatal("the provider gave no ID token")
	}
	return text
}
