package signer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/ledger"
	"stint/server/signer/wire"
)

// childVariable makes this test binary a signer: its configuration's file.
const childVariable = "STINT_TEST_SIGNER_CONFIG"

// inChild says what is wrong about such a process, seen from inside.
var inChild = func() error { return nil }

func TestMain(m *testing.M) {
	path := os.Getenv(childVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := ReadConfig(path)
	if err == nil {
		err = Run(ctx, config, slog.Default(), func(ready Ready) error {
			if err := inChild(); err != nil {
				return err
			}
			temporary := path + ".listen.new"
			if err := os.WriteFile(temporary, []byte(ready.Listen), 0o600); err != nil {
				return err
			}
			return os.Rename(temporary, path+".listen")
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a signer in a process of its own.
type child struct {
	command *exec.Cmd
	address string
	stderr  *bytes.Buffer
}

func (w *world) spawn() *child {
	w.t.Helper()
	path := filepath.Join(w.config.Policy, "..", "signer.json")
	data, err := json.Marshal(w.config)
	must(w.t, err)
	write(w.t, path, string(data))
	if err := os.Remove(path + ".listen"); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	binary, err := os.Executable()
	must(w.t, err)
	c := &child{command: exec.Command(binary), stderr: &bytes.Buffer{}}
	c.command.Env = append(os.Environ(), childVariable+"="+path)
	c.command.Stderr = c.stderr
	must(w.t, c.command.Start())
	w.t.Cleanup(func() { c.command.Process.Kill() })
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if listen, err := os.ReadFile(path + ".listen"); err == nil {
			c.address = "https://" + string(listen)
			return c
		}
	}
	c.command.Process.Kill()
	c.command.Wait()
	w.t.Fatalf("the signer does not start: %s", c.stderr)
	return nil
}

// kill is kill -9.
func (c *child) kill(t testing.TB) {
	t.Helper()
	must(t, c.command.Process.Kill())
	if err := c.command.Wait(); err == nil {
		t.Fatalf("the signer had ended by itself: %s", c.stderr)
	}
}

// acknowledged is what callers were told; none of it may ever be lost.
type acknowledged struct {
	mu       sync.Mutex
	sessions []wire.SessionCertificate
	targets  []wire.TargetCertificate
	endings  []string
	proofs   []evidence.Proof
}

// wait returns when this many sessions were acknowledged.
func (a *acknowledged) wait(t *testing.T, sessions int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		a.mu.Lock()
		n := len(a.sessions)
		a.mu.Unlock()
		if n >= sessions {
			return
		}
	}
	t.Fatalf("no %d sessions in two minutes", sessions)
}

// newest is the newest checkpoint that anybody was given: what a broker's mirror
// holds at least.
func (a *acknowledged) newest() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var newest evidence.Proof
	for _, proof := range a.proofs {
		if proof.Inclusion.Size > newest.Inclusion.Size {
			newest = proof
		}
	}
	return newest.Checkpoint
}

// killsVariable asks for more cycles than a test run has time for.
const killsVariable = "STINT_SOAK_KILLS"

// TestKill kills the signer twenty times under load. Whatever it signed has its
// entry, whatever it acknowledged is there, and the ledger is one unbroken log.
func TestKill(t *testing.T) {
	t.Parallel()
	cycles := 20
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		cycles, err = strconv.Atoi(text)
		must(t, err)
	}
	w := newWorld(t)
	w.realTime()
	told := &acknowledged{}
	ctx := context.Background()
	for cycle := range cycles {
		c := w.spawn()
		broker, proxy := w.client(c.address, w.broker), w.client(c.address, w.proxy)
		confirmation, err := broker.Confirm(ctx, wire.ConfirmRequest{Checkpoint: told.newest()})
		must(t, err)
		if !confirmation.Confirmed {
			t.Fatal("the signer is not confirmed by what it signed itself")
		}
		if cycle == 0 {
			w.staffOver(broker)
		}
		stop, cancel := context.WithCancel(ctx)
		var load sync.WaitGroup
		for worker := range 4 {
			load.Go(func() {
				for n := 0; stop.Err() == nil; n++ {
					w.use(stop, broker, proxy, fmt.Sprintf("r%d-%d-%d", cycle, worker, n), n%3 == 0, told)
				}
			})
		}
		told.wait(t, (cycle+1)*4)
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		c.kill(t)
		cancel()
		load.Wait()
		broker.Close()
		proxy.Close()
	}

	c := w.spawn()
	defer c.kill(t)
	broker := w.client(c.address, w.broker)
	_, err := broker.Confirm(ctx, wire.ConfirmRequest{Checkpoint: told.newest()})
	must(t, err)
	trust, err := broker.Trust(ctx)
	must(t, err)
	entries := verifyLedger(t, trust.Trust.Log, func(from int64, limit int) wire.LedgerPage {
		page, err := broker.Ledger(ctx, from, limit)
		must(t, err)
		return page
	}, wire.MaxLedgerPage)
	t.Logf("%d kills, %d entries, %d sessions, %d target certificates and %d endings acknowledged",
		cycles, len(entries), len(told.sessions), len(told.targets), len(told.endings))
	if len(told.targets) == 0 || len(told.endings) == 0 {
		t.Fatal("there was hardly any load; this proves nothing")
	}
	told.check(t, trust.Trust.Log, entries)
}

// use is one engineer's stint: activate, connect, perhaps drop.
func (w *world) use(ctx context.Context, broker, proxy *wire.Client, id string, drop bool, told *acknowledged) {
	// Short: what one person holds stands in every entry, and thousands of kills leave much.
	short := func(r *evidence.Request) { r.Ask.Duration = time.Minute }
	session, err := broker.SignSession(ctx, wire.SessionRequest{Bundle: w.bundle(id, newKey(w.t), short)})
	if err != nil {
		return
	}
	told.mu.Lock()
	told.sessions = append(told.sessions, session)
	told.proofs = append(told.proofs, session.Proof)
	told.mu.Unlock()
	if target, err := proxy.SignTarget(ctx, wire.TargetRequest{Request: id, PublicKey: newKey(w.t)}); err == nil {
		told.mu.Lock()
		told.targets = append(told.targets, target)
		told.mu.Unlock()
	}
	if !drop {
		return
	}
	if done, err := broker.End(ctx, wire.EndRequest{Request: id, Reason: "dropped", By: w.subject(w.alice)}); err == nil {
		told.mu.Lock()
		told.endings = append(told.endings, id)
		told.proofs = append(told.proofs, done.Proof)
		told.mu.Unlock()
	}
}

func (w *world) staffOver(broker *wire.Client) {
	w.t.Helper()
	ctx := context.Background()
	w.joinByPage(w.carol)
	_, err := broker.Enrol(ctx, wire.EnrolRequest{Evidence: w.enrolledBy(w.carol, w.bob, "leads")})
	must(w.t, err)
}

func (a *acknowledged) check(t *testing.T, verifierKey string, entries []evidence.Entry) {
	ended := map[string]int{}
	for i, e := range entries {
		switch {
		case e.Ending != nil:
			ended[e.Ending.Request] = i
		case e.Session != nil && ended[e.Session.Request] > 0:
			t.Errorf("entry %d signs a session past the ending", i)
		case e.Target != nil && ended[e.Target.Request] > 0:
			t.Errorf("entry %d signs for a proxy past the ending", i)
		}
	}
	for _, session := range a.sessions {
		c := parse(t, session.Certificate)
		if i := int(c.Serial) - 1; i >= len(entries) || entries[i].Session == nil || entries[i].Session.Request != c.KeyId ||
			entries[i].Session.Serial != c.Serial {
			t.Errorf("the session certificate %d has no entry", c.Serial)
		}
	}
	for _, target := range a.targets {
		c := parse(t, target.Certificate)
		if i := int(c.Serial) - 1; i >= len(entries) || entries[i].Target == nil || entries[i].Target.Request != c.KeyId {
			t.Errorf("the target certificate %d has no entry", c.Serial)
		}
	}
	for _, id := range a.endings {
		if ended[id] == 0 {
			t.Errorf("the ending of %s is lost", id)
		}
	}
	// Every checkpoint that anybody was given is one of this log.
	slices.SortFunc(a.proofs, func(a, b evidence.Proof) int { return cmp.Compare(a.Inclusion.Size, b.Inclusion.Size) })
	var checkpoints []ledger.Checkpoint
	for _, proof := range a.proofs {
		checkpoints = append(checkpoints, openCheckpoint(t, verifierKey, proof.Checkpoint))
	}
	last := checkpoints[len(checkpoints)-1].Size
	must(t, ledger.VerifyAll(func(yield func(ledger.Leaf, error) bool) {
		for _, entry := range entries[:last] {
			leaf, err := encodeEntry(entry)
			if !yield(ledger.Leaf{Data: leaf}, err) {
				return
			}
		}
	}, checkpoints...))
	for _, proof := range a.proofs {
		prove(t, verifierKey, proof)
		leaf, err := encodeEntry(entries[proof.Inclusion.Index])
		must(t, err)
		if string(leaf) != proof.Entry {
			t.Errorf("entry %d is another than was acknowledged", proof.Inclusion.Index)
		}
	}
}

// TestTermination: SIGTERM ends the process cleanly, with what was refused on record.
func TestTermination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.spawn()
	if _, err := w.client(c.address, w.broker).End(context.Background(), wire.EndRequest{Request: "r1", Reason: "bored"}); code(err) != "reason" {
		t.Fatal(err)
	}
	// A second signer stays away from the directory.
	second, err := openSigner(context.Background(), w.config, time.Now, w.quiet())
	if err == nil {
		second.close()
		t.Fatal("two signers share a data directory")
	}
	must(t, c.command.Process.Signal(syscall.SIGTERM))
	ended := make(chan error, 1)
	go func() { ended <- c.command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("%v: %s", err, c.stderr)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	w.open()
	defer w.shut()
	last, err := w.signer.book.settle(context.Background(), w.entries()-1)
	must(t, err)
	if last.entry.Refusal == nil || last.entry.Refusal.Check != "reason" {
		t.Errorf("the last entry is %s", last.proof.Entry)
	}
}
