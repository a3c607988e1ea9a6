//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/api"
)

// TestOwnAgentAndTheGrantsEnd has alice work with her own ssh-agent until her
// grant ends by itself: what is open closes, nothing new opens, and the agent
// keeps only what is hers.
func TestOwnAgentAndTheGrantsEnd(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	socket := startSSHAgent(t)
	s.alice.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "her own", "-f", s.alice.home+"/own")
	s.alice.env = append(s.alice.env, "SSH_AUTH_SOCK="+socket)
	s.alice.must("ssh-add", "-q", s.alice.home+"/own")
	config := s.alice.useConfig()
	first := s.grant("web-1", "90s")

	// Started together, they share one key.
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			s.alice.exits(i, fmt.Sprintln(i), "", "stint", "ssh", "web-1", fmt.Sprintf("echo %d; exit %d", i, i))
		})
		all.Go(func() {
			s.alice.exits(i, fmt.Sprintln(i), "", "ssh", "-F", config, s.Login+"@web-1", fmt.Sprintf("echo %d; exit %d", i, i))
		})
	}
	all.Wait()
	if list := s.alice.must("ssh-add", "-l"); strings.Count(list, "ED25519-CERT") != 1 || !strings.Contains(list, "her own") {
		t.Errorf("her agent holds:\n%s", list)
	}
	// An agent that never answers, as one whose forwarding broke, holds nobody up.
	usual := s.alice.env
	s.alice.env = append(usual[:len(usual):len(usual)], "SSH_AUTH_SOCK="+listenAndSayNothing(t))
	s.alice.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")
	s.alice.env = usual
	s.alice.must("stint", "drop", first.ID)

	var granted api.Request
	var ends time.Time
	s.soonest("from the grant's end to that of the sessions", func() (slowest time.Duration) {
		granted = s.grant("web-1", "40s")
		ends = *granted.Ends
		byStint := s.alice.open("stint", "ssh", "web-1")
		plain := s.alice.open("ssh", "-F", config, s.Login+"@web-1")
		for _, shell := range []*shell{byStint, plain} {
			shell.enter(`echo "at"-work`)
			shell.sees("at-work")
		}
		if now := time.Now(); now.After(ends) {
			t.Fatalf("the shells are open only %s after the grant's end", now.Sub(ends))
		}
		for name, shell := range map[string]*shell{"stint ssh": byStint, "ssh": plain} {
			<-shell.ended
			off := shell.endedAt.Sub(ends)
			if off < 0 {
				t.Errorf("%s ended %s before the grant", name, -off)
			}
			if text := shell.screen.String(); !strings.Contains(text, "stint: this grant ended at ") {
				t.Errorf("%s does not say why it ended:\n%s", name, text)
			}
			slowest = max(slowest, off)
		}
		return slowest
	})
	// The certificate ends with a whole second, the grant a part of one later.
	time.Sleep(time.Until(ends.Add(time.Second)))
	s.alice.refused([]string{"you hold no grant for web-1"}, "stint", "ssh", "web-1", "true")
	s.alice.refused([]string{"you hold no grant for web-1"}, "ssh", "-F", config, "-o", "BatchMode=yes", s.Login+"@web-1", "true")
	s.eventually("the agent let go of the grant's key", func() error {
		if list := s.alice.must("ssh-add", "-l"); strings.Contains(list, "CERT") || !strings.Contains(list, "her own") {
			return fmt.Errorf("it holds:\n%s", list)
		}
		return nil
	})
	s.eventually("the request and its sessions are over", func() error {
		if request := s.alice.request(granted.ID); request.State != "ended" || request.EndReason != "completed" {
			return fmt.Errorf("the request is %s (%s)", request.State, request.EndReason)
		}
		if session := s.alice.lastSession("web-1"); session.Live || session.EndReason != "expired" || session.ChainVerified != "verified" {
			return fmt.Errorf("the last session is %+v", session)
		}
		return nil
	})
}

// startSSHAgent runs OpenSSH's agent and returns its socket.
func startSSHAgent(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(shortDirectory(t), "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatal("ssh-agent opens no socket")
		}
	}
}

// listenAndSayNothing takes connections and answers nothing.
func listenAndSayNothing(t *testing.T) string {
	t.Helper()
	socket := filepath.Join(shortDirectory(t), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) // connections stay in its queue
	return socket
}

// shortDirectory is one whose path leaves room for a socket's name.
func shortDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "stint-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
