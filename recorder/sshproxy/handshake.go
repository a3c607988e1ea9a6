package sshproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// handshakeDeadline is how long a client may take to authenticate.
	handshakeDeadline = 30 * time.Second
	// closeTime is how long a client may take to answer that its connection is closed.
	closeTime = 5 * time.Second
	// greetingPatience is how long a client may take, after its version, to say what it
	// can do before it is offered everything.
	greetingPatience = time.Second
	// maxTries bounds the keys and certificates that a client may offer: an agent
	// may hold one certificate for each grant.
	maxTries = 12
	// maxBefore bounds the bytes that a client may send before it has authenticated,
	// and so what it makes the proxy keep: each try carries a certificate, and a
	// packet may have up to 256 KiB.
	maxBefore = 320 << 10
)

// serverVersion is what the proxy calls itself (RFC 4253, section 4.2).
const serverVersion = "SSH-2.0-Stint"

// passKey finds the checked certificate in an authenticated connection.
type passKey struct{}

// admitted is a certificate that let somebody in, and what it says.
type admitted struct {
	certificate ssh.PublicKey
	pass        pass
}

// certificateOf is the certificate by which a key that a client shows is judged: the key
// itself, where it is one. Clients that know no certificates (dbclient, ssh2 of Node) show
// the key that one is over. Inside an outer connection that is known: it is the one that
// opened that. It counts for no more than when it is shown itself; whoever else may
// write into the outer connection does not hold its key.
func certificateOf(key ssh.PublicKey, raw net.Conn) ssh.PublicKey {
	inner, ok := raw.(*channelConn)
	if !ok {
		return key
	}
	if shown, ok := inner.outer.certificate.(*ssh.Certificate); ok && bytes.Equal(shown.Key.Marshal(), key.Marshal()) {
		return shown
	}
	return key
}

// errKeysOnly answers the methods that are not for authenticating.
var errKeysOnly = errors.New("certificates only")

// authenticate shakes hands with a client and returns the connection with the
// pass of the certificate that authenticated it. accepts says whether a valid
// pass is good for the user name that the client gave; it returns a sentence
// when it is not.
func (p *Proxy) authenticate(raw net.Conn, accepts func(user string, pass pass) error) (*connection, error) {
	var told refusals
	check := func(metadata ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		key = certificateOf(key, raw)
		pass, err := checkCertificate(key, p.identity.userAuthorities(), metadata.RemoteAddr(), p.now())
		if err == nil {
			err = accepts(metadata.User(), pass)
		}
		if err != nil {
			if told.add(err) == "authority" {
				p.identity.refreshSoon()
			}
			return nil, err
		}
		return &ssh.Permissions{ExtraData: map[any]any{passKey{}: admitted{key, pass}}}, nil
	}
	config := &ssh.ServerConfig{
		MaxAuthTries:  maxTries,
		ServerVersion: serverVersion,
		PublicKeyAuthAlgorithms: []string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoSKECDSA256,
		},
		// This one only tells the client which of its keys to use: it is called for
		// keys that the client may not hold.
		PublicKeyCallback: check,
		// This one is called with the key whose possession the client has just
		// proved. What it returns is what counts.
		VerifiedPublicKeyCallback: func(metadata ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			return check(metadata, key)
		},
		// Clients come here when they have no key left. Nobody gets in this way; it
		// is the place to say why, once, and not for each key that did not fit.
		KeyboardInteractiveCallback: func(metadata ssh.ConnMetadata, _ ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return nil, &ssh.BannerError{Err: errKeysOnly, Message: told.sentence(metadata.User())}
		},
	}
	host := p.identity.hostSigner()
	if host == nil {
		raw.Close()
		return nil, errors.New("there is no host certificate")
	}
	config.AddHostKey(host)
	// The same key without its certificate, for clients that know no certificates of
	// hosts (paramiko, dbclient, ssh2 of Node): they compare it with one that they were given.
	// Those that know them ask for the certificate first.
	config.AddHostKey(p.identity.key)

	stream := newStream(raw, maxBefore)
	// It is called before the client hears that it is in, and may say more.
	config.AuthLogCallback = func(_ ssh.ConnMetadata, _ string, err error) {
		if err == nil {
			stream.trust()
		}
	}
	// What a client says cannot stretch this. A channel of another connection ends
	// when its client closes it too; when that does not, the other one is cut.
	late := time.AfterFunc(handshakeDeadline, func() { raw.Close() })
	deaf := time.AfterFunc(handshakeDeadline+closeTime, func() { cut(raw) })
	defer deaf.Stop()
	client, err := stream.greet(serverVersion, greetingPatience)
	if err != nil {
		late.Stop()
		_ = stream.Close()
		return nil, err
	}
	config.KeyExchanges, config.Ciphers, config.MACs = clientKeyExchanges, ciphersFor(client), clientMACs
	conn, channels, requests, err := ssh.NewServerConn(stream, config)
	if err != nil {
		late.Stop()
		return nil, err
	}
	c := &connection{ServerConn: conn, raw: raw, gone: stream.gone, channels: channels, requests: requests}
	by, ok := admitted{}, false
	if conn.Permissions != nil {
		by, ok = conn.Permissions.ExtraData[passKey{}].(admitted)
	}
	if !late.Stop() || !ok {
		c.Close()
		return nil, errors.New("the handshake took too long or ended without a certificate")
	}
	c.pass, c.certificate = by.pass, by.certificate
	return c, nil
}

// connection is an authenticated connection from a client.
type connection struct {
	*ssh.ServerConn
	raw net.Conn
	// gone ends when the connection is over. Its Wait is not for that: for a client that
	// breaks the protocol's rules and goes on, it never returns (golang.org/x/crypto 0.58:
	// closing waits for what reads, and that for somebody to take what it has read).
	gone        context.Context
	channels    <-chan ssh.NewChannel
	requests    <-chan *ssh.Request
	pass        pass
	certificate ssh.PublicKey // what says it
	cutOff      atomic.Bool   // one inside this one had it cut
}

// cut ends the connection without the other side's help: one inside another ends
// with the outer one, and everything in that.
func (c *connection) cut() { cut(c.raw) }

func cut(raw net.Conn) {
	if inner, ok := raw.(*channelConn); ok {
		inner.outer.cutOff.Store(true)
		_ = inner.outer.raw.Close()
		return
	}
	_ = raw.Close()
}

// wasCut tells whether the connection is inside one that was cut.
func (c *connection) wasCut() bool {
	inner, ok := c.raw.(*channelConn)
	return ok && inner.outer.cutOff.Load()
}

// turnAway closes a connection to which nothing is said.
func (c *connection) turnAway() {
	_ = c.Close()
	go ssh.DiscardRequests(c.requests) // ends with the connection
	for opened := range c.channels {
		_ = opened.Reject(ssh.ResourceShortage, "")
	}
}

// refusals gathers why a client's keys did not count.
type refusals struct {
	mu   sync.Mutex
	best string
	ours bool
	said bool
}

// add takes down a refusal and tells which check it was.
func (r *refusals) add(err error) (check string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := &refusedCertificate{}
	if !errors.As(err, &refused) {
		return ""
	}
	// What is wrong with a certificate of ours says more than that some other
	// key is none.
	if r.best == "" || refused.ours && !r.ours {
		r.best, r.ours = refused.why, refused.ours
	}
	return refused.check
}

// sentence tells a client once why it is not let in.
func (r *refusals) sentence(user string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said {
		return ""
	}
	r.said = true
	if r.best == "" {
		return "stint: this proxy accepts certificates only; get one with stint ssh\n"
	}
	return fmt.Sprintf("stint: %s\n", r.best)
}
