package evidence_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// forgeries are everything a tampered broker, a thief or a colleague might try.
// Each starts from a bundle that holds, and names the check that must refuse.
var forgeries = []struct {
	name, check string
	forge       func(w *world)
}{
	// The bundle itself.
	{"another version", "version", func(w *world) { w.bundle.Version = 2 }},
	{"trust of another version", "version", func(w *world) { w.Trust.Version = 0 }},
	{"no time", "circumstances", func(w *world) { w.World.Now = time.Time{} }},
	{"no request", "request", func(w *world) { w.bundle.Request = "" }},
	{"a request that is an approval", "request", func(w *world) { w.bundle.Request = w.bundle.Approvals[0].Statement }},
	{"a request with a blank at its end", "request", func(w *world) { w.bundle.Request += " " }},
	{"of another installation", "instance", func(w *world) { w.Trust.Instance = "other" }},
	{"a request from the future", "request-issued", func(w *world) { w.Request.Issued = w.Now.Add(31 * time.Second); w.remake() }},
	{"a request that never expires", "request-expires", func(w *world) {
		w.Request.Expires = w.Request.Issued.Add(evidence.LongestPending + time.Second)
		w.remake()
	}},
	{"a request that expires before it is made", "request-expires", func(w *world) { w.Request.Expires = w.Request.Issued; w.remake() }},
	{"no login", "bundle", func(w *world) { w.bundle.Login = nil }},
	{"no activation", "bundle", func(w *world) { w.bundle.Activation = nil }},
	{"too many approvals", "bundle", func(w *world) { w.bundle.Approvals = make([]evidence.SignedByPasskey, evidence.MostApprovals+1) }},
	{"a policy that does not load", "trust", func(w *world) { w.Trust.Policy["policy.yaml"] += "---\nkind: Roll\n" }},

	// What a hand in the broker's database could do to the request.
	{"duration lengthened after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Ask.Duration = 4 * time.Hour }) }},
	{"role changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Ask.Role = "key-management" }) }},
	{"target changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Ask.Target = "keys-1" }) }},
	{"login changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Ask.Login = "postgres" }) }},
	{"reason changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Ask.Reason = "x" }) }},
	{"revision changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Revision++ }) }},
	{"expiry changed after approval", "approval-repeats", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Expires = r.Expires.Add(time.Second) }) }},
	{"requester changed after approval", "requester", func(w *world) { w.editRequest(func(r *evidence.Request) { r.Requester.Subject = "mallory" }) }},
	{"another's name shown to the approver", "requester-name", func(w *world) { w.Request.RequesterName = "Dana"; w.remake() }},
	{"target relabelled", "policy", func(w *world) {
		w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "labels: {env: production}\n---\nkind: Target", "labels: {env: staging}\n---\nkind: Target", 1)
	}},

	// Approvals.
	{"an approval of another request", "approval-repeats", func(w *world) {
		text := w.bundle.Request
		w.Request.Nonce = evidencetest.Nonce()
		w.approve(0, w.Bob, nil)
		w.bundle.Request = text
	}},
	{"an approval for longer than asked", "approval-duration", func(w *world) {
		w.approve(0, w.Bob, func(a *evidence.Approval) { a.Ask.Duration = time.Hour + time.Second })
	}},
	{"an approval with the policy of another day", "approval-repeats", func(w *world) {
		w.approve(0, w.Bob, func(a *evidence.Approval) { a.Policy = "sha256:" + strings.Repeat("1", 64) })
	}},
	{"an approval that is a login", "approval-statement", func(w *world) {
		w.bundle.Approvals[0] = evidencetest.Signed(w.t, w.Confirmation(w.Bob, w.Login), w.Bob.Passkey)
	}},
	{"an approval with nothing in it", "approval-statement", func(w *world) { w.bundle.Approvals[0] = evidence.SignedByPasskey{} }},
	{"an approval from the future", "approval-issued", func(w *world) {
		w.approve(0, w.Bob, func(a *evidence.Approval) { a.Issued = w.Now.Add(31 * time.Second) })
	}},
	{"an approval before the request", "approval-issued", func(w *world) {
		w.approve(0, w.Bob, func(a *evidence.Approval) { a.Issued = w.Request.Issued.Add(-time.Second) })
	}},
	{"an approval after the request expired", "approval-issued", func(w *world) {
		w.Request.Expires = w.Now.Add(-6 * time.Minute)
		w.remake()
	}},
	{"an invented approver", "approval-roster", func(w *world) {
		mallory := &evidencetest.Member{Person: evidencetest.Person("mallory", "sre-leads"), Passkey: newAttacker(w)}
		w.approve(0, mallory, nil)
	}},
	{"an approver with a passkey that was never pinned", "approval-passkey", func(w *world) {
		w.approve(0, &evidencetest.Member{Person: w.Bob.Person, Passkey: newAttacker(w)}, nil)
	}},
	{"an approver with a colleague's passkey", "approval-passkey", func(w *world) {
		w.approve(0, &evidencetest.Member{Person: w.Bob.Person, Passkey: w.Carol.Passkey}, nil)
	}},
	{"an approver with a pinned id and another key", "approval-signature", func(w *world) {
		passkey := newAttacker(w)
		passkey.Credential = w.Bob.Passkey.Credential
		w.approve(0, &evidencetest.Member{Person: w.Bob.Person, Passkey: passkey}, nil)
	}},
	{"approver swapped in the statement", "approval-passkey", func(w *world) {
		w.bundle.Approvals[0].Statement = evidencetest.Text(w.t, w.Approval(w.t, w.Carol))
	}},
	{"an old assertion for a new statement", "approval-challenge", func(w *world) {
		w.bundle.Approvals[0].Statement = evidencetest.Text(w.t, w.Approval(w.t, w.Bob))
	}},
	{"a removed passkey", "approval-passkey", func(w *world) {
		removed := w.Now
		w.Member("bob").Passkeys[0].Removed = &removed
	}},
	{"a passkey that is not enrolled yet", "approval-passkey", func(w *world) { w.Member("bob").Passkeys[0].Enrolled = w.Now.Add(1) }},
	{"an approver called otherwise", "approval-name", func(w *world) { w.Member("bob").Person.Name = "Robert" }},
	{"an approver who lost the group", "policy", func(w *world) { w.Member("bob").Person.Groups = nil }},
	{"a passkey enrolled for nothing", "policy", func(w *world) { w.Member("bob").Passkeys[0].Groups = nil }},
	{"the requester approves", "policy", func(w *world) {
		w.pinAlice("alice")
		w.approve(0, &evidencetest.Member{Person: w.Member("alice").Person, Passkey: w.Bob.Passkey}, nil)
	}},
	{"the requester approves by an alias", "policy", func(w *world) {
		w.pinAlice("alice-admin")
		w.approve(0, &evidencetest.Member{Person: w.Member("alice-admin").Person, Passkey: w.Bob.Passkey}, nil)
	}},
	{"the requester approves by an e-mail address", "policy", func(w *world) { w.Member("bob").Person.Email = "Alice@Example.com" }},
	{"the requester approves by an identity that another of theirs leads to", "policy", func(w *world) {
		// The roster knows Alice under an address that her ID token no longer has.
		old := w.Member("erin")
		old.Person.Subject, old.Person.Email = w.Alice.Subject, w.Bob.Person.Email
	}},
	{"one approver for two", "policy", func(w *world) {
		w.Member("bob").Person.Groups = []string{"sre-leads", "security"}
		w.Member("bob").Passkeys[0].Groups = []string{"sre-leads", "security"}
		w.approve(1, w.Bob, nil)
	}},
	{"an approval missing", "policy", func(w *world) { w.bundle.Approvals = w.bundle.Approvals[:1] }},
	{"no approval", "policy", func(w *world) { w.bundle.Approvals = nil }},
	{"one bad approval beside enough good ones", "approval-signature", func(w *world) {
		bad := w.bundle.Approvals[0]
		bad.Assertion.Signature = w.bundle.Approvals[1].Assertion.Signature
		w.bundle.Approvals = append(w.bundle.Approvals, bad)
	}},

	// What passkeys sign.
	{"an assertion over another statement", "approval-challenge", func(w *world) {
		w.bundle.Approvals[0].Assertion = w.Bob.Passkey.Sign(w.t, w.bundle.Request)
	}},
	{"a challenge that is padded", "approval-challenge", func(w *world) {
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { c.Client["challenge"] = c.Client["challenge"].(string) + "=" })
	}},
	{"a registration", "approval-client-data-type", func(w *world) { w.approve(0, w.Bob, nil, client("type", "webauthn.create")) }},
	{"a payment", "approval-client-data-type", func(w *world) { w.approve(0, w.Bob, nil, client("type", "payment.get")) }},
	{"another origin", "approval-origin", func(w *world) { w.approve(0, w.Bob, nil, client("origin", "https://evil.example")) }},
	{"an origin that begins the same", "approval-origin", func(w *world) { w.approve(0, w.Bob, nil, client("origin", evidencetest.Origin+"0")) }},
	{"an origin with a slash", "approval-origin", func(w *world) { w.approve(0, w.Bob, nil, client("origin", evidencetest.Origin+"/")) }},
	{"an origin that is no text", "approval-origin", func(w *world) { w.approve(0, w.Bob, nil, client("origin", []string{evidencetest.Origin})) }},
	{"no origin", "approval-origin", func(w *world) {
		w.Trust.Origins = append(w.Trust.Origins, "")
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { delete(c.Client, "origin") })
	}},
	{"inside another site's page", "approval-cross-origin", func(w *world) { w.approve(0, w.Bob, nil, client("crossOrigin", true)) }},
	{"crossOrigin that is no boolean", "approval-cross-origin", func(w *world) { w.approve(0, w.Bob, nil, client("crossOrigin", nil)) }},
	{"with a top origin", "approval-cross-origin", func(w *world) { w.approve(0, w.Bob, nil, client("topOrigin", evidencetest.Origin)) }},
	{"a member of the client data twice", "approval-client-data", func(w *world) {
		w.approve(0, w.Bob, nil, clientText(`,"origin":"`+evidencetest.Origin+`"}`))
	}},
	{"something behind the client data", "approval-client-data", func(w *world) { w.approve(0, w.Bob, nil, clientText(`}{}`)) }},
	{"client data that is cut", "approval-client-data", func(w *world) { w.approve(0, w.Bob, nil, clientText(``)) }},
	{"client data that is no object", "approval-client-data", func(w *world) {
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { c.ClientData = `["webauthn.get"]` })
	}},
	{"client data that is not UTF-8", "approval-client-data", func(w *world) { w.approve(0, w.Bob, nil, clientText(",\"a\":\"\xff\"}")) }},
	{"a member in other letters", "approval-client-data-type", func(w *world) {
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { delete(c.Client, "type"); c.Client["Type"] = "webauthn.get" })
	}},
	{"client data altered afterwards", "approval-signature", func(w *world) {
		data, _ := base64.RawURLEncoding.DecodeString(w.bundle.Approvals[0].Assertion.ClientData)
		w.bundle.Approvals[0].Assertion.ClientData = base64.RawURLEncoding.EncodeToString(append(data, ' '))
	}},
	{"another relying party", "approval-relying-party", func(w *world) {
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { c.RelyingParty = "example.com" })
	}},
	{"nobody there", "approval-user-present", func(w *world) { w.approve(0, w.Bob, nil, flags(0x04)) }},
	{"nobody verified", "approval-user-verified", func(w *world) { w.approve(0, w.Bob, nil, flags(0x01)) }},
	{"flags altered afterwards", "approval-signature", func(w *world) {
		w.approve(0, w.Bob, nil, flags(0x01))
		data, _ := base64.RawURLEncoding.DecodeString(w.bundle.Approvals[0].Assertion.AuthenticatorData)
		data[32] = 0x05
		w.bundle.Approvals[0].Assertion.AuthenticatorData = base64.RawURLEncoding.EncodeToString(data)
	}},
	{"attested data in an assertion", "approval-authenticator-data", func(w *world) { w.approve(0, w.Bob, nil, flags(0x45)) }},
	{"something behind the authenticator data", "approval-authenticator-data", func(w *world) {
		w.approve(0, w.Bob, nil, func(c *evidencetest.Ceremony) { c.Extra = []byte{0} })
	}},
	{"authenticator data that is cut", "approval-authenticator-data", func(w *world) {
		a := &w.bundle.Approvals[0].Assertion
		a.AuthenticatorData = a.AuthenticatorData[:44]
	}},
	{"a signature that is cut", "approval-signature", func(w *world) {
		a := &w.bundle.Approvals[0].Assertion
		a.Signature = a.Signature[:len(a.Signature)-4]
	}},
	{"no signature", "approval-signature", func(w *world) { w.bundle.Approvals[0].Assertion.Signature = "" }},
	{"a signature with padding", "approval-signature", func(w *world) { w.bundle.Approvals[0].Assertion.Signature += "=" }},
	{"a signature with something behind it", "approval-signature", func(w *world) {
		a := &w.bundle.Approvals[0].Assertion
		data, _ := base64.RawURLEncoding.DecodeString(a.Signature)
		a.Signature = base64.RawURLEncoding.EncodeToString(append(data, 0))
	}},
	{"a passkey of P-384", "approval-passkey-key", func(w *world) {
		w.repinKey(webauthncose.EC2PublicKeyData{
			PublicKeyData: webauthncose.PublicKeyData{KeyType: 2, Algorithm: int64(webauthncose.AlgES384)}, Curve: 2, XCoord: make([]byte, 48), YCoord: make([]byte, 48),
		})
	}},
	{"a key of another curve than its algorithm", "approval-passkey-key", func(w *world) {
		key := ecdsaKey(w)
		key.Curve = int64(webauthncose.P384)
		w.repinKey(key)
	}},
	{"a key of another kind than its algorithm", "approval-passkey-key", func(w *world) {
		key := ecdsaKey(w)
		key.Algorithm = int64(webauthncose.AlgEdDSA)
		w.repinKey(key)
	}},
	{"a point that is not on the curve", "approval-passkey-key", func(w *world) {
		key := ecdsaKey(w)
		key.YCoord[0] ^= 1
		w.repinKey(key)
	}},
	{"a short RSA passkey", "approval-passkey-key", func(w *world) {
		w.repin(w.Bob, evidencetest.NewRSAPasskey(w.t, "localhost", evidencetest.Origin, 1024))
	}},
	{"RSA with SHA-1", "approval-passkey-key", func(w *world) {
		key := evidencetest.RSAKey(w.t, 2048)
		w.repinKey(webauthncose.RSAPublicKeyData{PublicKeyData: webauthncose.PublicKeyData{KeyType: 3, Algorithm: int64(webauthncose.AlgRS1)}, Modulus: key.N.Bytes(), Exponent: []byte{1, 0, 1}})
	}},
	{"an RSA passkey of exponent 3", "approval-passkey-key", func(w *world) {
		key := evidencetest.RSAKey(w.t, 2048)
		w.repinKey(webauthncose.RSAPublicKeyData{PublicKeyData: webauthncose.PublicKeyData{KeyType: 3, Algorithm: int64(webauthncose.AlgRS256)}, Modulus: key.N.Bytes(), Exponent: []byte{3}})
	}},

	// The ID token.
	{"no token", "id-token", func(w *world) { w.bundle.Login.IDToken = "" }},
	{"a token of the portal, whose nonce the broker chose", "id-token-audience", func(w *world) { w.claim("aud", "stint-portal") }},
	{"a token for two", "id-token-audience", func(w *world) { w.claim("aud", []string{"stint-cli", "stint-portal"}) }},
	{"a token without an audience", "id-token-audience", func(w *world) { w.claim("aud", []string{}) }},
	{"a token given to the portal", "id-token-audience", func(w *world) { w.claim("azp", "stint-portal") }},
	{"a token given to nobody", "id-token-audience", func(w *world) { w.claim("azp", "") }},
	{"no client is trusted", "id-token-audience", func(w *world) { w.Trust.Issuer.ClientID = ""; w.claim("aud", "") }},
	{"a token of another provider", "id-token", func(w *world) { w.claim("iss", "https://evil.example") }},
	{"a token of a provider that ends in a slash", "id-token", func(w *world) { w.claim("iss", evidencetest.IssuerURL+"/") }},
	{"a token that is over", "id-token-expired", func(w *world) { w.claim("exp", w.Now.Unix()) }},
	{"a token that is long over", "id-token-expired", func(w *world) { w.claim("exp", w.Now.Add(-time.Hour).Unix()) }},
	{"a token that does not end", "id-token-expired", func(w *world) { w.claim("exp", nil) }},
	{"a token from the future", "id-token-issued", func(w *world) { w.claim("iat", w.Now.Add(31*time.Second).Unix()) }},
	{"a token of no time", "id-token-issued", func(w *world) { w.claim("iat", nil) }},
	{"a token that is not yet good", "id-token", func(w *world) { w.claim("nbf", w.Now.Add(time.Hour).Unix()) }},
	{"an access token", "id-token", func(w *world) {
		w.bundle.Login.IDToken = w.Issuer.TokenOfType(w.t, "at+jwt", w.Issuer.Claims(w.Alice, w.Login.Nonce(w.t), w.Now))
	}},
	{"a token by another key", "id-token", func(w *world) {
		w.Issuer = evidencetest.NewIssuer(w.t, evidencetest.IssuerURL, evidencetest.ClientID)
		w.bundle.Login = w.Binding(w.t)
	}},
	{"a token by a key that is not yet known", "id-token", func(w *world) { w.Trust.Issuer.Keys[0].Seen = w.Now.Add(time.Minute) }},
	{"a token by a key for encryption", "id-token", func(w *world) {
		w.Trust.Issuer.Keys[0].JWK = strings.Replace(w.Trust.Issuer.Keys[0].JWK, `"use":"sig"`, `"use":"enc"`, 1)
	}},
	{"a token by a short RSA key", "id-token", func(w *world) { w.provider(evidencetest.RSAKey(w.t, 1024), jose.RS256) }},
	{"a token of another algorithm than its key's", "id-token", func(w *world) {
		w.provider(evidencetest.RSAKey(w.t, 2048), jose.RS256)
		w.Issuer.Algorithm = jose.PS256
		w.bundle.Login = w.Binding(w.t)
	}},
	{"no keys", "id-token", func(w *world) { w.Trust.Issuer.Keys = nil }},
	{"an unsigned token", "id-token", func(w *world) {
		parts := strings.Split(w.bundle.Login.IDToken, ".")
		w.bundle.Login.IDToken = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	}},
	{"a token signed with the public key as a secret", "id-token", func(w *world) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(w.Trust.Issuer.Keys[0].JWK)}, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		payload, _ := json.Marshal(w.Issuer.Claims(w.Alice, w.Login.Nonce(w.t), w.Now))
		signed, err := signer.Sign(payload)
		if err != nil {
			w.t.Fatal(err)
		}
		w.bundle.Login.IDToken, _ = signed.CompactSerialize()
	}},
	{"a shared secret among the keys", "id-token", func(w *world) {
		w.Trust.Issuer.Keys = []evidence.IssuerKey{{JWK: `{"kty":"oct","kid":"key-1","k":"c2VjcmV0"}`}}
	}},
	{"claims altered afterwards", "id-token", func(w *world) {
		parts := strings.Split(w.bundle.Login.IDToken, ".")
		claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), `"alice"`, `"bobby"`, 1)))
		w.bundle.Login.IDToken = strings.Join(parts, ".")
	}},
	{"a token in the JSON form", "id-token", func(w *world) {
		jws, err := jose.ParseSigned(w.bundle.Login.IDToken, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			w.t.Fatal(err)
		}
		w.bundle.Login.IDToken = jws.FullSerialize()
	}},
	{"an endless token", "id-token", func(w *world) { w.bundle.Login.IDToken += strings.Repeat("A", 16<<10) }},
	{"a token of somebody else", "requester", func(w *world) {
		claims := w.Issuer.Claims(evidencetest.Person("mallory", "engineering"), w.Login.Nonce(w.t), w.Now)
		w.bundle.Login.IDToken = w.Issuer.Token(w.t, claims)
	}},
	{"a nonce under another spelling", "id-token", func(w *world) { w.claim("Nonce", "x") }},
	{"an audience under another spelling", "id-token", func(w *world) { w.claim("AUD", "stint-cli") }},
	{"a token of nobody", "id-token", func(w *world) { w.claim("sub", "") }},
	{"a requester who lost the group", "policy", func(w *world) { w.claim("groups", []string{"sales"}) }},

	// The login key.
	{"a relayed token: the broker's own key", "nonce", func(w *world) { w.Login = evidencetest.NewKey(w.t); w.relay(w.Login) }},
	{"a relayed token with the old salt", "nonce", func(w *world) {
		key := evidencetest.NewKey(w.t)
		key.Salt = w.Login.Salt
		w.relay(key)
	}},
	{"a nonce that is the key's hash, but for no salt", "login-binding", func(w *world) { w.bundle.Login.NonceSalt = "" }},
	{"a token without a nonce", "nonce", func(w *world) { w.claim("nonce", "") }},
	{"another salt", "nonce", func(w *world) {
		w.bundle.Login.NonceSalt = base64.RawURLEncoding.EncodeToString(make([]byte, evidence.SaltSize))
	}},
	{"a short salt", "nonce", func(w *world) { w.bundle.Login.NonceSalt = "AAAA" }},
	{"a login key of another type", "login-key", func(w *world) { w.bundle.Login.LoginKey = "ssh-rsa AAAA" }},
	{"nonce and confirmation", "login-binding", func(w *world) {
		signed := evidencetest.Signed(w.t, w.Confirmation(w.Erin, w.Login), w.Erin.Passkey)
		w.bundle.Login.Confirmation = &signed
	}},
	{"a confirmation by somebody else", "login-person", func(w *world) { w.confirmBy(w.Erin, nil) }},
	{"a confirmation for another key", "login-confirmed-key", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) { l.Person = w.Alice.Subject; l.LoginKey = w.Session.Public })
	}},
	{"a confirmation with somebody else's passkey", "login-roster", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) { l.Person = w.Alice.Subject })
	}},
	{"a confirmation of another installation", "login-instance", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) { l.Person, l.Instance = w.Alice.Subject, "other" })
	}},
	{"a confirmation that is over", "login-expires", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) { l.Person, l.Expires = w.Alice.Subject, w.Now })
	}},
	{"a confirmation for longer than a day", "login-expires", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) {
			l.Person, l.Expires = w.Alice.Subject, l.Issued.Add(evidence.LongestLogin+time.Second)
		})
	}},
	{"a confirmation from the future", "login-issued", func(w *world) {
		w.confirmBy(w.Erin, func(l *evidence.Login) { l.Person, l.Issued = w.Alice.Subject, w.Now.Add(31*time.Second) })
	}},
	{"an approval as a confirmation", "login-statement", func(w *world) {
		w.bundle.Login = w.Binding(w.t)
		w.bundle.Login.NonceSalt, w.bundle.Login.Confirmation = "", &w.bundle.Approvals[0]
	}},
	{"a confirmation by a removed passkey", "login-passkey", func(w *world) {
		w.staging()
		w.Alice = w.Erin.Person
		w.confirmed()
		w.Member("erin").Passkeys[0].Removed = &w.Request.Issued
	}},
	{"a confirmation that the passkey signed for another text", "login-challenge", func(w *world) {
		w.staging()
		w.Alice = w.Erin.Person
		w.confirmed()
		w.bundle.Login.Confirmation.Assertion = w.Erin.Passkey.Sign(w.t, "another")
	}},

	// The activation.
	{"an activation signed by another key", "activation-signature", func(w *world) {
		signed := evidence.SignWithKey(w.bundle.Activation.Statement, w.Session.Private)
		w.bundle.Activation = &signed
	}},
	{"an activation without a signature", "activation-signature", func(w *world) { w.bundle.Activation.Signature = "" }},
	{"an activation that is a request", "activation", func(w *world) {
		signed := evidence.SignWithKey(w.bundle.Request, w.Login.Private)
		w.bundle.Activation = &signed
	}},
	{"the session key replaced", "activation-signature", func(w *world) {
		w.bundle.Activation.Statement = strings.Replace(w.bundle.Activation.Statement, w.Session.Public, evidencetest.NewKey(w.t).Public, 1)
	}},
	{"an activation of another request", "activation-repeats", func(w *world) { w.activate(func(a *evidence.Activation) { a.Request = "req-other" }) }},
	{"an activation of another revision", "activation-repeats", func(w *world) { w.activate(func(a *evidence.Activation) { a.Revision = 2 }) }},
	{"an activation of another text", "activation-repeats", func(w *world) {
		w.activate(func(a *evidence.Activation) { a.RequestDigest = "sha256:" + strings.Repeat("0", 64) })
	}},
	{"an activation by another", "activation-repeats", func(w *world) { w.activate(func(a *evidence.Activation) { a.Requester.Subject = "bob" }) }},
	{"an activation of another installation", "activation-repeats", func(w *world) { w.activate(func(a *evidence.Activation) { a.Instance = "other" }) }},
	{"an old activation", "activation-issued", func(w *world) {
		w.activate(func(a *evidence.Activation) { a.Issued = w.Now.Add(-evidence.ActivationWindow - time.Second) })
	}},
	{"an activation from the future", "activation-issued", func(w *world) {
		w.activate(func(a *evidence.Activation) { a.Issued = w.Now.Add(evidence.ActivationWindow + time.Second) })
	}},
	{"the login key as session key", "activation-session-key", func(w *world) {
		w.activate(func(a *evidence.Activation) { a.SessionKey = w.Login.Public })
	}},

	// The policy.
	{"a role that conflicts with one held", "policy", func(w *world) { w.Held = []policies.Held{{Request: "req-1", Role: "key-management"}} }},
	{"a grant that is over", "policy", func(w *world) {
		w.World.Now = w.Now.Add(55 * time.Minute)
		w.bundle.Login = w.Binding(w.t)
		w.bundle.Activation = w.SignedActivation(w.t, w.Activation(w.t))
	}},
	{"a login the role does not give", "policy", func(w *world) { w.Request.Ask.Login = "root"; w.remake() }},
	{"a target the role does not reach", "policy", func(w *world) { w.Request.Ask.Target = "keys-1"; w.remake() }},
	{"longer than the role allows", "policy", func(w *world) { w.Request.Ask.Duration = 5 * time.Hour; w.remake() }},
	{"no reason", "policy", func(w *world) { w.Request.Ask.Reason = ""; w.remake() }},
	{"a target of an inventory that expired", "policy", func(w *world) {
		w.SetOrganization(1, evidencetest.InventoryYAML(w.t, mustEd25519(w.t)))
		w.Trust.Inventories = []evidence.Inventory{{Name: "fleet", Number: 1, Targets: []policies.Target{stagingTarget("staging-2")}, Expires: w.Now}}
		w.Request.Ask.Role, w.Request.Ask.Target = "staging-shell", "staging-2"
		w.Approvers = nil
		w.remake()
	}},
	{"an inventory that takes a name of the policy's", "trust", func(w *world) {
		w.Trust.Inventories = []evidence.Inventory{{Name: "fleet", Number: 1, Targets: []policies.Target{stagingTarget("web-1")}, Expires: w.Now.Add(time.Hour)}}
	}},

	// The suspended, whichever of their identities they use.
	{"a suspended requester", "requester-suspended", func(w *world) {
		w.Trust.Roster, _ = w.Trust.Roster.Suspend(w.Alice.Subject, "Alice", w.Request.Issued)
	}},
	{"a requester suspended this moment", "requester-suspended", func(w *world) {
		w.Trust.Roster, _ = w.Trust.Roster.Suspend(w.Alice.Subject, "Alice", w.Now)
	}},
	{"a requester whose other identity is suspended", "requester-suspended", func(w *world) {
		w.Trust.Roster, _ = w.Trust.Roster.Suspend(policies.Subject{Issuer: evidencetest.IssuerURL, Subject: "alice-admin"}, "Alice", w.Now)
	}},
	{"a requester who has a suspended person's address", "requester-suspended", func(w *world) {
		w.Member("erin").Person.Email = "ALICE@example.com"
		w.Member("erin").Suspended = &w.Request.Issued
	}},
	{"a suspended approver", "approval-suspended", func(w *world) { w.Member("bob").Suspended = &w.Request.Issued }},
	{"an approver whose other identity is suspended", "approval-suspended", func(w *world) {
		w.Member("erin").Person.Email = "bob@example.com"
		w.Member("erin").Suspended = &w.Request.Issued
	}},
	{"a suspended person confirms their own sign-in", "login-suspended", func(w *world) {
		w.staging()
		w.confirmed()
		w.Member("erin").Suspended = &w.Request.Issued
	}},
	{"a role that is gone", "policy", func(w *world) { w.Request.Ask.Role = "root-shell"; w.remake() }},
}

func TestVerifyRefusesForgeries(t *testing.T) {
	t.Parallel()
	if len(forgeries) < 100 {
		t.Fatalf("there are only %d forgeries", len(forgeries))
	}
	for _, f := range forgeries {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f.forge(w)
			_, err := evidence.Verify(w.bundle, w.Trust, w.Circumstances())
			refusedBy(t, err, f.check)
		})
	}
}
