package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"stint/policies"
	"stint/recorder/wire"
	"stint/server/access"
	"stint/server/api"
	"stint/server/broker/internal/facts"
	"stint/server/broker/internal/fleet"
	"stint/server/broker/internal/login"
	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/monitor"
	"stint/server/broker/internal/passkeys"
	"stint/server/broker/internal/portal"
	"stint/server/broker/internal/proxies"
	"stint/server/broker/internal/recordings"
	"stint/server/broker/internal/signing"
	"stint/server/broker/internal/store"
	signerwire "stint/server/signer/wire"
)

// Ready is what a broker says of itself once it answers.
type Ready struct {
	PID         int    `json:"pid"`
	Listen      string `json:"listen"`       // host:port of portal and API
	ProxyListen string `json:"proxy_listen"` // host:port for proxies
}

const (
	// shutdownTime bounds how long calls under way may take once the broker stops.
	shutdownTime = 5 * time.Second
	purgeEvery   = 5 * time.Minute
)

// Run serves until ctx ends, then lets calls under way finish and returns. It
// calls ready once, when both listeners answer. An error means that the broker
// could not start, or could not go on.
func Run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
	if err := config.Check(); err != nil {
		return err
	}
	b, err := assemble(ctx, config, log)
	if err != nil {
		return err
	}
	return errors.Join(b.listenAndServe(ctx, ready), b.close())
}

// close lets go of what assemble opened.
func (b *broker) close() error {
	b.signer.Close()
	if b.fleet != nil {
		b.fleet.Close()
	}
	if b.facts != nil {
		b.facts.Close()
	}
	return errors.Join(b.recordings.Close(), b.store.Close())
}

func (b *broker) listenAndServe(ctx context.Context, ready func(Ready) error) error {
	people, err := b.listen()
	if err != nil {
		return err
	}
	machines, err := net.Listen("tcp", b.config.ProxyListen)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for proxies: %w", err), people.Close())
	}
	return b.serve(ctx, people, machines, ready)
}

// broker is the process, wired.
type broker struct {
	config     Config
	log        *slog.Logger
	store      *store.Store
	flow       *access.Service
	signer     *signerwire.Client
	signing    *signing.Client
	fleet      *fleet.Client // nil where none is configured
	facts      *facts.Client // nil where none is configured
	login      *login.Provider
	recordings *recordings.Keeper
	mirror     *mirror.Mirror
	monitor    *monitor.Monitor
	portal     *portal.Portal
	proxies    *proxies.Server

	mu            sync.Mutex
	policyTrouble string
}

// systemClock is the real clock; its differences are monotonic.
type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

func assemble(ctx context.Context, config Config, log *slog.Logger) (_ *broker, err error) {
	b := &broker{config: config, log: log}
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	identity, authority, err := config.TLS.load()
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(config.Issuer.PortalClientSecretFile)
	if err != nil {
		return nil, fmt.Errorf("reading the portal's client secret: %w", err)
	}
	own, err := policies.Load(os.DirFS(config.Policy))
	if err != nil {
		return nil, fmt.Errorf("loading the policy: %w", err)
	}
	audit, err := openAuditKey(filepath.Join(config.Data, "audit.key"), "stint-broker/"+config.Instance, rand.Reader)
	if err != nil {
		return nil, err
	}
	if b.signer, err = signerwire.NewClient(config.Signer.URL, config.Signer.Key, identity); err != nil {
		return nil, err
	}
	b.signing = signing.New(b.signer, own, b.confirm, log)
	if b.login, err = login.New(login.Config{
		Issuer: config.Issuer.URL, URL: config.URL, PortalClient: config.Issuer.PortalClientID,
		PortalSecret: strings.TrimSpace(string(secret)), CommandLineClient: config.Issuer.CommandLineClientID,
		Now: time.Now, Random: rand.Reader, Log: log,
	}); err != nil {
		return nil, err
	}

	// From here on there is something to close.
	if b.store, err = store.Open(ctx, config.Database, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.store.Close())
		}
	}()
	bucket, err := config.Recordings.open(ctx)
	if err != nil {
		return nil, err
	}
	if b.recordings, err = recordings.Open(filepath.Join(config.Data, "recordings"), bucket); err != nil {
		return nil, err
	}
	endings, statuses := proxies.NewEndings(), proxies.NewStatuses(time.Now)
	if err = b.openFlow(endings); err != nil {
		return nil, err
	}
	if b.mirror, err = mirror.New(mirror.Config{Signer: b.signer, Store: b.store, Alarms: b.flow, Now: time.Now, Log: log}); err != nil {
		return nil, err
	}
	if b.monitor, err = monitor.New(monitor.Config{Mirror: b.mirror, Store: b.store, Alarms: b.flow, Log: log}); err != nil {
		return nil, err
	}
	registrar, err := passkeys.New(passkeys.Config{
		RelyingParty: config.RelyingParty, Origins: config.Origins, Ceremonies: b.store, People: b.flow,
		Attested: func() bool { return len(b.signing.Policy().Organization().Attestation.Groups) > 0 },
		Now:      time.Now, Random: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	if b.portal, err = portal.New(portal.Config{
		Instance: config.Instance, URL: config.URL, Origins: config.Origins,
		Issuer: config.Issuer.URL, ClientID: config.Issuer.CommandLineClientID, Proxies: func() []api.Proxy { return config.addresses(statuses.Serves) }, Balancers: config.Balancers,
		Flow: b.flow, Store: b.store, Signing: b.signing, Login: b.login, Registrar: registrar, Recordings: b.recordings,
		Audit: audit, Mirror: b.store, Prover: b.mirror, Monitor: b.monitor, Troubles: b.troubles, Now: time.Now, Random: rand.Reader, Log: log,
	}); err != nil {
		return nil, err
	}
	b.proxies, err = proxies.New(proxies.Config{
		Certificate: identity, Authority: authority, Names: config.proxyNames(),
		Flow: b.flow, Marker: b.store, Endings: endings, Statuses: statuses, Recordings: b.recordings, Log: log,
	})
	return b, err
}

// openFlow wires the flow, and the Fleet server and the source of facts that it asks
// where they are configured.
func (b *broker) openFlow(endings *proxies.Endings) (err error) {
	flow := access.Config{
		Instance: b.config.Instance, Store: b.store, Signer: b.signing, Notifier: endings, Clock: systemClock{},
		Random: rand.Reader, Policy: b.signing.Policy, Lease: wire.Lease, Log: b.log,
	}
	if b.config.Fleet != nil {
		if b.fleet, err = b.config.Fleet.open(); err != nil {
			return err
		}
		flow.Fleet = b.fleet
	}
	if b.config.Facts != nil {
		if b.facts, err = b.config.Facts.open(); err != nil {
			return err
		}
		flow.Facts = b.facts
	}
	b.flow, err = access.New(flow)
	return err
}

// serve answers until ctx ends or a part fails. It owns every goroutine it
// starts, and returns after the last.
func (b *broker) serve(ctx context.Context, people, machines net.Listener, ready func(Ready) error) error {
	server := &http.Server{
		Handler: b.portal, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelInfo),
	}

	// Jobs outlive the listeners: what a last call has begun is still carried on.
	jobs, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	for _, job := range []func(context.Context){b.signing.Run, b.mirror.Run, b.monitor.Run, b.login.Run, b.flow.Run, b.keep, b.purge, b.reload} {
		working.Go(func() { job(jobs) })
	}
	serving, ctx := errgroup.WithContext(ctx)
	serving.Go(func() error {
		if err := server.Serve(people); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving people: %w", err)
		}
		return nil
	})
	serving.Go(func() error {
		if err := b.proxies.Serve(machines); err != nil {
			return fmt.Errorf("serving proxies: %w", err)
		}
		return nil
	})
	serving.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- b.proxies.Shutdown(ending) }()
		if err := server.Shutdown(ending); err != nil {
			b.log.Warn("calls were cut off", "error", errors.Join(err, server.Close()))
		}
		if err := <-stopped; err != nil {
			b.log.Warn("calls of proxies were cut off", "error", err)
		}
		return nil
	})
	serving.Go(func() error {
		b.log.Info("serving", "listen", people.Addr().String(), "proxy_listen", machines.Addr().String(), "url", b.config.URL)
		return ready(Ready{PID: os.Getpid(), Listen: people.Addr().String(), ProxyListen: machines.Addr().String()})
	})
	err := serving.Wait()
	stopJobs()
	working.Wait()
	return err
}

func (b *broker) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", b.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for people: %w", err)
	}
	if b.config.PortalTLS == nil {
		return listener, nil
	}
	pair, err := tls.LoadX509KeyPair(b.config.PortalTLS.Certificate, b.config.PortalTLS.Key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the portal's certificate: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}), nil
}

// keep looks after the recordings of sessions that are over.
func (b *broker) keep(ctx context.Context) {
	b.recordings.Keep(ctx, recordings.Keeping{
		Flow: b.flow, Archive: b.store, Retention: b.config.Recordings.retention(), Now: time.Now, Log: b.log,
	})
}

// purge forgets what is over, now and then.
func (b *broker) purge(ctx context.Context) {
	for {
		if err := b.store.Purge(ctx, time.Now()); err != nil && ctx.Err() == nil {
			b.log.Warn("forgetting what is over", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(purgeEvery):
		}
	}
}

// reload loads the policy anew at each SIGHUP. A faulty one changes nothing.
func (b *broker) reload(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		own, err := policies.Load(os.DirFS(b.config.Policy))
		b.mu.Lock()
		b.policyTrouble = ""
		if err != nil {
			b.policyTrouble = "The policy files have faults, so the policy before is still in force; the log names them."
			b.log.Error("reloading the policy", "error", err)
		} else {
			b.signing.SetOwn(own)
			b.log.Info("reloaded the policy", "digest", own.Digest())
		}
		b.mu.Unlock()
	}
}

// confirm has the mirror confirm a signer that has begun anew.
func (b *broker) confirm(ctx context.Context, origin string) error {
	return b.mirror.Confirm(ctx, origin)
}

func (b *broker) troubles() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var troubles []string
	for _, trouble := range []string{b.policyTrouble, b.mirror.Trouble(), b.fleetTrouble(), b.factTrouble()} {
		if trouble != "" {
			troubles = append(troubles, trouble)
		}
	}
	return troubles
}

// fleetTrouble says why what roles ask of Fleet cannot be known.
func (b *broker) fleetTrouble() string {
	if b.fleet != nil {
		return b.flow.FleetTrouble()
	}
	for _, role := range b.signing.Policy().Roles() {
		if role.Device.Fleet != nil {
			return "A role asks for Fleet's word, and the broker's configuration names no Fleet server: nobody can use it."
		}
	}
	return ""
}

// factTrouble says why facts that conditions of roles read cannot be known.
func (b *broker) factTrouble() string {
	if b.facts != nil {
		return b.flow.FactTrouble()
	}
	policy := b.signing.Policy()
	for _, role := range policy.Roles() {
		if len(policy.Needs(role.Name).Asserted) > 0 {
			return "A role's conditions read asserted facts, and the broker's configuration names no source of them: what restricts by them refuses."
		}
	}
	return ""
}

func (f Facts) open() (*facts.Client, error) {
	token, err := os.ReadFile(f.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the token for the source of facts: %w", err)
	}
	var roots *x509.CertPool
	if f.RootsFile != "" {
		if roots, err = readRoots(f.RootsFile); err != nil {
			return nil, err
		}
	}
	return facts.NewClient(f.URL, strings.TrimSpace(string(token)), time.Duration(f.TimeoutSeconds)*time.Second, roots, time.Now)
}

func (f Fleet) open() (*fleet.Client, error) {
	token, err := os.ReadFile(f.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the token for Fleet: %w", err)
	}
	var roots *x509.CertPool
	if f.RootsFile != "" {
		if roots, err = readRoots(f.RootsFile); err != nil {
			return nil, err
		}
	}
	return fleet.NewClient(f.URL, strings.TrimSpace(string(token)), roots)
}

func (t TLS) load() (tls.Certificate, *x509.CertPool, error) {
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("reading the broker's certificate: %w", err)
	}
	authority, err := readRoots(t.Authority)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return pair, authority, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return roots, nil
}

// addresses are where people's ssh is sent: to the proxies that take new sessions. Where
// none is known to, all are named, and say themselves what is the matter.
func (c Config) addresses(serves func(proxy string) bool) []api.Proxy {
	var all, serving []api.Proxy
	for _, p := range c.Proxies {
		address := api.Proxy{Name: p.Name, Address: p.Address}
		if all = append(all, address); serves(p.Name) {
			serving = append(serving, address)
		}
	}
	if len(serving) == 0 {
		return all
	}
	return serving
}

func (c Config) proxyNames() map[string]string {
	names := map[string]string{}
	for _, p := range c.Proxies {
		names[p.Key] = p.Name
	}
	return names
}
