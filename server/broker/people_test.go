package broker

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"time"

	"stint/server/api"
	"stint/server/broker/internal/login"
	"stint/server/broker/internal/providertest"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/ceremonytest"
)

// person is somebody signed in to the portal with a browser.
type person struct {
	w       *world
	name    string
	browser *http.Client
	api     *api.Client
	passkey *evidencetest.Passkey
}

func (w *world) portalSignIn(name string) *person {
	w.t.Helper()
	browser := providertest.Browser(w.t)
	ended := providertest.SignIn(w.t, browser, w.config.URL+api.PathPortalSignIn, name)
	client, err := api.NewClient(w.config.URL, "", browser)
	must(w.t, err)
	p := &person{w: w, name: name, browser: browser, api: client}
	if _, err := client.Me(w.t.Context()); err != nil {
		w.t.Fatalf("%s is not signed in: %v; it ended at %s with %s", name, err, ended.Request.URL, ended.Status)
	}
	return p
}

// enrol takes a new passkey through registration and possession.
func (p *person) enrol(groups ...string) api.Enrolment {
	t := p.w.t
	t.Helper()
	p.passkey = evidencetest.NewPasskey(t, "localhost", p.w.config.URL)
	begun, err := p.api.StartRegistration(t.Context(), api.RegistrationStart{Name: p.name + "'s passkey"})
	must(t, err)
	if groups == nil {
		groups = []string{}
	}
	enrolment, err := p.api.Enrol(t.Context(), api.Registration{
		Ceremony: begun.Ceremony, Credential: register(t, p.passkey, begun.Options), Groups: groups,
	})
	must(t, err)
	enrolment, err = p.api.ProvePossession(t.Context(), enrolment.ID, p.sign(enrolment.Statement))
	must(t, err)
	if enrolment.State != "needs-authority" {
		t.Fatalf("after possession the enrolment is %s", enrolment.State)
	}
	return enrolment
}

func (p *person) sign(statement string) api.SignedStatement {
	return api.SignedStatement{Statement: statement, Assertion: api.Assertion(p.passkey.Sign(p.w.t, statement))}
}

// administrator is dana, who joined at the signer's own page.
func (w *world) administrator() *person {
	w.t.Helper()
	return w.joined("dana")
}

// joined is one of the first administrators, signed in to the portal.
func (w *world) joined(name string) *person {
	w.t.Helper()
	p := w.portalSignIn(name)
	p.passkey = evidencetest.NewPasskey(w.t, "localhost", w.config.URL)
	who := w.provider.Person(name)
	ceremonytest.Join(w.t, ceremonytest.Link(w.t, filepath.Join(w.dir, "signer", "ceremony.json"), who.Subject), p.passkey)
	must(w.t, w.broker.signing.Refresh(w.t.Context()))
	return p
}

// approver is somebody enrolled under an administrator's passkey.
func (w *world) approver(name string, by *person, groups ...string) *person {
	w.t.Helper()
	p := w.portalSignIn(name)
	enrolment := p.enrol(groups...)
	assertion := api.Assertion(by.passkey.Sign(w.t, enrolment.Statement))
	enrolment, err := by.api.Authorise(w.t.Context(), enrolment.ID, api.Authorisation{Passkey: &assertion})
	must(w.t, err)
	if enrolment.State != "pinned" {
		w.t.Fatalf("after %s's signature the enrolment is %s", by.name, enrolment.State)
	}
	return p
}

// engineer is somebody signed in at a command line.
type engineer struct {
	w       *world
	name    string
	key     *evidencetest.Key
	token   string // ID token
	bearer  string
	api     *api.Client
	binding api.LoginBinding
}

func (w *world) loginRequest(key *evidencetest.Key, token string) api.LoginRequest {
	issued := time.Now().UTC()
	message := login.ProofMessage(w.config.URL, issued, token)
	return api.LoginRequest{
		Login:  api.LoginBinding{IDToken: token, LoginKey: key.Public, NonceSalt: base64.RawURLEncoding.EncodeToString(key.Salt)},
		Issued: issued, Proof: base64.RawURLEncoding.EncodeToString(ed25519.Sign(key.Private, []byte(message))),
	}
}

func (w *world) commandLine(name string) *engineer {
	w.t.Helper()
	key := evidencetest.NewKey(w.t)
	token := w.provider.Token(w.t, name, key.Nonce(w.t))
	request := w.loginRequest(key, token)
	anonymous, err := api.NewClient(w.config.URL, "", nil)
	must(w.t, err)
	result, err := anonymous.SignIn(w.t.Context(), request)
	must(w.t, err)
	client, err := api.NewClient(w.config.URL, result.Token, nil)
	must(w.t, err)
	return &engineer{w: w, name: name, key: key, token: token, bearer: result.Token, api: client, binding: request.Login}
}

// granted is a request of the engineer's that the approver has approved.
func (e *engineer) granted(by *person) api.Request {
	t := e.w.t
	t.Helper()
	request, err := e.api.Ask(t.Context(), api.Ask{Role: "production-shell", Target: "web-1", DurationSeconds: 3600, Reason: "the disk is full"})
	must(t, err)
	challenge, err := by.api.Challenge(t.Context(), request.ID, api.ApprovalDraft{DurationSeconds: 1800})
	must(t, err)
	approved, err := by.api.Approve(t.Context(), request.ID, by.sign(challenge.Statement))
	must(t, err)
	if approved.State != "approved" {
		t.Fatalf("after %s's approval the request is %s: %s", by.name, approved.State, approved.Decision.Summary)
	}
	return approved
}

// activate gets a certificate for a fresh session key.
func (e *engineer) activate(request api.Request) (api.Certificate, error) {
	t := e.w.t
	t.Helper()
	session := evidencetest.NewKey(t)
	activation, err := evidence.ActivationOf(request.Statement, session.Public, time.Now().UTC().Truncate(time.Second), evidencetest.Nonce())
	must(t, err)
	text, err := evidence.Encode(activation)
	must(t, err)
	signed := evidence.SignWithKey(text, e.key.Private)
	return e.api.Activate(t.Context(), request.ID, api.Activation{Statement: text, Signature: signed.Signature, Login: e.binding})
}
