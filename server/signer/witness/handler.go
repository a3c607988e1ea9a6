package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"stint/server/ledger"
)

// handler answers add-checkpoint.
type handler struct {
	memory *memory
	slots  chan struct{}
	log    *slog.Logger
}

func newHandler(memory *memory, log *slog.Logger) http.Handler {
	h := &handler{memory: memory, slots: make(chan struct{}, maxCalls), log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", h.addCheckpoint)
	return mux
}

// addCheckpoint is C2SP tlog-witness's call, in the order of its text.
func (h *handler) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ledger.MaxSubmission))
	if err != nil {
		http.Error(w, "the body is too long, or did not arrive", http.StatusBadRequest)
		return
	}
	// 1. Parse strictly.
	submission, err := ledger.ParseSubmission(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// 2. A log that is known.
	known, ok := h.memory.logs[ledger.OriginOf(submission.Checkpoint)]
	if !ok {
		http.Error(w, "the log is not known", http.StatusNotFound)
		return
	}
	// 3. Its own signature.
	checkpoint, err := ledger.Open(submission.Checkpoint, known.verifier.Name(), known.verifier)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if submission.Old > checkpoint.Size {
		http.Error(w, "the old size is above the checkpoint's", http.StatusBadRequest)
		return
	}
	h.cosign(w, known, submission, checkpoint)
}

// cosign compares with what was seen, keeps, and signs, one call at a time.
func (h *handler) cosign(w http.ResponseWriter, known *log, submission ledger.Submission, checkpoint ledger.Checkpoint) {
	known.mu.Lock()
	defer known.mu.Unlock()
	// 4. The old size is what was seen last.
	if submission.Old != known.seen.Size {
		w.Header().Set("Content-Type", ledger.SizeType)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", known.seen.Size)
		return
	}
	// 5. The new tree continues the one that was seen.
	proof := ledger.Consistency{From: submission.Old, Size: checkpoint.Size, Path: submission.Proof}
	if err := proof.Check(known.seen, checkpoint); errors.Is(err, ledger.ErrProof) {
		status := http.StatusUnprocessableEntity
		if checkpoint.Size == known.seen.Size && checkpoint.Root != known.seen.Root {
			status = http.StatusConflict
		}
		// The checkpoint is signed by the log: beside the one that was seen, it may
		// prove that the log was forked.
		h.log.Error("a log does not continue what was seen of it", "log", checkpoint.Origin, "seen", known.seen.Size,
			"submitted", checkpoint.Size, "checkpoint", string(submission.Checkpoint), "error", err)
		http.Error(w, err.Error(), status)
		return
	}
	// 6. On the disk before it is signed.
	if err := known.keep(submission.Checkpoint, checkpoint); err != nil {
		h.log.Error("a checkpoint cannot be kept", "log", checkpoint.Origin, "error", err)
		http.Error(w, "the witness cannot keep it", http.StatusInternalServerError)
		return
	}
	// 7. The cosignature.
	lines, err := ledger.Cosign(submission.Checkpoint, known.verifier, h.memory.signer)
	if err != nil {
		h.log.Error("a checkpoint cannot be cosigned", "log", checkpoint.Origin, "error", err)
		http.Error(w, "the witness cannot sign it", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := w.Write(lines); err != nil {
		h.log.Debug("an answer did not arrive", "error", err)
	}
}
