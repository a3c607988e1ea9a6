// Package evidencetest makes evidence for tests: passkeys, a provider that signs
// ID tokens, login keys, and a small world in which a bundle holds, with a
// handle on every part so that a test can forge it.
package evidencetest

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// The world's fixed places.
const (
	Instance     = "k3f9x2mq"
	RelyingParty = "localhost"
	Origin       = "http://localhost:8420"
	IssuerURL    = "http://localhost:5556/dex"
	ClientID     = "stint-cli"
)

// Policy is the world's policy: one role of two stages, one that nobody
// may hold beside it, one that needs nobody.
const Policy = `kind: Organization
reviewers: [security]
quorum: 1
aliases:
  - - {issuer: "http://localhost:5556/dex", subject: alice}
    - {issuer: "http://localhost:5556/dex", subject: alice-admin}
---
kind: Role
name: production-shell
description: A shell on production.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [app, postgres]
duration: {default: 30m, longest: 4h}
reason: required
approval:
  - {name: lead, groups: [sre-leads], count: 1}
  - {name: security, groups: [security], count: 1}
---
kind: Role
name: key-management
description: Keys.
requesters: [engineering]
targets: {labels: {env: keys}}
logins: [app]
duration: {default: 30m, longest: 1h}
reason: optional
approval:
  - {name: security, groups: [security], count: 1}
---
kind: Role
name: staging-shell
description: A shell on staging, for everybody in engineering.
requesters: [engineering]
targets: {labels: {env: staging}}
logins: [app]
duration: {default: 30m, longest: 8h}
reason: optional
approval: []
---
kind: Target
name: web-1
address: 127.0.0.1:2201
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM
labels: {env: production}
---
kind: Target
name: keys-1
address: 127.0.0.1:2202
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM
labels: {env: keys}
---
kind: Target
name: staging-1
address: 127.0.0.1:2203
hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM
labels: {env: staging}
---
kind: Separation
name: shell-or-keys
description: Nobody has both at once.
forbid: held
roles: [production-shell, key-management]
`

// Member is a person of the roster with their passkey.
type Member struct {
	Person  policies.Person
	Passkey *Passkey
}

// World holds everything that a bundle is made from. Now is a fixed moment at
// which the bundle holds. Alter fields, then make the parts; or make the parts,
// then alter those.
type World struct {
	Now    time.Time
	Issuer *Issuer
	Trust  evidence.Trust
	Held   []policies.Held

	Alice     policies.Person // asks
	Bob       *Member         // approves for sre-leads
	Carol     *Member         // approves for security
	Dana      *Member         // is an administrator
	Erin      *Member         // confirms her own sign-ins, no more; enrolled by her login key
	Login     *Key            // Alice's
	Session   *Key            // what the certificate is for
	Request   evidence.Request
	Approvers []*Member // whoever approves the bundle: Bob and Carol
}

// NewWorld makes a world with fresh keys in which Bundle is proven.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w := &World{
		Now:     time.Date(2026, 3, 4, 5, 10, 0, 0, time.UTC),
		Issuer:  NewIssuer(t, IssuerURL, ClientID),
		Alice:   Person("alice", "engineering"),
		Bob:     &Member{Person("bob", "sre-leads"), NewPasskey(t, RelyingParty, Origin)},
		Carol:   &Member{Person("carol", "security"), NewPasskey(t, RelyingParty, Origin)},
		Dana:    &Member{Person("dana", policies.AdministratorsGroup), NewPasskey(t, RelyingParty, Origin)},
		Erin:    &Member{Person("erin"), NewPasskey(t, RelyingParty, Origin)},
		Login:   NewKey(t),
		Session: NewKey(t),
	}
	w.Approvers = []*Member{w.Bob, w.Carol}
	w.Trust = evidence.Trust{
		Version:      1,
		Instance:     Instance,
		RelyingParty: RelyingParty,
		Origins:      []string{Origin},
		Issuer:       evidence.Issuer{URL: IssuerURL, ClientID: ClientID, Keys: []evidence.IssuerKey{{JWK: w.Issuer.JWK(t), Seen: w.Now.Add(-time.Hour)}}},
		Policy:       map[string]string{"policy.yaml": Policy},
	}
	for _, m := range []*Member{w.Bob, w.Carol, w.Dana, w.Erin} {
		w.Pin(m, m.Person.Groups)
	}
	w.Request = evidence.Request{
		Instance:      Instance,
		Request:       "req-7h2kq9wz4t",
		Revision:      1,
		Requester:     w.Alice.Subject,
		RequesterName: w.Alice.Name,
		Ask:           policies.Ask{Role: "production-shell", Target: "web-1", Login: "app", Duration: time.Hour, Reason: `disk full on "web-1", see OPS-12`},
		Policy:        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
		Issued:        w.Now.Add(-10 * time.Minute),
		Expires:       w.Now.Add(50 * time.Minute),
		Nonce:         Nonce(),
	}
	return w
}

// Person makes a person of the world's provider.
func Person(name string, groups ...string) policies.Person {
	title := string(name[0]-'a'+'A') + name[1:]
	return policies.Person{Subject: policies.Subject{Issuer: IssuerURL, Subject: name}, Name: title, Email: name + "@example.com", Groups: groups}
}

// Nonce is a random nonce for a statement.
func Nonce() string {
	var random [16]byte
	rand.Read(random[:])
	return evidence.NewNonce(random)
}

// Pin puts a member into the roster with a passkey that speaks for groups.
func (w *World) Pin(m *Member, groups []string) {
	w.Trust.Roster.People = append(w.Trust.Roster.People, evidence.RosterPerson{Person: m.Person, Passkeys: []evidence.Passkey{w.Pinned(m.Passkey, groups)}})
}

// Pinned is a passkey as a roster holds it.
func (w *World) Pinned(p *Passkey, groups []string) evidence.Passkey {
	return evidence.Passkey{Credential: p.Credential, PublicKey: p.PublicKey, AAGUID: "00000000000000000000000000000000", Name: "Laptop", Groups: groups, Enrolled: w.Now.Add(-24 * time.Hour)}
}

// Member finds the roster's entry of a person, to alter it.
func (w *World) Member(name string) *evidence.RosterPerson {
	for i, p := range w.Trust.Roster.People {
		if p.Person.Subject.Subject == name {
			return &w.Trust.Roster.People[i]
		}
	}
	panic("no such member")
}

// Circumstances are those of the world now.
func (w *World) Circumstances() evidence.Circumstances {
	return evidence.Circumstances{Now: w.Now, Held: w.Held}
}

// RequestText is the statement of the world's request.
func (w *World) RequestText(t testing.TB) string { return Text(t, &w.Request) }

// Text encodes a statement.
func Text(t testing.TB, s evidence.Statement) string {
	t.Helper()
	text, err := evidence.Encode(s)
	check(t, err)
	return text
}

// Approval is a member's approval of the world's request, given five minutes ago.
func (w *World) Approval(t testing.TB, m *Member) *evidence.Approval {
	t.Helper()
	a, err := evidence.ApprovalOf(w.RequestText(t), m.Person, nil, w.Request.Ask.Duration, w.Now.Add(-5*time.Minute), Nonce())
	check(t, err)
	return a
}

// Signed is a statement with a passkey's assertion.
func Signed(t testing.TB, s evidence.Statement, p *Passkey, alter ...func(*Ceremony)) evidence.SignedByPasskey {
	t.Helper()
	text := Text(t, s)
	return evidence.SignedByPasskey{Statement: text, Assertion: p.Sign(t, text, alter...)}
}

// Activation asks for the world's session key under the world's request.
func (w *World) Activation(t testing.TB) *evidence.Activation {
	t.Helper()
	a, err := evidence.ActivationOf(w.RequestText(t), w.Session.Public, w.Now.Add(-time.Second), Nonce())
	check(t, err)
	return a
}

// SignedActivation is an activation with the login key's signature.
func (w *World) SignedActivation(t testing.TB, a *evidence.Activation) *evidence.SignedByKey {
	t.Helper()
	signed := evidence.SignWithKey(Text(t, a), w.Login.Private)
	return &signed
}

// Binding ties the world's login key to Alice by the nonce of her ID token,
// whose claims alter may change.
func (w *World) Binding(t testing.TB, alter ...func(claims map[string]any)) *evidence.LoginBinding {
	t.Helper()
	claims := w.Issuer.Claims(w.Alice, w.Login.Nonce(t), w.Now)
	for _, f := range alter {
		f(claims)
	}
	return &evidence.LoginBinding{IDToken: w.Issuer.Token(t, claims), LoginKey: w.Login.Public, NonceSalt: encode(w.Login.Salt)}
}

// Confirmation is a member's statement that a login key may act for them, made
// a minute ago and good for an hour.
func (w *World) Confirmation(m *Member, k *Key) *evidence.Login {
	return &evidence.Login{Instance: Instance, Person: m.Person.Subject, LoginKey: k.Public, Issued: w.Now.Add(-time.Minute), Expires: w.Now.Add(time.Hour), Nonce: Nonce()}
}

// ConfirmedBinding ties the world's login key to a member by their passkey, as
// after a device flow, whose ID token has no nonce.
func (w *World) ConfirmedBinding(t testing.TB, m *Member) *evidence.LoginBinding {
	t.Helper()
	signed := Signed(t, w.Confirmation(m, w.Login), m.Passkey)
	return &evidence.LoginBinding{IDToken: w.Issuer.Token(t, w.Issuer.Claims(m.Person, "", w.Now)), LoginKey: w.Login.Public, Confirmation: &signed}
}

// Bundle proves the world's request, approved by Approvers, asked for by Login.
func (w *World) Bundle(t testing.TB) evidence.Bundle {
	t.Helper()
	b := evidence.Bundle{Version: 1, Request: w.RequestText(t), Approvals: []evidence.SignedByPasskey{}}
	for _, m := range w.Approvers {
		b.Approvals = append(b.Approvals, Signed(t, w.Approval(t, m), m.Passkey))
	}
	b.Login = w.Binding(t)
	b.Activation = w.SignedActivation(t, w.Activation(t))
	return b
}

// Enrolment enrols a passkey for a person, who is in groups from then on.
func (w *World) Enrolment(p policies.Person, k *Passkey, groups ...string) *evidence.Enrolment {
	return &evidence.Enrolment{
		Instance: Instance, Person: p.Subject, Name: p.Name, Email: p.Email, Groups: groups,
		Credential: k.Credential, PublicKey: k.PublicKey, AAGUID: "00000000000000000000000000000000", PasskeyName: "Laptop",
		Issued: w.Now.Add(-time.Minute), Expires: w.Now.Add(time.Hour), Nonce: Nonce(),
	}
}

// Possessed is the evidence of an enrolment that the new passkey signed, without
// an authority.
func Possessed(t testing.TB, e *evidence.Enrolment, k *Passkey) evidence.EnrolmentEvidence {
	t.Helper()
	text := Text(t, e)
	return evidence.EnrolmentEvidence{Statement: text, Possession: k.Sign(t, text)}
}

// Clone copies evidence or trust deeply, so that a test can alter the copy.
func Clone[T any](t testing.TB, value T) T {
	t.Helper()
	text, err := json.Marshal(value)
	check(t, err)
	var copied T
	check(t, json.Unmarshal(text, &copied))
	return copied
}
