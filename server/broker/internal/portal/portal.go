// Package portal is the broker's HTTP surface for people: the API that
// server/api describes, the portal's pages, and sign-in. It decides nothing: it
// says who calls, refuses what is malformed or comes from elsewhere, and turns
// the flow's answers into the API's.
//
//	request id ─► panics ─► log ─► headers ─► host ─► origin ─► routes
//	                                                            ├ /api, /healthz   huma operations (operations.go)
//	                                                            ├ /auth            sign-in (signin.go)
//	                                                            └ everything else  the web (assets.go)
package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/mod/sumdb/note"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/login"
	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/passkeys"
	"stint/server/broker/internal/proxies"
	"stint/server/broker/internal/recordings"
	"stint/server/broker/internal/signing"
	"stint/web"
)

// Store is what the portal reads beside the flow.
type Store interface {
	Checkpoint(ctx context.Context, origin string, signer note.Signer) (string, int64, error)
	AuditPage(ctx context.Context, from int64, limit int, origin string, signer note.Signer) (leaves []access.AuditLeaf, checkpoint string, err error)
	Read(ctx context.Context, fn func(access.Reader) error) error
	Ping(ctx context.Context) error
}

// Config wires a Portal; every field is required but those that say otherwise.
type Config struct {
	Instance string
	URL      string   // scheme and host
	Origins  []string // exact; URL is one of them
	Issuer   string
	ClientID string // the command line's own
	// Proxies says which open a target, and how they are.
	Proxies *proxies.Directory
	// Balancers are the addresses of what hands people's connections on and says in
	// X-Forwarded-For whose they are; nobody else is believed about that. May be empty.
	Balancers []string

	Flow       *access.Service
	Store      Store
	Signing    *signing.Client
	Login      *login.Provider
	Registrar  *passkeys.Registrar
	Recordings *recordings.Keeper
	Audit      AuditKey
	Mirror     Mirror
	Prover     Prover
	Monitor    Monitor

	// Troubles says what else does not work, one sentence each; may be nil.
	Troubles func() []string
	Now      func() time.Time
	Random   io.Reader
	Log      *slog.Logger
}

// AuditKey signs checkpoints of the audit log.
type AuditKey struct {
	Origin   string
	Signer   note.Signer
	Verifier string // verifier key, for people to keep
}

// Portal serves people. It is safe for concurrent use.
type Portal struct {
	config  Config
	cookie  string // name of the session cookie
	secure  bool
	hosts   map[string]bool
	origins map[string]bool
	openAPI []byte
	targets kept[targetTrust]
	began   kept[mirror.Proven]
	assets  *assets
	idle    *idleness
	replays *replays
	reports reports
	// strangers bounds what comes in without sign-in.
	strangers *strangers
	turns     *turns
	handler   http.Handler
	log       *slog.Logger
}

// New checks the wiring and builds the routes.
func New(c Config) (*Portal, error) {
	if c.Instance == "" || c.URL == "" || len(c.Origins) == 0 || c.Issuer == "" || c.ClientID == "" || c.Flow == nil || c.Store == nil ||
		c.Signing == nil || c.Login == nil || c.Registrar == nil || c.Recordings == nil || c.Audit.Signer == nil || c.Mirror == nil || c.Prover == nil || c.Monitor == nil ||
		c.Now == nil || c.Random == nil || c.Log == nil {
		return nil, errors.New("portal: the wiring is incomplete")
	}
	p := &Portal{
		config: c, cookie: "stint_" + c.Instance, secure: strings.HasPrefix(c.URL, "https://"),
		hosts: map[string]bool{}, origins: map[string]bool{},
		idle: newIdleness(), replays: newReplays(), strangers: newStrangers(), turns: newTurns(), log: c.Log,
	}
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return nil, errors.New("portal: an origin is not a URL")
		}
		p.origins[origin], p.hosts[u.Host] = true, true
	}
	var err error
	if p.assets, err = loadAssets(web.Assets()); err != nil {
		return nil, err
	}
	if err := p.route(); err != nil {
		return nil, err
	}
	return p, nil
}

// ServeHTTP answers one request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Portal) route() error {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash, engine.RedirectFixedPath = false, false
	engine.HandleMethodNotAllowed = true
	engine.ContextWithFallback = true
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := engine.SetTrustedProxies(p.config.Balancers); err != nil {
		return fmt.Errorf("balancers: %w", err)
	}
	engine.Use(p.identified, p.guarded, p.logged, p.headed, p.fromKnownHost, p.fromOwnOrigin)

	described := newAPI(engine)
	p.register(described)
	document, err := encodeOpenAPI(described)
	if err != nil {
		return err
	}
	p.openAPI = document
	engine.GET(api.PathOpenAPI, func(c *gin.Context) { c.Data(http.StatusOK, "application/json", p.openAPI) })
	engine.GET(api.PathPortalSignIn, p.bounded, p.beginSignIn)
	engine.GET(api.PathCallback, p.bounded, p.finishSignIn)
	p.routeLedger(engine)
	engine.NoMethod(func(c *gin.Context) {
		p.refuse(c, &api.Error{Status: http.StatusMethodNotAllowed, Code: "method.not-allowed", Title: "This path does not take " + c.Request.Method + "."})
	})
	engine.NoRoute(p.serveAsset)
	p.handler = engine
	return nil
}

func (p *Portal) policy() *policies.Bundle { return p.config.Signing.Policy() }
