//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// driver is the one Chromium of a test run, behind web/e2e/driver.mjs.
type driver struct {
	command *exec.Cmd
	stdin   io.WriteCloser

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	ended   error // why it answers no more
}

type answer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// arguments of one operation of the driver.
type arguments map[string]any

var theDriver struct {
	sync.Mutex
	driver *driver
}

func startedDriver(t *testing.T) *driver {
	t.Helper()
	theDriver.Lock()
	defer theDriver.Unlock()
	if theDriver.driver != nil {
		return theDriver.driver
	}
	d := &driver{waiting: map[int]chan answer{}, command: exec.Command("node", filepath.Join(root, "web", "e2e", "driver.mjs"))}
	d.command.Stderr = os.Stderr
	var err error
	if d.stdin, err = d.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := d.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.command.Start(); err != nil {
		t.Fatalf("the browser driver needs Node: %v", err)
	}
	go d.read(stdout)
	theDriver.driver = d
	return d
}

func stopDriver() {
	theDriver.Lock()
	defer theDriver.Unlock()
	if d := theDriver.driver; d != nil {
		d.stdin.Close() // it closes Chromium and ends
		timer := time.AfterFunc(20*time.Second, func() { d.command.Process.Kill() })
		defer timer.Stop()
		_ = d.command.Wait()
	}
}

// read hands each answer to whoever waits for it.
func (d *driver) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20)
	err := errors.New("the browser driver ended; what it said is above")
	for lines.Scan() {
		var a answer
		if err = json.Unmarshal(lines.Bytes(), &a); err != nil {
			break
		}
		err = errors.New("the browser driver ended; what it said is above")
		d.mu.Lock()
		waiter := d.waiting[a.ID]
		delete(d.waiting, a.ID)
		d.mu.Unlock()
		if waiter != nil {
			waiter <- a
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = err
	for _, waiter := range d.waiting {
		close(waiter)
	}
	d.waiting = nil
}

// call makes one request and decodes its value into out, if out is not nil.
func (d *driver) call(op string, with arguments, out any) error {
	reply := make(chan answer, 1)
	d.mu.Lock()
	if d.ended != nil {
		d.mu.Unlock()
		return d.ended
	}
	d.next++
	request := arguments{"id": d.next, "op": op}
	for key, value := range with {
		request[key] = value
	}
	line, err := json.Marshal(request)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	d.waiting[d.next] = reply
	_, err = d.stdin.Write(append(line, '\n'))
	d.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a, ok := <-reply:
		switch {
		case !ok:
			return errors.New("the browser driver ended; what it said is above")
		case a.Error != "":
			return errors.New(a.Error)
		case out != nil:
			return json.Unmarshal(a.Value, out)
		}
		return nil
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("%s: the browser did not answer for two minutes", op)
	}
}

// tab is one browser profile with one page, and a virtual authenticator.
type tab struct {
	t      *testing.T
	driver *driver
	name   string
}

var tabs atomic.Int64

// openTab opens a profile of its own. When the test ends, whatever the page
// violated or threw fails it; when it fails, a screenshot is kept in .build/e2e.
func openTab(t *testing.T, who string, with arguments) *tab {
	t.Helper()
	b := &tab{t: t, driver: startedDriver(t), name: fmt.Sprintf("%s-%d", who, tabs.Add(1))}
	b.do("open", with)
	t.Cleanup(func() {
		if t.Failed() {
			b.keepScreenshot()
		}
		b.noTroubles()
		if err := b.call("close", nil, nil); err != nil {
			t.Errorf("closing the tab of %s: %v", b.name, err)
		}
	})
	return b
}

func (b *tab) call(op string, with arguments, out any) error {
	request := arguments{"context": b.name}
	for key, value := range with {
		request[key] = value
	}
	return b.driver.call(op, request, out)
}

// do makes one request that must succeed.
func (b *tab) do(op string, with arguments) {
	b.t.Helper()
	if err := b.call(op, with, nil); err != nil {
		b.t.Fatalf("%s: %s %v: %v", b.name, op, with, err)
	}
}

// get makes one request that must succeed, and returns its value.
func get[T any](b *tab, op string, with arguments) T {
	b.t.Helper()
	var out T
	if err := b.call(op, with, &out); err != nil {
		b.t.Fatalf("%s: %s %v: %v", b.name, op, with, err)
	}
	return out
}

// open goes to a URL and returns the status of the answer.
func (b *tab) open(url string) int {
	b.t.Helper()
	return get[int](b, "goto", arguments{"url": url})
}

func (b *tab) click(selector string) { b.t.Helper(); b.do("click", arguments{"selector": selector}) }

func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do("fill", arguments{"selector": selector, "text": text})
}

func (b *tab) press(key string) { b.t.Helper(); b.do("press", arguments{"key": key}) }

// see waits until something that the selector names is visible, and returns its text.
func (b *tab) see(selector string) string {
	b.t.Helper()
	b.do("wait", arguments{"selector": selector})
	return get[string](b, "text", arguments{"selector": selector})
}

// gone waits until nothing that the selector names is visible.
func (b *tab) gone(selector string) {
	b.t.Helper()
	b.do("wait", arguments{"selector": selector, "state": "hidden"})
}

// noteTexts begins to note what the page shows, before an act whose answer goes away by
// itself; showed waits for such a text, though it may be gone again.
func (b *tab) noteTexts() { b.t.Helper(); b.do("noteTexts", nil) }

func (b *tab) showed(text string) { b.t.Helper(); b.do("showed", arguments{"text": text}) }

func (b *tab) waitURL(pattern string) { b.t.Helper(); b.do("waitURL", arguments{"url": pattern}) }

func (b *tab) url() string { b.t.Helper(); return get[string](b, "url", nil) }

func (b *tab) screenshot(path string) {
	b.t.Helper()
	b.do("screenshot", arguments{"path": path})
}

func (b *tab) keepScreenshot() {
	dir := filepath.Join(root, ".build", "e2e")
	path := filepath.Join(dir, strings.NewReplacer("/", "_", " ", "_").Replace(b.t.Name())+"-"+b.name+".png")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return
	}
	if b.call("screenshot", arguments{"path": path, "fullPage": true}, nil) == nil {
		var at string
		_ = b.call("url", nil, &at)
		var shown string
		_ = b.call("text", arguments{"selector": "body", "timeout": 1000}, &shown)
		b.t.Logf("%s was at %s; a picture: %s; it showed:\n%.3000s", b.name, at, path, shown)
	}
}

// accessible fails the test for everything that axe finds on the page.
func (b *tab) accessible() {
	b.t.Helper()
	for _, finding := range get[[]string](b, "axe", nil) {
		b.t.Errorf("%s at %s: %s", b.name, b.url(), finding)
	}
}

// noTroubles fails the test for violations of the content security policy,
// errors of the page and answers of 500 and above since the last call.
func (b *tab) noTroubles() {
	b.t.Helper()
	var troubles []string
	if err := b.call("troubles", nil, &troubles); err != nil {
		b.t.Errorf("%s: %v", b.name, err)
	}
	for _, trouble := range troubles {
		b.t.Errorf("%s: %s", b.name, trouble)
	}
}
