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
	// overTheWire sends what only the signer's own page may make.
	overTheWire bool
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
		e.Administrators = evidencetest.SignedBy(w.t, text, m)
	}
}

func (w *enrolling) signByOwn(m *evidencetest.Member) {
	w.sign = func(text string, e *evidence.EnrolmentEvidence) {
		assertion := m.Passkey.Sign(w.t, text)
		e.Own = &assertion
	}
}

// byQuorum enrols Frank where two administrators must sign: Dana and Grace do.
func byQuorum(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.SetOrganization(2, "")
	w.signByAll(w.Dana, w.NewAdministrator(t, "grace"))
	return w
}

func (w *enrolling) signByAll(members ...*evidencetest.Member) {
	w.sign = func(text string, e *evidence.EnrolmentEvidence) {
		e.Administrators = evidencetest.SignedBy(w.t, text, members...)
	}
}

// byOwn enrols a further passkey of Bob's; his own first one allows it.
func byOwn(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.statement = w.Enrolment(w.Bob.Person, w.passkey, "sre-leads")
	w.signByOwn(w.Bob)
	return w
}

// byCeremony enrols Frank as the first administrator.
func byCeremony(t *testing.T) *enrolling {
	w := byAdministrator(t)
	w.statement.Groups = []string{"administrators", "security"}
	w.Trust.Roster = evidence.Roster{}
	w.sign = func(_ string, e *evidence.EnrolmentEvidence) { e.Ceremony = true }
	return w
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
	if e.Ceremony && !w.overTheWire {
		return evidence.VerifyCeremony(e, w.Trust, w.Now)
	}
	return evidence.VerifyEnrolment(e, w.Trust, w.Now)
}

func TestVerifyEnrolmentAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make      func(*testing.T) *enrolling
		alter     func(w *enrolling)
		authority string
		by        string
	}{
		"an administrator, for a newcomer":       {byAdministrator, nil, "administrators", "dana"},
		"an administrator, for an administrator": {byAdministrator, func(w *enrolling) { w.statement.Groups = []string{"administrators"} }, "administrators", "dana"},
		"an administrator, for an approver":      {byAdministrator, func(w *enrolling) { w.statement.Person = w.Bob.Person.Subject }, "administrators", "dana"},
		"an administrator, for nothing":          {byAdministrator, func(w *enrolling) { w.statement.Groups = nil }, "administrators", "dana"},
		"one's own passkey":                      {byOwn, nil, "passkey", "bob"},
		"one's own passkey that grants nothing":  {byOwn, func(w *enrolling) { w.statement = w.Enrolment(w.Erin.Person, w.passkey); w.signByOwn(w.Erin) }, "passkey", "erin"},
		"the ceremony":                           {byCeremony, nil, "ceremony", "frank"},
		"two administrators":                     {byQuorum, nil, "administrators", "dana grace"},
		"more than the quorum": {byQuorum, func(w *enrolling) {
			w.signByAll(w.Dana, w.NewAdministrator(w.t, "heidi"), w.NewAdministrator(w.t, "ivan"))
		}, "administrators", "dana heidi ivan"},
		"a login key": {byLogin, nil, "login", "alice"},
		"a login key that a passkey confirmed": {byLogin, func(w *enrolling) {
			w.statement = w.Enrolment(w.Erin.Person, w.passkey)
			w.signWithLogin(w.ConfirmedBinding(w.t, w.Erin), w.Login)
		}, "login", "erin"},
		"an Ed25519 passkey": {byAdministrator, func(w *enrolling) {
			w.newPasskey(evidencetest.NewEd25519Passkey(w.t, "localhost", evidencetest.Origin))
		}, "administrators", "dana"},
		"an RSA passkey": {byAdministrator, func(w *enrolling) {
			w.newPasskey(evidencetest.NewRSAPasskey(w.t, "localhost", evidencetest.Origin, 2048))
		}, "administrators", "dana"},
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
			var by []string
			for _, s := range v.By() {
				by = append(by, s.Subject)
			}
			if v.Authority() != c.authority || strings.Join(by, " ") != c.by || v.Enrolment().Person != w.statement.Person || !slices.Equal(v.Enrolment().Groups, w.statement.Groups) {
				t.Errorf("%q by %v: %+v", v.Authority(), v.By(), v.Enrolment())
			}
			before := len(w.Trust.Roster.People)
			roster := w.Trust.Roster.Enrol(v.Enrolment(), "", w.Now)
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
				a := w.Dana.Passkey.Sign(w.t, e.Statement)
				e.Own = &a
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
			w.after = func(e *evidence.EnrolmentEvidence) { e.Administrators = evidencetest.SignedBy(w.t, "another", w.Dana) }
		}},
		"by an administrator, unverified": {byAdministrator, "authority-user-verified", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				e.Administrators[0] = w.Dana.Passkey.Sign(w.t, e.Statement, flags(1))
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
			w.signByOwn(w.Dana)
		}},

		"an administrator's own, that says less": {byOwn, "authority-own", func(w *enrolling) {
			w.statement = w.Enrolment(w.Dana.Person, w.passkey)
			w.signByOwn(w.Dana)
		}},
		"own passkey, for somebody else": {byOwn, "authority-own", func(w *enrolling) { w.statement = w.Enrolment(w.Erin.Person, w.passkey) }},
		"own passkey that was removed":   {byOwn, "authority-passkey", func(w *enrolling) { w.Member("bob").Passkeys[0].Removed = &w.Request.Issued }},
		"own passkey, another text": {byOwn, "authority-challenge", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { a := w.Bob.Passkey.Sign(w.t, "another"); e.Own = &a }
		}},

		"older than a change since": {byQuorum, "enrolment-stale", func(w *enrolling) {
			w.statement = w.Enrolment(w.Bob.Person, w.passkey, "security", "sre-leads")
			w.Member("bob").Changed = &w.Now
		}},
		"by oneself, older than a change since": {byOwn, "enrolment-stale", func(w *enrolling) { w.Member("bob").Changed = &w.Now }},
		"by a login key, older than one's deletion": {byLogin, "enrolment-stale", func(w *enrolling) {
			deleted := evidence.RosterPerson{Person: w.Alice, Changed: &w.Now, Deleted: &w.Now}
			deleted.Person.Groups = nil
			w.Trust.Roster.People = append(w.Trust.Roster.People, deleted)
		}},
		"one administrator of two": {byQuorum, "authority-quorum", func(w *enrolling) { w.signByAll(w.Dana) }},
		"one administrator, twice": {byQuorum, "authority-twice", func(w *enrolling) { w.signByAll(w.Dana, w.Dana) }},
		"one administrator, two passkeys": {byQuorum, "authority-twice", func(w *enrolling) {
			second := &evidencetest.Member{Person: w.Dana.Person, Passkey: evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)}
			m := w.Member("dana")
			m.Passkeys = append(m.Passkeys, w.Pinned(second.Passkey, m.Person.Groups))
			w.signByAll(w.Dana, second)
		}},
		"one administrator, two identities of one address": {byQuorum, "authority-twice", func(w *enrolling) {
			other := w.NewAdministrator(w.t, "heidi")
			w.Member("heidi").Person.Email = "DANA@example.com"
			w.signByAll(w.Dana, other)
		}},
		"one administrator, two identities linked by a third": {byQuorum, "authority-twice", func(w *enrolling) {
			other := w.NewAdministrator(w.t, "alice-admin")
			w.NewAdministrator(w.t, "alice") // whom the policy calls the same person
			w.Member("alice").Person.Email = "dana@example.com"
			w.signByAll(w.Dana, other)
		}},
		"an administrator and an approver": {byQuorum, "authority-administrator", func(w *enrolling) { w.signByAll(w.Dana, w.Bob) }},
		"the enrolled, counting themselves": {byQuorum, "authority-self", func(w *enrolling) {
			w.statement = w.Enrolment(w.Dana.Person, w.passkey, "administrators")
		}},
		"the enrolled, counting another identity of theirs": {byQuorum, "authority-self", func(w *enrolling) { w.statement.Email = "dana@example.com" }},
		"a suspended administrator":                         {byQuorum, "authority-suspended", func(w *enrolling) { w.Member("grace").Suspended = &w.Request.Issued }},
		"an administrator suspended elsewhere": {byQuorum, "authority-suspended", func(w *enrolling) {
			w.NewAdministrator(w.t, "heidi")
			w.Member("heidi").Person.Email = "grace@example.com"
			w.Member("heidi").Suspended = &w.Request.Issued
		}},
		"a removed administrator": {byQuorum, "authority-passkey", func(w *enrolling) { w.Member("grace").Passkeys[0].Removed = &w.Request.Issued }},
		"a deleted administrator": {byQuorum, "authority-administrator", func(w *enrolling) { w.Member("grace").Person.Groups = nil }},
		"signed for another nonce": {byQuorum, "authority-challenge", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				other := *w.statement
				other.Nonce = evidencetest.Nonce()
				e.Administrators = evidencetest.SignedBy(w.t, evidencetest.Text(w.t, &other), w.Dana)
			}
		}},
		"more signatures than there is a need for": {byQuorum, "authority-many", func(w *enrolling) {
			w.signByAll(slices.Repeat([]*evidencetest.Member{w.Dana}, evidence.MostAdministrators+1)...)
		}},
		"a policy without a quorum stated needs two": {byAdministrator, "authority-quorum", func(w *enrolling) {
			w.Trust.Policy = map[string]string{"policy.yaml": strings.Replace(evidencetest.Policy, "quorum: 1\n", "", 1)}
		}},
		"a suspended person": {byAdministrator, "enrolment-suspended", func(w *enrolling) {
			w.statement = w.Enrolment(w.Bob.Person, w.passkey, "sre-leads")
			w.Member("bob").Suspended = &w.Request.Issued
		}},
		"a suspended person, by themselves": {byOwn, "enrolment-suspended", func(w *enrolling) { w.Member("bob").Suspended = &w.Request.Issued }},
		"a suspended person's other identity": {byAdministrator, "enrolment-suspended", func(w *enrolling) {
			w.statement.Email = "bob@example.com"
			w.Member("bob").Suspended = &w.Request.Issued
		}},
		"somebody suspended whom nobody knew": {byLogin, "enrolment-suspended", func(w *enrolling) {
			w.Trust.Roster, _ = w.Trust.Roster.Suspend(w.Alice.Subject, "Alice", w.Now)
		}},

		"the ceremony, over the wire":        {byCeremony, "authority-ceremony", func(w *enrolling) { w.overTheWire = true }},
		"the ceremony, for no administrator": {byCeremony, "authority-ceremony", func(w *enrolling) { w.statement.Groups = []string{"security"} }},
		"the ceremony, for an administrator": {byCeremony, "authority-ceremony", func(w *enrolling) { w.NewAdministrator(w.t, "frank") }},
		"the ceremony and an administrator": {byCeremony, "authority", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) {
				e.Administrators = evidencetest.SignedBy(w.t, e.Statement, w.Dana)
			}
		}},
		"the ceremony, without holding a passkey": {byCeremony, "possession-challenge", func(w *enrolling) {
			w.after = func(e *evidence.EnrolmentEvidence) { e.Possession = w.passkey.Sign(w.t, "another") }
		}},

		"a login key, with groups": {byLogin, "authority-login-groups", func(w *enrolling) { w.statement.Groups = []string{"sre-leads"} }},
		"a login key of somebody in groups": {byLogin, "authority-login-groups", func(w *enrolling) {
			w.Pin(&evidencetest.Member{Person: evidencetest.Person("alice", "security"), Passkey: evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)}, nil)
		}},
		"a login key, for somebody else":     {byLogin, "authority-person", func(w *enrolling) { w.statement.Person = evidencetest.Person("frank").Subject }},
		"a login key, under another name":    {byLogin, "authority-person", func(w *enrolling) { w.statement.Name = "Dana" }},
		"a login key, under another address": {byLogin, "authority-person", func(w *enrolling) { w.statement.Email = "" }},
		"a login key, for a known person under a new address": {byLogin, "authority-known", func(w *enrolling) {
			erin := evidencetest.Person("erin")
			erin.Email = "bob@example.com"
			w.statement = w.Enrolment(erin, w.passkey)
			claims := w.Issuer.Claims(erin, w.Login.Nonce(w.t), w.Now)
			w.signWithLogin(&evidence.LoginBinding{IDToken: w.Issuer.Token(w.t, claims), LoginKey: w.Login.Public, NonceSalt: encode(w.Login.Salt)}, w.Login)
		}},
		"a login key that did not sign": {byLogin, "authority-signature", func(w *enrolling) { w.signWithLogin(w.Binding(w.t), w.Session) }},
		"a relayed token":               {byLogin, "authority-nonce", func(w *enrolling) { b := w.Binding(w.t); b.LoginKey = w.Session.Public; w.signWithLogin(b, w.Session) }},
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
	w.Trust.Roster = w.Trust.Roster.Enrol(confirming.Enrolment(), "", w.Now)
	first := w.passkey

	w.newPasskey(evidencetest.NewPasskey(t, "localhost", evidencetest.Origin))
	w.statement = w.Enrolment(w.Alice, w.passkey, "sre-leads")
	w.signBy(w.Dana)
	approving, err := w.verify()
	if err != nil {
		t.Fatal(err)
	}
	w.Trust.Roster = w.Trust.Roster.Enrol(approving.Enrolment(), "", w.Now)
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
