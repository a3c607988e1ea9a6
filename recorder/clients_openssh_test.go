//go:build e2e

package recorder_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshTo is plain ssh to a host of the configuration, with options.
func sshTo(host string, options ...string) func(*testing.T, *caller) runner {
	return func(t *testing.T, c *caller) runner {
		return func(command string, stdin []byte) result {
			return c.runs(t, stdin, "ssh", append(append([]string{"-F", c.config}, options...), host, command)...)
		}
	}
}

// byCommand reaches the target as older configurations do: by a ProxyCommand.
func byCommand(t *testing.T, c *caller) runner {
	return sshTo("db1", "-o", "ProxyCommand=ssh -F "+c.config+" -W %h:22 stint")(t, c)
}

// shared runs a command over a connection that stays for the next one, and ends it.
func shared(t *testing.T, c *caller) runner {
	options := []string{"-o", "ControlMaster=auto", "-o", "ControlPersist=120", "-o", "ControlPath=" + shortDir(t) + "/s"}
	return func(command string, stdin []byte) result {
		if got := sshTo("one-hop", options...)(t, c)("exit 3", nil); status(got.err) != 3 {
			return got
		}
		got := sshTo("one-hop", options...)(t, c)(command, stdin)
		if end := sshTo("one-hop", append(options, "-O", "exit")...)(t, c)("", nil); end.err != nil {
			t.Errorf("ending the shared connection: %+v", end)
		}
		return got
	}
}

// shortDir is a directory for sockets, whose paths are bounded.
func shortDir(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "stint-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(directory) })
	return directory
}

// pipeTo is ssh -W: the connection is ssh's standard input and output.
func pipeTo(host string) func(*testing.T, *caller) piper {
	return func(t *testing.T, c *caller) piper {
		return func(port string, stdin []byte) result {
			return c.runs(t, stdin, "ssh", "-F", c.config, "-W", "127.0.0.1:"+port, host)
		}
	}
}

// socketTo is ssh -N -L.
func socketTo(host string) func(*testing.T, *caller) piper {
	return func(t *testing.T, c *caller) piper {
		socket := filepath.Join(shortDir(t), "s")
		return func(port string, stdin []byte) result {
			c.starts(t, nil, "ssh", "-F", c.config, "-N", "-o", "ExitOnForwardFailure=yes", "-L", socket+":127.0.0.1:"+port, host)
			return exchange(t, dialWhenThere(t, "unix", socket), stdin)
		}
	}
}

// starts starts a program that is ended with the test, and returns it with its output.
func (c *caller) starts(t *testing.T, stdin io.Reader, program string, arguments ...string) (*exec.Cmd, *os.File) {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Dir, command.Env, command.Stdin = c.home, c.environment(), stdin
	read, write, err := os.Pipe()
	must(t, err)
	said, err := os.CreateTemp(c.home, "said-")
	must(t, err)
	command.Stdout, command.Stderr = write, said
	must(t, command.Start())
	write.Close()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		read.Close()
		if text, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("%s said %s", program, text)
		}
		said.Close()
	})
	return command, read
}

// exchange sends bytes and their end, and hears what comes back until the other side's.
func exchange(t *testing.T, conn net.Conn, sent []byte) result {
	t.Helper()
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(clientPatience)))
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		}
		wrote <- err
	}()
	heard, err := io.ReadAll(conn)
	if writeErr := <-wrote; err == nil {
		err = writeErr
	}
	return result{stdout: string(heard), err: err}
}

// lowPort is a port that no connection takes for its own end.
func lowPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := fmt.Sprint(20_000 + time.Now().UnixNano()/1000%12_000)
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func scpBy(options ...string) func(*testing.T, *caller) copier {
	return func(t *testing.T, c *caller) copier {
		scp := func(from, to string) result {
			return c.runs(t, nil, "scp", append(append([]string{"-F", c.config, "-q"}, options...), from, to)...)
		}
		return copier{
			put: func(from, to string) result { return scp(from, "one-hop:"+to) },
			get: func(from, to string) result { return scp("one-hop:"+from, to) },
		}
	}
}

func sftpBatch(t *testing.T, c *caller) copier {
	batch := func(verb string) func(from, to string) result {
		return func(from, to string) result {
			return c.runs(t, fmt.Appendf(nil, "%s %s %s\n", verb, from, to), "sftp", "-F", c.config, "-b", "-", "one-hop")
		}
	}
	return copier{put: batch("put"), get: batch("get")}
}

func rsync(t *testing.T, c *caller) copier {
	sync := func(from, to string) result {
		return c.runs(t, nil, "rsync", "-a", "-e", "ssh -F "+c.config, from, to)
	}
	return copier{
		put: func(from, to string) result { return sync(from, "one-hop:"+to) },
		get: func(from, to string) result { return sync("one-hop:"+from, to) },
	}
}

// intoBackground is ssh -f: it returns when it is let in, and the command goes on.
func intoBackground(t *testing.T, c *caller) {
	done := filepath.Join(c.sshd.Home, "background-"+c.grant.Request)
	// What goes on in the background holds the outputs of what started it.
	got := c.runs(t, nil, "sh", "-c", `exec ssh -F "$0" -f one-hop "$1" >"$0.said" 2>&1`, c.config, "until [ -e "+done+"-go ]; do sleep 0.1; done; echo through > "+done)
	if got.err != nil {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat(done); err == nil {
		t.Fatal("it did not return before the command was through")
	}
	must(t, os.WriteFile(done+"-go", nil, 0o644))
	awaitFile(t, done, func(text string) bool { return text == "through\n" })
}

// awaitFile waits until a file says what it is to say.
func awaitFile(t *testing.T, path string, fits func(text string) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(path)
		if fits(string(text)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s says %q", path, text)
		}
	}
}

// withoutCommand is ssh -N: nothing runs, the session is there, and a revocation ends it.
func withoutCommand(t *testing.T, c *caller) {
	command, _ := c.starts(t, nil, "ssh", "-F", c.config, "-N", "one-hop")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		begun := false
		for _, session := range c.Broker.Sessions() {
			begun = begun || session.Start.Request == c.grant.Request
		}
		if begun {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no session began")
		}
	}
	c.Broker.Revoke(c.grant.Request, "Bob")
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err := <-ended:
		if status(err) != 255 {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it is still there after its grant was revoked")
	}
}

// cloneAndPush is git over ssh.
func cloneAndPush(t *testing.T, c *caller) {
	bare := filepath.Join(c.sshd.Home, "bare-"+c.grant.Request+".git")
	clone := filepath.Join(c.home, "clone")
	git := func(arguments ...string) string {
		t.Helper()
		base := []string{"-c", "core.sshCommand=ssh -F " + c.config, "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"}
		got := c.runs(t, nil, "git", append(base, arguments...)...)
		if got.err != nil {
			t.Fatalf("git %s: %+v", strings.Join(arguments, " "), got)
		}
		return strings.TrimSpace(got.stdout)
	}
	if got := sshTo("one-hop")(t, c)("git init -q --bare -b main "+bare, nil); got.err != nil {
		t.Fatalf("%+v", got)
	}
	git("clone", "-q", "one-hop:"+bare, clone)
	must(t, os.WriteFile(filepath.Join(clone, "file"), []byte(strings.Repeat("line\n", 100_000)), 0o600))
	git("-C", clone, "add", "file")
	git("-C", clone, "commit", "-q", "-m", "one")
	git("-C", clone, "push", "-q", "origin", "main")
	git("clone", "-q", "one-hop:"+bare, clone+"-2")
	if one, two := git("-C", clone, "rev-parse", "HEAD"), git("-C", clone+"-2", "rev-parse", "HEAD"); one != two {
		t.Errorf("pushed %s, cloned %s", one, two)
	}
}

// startsAgain is autossh: when its ssh dies, it starts another.
func startsAgain(t *testing.T, c *caller) {
	beats := filepath.Join(c.sshd.Home, "beats-"+c.grant.Request)
	pid := filepath.Join(c.home, "pid")
	script := filepath.Join(c.home, "ssh")
	// autossh runs what AUTOSSH_PATH names; this tells which process to end.
	must(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\necho $$ >> %s\nexec ssh \"$@\"\n", pid), 0o700))
	c.starts(t, nil, "env", "AUTOSSH_GATETIME=0", "AUTOSSH_PATH="+script,
		"autossh", "-M", "0", "-F", c.config, "one-hop", "echo beat >> "+beats+"; sleep 600")
	awaitFile(t, beats, func(text string) bool { return text == "beat\n" })
	first, err := os.ReadFile(pid)
	must(t, err)
	must(t, exec.Command("kill", "-KILL", strings.TrimSpace(string(first))).Run())
	awaitFile(t, beats, func(text string) bool { return text == "beat\nbeat\n" })
}

// moshRefused wants mosh's person told why it cannot be.
func moshRefused(t *testing.T, c *caller) {
	for _, how := range []string{"proxy", "remote"} {
		command := exec.Command("mosh", "--experimental-remote-ip="+how, "--ssh=ssh -F "+c.config, "one-hop")
		command.Dir, command.Env = c.home, c.environment()
		term := onTerminal(t, command)
		err := term.wait(t)
		if status(err) == 0 || !strings.Contains(term.all(), "mosh does not go through the proxy") {
			t.Errorf("%s: it ended with %v and said %q", how, err, term.all())
		}
	}
}
