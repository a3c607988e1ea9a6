package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"stint/server/border"
)

// Place is a proxy inside, and where clients reach it.
type Place struct {
	Name   string
	Key    string // border.KeyOf its certificate
	Listen string // host:port for SSH
}

// Front is the outer end.
type Front struct {
	log       *slog.Logger
	config    *tls.Config
	places    []*place
	listeners []net.Listener
	context   context.Context // ends with Close
	stop      context.CancelFunc
	accepting sync.WaitGroup
	carrying  sync.WaitGroup
	clients   sync.WaitGroup
}

type place struct {
	Place
	spares  chan net.Conn
	clients chan struct{} // one token for each
	address net.Addr
}

// NewFront listens for the proxies inside at an address (host:port), and for the clients of
// each.
func NewFront(listen string, places []Place, own tls.Certificate, log *slog.Logger) (f *Front, err error) {
	f = &Front{log: log}
	f.context, f.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	f.config = secured(own, func(key string) bool { return f.place(key) != nil })
	for _, p := range places {
		f.places = append(f.places, &place{Place: p, spares: make(chan net.Conn, mostSpares), clients: make(chan struct{}, mostClients)})
	}
	if err = f.listen(listen, f.takeSpare); err != nil {
		return nil, fmt.Errorf("listening for the proxies inside: %w", err)
	}
	for _, p := range f.places {
		if err = f.listen(p.Listen, func(client net.Conn) { f.serve(p, client) }); err != nil {
			return nil, fmt.Errorf("listening for clients of %s: %w", p.Name, err)
		}
		p.address = f.listeners[len(f.listeners)-1].Addr()
		f.carrying.Go(func() { f.ping(p) })
	}
	return f, nil
}

// Addresses are where the front listens: for the proxies inside, and then for the clients of
// each.
func (f *Front) Addresses() []net.Addr {
	addresses := make([]net.Addr, len(f.listeners))
	for i, listener := range f.listeners {
		addresses[i] = listener.Addr()
	}
	return addresses
}

func (f *Front) place(key string) *place {
	for _, p := range f.places {
		if p.Key == key {
			return p
		}
	}
	return nil
}

func (f *Front) listen(address string, serve func(net.Conn)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	f.listeners = append(f.listeners, listener)
	f.accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // out of file descriptors, most likely: it passes
				f.log.Warn("a connection could not be accepted", "error", err)
				time.Sleep(100 * time.Millisecond)
				continue
			}
			serve(conn)
		}
	})
	return nil
}

// takeSpare keeps a connection of a proxy inside until a client comes. It does not wait.
func (f *Front) takeSpare(raw net.Conn) {
	f.carrying.Go(func() {
		conn := tls.Server(raw, f.config)
		ctx, cancel := context.WithTimeout(f.context, handshakeTime)
		defer cancel()
		if err := conn.HandshakeContext(ctx); err != nil {
			f.log.Info("a connection was not let in", "from", raw.RemoteAddr().String(), "error", err)
			raw.Close()
			return
		}
		p := f.place(border.KeyOf(conn.ConnectionState().PeerCertificates[0]))
		if !p.keep(conn) {
			conn.Close()
		}
	})
}

// keep puts a spare connection back, or says that there are enough.
func (p *place) keep(conn net.Conn) bool {
	select {
	case p.spares <- conn:
		return true
	default:
		return false
	}
}

// ping keeps the spare connections alive, and drops those that are not.
func (f *Front) ping(p *place) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-f.context.Done():
			return
		}
		for range len(p.spares) {
			select {
			case conn := <-p.spares:
				if say(conn, &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}) != nil || !p.keep(conn) {
					conn.Close()
				}
			default:
			}
		}
	}
}

// say writes a header.
func say(conn net.Conn, header *proxyproto.Header) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := header.WriteTo(conn); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// serve carries one client. It does not wait.
func (f *Front) serve(p *place, client net.Conn) {
	select {
	case p.clients <- struct{}{}:
	default:
		f.log.Warn("too many clients; one was turned away", "proxy", p.Name, "client", client.RemoteAddr().String())
		client.Close()
		return
	}
	f.clients.Go(func() {
		defer func() { <-p.clients }()
		defer client.Close()
		inside, first, err := f.reach(p, client)
		if err != nil {
			f.log.Warn("a client did not reach its proxy", "proxy", p.Name, "client", client.RemoteAddr().String(), "error", err)
			return
		}
		defer inside.Close()
		stop := context.AfterFunc(f.context, func() { client.Close(); inside.Close() })
		defer stop()
		if _, err := client.Write(first); err == nil {
			carry(client, inside)
		}
	})
}

// reach finds a spare connection on which the proxy inside answers, and returns its first
// bytes.
func (f *Front) reach(p *place, client net.Conn) (net.Conn, []byte, error) {
	ctx, cancel := context.WithTimeout(f.context, spareTime)
	defer cancel()
	for {
		var inside net.Conn
		select {
		case inside = <-p.spares:
		case <-ctx.Done():
			return nil, nil, errors.New("the proxy has no connection here that answers")
		}
		first := make([]byte, 512)
		err := say(inside, proxyproto.HeaderProxyFromAddrs(2, client.RemoteAddr(), client.LocalAddr()))
		if err == nil {
			err = inside.SetReadDeadline(time.Now().Add(answerTime))
		}
		n := 0
		if err == nil {
			n, err = inside.Read(first)
		}
		if err == nil && inside.SetReadDeadline(time.Time{}) == nil {
			return inside, first[:n], nil
		}
		inside.Close()
	}
}

// carry copies both ways until both have ended, or one has and its time is over.
func carry(client, inside net.Conn) {
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{client, inside}, {inside, client}} {
		both.Go(func() {
			to, from := pair[0], pair[1]
			_, _ = io.Copy(to, from)
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			_ = to.SetReadDeadline(time.Now().Add(lastTime))
		})
	}
	both.Wait()
}

// Shut lets no client and no proxy in any more, and lets go of the spare connections, so
// that another process is dialled. What is carried goes on.
func (f *Front) Shut() {
	for _, listener := range f.listeners {
		listener.Close()
	}
	f.accepting.Wait()
	f.dropSpares()
}

func (f *Front) dropSpares() {
	for _, p := range f.places {
		for range len(p.spares) {
			select {
			case conn := <-p.spares:
				conn.Close()
			default:
			}
		}
	}
}

// Gone is closed when, after Shut, nothing is carried any more.
func (f *Front) Gone() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		f.clients.Wait()
		close(gone)
	}()
	return gone
}

// Close shuts the front and cuts what it carries.
func (f *Front) Close() {
	f.Shut()
	f.stop()
	f.carrying.Wait()
	f.clients.Wait()
	f.dropSpares()
}
