//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestBareMachine runs Stint where OpenSSH's server is not installed, on data in
// a directory with a long name that has a space in it. The built-in targets
// serve shells and commands, and say what they cannot do.
func TestBareMachine(t *testing.T) {
	t.Parallel()
	s := &story{world: &world{t: t, flags: []string{"--no-demo"}, inside: withoutSSHD()}}
	s.data = filepath.Join(t.TempDir(), strings.Repeat("A long directory ", 10), "data")
	if err := os.Mkdir(filepath.Dir(s.data), 0o755); err != nil || len(s.data) < 160 {
		t.Fatal(err, s.data)
	}
	s.startForTest()
	if said := s.output.String(); !strings.Contains(said, "small built-in ones without sftp") || !strings.Contains(said, s.data) {
		t.Errorf("stint-dev does not say that the targets are built-in ones, or where the data is:\n%s", said)
	}
	for name := range s.PIDs {
		if strings.HasPrefix(name, "target-") {
			t.Errorf("%s is a process of its own: there is an sshd", name)
		}
	}
	s.beginApprovals()
	s.alice = s.openTerminal()
	s.alice.signIn("alice")
	s.grant("web-1", "30m")

	s.alice.exits(3, "here\n", "there\n", "stint", "ssh", "web-1", "echo here; echo there >&2; exit 3")
	s.alice.exits(0, "through\n", "", "sh", "-c", "echo through | stint ssh web-1 cat")
	s.alice.exits(128+15, "", "", "stint", "ssh", "web-1", "kill -TERM $$")

	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter("stty size")
	shell.sees("30 100")
	if err := pty.Setsize(shell.device, &pty.Winsize{Cols: 120, Rows: 40}); err != nil {
		t.Fatal(err)
	}
	shell.enter(`until [ "$(stty size)" = "40 120" ]; do sleep 0.05; done; echo it is $(stty size)`)
	shell.sees("it is 40 120")
	// Who says that it begins is who is to be interrupted.
	shell.enter(`sh -c 'trap "echo inter"rupted"; exit 7" INT; echo beg"ins"; while :; do sleep 0.05; done'`)
	shell.sees("begins")
	fmt.Fprint(shell.device, "\x03")
	shell.sees("interrupted")
	shell.enter(`echo "ended with $?"; exit 4`)
	shell.sees("ended with 7")
	if code := shell.wait(); code != 4 {
		t.Errorf("stint ssh ended with %d, the shell with 4:\n%s", code, shell.screen)
	}

	// What copies without sftp works; what needs it says what is missing.
	config, there := s.alice.useConfig(), s.Login+"@web-1:"
	directory := strings.TrimSpace(s.alice.must("ssh", "-F", config, s.Login+"@web-1", "mktemp -d"))
	here, content := s.alice.randomFile("content", 1<<20+17)
	s.alice.must("scp", "-O", "-F", config, here, there+directory+"/scp")
	s.alice.must("scp", "-O", "-F", config, there+directory+"/scp", s.alice.home+"/by-scp")
	s.alice.same(s.alice.home+"/by-scp", content)
	s.alice.must("ssh", "-F", config, s.Login+"@web-1", "rm -r "+directory)
	s.alice.refused([]string{"has no sftp", "scp -O"}, "scp", "-F", config, here, there)
	s.alice.refused([]string{"has no sftp", "scp -O"}, "sftp", "-F", config, "-b", "/dev/null", s.Login+"@web-1")

	s.eventually("the sessions are over and their recordings whole", func() error {
		if session := s.alice.lastSession("web-1"); session.Live || session.ChainVerified != "verified" {
			return fmt.Errorf("one is %+v", session)
		}
		return nil
	})
}

// withoutSSHD is a command that runs another one where no sshd is found: each
// that this machine has is covered by what cannot be executed.
func withoutSSHD() []string {
	line := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		line = append(line, "--map-current-user", "--keep-caps")
	}
	line = append(line, "sh", "-c", `until [ "$1" = -- ]; do mount --bind /dev/null "$1" || exit; shift; done; shift; exec "$@"`, "sh")
	places := []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"}
	if path, err := exec.LookPath("sshd"); err == nil {
		places = append(places, path)
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			line = append(line, place)
		}
	}
	return append(line, "--")
}
