package signer

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/ledger"
	"stint/server/signer/wire"
	"stint/server/signer/witness"
)

// startWitness runs a real witness for the world's log, and configures it.
func (w *world) startWitness(name string) (stop func()) {
	w.t.Helper()
	config := witness.Config{Name: name + ".example/w", Data: filepath.Join(w.t.TempDir(), name), Listen: "127.0.0.1:0", Logs: []string{w.signer.ring.VerifierKey()}}
	ctx, cancel := context.WithCancel(context.Background())
	readies := make(chan witness.Ready, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- witness.Run(ctx, config, slog.New(slog.NewTextHandler(io.Discard, nil)), func(r witness.Ready) error {
			readies <- r
			return nil
		})
	}()
	select {
	case ready := <-readies:
		w.config.Witnesses = append(w.config.Witnesses, WitnessConfig{Name: name, URL: "http://" + ready.Listen, Key: ready.Key})
	case err := <-ended:
		w.t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

// witnessed opens the signer with its witnesses at work.
func (w *world) witnessed() (stop func()) {
	w.t.Helper()
	var err error
	w.signer, err = openSigner(context.Background(), w.config, w.clock.Now, w.quiet())
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.signer.keepWitnesses(ctx) })
	return sync.OnceFunc(func() {
		cancel()
		running.Wait()
		w.shut()
	})
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("it does not happen: " + what)
		}
	}
}

func TestWitnessesConfirmAndCosign(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	defer w.startWitness("one")()
	defer w.startWitness("two")()
	w.shut()
	stop := w.witnessed()
	defer stop()
	// The broker's word is not enough where there are witnesses.
	w.eventually("the witnesses confirm", w.signer.book.standing.isConfirmed)
	w.endRequest("r1")
	size := w.entries()
	w.eventually("both cosign the newest checkpoint", func() bool {
		page, err := w.signer.page(0, 1)
		must(t, err)
		verifiers := []string{w.config.Witnesses[0].Key, w.config.Witnesses[1].Key}
		if page.Cosigned == "" {
			return false
		}
		for _, key := range verifiers {
			verifier, err := ledger.NewWitnessVerifier(key)
			must(t, err)
			checkpoint, err := ledger.Open([]byte(page.Cosigned), w.signer.ring.Log().Name(), w.signer.ring.Verifier(), verifier)
			must(t, err)
			if checkpoint.Size != size {
				return false
			}
		}
		return true
	})
}

func TestTheBrokerDoesNotStandInForAWitness(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.startWitness("one")() // and gone
	w.shut()
	stop := w.witnessed()
	defer stop()
	result, err := w.signer.confirm(wire.ConfirmRequest{Checkpoint: w.checkpoint()})
	if err != nil || result.Confirmed {
		t.Fatalf("%+v %v", result, err)
	}
	_, err = w.signer.end(context.Background(), wire.EndRequest{Request: "r1", Reason: "revoked"})
	refused(t, err, wire.CodeUnconfirmed)
}

func TestAWitnessStopsARolledBackSigner(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after func(*world)
		says  string
	}{
		"older": {func(*world) {}, "the witness one has seen 10 entries, and this data directory holds 9, so entries 9 to 9 are gone"},
		"continued elsewhere": {func(w *world) {
			w.open()
			w.endRequest("x1")
			w.endRequest("x2")
			w.shut()
		}, "its first 10 entries are others"},
		"continued as far": {func(w *world) {
			w.open()
			w.endRequest("x1")
			w.shut()
		}, "its first 10 entries are others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			for w.entries() < 9 {
				w.endRequest("r" + string(rune('0'+w.entries())))
			}
			defer w.startWitness("one")()
			w.shut()
			older := w.snapshot()
			stop := w.witnessed()
			w.eventually("the witness confirms", w.signer.book.standing.isConfirmed)
			w.endRequest("later")
			w.eventually("the witness has seen it", func() bool { return strings.Contains(w.signer.newestCosigned(), "\n10\n") })
			stop()
			w.putBack(older)
			witnesses := w.config.Witnesses
			w.config.Witnesses = nil
			c.after(w)
			w.config.Witnesses = witnesses
			defer w.witnessed()()
			w.eventually("the signer is doubted", func() bool { return w.signer.book.standing.why() != nil })
			if err := w.signer.book.standing.why(); !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, not %q", err, c.says)
			}
			_, err := w.signer.end(context.Background(), wire.EndRequest{Request: "r9", Reason: "revoked"})
			refused(t, err, wire.CodeUnconfirmed)
		})
	}
}

// TestAFaultyWitnessConfirmsNothing: answers that are no cosignature count for nothing.
func TestAFaultyWitnessConfirmsNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"nothing":    func(http.ResponseWriter, *http.Request) {},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
		"a size that is not": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ledger.SizeType)
			w.WriteHeader(409)
			io.WriteString(w, "many\n")
		},
		"unknown": http.NotFound,
		"cut":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			w := openWorld(t)
			w.shut()
			_, key, err := ledger.NewWitnessKey(strings.NewReader(strings.Repeat("w", 32)), "faulty")
			must(t, err)
			w.config.Witnesses = []WitnessConfig{{Name: "faulty", URL: server.URL, Key: key}}
			w.signer, err = openSigner(context.Background(), w.config, w.clock.Now, w.quiet())
			must(t, err)
			answered, err := w.signer.witnessRound(context.Background(), server.Client())
			if answered != 0 || err != nil || w.signer.book.standing.isConfirmed() || w.signer.newestCosigned() != "" {
				t.Errorf("%d answered, %v", answered, err)
			}
		})
	}
}

func TestWitnessConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key, err := ledger.NewWitnessKey(strings.NewReader(strings.Repeat("w", 32)), "w")
	must(t, err)
	good := WitnessConfig{Name: "one", URL: "https://" + net.JoinHostPort("witness.example", "443") + "/stint", Key: key}
	for name, witnesses := range map[string][]WitnessConfig{
		"twice":      {good, good},
		"plain http": {{"one", "http://witness.example", key}},
		"no key":     {{"one", good.URL, "w+00000000+AAAA"}},
		"no name":    {{"", good.URL, key}},
	} {
		config := w.config
		config.Witnesses = witnesses
		if config.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	w.config.Witnesses = []WitnessConfig{good}
	must(t, w.config.check())
}
