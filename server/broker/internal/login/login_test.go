package login

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"stint/server/broker/internal/providertest"
)

func FuzzLocalPath(f *testing.F) {
	origin, err := url.Parse("https://stint.example.com")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := LocalPath(text)
		if path != "/" && path != text {
			t.Fatalf("%q became %q", text, path)
		}
		target, err := origin.Parse(path)
		if err != nil || target.Scheme != "https" || target.Host != "stint.example.com" || target.User != nil {
			t.Errorf("%q leads to %v, %v", path, target, err)
		}
		if path[0] != '/' || len(path) > 1 && (path[1] == '/' || path[1] == '\\') || strings.ContainsAny(path, "\r\n\t\\") {
			t.Errorf("%q is passed on", path)
		}
	})
}

func FuzzDecodeAttempt(f *testing.F) {
	f.Fuzz(func(t *testing.T, value string) {
		a, err := DecodeAttempt(value)
		if err == nil && LocalPath(a.Return) != a.Return {
			t.Errorf("%q leads back to %q", value, a.Return)
		}
	})
}

func TestAttemptRoundTrip(t *testing.T) {
	t.Parallel()
	want := Attempt{State: "s", Nonce: "n", Verifier: "v", Return: "/requests?x=1", Expires: time.Unix(1e9, 0).UTC()}
	value, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeAttempt(value); err != nil || got != want {
		t.Errorf("%+v came back as %+v, %v", want, got, err)
	}
}

// The provider may come up after the broker; sign-in works from then on. What a
// sign-in attempt needs is checked here against the real provider.
func TestPortalSignIn(t *testing.T) {
	t.Parallel()
	const portal = "http://localhost:1"
	dex := providertest.Start(t, portal, time.Hour)
	now := time.Now()
	config := Config{
		Issuer: dex.URL, URL: portal, PortalClient: providertest.PortalClient, PortalSecret: providertest.PortalSecret,
		CommandLineClient: providertest.CommandLineClient, Now: func() time.Time { return now }, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Begin("/"); !errors.Is(err, ErrUnavailable) || p.Trouble() == "" {
		t.Errorf("before the provider answered: %v", err)
	}
	p.Run(t.Context())
	if p.Trouble() != "" {
		t.Fatal(p.Trouble())
	}

	// answer signs in as alice and returns the attempt with what the provider sent back.
	answer := func() (Attempt, url.Values) {
		t.Helper()
		attempt, target, err := p.Begin("/approvals")
		if err != nil {
			t.Fatal(err)
		}
		asked, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		q := asked.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("nonce") != attempt.Nonce || q.Get("state") != attempt.State || strings.Contains(target, attempt.Verifier) {
			t.Errorf("the provider is asked with %s", target)
		}
		browser := providertest.UpTo(t, portal)
		location, err := providertest.SignIn(t, browser, target, "alice").Location()
		if err != nil {
			t.Fatal(err)
		}
		return attempt, location.Query()
	}
	for name, c := range map[string]struct {
		alter func(*Attempt, url.Values)
		want  error // nil: any
	}{
		"another state":    {func(a *Attempt, _ url.Values) { a.State = strings.Repeat("x", 43) }, ErrExpired},
		"no state":         {func(a *Attempt, q url.Values) { a.State = ""; q.Set("state", "") }, ErrExpired},
		"too late":         {func(a *Attempt, _ url.Values) { a.Expires = now }, ErrExpired},
		"refused":          {func(_ *Attempt, q url.Values) { q.Set("error", "access_denied") }, ErrRefused},
		"another nonce":    {func(a *Attempt, _ url.Values) { a.Nonce = strings.Repeat("n", 43) }, nil},
		"no nonce":         {func(a *Attempt, _ url.Values) { a.Nonce = "" }, nil},
		"another verifier": {func(a *Attempt, _ url.Values) { a.Verifier = strings.Repeat("v", 43) }, nil},
		"another code":     {func(_ *Attempt, q url.Values) { q.Set("code", "abc") }, nil},
		"no code":          {func(_ *Attempt, q url.Values) { q.Del("code") }, nil},
	} {
		attempt, query := answer()
		c.alter(&attempt, query)
		person, err := p.Finish(t.Context(), attempt, query)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, person, err)
		}
	}
	attempt, query := answer()
	person, err := p.Finish(t.Context(), attempt, query)
	if err != nil || person.Name != "Alice" || person.Issuer != dex.URL || person.Email != "alice@example.com" || len(person.Groups) != 1 {
		t.Errorf("alice is %+v, %v", person, err)
	}
	if _, err := p.Finish(t.Context(), attempt, query); err == nil {
		t.Error("a code counted twice")
	}
}

func TestRunWaitsForTheProvider(t *testing.T) {
	t.Parallel()
	p, err := New(Config{
		Issuer: "http://127.0.0.1:1/dex", URL: "http://localhost:1", PortalClient: "a", CommandLineClient: "b",
		Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), DiscoveryRetryEvery: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p.Run(ctx) // returns when ctx ends
	if p.Trouble() == "" {
		t.Error("a provider that does not answer is no trouble")
	}
}
