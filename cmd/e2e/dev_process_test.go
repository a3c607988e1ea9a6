//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// running tells whether a process runs (a zombie does not).
func running(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		return !strings.Contains(string(stat), ") Z ")
	}
	return syscall.Kill(pid, 0) == nil
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	alice := w.signIn("alice", "/", nil)
	alice.see("text=alice")
	before := *w

	w.stop()
	for name, pid := range before.PIDs {
		if running(pid) {
			t.Errorf("%s (process %d) outlived stint-dev", name, pid)
		}
	}
	w.start()
	for what, pair := range map[string][2]string{
		"portal": {before.Portal, w.Portal}, "proxy": {before.Proxy, w.Proxy}, "issuer": {before.Issuer, w.Issuer},
		"instance": {before.Instance, w.Instance}, "host CA": {before.HostCA, w.HostCA}, "link to the ceremony": {before.Ceremony, w.Ceremony},
		"alice's password": {before.user("alice").Password, w.user("alice").Password},
	} {
		if pair[0] != pair[1] || pair[0] == "" {
			t.Errorf("%s: before %q, after %q", what, pair[0], pair[1])
		}
	}
	// The browser of before is still signed in.
	alice.open(w.Portal + "/")
	alice.see("text=alice")
}

func TestNothingOutlivesAKilledStintDev(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	if err := w.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-w.ended
	w.eventually("all processes are gone", func() error {
		for name, pid := range w.PIDs {
			if running(pid) {
				return fmt.Errorf("%s (process %d) runs", name, pid)
			}
		}
		return nil
	})
	w.start() // and the data is as good as ever
	w.signIn("bob", "/", nil).see("text=bob")
}

func TestKilledProcessesAreStartedAgain(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	for _, name := range []string{"broker", "signer", "proxy-1", "target-demo"} {
		w.kill(name)
	}
	answer, err := (&http.Client{Timeout: patience}).Get(w.Portal + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the broker answers %s", answer.Status)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	w.stop()
	taken, err := net.Listen("tcp", strings.Replace(w.Proxy, "localhost", "127.0.0.1", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(w.Proxy)
	output, err := w.tryStart()
	if err == nil || !strings.Contains(output, port) || !strings.Contains(output, "the proxy") {
		t.Errorf("with the proxy's port taken: %v\n%s", err, output)
	}
}
