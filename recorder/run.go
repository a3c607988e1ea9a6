package recorder

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"stint/recorder/spool"
	"stint/recorder/sshproxy"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// deliverTime is how long a proxy that stops may go on delivering recordings.
// What is left then waits on its disk for the next start.
const deliverTime = 4 * time.Second

// Ready is what a proxy says of itself when it serves.
type Ready struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"` // the address for SSH, with the real port
}

// Run serves until ctx ends and then stops, within ten seconds: it ends every
// session, closes its recording and delivers what it can. It calls ready once it
// accepts SSH, which takes until the signer has given it a host certificate the
// first time. Signer and broker may come and go.
func Run(ctx context.Context, config Config, log *slog.Logger, ready func(Ready) error) error {
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

	unlock, err := lockDirectory(config.Data)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := spool.Open(spool.Options{Directory: filepath.Join(config.Data, "spool"), Broker: broker, Log: log})
	if err != nil {
		return err
	}
	defer func() {
		deadline, cancel := context.WithTimeout(context.Background(), deliverTime)
		defer cancel()
		store.Close(deadline)
	}()
	proxy, err := sshproxy.New(sshproxy.Options{
		Name: config.Name, Directory: config.Data, Signer: signs, Broker: broker, Spool: store, Log: log,
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
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listening for SSH: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- proxy.Serve(listener) }()
	log.Info("the proxy serves", "listen", listener.Addr().String(), "name", config.Name)
	err = ready(Ready{PID: os.Getpid(), Listen: listener.Addr().String()})
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- nil
		}
	}
	listener.Close()
	<-served
	return err
}
