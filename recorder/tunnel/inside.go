package tunnel

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// Inside is the inner end: a listener whose connections come by way of a front.
type Inside struct {
	address  string
	config   *tls.Config
	log      *slog.Logger
	accepted chan net.Conn
	context  context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup
}

// Listen keeps spare connections to the front at address (host:port), which is known by its
// key (border.KeyOf), until Close.
func Listen(address, key string, own tls.Certificate, log *slog.Logger) *Inside {
	i := &Inside{
		address: address, config: secured(own, func(shown string) bool { return shown == key }), log: log, accepted: make(chan net.Conn),
	}
	i.context, i.stop = context.WithCancel(context.Background())
	for range spares {
		i.work.Go(i.keep)
	}
	return i
}

// Accept returns the next client's connection, whose remote address is the client's.
func (i *Inside) Accept() (net.Conn, error) {
	select {
	case conn := <-i.accepted:
		return conn, nil
	case <-i.context.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the spare connections. Those that were accepted stay.
func (i *Inside) Close() error {
	i.stop()
	i.work.Wait()
	return nil
}

// Addr is the front's address.
func (i *Inside) Addr() net.Addr { return named(i.address) }

type named string

func (n named) Network() string { return "tcp" }
func (n named) String() string  { return string(n) }

// keep has one connection ready, and another when a client has taken it.
func (i *Inside) keep() {
	wait := backOffFirst
	for i.context.Err() == nil {
		connected, err := i.serveOne()
		if err == nil {
			wait = backOffFirst
			continue
		}
		if i.context.Err() != nil {
			return
		}
		if connected {
			wait = backOffFirst
		}
		i.log.Warn("a connection to the front broke and is opened again", "front", i.address, "in", wait.String(), "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-i.context.Done():
			timer.Stop()
		}
		wait = min(2*wait, backOffMost)
	}
}

// serveOne opens a connection and waits for a client to come on it.
func (i *Inside) serveOne() (connected bool, err error) {
	ctx, cancel := context.WithTimeout(i.context, handshakeTime)
	defer cancel()
	conn, err := (&tls.Dialer{Config: i.config}).DialContext(ctx, "tcp", i.address)
	if err != nil {
		return false, err
	}
	idle := context.AfterFunc(i.context, func() { conn.Close() })
	reader := bufio.NewReader(conn)
	client, err := awaitClient(conn, reader)
	if !idle() && err == nil {
		err = net.ErrClosed
	}
	if err == nil {
		select {
		case i.accepted <- &carried{Conn: conn, reader: reader, client: client}:
			return true, nil
		case <-i.context.Done():
			err = net.ErrClosed
		}
	}
	conn.Close()
	return true, err
}

// awaitClient reads headers until one says that a client is there, and returns its
// address.
func awaitClient(conn net.Conn, reader *bufio.Reader) (net.Addr, error) {
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return nil, err
		}
		client, err := readHeader(reader)
		if err != nil {
			return nil, err
		}
		if client != nil {
			return client, conn.SetReadDeadline(time.Time{})
		}
	}
}

// readHeader reads one header. The address is nil where the header only keeps the
// connection alive.
func readHeader(reader *bufio.Reader) (net.Addr, error) {
	header, err := proxyproto.Read(reader)
	if err != nil {
		return nil, err
	}
	if header.Version != 2 {
		return nil, errors.New("the front speaks another version of the PROXY protocol than 2")
	}
	if header.Command.IsLocal() {
		return nil, nil
	}
	client, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok || client == nil || client.IP == nil {
		return nil, errors.New("the front does not say where the client is")
	}
	return client, nil
}

// carried is a client's connection.
type carried struct {
	net.Conn
	reader *bufio.Reader // what came behind the header
	client net.Addr
}

// Read reads what the client sends.
func (c *carried) Read(p []byte) (int, error) { return c.reader.Read(p) }

// RemoteAddr is the client's, by the front's word.
func (c *carried) RemoteAddr() net.Addr { return c.client }
