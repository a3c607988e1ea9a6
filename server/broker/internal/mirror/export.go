package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/ledger"
)

// ErrBehind means that the mirror does not hold yet what is asked for.
var ErrBehind = errors.New("the mirror does not reach that far yet")

// mostProven bounds the entries of one export.
const mostProven = 200_000

// Proven is a part of the ledger: entries by rising index, and the checkpoint in
// whose tree each of them is.
type Proven struct {
	Checkpoint string // signed note, with witnesses' signatures if there are any
	Entries    []ProvenEntry
}

// ProvenEntry is a leaf, exact bytes, with its place.
type ProvenEntry struct {
	Data      []byte
	Inclusion ledger.Inclusion
}

// OfRequest proves the entries of a request, of which the entries at those indexes
// are some; with history, also every entry before them that changed what the signer
// believed. It is [ErrBehind] where the signer does not answer and an entry is not
// mirrored.
func (m *Mirror) OfRequest(ctx context.Context, request string, known []int64, history bool) (Proven, error) {
	log, err := m.newest(ctx)
	if err != nil {
		return Proven{}, err
	}
	// 1. The request's own entries.
	entries := map[int64][]byte{}
	newest := int64(-1)
	for more := true; more; {
		leaves, err := m.config.Store.RequestLeaves(ctx, log.ID, request, newest+1, log.Size, exportPage)
		if err != nil {
			return Proven{}, err
		}
		for _, leaf := range leaves {
			entries[leaf.Number], newest = leaf.Data, leaf.Number
		}
		more = len(leaves) == exportPage
	}
	for _, index := range known {
		if entries[index] == nil {
			return Proven{}, ErrBehind
		}
	}
	// 2. A tree in which they all are, and what they stand on in it.
	checkpoint, size, err := reaching(log, newest+1)
	if err != nil {
		return Proven{}, err
	}
	if history {
		if newest < 0 {
			newest = size - 1
		}
		if err := m.history(ctx, log, newest, entries); err != nil {
			return Proven{}, err
		}
	}
	return m.prove(ctx, log, checkpoint, size, entries)
}

// exportPage is how many leaves are read at once.
const exportPage = 500

// Beginning proves the first policy, and the enrolments of the first administrators.
func (m *Mirror) Beginning(ctx context.Context) (Proven, error) {
	log, err := m.newest(ctx)
	if err != nil {
		return Proven{}, err
	}
	checkpoint, size, err := reaching(log, 1)
	if err != nil {
		return Proven{}, err
	}
	chain := map[int64][]byte{}
	if err := m.history(ctx, log, size-1, chain); err != nil {
		return Proven{}, err
	}
	for index, data := range chain {
		var entry evidence.Entry
		if err := json.Unmarshal(data, &entry); err != nil {
			return Proven{}, fmt.Errorf("entry %d of the mirrored ledger: %w", index, err)
		}
		if !begins(entry) {
			delete(chain, index)
		}
	}
	return m.prove(ctx, log, checkpoint, size, chain)
}

// Reach is the mirror of a ledger once it holds size leaves, for which the signer is
// asked where it does not yet; else [ErrBehind].
func (m *Mirror) Reach(ctx context.Context, origin string, size int64) (store.MirroredLog, error) {
	log, err := m.config.Store.MirroredLog(ctx, origin)
	if err == nil && log.Size >= size {
		return log, nil
	}
	if log, err = m.Fetch(ctx); err != nil {
		return log, fmt.Errorf("%w: %w", ErrBehind, err)
	}
	if log.Origin != origin || log.Size < size {
		return log, ErrBehind
	}
	return log, nil
}

// newest is the mirror with all that the signer has, or with what there is while the
// signer does not answer.
func (m *Mirror) newest(ctx context.Context) (store.MirroredLog, error) {
	log, err := m.Fetch(ctx)
	if err == nil {
		return log, nil
	}
	m.config.Log.Debug("fetching the ledger for an export", "error", err)
	if log, err = m.Newest(ctx); err != nil {
		return log, fmt.Errorf("%w: %w", ErrBehind, err)
	}
	return log, nil
}

// reaching is the checkpoint to prove by, and the size of its tree: the newest that
// witnesses signed too, if so many leaves are in it, else the newest.
func reaching(log store.MirroredLog, least int64) (checkpoint string, size int64, err error) {
	for _, text := range []string{log.Cosigned, log.Checkpoint} {
		if text == "" {
			continue
		}
		opened, err := openBy(text, log)
		if err != nil {
			return "", 0, err
		}
		if opened.Size >= max(least, 1) && opened.Size <= log.Size {
			return text, opened.Size, nil
		}
	}
	return "", 0, ErrBehind
}

// history adds to entries every entry that the newest one stands on, and the newest
// itself if it changed what the signer believed. Each names the one before it.
func (m *Mirror) history(ctx context.Context, log store.MirroredLog, newest int64, entries map[int64][]byte) error {
	for index := newest; index >= 0; {
		leaves, err := m.config.Store.MirroredLeaves(ctx, log.ID, index, 1)
		if err != nil {
			return err
		}
		if len(leaves) == 0 || leaves[0].Number != index {
			return fmt.Errorf("entry %d is missing from the mirror of %s", index, log.Origin)
		}
		var entry evidence.Entry
		if err := json.Unmarshal(leaves[0].Data, &entry); err != nil || entry.Believed >= index {
			return fmt.Errorf("entry %d of the mirrored ledger names no entry before it", index)
		}
		if entry.ChangesBeliefs() {
			entries[index] = leaves[0].Data
		}
		if len(entries) > mostProven {
			return fmt.Errorf("more than %d entries are to be exported", mostProven)
		}
		index = entry.Believed
	}
	return nil
}

// begins tells the entries that nobody in the ledger vouches for.
func begins(e evidence.Entry) bool {
	return e.Policy != nil && e.Policy.Evidence == nil || e.Enrolment != nil && e.Enrolment.Evidence.Ceremony
}

// prove gives entries in their order, each proven in the tree of a checkpoint.
func (m *Mirror) prove(ctx context.Context, log store.MirroredLog, checkpoint string, size int64, entries map[int64][]byte) (Proven, error) {
	numbers := make([]int64, 0, len(entries))
	for number := range entries {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	proofs, err := m.config.Store.ProveMirrored(ctx, log, size, numbers)
	if err != nil {
		return Proven{}, err
	}
	proven := Proven{Checkpoint: checkpoint, Entries: make([]ProvenEntry, len(numbers))}
	for i, number := range numbers {
		proven.Entries[i] = ProvenEntry{entries[number], proofs[i]}
	}
	return proven, nil
}

// openBy reads a checkpoint that is stored with its log.
func openBy(text string, log store.MirroredLog) (ledger.Checkpoint, error) {
	verifier, err := note.NewVerifier(log.Key)
	if err != nil {
		return ledger.Checkpoint{}, fmt.Errorf("the mirrored ledger's key: %w", err)
	}
	return ledger.Open([]byte(text), log.Origin, verifier)
}

// requestOf is whose certificate, extension, presence, ending or review a leaf is; empty where it is none. A
// leaf that cannot be read is nobody's: what that means is judged elsewhere.
func requestOf(leaf string) string {
	type of struct {
		Request string `json:"request"`
	}
	var entry struct {
		Session, Target, Extension, Presence, Ending, Review *of
	}
	if json.Unmarshal([]byte(leaf), &entry) != nil {
		return ""
	}
	for _, e := range []*of{entry.Session, entry.Target, entry.Extension, entry.Presence, entry.Ending, entry.Review} {
		if e != nil {
			return e.Request
		}
	}
	return ""
}
