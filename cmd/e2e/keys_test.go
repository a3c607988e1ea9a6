//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKeysAreReplacedUnderALiveSession: an administrator replaces every key at once;
// the session that is open goes on, and by both ways new ones begin under the same
// grant, with nobody asked.
func TestKeysAreReplacedUnderALiveSession(t *testing.T) {
	t.Parallel()
	s := beginStory(t, "--no-demo")
	dana := s.openTerminal()
	dana.signIn("dana")
	s.grant("web-1", "30m")
	config := s.alice.useConfig()
	before := s.alice.must("stint", "keys")
	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	s.alice.exits(0, s.Login+"\n", "", "ssh", "-F", config, s.Login+"@web-1", "id", "-un")

	s.alice.refused([]string{"Only administrators replace keys"}, "stint", "keys", "rotate", "--now", "--reason", "why not")
	after := dana.must("stint", "keys", "rotate", "--now", "--reason", "a backup of the signer is missing")
	if strings.Count(before, " current ") != 4 || strings.Count(after, " withdrawn ") != 4 || strings.Count(after, " next ") != 4 {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}

	shell.enter(`echo "still"-here`)
	shell.sees("still-here")
	// The proxy asks the signer every ten seconds.
	s.eventually("ssh works again", func() error {
		_, _, err := s.alice.run("stint", "ssh", "web-1", "true")
		return err
	})
	s.alice.exits(0, s.Login+"\n", "", "ssh", "-F", config, s.Login+"@web-1", "id", "-un")
	s.alice.exits(0, s.Login+"\n", "", "ssh", "-F", config, "-J", "stint", s.Login+"@web-1", "id", "-un")
	lines := s.alice.must("stint", "known-hosts", "web-1")
	if !strings.HasPrefix(lines, "@cert-authority web-1 ssh-ed25519 ") || strings.Count(lines, "\n") != 2 {
		t.Errorf("stint known-hosts prints\n%s", lines)
	}
	shell.enter("exit")
	if code := shell.wait(); code != 0 {
		t.Errorf("the session from before ended with %d:\n%s", code, shell.screen)
	}
}

// TestWhatIsLiveIsIssuedOnceMore: the key that signs for people is withdrawn in the
// middle of an outage, after the sign-in of whoever works on it is over. Nobody signs in
// or approves again, and an auditor finds all of it proven.
func TestWhatIsLiveIsIssuedOnceMore(t *testing.T) {
	t.Parallel()
	s := beginStory(t, "--no-demo")
	dana := s.openTerminal()
	dana.signIn("dana")
	request := s.grant("web-1", "1h")
	config := s.alice.useConfig()
	s.alice.env = append(s.alice.env, "SSH_AUTH_SOCK="+startSSHAgent(t))
	here := s.Login + "\n"
	works := func() error {
		for _, line := range [][]string{
			{"stint", "ssh", "web-1", "id", "-un"},
			{"ssh", "-F", config, s.Login + "@web-1", "id", "-un"},
			{"ssh", "-F", config, "-J", "stint", s.Login + "@web-1", "id", "-un"},
		} {
			if out, complaint, err := s.alice.run(line[0], line[1:]...); err != nil || out != here {
				return fmt.Errorf("%s: %v, %q, %q", strings.Join(line, " "), err, out, complaint)
			}
		}
		return nil
	}
	if err := works(); err != nil {
		t.Fatal(err)
	}
	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")

	// 1. The sign-in is over, and all that was of it is gone from this machine.
	s.alice.signInEnds()
	s.alice.refused([]string{"you are not signed in"}, "stint", "roles")
	if err := works(); err != nil {
		t.Fatalf("once the sign-in is over: %v", err)
	}

	// 2. Twice, as is told where the next key may be stolen too.
	for _, purpose := range []string{"user-ca", "all"} {
		_, said, err := dana.run("stint", "keys", "rotate", "--now", "--purpose", purpose, "--reason", "a backup is missing")
		if err != nil || !strings.Contains(said, "the certificate of 1 live grant was issued once more") || strings.Contains(said, "not that of") {
			t.Errorf("rotating %s says %q, %v", purpose, said, err)
		}
		// The proxy asks the signer every ten seconds.
		s.eventually("alice works again", works)
	}
	shell.enter(`echo "still"-here`)
	shell.sees("still-here")
	shell.enter("exit")
	if code := shell.wait(); code != 0 {
		t.Errorf("the session from before ended with %d:\n%s", code, shell.screen)
	}

	// 3. Nobody was asked, and everybody can check.
	if now := s.carol.request(request.ID); len(now.Approvals) != 1 || len(now.Certificates) != 2*3 {
		t.Errorf("the request has %d approvals and %d certificates", len(now.Approvals), len(now.Certificates))
	}
	trust, file := filepath.Join(s.carol.home, "trust.json"), filepath.Join(s.carol.home, "evidence.json")
	if err := os.WriteFile(trust, []byte(s.carol.must("stint", "trust", "export")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.carol.must("stint", "evidence", "export", request.ID, "-o", file)
	said := s.carol.must("stint", "evidence", "verify", file, "--trust", trust)
	if strings.Count(said, "whose key was withdrawn; nobody was asked again.") != 4 {
		t.Errorf("the evidence says:\n%s", said)
	}
	portal := s.signIn("carol", "/alarms", nil)
	portal.see("text=No alarm is open")

	// 4. Once it is revoked, nothing is issued for it.
	dana.must("stint", "revoke", request.ID)
	if _, said, err := dana.run("stint", "keys", "rotate", "--now", "--purpose", "user-ca", "--reason", "once more"); err != nil || strings.Contains(said, "issued once more") {
		t.Errorf("after the revocation: %q, %v", said, err)
	}
	s.alice.refused([]string{"you are not signed in"}, "stint", "ssh", "web-1", "true")
	if now := s.carol.request(request.ID); len(now.Certificates) != 2*3 {
		t.Errorf("after the revocation the request has %d certificates", len(now.Certificates))
	}
}

// signInEnds does what time does to a stored sign-in, and more: the token and the ID
// token are gone.
func (c *terminal) signInEnds() {
	c.w.t.Helper()
	path := filepath.Join(c.home, ".stint", "account.json")
	data, err := os.ReadFile(path)
	if err != nil {
		c.w.t.Fatal(err)
	}
	var account map[string]any
	if err := json.Unmarshal(data, &account); err != nil {
		c.w.t.Fatal(err)
	}
	account["expires"], account["token"], account["login"] = time.Now().Add(-time.Hour).UTC(), "", map[string]any{}
	if data, err = json.Marshal(account); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		c.w.t.Fatal(err)
	}
}
