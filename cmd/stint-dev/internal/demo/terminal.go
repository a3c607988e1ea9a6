package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// terminal is the engineer's: a home of its own, and the stint command in it.
type terminal struct {
	stint  string
	home   string
	portal string
}

func (c *terminal) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, c.stint, arguments...)
	command.Dir = c.home
	command.Env = []string{
		"HOME=" + c.home, "STINT_HOME=" + c.home + "/.stint", "STINT_URL=" + c.portal, "TERM=xterm-256color",
		"PATH=" + os.Getenv("PATH"), "BROWSER=true", // the browser is ours, below
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	return command
}

// run runs stint to its end and returns what it printed.
func (c *terminal) run(ctx context.Context, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var out, complaints bytes.Buffer
	command := c.command(ctx, arguments...)
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("stint %s: %w: %s", arguments[0], err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}

// login goes through stint login: it prints an address, a browser signs in there.
func (c *terminal) login(ctx context.Context, who Person) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := c.command(ctx, "login")
	printed, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	said := make(chan string, 1) // the first address, or "" when there was none
	var all strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(said)
		found := false
		for lines := bufio.NewScanner(printed); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if line := strings.TrimSpace(lines.Text()); !found && strings.HasPrefix(line, "http") {
				said <- line
				found = true
			}
		}
	})
	var signedIn error
	if address := <-said; address != "" {
		b, err := newBrowser()
		if err == nil {
			err = b.signIn(ctx, address, who)
		}
		if signedIn = err; err != nil {
			cancel()
		}
	}
	reading.Wait()
	if err := command.Wait(); err != nil {
		return fmt.Errorf("stint login: %w: %s", errors.Join(signedIn, err), strings.TrimSpace(all.String()))
	}
	return signedIn
}

// A step is something typed, and how long the engineer then looks at the answer.
type step struct {
	keys string
	look time.Duration
}

// work is what the engineer does on the target: harmless, in a directory of its
// own, with what every system has.
func work() []step {
	steps := []step{
		{`cd "$(mktemp -d)" && pwd` + "\r", 2 * time.Second},
		{"uname -sr; uptime\r", 3 * time.Second},
		{"df -h / | tail -1\r", 3 * time.Second},
		{`# customers report errors since noon; have a look at today's requests` + "\r", time.Second},
		{`seq 1 900 | awk '{print "12:" int($1/60+10) ":" $1%60, "GET /orders/" 4000+$1, ($1%37 ? 200 : 503)}' > access.log` + "\r", 2 * time.Second},
		{"wc -l access.log\r", 2 * time.Second},
		{`awk '{n[$4]++} END {for (s in n) print s, n[s]}' access.log` + "\r", 4 * time.Second},
		{"grep ' 503$' access.log | head -8\r", 5 * time.Second},
	}
	if _, err := exec.LookPath("less"); err == nil {
		steps = append(steps,
			step{"less access.log\r", 3 * time.Second}, step{" ", 2 * time.Second}, step{" ", 2 * time.Second},
			step{"/503\r", 3 * time.Second}, step{"n", 2 * time.Second}, step{"q", 2 * time.Second})
	}
	return append(steps,
		step{`# one worker in 37 fails: the pool holds a connection that is gone` + "\r", 2 * time.Second},
		step{`printf 'pool_size = 36\nrecycle = true\n' > pool.conf; cat pool.conf` + "\r", 3 * time.Second},
		step{`for i in $(seq 1 20); do printf '\r\033[32mreloading workers\033[0m %3d%%' $((i*5)); sleep 0.4; done; echo` + "\r", 3 * time.Second},
		step{`printf '\033[1;32m\342\234\223 all workers answer\033[0m\n'` + "\r", 3 * time.Second},
		step{`ls -l --color=auto 2>/dev/null || ls -l` + "\r", 3 * time.Second},
		step{`rm access.log pool.conf && cd / && rmdir "$OLDPWD"` + "\r", 2 * time.Second},
		step{"exit\r", 0},
	)
}

// shell types the steps into a session on the target, at the speed of a person.
// A pace of 1 takes about two minutes; smaller is faster.
func (c *terminal) shell(ctx context.Context, target string, steps []step, pace float64) error {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	command := c.command(ctx, "ssh", target)
	var complaints bytes.Buffer
	command.Stderr = &complaints // so that the terminal shows what the target says, and nothing else
	screen, err := pty.StartWithSize(command, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		return fmt.Errorf("opening a terminal: %w", err)
	}
	watch := newWatch()
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(watch, screen) }) // until the session is over
	err = c.typeAll(ctx, screen, watch, steps, pace)
	if err != nil {
		cancel()
	}
	waited := command.Wait()
	screen.Close()
	reading.Wait()
	if err = errors.Join(err, waited); err != nil {
		return fmt.Errorf("working on %s: %w: %s; the last it showed: %q", target, err, strings.TrimSpace(complaints.String()), watch.last())
	}
	return nil
}

func (c *terminal) typeAll(ctx context.Context, screen io.Writer, watch *watch, steps []step, pace float64) error {
	wait := func(d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(float64(d) * pace)):
			return nil
		}
	}
	// Nothing is typed before the target has greeted: it would be lost, or echoed twice.
	if err := watch.quiet(ctx, true); err != nil {
		return err
	}
	for _, step := range steps {
		if err := wait(time.Second); err != nil {
			return err
		}
		for _, key := range step.keys {
			if err := wait(time.Duration(35+rand.IntN(70)) * time.Millisecond); err != nil {
				return err
			}
			if _, err := io.WriteString(screen, string(key)); err != nil {
				return err
			}
		}
		if step.look == 0 {
			return nil // the last one: the session ends
		}
		if err := wait(step.look); err != nil {
			return err
		}
		if err := watch.quiet(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

// watch sees what a session prints: when it last did, and the end of it.
type watch struct {
	mu   sync.Mutex
	when time.Time
	end  []byte
}

func newWatch() *watch { return &watch{} }

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.when = time.Now()
	w.end = append(w.end, p...)
	w.end = w.end[max(0, len(w.end)-2000):]
	return len(p), nil
}

func (w *watch) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.end)
}

// quiet waits until the session has printed nothing for a moment; with first,
// until it has printed something at all.
func (w *watch) quiet(ctx context.Context, first bool) error {
	const moment = 700 * time.Millisecond // longer than a step of the progress line
	deadline := time.Now().Add(time.Minute)
	for {
		w.mu.Lock()
		when := w.when
		w.mu.Unlock()
		if time.Since(when) > moment && !(first && when.IsZero()) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the session does not come to rest")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
