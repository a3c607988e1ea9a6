//go:build e2e

package signer

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/signer/wire"
)

// TestOpenSSHReadsTheCertificates shows every kind of certificate to ssh-keygen -L.
func TestOpenSSHReadsTheCertificates(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	session := w.mustSign(w.bundle("r1", newKey(t)))
	target, err := w.signTarget("r1")
	must(t, err)
	host, err := w.signer.signHost(context.Background(), w.config.Proxies[0], wire.HostRequest{PublicKey: newKey(t)})
	must(t, err)
	for name, c := range map[string]struct {
		certificate string
		says        []string
	}{
		"session": {session.Certificate, []string{"ssh-ed25519-cert-v01@openssh.com user certificate", `Key ID: "r1"`, "postgres@db1", "permit-pty", "Critical Options: (none)"}},
		"target":  {target.Certificate, []string{"user certificate", `Key ID: "r1"`, "postgres@db1", "permit-pty", "permit-port-forwarding"}},
		"host":    {host.Certificate, []string{"host certificate", `Key ID: "proxy-1"`, "db1", "db2", "stint", "Extensions: (none)"}},
	} {
		path := filepath.Join(t.TempDir(), "certificate.pub")
		write(t, path, c.certificate+"\n")
		output, err := exec.Command("ssh-keygen", "-L", "-f", path).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, output)
		}
		for _, want := range c.says {
			if !strings.Contains(string(output), want) {
				t.Errorf("%s: ssh-keygen does not say %q:\n%s", name, want, output)
			}
		}
		for _, never := range []string{"permit-agent-forwarding", "permit-X11-forwarding"} { // a role must name them
			if strings.Contains(string(output), never) {
				t.Errorf("%s: ssh-keygen says %s:\n%s", name, never, output)
			}
		}
	}
}
