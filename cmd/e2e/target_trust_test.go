//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// setUpTarget sets a host up as docs/operations/targets.md has it: the trust file
// of somebody who is signed in, and from then on the broker's word for nothing.
func (s *story) setUpTarget(certificate string) {
	s.t.Helper()
	dir := s.t.TempDir()
	trust, ca, krl := filepath.Join(dir, "trust.json"), filepath.Join(dir, "target_ca.pub"), filepath.Join(dir, "revoked.krl")
	if err := os.WriteFile(trust, []byte(s.alice.must("stint", "trust", "export")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	sync := []string{"trust", "sync", "--broker", s.Portal, "--write-ca", ca, "--write-krl", krl}
	s.alice.refused([]string{"pinned no signer yet", "--trust"}, "stint", sync...)
	if said := s.alice.must("stint", append(sync, "--trust", trust)...); !strings.Contains(said, "The files were written") {
		s.t.Errorf("the first sync says %q", said)
	}
	if said := s.alice.must("stint", sync...); !strings.Contains(said, "Nothing changed") {
		s.t.Errorf("the second sync says %q", said)
	}
	trusted, err := os.ReadFile(ca)
	if err != nil {
		s.t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(certificate))
	if err != nil {
		s.t.Fatal(err)
	}
	if by := ssh.MarshalAuthorizedKey(key.(*ssh.Certificate).SignatureKey); !strings.Contains(string(trusted), string(by)) {
		s.t.Errorf("the certificate is signed by %s and the host trusts\n%s", by, trusted)
	}
	s.alice.must("ssh-keygen", "-Q", "-l", "-f", krl)

	// What web-1's sshd has accepted so far is told, and the ledger holds all of it.
	home := filepath.Join(s.data, "targets")
	if os.Geteuid() == 0 {
		home = filepath.Join("/var/lib/stint-dev", s.Instance)
	}
	report := append(sync, "--sshd-log", filepath.Join(s.data, "log", "target-web-1.log"), "--target", "web-1", "--host-key", filepath.Join(home, "web-1", "host_key"))
	for _, want := range []bool{true, false} {
		said, complaints, err := s.alice.run("stint", report...)
		if err != nil || complaints != "" || strings.Contains(said, "\n0 accepted") == want {
			s.t.Errorf("reporting, for the first time: %v; it says %q %q (%v)", want, said, complaints, err)
		}
	}
}
