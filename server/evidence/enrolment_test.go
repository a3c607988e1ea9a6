package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// enrolling is a world with an enrolment of a new passkey on its way.
type enrolling struct {
	*evidencetest.World
	t         *testing.T
	passkey   *evidencetest.Passkey
	statement *evidence.Enrolment
	sign      func(text string, e *evidence.EnrolmentEvidence) // the authority
	after     func(e *evidence.EnrolmentEvidence)
}

// byAdministrator enrols Frank, a newcomer, as an approver; Dana allows it.
func byAdministrator(t *testing.T) *enrolling {
	w := &enrolling{World: evidencetest.NewWorld(t), t: t}
	w.passkey = evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)
	w.statement = w.Enrolment(evidencetest.Person("frank"), w.passkey, "sre-leads")
	w.signBy(w.Dana)
	return w
}

func (w *enrolling) signBy(m *evidencetest.Member) {
	w.sign = func(text string, e *evidence.EnrolmentEvidence) {
		assertion := m.Passkey.Sign(w.t, text)
		e.Passkey = &assertion
	}
}

// byOwn enrols a further passkey of Bob's; his own first one allows it.
func byOwn(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.statement = w.Enrolment(w.Bob.Person, w.passkey, "sre-leads")
	w.signBy(w.Bob)
	return w
}

// byCode enrols Frank as the first administrator.
func byCode(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.statement.Groups = []string{"administrators", "security"}
	w.signWithCode(evidencetest.BootstrapID, evidencetest.Bootstrap)
	return w
}

func (w *enrolling) signWithCode(id, code string) {
	w.sign = func(text string, e *evidence.EnrolmentEvidence) {
		e.Bootstrap = &evidence.BootstrapProof{Code: id, MAC: evidence.BootstrapMAC(evidence.BootstrapSecret(code), text)}
	}
}

// byLogin enrols Alice's own passkey, which grants nothing.
func byLogin(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.statement = w.Enrolment(w.Alice, w.passkey)
	w.signWithLogin(w.Binding(t), w.Login)
	return w
}

func (w *enrolling) signWithLogin(binding *evidence.LoginBinding, k *evidencetest.Key) {
	w.sign = func(text string, e *evidence.EnrolmentEvidence) {
		e.Login = &evidence.LoginProof{Binding: *binding, Signature: evidence.SignWithKey(text, k.Private).Signature}
	}
}

func (w *enrolling) verify() (evidence.VerifiedEnrolment, error) {
	w.t.Helper()
	e := evidencetest.Possessed(w.t, w.statement, w.passkey)
	w.sign(e.Statement, &e)
	if w.after != nil {
		w.after(&e)
	}
	return evidence.VerifyEnrolment(e, w.Trust, w.Now, evidencetest.Codes)
}

func TestVerifyEnrolmentAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make      func(*testing.T) *enrolling
		alter     func(w *enrolling)
		authority string
		by        string
	}{
		"an administrator, for a newcomer":         {byAdministrator, nil, "administrator", "dana"},
		"an administrator, for an administrator":   {byAdministrator, func(w *enrolling) { w.statement.Groups = []string{"administrators"} }, "administrator", "dana"},
		"an administrator, for an approver":        {byAdministrator, func(w *enrolling) { w.statement.Person = w.Bob.Person.Subject }, "administrator", "dana"},
		"an administrator, for nothing":            {byAdministrator, func(w *enrolling) { w.statement.Groups = nil }, "administrator", "dana"},
		"one's own passkey":                        {byOwn, nil, "passkey", "bob"},
		"one's own passkey that grants nothing":    {byOwn, func(w *enrolling) { w.statement = w.Enrolment(w.Erin.Person, w.passkey); w.signBy(w.Erin) }, "passkey", "erin"},
		"a code":                                   {byCode, nil, "bootstrap:admin", "frank"},
		"a code, typed in small letters":           {byCode, func(w *enrolling) { w.signWithCode("admin", strings.ToLower(evidencetest.Bootstrap)) }, "bootstrap:admin", "frank"},
		"a code, for an administrator who is back": {byCode, func(w *enrolling) { w.statement.Person = w.Dana.Person.Subject }, "bootstrap:admin", "dana"},
		"a login key":                              {byLogin, nil, "login", "alice"},
		"a login key that a passkey confirmed": {byLogin, func(w *enrolling) {
			w.statement = w.Enrolment(w.Erin.Person, w.passkey)
			w.signWithLogin(w.ConfirmedBinding(w.t, w.Erin), w.Login)
		}, "login", "erin"},
		"an Ed25519 passkey": {byAdministrator, func(w *enrolling) {
			w.newPasskey(evidencetest.NewEd25519Passkey(w.t, "localhost", evidencetest.Origin))
		}, "administrator", "dana"},
		"an RSA passkey": {byAdministrator, func(w *enrolling) {
			w.newPasskey(evidencetest.NewRSAPasskey(w.t, "localhost", evidencetest.Origin, 2048))
		}, "administrator", "dana"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.make(t)
			if c.alter != nil {
				c.alter(w)
			}
			v, err := w.verify()
			if err != nil {
				t.Fatal(err)
			}
			if v.Authority() != c.authority || v.By().Subject != c.by || v.Enrolment().Person != w.statement.Person || !slices.Equal(v.Enrolment().Groups, w.statement.Groups) {
				t.Errorf("%q by %s: %+v", v.Authority(), v.By(), v.Enrolment())
			}
			before := len(w.Trust.Roster.People)
			roster := w.Trust.Roster.Enrol(v.Enrolment(), w.Now)
			person, passkey, ok := roster.Holder(w.passkey.Credential, w.Now)
			if !ok || person.Person.Subject != w.statement.Person || !slices.Equal(person.With(passkey).Groups, w.statement.Groups) {
				t.Errorf("the roster has %+v", person)
			}
			if _, _, ok := w.Trust.Roster.Holder(w.passkey.Credential, w.Now); ok || len(w.Trust.Roster.People) != before {
				t.Error("the roster before was altered")
			}
		})
	}
}

// newPasskey enrols another passkey than the one that was made.
func (w *enrolling) newPasskey(p *evidencetest.Passkey) {
	w.passkey = p
	w.statement.Credential, w.statement.PublicKey = p.Credential, p.PublicKey
}

func TestVerifyEnrolmentRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make  func(*testing.T) *enrolling
		check string
		forge func(w *enrolling)
	}{
		"trust of another version": {byAdministrator, "version", func(w *enrolling) { w.Trust.Version = 2 }},
		"no statement":             {byAdministrator, "enrolment", func(w *enrolling) { w.after = func(e *evidence.EnrolmentEvidence) { e.Statement = "" } }},
		"of another installation":  {byAdministrator, "instance", func(w *enrolling) { w.statement.Instance = "other" }},
		"from the future":          {byAdministrator, "enrolment-issued", func(w *enrolling) { w.statement.Issued = w.Now.Add(31 * time.Second) }},
		"over":                     {byAdministrator, "enrolment-expires", func(w *enrolling) { w.statement.Expires = w.Now }},
		"endless":                  {byAdministrator, "enrolment-expires", func(w *enrolling) { w.statement.Expires = w.statement.Issued.Add(25 * time.Hour) }},
		"over before it began":     {byAdministrator, "enrolment-expires", func(w *enrolling) { w.statement.Expires = w.statement.Issued }},
		"no key":                   {byAdministrator, "enrolment-key", func(w *enrolling) { w.statement.PublicKey = "AAAA" }},
		"a short key": {byAdministrator, "enrolment-key", func(w *enrolling) {
			w.newPasskey(evidencetest.NewRSAPasskey(w.t, "localhost", evidencetest.Origin, 1024))
		}},
		"a passkey of Bob's": {byAdministrator, "enrolment-known", func(w *enrolling) { w.newPasskey(w.Bob.Passkey) }},
		"a passkey Bob had once": {byAdministrator, "enrolment-known", func(w *enrolling) {
			w.Member("bob").Passkeys[0].Removed = &w.Request.Issued
			w.newPasskey(w.Bob.Passkey)
		}},
		"Bob's id with another key": {byAdministrator, "enrolment-known", func(w *enrolling) { w.passkey.Credential = w.Bob.Passkey.Credential; w.newPasskey(w.passkey) }},
		"Bob's key with another id": {byAdministrator, "enrolment-known", func(w *enrolling) { other := *w.Bob.Passkey; other.Credential = "AAAA"; w.newPasskey(&other) }},
		"Bob's key written anew": {byAdministrator, "enrolment-known", func(w *enrolling) {
			other := *w.Bob.Passkey
			other.Credential, other.PublicKey = "AAAA", reordered(w.t, other.PublicKey)
			w.newPasskey(&other)
		}},
		"too many passkeys": {byOwn, "enrolment-many", func(w *enrolling) { w.crowd("bob", evidence.MostPasskeys-1) }},
		"without holding it": {byAdministrator, "possession-credential", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { e.Possession = w.Dana.Passkey.Sign(w.t, e.Statement) }
		}},
		"possession of another text": {byAdministrator, "possession-challenge", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { e.Possession = w.passkey.Sign(w.t, "another") }
		}},
		"possession unverified": {byAdministrator, "possession-user-verified", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { e.Possession = w.passkey.Sign(w.t, e.Statement, flags(0x01)) }
		}},
		"possession elsewhere": {byAdministrator, "possession-origin", func(w *enrolling) { w.passkey.Origin = "https://evil.example" }},
		"no authority":         {byAdministrator, "authority", func(w *enrolling) { w.sign = func(string, *evidence.EnrolmentEvidence) {} }},
		"two authorities": {byAdministrator, "authority", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				e.Bootstrap = &evidence.BootstrapProof{Code: "admin", MAC: evidence.BootstrapMAC(evidence.BootstrapSecret(evidencetest.Bootstrap), e.Statement)}
			}
		}},

		"by a passkey nobody knows": {byAdministrator, "authority-passkey", func(w *enrolling) {
			w.signBy(&evidencetest.Member{Passkey: evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)})
		}},
		"by itself":                         {byAdministrator, "authority-passkey", func(w *enrolling) { w.signBy(&evidencetest.Member{Passkey: w.passkey}) }},
		"by a removed administrator":        {byAdministrator, "authority-passkey", func(w *enrolling) { w.Member("dana").Passkeys[0].Removed = &w.Request.Issued }},
		"by an approver":                    {byAdministrator, "authority-administrator", func(w *enrolling) { w.signBy(w.Bob) }},
		"by somebody who was administrator": {byAdministrator, "authority-administrator", func(w *enrolling) { w.Member("dana").Person.Groups = nil }},
		"by an administrator's lesser key":  {byAdministrator, "authority-administrator", func(w *enrolling) { w.Member("dana").Passkeys[0].Groups = nil }},
		"by an administrator, another text": {byAdministrator, "authority-challenge", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { a := w.Dana.Passkey.Sign(w.t, "another"); e.Passkey = &a }
		}},
		"by an administrator, unverified": {byAdministrator, "authority-user-verified", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				a := w.Dana.Passkey.Sign(w.t, e.Statement, flags(1))
				e.Passkey = &a
			}
		}},

		"own passkey, more groups":     {byOwn, "authority-own", func(w *enrolling) { w.statement.Groups = []string{"security", "sre-leads"} }},
		"own passkey, fewer groups":    {byOwn, "authority-own", func(w *enrolling) { w.statement.Groups = nil }},
		"own passkey, administrators":  {byOwn, "authority-own", func(w *enrolling) { w.statement.Groups = []string{"administrators", "sre-leads"} }},
		"own passkey, another address": {byOwn, "authority-own", func(w *enrolling) { w.statement.Email = "robert@example.com" }},
		"own passkey, another name":    {byOwn, "authority-own", func(w *enrolling) { w.statement.Name = "Dana" }},
		"own passkey that grants less": {byOwn, "authority-own", func(w *enrolling) { w.Member("bob").Passkeys[0].Groups = nil }},
		"an administrator's own, unchanged": {byOwn, "authority-own", func(w *enrolling) {
			w.statement = w.Enrolment(w.Dana.Person, w.passkey, "administrators")
			w.signBy(w.Dana)
		}},

		"a code nobody knows": {byCode, "authority-code", func(w *enrolling) { w.signWithCode("other", evidencetest.Bootstrap) }},
		"a code mistyped":     {byCode, "authority-code", func(w *enrolling) { w.signWithCode("admin", evidencetest.Bootstrap+"A") }},
		"a code for another text": {byCode, "authority-code", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				e.Bootstrap.MAC = evidence.BootstrapMAC(evidence.BootstrapSecret(evidencetest.Bootstrap), "another")
			}
		}},
		"a code without a MAC":          {byCode, "authority-code", func(w *enrolling) { w.after = func(e *evidence.EnrolmentEvidence) { e.Bootstrap.MAC = "" } }},
		"a code beyond its reach":       {byCode, "authority-code-groups", func(w *enrolling) { w.statement.Groups = []string{"sre-leads"} }},
		"a code for somebody beyond it": {byCode, "authority-code-groups", func(w *enrolling) { w.statement.Person = w.Bob.Person.Subject }},

		"a login key, with groups": {byLogin, "authority-login-groups", func(w *enrolling) { w.statement.Groups = []string{"sre-leads"} }},
		"a login key of somebody in groups": {byLogin, "authority-login-groups", func(w *enrolling) {
			w.Pin(&evidencetest.Member{Person: evidencetest.Person("alice", "security"), Passkey: evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)}, nil)
		}},
		"a login key, for somebody else":     {byLogin, "authority-person", func(w *enrolling) { w.statement.Person = evidencetest.Person("frank").Subject }},
		"a login key, under another name":    {byLogin, "authority-person", func(w *enrolling) { w.statement.Name = "Dana" }},
		"a login key, under another address": {byLogin, "authority-person", func(w *enrolling) { w.statement.Email = "" }},
		"a login key that did not sign":      {byLogin, "authority-signature", func(w *enrolling) { w.signWithLogin(w.Binding(w.t), w.Session) }},
		"a relayed token":                    {byLogin, "authority-nonce", func(w *enrolling) { b := w.Binding(w.t); b.LoginKey = w.Session.Public; w.signWithLogin(b, w.Session) }},
		"a token of the portal": {byLogin, "authority-id-token-audience", func(w *enrolling) {
			w.signWithLogin(w.Binding(w.t, func(c map[string]any) { c["aud"] = "stint-portal" }), w.Login)
		}},
		"a login that is over": {byLogin, "authority-id-token-expired", func(w *enrolling) {
			w.signWithLogin(w.Binding(w.t, func(c map[string]any) { c["exp"] = w.Now.Unix() }), w.Login)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.make(t)
			c.forge(w)
			_, err := w.verify()
			refusedBy(t, err, c.check)
		})
	}
}

// crowd gives a member so many passkeys more.
func (w *enrolling) crowd(name string, n int) {
	for range n {
		p := evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)
		m := w.Member(name)
		m.Passkeys = append(m.Passkeys, w.Pinned(p, m.Person.Groups))
	}
}

// reordered is the same COSE key with its members in another order.
func reordered(t *testing.T, publicKey string) string {
	key, err := webauthncose.ParsePublicKey(decode(t, publicKey))
	if err != nil {
		t.Fatal(err)
	}
	k := key.(webauthncose.EC2PublicKeyData)
	data := []byte{0xa5}
	for _, pair := range []struct{ name, value any }{{-3, k.YCoord}, {-2, k.XCoord}, {-1, 1}, {3, -7}, {1, 2}} {
		for _, item := range []any{pair.name, pair.value} {
			encoded, err := webauthncbor.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, encoded...)
		}
	}
	return encode(data)
}

// A passkey that somebody enrolled with their login key does not begin to
// approve when its owner is made an approver with another.
func TestAPasskeyKeepsToWhatItWasEnrolledFor(t *testing.T) {
	t.Parallel()
	w := byLogin(t)
	confirming, err := w.verify()
	if err != nil {
		t.Fatal(err)
	}
	w.Trust.Roster = w.Trust.Roster.Enrol(confirming.Enrolment(), w.Now)
	first := w.passkey

	w.newPasskey(evidencetest.NewPasskey(t, "localhost", evidencetest.Origin))
	w.statement = w.Enrolment(w.Alice, w.passkey, "sre-leads")
	w.signBy(w.Dana)
	approving, err := w.verify()
	if err != nil {
		t.Fatal(err)
	}
	w.Trust.Roster = w.Trust.Roster.Enrol(approving.Enrolment(), w.Now)
	alice, ok := w.Trust.Roster.Find(w.Alice.Subject)
	if !ok || len(alice.Passkeys) != 2 || !slices.Equal(alice.Person.Groups, []string{"sre-leads"}) {
		t.Fatalf("the roster has %+v", alice)
	}
	for _, c := range []struct {
		passkey *evidencetest.Passkey
		groups  []string
	}{{first, nil}, {w.passkey, []string{"sre-leads"}}} {
		passkey, ok := alice.Active(c.passkey.Credential, w.Now)
		if got := alice.With(passkey).Groups; !ok || !slices.Equal(got, c.groups) {
			t.Errorf("a passkey speaks for %v, want %v", got, c.groups)
		}
	}
}

func TestRosterRemove(t *testing.T) {
	t.Parallel()
	w := evidencetest.NewWorld(t)
	after, ok := w.Trust.Roster.Remove(w.Bob.Passkey.Credential, w.Now)
	if _, _, active := after.Holder(w.Bob.Passkey.Credential, w.Now); !ok || active {
		t.Error("the passkey still signs")
	}
	if _, _, active := after.Holder(w.Bob.Passkey.Credential, w.Now.Add(-1)); !active {
		t.Error("the passkey does not sign even before it was removed")
	}
	if _, _, active := w.Trust.Roster.Holder(w.Bob.Passkey.Credential, w.Now); !active {
		t.Error("the roster before was altered")
	}
	if _, ok := after.Remove(w.Bob.Passkey.Credential, w.Now); ok {
		t.Error("it was removed twice")
	}
	if _, ok := after.Find(policies.Subject{Issuer: evidencetest.IssuerURL, Subject: "nobody"}); ok {
		t.Error("nobody was found")
	}
}
