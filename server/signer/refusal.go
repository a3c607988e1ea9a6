package signer

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// refusal is the signer's no. The problem goes to the caller and, gathered, into
// the ledger; the cause goes to the log only.
type refusal struct {
	problem wire.Error
	cause   error
}

func refuse(status int, code, title string) *refusal {
	return &refusal{problem: wire.Error{Status: status, Code: code, Title: title}}
}

// because adds what only the log is told.
func (r *refusal) because(cause error) *refusal {
	r.cause = cause
	return r
}

// Error gives the code and the sentence.
func (r *refusal) Error() string { return r.problem.Error() }

// Unwrap gives the cause.
func (r *refusal) Unwrap() error { return r.cause }

// refuseEvidence makes a refusal of what package evidence says; its code names
// the check.
func refuseEvidence(err error) error {
	if failure, ok := errors.AsType[*evidence.Failure](err); ok {
		return refuse(http.StatusForbidden, "evidence."+failure.Check, sentence(failure.Why))
	}
	return err
}

// sentence makes one line of bounded length, with a capital and a full stop.
func sentence(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if runes := []rune(text); len(runes) > 400 {
		text = string(runes[:400]) + "…"
	}
	if text == "" {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?`") && !strings.HasSuffix(text, "…") {
		text += "."
	}
	return text
}

// maxGathered bounds the kinds of refusal that wait to be recorded.
const maxGathered = 256

type refusalKind struct{ caller, call, check string }

// refusals gathers what was refused, so that a caller who is refused a million
// times makes one entry a minute and not a million.
type refusals struct {
	mu    sync.Mutex
	kinds map[refusalKind]*evidence.RefusalEntry
}

// add counts a refusal, and says whether it is the first of its kind since the
// last flush.
func (r *refusals) add(caller, call string, problem wire.Error) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[refusalKind]*evidence.RefusalEntry{}
	}
	kind := refusalKind{caller, call, problem.Code}
	if r.kinds[kind] == nil && len(r.kinds) >= maxGathered {
		kind = refusalKind{"", "", "other"}
		problem = wire.Error{Code: "other", Title: "More kinds of refusal than are told apart."}
	}
	entry := r.kinds[kind]
	if entry == nil {
		entry = &evidence.RefusalEntry{Caller: kind.caller, Call: kind.call, Check: problem.Code, Why: problem.Title}
		r.kinds[kind] = entry
	}
	entry.Count++
	return entry.Count == 1
}

// take returns what was gathered, in a fixed order, and begins anew.
func (r *refusals) take() []*evidence.RefusalEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var entries []*evidence.RefusalEntry
	for _, entry := range r.kinds {
		entries = append(entries, entry)
	}
	r.kinds = nil
	slices.SortFunc(entries, func(a, b *evidence.RefusalEntry) int {
		return strings.Compare(a.Caller+"\n"+a.Call+"\n"+a.Check, b.Caller+"\n"+b.Call+"\n"+b.Check)
	})
	return entries
}

// recordRefusals writes what was gathered into the ledger.
func (s *signer) recordRefusals(ctx context.Context) error {
	if !s.book.standing.isConfirmed() {
		return nil // they wait: the ledger takes nothing yet
	}
	for _, entry := range s.refusals.take() {
		if err := s.book.note(ctx, false, evidence.Entry{Refusal: entry}); err != nil {
			return err
		}
	}
	return nil
}
