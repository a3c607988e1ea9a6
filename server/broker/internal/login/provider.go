// Package login establishes who somebody is, by OpenID Connect: the portal's own
// sign-in, and the command line's, which has redeemed its code itself. Who
// somebody is, is issuer and subject.
//
// The two are different clients of the provider, and a token of one is never
// taken for the other's: the broker sees the portal's tokens, and must not be
// able to pass one off as the command line's.
package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stint/policies"
	"stint/server/evidence"
)

// Scopes that the portal asks for.
var scopes = []string{oidc.ScopeOpenID, "profile", "email", "groups"}

const (
	discoveryRetry = time.Second
	callTimeout    = 10 * time.Second
)

// Config wires a Provider; every field is required.
type Config struct {
	Issuer string
	// URL is the portal's own, without a path.
	URL                 string
	PortalClient        string
	PortalSecret        string
	CommandLineClient   string
	Now                 func() time.Time
	Random              io.Reader
	Log                 *slog.Logger
	DiscoveryRetryEvery time.Duration // one second if zero
}

// Provider is the OpenID provider as the broker knows it. It is safe for
// concurrent use.
type Provider struct {
	config Config
	http   *http.Client

	mu         sync.RWMutex
	discovered *oidc.Provider
	trouble    string
}

// New checks the wiring. Nothing is fetched before Run.
func New(c Config) (*Provider, error) {
	if c.Issuer == "" || c.URL == "" || c.PortalClient == "" || c.CommandLineClient == "" || c.PortalClient == c.CommandLineClient ||
		c.Now == nil || c.Random == nil || c.Log == nil {
		return nil, errors.New("login: the wiring is incomplete")
	}
	if c.DiscoveryRetryEvery == 0 {
		c.DiscoveryRetryEvery = discoveryRetry
	}
	return &Provider{
		config: c, http: &http.Client{Timeout: callTimeout},
		trouble: "The identity provider has not answered yet, so nobody can sign in.",
	}, nil
}

// Run fetches the provider's configuration, again and again until it answers,
// and returns then, or when ctx is done. Its keys are fetched as they are needed.
func (p *Provider) Run(ctx context.Context) {
	for {
		err := p.discover(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.config.Log.Warn("asking the identity provider for its configuration", "issuer", p.config.Issuer, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.config.DiscoveryRetryEvery):
		}
	}
}

func (p *Provider) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	discovered, err := oidc.NewProvider(oidc.ClientContext(ctx, p.http), p.config.Issuer)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discovered, p.trouble = discovered, ""
	return nil
}

// Trouble says in one sentence why nobody can sign in; empty when they can, as
// far as is known.
func (p *Provider) Trouble() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.trouble
}

// ErrUnavailable means that the provider has not answered yet.
var ErrUnavailable = errors.New("the identity provider does not answer")

func (p *Provider) provider() (*oidc.Provider, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.discovered == nil {
		return nil, ErrUnavailable
	}
	return p.discovered, nil
}

// verify checks an ID token of one client: the provider's signature, issuer,
// audience and expiry.
func (p *Provider) verify(ctx context.Context, provider *oidc.Provider, raw, client string) (*oidc.IDToken, policies.Person, error) {
	ctx = oidc.ClientContext(ctx, p.http)
	token, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: client, Now: p.config.Now}).Verify(ctx, raw)
	if err != nil {
		return nil, policies.Person{}, fmt.Errorf("verifying the ID token: %w", err)
	}
	// A token for several clients may have been made for another one.
	if !slices.Equal(token.Audience, []string{client}) {
		return nil, policies.Person{}, fmt.Errorf("the ID token is for %q, not for %q alone", token.Audience, client)
	}
	var claims rawClaims
	if err := token.Claims(&claims); err != nil {
		return nil, policies.Person{}, fmt.Errorf("reading the ID token's claims: %w", err)
	}
	person, err := evidence.PersonOf(token.Issuer, claims)
	if err != nil {
		return nil, policies.Person{}, err
	}
	return token, person, nil
}

// rawClaims takes the claims as they are.
type rawClaims []byte

// UnmarshalJSON keeps a copy.
func (c *rawClaims) UnmarshalJSON(data []byte) error {
	*c = slices.Clone(data)
	return nil
}

func (p *Provider) oauth(provider *oidc.Provider) oauth2.Config {
	return oauth2.Config{
		ClientID: p.config.PortalClient, ClientSecret: p.config.PortalSecret,
		Endpoint: provider.Endpoint(), RedirectURL: p.config.URL + callbackPath, Scopes: scopes,
	}
}
