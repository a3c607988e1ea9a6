package evidence_test

import (
	"strings"
	"testing"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// FuzzVerifyAssertion: whatever stands in the place of a part of an assertion
// that holds, it is refused with a *Failure, and nothing breaks.
func FuzzVerifyAssertion(f *testing.F) {
	w := evidencetest.NewWorld(f)
	statement := w.RequestText(f)
	good := w.Bob.Passkey.Sign(f, statement)
	pinned := w.Pinned(w.Bob.Passkey, nil)
	if err := evidence.VerifyAssertion(good, statement, pinned, w.Trust); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, part int, data string) {
		altered, key := good, pinned
		switch text := encode([]byte(data)); part {
		case 0:
			altered.ClientData = text
		case 1:
			altered.AuthenticatorData = text
		case 2:
			altered.Signature = text
		case 3:
			key.PublicKey = text
		default:
			return
		}
		if altered == good && key.PublicKey == pinned.PublicKey {
			return
		}
		err := evidence.VerifyAssertion(altered, statement, key, w.Trust)
		if _, refused := err.(*evidence.Failure); !refused {
			t.Errorf("part %d as %q: %v", part, data, err)
		}
	})
}

// FuzzParseKeys: a key that is read has one spelling.
func FuzzParseKeys(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := evidence.ParseKey(text); err == nil && evidence.FormatKey(key) != text {
			t.Errorf("%q was read", text)
		}
		key, err := evidence.ParseAuthorityKey(text)
		if err != nil {
			return
		}
		if again, err := evidence.FormatAuthorityKey(key); err != nil || again != text {
			t.Errorf("%q was read, and is written %q, %v", text, again, err)
		}
	})
}

// FuzzAttestation: whatever stands in the place of a part of an attestation that
// holds, it is refused with a *Failure, and nothing breaks.
func FuzzAttestation(f *testing.F) {
	w := evidencetest.NewWorld(f)
	maker := evidencetest.NewMaker(f)
	w.SetOrganization(1, maker.YAML("administrators"))
	passkey := evidencetest.NewPasskey(f, evidencetest.RelyingParty, evidencetest.Origin)
	statement := w.Enrolment(evidencetest.Person("frank"), passkey, "administrators")
	statement.AAGUID = maker.AAGUID
	good := evidencetest.EnrolledBy(f, statement, passkey, w.Dana)
	good.Attestation = maker.Attest(f, passkey)
	if _, err := evidence.VerifyEnrolment(good, w.Trust, w.Now); err != nil {
		f.Fatal(err)
	}
	f.Add(decodeText(good.Attestation.Object), decodeText(good.Attestation.ClientData))
	f.Fuzz(func(t *testing.T, object, clientData []byte) {
		altered := good
		altered.Attestation = &evidence.Attestation{Object: encode(object), ClientData: encode(clientData)}
		_, err := evidence.VerifyEnrolment(altered, w.Trust, w.Now)
		if *altered.Attestation == *good.Attestation {
			return
		}
		if _, refused := err.(*evidence.Failure); !refused {
			// CBOR has more than one spelling; what counts in it is signed.
			if err == nil && altered.Attestation.ClientData == good.Attestation.ClientData {
				return
			}
			t.Errorf("%x, %q: %v", object, clientData, err)
		}
	})
}

// FuzzVerifyLogin: no token but the one that the provider made names anybody.
func FuzzVerifyLogin(f *testing.F) {
	w := evidencetest.NewWorld(f)
	good := *w.Binding(f)
	if _, err := evidence.VerifyLogin(good, w.Trust, w.Now); err != nil {
		f.Fatal(err)
	}
	f.Add(good.IDToken, good.NonceSalt)
	f.Fuzz(func(t *testing.T, token, salt string) {
		binding := good
		binding.IDToken, binding.NonceSalt = token, salt
		if binding == good {
			return
		}
		_, err := evidence.VerifyLogin(binding, w.Trust, w.Now)
		if _, refused := err.(*evidence.Failure); !refused {
			t.Errorf("%q with %q: %v", token, salt, err)
		}
	})
}

// FuzzPersonOf: who is read from claims can be written into a statement.
func FuzzPersonOf(f *testing.F) {
	f.Fuzz(func(t *testing.T, claims []byte) {
		p, err := evidence.PersonOf(evidencetest.IssuerURL, claims)
		if err != nil {
			return
		}
		if _, err := evidence.Encode(&evidence.RosterChange{
			Instance: "a", Change: evidence.ChangeDelete, Person: p.Subject, Name: p.Name, Email: p.Email,
			Issued: vectorTime, Expires: vectorTime, Nonce: strings.Repeat("0", 32),
		}); err != nil && p.Name != "" {
			t.Errorf("%s: %v", claims, err)
		}
	})
}
