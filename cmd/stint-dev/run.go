package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stint/cmd/stint-dev/internal/certificates"
	"stint/cmd/stint-dev/internal/demo"
	"stint/cmd/stint-dev/internal/installation"
	"stint/cmd/stint-dev/internal/provider"
	"stint/cmd/stint-dev/internal/supervisor"
	"stint/cmd/stint-dev/internal/target"
	"stint/policies/bundle"
	"stint/server/api"
	"stint/server/evidence"
)

// Config is what the command line says.
type Config struct {
	Data        string // directory that holds everything
	Listen      string // localhost:PORT of the portal
	ListenGiven bool   // the person named Listen
	ReadyFile   string // empty: none is written
	NoDemo      bool
	Database    string // postgres:// URL; empty: SQLite in Data
	Bin         string // directory of the other binaries; empty: this one's
}

// Names of the processes, also the common names of their certificates.
const (
	brokerName = "broker"
	signerName = "signer"
	proxyName  = "proxy-1"
)

// world is everything that runs, in the order it was started.
type world struct {
	config       Config
	installation *installation.Installation
	certificates *certificates.Set
	targets      []*target.Target
	targetBase   string // directory of the targets
	supervisor   *supervisor.Supervisor
	recordings   bundle.Recordings // the public halves of the keys
	log          *slog.Logger
	trust        signerTrust
	demo         *demo.Demo // nil with --no-demo

	closers []func()

	readyMu sync.Mutex // one writer of the ready file
	ready   bool
}

// Run starts everything, says where it is, and keeps it running until ctx is
// done; then it stops all of it. An error says what could not be started.
func Run(ctx context.Context, config Config) error {
	w := &world{config: config}
	defer w.close()
	err := w.start(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "stopping")
		return nil
	case err != nil:
		return err
	}
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "stopping")
	return nil
}

// start brings up one thing after another, each on what is there already.
func (w *world) start(ctx context.Context) error {
	// 1. What this installation is: chosen at its first start, kept since.
	if err := w.open(); err != nil {
		return err
	}
	if err := w.openDemo(); err != nil {
		return err
	}
	// 2. Host keys of the targets, and the policy that names them.
	if err := w.prepareTargets(); err != nil {
		return err
	}
	// 3. The OpenID provider, which the others ask for its keys.
	if err := w.startProvider(ctx); err != nil {
		return err
	}
	// 4. The signer, and from it whom targets are to believe at the first time.
	if err := w.startProcess(ctx, w.signer()); err != nil {
		return err
	}
	var err error
	if w.trust, err = w.askSigner(ctx); err != nil {
		return err
	}
	if err := w.comparePolicy(); err != nil {
		return err
	}
	// 5. Broker, targets and proxy.
	if err := w.startProcess(ctx, w.broker()); err != nil {
		return err
	}
	if err := w.startTargets(ctx); err != nil {
		return err
	}
	if err := w.startProcess(ctx, w.proxy()); err != nil {
		return err
	}
	// 6. Say so.
	if err := w.announce(); err != nil {
		return err
	}
	w.greet(os.Stdout)
	// 7. And, at a first start, something to look at.
	w.startDemo()
	return nil
}

// openDemo reads how far the demo scenario is; it stays nil where none is wanted.
func (w *world) openDemo() (err error) {
	if w.config.NoDemo {
		return nil
	}
	engineer, _ := w.installation.User(installation.DemoEngineer)
	w.demo, err = demo.Open(demo.Config{
		Dir: w.path("demo"), Portal: w.installation.PortalURL(), Stint: filepath.Join(w.config.Bin, "stint"),
		Engineer: demo.Person{Name: engineer.Name, Password: engineer.Password},
		Role:     demoRole, Target: demoTarget, Pace: 1, Log: w.log,
	})
	return err
}

// startDemo performs the scenario beside everything else.
func (w *world) startDemo() {
	if w.demo == nil || w.demo.Done() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var performing sync.WaitGroup
	performing.Go(func() {
		switch err := w.demo.Run(ctx); {
		case ctx.Err() != nil: // the next start goes on
		case err != nil:
			w.log.Warn("the demo scenario did not come to its end; the next start tries again", "error", err)
		default:
			fmt.Println("The demo session is recorded. Sign in as carol to replay it.")
		}
	})
	w.onClose(func() { cancel(); performing.Wait() })
}

func (w *world) open() error {
	data, err := filepath.Abs(w.config.Data)
	if err != nil {
		return err
	}
	if w.config.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		w.config.Bin = filepath.Dir(self)
	}
	if w.config.Bin, err = filepath.Abs(w.config.Bin); err != nil {
		return err
	}
	if err := checkBinaries(w.config.Bin); err != nil {
		return err
	}
	// A file of an earlier run would tell of what is no longer there.
	if w.config.ReadyFile != "" {
		if err := os.Remove(w.config.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the old ready file: %w", err)
		}
	}
	w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	w.installation, err = installation.Open(data, w.config.Listen, w.config.ListenGiven, targetNames())
	if err != nil {
		return err
	}
	w.onClose(func() { w.installation.Close() })
	for _, name := range []string{"log", "run", "config", brokerName, signerName, proxyName} {
		if err := os.MkdirAll(w.path(name), 0o700); err != nil {
			return err
		}
	}
	w.certificates, err = certificates.Open(w.path("tls"), []string{brokerName, signerName, proxyName}, time.Now())
	if err != nil {
		return fmt.Errorf("certificates between the processes: %w", err)
	}
	if err := w.openRecordingKeys(); err != nil {
		return err
	}
	w.supervisor = supervisor.New(supervisor.Config{
		LogDir: w.path("log"), Log: w.log,
		Changed: func(map[string]int) {
			if err := w.rewriteReady(); err != nil {
				w.log.Error("the ready file could not be written", "error", err)
			}
		},
	})
	w.onClose(w.supervisor.Stop)
	return nil
}

func withoutTime(groups []string, attribute slog.Attr) slog.Attr {
	if attribute.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Attr{}
	}
	return attribute
}

// path is a file or directory of the installation.
func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.installation.Dir()}, parts...)...)
}

func (w *world) onClose(f func()) { w.closers = append(w.closers, f) }

// close undoes what start did, in reverse.
func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.closers = nil
}

func (w *world) startProvider(ctx context.Context) error {
	file, err := os.OpenFile(w.path("log", "provider.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w.onClose(func() { file.Close() })
	var users []provider.User
	for _, user := range w.installation.Users {
		users = append(users, w.providerUser(user))
	}
	running, err := provider.Start(ctx, provider.Config{
		Issuer: w.installation.Issuer(), Listen: w.installation.Address(installation.Provider), Database: w.path("provider.db"),
		Users: users, PortalSecret: w.installation.PortalSecret, PortalRedirect: w.installation.PortalURL() + api.PathCallback,
		Log: slog.New(slog.NewJSONHandler(io.Writer(file), nil)),
	})
	if err != nil {
		return err
	}
	w.onClose(func() { running.Close() })
	return nil
}

func (w *world) providerUser(user installation.User) provider.User {
	return provider.User{Name: user.Name, Email: user.Email, Subject: user.Subject, Password: user.Password, Groups: user.Groups}
}

// signerTrust is the part of the signer's answer that matters here.
type signerTrust struct {
	Trust evidence.Trust `json:"trust"`
}
