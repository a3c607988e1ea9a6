package provider_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stint/cmd/stint-dev/internal/provider"
)

const password = "correct horse"

// start serves a provider with alice and bob in it; where (issuer, database)
// may be given again for a second start.
func start(t *testing.T, config provider.Config) (provider.Config, *provider.Provider) {
	t.Helper()
	if config.Issuer == "" {
		listener, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		config = provider.Config{
			Issuer:   "http://" + listener.Addr().String() + "/dex",
			Listen:   listener.Addr().String(),
			Database: filepath.Join(t.TempDir(), "a name with spaces & more?.db"),
			Users: []provider.User{
				{Name: "alice", Email: "alice@example.com", Subject: "a1", Password: password, Groups: []string{"engineering"}},
				{Name: "bob", Email: "bob@example.com", Subject: "b2", Password: password, Groups: []string{"engineering", "sre-leads"}},
			},
			PortalSecret: "portal secret", PortalRedirect: "http://localhost:8420/callback",
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}
	}
	p, err := provider.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return config, p
}

// browser follows redirects inside the provider and stops at any other host.
func browser(t *testing.T, config provider.Config) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), config.Issuer) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

var action = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// submit fills the form of a page as a person would and posts it.
func submit(t *testing.T, b *http.Client, page *http.Response, fields url.Values) *http.Response {
	t.Helper()
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	found := action.FindSubmatch(body)
	if found == nil {
		t.Fatalf("%s (%s) shows no form:\n%s", page.Request.URL, page.Status, body)
	}
	target, err := page.Request.URL.Parse(strings.ReplaceAll(string(found[1]), "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.PostForm(target.String(), fields)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func get(t *testing.T, b *http.Client, address string) *http.Response {
	t.Helper()
	answer, err := b.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func text(t *testing.T, answer *http.Response) string {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// signIn goes the whole code flow as login and returns the tokens.
func signIn(t *testing.T, config provider.Config, client oauth2.Config, login, nonce string) *oauth2.Token {
	t.Helper()
	b := browser(t, config)
	verifier := oauth2.GenerateVerifier()
	page := get(t, b, client.AuthCodeURL("the state", oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	back := submit(t, b, page, url.Values{"login": {login}, "password": {password}})
	back.Body.Close()
	location, err := back.Location()
	if err != nil || !strings.HasPrefix(location.String(), client.RedirectURL+"?") {
		t.Fatalf("signing in led to %v (%v), %s", location, err, back.Status)
	}
	if location.Query().Get("state") != "the state" {
		t.Fatalf("state: %v", location)
	}
	code := location.Query().Get("code")
	if _, err := client.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Fatal("the code was redeemed with another PKCE verifier")
	}
	token, err := client.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func oauthClient(t *testing.T, config provider.Config, id string) (oauth2.Config, *oidc.IDTokenVerifier) {
	t.Helper()
	discovered, err := oidc.NewProvider(t.Context(), config.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	client := oauth2.Config{ClientID: id, Endpoint: discovered.Endpoint(), Scopes: []string{"openid", "profile", "email", "groups", "offline_access"}}
	if id == provider.PortalClient {
		client.ClientSecret, client.RedirectURL = config.PortalSecret, config.PortalRedirect
	} else {
		client.RedirectURL = "http://127.0.0.1:43210/anything"
	}
	return client, discovered.Verifier(&oidc.Config{ClientID: id})
}

func TestCodeFlow(t *testing.T) {
	t.Parallel()
	config, _ := start(t, provider.Config{})
	for _, id := range []string{provider.PortalClient, provider.CLIClient} {
		for _, login := range []string{"bob", "bob@example.com", "Bob"} {
			t.Run(id+" "+login, func(t *testing.T) {
				client, verifier := oauthClient(t, config, id)
				token := signIn(t, config, client, login, "nonce-1")
				raw, _ := token.Extra("id_token").(string)
				verified, err := verifier.Verify(t.Context(), raw)
				if err != nil {
					t.Fatal(err)
				}
				var claims struct {
					Name, Email, Nonce string
					Groups             []string
				}
				if err := verified.Claims(&claims); err != nil {
					t.Fatal(err)
				}
				if claims.Nonce != "nonce-1" || claims.Email != "bob@example.com" || claims.Name != "bob" || !slices.Equal(claims.Groups, []string{"engineering", "sre-leads"}) {
					t.Errorf("claims: %+v", claims)
				}
				if life := time.Until(verified.Expiry); life < 11*time.Hour || life > 12*time.Hour {
					t.Errorf("the token lives %v", life)
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	config, _ := start(t, provider.Config{})
	portal, _ := oauthClient(t, config, provider.PortalClient)
	cli, _ := oauthClient(t, config, provider.CLIClient)
	b := browser(t, config)

	page := get(t, b, cli.AuthCodeURL("s"))
	if answer := submit(t, b, page, url.Values{"login": {"alice"}, "password": {"wrong"}}); answer.StatusCode != http.StatusUnauthorized || !strings.Contains(text(t, answer), "do not fit together") {
		t.Errorf("a wrong password: %s", answer.Status)
	}
	for what, address := range map[string]string{
		"the portal's redirect elsewhere": strings.Replace(portal.AuthCodeURL("s"), "8420", "8421", 1),
		"the command's redirect off loopback": strings.Replace(cli.AuthCodeURL("s"),
			url.QueryEscape("http://127.0.0.1:43210"), url.QueryEscape("http://evil.example"), 1),
		"an unknown client": strings.Replace(cli.AuthCodeURL("s"), "client_id=stint-cli", "client_id=other", 1),
	} {
		answer := get(t, b, address)
		if body := text(t, answer); answer.StatusCode/100 != 4 || strings.Contains(body, "<form") {
			t.Errorf("%s: %s %s", what, answer.Status, body)
		}
	}
	// The portal must not obtain a token whose audience is the command.
	crossed := portal
	crossed.Scopes = append(slices.Clone(portal.Scopes), "audience:server:client_id:"+provider.CLIClient)
	if answer := get(t, b, crossed.AuthCodeURL("s")); strings.Contains(text(t, answer), "password") {
		t.Error("a cross-client audience was offered")
	}
	for _, grant := range []string{"password", "urn:ietf:params:oauth:grant-type:token-exchange", "implicit"} {
		answer, err := b.PostForm(cli.Endpoint.TokenURL, url.Values{
			"grant_type": {grant}, "client_id": {provider.CLIClient}, "username": {"alice"}, "password": {password}, "scope": {"openid"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if body := text(t, answer); answer.StatusCode != http.StatusBadRequest || !strings.Contains(body, "unsupported_grant_type") {
			t.Errorf("grant %s: %s %s", grant, answer.Status, body)
		}
	}
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	config, _ := start(t, provider.Config{})
	client, verifier := oauthClient(t, config, provider.CLIClient)
	client.RedirectURL = ""
	device, err := client.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := browser(t, config)
	page := submit(t, b, get(t, b, device.VerificationURIComplete), url.Values{"user_code": {device.UserCode}})
	done := submit(t, b, page, url.Values{"login": {"alice"}, "password": {password}})
	if body := text(t, done); !strings.Contains(body, "You signed in for the stint command") {
		t.Fatalf("%s %s:\n%s", done.Request.URL, done.Status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	token, err := client.DeviceAccessToken(ctx, device)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := verifier.Verify(ctx, fmt.Sprint(token.Extra("id_token")))
	if err != nil {
		t.Fatal(err)
	}
	if verified.Nonce != "" {
		t.Errorf("a device flow token has the nonce %q", verified.Nonce)
	}
}

func TestRestartKeepsIdentityKeysAndRefreshTokens(t *testing.T) {
	t.Parallel()
	config, first := start(t, provider.Config{})
	client, verifier := oauthClient(t, config, provider.CLIClient)
	token := signIn(t, config, client, "alice", "n")
	raw := fmt.Sprint(token.Extra("id_token"))
	before, err := verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, config)

	client, verifier = oauthClient(t, config, provider.CLIClient)
	if _, err := verifier.Verify(t.Context(), raw); err != nil {
		t.Errorf("the restarted provider does not know its earlier token: %v", err)
	}
	renewed, err := client.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatal("refreshing after the restart:", err)
	}
	after, err := verifier.Verify(t.Context(), fmt.Sprint(renewed.Extra("id_token")))
	if err != nil {
		t.Fatal(err)
	}
	again, err := verifier.Verify(t.Context(), fmt.Sprint(signIn(t, config, client, "alice", "n").Extra("id_token")))
	if err != nil {
		t.Fatal(err)
	}
	if after.Subject != before.Subject || again.Subject != before.Subject || before.Subject == "" {
		t.Errorf("subjects: %q, refreshed %q, anew %q", before.Subject, after.Subject, again.Subject)
	}
	// What the signer is told of somebody before they have ever signed in.
	if told := provider.SubjectOf(config.Users[0]); told != before.Subject {
		t.Errorf("the signer is told of %q, the token says %q", told, before.Subject)
	}
}

func TestPagesAreOurs(t *testing.T) {
	t.Parallel()
	config, _ := start(t, provider.Config{})
	b := browser(t, config)
	client, _ := oauthClient(t, config, provider.CLIClient)
	for _, address := range []string{config.Issuer + "/device", client.AuthCodeURL("s"), config.Issuer + "/auth?client_id=nobody"} {
		answer := get(t, b, address)
		body := text(t, answer)
		if !strings.Contains(body, "<main>") || strings.Contains(strings.ToLower(body), "dex-") {
			t.Errorf("%s:\n%s", address, body)
		}
		for _, style := range regexp.MustCompile(`stylesheet" href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			at, err := answer.Request.URL.Parse(style[1])
			if err != nil {
				t.Fatal(err)
			}
			if answer := get(t, b, at.String()); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: style sheet %s: %s", address, at, answer.Status)
			}
		}
	}
	if body := text(t, get(t, b, config.Issuer+"/healthz")); body != "ok\n" {
		t.Errorf("healthz: %q", body)
	}
}

func TestTakenPortIsSaid(t *testing.T) {
	t.Parallel()
	config, _ := start(t, provider.Config{})
	if _, err := provider.Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), config.Listen) {
		t.Errorf("error: %v", err)
	}
}
