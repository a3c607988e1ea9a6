package recorder

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"stint/recorder/sshproxy"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

const (
	// deliverTime is how long a proxy that stops may go on delivering recordings.
	// What is left then waits on its disk for the next start.
	deliverTime = 4 * time.Second
	// tellTime is how long the broker may take to hear that the proxy drains, before
	// the door is shut.
	tellTime = time.Second
)

// Ready is what a proxy says of itself when it serves.
type Ready struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"` // the address for SSH, with the real port
}

// Run serves until ctx ends and then stops. It calls ready once it accepts SSH, which
// takes until the signer has given it a host certificate the first time. Signer and broker may
// come and go.
//
// When ctx ends, it drains for as long as the configuration says: no session starts, and
// those that live may go on. Then, or at a second SIGTERM or interrupt, it ends every session
// within ten seconds, closes its recording and delivers what it can. At SIGUSR1, or when
// [Drain] asks, it drains without a bound, and returns when the last session is over.
func Run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
	return run(ctx, config, log, ready, false)
}

// TakeOver is Run in the place of the process that serves with the same data directory:
// it listens where that one does, so that nobody is turned away, and then has it drain. Where none
// serves, it is Run.
func TakeOver(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
	return run(ctx, config, log, ready, true)
}

// Drain has the process that serves with a configuration's data directory drain, and
// returns when it has begun to.
func Drain(ctx context.Context, config Config, log *slog.Logger, _ func(Ready) error) error {
	before, err := findPredecessor(config.Data)
	if err == nil && before == nil {
		err = fmt.Errorf("no proxy serves with %s", config.Data)
	}
	if err != nil {
		return err
	}
	if err := before.drain(ctx); err != nil {
		return err
	}
	log.Info("the proxy drains: it ends when its last session does")
	return nil
}

func run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error, takeOver bool) error {
	if err := config.Check(); err != nil {
		return err
	}
	own, err := tls.LoadX509KeyPair(config.TLS.Certificate, config.TLS.Key)
	if err != nil {
		return fmt.Errorf("reading the proxy's certificate: %w", err)
	}
	broker, err := wire.NewClient(config.Broker.URL, config.Broker.Key, own)
	if err != nil {
		return err
	}
	defer broker.Close()
	signs, err := signer.NewClient(config.Signer.URL, config.Signer.Key, own)
	if err != nil {
		return err
	}
	defer signs.Close()

	place, err := findPlace(config, takeOver)
	if err != nil {
		return err
	}
	defer place.leave()
	recordings, err := openSpools(config.Data, config.Spool, broker, log)
	if err != nil {
		return err
	}
	defer func() {
		deadline, cancel := context.WithTimeout(context.Background(), deliverTime)
		defer cancel()
		recordings.close(deadline)
	}()
	proxy, err := sshproxy.New(sshproxy.Options{
		Name: config.Name, Version: version(), Directory: config.Data, Signer: signs, Broker: broker, Spool: recordings.own, Log: log,
	})
	if err != nil {
		return err
	}
	defer proxy.Stop()
	select {
	case <-proxy.Ready():
	case <-ctx.Done():
		return nil
	}
	return serve(ctx, config, log, ready, place, recordings, proxy, newEnds(config, own, log))
}

// serve accepts SSH until it is told to stop, and then drains.
func serve(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error, place *place, recordings *spools, proxy *sshproxy.Proxy, ends *ends) error {
	listener, err := place.listen(ctx)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- proxy.Serve(listener) }()
	shut := func() {
		listener.Close()
		<-served
		ends.shut()
	}
	defer ends.close()
	if err := place.take(ctx, listener, log); err != nil {
		shut()
		return err
	}
	recordings.adopt()
	if err := ends.open(ctx, proxy); err != nil {
		shut()
		return err
	}
	drains := make(chan os.Signal, 1)
	signal.Notify(drains, syscall.SIGUSR1)
	defer signal.Stop(drains)

	log.Info("the proxy serves", "listen", listener.Addr().String(), "name", config.Name)
	if err := ready(Ready{PID: os.Getpid(), Listen: listener.Addr().String()}); err != nil {
		shut()
		return err
	}
	bound := time.Duration(config.DrainSeconds) * time.Second
	stop := ctx.Done()
	select {
	case <-ctx.Done():
		if bound == 0 {
			shut()
			return nil
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGTERM, syscall.SIGINT)
		defer signal.Stop(again)
		enough, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
		defer cancel()
		go func() {
			select {
			case <-again:
				cancel()
			case <-enough.Done():
			}
		}()
		stop = enough.Done()
		log.Info("the proxy drains", "for", bound.String())
	case <-drains:
		bound = 0
		log.Info("the proxy drains until its last session is over")
	case <-place.drains():
		bound = 0
		log.Info("the proxy drains until its last session is over")
	case err := <-served:
		served <- nil
		shut()
		return errors.Join(errors.New("the proxy accepts no more"), err)
	}

	// 1. No session starts, and the broker sends nobody here. 2. The door is shut; a
	// process that takes over has it open. 3. Another may serve with the data directory.
	var until time.Time
	if bound > 0 {
		until = time.Now().Add(bound)
	}
	telling, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	proxy.Drain(telling, until)
	cancel()
	shut()
	recordings.leave()
	place.leave()
	// 4. The last session is over, or there is no more time.
	select {
	case <-proxy.Gone():
		select {
		case <-ends.gone():
			log.Info("the last session is over")
		case <-stop:
		}
	case <-stop:
	}
	return nil
}

// version is what the program was built from.
func version() string {
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range built.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(len(setting.Value), 12)]
		}
	}
	return built.Main.Version
}

// place is a process's place in the data directory and at the door.
type place struct {
	config  Config
	before  *predecessor // nil where this process takes over from none
	control *control     // nil until it has the place, and where there is no socket
	unlock  func()       // nil while it does not hold the data directory
}

// findPlace takes the place of a data directory, or finds who has it.
func findPlace(config Config, takeOver bool) (*place, error) {
	p := &place{config: config}
	var err error
	if takeOver {
		if p.before, err = findPredecessor(config.Data); err != nil {
			return nil, err
		}
	}
	if p.before == nil {
		p.unlock, err = lockDirectory(config.Data)
	}
	return p, err
}

// listen is where the process before listens, or where the configuration says.
func (p *place) listen(ctx context.Context) (net.Listener, error) {
	if p.before != nil {
		if listener, err := p.before.listener(ctx, p.config.Listen); err != nil || listener != nil {
			return listener, err
		}
	}
	listener, err := net.Listen("tcp", p.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for SSH: %w", err)
	}
	return listener, nil
}

// take has the process before drain, once this one accepts where it listens, and holds
// the data directory from then on.
func (p *place) take(ctx context.Context, listener net.Listener, log *slog.Logger) (err error) {
	if p.before != nil {
		if err := p.before.drain(ctx); err != nil {
			return err
		}
		if p.unlock, err = lockDirectory(p.config.Data); err != nil {
			return err
		}
	}
	if p.control, err = openControl(p.config.Data, listener, log); err != nil {
		// It serves all the same: it drains at a signal, and none can take over.
		log.Warn("no other process can take over from this one", "error", err)
	}
	return nil
}

// drains is closed when another process asks this one to drain.
func (p *place) drains() <-chan struct{} {
	if p.control == nil {
		return nil
	}
	return p.control.drains
}

// leave gives the place up. Calling it again does nothing.
func (p *place) leave() {
	if p.unlock != nil {
		p.unlock()
		p.unlock = nil
	}
	if p.control != nil {
		p.control.free()
		p.control = nil
	}
}
