package recorder_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
	"stint/recorder/wire"
)

// TestKilledAtAnyMoment kills the proxy ten times (STINT_SOAK_KILLS times in make soak), each
// time at another moment, while sessions begin, write and end. Whatever a client saw is in the
// recording, and each that had begun is readable and marked as cut, unless it had ended.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	kills, seed := 10, uint64(time.Now().UnixNano())
	if soak := os.Getenv("STINT_SOAK_KILLS"); soak != "" {
		var err error
		if kills, err = strconv.Atoi(soak); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("the moments are those of seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t, nil)
	r.stop()
	identity := r.Signer.Identity(t, hour(grant))
	seen, count := map[string]string{}, map[string]int{}
	process := r.startProcess(t, `exec "$0"`)
	for round := range kills {
		var clients sync.WaitGroup
		var mu sync.Mutex
		for i := range 3 {
			clients.Go(func() {
				// One after the other until the proxy is dead: some have just begun, some end.
				for n := 0; ; n++ {
					word := fmt.Sprintf("word-%d-%d-%d", round, i, n)
					output, alive := r.watch(t, identity, word, i)
					mu.Lock()
					if output != "" {
						seen[word] = output
					}
					mu.Unlock()
					if !alive {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(moments.Int64N(int64(500 * time.Millisecond))))
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = process.Wait()
		begun, err := filepath.Glob(filepath.Join(r.Config.Data, "spool", "*"+cast.Extension))
		if err != nil {
			t.Fatal(err)
		}
		clients.Wait()
		process = r.startProcess(t, `exec "$0"`)
		for _, path := range begun {
			id := strings.TrimSuffix(filepath.Base(path), cast.Extension)
			session := r.Broker.AwaitSession(t, id)
			count[session.End.Reason]++
		}
	}
	found := 0
	for _, session := range r.Broker.Sessions() {
		if session.End == nil || session.End.Bytes == 0 {
			continue // if anything was forwarded in it, found is too small
		}
		tr := read(t, session.Recording)
		if !tr.holds("End {Reason:" + session.End.Reason) {
			t.Errorf("a session that ended as %s holds %q", session.End.Reason, tr.events)
		}
		word, _, _ := strings.Cut(tr.output, " ")
		if output, ok := seen[word]; ok {
			found++
			if !strings.HasPrefix(tr.output, output) {
				t.Errorf("the client saw %d bytes; the recording has %d, or others", len(output), len(tr.output))
			}
		}
	}
	if found != len(seen) {
		t.Errorf("clients saw something of %d sessions, and %d recordings hold it", len(seen), found)
	}
	t.Logf("after %d kills: %v; clients saw something of %d sessions", kills, count, len(seen))
	if count[wire.ReasonCut] == 0 {
		t.Error("no session was cut")
	}
}

// watch runs a program in a session of its own and returns what the client saw of it, and
// whether the proxy was there to the end. Every third session is short.
func (r *rig) watch(t *testing.T, identity ssh.Signer, word string, i int) (output string, alive bool) {
	client, err := r.client(t, "web@db1", identity)
	if err != nil {
		return "", false
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", false
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return "", false
	}
	lines := 20
	if i > 0 {
		lines = 1_000_000
	}
	if err := session.Start(fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); echo %s line $i; done", lines, word)); err != nil {
		return "", false
	}
	text, _ := io.ReadAll(stdout)
	return string(text), session.Wait() == nil
}
