//go:build e2e

package recorder_test

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// notKnown is what ssh-audit warns of because it came after ssh-audit 2.5: the exchange
// that a quantum computer does not break either, and the mark of the strict exchange.
var notKnown = []string{
	"(kex) mlkem768x25519-sha256 -- [warn] unknown algorithm",
	"(kex) kex-strict-s-v00@openssh.com -- [warn] unknown algorithm",
}

// ssh-audit looks at what the proxy offers to whoever connects, and inside -J; once
// with what it can do, and once as a client of which the proxy hears that too late. It
// must find nothing to warn of.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	outer, err := r.client(t, "anybody", r.Signer.Identity(t, hour(grant)))
	must(t, err)
	outside := func() (net.Conn, error) { return net.Dial("tcp", r.address) }
	inside := func() (net.Conn, error) { return outer.Dial("tcp", "db1:22") }
	for name, test := range map[string]struct {
		dial    func() (net.Conn, error)
		late    bool
		ciphers string
	}{
		"outer":      {outside, false, "aes128-gcm@openssh.com"},
		"inner":      {inside, false, "aes128-gcm@openssh.com"},
		"outer late": {outside, true, "aes128-ctr"},
		"inner late": {inside, true, "aes128-ctr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, err := exec.Command("ssh-audit", "--no-colors", "--batch", "--timeout=60", lead(t, test.dial, test.late)).CombinedOutput()
			if !strings.Contains(string(said), "(enc) "+test.ciphers) {
				t.Errorf("it did not see the offer (%v):\n%s", err, said)
			}
			for line := range strings.Lines(string(said)) {
				line = strings.TrimSpace(line)
				if (strings.Contains(line, "[warn]") || strings.Contains(line, "[fail]")) && !slices.Contains(notKnown, line) {
					t.Errorf("it says %s", line)
				}
			}
			if !strings.Contains(string(said), notKnown[1][:len("(kex) kex-strict-s-v00@openssh.com")]) {
				t.Error("the strict exchange (against Terrapin) is not offered")
			}
		})
	}
}

// lead returns an address from which connections lead on. A late one does
// not let the client say more than its version before the server has said what it can do.
func lead(t *testing.T, dial func() (net.Conn, error), late bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go leadOn(near, dial, late)
		}
	}()
	return listener.Addr().String()
}

func leadOn(near net.Conn, dial func() (net.Conn, error), late bool) {
	defer near.Close()
	far, err := dial()
	if err != nil {
		return // ssh-audit sees no offer
	}
	defer far.Close()
	offered := make(chan struct{})
	go func() {
		defer near.Close()
		from := bufio.NewReader(far)
		version, _ := from.ReadBytes('\n')
		_, _ = near.Write(version)
		_, _ = from.Peek(1)
		close(offered)
		_, _ = io.Copy(near, from)
	}()
	from := bufio.NewReader(near)
	version, _ := from.ReadBytes('\n')
	_, _ = far.Write(version)
	if late {
		<-offered
	}
	_, _ = io.Copy(far, from)
}
