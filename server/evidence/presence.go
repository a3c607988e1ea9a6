package evidence

import (
	"time"

	"stint/policies"
)

// PresenceLife is how old a Presence may be when the signer takes it.
const PresenceLife = 5 * time.Minute

// Presence is the word of whose session it is, by their own passkey, that they are there:
// a role may ask for it again and again while a session goes on. It names the session and
// what that was opened for.
type Presence struct {
	Instance      string
	Session       string // the proxy's id of it
	Request       string // whose certificate opened it
	RequestDigest string // of that revision's statement
	Role          string
	Login         string
	Target        string
	Person        policies.Subject
	PersonName    string
	Issued        time.Time
	Nonce         string
}

// Kind is KindPresence.
func (*Presence) Kind() Kind { return KindPresence }

func (p *Presence) walk(c *codec) {
	field(c, "instance", &p.Instance, nameForm)
	field(c, "session", &p.Session, sessionForm)
	field(c, "request", &p.Request, requestForm)
	field(c, "request-digest", &p.RequestDigest, digestForm)
	field(c, "role", &p.Role, nameForm)
	field(c, "login", &p.Login, loginForm)
	field(c, "target", &p.Target, nameForm)
	field(c, "person", &p.Person, subjectForm)
	field(c, "person-name", &p.PersonName, personForm)
	field(c, "issued", &p.Issued, timeForm)
	field(c, "nonce", &p.Nonce, hexForm)
}

// PresenceOf is the presence that the requester of a request, given as the text of its
// statement, is to sign for a session that was opened under it.
func PresenceOf(request, session string, issued time.Time, nonce string) (*Presence, error) {
	r, err := DecodeAs[*Request](request)
	if err != nil {
		return nil, err
	}
	return &Presence{
		Instance:      r.Instance,
		Session:       session,
		Request:       r.Request,
		RequestDigest: Digest(request),
		Role:          r.Ask.Role,
		Login:         r.Ask.Login,
		Target:        r.Ask.Target,
		Person:        r.Requester,
		PersonName:    r.RequesterName,
		Issued:        issued,
		Nonce:         nonce,
	}, nil
}

// VerifiedPresence is a presence that VerifyPresence found proven. Only it makes one that
// holds anything; the methods of any other panic.
type VerifiedPresence struct{ held *verifiedPresence }

type verifiedPresence struct {
	presence Presence
	evidence SignedByPasskey
}

func (v VerifiedPresence) must() *verifiedPresence {
	if v.held == nil {
		panic("evidence: a VerifiedPresence that VerifyPresence did not return")
	}
	return v.held
}

// Entry is what the ledger records of it.
func (v VerifiedPresence) Entry() *PresenceEntry {
	held := v.must()
	return &PresenceEntry{Request: held.presence.Request, Session: held.presence.Session, Evidence: held.evidence}
}

// VerifyPresence checks that whose request this is, given as the text of its statement, is
// there now, for a session that was opened under it. A refusal is a *Failure.
func VerifyPresence(signed SignedByPasskey, request string, trust Trust, now time.Time) (VerifiedPresence, error) {
	none := VerifiedPresence{}

	// 1. It is word for word of this request, and new.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	p, err := DecodeAs[*Presence](signed.Statement)
	if err != nil {
		return none, fail("presence", "%v", err)
	}
	expected, err := PresenceOf(request, p.Session, p.Issued, p.Nonce)
	switch {
	case err != nil:
		return none, fail("presence", "%v", err)
	case p.Instance != trust.Instance:
		return none, fail("instance", "the presence is for another installation")
	case *expected != *p:
		return none, fail("presence-repeats", "the presence is for something else than was opened: %s differs", difference(p, expected))
	case p.Issued.After(now.Add(policies.Skew)):
		return none, fail("presence-issued", "the presence is dated in the future")
	case p.Issued.Before(now.Add(-PresenceLife)):
		return none, fail("presence-issued", "the presence was signed more than %s ago; sign anew", policies.FormatDuration(PresenceLife))
	}

	// 2. Their passkey is in the roster, and as strong as the role wants the requester's.
	holder, err := activePasskey(trust, p.Person, signed.Assertion.Credential, now)
	if err != nil {
		return none, within("presence", err)
	}
	policy, err := trust.Bundle(now)
	if err != nil {
		return none, err
	}
	role, ok := policy.Role(p.Role)
	switch {
	case !ok:
		return none, fail("presence-role", "the policy has no role %s any more", p.Role)
	case role.Passkey.Requester == policies.PasskeyAttested && holder.key.Attested == "":
		return none, fail("presence-attested", "the role wants an attested passkey of %s", p.PersonName)
	}

	// 3. The passkey signed it.
	if err := VerifyAssertion(signed.Assertion, signed.Statement, holder.key, trust); err != nil {
		return none, within("presence", err)
	}
	return VerifiedPresence{&verifiedPresence{*p, signed}}, nil
}
