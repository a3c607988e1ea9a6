package mirror_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/mirror/mirrortest"
	"stint/server/evidence"
	"stint/server/ledger"
)

// tell appends entries as a signer links them.
func tell(t *testing.T, s *mirrortest.Signer, believed *int64, entries ...evidence.Entry) {
	t.Helper()
	for _, e := range entries {
		e.Believed = *believed
		if e.ChangesBeliefs() {
			*believed = s.Size()
		}
		text, err := json.Marshal(e)
		must(t, err)
		s.Add(string(text))
	}
}

func indexes(p mirror.Proven) (numbers []int64) {
	for _, e := range p.Entries {
		numbers = append(numbers, e.Inclusion.Index)
	}
	return numbers
}

// checkProven checks every entry of an export against its checkpoint.
func checkProven(t *testing.T, s *mirrortest.Signer, p mirror.Proven) {
	t.Helper()
	verifier, err := note.NewVerifier(s.Key)
	must(t, err)
	checkpoint, err := ledger.Open([]byte(p.Checkpoint), s.Origin(), verifier)
	must(t, err)
	for _, e := range p.Entries {
		must(t, e.Inclusion.Check(ledger.LeafHash(e.Data), checkpoint))
	}
}

var (
	keys      = evidence.Entry{Keys: &evidence.KeysEntry{Reason: "new"}}
	policy    = evidence.Entry{Policy: &evidence.PolicyEntry{Digest: "first", Files: map[string]string{"a": "b"}}}
	later     = evidence.Entry{Policy: &evidence.PolicyEntry{Digest: "later", Evidence: &evidence.PolicyEvidence{}}}
	first     = evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: evidence.EnrolmentEvidence{Ceremony: true}}}
	enrolment = evidence.Entry{Enrolment: &evidence.EnrolmentEntry{}}
	refusal   = evidence.Entry{Refusal: &evidence.RefusalEntry{}}
)

func session(request string) evidence.Entry {
	return evidence.Entry{Session: &evidence.SessionEntry{Request: request}}
}

func ending(request string) evidence.Entry {
	return evidence.Entry{Ending: &evidence.EndingEntry{Request: request}}
}

func TestWhatARequestStandsOnIsProven(t *testing.T) {
	t.Parallel()
	signer := mirrortest.New(t, "stint-signer/a")
	m, _ := newMirror(t, mirrortest.OpenStore(t), signer)
	believed := int64(-1)
	if _, err := m.Beginning(t.Context()); !errors.Is(err, mirror.ErrBehind) {
		t.Errorf("the beginning of nothing: %v", err)
	}
	//                          0     1       2      3      4          5               6        7               8      9               10
	tell(t, signer, &believed, keys, policy, first, first, enrolment, session("other"), refusal, session("mine"), later, ending("mine"), keys)
	want := func(name string, got mirror.Proven, err error, numbers ...int64) {
		t.Helper()
		must(t, err)
		checkProven(t, signer, got)
		if !slices.Equal(indexes(got), numbers) {
			t.Errorf("%s: the entries are %v, want %v", name, indexes(got), numbers)
		}
	}
	got, err := m.OfRequest(t.Context(), "mine", []int64{7}, true)
	want("with the history", got, err, 0, 1, 2, 3, 4, 7, 8, 9)
	got, err = m.OfRequest(t.Context(), "mine", []int64{7}, false)
	want("without", got, err, 7, 9)
	got, err = m.OfRequest(t.Context(), "nobody's", nil, true)
	want("of a request that the signer has not seen", got, err, 0, 1, 2, 3, 4, 8, 10)
	got, err = m.OfRequest(t.Context(), "nobody's", nil, false)
	want("of such a one without the history", got, err)
	got, err = m.Beginning(t.Context())
	want("the beginning", got, err, 1, 2, 3)

	// More entries than are read at once, and one that is not mirrored yet.
	for i := range 1200 {
		tell(t, signer, &believed, session("busy"))
		if i%7 == 0 {
			tell(t, signer, &believed, refusal)
		}
	}
	got, err = m.OfRequest(t.Context(), "busy", nil, false)
	must(t, err)
	checkProven(t, signer, got)
	if len(got.Entries) != 1200 {
		t.Errorf("a busy request has %d entries", len(got.Entries))
	}
	signer.Away(true)
	got, err = m.OfRequest(t.Context(), "mine", []int64{7}, false)
	want("while the signer is away", got, err, 7, 9)
	if _, err := m.OfRequest(t.Context(), "new", []int64{signer.Size()}, false); !errors.Is(err, mirror.ErrBehind) {
		t.Errorf("an entry that is not mirrored: %v", err)
	}
}

// A checkpoint that witnesses signed proves more; it counts where it reaches far enough.
func TestTheCosignedCheckpointIsTaken(t *testing.T) {
	t.Parallel()
	signer := mirrortest.New(t, "stint-signer/a")
	m, _ := newMirror(t, mirrortest.OpenStore(t), signer)
	believed := int64(-1)
	tell(t, signer, &believed, keys, policy, session("mine"))
	cosigned := signer.Checkpoint() + fmt.Sprintln("\u2014 witness AAAAAAAA")
	signer.Cosigned(cosigned)
	got, err := m.OfRequest(t.Context(), "mine", nil, true)
	must(t, err)
	if got.Checkpoint != cosigned || len(got.Entries) != 3 {
		t.Errorf("the checkpoint is %q", got.Checkpoint)
	}
	tell(t, signer, &believed, ending("mine"))
	got, err = m.OfRequest(t.Context(), "mine", nil, true)
	must(t, err)
	if got.Checkpoint != signer.Checkpoint() || len(got.Entries) != 4 {
		t.Errorf("the checkpoint of what no witness signed yet is %q", got.Checkpoint)
	}
}
