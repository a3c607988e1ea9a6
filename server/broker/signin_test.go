package broker

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"stint/server/api"
	"stint/server/broker/internal/login"
	"stint/server/evidence/evidencetest"
)

func codeOf(err error) string {
	var problem *api.Error
	if errors.As(err, &problem) {
		return problem.Code
	}
	return ""
}

func TestCommandLineSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutSigner: true, tokenLife: 20 * time.Minute})
	anonymous, err := api.NewClient(w.config.URL, "", nil)
	must(t, err)
	key, other := evidencetest.NewKey(t), evidencetest.NewKey(t)
	token := w.provider.Token(t, "alice", key.Nonce(t))
	resign := func(r *api.LoginRequest, by *evidencetest.Key, url string) {
		message := login.ProofMessage(url, r.Issued, r.Login.IDToken)
		r.Proof = base64.RawURLEncoding.EncodeToString(ed25519.Sign(by.Private, []byte(message)))
	}
	before := w.leaves()
	for name, c := range map[string]struct {
		alter func(*api.LoginRequest)
		code  string
	}{
		"proof too old":            {func(r *api.LoginRequest) { r.Issued = r.Issued.Add(-3 * time.Minute); resign(r, key, w.config.URL) }, "login.clock"},
		"proof too new":            {func(r *api.LoginRequest) { r.Issued = r.Issued.Add(3 * time.Minute); resign(r, key, w.config.URL) }, "login.clock"},
		"another key's proof":      {func(r *api.LoginRequest) { resign(r, other, w.config.URL) }, "login.proof"},
		"proof for elsewhere":      {func(r *api.LoginRequest) { resign(r, key, "https://stint.example.com") }, "login.proof"},
		"proof for another moment": {func(r *api.LoginRequest) { r.Issued = r.Issued.Add(time.Second) }, "login.proof"},
		"no key":                   {func(r *api.LoginRequest) { r.Login.LoginKey = "ssh-rsa AAAA" }, "login.key"},
		"token of another key":     {func(r *api.LoginRequest) { r.Login.LoginKey = other.Public; resign(r, other, w.config.URL) }, "login.nonce"},
		"another salt":             {func(r *api.LoginRequest) { r.Login.NonceSalt = base64.RawURLEncoding.EncodeToString(other.Salt) }, "login.nonce"},
		"no salt":                  {func(r *api.LoginRequest) { r.Login.NonceSalt = "" }, "login.nonce"},
		"altered token": {func(r *api.LoginRequest) {
			r.Login.IDToken = token[:len(token)-4] + "AAAA"
			resign(r, key, w.config.URL)
		}, "login.token"},
		"no token": {func(r *api.LoginRequest) { r.Login.IDToken = "e30.e30.e30"; resign(r, key, w.config.URL) }, "login.token"},
		// The broker sees the portal's tokens and could choose their nonce.
		"the portal's token": {func(r *api.LoginRequest) {
			r.Login.IDToken = w.provider.PortalToken(t, w.config.URL, "alice", key.Nonce(t))
			resign(r, key, w.config.URL)
		}, "login.token"},
		"the portal's token by device flow": {func(r *api.LoginRequest) {
			r.Login.IDToken, r.DeviceFlow, r.Login.NonceSalt = w.provider.PortalToken(t, w.config.URL, "alice", key.Nonce(t)), true, ""
			resign(r, key, w.config.URL)
		}, "login.token"},
		// A token that commits to another key signs in nobody else by saying that it commits to none.
		"another's token by device flow": {func(r *api.LoginRequest) {
			r.DeviceFlow, r.Login.NonceSalt, r.Login.LoginKey = true, "", other.Public
			resign(r, other, w.config.URL)
		}, "login.nonce"},
		"device flow with a salt": {func(r *api.LoginRequest) { r.DeviceFlow = true }, "input.invalid"},
	} {
		request := w.loginRequest(key, token)
		c.alter(&request)
		if result, err := anonymous.SignIn(t.Context(), request); codeOf(err) != c.code || result.Token != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := w.leaves(); after != before {
		t.Errorf("refused sign-ins left %d events", after-before)
	}

	// The token ends with the ID token, counts as a bearer token only, and until it is signed out.
	result, err := anonymous.SignIn(t.Context(), w.loginRequest(key, token))
	must(t, err)
	if left := time.Until(result.Expires); left > 20*time.Minute || left < 19*time.Minute || result.Person.Name != "Alice" || result.ConfirmCode != "" {
		t.Errorf("signed in with %+v", result)
	}
	asCookie := w.do(nil, call{method: "GET", path: api.PathMe, header: map[string]string{"Cookie": "stint_test1234=" + result.Token}})
	if asCookie.status != http.StatusUnauthorized {
		t.Errorf("the command line's token as a cookie: %d", asCookie.status)
	}
	alice, err := api.NewClient(w.config.URL, result.Token, nil)
	must(t, err)
	_, err = alice.Me(t.Context())
	must(t, err)
	must(t, alice.Logout(t.Context()))
	if _, err := alice.Me(t.Context()); codeOf(err) != "sign-in.needed" {
		t.Errorf("after signing out: %v", err)
	}
	// A session's cookie is no bearer token either.
	erin := w.portalSignIn("erin")
	for _, cookie := range erin.browser.Jar.Cookies(mustURL(t, w.config.URL)) {
		got := w.do(nil, call{method: "GET", path: api.PathMe, header: map[string]string{"Authorization": "Bearer " + cookie.Value}})
		if got.status != http.StatusUnauthorized {
			t.Errorf("a cookie as a token: %d", got.status)
		}
	}
}

// A device-flow sign-in is good for nothing until the person's passkey has
// confirmed the key.
func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ctx := t.Context()
	dana := w.administrator()
	bob := w.approver("bob", dana, "sre-leads")
	portalAlice := w.approver("alice", dana)

	key := evidencetest.NewKey(t)
	token := w.provider.Token(t, "alice", "") // as the device flow gives it: no nonce
	request := w.loginRequest(key, token)
	request.DeviceFlow, request.Login.NonceSalt = true, ""
	anonymous, err := api.NewClient(w.config.URL, "", nil)
	must(t, err)
	result, err := anonymous.SignIn(ctx, request)
	must(t, err)
	if result.ConfirmURL != w.config.URL+"/confirm/"+result.ConfirmCode || result.ConfirmCode == "" {
		t.Fatalf("the confirmation is at %q with %q", result.ConfirmURL, result.ConfirmCode)
	}
	client, err := api.NewClient(w.config.URL, result.Token, nil)
	must(t, err)
	alice := &engineer{w: w, name: "alice", key: key, token: token, bearer: result.Token, api: client, binding: request.Login}
	if _, err := alice.api.Me(ctx); codeOf(err) != "sign-in.unconfirmed" {
		t.Errorf("unconfirmed, alice is told who she is: %v", err)
	}
	if _, err := alice.api.Ask(ctx, api.Ask{Role: "production-shell", Target: "web-1", DurationSeconds: 3600, Reason: "x"}); codeOf(err) != "sign-in.unconfirmed" {
		t.Errorf("unconfirmed, alice asks: %v", err)
	}
	// By another command line of hers, so that the signer's own check is seen too.
	whole := w.commandLine("alice")
	granted := whole.granted(bob)
	if _, err := (&engineer{w: w, name: "alice", key: key, token: token, bearer: whole.bearer, api: whole.api, binding: request.Login}).activate(granted); err == nil {
		t.Fatal("an unconfirmed login key activated")
	}

	// Nobody else sees it; alice confirms in the browser.
	if _, err := bob.api.Confirmation(ctx, result.ConfirmCode); codeOf(err) != "confirmation.not-found" {
		t.Errorf("bob sees alice's confirmation: %v", err)
	}
	challenge := postJSON[api.SigningChallenge](t, portalAlice, "/api/login/confirmations/"+result.ConfirmCode+"/challenge", nil, http.StatusOK)
	signed := portalAlice.sign(challenge.Statement)
	confirmed := postJSON[api.LoginConfirmation](t, portalAlice, "/api/login/confirmations/"+result.ConfirmCode+"/confirm", signed, http.StatusOK)
	if !confirmed.Confirmed || confirmed.Statement != nil {
		t.Errorf("the browser is shown %+v", confirmed)
	}
	polled, err := alice.api.Confirmation(ctx, result.ConfirmCode)
	must(t, err)
	if polled.Statement == nil || polled.Statement.Statement != challenge.Statement {
		t.Fatalf("the key's holder is shown %+v", polled)
	}
	// Another login of the same person is not shown the statement.
	if other, err := w.commandLine("alice").api.Confirmation(ctx, result.ConfirmCode); err != nil || other.Statement != nil {
		t.Errorf("another login key is shown %+v, %v", other.Statement, err)
	}
	alice.binding.Confirmation = polled.Statement
	if _, err := alice.activate(granted); err != nil {
		t.Errorf("confirmed, it does not activate: %v", err)
	}

	// The token stands in the evidence, which others read: it signs in no other key,
	// however its signature is written.
	file, err := bob.api.Evidence(ctx, granted.ID)
	must(t, err)
	stored := sessionIn(t, file).Bundle.Login.IDToken
	for _, read := range []string{stored, rewritten(t, stored)} {
		stolen := w.loginRequest(evidencetest.NewKey(t), read)
		stolen.DeviceFlow, stolen.Login.NonceSalt = true, ""
		if _, err := anonymous.SignIn(ctx, stolen); codeOf(err) != "sign-in.token-used" && codeOf(err) != "login.token" {
			t.Errorf("with alice's token from the evidence: %v", err)
		}
	}
	// Its own key may sign in again.
	again := w.loginRequest(key, token)
	again.DeviceFlow, again.Login.NonceSalt = true, ""
	if _, err := anonymous.SignIn(ctx, again); err != nil {
		t.Errorf("the same key again: %v", err)
	}
}

// rewritten is a token with the unused bits of its last character changed, which
// decoders that are not strict read as the same signature.
func rewritten(t *testing.T, token string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	if last < 0 {
		t.Fatalf("the token ends with %q", token[len(token)-1:])
	}
	return token[:len(token)-1] + string(alphabet[last^1])
}
