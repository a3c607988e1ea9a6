// Package login signs a person in at the identity provider as the public client
// of the command line. The login key is made here and never leaves the machine;
// the nonce of the sign-in commits to it, so that the ID token activates nothing
// for anybody who merely sees it (OpenPubkey's idea).
package login

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stint/cmd/stint/internal/account"
	"stint/server/api"
	"stint/server/evidence"
)

// browserWait bounds how long a sign-in waits for the person.
const browserWait = 5 * time.Minute

// Flow is what a sign-in needs from outside.
type Flow struct {
	Client *api.Client
	Random io.Reader
	Now    func() time.Time
	// Open shows a URL to the person, in a browser or as text.
	Open func(url string)
	// Show tells the person something on the terminal.
	Show func(text string)
}

// scopes are asked of the provider; groups decide what a person may ask for.
var scopes = []string{oidc.ScopeOpenID, "profile", "email", "groups"}

// key is a fresh login key with the salt that opens its nonce.
type key struct {
	private ed25519.PrivateKey
	public  string // authorized_keys form
	salt    []byte
}

func newKey(random io.Reader) (key, error) {
	public, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return key{}, err
	}
	salt := make([]byte, 32)
	if _, err := io.ReadFull(random, salt); err != nil {
		return key{}, err
	}
	return key{private: private, public: evidence.FormatKey(public), salt: salt}, nil
}

// provider discovers the broker's identity provider.
func (f Flow) provider(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	configuration, err := f.Client.Configuration(ctx)
	if err != nil {
		return nil, nil, err
	}
	provider, err := oidc.NewProvider(ctx, configuration.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("the identity provider at %s does not answer: %w", configuration.Issuer, err)
	}
	return provider, &oauth2.Config{ClientID: configuration.ClientID, Endpoint: provider.Endpoint(), Scopes: scopes}, nil
}

// Browser signs in with the authorization code flow with PKCE (RFC 8252, RFC
// 7636) over a loopback redirect.
func (f Flow) Browser(ctx context.Context) (*account.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, browserWait)
	defer cancel()
	provider, config, err := f.provider(ctx)
	if err != nil {
		return nil, err
	}
	key, err := newKey(f.Random)
	if err != nil {
		return nil, err
	}
	nonce, err := evidence.LoginNonce(key.public, key.salt)
	if err != nil {
		return nil, err
	}

	// 1. Listen for the redirect before the browser opens.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the browser's return: %w", err)
	}
	config.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	state, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	codes := make(chan codeOrError, 1)
	server := &http.Server{Handler: callback(state, codes), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	defer func() {
		// Shutdown lets the page that says "go back" out before the process ends.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
		<-served
	}()

	// 2. Send the person to the provider and wait.
	f.Open(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	var code string
	select {
	case got := <-codes:
		if got.err != nil {
			return nil, got.err
		}
		code = got.code
	case <-ctx.Done():
		return nil, errors.New("nobody signed in within five minutes; run stint login again")
	}

	// 3. Redeem the code here: only the token endpoint's ID token counts.
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("the identity provider refused the sign-in: %w", err)
	}
	raw, idToken, err := f.verified(ctx, provider, config, token)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(idToken.Nonce), []byte(nonce)) != 1 {
		return nil, errors.New("the identity provider answered with another nonce than was asked for; this sign-in was not kept")
	}
	binding := evidence.LoginBinding{IDToken: raw, LoginKey: key.public, NonceSalt: base64.RawURLEncoding.EncodeToString(key.salt)}
	return f.signIn(ctx, key, binding, false)
}

// Device signs in with the device flow (RFC 8628), for machines without a
// browser. Its ID token commits to no key, so the person's passkey confirms the
// key in the portal.
func (f Flow) Device(ctx context.Context) (*account.Account, error) {
	provider, config, err := f.provider(ctx)
	if err != nil {
		return nil, err
	}
	key, err := newKey(f.Random)
	if err != nil {
		return nil, err
	}
	device, err := config.DeviceAuth(ctx)
	if err != nil {
		return nil, fmt.Errorf("the identity provider has no device sign-in: %w", err)
	}
	link := device.VerificationURIComplete
	if link == "" {
		link = device.VerificationURI
	}
	f.Show(fmt.Sprintf("On any device with a browser open\n\n  %s\n\nand check that it shows the code %s\n", link, device.UserCode))
	token, err := config.DeviceAccessToken(ctx, device)
	if err != nil {
		return nil, fmt.Errorf("the sign-in was not completed: %w", err)
	}
	raw, _, err := f.verified(ctx, provider, config, token)
	if err != nil {
		return nil, err
	}
	return f.signIn(ctx, key, evidence.LoginBinding{IDToken: raw, LoginKey: key.public}, true)
}

// verified takes the ID token out of the token endpoint's answer and checks it.
func (f Flow) verified(ctx context.Context, provider *oidc.Provider, config *oauth2.Config, token *oauth2.Token) (string, *oidc.IDToken, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", nil, errors.New("the identity provider gave no ID token; its client for the command line lacks the openid scope")
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID, Now: f.Now}).Verify(ctx, raw)
	if err != nil {
		return "", nil, fmt.Errorf("the identity provider's token is not valid: %w", err)
	}
	return raw, idToken, nil
}

// signIn shows the broker token and key, and waits for the passkey after a
// device flow.
func (f Flow) signIn(ctx context.Context, key key, binding evidence.LoginBinding, deviceFlow bool) (*account.Account, error) {
	issued := f.Now().UTC().Truncate(time.Second)
	result, err := f.Client.SignIn(ctx, api.LoginRequest{
		Login:      Binding(binding),
		Issued:     issued,
		Proof:      base64.RawURLEncoding.EncodeToString(ed25519.Sign(key.private, proofText(f.Client.URL(), issued, binding.IDToken))),
		DeviceFlow: deviceFlow,
	})
	if err != nil {
		return nil, err
	}
	signedIn := &account.Account{
		URL: f.Client.URL(), Person: result.Person, Token: result.Token, Expires: result.Expires,
		Key: key.private.Seed(), Login: binding,
	}
	if !deviceFlow {
		return signedIn, nil
	}
	f.Show(fmt.Sprintf("Now confirm this machine with your passkey at\n\n  %s\n\nIt shows the key %s\n", result.ConfirmURL, binding.LoginKey))
	confirmation, err := f.awaitPasskey(ctx, signedIn, result.ConfirmCode)
	if err != nil {
		return nil, err
	}
	signedIn.Login.Confirmation = confirmation
	return signedIn, nil
}

// awaitPasskey polls until the person's passkey has confirmed the key.
func (f Flow) awaitPasskey(ctx context.Context, signedIn *account.Account, code string) (*evidence.SignedByPasskey, error) {
	ctx, cancel := context.WithTimeout(ctx, browserWait)
	defer cancel()
	client, err := signedIn.Client()
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		confirmation, err := client.Confirmation(ctx, code)
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		if err == nil && confirmation.Confirmed && confirmation.Statement != nil {
			return &evidence.SignedByPasskey{Statement: confirmation.Statement.Statement, Assertion: evidence.Assertion(confirmation.Statement.Assertion)}, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.New("the passkey did not confirm this machine within five minutes; run stint login --no-browser again")
		}
	}
}

// Binding is a login binding in the API's form.
func Binding(b evidence.LoginBinding) api.LoginBinding {
	out := api.LoginBinding{IDToken: b.IDToken, LoginKey: b.LoginKey, NonceSalt: b.NonceSalt}
	if b.Confirmation != nil {
		out.Confirmation = &api.SignedStatement{Statement: b.Confirmation.Statement, Assertion: api.Assertion(b.Confirmation.Assertion)}
	}
	return out
}

// proofText is what the login key signs at sign-in; see api.LoginRequest.
func proofText(url string, issued time.Time, idToken string) []byte {
	sum := sha256.Sum256([]byte(idToken))
	return []byte("stint sign-in 1\n" + url + "\n" + issued.Format(time.RFC3339) + "\n" + hex.EncodeToString(sum[:]) + "\n")
}

type codeOrError struct {
	code string
	err  error
}

// callback takes the provider's redirect, once.
func callback(state string, codes chan<- codeOrError) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		// A wrong state is somebody else's redirect: it neither ends nor completes this sign-in.
		if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the sign-in that stint login is waiting for.", http.StatusBadRequest)
			return
		}
		got := codeOrError{code: query.Get("code")}
		if got.code == "" {
			got.err = errors.New("the identity provider ended the sign-in: " + printable(query.Get("error")))
		}
		select {
		case codes <- got:
		default:
		}
		_, _ = io.WriteString(w, "<!doctype html><title>Signed in</title><p>You are signed in. Close this tab and go back to the terminal.</p>")
	})
	return mux
}

// printable keeps a word from the query fit for a terminal.
func printable(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r >= ' ' && r <= '~' && len(out) < 200 {
			out = append(out, r)
		}
	}
	return string(out)
}
