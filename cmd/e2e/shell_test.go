//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// shell is a program on a terminal of its own, as a person has it open.
type shell struct {
	w       *world
	command *exec.Cmd
	device  *os.File
	screen  *lockedBuffer
	ended   chan struct{} // closed when the program has ended
	endedAt time.Time
}

// open runs a program on a terminal of 100 by 30.
func (c *terminal) open(program string, arguments ...string) *shell {
	c.w.t.Helper()
	s := &shell{w: c.w, command: c.command(context.Background(), program, arguments...), screen: &lockedBuffer{}, ended: make(chan struct{})}
	s.command.Env = append(s.command.Env, "TERM=xterm-256color")
	var err error
	if s.device, err = pty.StartWithSize(s.command, &pty.Winsize{Cols: 100, Rows: 30}); err != nil {
		c.w.t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		buffer := make([]byte, 32<<10)
		for {
			n, err := s.device.Read(buffer)
			s.screen.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() {
		s.command.Wait()
		s.endedAt = time.Now()
		select { // what it said last, unless something that it left behind holds the terminal
		case <-drained:
		case <-time.After(20 * time.Second):
		}
		close(s.ended)
	}()
	c.w.t.Cleanup(func() {
		s.command.Process.Kill()
		<-s.ended
		s.device.Close()
	})
	return s
}

// enter types a line.
func (s *shell) enter(line string) {
	s.w.t.Helper()
	if _, err := s.device.WriteString(line + "\r"); err != nil {
		s.w.t.Fatalf("typing %q: %v\n%s", line, err, s.screen)
	}
}

// sees waits until the terminal shows a text, and returns when that was.
func (s *shell) sees(text string) time.Time {
	s.w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if strings.Contains(s.screen.String(), text) {
			return time.Now()
		}
		if time.Now().After(deadline) {
			s.w.t.Fatalf("the terminal does not show %q within %s:\n%s", text, patience, s.screen)
		}
	}
}

// seesMatch waits until what the terminal showed after so many bytes has a match,
// and returns it.
func (s *shell) seesMatch(after int, pattern string) (found string) {
	s.w.t.Helper()
	s.w.eventually("the terminal shows "+pattern, func() error {
		if found = regexp.MustCompile(pattern).FindString(s.screen.String()[after:]); found == "" {
			return fmt.Errorf("it shows:\n%s", s.screen)
		}
		return nil
	})
	return found
}

// wait waits until the program has ended and returns its exit status.
func (s *shell) wait() int {
	s.w.t.Helper()
	select {
	case <-s.ended:
		return s.command.ProcessState.ExitCode()
	case <-time.After(patience):
		s.w.t.Fatalf("it has not ended within %s:\n%s", patience, s.screen)
		return 0
	}
}

// useConfig writes what stint ssh-config prints where ssh is told to look:
// OpenSSH takes the home directory from the system's list of users, never from
// HOME. It returns the path.
func (c *terminal) useConfig() string {
	c.w.t.Helper()
	path := filepath.Join(c.home, "config")
	if err := os.WriteFile(path, []byte(c.must("stint", "ssh-config")), 0o600); err != nil {
		c.w.t.Fatal(err)
	}
	c.w.t.Cleanup(c.stopAgent)
	return path
}

// stopAgent ends the agent that stint started for plain ssh: it stays by itself
// for some minutes.
func (c *terminal) stopAgent() {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err != nil || !bytes.HasSuffix(command, []byte("/stint\x00agent\x00")) || !bytes.Contains(environment, []byte("STINT_HOME="+filepath.Join(c.home, ".stint")+"\x00")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(filepath.Dir(path)), "%d", &pid); err == nil {
			syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

// exits runs a program and compares everything it says and its exit status.
func (c *terminal) exits(status int, stdout, stderr, program string, arguments ...string) {
	c.w.t.Helper()
	out, complaints, err := c.run(program, arguments...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		c.w.t.Fatalf("%s %s: %v", program, strings.Join(arguments, " "), err)
	}
	if code != status || out != stdout || complaints != stderr {
		c.w.t.Errorf("%s %s:\n exit status %d, stdout %q, stderr %q\n want %d, %q, %q", program, strings.Join(arguments, " "), code, out, complaints, status, stdout, stderr)
	}
}

// refused runs a program that must fail and say something that contains each of
// the words; it returns all that it said.
func (c *terminal) refused(words []string, program string, arguments ...string) string {
	c.w.t.Helper()
	out, complaints, err := c.run(program, arguments...)
	said := out + complaints
	if err == nil {
		c.w.t.Errorf("%s %s succeeded:\n%s", program, strings.Join(arguments, " "), said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			c.w.t.Errorf("%s %s (%v) does not say %q:\n%s", program, strings.Join(arguments, " "), err, word, said)
		}
	}
	return said
}

// randomFile writes size random bytes to a file in the terminal's home.
func (c *terminal) randomFile(name string, size int) (path string, content []byte) {
	c.w.t.Helper()
	content = make([]byte, size)
	rand.Read(content)
	path = filepath.Join(c.home, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		c.w.t.Fatal(err)
	}
	return path, content
}

// same fails the test unless a file holds exactly the content.
func (c *terminal) same(path string, content []byte) {
	c.w.t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		c.w.t.Error(err)
	} else if !bytes.Equal(got, content) {
		c.w.t.Errorf("%s holds %d bytes that are not the %d copied", path, len(got), len(content))
	}
}
