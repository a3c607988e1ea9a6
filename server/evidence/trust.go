package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// Trust is whom a verifier believes, as the signer exports it and trust.json
// holds it. A verifier takes it from the signer or pins it once; never from the
// evidence itself.
type Trust struct {
	Version      int               `json:"version"` // 1
	Instance     string            `json:"instance"`
	RelyingParty string            `json:"relying_party"` // WebAuthn relying-party id, an exact host
	Origins      []string          `json:"origins"`       // exact origins whose client data counts
	Issuer       Issuer            `json:"issuer"`
	Roster       Roster            `json:"roster"`
	Policy       map[string]string `json:"policy"`      // file name -> text, see policies.Bundle.Files
	Inventories  []Inventory       `json:"inventories"` // targets beside the policy's
	Devices      Devices           `json:"devices"`     // those that were ever enrolled
	// Delegations are those that are not long over, in the order in which they were given.
	Delegations []GivenDelegation `json:"delegations"`
	// Changes are those of the policy that the organization's independence looks at.
	Changes []policies.PolicyChange `json:"changes"`
	// Spent are the digests of changes of the roster and the policy that took effect
	// and are not over yet: none does so twice.
	Spent []string `json:"spent"`
	Log   string   `json:"log"` // verifier key of the ledger's checkpoints (C2SP signed-note)
	// UserCA, TargetCA and HostCA are the authorities whose certificates are
	// accepted now: current, next and not yet forgotten ones, in this order.
	UserCA   []string `json:"user_ca"`
	TargetCA []string `json:"target_ca"`
	HostCA   []string `json:"host_ca"`
	// Keys are the same keys, those that are accepted no longer and those for other
	// purposes, with their states.
	Keys []SigningKey `json:"keys"`

	base *policies.Bundle // of Policy, where WithPolicy set both
	full *policies.Bundle // of Policy and all of Inventories, none of which has expired

	linking *policies.People // whom known gives at any time; nil where that is the roster's to say
}

// known are the people through whom policy links a requester's identities, at a moment.
func (t Trust) known(now time.Time) *policies.People {
	if t.linking != nil {
		return t.linking
	}
	return t.Roster.Known(now)
}

// WithPolicy is the same trust with a policy that is loaded already, so that
// verifying need not read its text again.
func (t Trust) WithPolicy(bundle *policies.Bundle) Trust {
	t.Policy, t.base, t.full = bundle.Files(), bundle, nil
	return t
}

// Bundle is the policy that t holds, with the targets of those inventories that have
// not expired at a moment. A refusal is a *Failure.
func (t Trust) Bundle(now time.Time) (*policies.Bundle, error) {
	expired := func(i Inventory) bool { return !now.Before(i.Expires) }
	if t.full != nil && !slices.ContainsFunc(t.Inventories, expired) {
		return t.full, nil
	}
	base, err := t.loaded()
	if err != nil {
		return nil, err
	}
	var targets []policies.Target
	for _, inventory := range t.Inventories {
		if !expired(inventory) {
			targets = append(targets, inventory.Targets...)
		}
	}
	full, err := base.WithTargets(targets...)
	if err != nil {
		return nil, fail("trust", "the trusted inventories do not fit the trusted policy: %v", err)
	}
	return full, nil
}

// loaded is the policy alone.
func (t Trust) loaded() (*policies.Bundle, error) {
	if t.base != nil {
		return t.base, nil
	}
	base, err := policies.Parse(t.Policy)
	if err != nil {
		return nil, fail("trust", "the trusted policy cannot be loaded: %v", err)
	}
	return base, nil
}

// Issuer is the identity provider with its keys as the signer fetched them.
type Issuer struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"` // the command line's own client; no other client's token activates
	// Keys are the provider's signature keys, in the order first seen, as JWKs
	// (RFC 7517).
	Keys []IssuerKey `json:"keys"`
}

// IssuerKey is a provider's key and when the signer first saw it.
type IssuerKey struct {
	JWK  string    `json:"jwk"`
	Seen time.Time `json:"seen"`
}

// Inventory is what an inventory holds since its latest InventoryChange.
type Inventory struct {
	Name    string            `json:"name"`
	Key     string            `json:"key"` // that signed it
	Number  int64             `json:"number"`
	Targets []policies.Target `json:"targets"`
	Expires time.Time         `json:"expires"`
}

// What a key of the signer's is for.
const (
	PurposeUserCA   = "user-ca"   // people's certificates, which proxies accept
	PurposeTargetCA = "target-ca" // proxies' certificates, which targets accept
	PurposeHostCA   = "host-ca"   // the host certificates of proxies
	PurposeToken    = "token"     // OpenID identity tokens
)

// How far a key of the signer's is.
const (
	KeyNext      = "next"      // published, signs nothing yet
	KeyCurrent   = "current"   // signs
	KeyRetired   = "retired"   // signs no longer; what it signed is accepted until it ends
	KeyWithdrawn = "withdrawn" // signs no longer, and nothing under it is accepted
)

// SigningKey is a key of the signer's and its life so far.
type SigningKey struct {
	Purpose    string       `json:"purpose"` // PurposeUserCA and so on
	Key        string       `json:"key"`     // form of ParseAuthorityKey
	State      string       `json:"state"`   // KeyNext and so on
	Made       time.Time    `json:"made"`
	Current    *time.Time   `json:"current,omitempty"`    // since when it signs; nil: not yet
	Retired    *time.Time   `json:"retired,omitempty"`    // since when it no longer signs
	Accepted   *time.Time   `json:"accepted,omitempty"`   // of a retired one: the end of the last certificate under it
	Succession *SignedByKey `json:"succession,omitempty"` // nil for the first of its purpose
}
