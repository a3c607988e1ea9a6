package sshproxy

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

const (
	dialDeadline   = 10 * time.Second
	targetDeadline = 20 * time.Second // dialling, handshake and authentication
)

// errHostKey means that the target is not the one that policy names.
var errHostKey = errors.New("the target shows another host key than policy says")

// askSigner gets a certificate over a fresh key that opens one connection. The
// private key never leaves this process and is forgotten after the handshake.
func (s *session) askSigner() (ssh.Signer, signer.TargetCertificate, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, signer.TargetCertificate{}, err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, signer.TargetCertificate{}, err
	}
	ctx, cancel := context.WithTimeout(s.context, signerCall)
	defer cancel()
	answer, err := s.proxy.options.Signer.SignTarget(ctx, signer.TargetRequest{
		Request: s.pass.Request, PublicKey: authorizedKey(key.PublicKey()),
	})
	if err != nil {
		return nil, signer.TargetCertificate{}, err
	}
	// The signer goes by its own ledger. If that speaks of another login or
	// target than the person's certificate, something is very wrong.
	if answer.Login != s.pass.Login || answer.Target != s.pass.Target {
		return nil, signer.TargetCertificate{}, fmt.Errorf("the signer answered for %s@%s", answer.Login, answer.Target)
	}
	parsed, err := parseKey(answer.Certificate)
	if err != nil {
		return nil, signer.TargetCertificate{}, fmt.Errorf("the signer's certificate: %w", err)
	}
	certificate, ok := parsed.(*ssh.Certificate)
	if !ok {
		return nil, signer.TargetCertificate{}, errors.New("the signer's certificate is a plain key")
	}
	with, err := ssh.NewCertSigner(certificate, key)
	return with, answer, err
}

// dial opens the one connection to the target.
func (s *session) dial(key ssh.Signer, answer signer.TargetCertificate) (ssh.Conn, error) {
	ctx, cancel := context.WithTimeout(s.context, targetDeadline)
	defer cancel()
	expected, err := parseKey(answer.HostKey)
	if err != nil {
		return nil, &refusedSession{wire.ReasonFailed, fmt.Sprintf("policy has no host key for %s. Tell those who run stint", s.pass.Target), err}
	}
	dialer := net.Dialer{Timeout: dialDeadline}
	raw, err := dialer.DialContext(ctx, "tcp", answer.Address)
	if err != nil {
		return nil, &refusedSession{wire.ReasonFailed, fmt.Sprintf("%s cannot be reached. Try again, or tell those who run it", s.pass.Target), err}
	}
	// The handshake ends when the session does, not only at its deadline.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	config := &ssh.ClientConfig{
		Config:            ssh.Config{Ciphers: allCiphers()},
		User:              answer.Login,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyAlgorithms: hostKeyAlgorithms(expected),
		HostKeyCallback: func(_ string, _ net.Addr, shown ssh.PublicKey) error {
			if !bytes.Equal(shown.Marshal(), expected.Marshal()) {
				return errHostKey
			}
			return nil
		},
		ClientVersion: serverVersion,
	}
	stream := newStream(raw, math.MaxInt64)
	s.line, s.lineGone = raw, stream.gone
	conn, channels, requests, err := ssh.NewClientConn(stream, answer.Address, config)
	if !stop() && err == nil {
		conn.Close()
		err = context.Cause(ctx)
	}
	if errors.Is(err, errHostKey) {
		return nil, &refusedSession{wire.ReasonFailed, fmt.Sprintf("%s shows another host key than policy says, so it may be another machine. Tell those who run stint", s.pass.Target), err}
	}
	if err != nil {
		raw.Close()
		return nil, &refusedSession{wire.ReasonFailed, fmt.Sprintf("%s did not let %s in. Tell those who run it", s.pass.Target, printable(s.pass.Login)), err}
	}
	s.work.Go(func() { s.serveTarget(channels, requests) })
	return conn, nil
}

// hostKeyAlgorithms are the algorithms by which exactly this key can be shown.
func hostKeyAlgorithms(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}
