package evidence_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// world is one test's own, with what is handed to Verify.
type world struct {
	*evidencetest.World
	t      *testing.T
	bundle evidence.Bundle
}

// approve replaces approval i by one that alter changed before it was signed.
func (w *world) approve(i int, by *evidencetest.Member, alter func(*evidence.Approval), ceremony ...func(*evidencetest.Ceremony)) {
	approval := w.Approval(w.t, by)
	if alter != nil {
		alter(approval)
	}
	w.bundle.Approvals[i] = evidencetest.Signed(w.t, approval, by.Passkey, ceremony...)
}

func (w *world) activate(alter func(*evidence.Activation)) {
	activation := w.Activation(w.t)
	alter(activation)
	w.bundle.Activation = w.SignedActivation(w.t, activation)
}

// remake makes the whole bundle anew, after a change of the world.
func (w *world) remake() { w.bundle = w.Bundle(w.t) }

func client(name string, value any) func(*evidencetest.Ceremony) {
	return func(c *evidencetest.Ceremony) { c.Client[name] = value }
}

// clientText has the passkey sign client data that JSON's library would not
// write: good up to its closing brace, with more in its place.
func clientText(end string) func(*evidencetest.Ceremony) {
	return func(c *evidencetest.Ceremony) {
		text, err := json.Marshal(c.Client)
		if err != nil {
			panic(err)
		}
		c.ClientData = strings.TrimSuffix(string(text), "}") + end
	}
}

func flags(f byte) func(*evidencetest.Ceremony) {
	return func(c *evidencetest.Ceremony) { c.Flags = f }
}

func newAttacker(w *world) *evidencetest.Passkey {
	return evidencetest.NewPasskey(w.t, evidencetest.RelyingParty, evidencetest.Origin)
}

func TestVerifyProvesAGoodBundle(t *testing.T) {
	t.Parallel()
	w := evidencetest.NewWorld(t)
	v, err := evidence.Verify(w.Bundle(t), w.Trust, w.Circumstances())
	if err != nil {
		t.Fatal(err)
	}
	if v.Principal() != "app@web-1" || v.SessionKey() != w.Session.Public || v.Target().Address != "127.0.0.1:2201" ||
		v.Requester().Subject != w.Alice.Subject || v.Request() != w.Request || v.RequestDigest() != evidence.Digest(w.RequestText(t)) || len(v.Approvals()) != 2 {
		t.Errorf("what was proven is %+v", v)
	}
	if want := w.Now.Add(55 * time.Minute); !v.Ends().Equal(want) || v.Decision().Outcome != policies.Allowed {
		t.Errorf("it ends %s, want %s: %+v", v.Ends(), want, v.Decision())
	}
	// The same years later, by what the ledger kept.
	again, err := evidence.Verify(evidencetest.Clone(t, w.Bundle(t)), evidencetest.Clone(t, w.Trust), evidencetest.Clone(t, w.Circumstances()))
	if err != nil || !again.Ends().Equal(v.Ends()) {
		t.Errorf("after a round through JSON: %v", err)
	}
	agreed, err := evidence.VerifyApprovals(evidence.Bundle{Version: 1, Request: w.RequestText(t), Approvals: w.Bundle(t).Approvals[:1]}, w.Trust, w.Circumstances())
	if err != nil || len(agreed.Approvals()) != 1 || agreed.Approvals()[0].ApproverName != "Bob" || agreed.Counting()[0].Approver.Groups[0] != "sre-leads" {
		t.Errorf("the approvals alone: %+v, %v", agreed, err)
	}
}

// TestVerifyAccepts: variations that are as good.
func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(w *world){
		"an approver shortens": func(w *world) {
			w.approve(0, w.Bob, func(a *evidence.Approval) { a.Ask.Duration = 20 * time.Minute })
		},
		"an approval twice":          func(w *world) { w.bundle.Approvals = append(w.bundle.Approvals, w.bundle.Approvals[0]) },
		"approvals the other way":    func(w *world) { b := w.bundle.Approvals; b[0], b[1] = b[1], b[0] },
		"a role without stages":      func(w *world) { w.staging(); w.Approvers = nil; w.remake() },
		"a login that was confirmed": func(w *world) { w.staging(); w.Alice = w.Erin.Person; w.confirmed() },
		"no crossOrigin": func(w *world) {
			w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { delete(c.Client, "crossOrigin") })
		},
		"new members of client data": func(w *world) { w.approve(0, w.Bob, nil, client("new_keys_may_be_added_here", "do not compare")) },
		"extensions": func(w *world) {
			w.approve(0, w.Bob, nil, flags(0x85), func(c *evidencetest.Ceremony) { c.Extra = []byte{0xa0} })
		},
		"a backed up passkey": func(w *world) { w.approve(0, w.Bob, nil, flags(0x1d)) },
		"an Ed25519 passkey":  func(w *world) { w.repin(w.Bob, evidencetest.NewEd25519Passkey(w.t, "localhost", evidencetest.Origin)) },
		"an RSA passkey": func(w *world) {
			w.repin(w.Bob, evidencetest.NewRSAPasskey(w.t, "localhost", evidencetest.Origin, 2048))
		},
		"azp of the command line": func(w *world) { w.claim("azp", "stint-cli") },
		"audience as a list":      func(w *world) { w.claim("aud", []string{"stint-cli"}) },
		"an RSA provider":         func(w *world) { w.provider(evidencetest.RSAKey(w.t, 2048), jose.RS256) },
		"an Ed25519 provider":     func(w *world) { w.provider(mustEd25519(w.t), jose.EdDSA) },
		"a provider of several keys": func(w *world) {
			w.Trust.Issuer.Keys = append([]evidence.IssuerKey{{JWK: otherJWK(w)}}, w.Trust.Issuer.Keys...)
		},
		"an unreadable key beside": func(w *world) {
			w.Trust.Issuer.Keys = append([]evidence.IssuerKey{{JWK: "{}"}}, w.Trust.Issuer.Keys...)
		},
		"a clock that is a bit ahead": func(w *world) { w.activate(func(a *evidence.Activation) { a.Issued = w.Now.Add(time.Minute) }) },
		"a passkey removed later":     func(w *world) { later := w.Now.Add(1); w.Member("bob").Passkeys[0].Removed = &later },
		"a role that does not conflict": func(w *world) {
			w.Held = []policies.Held{{Request: "req-1", Role: "staging-shell"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alter(w)
			if _, err := evidence.Verify(w.bundle, w.Trust, w.Circumstances()); err != nil {
				t.Error(err)
			}
		})
	}
}

func newWorld(t *testing.T) *world {
	made := evidencetest.NewWorld(t)
	return &world{World: made, t: t, bundle: made.Bundle(t)}
}

// staging turns the request into one for a role that needs nobody.
func (w *world) staging() {
	w.Request.Ask = policies.Ask{Role: "staging-shell", Target: "staging-1", Login: "app", Duration: time.Hour}
}

// confirmed makes the bundle anew for Erin, whose passkey confirms her login.
func (w *world) confirmed() {
	w.Erin.Person.Groups = []string{"engineering"} // by the provider
	w.Request.Requester, w.Request.RequesterName = w.Erin.Person.Subject, w.Erin.Person.Name
	w.Approvers = nil
	w.remake()
	w.bundle.Login = w.ConfirmedBinding(w.t, w.Erin)
}

// repin gives a member another passkey.
func (w *world) repin(m *evidencetest.Member, p *evidencetest.Passkey) {
	m.Passkey = p
	w.Member(m.Person.Subject.Subject).Passkeys = []evidence.Passkey{w.Pinned(p, m.Person.Groups)}
	w.remake()
}

// claim signs Alice's ID token anew with another claim; nil leaves it out.
func (w *world) claim(name string, value any) {
	w.bundle.Login = w.Binding(w.t, func(claims map[string]any) {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	})
}

// provider replaces the provider's key, in trust too.
func (w *world) provider(key any, algorithm jose.SignatureAlgorithm) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		w.Issuer.Key = key
	case ed25519.PrivateKey:
		w.Issuer.Key = key
	}
	w.Issuer.Algorithm = algorithm
	w.Trust.Issuer.Keys = []evidence.IssuerKey{{JWK: w.Issuer.JWK(w.t)}}
	w.remake()
}

func mustEd25519(t *testing.T) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func otherJWK(w *world) string {
	return evidencetest.NewIssuer(w.t, evidencetest.IssuerURL, evidencetest.ClientID).JWK(w.t)
}

// editRequest alters the request's text under approvals and activation that
// stay; the activation is made to fit.
func (w *world) editRequest(alter func(*evidence.Request)) {
	alter(&w.Request)
	w.bundle.Request = w.RequestText(w.t)
	w.bundle.Activation = w.SignedActivation(w.t, w.Activation(w.t))
}

// relay keeps Alice's token and puts another login key under it.
func (w *world) relay(key *evidencetest.Key) {
	w.bundle.Login.LoginKey = key.Public
	w.bundle.Login.NonceSalt = base64.RawURLEncoding.EncodeToString(key.Salt)
	w.Login = key
	w.bundle.Activation = w.SignedActivation(w.t, w.Activation(w.t))
}

// confirmBy has a member confirm the login key for Alice's token without a nonce.
func (w *world) confirmBy(m *evidencetest.Member, alter func(*evidence.Login)) {
	login := w.Confirmation(m, w.Login)
	if alter != nil {
		alter(login)
	}
	signed := evidencetest.Signed(w.t, login, m.Passkey)
	w.claim("nonce", "")
	w.bundle.Login.NonceSalt, w.bundle.Login.Confirmation = "", &signed
}

// pinAlice puts Alice into the roster as a lead, with Bob's passkey.
func (w *world) pinAlice(subject string) {
	person := evidencetest.Person("alice", "sre-leads")
	person.Subject.Subject = subject
	person.Email = ""
	w.Member("bob").Passkeys = nil
	w.Pin(&evidencetest.Member{Person: person, Passkey: w.Bob.Passkey}, person.Groups)
}

// repinKey puts another public key under Bob's credential.
func (w *world) repinKey(key any) {
	w.Member("bob").Passkeys[0].PublicKey = evidencetest.COSE(w.t, key)
}

func ecdsaKey(w *world) webauthncose.EC2PublicKeyData {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return evidencetest.EC2Key(&key.PublicKey)
}

func refusedBy(t *testing.T, err error, check string) {
	t.Helper()
	failure, ok := errors.AsType[*evidence.Failure](err)
	switch {
	case err == nil:
		t.Error("it was accepted")
	case !ok:
		t.Errorf("it was refused with something other than a *Failure: %v", err)
	case failure.Check != check:
		t.Errorf("it was refused by %q (%s), want %q", failure.Check, failure.Why, check)
	case failure.Why == "":
		t.Error("the refusal says nothing")
	}
}

func TestWhatVerifyDidNotMakeIsUnusable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bundle.Approvals = nil
	v, err := evidence.Verify(w.bundle, w.Trust, w.Circumstances())
	if err == nil {
		t.Fatal("it was accepted")
	}
	for name, use := range map[string]func(){
		"Principal":  func() { v.Principal() },
		"SessionKey": func() { v.SessionKey() },
		"Ends":       func() { evidence.Verified{}.Ends() },
		"Approvals":  func() { evidence.Agreed{}.Approvals() },
		"Enrolment":  func() { evidence.VerifiedEnrolment{}.Entry() },
		"Delegation": func() { evidence.VerifiedDelegation{}.Entry() },
		"Review":     func() { evidence.VerifiedReview{}.Entry() },
		"Change":     func() { evidence.VerifiedChange{}.Entry() },
		"Policy":     func() { evidence.VerifiedPolicy{}.Entry() },
		"Device":     func() { evidence.VerifiedDevice{}.Entry() },
		"Inventory":  func() { evidence.VerifiedInventory{}.Entry() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of nothing gave something", name)
				}
			}()
			use()
		}()
	}
}

func TestPersonOf(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]policies.Person{
		`{"sub":"a","name":"Alice","email":"a@b","email_verified":true,"groups":["x"]}`: {Name: "Alice", Email: "a@b", Groups: []string{"x"}},
		`{"sub":"a","email":"a@b"}`:                          {Name: "a@b", Email: "a@b"},
		`{"sub":"a","email":"a@b","email_verified":false}`:   {Name: "a"},
		`{"sub":"a","email":"a@b","email_verified":"false"}`: {Name: "a"},
		`{"sub":"a","name":"Al\u202eice","email":"a@b"}`:     {Name: "a@b", Email: "a@b"},
		`{"sub":"a","name":" "}`:                             {Name: "a"},
		// Names of claims are told apart by their case (RFC 7519, section 4).
		`{"sub":"a","SUB":"b","Name":"Bob","EMAIL":"b@b","Groups":["x"]}`: {Name: "a"},
	} {
		want.Subject = policies.Subject{Issuer: "https://id.example.com", Subject: "a"}
		got, err := evidence.PersonOf("https://id.example.com", []byte(claims))
		if err != nil || got.Subject != want.Subject || got.Name != want.Name || got.Email != want.Email || len(got.Groups) != len(want.Groups) {
			t.Errorf("%s: %+v, %v", claims, got, err)
		}
	}
	for _, claims := range []string{``, `[]`, `{}`, `{"sub":""}`, `{"sub":"a b"}`, `{"sub":1}`, `{"sub":"a","groups":"x"}`, `{"SUB":"a"}`, `{"sub":"a","sub":"b"}`} {
		if p, err := evidence.PersonOf("https://id.example.com", []byte(claims)); err == nil {
			t.Errorf("%s was read as %+v", claims, p)
		}
	}
}
