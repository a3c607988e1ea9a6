package signer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"stint/server/evidence"
)

const (
	issuerTimeout   = 5 * time.Second  // one fetch, discovery and keys together
	issuerEvery     = time.Hour        // a key that the provider withdrew is believed no longer than this
	issuerRetry     = 2 * time.Second  // at the soonest after a failure
	issuerPause     = 10 * time.Second // at the soonest after a success
	maxIssuerAnswer = 1 << 20
	maxIssuerKeys   = 32
)

// issuer fetches the identity provider's keys. The signer does it by itself:
// whoever chose these keys would choose who everybody is.
type issuer struct {
	url    string
	client *http.Client
	clock  func() time.Time

	mu   sync.Mutex // held during a fetch, so that there is one at a time
	next time.Time  // no fetch before
}

func newIssuer(address string, clock func() time.Time) *issuer {
	return &issuer{url: address, clock: clock, client: &http.Client{
		Timeout: issuerTimeout,
		// The provider says where its keys are, in a document; it need not redirect.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the identity provider redirects; set issuer.url to its exact issuer")
		},
	}}
}

// errTooSoon means that the last fetch was a moment ago.
var errTooSoon = errors.New("the provider's keys were fetched a moment ago")

// fetch returns the provider's signature keys as JWKs, each in one encoding.
func (i *issuer) fetch(ctx context.Context) (keys []string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.clock().Before(i.next) {
		return nil, errTooSoon
	}
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	defer func() {
		pause := issuerPause
		if err != nil {
			pause = issuerRetry
		}
		i.next = i.clock().Add(pause)
	}()
	// 1. Discovery (OpenID Connect Discovery 1.0, section 4), which must speak of this issuer.
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := i.get(ctx, strings.TrimSuffix(i.url, "/")+"/.well-known/openid-configuration", &metadata); err != nil {
		return nil, err
	}
	if metadata.Issuer != i.url {
		return nil, fmt.Errorf("the provider at %s calls itself %q", i.url, metadata.Issuer)
	}
	if err := checkJWKS(metadata.JWKSURI); err != nil {
		return nil, err
	}
	// 2. The keys.
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, metadata.JWKSURI, &set); err != nil {
		return nil, err
	}
	return signatureKeys(set.Keys)
}

func checkJWKS(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the provider's jwks_uri: %w", err)
	}
	u.RawQuery = "" // a query is harmless here
	if err := checkURL(u.String()); err != nil {
		return fmt.Errorf("the provider's jwks_uri: %w", err)
	}
	return nil
}

func (i *issuer) get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := i.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerAnswer+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	if len(body) > maxIssuerAnswer {
		return fmt.Errorf("%s answers more than %d bytes", address, maxIssuerAnswer)
	}
	// The provider's documents may hold fields that are not ours to know.
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}

// signatureKeys keeps the public keys that may sign tokens. A kind of key that is
// not known is passed over: providers publish more than what we need.
func signatureKeys(raw []json.RawMessage) ([]string, error) {
	var keys []string
	for _, text := range raw {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(text); err != nil || key.Use == "enc" || !key.Valid() {
			continue
		}
		public := key.Public() // also empties what is not a public key, such as a shared secret
		if !public.Valid() {
			continue
		}
		encoded, err := jose.JSONWebKey{Key: public.Key, KeyID: public.KeyID, Algorithm: public.Algorithm, Use: public.Use}.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encoding the provider's key %q: %w", public.KeyID, err)
		}
		if !slices.Contains(keys, string(encoded)) {
			keys = append(keys, string(encoded))
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the provider publishes no signature key")
	}
	if len(keys) > maxIssuerKeys {
		return nil, fmt.Errorf("the provider publishes %d signature keys, more than %d", len(keys), maxIssuerKeys)
	}
	return keys, nil
}

// keyID is the kid that a token names. It is read before anything is checked and
// only says whether it is worth asking the provider for newer keys.
func keyID(token string) string {
	encoded, _, _ := strings.Cut(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	var fields struct {
		KeyID string `json:"kid"`
	}
	if json.Unmarshal(header, &fields) != nil {
		return ""
	}
	return fields.KeyID
}

// knows says whether one of the keys has that id.
func knows(keys []evidence.IssuerKey, id string) bool {
	return slices.ContainsFunc(keys, func(key evidence.IssuerKey) bool {
		var parsed jose.JSONWebKey
		return parsed.UnmarshalJSON([]byte(key.JWK)) == nil && parsed.KeyID == id
	})
}
