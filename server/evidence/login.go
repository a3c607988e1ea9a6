package evidence

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"stint/policies"
)

// mostToken bounds an ID token, in bytes.
const mostToken = 16 << 10

// idTokenAlgorithms are the signatures that count on an ID token. A provider's
// key is public, so an algorithm with a shared secret must never be among them.
var idTokenAlgorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// VerifyLogin checks that a login key speaks for a person at a moment, and
// returns the person as the provider attests them. A refusal is a *Failure.
//
// An ID token alone proves nothing here: brokers see ID tokens. It counts only
// with the key that its nonce commits to, or with the key that the person's own
// passkey confirmed.
func VerifyLogin(binding LoginBinding, trust Trust, now time.Time) (policies.Person, error) {
	none := policies.Person{}

	// 1. The key, and one way of binding it.
	if _, err := ParseKey(binding.LoginKey); err != nil {
		return none, fail("login-key", "the login key cannot be read: %v", err)
	}
	if (binding.NonceSalt == "") == (binding.Confirmation == nil) {
		return none, fail("login-binding", "the login key is bound by a nonce or by a confirmation, and by one of them only")
	}

	// 2. The token: by the provider, for our command line, and not over.
	token, claims, err := verifyIDToken(binding.IDToken, trust.Issuer, now)
	if err != nil {
		return none, err
	}
	person, err := PersonOf(token.Issuer, claims)
	if err != nil {
		return none, fail("id-token", "%v", err)
	}

	// 3. The binding.
	if binding.Confirmation == nil {
		salt, err := fromBase64(binding.NonceSalt)
		if err != nil {
			return none, fail("nonce", "the salt of the nonce cannot be read")
		}
		nonce, err := LoginNonce(binding.LoginKey, salt)
		if err != nil || subtle.ConstantTimeCompare([]byte(nonce), []byte(token.Nonce)) != 1 {
			return none, fail("nonce", "the ID token does not commit to this login key; sign in again with `stint login`")
		}
		return person, nil
	}
	if err := verifyConfirmation(*binding.Confirmation, binding.LoginKey, person, trust, now); err != nil {
		return none, within("login", err)
	}
	return person, nil
}

// LongestLogin is how long a confirmed login key may act at most.
const LongestLogin = 24 * time.Hour

// verifyConfirmation checks that the person's own passkey confirmed the key.
func verifyConfirmation(signed SignedByPasskey, loginKey string, person policies.Person, trust Trust, now time.Time) error {
	login, err := DecodeAs[*Login](signed.Statement)
	switch {
	case err != nil:
		return fail("statement", "%v", err)
	case login.Instance != trust.Instance:
		return fail("instance", "the confirmation is for another installation")
	case login.Person != person.Subject:
		return fail("person", "the confirmation is by somebody else than the ID token names")
	case login.LoginKey != loginKey:
		return fail("confirmed-key", "the confirmation is for another login key")
	case login.Issued.After(now.Add(policies.Skew)):
		return fail("issued", "the confirmation is dated in the future")
	case login.Expires.Sub(login.Issued) > LongestLogin:
		return fail("expires", "a confirmation holds for at most %s", policies.FormatDuration(LongestLogin))
	case !now.Before(login.Expires):
		return fail("expires", "the confirmation is over; sign in again with `stint login`")
	}
	passkey, err := activePasskey(trust, login.Person, signed.Assertion.Credential, now)
	if err != nil {
		return err
	}
	return VerifyAssertion(signed.Assertion, signed.Statement, passkey.key, trust)
}

// verifyIDToken checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7)
// against the pinned keys of the provider.
func verifyIDToken(text string, issuer Issuer, now time.Time) (*oidc.IDToken, []byte, error) {
	// 1. One signature, in the compact form, by a pinned key of the provider.
	if len(text) > mostToken {
		return nil, nil, fail("id-token", "the ID token is longer than %d bytes", mostToken)
	}
	jws, err := jose.ParseSignedCompact(text, idTokenAlgorithms)
	if err != nil {
		return nil, nil, fail("id-token", "the ID token cannot be read")
	}
	if kind, there := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; there {
		// Access tokens of RFC 9068 call themselves at+jwt.
		if kind, ok := kind.(string); !ok || !strings.EqualFold(kind, "JWT") {
			return nil, nil, fail("id-token", "the token is of another kind than an ID token")
		}
	}
	// The library checks signature, issuer, expiry and nbf. Its check of the
	// audience is looser than ours, which follows.
	algorithms := make([]string, len(idTokenAlgorithms))
	for i, a := range idTokenAlgorithms {
		algorithms[i] = string(a)
	}
	verifier := oidc.NewVerifier(issuer.URL, pinnedKeys(issuer.Keys, now), &oidc.Config{
		SkipClientIDCheck:    true,
		SupportedSigningAlgs: algorithms,
		Now:                  func() time.Time { return now },
	})
	token, err := verifier.Verify(context.Background(), text)
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return nil, nil, fail("id-token-expired", "the ID token ended at %s; sign in again with `stint login`", expired.Expiry.UTC().Format(time.RFC3339))
	}
	if err != nil {
		return nil, nil, fail("id-token", "the ID token does not hold: %v", err)
	}

	// 2. Of exactly this provider, for the command line and nobody else. A token
	// of the portal was made with a nonce that the broker chose.
	var claims json.RawMessage
	var party struct {
		AuthorizedParty *string `json:"azp"`
	}
	if err := errors.Join(token.Claims(&claims), token.Claims(&party)); err != nil {
		return nil, nil, fail("id-token", "the claims of the ID token cannot be read")
	}
	switch {
	case checkClaimNames(claims) != nil:
		return nil, nil, fail("id-token", "the claims of the ID token can be read in two ways")
	case token.Issuer != issuer.URL:
		return nil, nil, fail("id-token", "the ID token is by another provider")
	case issuer.ClientID == "" || len(token.Audience) != 1 || token.Audience[0] != issuer.ClientID:
		return nil, nil, fail("id-token-audience", "the ID token is for %.200q; only one for %q activates", token.Audience, issuer.ClientID)
	case party.AuthorizedParty != nil && *party.AuthorizedParty != issuer.ClientID:
		return nil, nil, fail("id-token-audience", "the ID token was given to %.200q", *party.AuthorizedParty)

	// 3. Now: neither over nor from the future.
	case !now.Before(token.Expiry):
		return nil, nil, fail("id-token-expired", "the ID token ended at %s; sign in again with `stint login`", token.Expiry.UTC().Format(time.RFC3339))
	case token.IssuedAt.IsZero() || token.IssuedAt.After(now.Add(policies.Skew)):
		return nil, nil, fail("id-token-issued", "the ID token does not say when it was issued, or is dated in the future")
	}
	return token, claims, nil
}

// checkClaimNames refuses claims that the library, which does not tell capitals
// from small letters, would take for one of those that are checked: a provider may
// let people fill claims of their own naming.
func checkClaimNames(claims []byte) error {
	members, err := exactMembers(claims)
	if err != nil {
		return err
	}
	for name := range members {
		for _, checked := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp"} {
			if name != checked && strings.EqualFold(name, checked) {
				return fmt.Errorf("there is a claim %.20q", name)
			}
		}
	}
	return nil
}

// keySet are the provider's keys that count.
type keySet []jose.JSONWebKey

// pinnedKeys takes those keys that the signer had seen by now. One that cannot
// be used verifies nothing and is left out.
func pinnedKeys(keys []IssuerKey, now time.Time) keySet {
	var set keySet
	for _, k := range keys {
		var key jose.JSONWebKey
		if k.Seen.After(now.Add(policies.Skew)) || json.Unmarshal([]byte(k.JWK), &key) != nil || key.Use == "enc" {
			continue
		}
		switch public := key.Key.(type) {
		case *rsa.PublicKey:
			if public.N.BitLen() < 2048 {
				continue
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default: // secrets, private keys
			continue
		}
		set = append(set, key)
	}
	return set
}

// VerifySignature returns the payload of a token that one of the keys signed;
// it fits oidc.KeySet.
func (s keySet) VerifySignature(_ context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, idTokenAlgorithms)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	for _, key := range s {
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("no pinned key of the provider signed it")
}

// PersonOf reads a person from the claims of an ID token whose signature is
// already checked. Portal and signer call it alike, so that the name an approver
// is shown is the one the signer will find in the requester's token.
//
// The name is the first of the claims name, email and sub that can be shown; an
// e-mail address counts unless the provider says that it is not verified.
func PersonOf(issuer string, claims []byte) (policies.Person, error) {
	var c struct {
		Subject, Name, Email string
		Verified             json.RawMessage
		Groups               []string
	}
	// The library would take "Groups" for "groups".
	members, err := exactMembers(claims)
	for name, into := range map[string]any{
		"sub": &c.Subject, "name": &c.Name, "email": &c.Email, "email_verified": &c.Verified, "groups": &c.Groups,
	} {
		if raw, there := members[name]; there {
			err = errors.Join(err, json.Unmarshal(raw, into))
		}
	}
	if err != nil {
		return policies.Person{}, errors.New("the claims of the ID token do not have the form that OpenID Connect gives them")
	}
	p := policies.Person{Subject: policies.Subject{Issuer: issuer, Subject: c.Subject}, Groups: c.Groups}
	if err := p.Subject.Check(); err != nil {
		return policies.Person{}, err
	}
	// Some providers write the boolean as a string.
	verified := strings.Trim(string(c.Verified), `"`) != "false"
	if verified && checkPersonName(c.Email) == nil {
		p.Email = c.Email
	}
	for _, name := range []string{c.Name, p.Email, c.Subject} {
		if checkPersonName(name) == nil {
			p.Name = name
			break
		}
	}
	return p, nil
}
