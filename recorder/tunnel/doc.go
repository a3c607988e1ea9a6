// Package tunnel lets a recording proxy that nobody can connect to, behind a NAT or a
// firewall, be reached by way of another, the front, that people can connect to.
//
// The proxy inside keeps a few spare connections to the front open (mutual TLS, each side knows
// the other by its key). Where a client connects to the front, that takes one, says whose
// connection it is in a PROXY protocol header (version 2, HAProxy's proxy-protocol.txt), and from
// then on carries bytes. SSH is from end to end: the client checks the host certificate of the
// proxy inside, which records, holds leases and opens targets as any other. The front sees
// ciphertext. It is believed in one thing, the client's address.
//
// A spare connection is kept alive by headers that say LOCAL, which PROXY has for this.
package tunnel

import (
	"crypto/tls"
	"errors"
	"time"

	"stint/server/border"
)

const (
	// spares is how many connections a proxy inside keeps ready: so many clients may come
	// within the time that it takes to open another.
	spares = 8
	// mostSpares bounds those that the front keeps of one proxy: two processes have some
	// while one takes over from the other.
	mostSpares = 4 * spares
	// mostClients bounds the connections that a front carries to one proxy.
	mostClients = 4096
	// pingEvery is how often a spare connection is written to; one on which nothing came
	// for silence is dropped.
	pingEvery = 10 * time.Second
	silence   = 25 * time.Second
	// handshakeTime bounds connecting, with TLS.
	handshakeTime = 10 * time.Second
	// answerTime is how long the proxy inside may take for its first byte: SSH's servers
	// speak at once. Another spare connection is then tried.
	answerTime = 5 * time.Second
	// spareTime is how long a client waits for a spare connection.
	spareTime = 5 * time.Second
	// writeTime bounds the writing of a header.
	writeTime = 2 * time.Second
	// lastTime is how long the other direction may go on when one has ended.
	lastTime = 10 * time.Second
	// backOffMost bounds the wait before the front is dialled again; it doubles from
	// backOffFirst.
	backOffFirst = 200 * time.Millisecond
	backOffMost  = 5 * time.Second
)

// secured is the TLS configuration of either side. peer says whether a key is one of those
// expected.
func secured(own tls.Certificate, peer func(key string) bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth:         tls.RequireAnyClientCert,
		InsecureSkipVerify: true, // the key is what counts: VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !peer(border.KeyOf(state.PeerCertificates[0])) {
				return errors.New("the other end has a key that is not expected")
			}
			return nil
		},
	}
}
