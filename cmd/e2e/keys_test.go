//go:build e2e

package e2e

import (
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
	s.within(time.Minute, "ssh works again", func() error {
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
