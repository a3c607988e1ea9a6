package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	stopTimeout    = 6 * time.Second // for calls that are under way when the signer is told to stop
	flushTimeout   = 3 * time.Second // for what is still to be recorded then
	refusalsEvery  = time.Minute
	firstKeysEvery = 3 * time.Second // until the provider has answered once
)

// Ready is what a signer says of itself when it takes calls.
type Ready struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"` // with the real port
}

// Run is the signer, from start to stop. It calls ready once it takes calls. It
// returns nil when ctx ended and everything was brought to
// the disk, and an error when it could not start, or could not go on: after a
// failed write nothing but a new start is safe.
func Run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
	if err := config.check(); err != nil {
		return err
	}
	// 1. Nobody else gets at the keys.
	if err := guardMemory(log); err != nil {
		return err
	}
	// 2. The signer, with its ledger read.
	s, err := openSigner(ctx, config, time.Now, log)
	if err != nil {
		return err
	}
	err = s.serve(ctx, ready)
	// 5. What was refused since the last minute is recorded, and the ledger closed.
	if s.book.journal.Err() == nil {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		err = errors.Join(err, s.recordRefusals(flush))
	}
	return errors.Join(err, s.close())
}

// guardMemory keeps other processes of this user, core files and, where the system
// allows it, swap from the keys.
func guardMemory(log *slog.Logger) error {
	if err := stayInMemory(); err != nil {
		log.Warn("the signer's memory may reach swap; raise the limit of locked memory (LimitMEMLOCK=infinity), or encrypt swap or turn it off", "error", err)
	}
	return harden()
}

// serve takes calls until ctx ends or the ledger fails.
func (s *signer) serve(ctx context.Context, ready func(Ready) error) error {
	// 3. The door.
	server, err := newServer(s, s.log).httpServer(s.config.TLS)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	// 4. Everything that runs beside the calls, and is waited for.
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { s.whenConfirmed(ctx, s.keepRing) })
	running.Go(func() { s.whenConfirmed(ctx, s.keepKeys) })
	running.Go(func() { s.whenConfirmed(ctx, s.keepRefusals) })
	running.Go(func() { s.whenConfirmed(ctx, s.completePolicy) })
	running.Go(func() { s.keepHangups(ctx) })
	if len(s.witnesses) > 0 {
		running.Go(func() { s.keepWitnesses(ctx) })
	}
	if err := s.beginCeremony(ctx, &running); err != nil {
		return errors.Join(err, listener.Close())
	}
	stopped := make(chan error, 1)
	running.Go(func() { stopped <- server.Serve(tls.NewListener(listener, server.TLSConfig)) })
	s.log.Info("the signer is ready", "listen", listener.Addr().String(), "log", s.ring.Log().Name())
	err = ready(Ready{PID: os.Getpid(), Listen: listener.Addr().String()})
	if err == nil {
		select {
		case <-ctx.Done():
		case <-s.book.journal.Failed():
			err = s.book.journal.Err()
		case <-s.book.standing.doubted:
			err = s.book.standing.why()
		case err = <-stopped:
		}
	}
	calls, cancelCalls := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancelCalls()
	if shutdownErr := server.Shutdown(calls); shutdownErr != nil {
		s.log.Warn("calls that were under way are cut off", "error", shutdownErr)
		shutdownErr = server.Close()
		err = errors.Join(err, shutdownErr)
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// completePolicy records the first policy if the last run did not come to it.
func (s *signer) completePolicy(ctx context.Context) {
	if err := s.beginPolicy(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("the first policy is not recorded, so nothing can be given", "error", err)
	}
}

// keepKeys fetches the provider's keys now and then, so that one that the
// provider withdrew stops counting.
func (s *signer) keepKeys(ctx context.Context) {
	for {
		err := s.refreshKeys(ctx)
		wait := issuerEvery
		if err != nil && ctx.Err() == nil && !errors.Is(err, errTooSoon) {
			s.log.Warn("the identity provider's keys cannot be fetched", "issuer", s.config.Issuer.URL, "error", err)
		}
		if err != nil {
			if health, healthErr := s.healthy(); healthErr == nil && !health.IssuerKnown {
				wait = firstKeysEvery
			}
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (s *signer) keepRefusals(ctx context.Context) {
	for sleep(ctx, refusalsEvery) {
		if err := s.recordRefusals(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("refusals cannot be recorded", "error", err)
		}
	}
}

// beginCeremony serves the ceremony's page beside the calls, where one is open.
func (s *signer) beginCeremony(ctx context.Context, running *sync.WaitGroup) error {
	open, err := s.openCeremony()
	if err != nil {
		return err
	}
	if open == nil {
		s.warnOfNobody()
		return nil
	}
	page, err := s.listenCeremony(ctx)
	if err != nil {
		return err
	}
	running.Go(func() {
		if err := s.serveCeremony(ctx, open, page); err != nil {
			s.log.Error("the ceremony ended before everybody had joined; start the signer anew", "error", err)
		}
	})
	return nil
}

// warnOfNobody says that a ceremony was forgotten: without one, nobody can ever give
// anything.
func (s *signer) warnOfNobody() {
	s.book.view(func(state *state) {
		if len(state.beliefs.Roster().People) == 0 {
			s.log.Warn("nobody is in the roster, and the configuration has no ceremony: list the first administrators in it, and start the signer anew")
		}
	})
}

// keepHangups says that SIGHUP, at which the policy was once read anew, changes
// nothing: it must not end the signer either.
func (s *signer) keepHangups(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			s.log.Warn("SIGHUP changes nothing here: a new policy comes by the administrators' signatures (stint policy propose)")
		}
	}
}

// sleep waits, and says false when ctx ended instead.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
