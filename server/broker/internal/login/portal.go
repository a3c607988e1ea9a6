package login

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stint/policies"
)

const callbackPath = "/auth/callback" // server/api.PathCallback

// AttemptLife is how long somebody has to sign in at the provider.
const AttemptLife = 10 * time.Minute

// maxReturn bounds the path to come back to, and maxAttempt the whole cookie.
const (
	maxReturn  = 1024
	maxAttempt = 3 << 10
)

// Attempt is a sign-in under way. It lives in a cookie of the browser that
// began it, so that the answer counts in that browser only; the provider sees
// state, nonce and the hash of the verifier. Nothing in it needs to be hidden
// from the person whose browser it is.
type Attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // PKCE, RFC 7636
	Return   string    `json:"return"`   // path of the portal to come back to
	Expires  time.Time `json:"expires"`
}

// Encode is the cookie's value.
func (a Attempt) Encode() (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encoding a sign-in attempt: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// DecodeAttempt reads a cookie's value. Cookies are input like any other.
func DecodeAttempt(value string) (Attempt, error) {
	if len(value) > maxAttempt {
		return Attempt{}, errors.New("the sign-in cookie is too long")
	}
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return Attempt{}, errors.New("the sign-in cookie is not base64url")
	}
	var a Attempt
	if err := json.Unmarshal(text, &a); err != nil {
		return Attempt{}, errors.New("the sign-in cookie is not JSON")
	}
	a.Return = LocalPath(a.Return)
	return a, nil
}

// Why a sign-in did not come about, for the portal's page.
var (
	// ErrExpired: it took too long, was begun in another browser, or was used.
	ErrExpired = errors.New("the sign-in is unknown here or too old")
	// ErrRefused: the provider said no.
	ErrRefused = errors.New("the provider refused the sign-in")
)

// Begin makes a sign-in and the provider's address to send the browser to.
func (p *Provider) Begin(returnTo string) (Attempt, string, error) {
	provider, err := p.provider()
	if err != nil {
		return Attempt{}, "", err
	}
	secrets := make([]string, 3)
	for i := range secrets {
		var random [32]byte
		if _, err := io.ReadFull(p.config.Random, random[:]); err != nil {
			return Attempt{}, "", fmt.Errorf("drawing random bytes: %w", err)
		}
		secrets[i] = base64.RawURLEncoding.EncodeToString(random[:])
	}
	a := Attempt{
		State: secrets[0], Nonce: secrets[1], Verifier: secrets[2],
		Return: LocalPath(returnTo), Expires: p.config.Now().Add(AttemptLife),
	}
	oauth := p.oauth(provider)
	return a, oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

// Finish takes the provider's answer to an attempt and says who signed in.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (policies.Person, error) {
	// 1. It is the answer to this attempt, in time.
	if len(a.State) < 32 || subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(a.State)) != 1 || !p.config.Now().Before(a.Expires) {
		return policies.Person{}, ErrExpired
	}
	if refusal := answer.Get("error"); refusal != "" {
		return policies.Person{}, fmt.Errorf("%w: %.100q", ErrRefused, refusal)
	}
	provider, err := p.provider()
	if err != nil {
		return policies.Person{}, err
	}
	// 2. The code is redeemed with the verifier that only this attempt has.
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	oauth := p.oauth(provider)
	tokens, err := oauth.Exchange(oidc.ClientContext(ctx, p.http), answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return policies.Person{}, fmt.Errorf("redeeming the code: %w", withoutBody(err))
	}
	// 3. The ID token of the token endpoint, for the portal, with this nonce.
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return policies.Person{}, errors.New("the provider gave no ID token")
	}
	token, person, err := p.verify(ctx, provider, raw, p.config.PortalClient)
	if err != nil {
		return policies.Person{}, err
	}
	if a.Nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(a.Nonce)) != 1 {
		return policies.Person{}, errors.New("the ID token has another nonce")
	}
	return person, nil
}

// withoutBody keeps the provider's answer out of the log: it may hold tokens.
func withoutBody(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) {
		return fmt.Errorf("the provider answered %s (%.100q)", refusal.Response.Status, refusal.ErrorCode)
	}
	return err
}

// LocalPath is the path, with its query, if it is one of the portal's own pages
// on the same origin; anything else is "/". Browsers read a backslash as a
// slash and drop tabs and line breaks, so neither may occur.
func LocalPath(text string) string {
	if len(text) == 0 || len(text) > maxReturn || text[0] != '/' || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == '\\' || r >= 0x7f
	}) {
		return "/"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	for _, ours := range []string{"/auth/", "/api/"} {
		if strings.HasPrefix(u.Path, ours) {
			return "/"
		}
	}
	return text
}
