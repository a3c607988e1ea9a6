// Package provider is the local OpenID provider of stint-dev: dex, embedded,
// with its people and clients given, its keys and refresh tokens kept in a
// SQLite file, and sign-in pages of our own.
//
// It stands in for the identity provider of a company. Nothing else in Stint
// knows that it is not one.
package provider

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/ent/client"
	"github.com/dexidp/dex/storage/ent/db"
	"github.com/dexidp/dex/storage/ent/db/authcode"
	"github.com/dexidp/dex/storage/ent/db/devicerequest"
	"github.com/dexidp/dex/storage/ent/db/refreshtoken"
	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
)

// Client ids of the two OpenID clients.
const (
	PortalClient = "stint-portal" // confidential, one redirect URI
	CLIClient    = "stint-cli"    // public: any loopback port, and the device flow
)

// tokenLife is long for a provider, so that a day's work on a laptop is not
// interrupted; what a token may do is bounded elsewhere.
const tokenLife = 12 * time.Hour

// Config is what a Provider needs; nothing in it has a default.
type Config struct {
	Issuer         string // http://localhost:PORT/PATH
	Listen         string // host:port of the issuer
	Database       string // path of the SQLite file
	Users          []User
	PortalSecret   string
	PortalRedirect string
	Log            *slog.Logger
}

// Provider serves until Close.
type Provider struct {
	http    *http.Server
	storage storage.Storage
	stop    context.CancelFunc
	serving sync.WaitGroup
	log     *slog.Logger
}

//go:embed all:web
var webFiles embed.FS

// Start opens the storage and serves the provider at config.Listen.
func Start(ctx context.Context, config Config) (*Provider, error) {
	issuer, err := url.Parse(config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer is not a URL: %w", err)
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("the OpenID provider cannot listen on %s: %w", config.Listen, err)
	}
	kept, err := openStorage(ctx, config.Database)
	if err != nil {
		listener.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	handler, err := newServer(running, config, kept)
	if err != nil {
		stop()
		listener.Close()
		kept.Close()
		return nil, fmt.Errorf("setting up the OpenID provider: %w", err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET "+issuer.Path+"/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("/", handler)
	p := &Provider{
		http: &http.Server{
			Handler:           http.MaxBytesHandler(mux, 1<<20),
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelWarn),
		},
		storage: kept, stop: stop, log: config.Log,
	}
	p.serving.Go(func() {
		if err := p.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("the OpenID provider stopped serving", "error", err)
		}
	})
	return p, nil
}

// Close ends serving, waits for what is under way (not for ever), and closes
// the storage.
func (p *Provider) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := p.http.Shutdown(ctx); err != nil {
		p.http.Close()
	}
	p.serving.Wait()
	p.stop()
	return p.storage.Close()
}

func newServer(ctx context.Context, config Config, kept storage.Storage) (*server.Server, error) {
	now := time.Now
	keys := signer.LocalConfig{KeysRotationPeriod: "720h"}
	signing, err := keys.Open(ctx, kept, tokenLife, now, config.Log)
	if err != nil {
		return nil, err
	}
	// Rotating refresh tokens that may be used again for a minute, so that a
	// client that lost the answer is not locked out.
	refresh, err := server.NewRefreshTokenPolicy(config.Log, false, "720h", "2160h", "60s")
	if err != nil {
		return nil, err
	}
	pages, err := fs.Sub(webFiles, "web")
	if err != nil {
		return nil, err
	}
	given, err := withGiven(config, kept)
	if err != nil {
		return nil, err
	}
	return server.NewServer(ctx, server.Config{
		Issuer:  config.Issuer,
		Storage: given,
		// Named, because token exchange is on by default.
		AllowedGrantTypes:      []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		SupportedResponseTypes: []string{"code"},
		SkipApprovalScreen:     true,
		IDTokensValidFor:       tokenLife,
		AuthRequestsValidFor:   time.Hour,
		DeviceRequestsValidFor: 10 * time.Minute,
		RefreshTokenPolicy:     refresh,
		Web:                    server.WebConfig{WebFS: pages, Issuer: "Stint"},
		Logger:                 config.Log,
		Signer:                 signing,
		Now:                    now,
	})
}

// withGiven lays the clients and the people over the storage.
func withGiven(config Config, kept storage.Storage) (storage.Storage, error) {
	given := storage.WithStaticClients(kept, []storage.Client{
		{ID: PortalClient, Name: "the Stint portal", Secret: config.PortalSecret, RedirectURIs: []string{config.PortalRedirect}},
		{ID: CLIClient, Name: "the stint command", Public: true},
	})
	one, err := people(config.Users).asConnector()
	if err != nil {
		return nil, err
	}
	return storage.WithStaticConnectors(given, []storage.Connector{one}), nil
}

// A device flow of a public client has neither a client secret nor a nonce, and
// dex's ent schema refuses to store what is empty; its other storages do not.
func init() {
	allowed := func(string) error { return nil }
	devicerequest.ClientSecretValidator = allowed
	authcode.NonceValidator = allowed
	refreshtoken.NonceValidator = allowed
}

// creating guards the tables of ent, a global that creating them writes to.
var creating sync.Mutex

func openStorage(ctx context.Context, file string) (*client.Database, error) {
	options := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"foreign_keys(1)", "busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)",
	}}
	// url.URL would escape more than SQLite's URI form wants unescaped.
	database, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, fmt.Errorf("opening the provider's database: %w", err)
	}
	// One connection: what dex does for SQLite itself.
	database.SetMaxOpenConns(1)
	kept := client.NewDatabase(
		client.WithClient(db.NewClient(db.Driver(entsql.OpenDB(dialect.SQLite, database)))),
		client.WithHasher(sha256.New),
	)
	creating.Lock()
	err = kept.Schema().Create(ctx)
	creating.Unlock()
	if err != nil {
		kept.Close()
		return nil, fmt.Errorf("creating the provider's tables in %s: %w", file, err)
	}
	return kept, nil
}
