package witness

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

// tree is a log with a key, whose leaves a test may choose.
type tree struct {
	t        testing.TB
	signer   note.Signer
	verifier note.Verifier
	key      string
	size     int64
	hashes   []ledger.Hash
}

func newTree(t testing.TB, origin string) *tree {
	signerKey, verifierKey, err := ledger.NewKey(rand.Reader, origin)
	must(t, err)
	signer, err := note.NewSigner(signerKey)
	must(t, err)
	verifier, err := note.NewVerifier(verifierKey)
	must(t, err)
	return &tree{t: t, signer: signer, verifier: verifier, key: verifierKey}
}

// fork is the same log, on its way to be another.
func (l *tree) fork() *tree {
	forked := *l
	forked.hashes = append([]ledger.Hash{}, l.hashes...)
	return &forked
}

func (l *tree) reader() ledger.HashReader {
	return ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		out := make([]ledger.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = l.hashes[index]
		}
		return out, nil
	})
}

func (l *tree) add(leaves ...string) {
	for _, leaf := range leaves {
		hashes, _, err := ledger.Append(l.size, []byte(leaf), l.reader())
		must(l.t, err)
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
}

func (l *tree) checkpoint() []byte {
	root, err := ledger.Root(l.size, l.reader())
	must(l.t, err)
	signed, err := ledger.Sign(ledger.Checkpoint{Origin: l.signer.Name(), Size: l.size, Root: root}, l.signer)
	must(l.t, err)
	return signed
}

func (l *tree) submission(old int64) ledger.Submission {
	proof, err := ledger.ProveConsistency(old, l.size, l.reader())
	must(l.t, err)
	return ledger.Submission{Old: old, Proof: proof.Path, Checkpoint: l.checkpoint()}
}

// house is a witness behind HTTP.
type house struct {
	t      testing.TB
	config Config
	memory *memory
	server *httptest.Server
}

func newHouse(t testing.TB, logs ...string) *house {
	h := &house{t: t, config: Config{Name: "witness.example/w", Data: filepath.Join(t.TempDir(), "witness"), Listen: "127.0.0.1:0", Logs: logs}}
	h.open()
	t.Cleanup(h.shut)
	return h
}

func (h *house) open() {
	var err error
	h.memory, err = openMemory(h.config, time.Now)
	must(h.t, err)
	h.server = httptest.NewServer(newHandler(h.memory, slog.New(slog.NewTextHandler(io.Discard, nil))))
}

func (h *house) shut() {
	if h.server != nil {
		h.server.Close()
		must(h.t, h.memory.lock.Release())
		h.server = nil
	}
}

func (h *house) post(body []byte) (status int, kind, answer string) {
	h.t.Helper()
	response, err := http.Post(h.server.URL+"/add-checkpoint", "text/plain", bytes.NewReader(body))
	must(h.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(h.t, err)
	return response.StatusCode, response.Header.Get("Content-Type"), string(text)
}

func (h *house) cosigned(l *tree, answer string) {
	h.t.Helper()
	verifier, err := ledger.NewWitnessVerifier(h.memory.key)
	must(h.t, err)
	both, err := ledger.WithCosignatures(l.checkpoint(), []byte(answer), l.verifier, verifier)
	must(h.t, err)
	_, err = ledger.Open(both, l.verifier.Name(), l.verifier, verifier)
	must(h.t, err)
}

func TestAWitnessFollowsALog(t *testing.T) {
	t.Parallel()
	l := newTree(t, "stint-signer/a")
	h := newHouse(t, newTree(t, "stint-signer/other").key, l.key)
	seen := int64(0)
	for round := range 5 {
		for range round {
			l.add("leaf")
		}
		status, _, answer := h.post(l.submission(seen).Encode())
		if status != http.StatusOK {
			t.Fatalf("round %d: %d %s", round, status, answer)
		}
		h.cosigned(l, answer)
		seen = l.size
		h.shut()
		h.open() // it remembers
	}
	if status, kind, answer := h.post(l.submission(0).Encode()); status != http.StatusConflict || kind != ledger.SizeType || answer != "10\n" {
		t.Errorf("another old size: %d %q %q", status, kind, answer)
	}
}

func TestAWitnessRefuses(t *testing.T) {
	t.Parallel()
	l := newTree(t, "stint-signer/a")
	h := newHouse(t, l.key)
	l.add("1", "2", "3")
	branch := l.fork()
	l.add("4", "5")
	if status, _, answer := h.post(l.submission(0).Encode()); status != http.StatusOK {
		t.Fatal(answer)
	}
	longer, same, shorter := branch.fork(), branch.fork(), branch.fork()
	longer.add("x", "y", "z")
	same.add("x", "y")
	unsigned := l.fork()
	unsigned.signer = newTree(t, "stint-signer/a").signer
	stranger := newTree(t, "stint-signer/stranger")
	wrongProof := longer.submission(3)
	wrongProof.Old = 5
	noProof := l.fork()
	noProof.add("6")
	bare := noProof.submission(5)
	bare.Proof = nil
	for name, c := range map[string]struct {
		body   []byte
		status int
		says   string
	}{
		"a fork with a proof from it": {wrongProof.Encode(), http.StatusUnprocessableEntity, "proof"},
		"a fork of the same size":     {same.submission(5).Encode(), http.StatusConflict, "proof"},
		"an older state":              {shorter.submission(3).Encode(), http.StatusConflict, "5\n"},
		"no proof":                    {bare.Encode(), http.StatusUnprocessableEntity, "proof"},
		"another key":                 {unsigned.submission(5).Encode(), http.StatusForbidden, "accepted"},
		"another log":                 {stranger.submission(0).Encode(), http.StatusNotFound, "not known"},
		"an old size above":           {ledger.Submission{Old: 9, Checkpoint: l.checkpoint()}.Encode(), http.StatusBadRequest, "above"},
		"no submission":               {[]byte("hello"), http.StatusBadRequest, "malformed"},
		"an endless one":              {bytes.Repeat([]byte("x"), ledger.MaxSubmission+1), http.StatusBadRequest, "too long"},
		"what was seen, once more":    {l.submission(5).Encode(), http.StatusOK, "—"},
	} {
		status, _, answer := h.post(c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %q, want %d with %q", name, status, answer, c.status, c.says)
		}
	}
	if h.memory.logs["stint-signer/a"].seen.Size != 5 {
		t.Error("a refusal changed what was seen")
	}
}

// TestAWitnessCosignsOneFork: of two checkpoints of a size that contradict each other one
// is cosigned, in whatever order they come, and across a kill before the answer.
func TestAWitnessCosignsOneFork(t *testing.T) {
	t.Parallel()
	l := newTree(t, "stint-signer/a")
	h := newHouse(t, l.key)
	for range 20 {
		seen := l.size
		l.add("leaf")
		fork := l.fork()
		l.add("mine")
		fork.add("other")
		bodies := [][]byte{l.submission(seen).Encode(), fork.submission(seen).Encode()}
		var good [2]int64
		var asking sync.WaitGroup
		for i := range bodies {
			for range 4 {
				asking.Go(func() {
					if status, _, _ := h.post(bodies[i]); status == http.StatusOK {
						atomic.AddInt64(&good[i], 1)
					}
				})
			}
		}
		asking.Wait()
		if good[0]+good[1] != 1 {
			t.Fatalf("%v of two forks were cosigned", good)
		}
		if good[1] == 1 {
			l = fork
		}
	}
	// Killed when it had kept one, and had not answered.
	seen := l.size
	fork := l.fork()
	l.add("mine")
	fork.add("other")
	known := h.memory.logs["stint-signer/a"]
	checkpoint, err := ledger.Open(l.checkpoint(), l.verifier.Name(), l.verifier)
	must(t, err)
	must(t, known.keep(l.checkpoint(), checkpoint))
	h.shut()
	h.open()
	for name, c := range map[string]struct {
		body   []byte
		status int
	}{
		"the other, as if nothing had been": {fork.submission(seen).Encode(), http.StatusConflict},
		"the other":                         {fork.submission(fork.size).Encode(), http.StatusConflict},
		"the one that was kept":             {l.submission(l.size).Encode(), http.StatusOK},
	} {
		if status, _, answer := h.post(c.body); status != c.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestAWitnessDoesNotStartOnDamage(t *testing.T) {
	t.Parallel()
	l := newTree(t, "stint-signer/a")
	h := newHouse(t, l.key)
	l.add("1")
	h.post(l.submission(0).Encode())
	path := h.memory.logs["stint-signer/a"].path
	h.shut()
	text, err := os.ReadFile(path)
	must(t, err)
	for name, harm := range map[string]func(*Config){
		"another checkpoint": func(*Config) {
			must(t, os.WriteFile(path, bytes.Replace(text, []byte("\n1\n"), []byte("\n2\n"), 1), 0o600))
		},
		"another name":   func(c *Config) { c.Name = "witness.example/x" },
		"open to others": func(c *Config) { must(t, os.Chmod(c.Data, 0o755)) },
	} {
		config := h.config
		harm(&config)
		if m, err := openMemory(config, time.Now); err == nil {
			must(t, m.lock.Release())
			t.Errorf("%s: it starts", name)
		}
		must(t, os.WriteFile(path, text, 0o600))
		must(t, os.Chmod(config.Data, 0o700))
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	l := newTree(t, "stint-signer/a")
	config := Config{Name: "w", Data: filepath.Join(t.TempDir(), "w"), Listen: "127.0.0.1:0", Logs: []string{l.key}}
	ctx, cancel := context.WithCancel(context.Background())
	err := Run(ctx, config, slog.New(slog.NewTextHandler(io.Discard, nil)), func(ready Ready) error {
		defer cancel()
		response, err := http.Post("http://"+ready.Listen+"/add-checkpoint", "text/plain", bytes.NewReader(l.submission(0).Encode()))
		must(t, err)
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.HasPrefix(ready.Key, "w+") {
			t.Errorf("%s, key %q", response.Status, ready.Key)
		}
		return nil
	})
	must(t, err)
	for name, c := range map[string]Config{
		"no log":        {Name: "w", Data: config.Data, Listen: "127.0.0.1:0"},
		"a log twice":   {Name: "w", Data: config.Data, Listen: "127.0.0.1:0", Logs: []string{l.key, l.key}},
		"no name":       {Data: config.Data, Listen: "127.0.0.1:0", Logs: []string{l.key}},
		"relative data": {Name: "w", Data: "w", Listen: "127.0.0.1:0", Logs: []string{l.key}},
		"no key":        {Name: "w", Data: config.Data, Listen: "x", Logs: []string{"key"}},
	} {
		if c.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
