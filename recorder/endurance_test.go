//go:build e2e

package recorder_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/cast/casttest"
)

// enduranceMemory is by how much the proxy may grow, whatever goes through it. The race
// detector multiplies what it uses.
const enduranceMemory = 192 << 20

// fromEnvironment is a number of `make soak`'s, or that of `make test`.
func fromEnvironment(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	must(t, err)
	return n
}

// watchMemory tells when it is stopped by how much a process grew at most.
func watchMemory(t *testing.T, process *os.Process) (stop func() int64) {
	t.Helper()
	before, done := resident(t, process), make(chan struct{})
	var most int64
	var work sync.WaitGroup
	work.Go(func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			most = max(most, resident(t, process)-before)
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	})
	return func() int64 {
		close(done)
		work.Wait()
		return most
	}
}

// repeats counts what repeats a pattern, and tells the first byte that does not.
type repeats struct {
	pattern string
	count   int64
}

var errOtherBytes = errors.New("another byte")

func (r *repeats) Write(p []byte) (int, error) {
	whole := bytes.Repeat([]byte(r.pattern), len(p)/len(r.pattern)+2)
	if at := int(r.count % int64(len(r.pattern))); !bytes.Equal(p, whole[at:at+len(p)]) {
		return 0, fmt.Errorf("%w after %d", errOtherBytes, r.count)
	}
	r.count += int64(len(p))
	return len(p), nil
}

// recordedOutput verifies a recording and passes all output in it on.
func recordedOutput(t *testing.T, recording []byte, to io.Writer, also func(cast.Body)) {
	t.Helper()
	if _, err := cast.Verify(bytes.NewReader(recording), nil, casttest.Everything()); err != nil {
		t.Fatalf("the recording does not verify: %v", err)
	}
	reader, err := cast.NewReader(bytes.NewReader(recording), casttest.Everything())
	must(t, err)
	for {
		event, err := reader.Next()
		if err == io.EOF {
			return
		}
		must(t, err)
		if output, ok := event.Body.(cast.Output); ok {
			_, err = to.Write(output)
			must(t, err)
		}
		also(event.Body)
	}
}

// Output without end, and a line without end in a terminal, go through a proxy whose
// memory stays bounded; all of it arrives, and all of it is recorded.
func TestEndlessOutput(t *testing.T) {
	t.Parallel()
	for name, endless := range map[string]struct {
		bytes   int64
		pattern string
		words   []string
		command string
	}{
		"yes":  {fromEnvironment(t, "STINT_SOAK_YES", 256<<20), "y\n", nil, "yes | head -c %d"},
		"line": {fromEnvironment(t, "STINT_SOAK_LINE", 16<<20), "x", []string{"-tt"}, "head -c %d /dev/zero | tr '\\0' x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReal(t)
			r.stop()
			proxy := r.startProcess(t, `exec "$0"`).Process
			r.writeConfig(t, r.Signer.IdentityFile(t, r.grant))
			grew, began := watchMemory(t, proxy), time.Now()
			arrived := &repeats{pattern: endless.pattern}
			client := exec.Command("ssh", append(append([]string{"-F", r.config}, endless.words...), "one-hop", fmt.Sprintf(endless.command, endless.bytes))...)
			client.Stdout = arrived
			err := client.Run()
			took, most := time.Since(began), grew()
			if err != nil || arrived.count != endless.bytes {
				t.Fatalf("%d bytes arrived of %d: %v", arrived.count, endless.bytes, err)
			}
			session := r.Broker.AwaitDelivered(t, r.grant.Request)
			t.Logf("%d MB at %.0f MB/s; the proxy grew by %.1f MiB; the recording has %d KiB", endless.bytes/1e6, float64(endless.bytes)/1e6/took.Seconds(), float64(most)/(1<<20), len(session.Recording)>>10)
			if most > enduranceMemory {
				t.Errorf("the proxy grew by %d MiB", most>>20)
			}
			recorded := &repeats{pattern: endless.pattern}
			recordedOutput(t, session.Recording, recorded, func(cast.Body) {})
			if recorded.count != endless.bytes {
				t.Errorf("%d bytes of %d are in the recording", recorded.count, endless.bytes)
			}
		})
	}
}

// A terminal that changes its size a thousand times a second has each change recorded.
func TestEndlessResizing(t *testing.T) {
	t.Parallel()
	changes := fromEnvironment(t, "STINT_SOAK_RESIZES", 2000)
	r := newRig(t, func(_ ssh.Channel, requests <-chan *ssh.Request) {
		for request := range requests {
			_ = request.Reply(true, nil)
		}
	})
	r.stop()
	proxy := r.startProcess(t, `exec "$0"`).Process
	client := r.connect(t)
	session, err := client.NewSession()
	must(t, err)
	must(t, session.RequestPty("xterm", 24, 80, ssh.TerminalModes{}))
	must(t, session.Shell())
	grew, began := watchMemory(t, proxy), time.Now()
	for i := range changes {
		must(t, session.WindowChange(int(24+i%100), int(80+i%100)))
		if ahead := time.Duration(i)*time.Millisecond - time.Since(began); ahead > 0 {
			time.Sleep(ahead)
		}
	}
	// An answer says that all before it has passed.
	_, err = session.SendRequest("keepalive@openssh.com", true, nil)
	must(t, err)
	took, most := time.Since(began), grew()
	client.Close()
	delivered := r.Broker.AwaitDelivered(t, "r-1")
	t.Logf("%d changes at %.0f a second; the proxy grew by %.1f MiB; the recording has %d KiB", changes, float64(changes)/took.Seconds(), float64(most)/(1<<20), len(delivered.Recording)>>10)
	if most > enduranceMemory {
		t.Errorf("the proxy grew by %d MiB", most>>20)
	}
	var seen int64
	recordedOutput(t, delivered.Recording, io.Discard, func(body cast.Body) {
		if _, ok := body.(cast.WindowChange); ok {
			seen++
		}
	})
	if seen != changes {
		t.Errorf("%d changes of %d are in the recording", seen, changes)
	}
}
