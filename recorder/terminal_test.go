//go:build e2e

package recorder_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

const windowChanged = syscall.SIGWINCH

// terminal is a program, mostly ssh, that believes in its terminal.
type terminal struct {
	pty     *os.File
	command *exec.Cmd
	ended   chan error

	mu    sync.Mutex
	seen  string
	taken int
}

// terminal starts ssh in a terminal of 100 columns and 30 rows.
func (r *real) terminal(t *testing.T, way string, arguments ...string) *terminal {
	t.Helper()
	command := exec.Command("ssh", append([]string{"-F", r.config, way}, arguments...)...)
	command.Env = append(os.Environ(), "SSH_AUTH_SOCK=", "TERM=xterm-256color")
	return onTerminal(t, command)
}

// onTerminal starts a command in a terminal of 100 columns and 30 rows.
func onTerminal(t *testing.T, command *exec.Cmd) *terminal {
	t.Helper()
	file, err := pty.StartWithSize(command, &pty.Winsize{Rows: 30, Cols: 100})
	must(t, err)
	term := &terminal{pty: file, command: command, ended: make(chan error, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := file.Read(buffer)
			term.mu.Lock()
			term.seen += string(buffer[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		err := command.Wait()
		<-read
		term.ended <- err
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		file.Close()
	})
	return term
}

func (term *terminal) all() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.seen
}

func (term *terminal) typed(t *testing.T, text string) {
	t.Helper()
	_, err := term.pty.WriteString(text)
	must(t, err)
}

// expect waits for text after what was expected last.
func (term *terminal) expect(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		term.mu.Lock()
		at := strings.Index(term.seen[term.taken:], text)
		if at >= 0 {
			term.taken += at + len(text)
		}
		term.mu.Unlock()
		if at >= 0 {
			return
		}
	}
	t.Fatalf("the terminal never showed %q; it shows %q", text, term.all())
}

// settle waits for a shell, whatever its prompt looks like.
func (term *terminal) settle(t *testing.T) {
	t.Helper()
	term.typed(t, "echo rea''dy\r")
	term.expect(t, "ready\r\n")
}

func (term *terminal) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-term.ended:
		return err
	case <-time.After(patience):
		t.Fatalf("ssh did not end; the terminal shows %q", term.all())
		return nil
	}
}
