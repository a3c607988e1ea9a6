//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// actsAlone has alice make a passkey on an authenticator that the policy lists, and act
// alone with it on web-1. Bob reads that at once wherever he is; carol, once it is over,
// reviews it.
func (s *story) actsAlone(alice, carol *tab) {
	s.t.Helper()
	s.listsMake(alice)
	s.enrolPasskey(alice, "alice")
	carol.open(s.Portal + "/policies/separation")
	carol.see(`role=row[name=/^dana/] >> text="not on their own vault: keys-of-own-make"`)
	s.wideAndNarrow(carol, "separation-own")

	s.bob.open(s.Portal + "/policies")
	s.bob.see(`role=link[name="emergency-shell"]`)
	id := s.asksAlone(alice)
	s.bob.see(`text="Somebody acts alone"`)
	s.bob.see(`role=navigation[name="Places"] >> role=link[name="Approvals 2! waiting, an emergency among them"]`)
	// The next person at that screen does not read it.
	s.bob.click(`role=button[name=/^bob/]`)
	s.bob.click(`role=menuitem[name="Sign out"]`)
	s.bob.see(`role=link[name=/^Sign in/]`)
	s.bob.gone(`text="Somebody acts alone"`)
	s.bob.open(s.Portal + "/auth/login?return_to=/")
	s.fillSignIn(s.bob, "bob")
	s.bob.waitURL("^" + s.Portal + "/")
	told := `role=region[name="You were told"] >> role=listitem`
	for _, path := range []string{"/", "/approvals"} {
		s.bob.open(s.Portal + path)
		if text := s.bob.see(told); !strings.Contains(text, "alice wants to act alone, in an emergency: "+s.Login+" on web-1 for 15 minutes.") {
			s.t.Errorf("at %s bob reads\n%s", path, text)
		}
		s.wideAndNarrow(s.bob, "told"+strings.ReplaceAll(path, "/", "-"))
	}

	alice.click(fmt.Sprintf(`role=button[name="Begin %s on web-1 alone, with passkey"]`, s.Login))
	alice.see(`role=timer`)
	s.alice = s.openTerminal()
	s.alice.signIn("alice")
	s.alice.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")
	alice.see(`text=/Somebody of security must review it/`)
	s.wideAndNarrow(alice, "emergency-begun")
	carol.open(s.Portal + "/approvals/reviews")
	carol.see(`text=/^It goes on. It is reviewed once it is over/`)
	s.wideAndNarrow(carol, "reviews")
	carol.tabTo(`role=link[name="Read it"]`)
	carol.press("Enter")
	carol.waitURL("/requests/" + id)
	carol.focusOn(page)
	s.bob.tabTo(told + fmt.Sprintf(` >> role=link[name="See it: %s on web-1"]`, s.Login))
	s.bob.press("Enter")
	s.bob.waitURL("/requests/" + id)

	revoke := fmt.Sprintf(`role=button[name="Revoke %s on web-1"]`, s.Login)
	carol.click(revoke)
	carol.click("role=alertdialog >> " + revoke)
	carol.fill(`role=article[name="Review this emergency"] >> textarea`, "She looked at the queue and changed nothing")
	s.wideAndNarrow(carol, "review")
	carol.tabTo(`role=button[name="Close the review with passkey"]`)
	carol.press("Enter")
	carol.see(`role=region[name="The review"] >> text="She looked at the queue and changed nothing"`)
	carol.focusOn(page)
	s.wideAndNarrow(carol, "reviewed")
	s.bob.open(s.Portal + "/approvals")
	s.bob.see(`role=navigation[name="Places"] >> role=link[name="Approvals 1 waiting"]`)
	s.bob.gone(told)
}

// asksAlone has alice ask, and returns the request, which her passkey has yet to confirm.
func (s *story) asksAlone(alice *tab) string {
	s.t.Helper()
	alice.open(s.Portal + "/ask?role=emergency-shell&target=web-1")
	alice.click(`role=radio[name=/^I act alone in an emergency/]`)
	alice.click(`label:has-text("15 minutes")`)
	alice.fill("textarea", "Orders fail, and nobody answers")
	alice.see(`text="Nobody is asked. It begins once you have confirmed it with a passkey of a listed make."`)
	s.wideAndNarrow(alice, "ask-alone")
	alice.click(fmt.Sprintf(`role=button[name="Act alone: %s on web-1 for 15 minutes"]`, s.Login))
	alice.waitURL("/requests/req-")
	alice.see(`role=heading[name="Confirm that you act alone"]`)
	s.wideAndNarrow(alice, "confirm-alone")
	return alice.url()[strings.LastIndex(alice.url(), "/")+1:]
}

// listsMake brings a policy into force that lists the make of the authenticator in a tab,
// and a role that may be had alone with it. Vault has a builder by it, too.
func (s *story) listsMake(b *tab) {
	s.t.Helper()
	aaguid, root := s.makeOf(b)
	attestation := "attestation:\n  groups: [incident-responders]\n  authenticators:\n    - aaguid: " + aaguid +
		"\n      name: Virtual authenticator\n      roots:\n        - |\n          " + strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n          ") + "\n"
	role := `kind: Role
name: emergency-shell
description: A shell on any production host when something is on fire.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [` + s.Login + `]
duration: {default: 30m, longest: 2h}
reason: required
approval:
  - {name: lead, groups: [sre-leads], count: 1}
breakGlass:
  requesters: [engineering]
  longest: 1h
  review: {groups: [security], within: 24h}
`
	files, err := json.Marshal([]string{attestation, role})
	if err != nil {
		s.t.Fatal(err)
	}
	s.dana.open(s.Portal + "/changes/" + get[string](s.dana, "evaluate", arguments{"expression": `(async ([attestation, role]) => {
		const { files } = await (await fetch('/api/policy')).json()
		files['organization.yaml'] += attestation
		files['emergency.yaml'] = role
		const targets = files['targets.yaml'].replace('"data": "keys"\n', '"builder": "platform"\n  "data": "keys"\n')
		if (targets === files['targets.yaml']) throw new Error('no target has the label data: keys, as it was looked for, in ' + targets)
		files['targets.yaml'] = targets
		const body = JSON.stringify({ files, reason: 'Somebody must be able to act at night' })
		const answer = await fetch('/api/changes/policy', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
		return (await answer.json()).id
	})(` + string(files) + `)`}))
	s.dana.click(`role=button[name="Sign with my passkey"]`)
	s.dana.see(`[data-state] >> text="In force"`)
}

// makeOf has the authenticator of a tab attest a passkey that nobody keeps, and returns
// its make and a root for it. Chromium's own certificate, by which it attests, vouches for
// itself and is no authority: what stands in the policy is an authority of the same name
// and key.
func (s *story) makeOf(b *tab) (aaguid, root string) {
	s.t.Helper()
	encoded := get[[]byte](b, "evaluate", arguments{"expression": `navigator.credentials.create({ publicKey: {
		challenge: new Uint8Array(32), rp: { name: 'A probe' }, user: { id: new Uint8Array(16), name: 'probe', displayName: 'A probe' },
		pubKeyCredParams: [{ type: 'public-key', alg: -7 }], attestation: 'direct',
	} }).then(({ response }) => btoa(String.fromCharCode(...new Uint8Array(response.attestationObject))))`})
	b.do("webauthn", arguments{"method": "clearCredentials"})
	var object struct {
		Format            string `cbor:"fmt"`
		AuthenticatorData []byte `cbor:"authData"`
		Statement         struct {
			Certificates [][]byte `cbor:"x5c"`
		} `cbor:"attStmt"`
	}
	if err := webauthncbor.Unmarshal(encoded, &object); err != nil {
		s.t.Fatal(err)
	}
	if object.Format != "packed" || len(object.Statement.Certificates) != 1 || len(object.AuthenticatorData) < 53 {
		s.t.Fatalf("Chromium attests as %+v", object)
	}
	batch, err := x509.ParseCertificate(object.Statement.Certificates[0])
	if err != nil {
		s.t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), RawSubject: batch.RawSubject, NotBefore: batch.NotBefore, NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		DNSNames: []string{"root.test"}, // tells it apart from the batch's, which would stand twice in the chain
	}
	// Nobody checks who signed a root: it is believed for where it stands.
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "A test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, batch.PublicKey, own)
	if err != nil {
		s.t.Fatal(err)
	}
	return hex.EncodeToString(object.AuthenticatorData[37:53]), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
