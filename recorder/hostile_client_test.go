//go:build e2e

package recorder_test

import (
	"bytes"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

// hostileMemory is by how much the proxy may grow while all of them are at it. The
// race detector multiplies what the proxy uses; what they send is several times that.
const hostileMemory = 384 << 20

// Clients with a good certificate that break the protocol's rules, or stay inside
// them and flood, cost the proxy bounded memory, and others nothing.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	r := &rig{Installation: recordertest.New(t)}
	recordertest.NewTarget(t, r.Signer, "web", "db1", serveHostile)
	r.Signer.Allow(hour(grant))
	identity := r.Signer.IdentityFile(t, hour(grant))
	proxy := r.startProcess(t, `exec "$0"`).Process
	host, port, err := net.SplitHostPort(r.address)
	must(t, err)
	before := resident(t, proxy)
	does := map[string]string{
		// What the protocol allows.
		"ignore": "went on", "debug": "went on", "rekey": "went on", "never reads": "went on", "requests": "went on",
		// What it does not.
		"giant packet": "was cut", "giant data": "was cut", "beyond the window": "was cut", "window without end": "was cut", "unknown": "was cut", "data to nowhere": "was cut", "broken rule, and more": "was cut",
	}
	t.Run("all", func(t *testing.T) {
		for what, want := range does {
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				command := exec.Command("/usr/bin/python3", "testdata/hostile/hostile.py", host, port, "web@db1", identity, what)
				var stderr strings.Builder
				command.Stderr = &stderr
				said, err := command.Output()
				if got := strings.TrimSpace(string(said)); err != nil || got != want {
					t.Errorf("it %s, not %s (%v)\n%s", got, want, err, stderr.String())
				}
				if grew := resident(t, proxy) - before; grew > hostileMemory {
					t.Errorf("the proxy grew by %d MiB", grew>>20)
				}
			})
		}
	})
	client := r.connect(t)
	if got := execute(t, client, "echo", ""); got.err != nil {
		t.Errorf("afterwards: %+v", got)
	}
	client.Close()
	// Each session ends, however its client did.
	for deadline := time.Now().Add(patience); slices.ContainsFunc(r.Broker.Sessions(), isLive); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a session has no end")
		}
	}
}

func isLive(s recordertest.Session) bool { return s.End == nil }

// serveHostile does one of two commands: deaf reads nothing and writes without end,
// any other does nothing.
func serveHostile(channel ssh.Channel, requests <-chan *ssh.Request) {
	for request := range requests {
		_ = request.Reply(true, nil)
		if request.Type != "exec" {
			continue
		}
		if !bytes.Contains(request.Payload, []byte("deaf")) {
			exitWith(channel, 0)
			return
		}
		go func() {
			for piece := make([]byte, 32<<10); ; {
				if _, err := channel.Write(piece); err != nil {
					return
				}
			}
		}()
	}
}
