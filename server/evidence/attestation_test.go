package evidence_test

import (
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// attesting is an enrolment of an administrator where the policy demands a make of
// authenticator for that.
type attesting struct {
	*enrolling
	maker *evidencetest.Maker
	alter []func(*evidencetest.Attesting)
}

func newAttesting(t *testing.T) *attesting {
	w := &attesting{enrolling: byAdministrator(t), maker: evidencetest.NewMaker(t)}
	w.statement.Groups = []string{"administrators"}
	w.demand(w.maker, "administrators")
	w.after = func(e *evidence.EnrolmentEvidence) { e.Attestation = w.maker.Attest(t, w.passkey, w.alter...) }
	return w
}

// demand makes the policy accept authenticators of a maker for a group.
func (w *attesting) demand(m *evidencetest.Maker, group string) {
	w.SetOrganization(1, m.YAML(group))
	w.statement.AAGUID = m.AAGUID
}

func (w *attesting) altered(f func(a *evidencetest.Attesting)) { w.alter = append(w.alter, f) }

func TestAttestationAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter func(w *attesting)
		made  string
	}{
		"an authenticator of the make": {func(*attesting) {}, "Test authenticator"},
		"one whose certificate names no make": {func(w *attesting) {
			w.altered(func(a *evidencetest.Attesting) { a.Certificate.ExtraExtensions = nil })
		}, "Test authenticator"},
		"one with its root in the chain": {func(w *attesting) {
			block, _ := pem.Decode([]byte(w.maker.Root))
			w.altered(func(a *evidencetest.Attesting) {
				a.Chain = func(leaf []byte) [][]byte { return [][]byte{leaf, block.Bytes} }
			})
		}, "Test authenticator"},
		"one with extensions": {func(w *attesting) {
			w.altered(func(a *evidencetest.Attesting) { a.Flags |= 0x80; a.Extra = []byte{0xa0} })
		}, "Test authenticator"},
		"for a group that demands none": {func(w *attesting) { w.statement.Groups = []string{"sre-leads"} }, "Test authenticator"},
		"none, for a group that demands none": {func(w *attesting) {
			w.statement.Groups, w.after = []string{"sre-leads"}, nil
		}, ""},
		"an Ed25519 passkey": {func(w *attesting) {
			w.newPasskey(evidencetest.NewEd25519Passkey(w.t, "localhost", evidencetest.Origin))
		}, "Test authenticator"},
		"in the ceremony": {func(w *attesting) {
			w.Trust.Roster = evidence.Roster{}
			w.sign = func(_ string, e *evidence.EnrolmentEvidence) { e.Ceremony = true }
		}, "Test authenticator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAttesting(t)
			c.alter(w)
			v, err := w.verify()
			if err != nil {
				t.Fatal(err)
			}
			if v.Attested() != c.made || v.Entry().Attested != c.made {
				t.Errorf("it is attested as %q", v.Attested())
			}
		})
	}
}

func TestAttestationRefuses(t *testing.T) {
	t.Parallel()
	change := func(f func(a *evidencetest.Attesting)) func(*attesting) { return func(w *attesting) { w.altered(f) } }
	edit := func(f func(a *evidence.Attestation)) func(*attesting) {
		return func(w *attesting) {
			make := w.after
			w.after = func(e *evidence.EnrolmentEvidence) { make(e); f(e.Attestation) }
		}
	}
	for name, c := range map[string]struct {
		check string
		forge func(w *attesting)
	}{
		"none": {"attestation-missing", func(w *attesting) { w.after = nil }},
		"none, in the ceremony": {"attestation-missing", func(w *attesting) {
			w.Trust.Roster = evidence.Roster{}
			w.after = nil
			w.sign = func(_ string, e *evidence.EnrolmentEvidence) { e.Ceremony = true }
		}},
		"nothing in it":              {"attestation-client-data", edit(func(a *evidence.Attestation) { *a = evidence.Attestation{} })},
		"no object":                  {"attestation-object", edit(func(a *evidence.Attestation) { a.Object = "" })},
		"an object that is none":     {"attestation-object", edit(func(a *evidence.Attestation) { a.Object = "AAAA" })},
		"an object and more":         {"attestation-object", edit(func(a *evidence.Attestation) { a.Object = encode(append(decodeText(a.Object), 0)) })},
		"an object too long":         {"attestation-object", edit(func(a *evidence.Attestation) { a.Object = strings.Repeat("AAAA", 11000) })},
		"client data of another":     {"attestation-signature", edit(func(a *evidence.Attestation) { a.ClientData = encode(append(decodeText(a.ClientData), ' ')) })},
		"client data that is none":   {"attestation-client-data", edit(func(a *evidence.Attestation) { a.ClientData = "AAAA" })},
		"an assertion's client data": {"attestation-client-data-type", change(func(a *evidencetest.Attesting) { a.ClientData["type"] = "webauthn.get" })},
		"registered elsewhere":       {"attestation-origin", change(func(a *evidencetest.Attesting) { a.ClientData["origin"] = "https://evil.example" })},
		"registered in a frame":      {"attestation-cross-origin", change(func(a *evidencetest.Attesting) { a.ClientData["crossOrigin"] = true })},
		"registered for another":     {"attestation-relying-party", change(func(a *evidencetest.Attesting) { a.RelyingParty = "example.com" })},
		"registered by nobody":       {"attestation-user-present", change(func(a *evidencetest.Attesting) { a.Flags = 0x44 })},
		"no attested data":           {"attestation-authenticator-data", change(func(a *evidencetest.Attesting) { a.Flags = 0x05 })},
		"more after the key":         {"attestation-authenticator-data", change(func(a *evidencetest.Attesting) { a.Extra = []byte{0xa0} })},
		"no format":                  {"attestation-format", change(func(a *evidencetest.Attesting) { a.Format = "none" })},
		"another format":             {"attestation-format", change(func(a *evidencetest.Attesting) { a.Format = "fido-u2f" })},
		"another AAGUID attested":    {"attestation-aaguid", change(func(a *evidencetest.Attesting) { a.AAGUID = strings.Repeat("1", 32) })},
		"another AAGUID stated":      {"attestation-aaguid", func(w *attesting) { w.statement.AAGUID = strings.Repeat("1", 32) }},
		"a make that is not listed": {"attestation-authenticator", func(w *attesting) {
			other := evidencetest.NewMaker(w.t)
			w.SetOrganization(1, other.YAML("administrators"))
		}},
		"another passkey": {"attestation-credential", change(func(a *evidencetest.Attesting) { a.Credential = "AAAA" })},
		"another key": {"attestation-key", func(w *attesting) {
			other := evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)
			w.altered(func(a *evidencetest.Attesting) { a.PublicKey = other.PublicKey })
		}},
		"a colleague's attestation": {"attestation-credential", func(w *attesting) {
			other := evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)
			w.after = func(e *evidence.EnrolmentEvidence) { e.Attestation = w.maker.Attest(w.t, other) }
		}},
		"another maker's root": {"attestation-root", func(w *attesting) {
			impostor := evidencetest.NewMaker(w.t)
			impostor.AAGUID = w.maker.AAGUID
			w.after = func(e *evidence.EnrolmentEvidence) { e.Attestation = impostor.Attest(w.t, w.passkey) }
		}},
		"another maker's root in the chain": {"attestation-root", func(w *attesting) {
			impostor := evidencetest.NewMaker(w.t)
			impostor.AAGUID = w.maker.AAGUID
			block, _ := pem.Decode([]byte(impostor.Root))
			w.after = func(e *evidence.EnrolmentEvidence) {
				e.Attestation = impostor.Attest(w.t, w.passkey, func(a *evidencetest.Attesting) {
					a.Chain = func(leaf []byte) [][]byte { return [][]byte{leaf, block.Bytes} }
				})
			}
		}},
		"a certificate that is over": {"attestation-root", func(w *attesting) {
			w.altered(func(a *evidencetest.Attesting) { a.Certificate.NotAfter = w.Now.Add(-time.Second) })
		}},
		"a certificate for something else": {"attestation-certificate", change(func(a *evidencetest.Attesting) { a.Certificate.Subject.OrganizationalUnit = []string{"Servers"} })},
		"a certificate that signs others":  {"attestation-certificate", change(func(a *evidencetest.Attesting) { a.Certificate.IsCA = true })},
		"a certificate of another make": {"attestation-certificate", func(w *attesting) {
			w.altered(func(a *evidencetest.Attesting) {
				a.Certificate.ExtraExtensions = []pkix.Extension{evidencetest.AAGUIDExtension(w.t, strings.Repeat("1", 32))}
			})
		}},
		"no certificate":       {"attestation-certificate", change(func(a *evidencetest.Attesting) { a.Chain = func([]byte) [][]byte { return nil } })},
		"a broken certificate": {"attestation-certificate", change(func(a *evidencetest.Attesting) { a.Chain = func([]byte) [][]byte { return [][]byte{{1}} } })},
		"too many certificates": {"attestation-certificate", change(func(a *evidencetest.Attesting) {
			a.Chain = func(leaf []byte) [][]byte { return [][]byte{leaf, leaf, leaf, leaf, leaf, leaf, leaf, leaf, leaf} }
		})},
		"the root as certificate": {"attestation-certificate", func(w *attesting) {
			block, _ := pem.Decode([]byte(w.maker.Root))
			w.altered(func(a *evidencetest.Attesting) { a.Chain = func([]byte) [][]byte { return [][]byte{block.Bytes} } })
		}},
		"no signature":         {"attestation-signature", change(func(a *evidencetest.Attesting) { a.Signature = func([]byte) []byte { return nil } })},
		"a broken signature":   {"attestation-signature", change(func(a *evidencetest.Attesting) { a.Signature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s } })},
		"another algorithm":    {"attestation-signature", change(func(a *evidencetest.Attesting) { a.Algorithm = -257 })},
		"an unknown algorithm": {"attestation-signature", change(func(a *evidencetest.Attesting) { a.Algorithm = 0 })},
		"needless, and faulty": {"attestation-signature", func(w *attesting) {
			w.statement.Groups = []string{"sre-leads"}
			w.altered(func(a *evidencetest.Attesting) { a.Algorithm = 0 })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAttesting(t)
			c.forge(w)
			_, err := w.verify()
			refusedBy(t, err, c.check)
		})
	}
}

// What was attested once is remembered, so that a passkey may be given a group that
// demands it without being registered anew.
func TestAttestationIsRemembered(t *testing.T) {
	t.Parallel()
	w := newAttesting(t)
	v, err := w.verify()
	if err != nil {
		t.Fatal(err)
	}
	w.Trust.Roster = w.Trust.Roster.Enrol(v.Enrolment(), v.Attested(), w.Now)
	w.SetOrganization(1, w.maker.YAML("security"))
	change := w.RosterChange(t, evidence.ChangeGroups, w.statement.Person)
	change.Groups, change.Passkeys = []string{"security"}, []string{w.passkey.Credential}
	if _, err := evidence.VerifyChange(evidencetest.ChangedBy(t, change, w.Dana), w.Trust, w.Now); err != nil {
		t.Error(err)
	}
	// One that speaks for the group already keeps doing so.
	carol := w.RosterChange(t, evidence.ChangeGroups, w.Carol.Person.Subject)
	carol.Groups, carol.Passkeys = []string{"security", "sre-leads"}, []string{w.Carol.Passkey.Credential}
	if _, err := evidence.VerifyChange(evidencetest.ChangedBy(t, carol, w.Dana), w.Trust, w.Now); err != nil {
		t.Error(err)
	}
}
