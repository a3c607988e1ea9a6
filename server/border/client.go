// Package border is what every border between our own processes has in common,
// and nothing else: a server is known by its public key alone, and JSON is read
// strictly and up to a bound. What is said across a border is its own contract's
// (server/signer/wire, recorder/wire).
package border

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// connectTimeout bounds the TCP connection and the TLS handshake, each.
const connectTimeout = 5 * time.Second

// KeyOf is the form in which configurations pin a peer: the SHA-256 of the
// certificate's SubjectPublicKeyInfo, in lower-case hex.
func KeyOf(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// NewClient makes an HTTP client of the one server at address
// (https://host:port), and returns the address parsed. The server is known by
// serverKey (see [KeyOf]) alone: no authority can stand in for it. The caller
// shows certificate. role ("the broker", "the signer") names the server in
// errors. transport carries what differs from border to border; NewClient fills
// in the rest, and owns it from then on. Redirects are answers, never followed.
func NewClient(role, address, serverKey string, certificate tls.Certificate, transport *http.Transport) (*url.URL, *http.Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || strings.Trim(base.Path, "/") != "" || *base != (url.URL{Scheme: "https", Host: base.Host, Path: base.Path}) {
		return nil, nil, fmt.Errorf("%s's address %q is not of the form https://host:port", role, address)
	}
	pin, err := hex.DecodeString(serverKey)
	if err != nil || len(pin) != sha256.Size {
		return nil, nil, fmt.Errorf("%s's key %q is not the hex SHA-256 of a public key", role, serverKey)
	}
	if len(certificate.Certificate) == 0 {
		return nil, nil, fmt.Errorf("calling %s without a client certificate", role)
	}
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	transport.TLSHandshakeTimeout = connectTimeout
	transport.TLSClientConfig = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		// The pin below takes the place of chain and name. VerifyConnection runs on
		// resumed connections too; VerifyPeerCertificate would not.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New(role + " showed no certificate")
			}
			sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
				return fmt.Errorf("the server at %s is not %s: its key is %x", base.Host, role, sum)
			}
			return nil
		},
	}
	return base, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
