package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
)

// How long sign-ins last. A portal session also ends after IdleLife without a
// call. A command line's token ends with its ID token, if that is sooner, since
// nothing can be activated after that.
const (
	SessionLife = 12 * time.Hour
	IdleLife    = 2 * time.Hour
	TokenLife   = 12 * time.Hour
)

// bearerPrefix makes tokens recognisable to scanners for leaked secrets.
const bearerPrefix = "stint_token_"

// newToken draws a token, and the hash under which it is stored.
func (p *Portal) newToken(prefix string) (token string, hash [32]byte, err error) {
	var random [32]byte
	if _, err := io.ReadFull(p.config.Random, random[:]); err != nil {
		return "", hash, fmt.Errorf("drawing a token: %w", err)
	}
	token = prefix + base64.RawURLEncoding.EncodeToString(random[:])
	return token, sha256.Sum256([]byte(token)), nil
}

// callerOf is who calls, in an operation that needs sign-in.
func callerOf(ctx context.Context) access.SignIn {
	caller, ok := ctx.Value(callerKey).(access.SignIn)
	if !ok {
		// An operation reads the caller without having asked for sign-in.
		panic("portal: nobody was authenticated")
	}
	return caller
}

func personOf(ctx context.Context) policies.Person { return callerOf(ctx).Person }

// authenticate says who calls: by bearer token where there is one, else by the
// session cookie. unconfirmed lets in a sign-in that waits for a passkey.
func (p *Portal) authenticate(r *http.Request, unconfirmed bool) (access.SignIn, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok || !strings.HasPrefix(token, bearerPrefix) {
			return access.SignIn{}, signInNeeded()
		}
		return p.config.Flow.Authenticate(r.Context(), sha256.Sum256([]byte(token)), access.CommandLineSignIn, unconfirmed)
	}
	cookie, err := r.Cookie(p.cookie)
	if err != nil || cookie.Value == "" {
		return access.SignIn{}, signInNeeded()
	}
	token := sha256.Sum256([]byte(cookie.Value))
	caller, err := p.config.Flow.Authenticate(r.Context(), token, access.PortalSignIn, unconfirmed)
	if err != nil {
		return access.SignIn{}, err
	}
	if !p.idle.touch(token, caller.Ends, p.config.Now()) {
		if err := p.config.Flow.SignOut(r.Context(), token); err != nil {
			p.log.Warn("ending an idle session", "request_id", requestID(r.Context()), "error", err)
		}
		return access.SignIn{}, signInNeeded()
	}
	return caller, nil
}

func signInNeeded() error {
	return &access.Error{Problem: access.Unauthenticated, Code: access.CodeSignInNeeded, Message: "You are not signed in, or your sign-in is over. Sign in again."}
}

// authenticateHuma runs before anything of an operation's input is read.
func (p *Portal) authenticateHuma(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	caller, err := p.authenticate(c.Request, ctx.Operation().Metadata[unconfirmed] == true)
	if err != nil {
		problem := p.problem(c.Request.Context(), err)
		if problem.Status == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", "Bearer")
		}
		writeProblem(ctx, problem)
		return
	}
	next(huma.WithValue(ctx, callerKey, caller))
}

func writeProblem(ctx huma.Context, problem *api.Error) {
	ctx.SetHeader("Content-Type", problem.ContentType(""))
	ctx.SetStatus(problem.Status)
	_ = json.NewEncoder(ctx.BodyWriter()).Encode(problem)
}

// idleness remembers when portal sessions were last used, in memory, so that
// using one writes nothing. After a restart every session counts as just used.
type idleness struct {
	mu   sync.Mutex
	seen map[[32]byte]lastUse
	next time.Time // when to forget sessions that are over
}

type lastUse struct{ at, ends time.Time }

func newIdleness() *idleness { return &idleness{seen: map[[32]byte]lastUse{}} }

// touch notes a use, and says false if the last one is too long ago.
func (i *idleness) touch(token [32]byte, ends, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.After(i.next) {
		i.next = now.Add(time.Minute)
		for t, last := range i.seen {
			if now.After(last.ends) {
				delete(i.seen, t)
			}
		}
	}
	if last, known := i.seen[token]; known && now.Sub(last.at) > IdleLife {
		return false
	}
	i.seen[token] = lastUse{at: now, ends: ends}
	return true
}
