package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/login"
	"stint/server/evidence"
)

// Sign-in attempts under way in one browser, at most; beyond that they are
// dropped, since every cookie is sent each time.
const maxAttempts = 5

const attemptPath = "/auth/" // where the attempts' cookies are sent

// attemptCookie names the cookie of an attempt by the beginning of its state, so
// that two tabs can sign in at once.
func (p *Portal) attemptCookie(state string) string { return p.cookie + "_signin_" + state[:8] }

func (p *Portal) setCookie(c *gin.Context, name, value, path string, life time.Duration) {
	cookie := &http.Cookie{
		Name: name, Value: value, Path: path, HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(life.Seconds()),
	}
	if life <= 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.Writer, cookie)
}

// beginSignIn sends the browser to the provider.
func (p *Portal) beginSignIn(c *gin.Context) {
	attempt, target, err := p.config.Login.Begin(c.Query("return_to"))
	if err != nil {
		p.signInFailed(c, err)
		return
	}
	value, err := attempt.Encode()
	if err != nil {
		p.signInFailed(c, err)
		return
	}
	open := slices.DeleteFunc(c.Request.Cookies(), func(k *http.Cookie) bool { return !strings.HasPrefix(k.Name, p.cookie+"_signin_") })
	if len(open) >= maxAttempts {
		for _, old := range open {
			p.setCookie(c, old.Name, "", attemptPath, 0)
		}
	}
	p.setCookie(c, p.attemptCookie(attempt.State), value, attemptPath, login.AttemptLife)
	c.Redirect(http.StatusSeeOther, target)
}

// finishSignIn takes the browser back from the provider.
func (p *Portal) finishSignIn(c *gin.Context) {
	ctx := c.Request.Context()
	// 1. The attempt, which only the browser that began it has. It is used up.
	state := c.Query("state")
	if len(state) < 32 || strings.ContainsFunc(state[:8], func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) {
		p.signInFailed(c, login.ErrExpired)
		return
	}
	cookie, err := c.Request.Cookie(p.attemptCookie(state))
	if err != nil {
		p.signInFailed(c, login.ErrExpired)
		return
	}
	p.setCookie(c, cookie.Name, "", attemptPath, 0)
	attempt, err := login.DecodeAttempt(cookie.Value)
	if err != nil {
		p.signInFailed(c, errors.Join(login.ErrExpired, err))
		return
	}
	// 2. Who it is.
	person, err := p.config.Login.Finish(ctx, attempt, c.Request.URL.Query())
	if err != nil {
		p.signInFailed(c, err)
		return
	}
	// 3. A fresh session, never one that was there before.
	token, hash, err := p.newToken("")
	if err != nil {
		p.signInFailed(c, err)
		return
	}
	if _, err := p.config.Flow.SignedIn(ctx, access.SignIn{
		Token: hash, Kind: access.PortalSignIn, Person: person, Ends: p.config.Now().Add(SessionLife),
	}); err != nil {
		p.signInFailed(c, err)
		return
	}
	if old, err := p.authenticate(withoutBearer(c.Request), false); err == nil {
		if err := p.config.Flow.SignOut(ctx, old.Token); err != nil {
			p.log.Warn("ending the session before", "request_id", requestID(ctx), "error", err)
		}
	}
	p.setCookie(c, p.cookie, token, "/", SessionLife)
	c.Redirect(http.StatusSeeOther, attempt.Return)
}

func withoutBearer(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	return r
}

// signInFailed sends the browser to the portal's sign-in page, which says why.
func (p *Portal) signInFailed(c *gin.Context, err error) {
	code := "sign-in-failed"
	switch {
	case errors.Is(err, login.ErrUnavailable):
		code = "provider-unavailable"
	case errors.Is(err, login.ErrExpired):
		code = "sign-in-expired"
	case errors.Is(err, login.ErrRefused):
		code = "sign-in-refused"
	}
	p.log.Warn("a sign-in did not come about", "request_id", requestID(c.Request.Context()), "code", code, "error", err)
	c.Redirect(http.StatusSeeOther, "/sign-in?error="+url.QueryEscape(code))
}

// signIn is the command line's.
func (p *Portal) signIn(ctx context.Context, in *onlyBody[api.LoginRequest]) (*body[api.LoginResult], error) {
	binding := in.Body.Login
	if in.Body.DeviceFlow && binding.NonceSalt != "" || binding.Confirmation != nil {
		return nil, wrong("body.login", "Neither a confirmation nor, after a device-flow sign-in, a salt belongs here.")
	}
	// 1. Who it is, and that they hold the login key.
	person, expiry, err := p.config.Login.CommandLine(ctx, login.Proof{
		IDToken: binding.IDToken, LoginKey: binding.LoginKey, NonceSalt: binding.NonceSalt,
		Issued: in.Body.Issued, Signature: in.Body.Proof, DeviceFlow: in.Body.DeviceFlow,
	})
	if err != nil {
		return nil, err
	}
	// 2. A token that asks and takes away; alone it activates nothing.
	token, hash, err := p.newToken(bearerPrefix)
	if err != nil {
		return nil, err
	}
	ends := p.config.Now().Add(TokenLife)
	if expiry.Before(ends) {
		ends = expiry
	}
	// 3. A key that the token does not commit to waits for its person's passkey,
	// and so does all that this sign-in is good for.
	known, confirmation, err := p.config.Flow.CommandLineSignedIn(ctx, access.SignIn{
		Token: hash, Kind: access.CommandLineSignIn, Person: person, Ends: ends, LoginKey: binding.LoginKey,
	}, access.IDToken{Digest: login.TokenDigest(binding.IDToken), Ends: expiry}, in.Body.DeviceFlow)
	if err != nil {
		return nil, err
	}
	result := api.LoginResult{Token: token, Expires: ends.UTC(), Person: toPerson(known.Person)}
	if in.Body.DeviceFlow {
		result.ConfirmCode = confirmation.Code
		result.ConfirmURL = p.config.URL + "/confirm/" + confirmation.Code
	}
	return &body[api.LoginResult]{result}, nil
}

type logoutOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

func (p *Portal) logout(ctx context.Context, _ *noInput) (*logoutOutput, error) {
	caller := callerOf(ctx)
	if err := p.config.Flow.SignOut(ctx, caller.Token); err != nil {
		return nil, err
	}
	out := &logoutOutput{}
	if caller.Kind == access.PortalSignIn {
		out.SetCookie = (&http.Cookie{
			Name: p.cookie, Path: "/", HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode, MaxAge: -1,
		}).String()
	}
	return out, nil
}

func (p *Portal) confirmation(ctx context.Context, in *confirmationInput) (*body[api.LoginConfirmation], error) {
	confirmation, err := p.config.Flow.Confirmation(ctx, personOf(ctx), in.Code)
	if err != nil {
		return nil, err
	}
	return &body[api.LoginConfirmation]{toConfirmation(confirmation, callerOf(ctx))}, nil
}

func (p *Portal) confirmationChallenge(ctx context.Context, in *confirmationInput) (*body[api.SigningChallenge], error) {
	challenge, err := p.config.Flow.ConfirmationChallenge(ctx, personOf(ctx), in.Code)
	if err != nil {
		return nil, err
	}
	return &body[api.SigningChallenge]{toChallenge(challenge)}, nil
}

func (p *Portal) confirm(ctx context.Context, in *confirmationBody[api.SignedStatement]) (*body[api.LoginConfirmation], error) {
	confirmation, err := p.config.Flow.Confirm(ctx, personOf(ctx), in.Code, fromSigned(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.LoginConfirmation]{toConfirmation(confirmation, callerOf(ctx))}, nil
}

// toConfirmation shows the signed statement to the holder of the login key only.
func toConfirmation(c access.Confirmation, caller access.SignIn) api.LoginConfirmation {
	shown := api.LoginConfirmation{
		Code: c.Code, Person: toPerson(c.Person), LoginKey: c.LoginKey,
		Requested: c.Requested.UTC(), Expires: c.Expires.UTC(), Confirmed: c.Signed != nil,
	}
	if c.Signed != nil && caller.Kind == access.CommandLineSignIn && caller.LoginKey == c.LoginKey {
		shown.Statement = &api.SignedStatement{Statement: c.Signed.Statement, Assertion: api.Assertion(c.Signed.Assertion)}
	}
	return shown
}

func fromSigned(s api.SignedStatement) evidence.SignedByPasskey {
	return evidence.SignedByPasskey{Statement: s.Statement, Assertion: evidence.Assertion(s.Assertion)}
}

func fromBinding(b api.LoginBinding) evidence.LoginBinding {
	binding := evidence.LoginBinding{IDToken: b.IDToken, LoginKey: b.LoginKey, NonceSalt: b.NonceSalt}
	if b.Confirmation != nil {
		signed := fromSigned(*b.Confirmation)
		binding.Confirmation = &signed
	}
	return binding
}
