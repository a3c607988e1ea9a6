package proof

import (
	"encoding/json"
	"fmt"

	"stint/policies"
	"stint/server/api"
	"stint/server/border"
	"stint/server/evidence"
)

// Anchor is what somebody believes who verifies evidence: trust.json. It is the
// beginning of an installation; everything later the ledger proves from there.
// Take it from the signer's operators, on a way that the broker's do not control,
// and keep it.
type Anchor struct {
	Version      int          `json:"version"` // 1
	Instance     string       `json:"instance"`
	RelyingParty string       `json:"relying_party"` // WebAuthn relying-party id, an exact host
	Origins      []string     `json:"origins"`       // exact origins whose client data counts
	Issuer       AnchorIssuer `json:"issuer"`
	Log          string       `json:"log"` // verifier key of the ledger's checkpoints (C2SP signed-note)
	// Administrators are the passkeys of the first administrators, who joined at
	// the signer's own ceremony. Everybody else was let in by somebody.
	Administrators []Administrator `json:"administrators"`
	// Policy is the digest of the first policy, which came with the ledger.
	Policy string `json:"policy"`
	// Witnesses are verifier keys of witnesses (C2SP cosignature/v1). Where there
	// are any, one at least must have cosigned the checkpoint.
	Witnesses []string `json:"witnesses,omitempty"`
	// TargetCA are the target CA keys that counted when the file was made. No
	// evidence is verified by them: a target that is set up begins with them.
	TargetCA []string `json:"target_ca,omitempty"`
}

// AnchorIssuer is the identity provider.
type AnchorIssuer struct {
	URL      string `json:"url"`
	ClientID string `json:"client_id"` // the command line's own
	// Keys are the provider's keys (RFC 7517) as somebody else than the signer saw
	// them. Where there are any, an entry that names another is refused; where there
	// are none, the keys that the signer fetched are believed.
	Keys []string `json:"keys,omitempty"`
}

// Administrator is one of the first administrators with a passkey.
type Administrator struct {
	Person     policies.Subject `json:"person"`
	Name       string           `json:"name"`
	Credential string           `json:"credential"`
	PublicKey  string           `json:"public_key"`
}

// ReadAnchor reads a trust file of version 1.
func ReadAnchor(data []byte) (Anchor, error) {
	var a Anchor
	if err := border.DecodeStrict(data, &a); err != nil {
		return Anchor{}, err
	}
	if a.Version != 1 {
		return Anchor{}, fmt.Errorf("the trust file is of version %d; this program reads version 1", a.Version)
	}
	return a, nil
}

// admits says whether an enrolment made one of the first administrators.
func (a Anchor) admits(e *evidence.Enrolment) bool {
	for _, first := range a.Administrators {
		if first.Person == e.Person && first.Credential == e.Credential && first.PublicKey == e.PublicKey {
			return true
		}
	}
	return false
}

// admitsKey says whether a key of the identity provider may be one.
func (a Anchor) admitsKey(key evidence.IssuerKey) bool {
	for _, jwk := range a.Issuer.Keys {
		if sameKey(jwk, key.JWK) {
			return true
		}
	}
	return len(a.Issuer.Keys) == 0
}

// sameKey compares two JWKs by what a key consists of (RFC 7638, section 3.2), not
// by their names and spelling.
func sameKey(a, b string) bool {
	type members struct {
		Type    string `json:"kty"`
		Modulus string `json:"n"`
		E       string `json:"e"`
		Curve   string `json:"crv"`
		X       string `json:"x"`
		Y       string `json:"y"`
	}
	var left, right members
	return json.Unmarshal([]byte(a), &left) == nil && json.Unmarshal([]byte(b), &right) == nil && left == right && left.Type != ""
}

// AnchorOf makes an anchor from the beginning of a ledger, which trust's log key
// must have signed, and the settings that trust tells. It is as right as trust is.
func AnchorOf(beginning api.Evidence, trust evidence.Trust) (Anchor, error) {
	a := Anchor{
		Version: 1, Instance: trust.Instance, RelyingParty: trust.RelyingParty, Origins: trust.Origins,
		Issuer: AnchorIssuer{URL: trust.Issuer.URL, ClientID: trust.Issuer.ClientID}, Log: trust.Log, Administrators: []Administrator{},
		TargetCA: trust.TargetCA,
	}
	var opened Finding
	if err := openCheckpoint(&opened, beginning.Checkpoint, a); err != nil {
		return Anchor{}, err
	}
	leaves, err := proven(beginning.Entries, opened.Checkpoint)
	if err != nil {
		return Anchor{}, err
	}
	for _, l := range leaves {
		switch {
		case l.entry.Policy != nil && l.entry.Policy.Evidence == nil && a.Policy == "":
			a.Policy = l.entry.Policy.Digest
		case l.entry.Enrolment != nil && l.entry.Enrolment.Evidence.Ceremony:
			s, err := evidence.DecodeAs[*evidence.Enrolment](l.entry.Enrolment.Evidence.Statement)
			if err != nil {
				return Anchor{}, failed("enrolment", "entry %d: %v", l.index, err)
			}
			a.Administrators = append(a.Administrators, Administrator{s.Person, s.Name, s.Credential, s.PublicKey})
		default:
			return Anchor{}, failed("beginning", "entry %d is not of the ledger's beginning", l.index)
		}
	}
	if a.Policy == "" || len(a.Administrators) == 0 {
		return Anchor{}, failed("beginning", "the ledger has no first policy or no first administrator yet")
	}
	return a, nil
}
