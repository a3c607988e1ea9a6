//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// world is one stint-dev with everything it starts.
type world struct {
	t       *testing.T
	data    string
	flags   []string
	inside  []string // a command that runs stint-dev, where it is not run as it is
	command *exec.Cmd
	ended   chan struct{} // closed when stint-dev has ended
	output  *lockedBuffer

	// What its ready file says; pids are read anew by pid.
	Instance, Data, Portal, API, Proxy, Issuer, Login, Ceremony string
	HostCA                                                      string `json:"host_ca"`
	Targets                                                     []string
	Users                                                       []user
	PIDs                                                        map[string]int
}

type user struct {
	Name, Email, Password string
	Groups                []string
}

// lockedBuffer gathers what a process says while tests read it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// startWorld starts stint-dev on fresh data and any free ports, and stops it
// when the test ends. It performs no demo unless flags are given.
func startWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	if flags == nil {
		flags = []string{"--no-demo"}
	}
	w := &world{t: t, data: filepath.Join(t.TempDir(), "data"), flags: flags}
	w.startForTest()
	return w
}

// startForTest starts the world and ends it with the test.
func (w *world) startForTest() {
	t := w.t
	t.Helper()
	t.Cleanup(func() {
		w.stop()
		w.mustHaveBehaved()
		if t.Failed() {
			w.showLogs()
		}
		if os.Geteuid() == 0 && w.Instance != "" {
			os.RemoveAll(filepath.Join("/var/lib/stint-dev", w.Instance))
		}
	})
	w.start()
}

// start runs stint-dev on the world's data and waits until it is ready.
func (w *world) start() {
	w.t.Helper()
	ready := filepath.Join(filepath.Dir(w.data), "ready.json")
	os.Remove(ready) // that of an earlier, killed run
	w.output, w.ended = &lockedBuffer{}, make(chan struct{})
	line := append(slices.Clone(w.inside), filepath.Join(bin, "stint-dev"), "--data", w.data, "--listen", "localhost:0", "--ready-file", ready, "--bin", bin)
	line = append(line, w.flags...)
	w.command = exec.Command(line[0], line[1:]...)
	w.command.Stdout, w.command.Stderr = w.output, w.output
	if err := w.command.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := w.ended
	go func(command *exec.Cmd) { command.Wait(); close(ended) }(w.command)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := w.readReady(ready); err == nil {
			return
		}
		select {
		case <-w.ended:
			w.t.Fatalf("stint-dev ended before it was ready:\n%s", w.output)
		default:
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("stint-dev was not ready after two minutes:\n%s", w.output)
		}
	}
}

// tryStart runs stint-dev on the world's data where it is expected to end at
// once, and returns what it said.
func (w *world) tryStart() (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, filepath.Join(bin, "stint-dev"), "--data", w.data, "--listen", "localhost:0", "--bin", bin, "--no-demo").CombinedOutput()
	return string(output), err
}

func (w *world) readReady(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, w)
}

// stop ends stint-dev with SIGTERM and waits for it.
func (w *world) stop() {
	if w.command == nil || w.command.Process == nil {
		return
	}
	w.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Errorf("stint-dev did not end within %s of SIGTERM:\n%s", patience, w.output)
		w.command.Process.Kill()
		<-w.ended
	}
}

// pid is the process id of a process that stint-dev keeps running.
func (w *world) pid(name string) int {
	w.t.Helper()
	if err := w.readReady(filepath.Join(filepath.Dir(w.data), "ready.json")); err != nil {
		w.t.Fatal(err)
	}
	if w.PIDs[name] == 0 {
		w.t.Fatalf("the ready file knows no process %q: %v", name, w.PIDs)
	}
	return w.PIDs[name]
}

// kill ends a process as a crash would and waits until another is in its place.
func (w *world) kill(name string) {
	w.t.Helper()
	before := w.pid(name)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(name+" runs again", func() error {
		if now := w.pid(name); now == before {
			return fmt.Errorf("it is still process %d", now)
		}
		return nil
	})
}

// patience is how long a test waits for what must come about: a machine that runs
// much else may stand still for a while.
const patience = 90 * time.Second

// eventually waits, not for ever, until check returns nil.
func (w *world) eventually(what string, check func() error) {
	w.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	w.t.Fatalf("after %s, still not: %s: %v", patience, what, err)
}

// user finds somebody who can sign in.
func (w *world) user(name string) user {
	w.t.Helper()
	for _, u := range w.Users {
		if u.Name == name {
			return u
		}
	}
	w.t.Fatalf("there is no user %q", name)
	return user{}
}

// mustHaveBehaved looks for what the race detector reports, for panics and for
// answers of 500 in everything that the processes wrote.
func (w *world) mustHaveBehaved() {
	w.t.Helper()
	logs, _ := filepath.Glob(filepath.Join(w.data, "log", "*.log"))
	if len(logs) < 3 && w.Instance != "" {
		w.t.Errorf("the processes left %d logs", len(logs))
	}
	said := map[string]string{"stint-dev": w.output.String()}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Error(err)
		}
		said[filepath.Base(path)] = string(text)
	}
	for who, text := range said {
		for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: ", "panicked", `"status":500`} {
			if at := strings.Index(text, sign); at >= 0 {
				w.t.Errorf("%s:\n%s", who, text[at:min(len(text), at+6000)])
			}
		}
	}
}

// showLogs puts the end of every log into the test's.
func (w *world) showLogs() {
	w.t.Logf("stint-dev said:\n%s", w.output)
	logs, _ := filepath.Glob(filepath.Join(w.data, "log", "*.log"))
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		w.t.Logf("%s:\n%s", filepath.Base(path), strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
}

// signIn opens a tab and signs a person in through the provider's form; path is
// the page of the portal to begin and end at.
func (w *world) signIn(name, path string, with arguments) *tab {
	w.t.Helper()
	b := openTab(w.t, name, with)
	b.open(w.Portal + "/auth/login?return_to=" + path)
	w.fillSignIn(b, name)
	b.waitURL("^" + w.Portal + "/")
	return b
}

// fillSignIn fills the provider's form, which the tab shows.
func (w *world) fillSignIn(b *tab, name string) {
	w.t.Helper()
	b.fill("#login", name)
	b.fill("#password", w.user(name).Password)
	b.click("#submit-login")
}

// terminal is one person's command line: a home of its own and the world's URL.
type terminal struct {
	w    *world
	home string
	env  []string
}

// openTerminal returns a command line on which nobody is signed in.
func (w *world) openTerminal() *terminal {
	w.t.Helper()
	home := w.t.TempDir()
	env := []string{"HOME=" + home, "STINT_HOME=" + filepath.Join(home, ".stint"), "STINT_URL=" + w.Portal, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "BROWSER=" + w.browserScript(home)}
	for _, name := range []string{"LANG", "TMPDIR", "USER", "LOGNAME", "GORACE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	w.t.Cleanup(func() { endProcessesOf(home) })
	return &terminal{w: w, home: home, env: env}
}

// endProcessesOf ends what a terminal left running: the command line's agent
// stays after the command that started it. Elsewhere than on Linux it ends with
// its keys.
func endProcessesOf(home string) {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("STINT_HOME="+filepath.Join(home, ".stint")+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			syscall.Kill(pid, syscall.SIGTERM)
		}
	}
}

// browserScript is the person's browser as far as the command line knows: it
// leaves the address in a file for the test to open in Chromium.
func (w *world) browserScript(home string) string {
	path := filepath.Join(home, "browser")
	script := "#!/bin/sh\nprintf '%s' \"$1\" > '" + home + "/address.next' && mv '" + home + "/address.next' '" + home + "/address'\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// command prepares a program in this terminal.
func (c *terminal) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	if !strings.ContainsRune(program, '/') {
		if own := filepath.Join(bin, program); executable(own) {
			program = own
		}
	}
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env, command.Dir = c.env, c.home
	return command
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// run runs a program to its end and returns what it printed.
func (c *terminal) run(program string, arguments ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(c.w.t.Context(), patience)
	defer cancel()
	command := c.command(ctx, program, arguments...)
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	err = command.Run()
	return out.String(), complaints.String(), err
}

// must runs a program that has to succeed, and returns its output.
func (c *terminal) must(program string, arguments ...string) string {
	c.w.t.Helper()
	out, complaints, err := c.run(program, arguments...)
	if err != nil {
		c.w.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(arguments, " "), err, out, complaints)
	}
	return out
}

// signIn goes through stint login with the browser of the person.
func (c *terminal) signIn(name string) {
	c.w.t.Helper()
	ctx, cancel := context.WithTimeout(c.w.t.Context(), 2*patience) // a browser is opened meanwhile
	defer cancel()
	command := c.command(ctx, "stint", "login")
	var said lockedBuffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		c.w.t.Fatal(err)
	}
	c.signInByBrowser(name)
	if err := command.Wait(); err != nil {
		c.w.t.Fatalf("stint login as %s: %v\n%s", name, err, &said)
	}
}

// signInByBrowser does what the person does in the browser that stint login opens.
func (c *terminal) signInByBrowser(name string) {
	c.w.t.Helper()
	var address []byte
	c.w.eventually("stint login opens a browser", func() (err error) {
		opened := filepath.Join(c.home, "address")
		if address, err = os.ReadFile(opened); err == nil {
			err = os.Remove(opened) // the next one opens another
		}
		return err
	})
	b := openTab(c.w.t, name, nil)
	b.open(string(address))
	c.w.fillSignIn(b, name)
}
