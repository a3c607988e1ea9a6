// Package providertest is a real OpenID provider (dex) for tests, with people
// who can sign in at its form.
package providertest

import (
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"golang.org/x/oauth2"

	"stint/policies"
)

// Clients of the provider, and the portal's secret.
const (
	PortalClient      = "stint-portal"
	PortalSecret      = "the portal's secret"
	CommandLineClient = "stint-cli"
)

// Password is everybody's.
const Password = "correct horse battery staple"

// Redirect is where the command line's codes go; nobody listens there.
const Redirect = "http://127.0.0.1:1/callback"

// People are those who can sign in, with their groups.
var People = map[string][]string{
	"alice": {"engineering"},
	"bob":   {"engineering", "sre-leads"},
	"carol": {"security"},
	"dana":  {"platform"},
	"erin":  {"engineering"},
	"frank": {"platform"},
}

// Subject is the identity that the provider gives a person: dex's own encoding of
// user and connector, as a protocol buffer.
func Subject(person string) string {
	const user, connector = "user-", "people"
	encoded := append([]byte{0x0a, byte(len(user + person))}, user+person...)
	encoded = append(append(encoded, 0x12, byte(len(connector))), connector...)
	return base64.RawURLEncoding.EncodeToString(encoded)
}

// Person is somebody as the provider describes them.
func (p *Provider) Person(name string, groups ...string) policies.Person {
	return policies.Person{
		Subject: policies.Subject{Issuer: p.URL, Subject: Subject(name)},
		Name:    strings.ToUpper(name[:1]) + name[1:], Email: name + "@example.com", Groups: groups,
	}
}

// directory is the connector type of People. Dex's own password store takes
// costly hashes only, which a hundred sign-ins under the race detector feel.
const directory = "providertest"

func init() {
	server.ConnectorsConfig[directory] = func() server.ConnectorConfig { return &people{} }
}

// people is the connector, and its configuration.
type people struct{}

// Open is the connector's beginning.
func (people) Open(string, *slog.Logger) (connector.Connector, error) { return people{}, nil }

// Prompt names what is typed.
func (people) Prompt() string { return "e-mail" }

// Login says who it is.
func (people) Login(_ context.Context, _ connector.Scopes, login, password string) (connector.Identity, bool, error) {
	name, _, _ := strings.Cut(login, "@")
	groups, known := People[name]
	if !known || password != Password {
		return connector.Identity{}, false, nil
	}
	return connector.Identity{
		UserID: "user-" + name, Username: strings.ToUpper(name[:1]) + name[1:], Email: name + "@example.com", EmailVerified: true, Groups: groups,
	}, true, nil
}

// Provider is a running provider.
type Provider struct {
	URL string // the issuer

	server *httptest.Server
}

// Start serves until the test ends. portal is the portal's URL.
func Start(t testing.TB, portal string, tokenLife time.Duration) *Provider {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	var handler http.Handler
	p := &Provider{server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))}
	t.Cleanup(p.server.Close)
	p.URL = strings.Replace(p.server.URL, "127.0.0.1", "localhost", 1) + "/dex"

	kept := storage.WithStaticClients(memory.New(log), []storage.Client{
		{ID: PortalClient, Name: "portal", Secret: PortalSecret, RedirectURIs: []string{portal + "/auth/callback"}},
		{ID: CommandLineClient, Name: "command line", Public: true},
	})
	kept = storage.WithStaticConnectors(kept, []storage.Connector{{ID: "people", Type: directory, Name: "password", Config: []byte("{}")}})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	keys := signer.LocalConfig{KeysRotationPeriod: "24h"}
	signing, err := keys.Open(ctx, kept, tokenLife, time.Now, log)
	check(t, err)
	handler, err = server.NewServer(ctx, server.Config{
		Issuer: p.URL, Storage: kept, Signer: signing, SkipApprovalScreen: true, IDTokensValidFor: tokenLife,
		AllowedGrantTypes: []string{"authorization_code"}, SupportedResponseTypes: []string{"code"},
		Logger: log, Now: time.Now,
	})
	check(t, err)
	return p
}

// Browser is a client with cookies that follows redirects.
func Browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

// UpTo is a browser that stops before it opens anything that begins with address.
func UpTo(t testing.TB, address string) *http.Client {
	browser := Browser(t)
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), address) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return browser
}

var form = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// SignIn opens address, which must lead to the provider's form, fills it in for
// the person, and returns the answer that it ends with.
func SignIn(t testing.TB, browser *http.Client, address, person string) *http.Response {
	t.Helper()
	answer, err := browser.Get(address)
	check(t, err)
	page, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	check(t, err)
	found := form.FindSubmatch(page)
	if found == nil {
		t.Fatalf("%s shows no form: %s", answer.Request.URL, page)
	}
	action, err := answer.Request.URL.Parse(html.UnescapeString(string(found[1])))
	check(t, err)
	answer, err = browser.PostForm(action.String(), url.Values{"login": {person + "@example.com"}, "password": {Password}})
	check(t, err)
	answer.Body.Close()
	return answer
}

// Token gives a person's ID token for the command line's client, by the code
// flow that the command line uses.
func (p *Provider) Token(t testing.TB, person, nonce string) string {
	t.Helper()
	return p.token(t, person, nonce, oauth2.Config{ClientID: CommandLineClient, RedirectURL: Redirect})
}

// PortalToken gives one for the portal's client, with any nonce.
func (p *Provider) PortalToken(t testing.TB, portal, person, nonce string) string {
	t.Helper()
	return p.token(t, person, nonce, oauth2.Config{ClientID: PortalClient, ClientSecret: PortalSecret, RedirectURL: portal + "/auth/callback"})
}

func (p *Provider) token(t testing.TB, person, nonce string, client oauth2.Config) string {
	t.Helper()
	ctx := t.Context()
	provider, err := oidc.NewProvider(ctx, p.URL)
	check(t, err)
	client.Endpoint, client.Scopes = provider.Endpoint(), []string{"openid", "profile", "email", "groups"}
	verifier := oauth2.GenerateVerifier()
	browser := UpTo(t, client.RedirectURL)
	answer := SignIn(t, browser, client.AuthCodeURL("state", oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), person)
	target, err := answer.Location()
	if err != nil {
		t.Fatalf("signing in as %s ended at %s with %s", person, answer.Request.URL, answer.Status)
	}
	tokens, err := client.Exchange(ctx, target.Query().Get("code"), oauth2.VerifierOption(verifier))
	check(t, err)
	token, ok := tokens.Extra("id_token").(string)
	if !ok {
		t.Fatal("the provider gave no ID token")
	}
	return token
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("the test's provider: %w", err))
	}
}
