package witness

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

// FuzzReadConfig: a configuration that is taken names a log once, and reads the same
// once it is written again.
func FuzzReadConfig(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "witness.json")
		read := func(text []byte) (Config, error) {
			must(t, os.WriteFile(path, text, 0o600))
			return ReadConfig(path)
		}
		config, err := read(text)
		if err != nil {
			return
		}
		logs := map[string]bool{}
		for _, key := range config.Logs {
			verifier, err := note.NewVerifier(key)
			must(t, err)
			logs[verifier.Name()] = true
		}
		if len(logs) != len(config.Logs) || !filepath.IsAbs(config.Data) {
			t.Fatalf("%q was taken", text)
		}
		again, err := json.Marshal(config)
		must(t, err)
		second, err := read(again)
		must(t, err)
		if written, err := json.Marshal(second); err != nil || !bytes.Equal(again, written) {
			t.Fatalf("%s reads as %s (%v)", again, written, err)
		}
	})
}

// FuzzAddCheckpoint: whatever is submitted, signed by the log's own key or not, the
// witness cosigns only what continues the tree that it has seen. The log is one
// that signs any text.
func FuzzAddCheckpoint(f *testing.F) {
	l := newTree(f, "stint-signer/a")
	l.add("first", "second", "third")
	h := newHouse(f, l.key)
	cosigner, err := ledger.NewWitnessVerifier(h.memory.key)
	must(f, err)
	known := h.memory.logs[l.verifier.Name()]
	beginning := known.seen
	handler := newHandler(h.memory, slog.New(slog.NewTextHandler(io.Discard, nil)))
	// From its beginning a log may go anywhere; from three leaves on only by a proof.
	seen, err := ledger.Open(l.checkpoint(), l.verifier.Name(), l.verifier)
	must(f, err)
	f.Fuzz(func(t *testing.T, body []byte, sign, began bool) {
		known.seen = beginning
		if began {
			known.seen = seen
		}
		before := known.seen
		if head, text, found := bytes.Cut(body, []byte("\n\n")); sign && found {
			text, _, _ := bytes.Cut(text, []byte("\n\n"))
			signed, err := note.Sign(&note.Note{Text: strings.TrimSuffix(string(text), "\n") + "\n"}, l.signer)
			if err != nil {
				return // no text that a note can hold
			}
			body = append(append(bytes.Clone(head), "\n\n"...), signed...)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/add-checkpoint", bytes.NewReader(body)))
		if answer.Code >= http.StatusInternalServerError {
			t.Fatalf("%q: %d %s", body, answer.Code, answer.Body)
		}
		if answer.Code != http.StatusOK {
			if known.seen != before {
				t.Fatalf("%q was refused, and is kept", body)
			}
			return
		}
		submission, err := ledger.ParseSubmission(body)
		must(t, err)
		both, err := ledger.WithCosignatures(submission.Checkpoint, answer.Body.Bytes(), l.verifier, cosigner)
		must(t, err)
		after, err := ledger.Open(both, l.verifier.Name(), l.verifier, cosigner)
		must(t, err)
		if after != known.seen || after.Size < before.Size || after.Size == before.Size && after.Root != before.Root {
			t.Fatalf("%q was cosigned after %+v", body, before)
		}
		kept, err := os.ReadFile(known.path)
		must(t, err)
		if opened, err := ledger.Open(kept, l.verifier.Name(), l.verifier); err != nil || opened != after {
			t.Fatalf("kept is %q: %v", kept, err)
		}
	})
}
