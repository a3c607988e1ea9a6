package witness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	stopTimeout = 5 * time.Second
	maxCalls    = 64 // at a time
)

// Ready is what a witness says of itself when it takes calls.
type Ready struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"` // with the real port
	Key    string `json:"key"`    // verifier key, for the signer's configuration
}

// Run is the witness, from start to stop. It calls ready once it takes calls, and
// returns nil when ctx ended.
func Run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
	if err := config.check(); err != nil {
		return err
	}
	memory, err := openMemory(config, time.Now)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, config, memory, log, ready), memory.lock.Release())
}

func serve(ctx context.Context, config Config, memory *memory, log *slog.Logger, ready func(Ready) error) error {
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	address := listener.Addr().String()
	if config.TLS != nil {
		pair, err := tls.LoadX509KeyPair(config.TLS.Certificate, config.TLS.Key)
		if err != nil {
			return errors.Join(fmt.Errorf("reading the witness's certificate: %w", err), listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	}
	server := &http.Server{
		Handler:           newHandler(memory, log),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	log.Info("the witness is ready", "listen", address, "key", memory.key)
	if err = ready(Ready{PID: os.Getpid(), Listen: address, Key: memory.key}); err == nil {
		select {
		case <-ctx.Done():
		case err = <-stopped:
			return err
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if shutdownErr := server.Shutdown(ending); shutdownErr != nil {
		err = errors.Join(err, server.Close())
	}
	if served := <-stopped; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
