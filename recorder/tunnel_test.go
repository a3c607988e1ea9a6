//go:build e2e

package recorder_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"stint/recorder"
	"stint/recorder/recordertest"
	"stint/recorder/wire"
	"stint/server/border"
)

// keyOfConfig is the key by which the other end of a tunnel knows a proxy.
func keyOfConfig(t *testing.T, c recorder.Config) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	must(t, err)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	must(t, err)
	return border.KeyOf(leaf)
}

// TestProxyBehindAFront reaches a proxy that nobody connects to by way of another, with real
// OpenSSH: it records what passes, knows where the client is, and ends what is revoked. When the
// front is another process, it is found again.
func TestProxyBehindAFront(t *testing.T) {
	t.Parallel()
	inside := &real{rig: &rig{Installation: recordertest.New(t)}}
	front := &rig{Installation: recordertest.New(t)}
	inside.sshd = recordertest.NewSshd(t, inside.Signer, "db1")
	inside.grant = hour(recordertest.Grant{Request: "r-1", Login: inside.sshd.Login, Target: "db1"})
	inside.Signer.Allow(inside.grant)

	tunnels, clients := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	front.Config.Front = &recorder.Front{Listen: tunnels, Proxies: []recorder.InsideProxy{{Name: "inside", Key: keyOfConfig(t, inside.Config), Listen: clients}}}
	inside.Config.Tunnel = &recorder.Tunnel{Address: tunnels, Key: keyOfConfig(t, front.Config)}
	inside.startProxy(t) // before its front is there
	front.startProxy(t)
	own := inside.address
	inside.address = clients
	inside.writeConfig(t, inside.Signer.IdentityFile(t, inside.grant))
	if own == clients {
		t.Fatal("the proxy is reached directly")
	}

	works := func(when string) {
		t.Helper()
		var got result
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if got = inside.run(t, nil, "ssh", "-o", "BindAddress=127.0.0.9", "one-hop", "echo here; echo there >&2; exit 3"); got.stdout == "here\n" && strings.HasSuffix(got.stderr, "there\n") && status(got.err) == 3 {
				return
			}
		}
		t.Fatalf("%s: %+v", when, got)
	}
	works("at first")
	session := inside.Broker.AwaitDelivered(t, "r-1")
	if host, _, err := net.SplitHostPort(session.Start.ClientAddress); err != nil || host != "127.0.0.9" {
		t.Errorf("the client is said to be at %s", session.Start.ClientAddress)
	}
	if tr := read(t, session.Recording); tr.output != "here\n" || tr.errorOutput != "there\n" {
		t.Errorf("the recording holds %q and %q", tr.output, tr.errorOutput)
	}
	if sessions := front.Broker.Sessions(); len(sessions) != 0 {
		t.Errorf("the front has sessions of its own: %+v", sessions)
	}

	// More at once than connections are kept ready, each with what fills windows.
	noise := make([]byte, 4<<20)
	rand.Read(noise)
	sum := fmt.Sprintf("%x", sha256.Sum256(noise))
	done := make(chan string, 20)
	for i := range cap(done) {
		go func() {
			got := inside.run(t, bytes.NewReader(noise), "ssh", ways[i%2], "sha256sum")
			done <- strings.TrimSuffix(got.stdout, "  -\n") + got.stderr
		}()
	}
	for range cap(done) {
		if got := <-done; got != sum {
			t.Errorf("of 4 MiB came %q", got)
		}
	}

	// What is revoked ends, through the front as otherwise.
	client, err := inside.client(t, inside.grant.Login+"@db1", inside.Signer.Identity(t, inside.grant))
	must(t, err)
	h := hold(t, client)
	inside.Broker.Revoke("r-1", "Bob")
	h.mustEnd(t, "stint: access revoked by Bob at ")
	inside.Broker.Await(t, "revoked", func(s *recordertest.Session) bool { return s.End != nil && s.End.Reason == wire.ReasonRevoked })

	// Another key is let in nowhere.
	pair, err := tls.LoadX509KeyPair(front.Config.TLS.Certificate, front.Config.TLS.Key)
	must(t, err)
	stranger, err := tls.Dial("tcp", tunnels, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
	if err == nil {
		_ = stranger.SetReadDeadline(time.Now().Add(patience))
		if _, err = stranger.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("a stranger has a place among the connections that clients get: %v", err)
		}
		stranger.Close()
	}

	front.stop()
	if got := inside.run(t, nil, "ssh", "one-hop", "echo here"); status(got.err) != 255 {
		t.Errorf("without its front: %+v", got)
	}
	inside.grant.Request = "r-2"
	inside.Signer.Allow(inside.grant)
	inside.writeConfig(t, inside.Signer.IdentityFile(t, inside.grant))
	front.startProxy(t)
	works("when the front is back")
}
