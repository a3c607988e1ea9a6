package signer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/ledger"
)

func TestTargetTrust(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ask := func(from int64) (evidence.TargetTrustEvidence, evidence.TargetTrust) {
		t.Helper()
		answer, err := w.signer.targetTrust(context.Background(), from)
		must(t, err)
		document, err := evidence.OpenTargetTrust(answer.Note, w.signer.ring.VerifierKey())
		must(t, err)
		return answer, document
	}
	answer, first := ask(0)
	if first.Checkpoint.Size != w.entries() || !first.Issued.Equal(w.clock.Now().Truncate(time.Second)) || answer.Successions == nil {
		t.Errorf("%+v", first)
	}
	trust, err := w.signer.trust(context.Background())
	must(t, err)
	var accepted []string
	for _, k := range first.Keys {
		accepted = append(accepted, k.Key)
	}
	if len(accepted) == 0 || !slices.Equal(accepted, trust.Trust.TargetCA) {
		t.Errorf("targets are told %q, the others %q", accepted, trust.Trust.TargetCA)
	}
	empty, err := ledger.Root(0, nil)
	must(t, err)
	must(t, answer.Consistency.Check(ledger.Checkpoint{Origin: first.Checkpoint.Origin, Root: empty}, first.Checkpoint))

	w.mustSign(w.bundle("r1", newKey(t)))
	answer, second := ask(first.Checkpoint.Size)
	if second.Checkpoint.Size <= first.Checkpoint.Size {
		t.Errorf("%+v", second.Checkpoint)
	}
	must(t, answer.Consistency.Check(first.Checkpoint, second.Checkpoint))

	_, err = w.signer.targetTrust(context.Background(), w.entries()+1)
	refused(t, err, "from")
	// A clock that is behind stops what gives, not what is told, and the time of
	// the last entry is the earliest that is.
	w.clock.add(-time.Hour)
	if _, behind := ask(0); behind.Issued.Before(second.Issued) {
		t.Errorf("it was issued at %s, after one of %s", behind.Issued, second.Issued)
	}
}

// What a target that was away needs is kept when the keys' entry names it no longer.
func TestTargetHistory(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	later := now.Add(time.Hour)
	key := func(name, state string, succession string) evidence.SigningKey {
		k := evidence.SigningKey{Purpose: evidence.PurposeTargetCA, Key: name, State: state}
		if succession != "" {
			k.Succession = &evidence.SignedByKey{Statement: succession}
		}
		return k
	}
	retired := key("a", evidence.KeyRetired, "")
	retired.Accepted = &later
	over := key("z", evidence.KeyRetired, "")
	over.Accepted = &now
	user := key("u", evidence.KeyWithdrawn, "user")
	user.Purpose = evidence.PurposeUserCA
	entries := []*evidence.KeysEntry{
		{Keys: []evidence.SigningKey{key("a", evidence.KeyCurrent, ""), key("b", evidence.KeyNext, "a-b"), user}},
		{Log: "log"},
		{Keys: []evidence.SigningKey{retired, over, key("b", evidence.KeyWithdrawn, "a-b"), key("c", evidence.KeyCurrent, "b-c"), key("d", evidence.KeyNext, "c-d")}},
		{Keys: []evidence.SigningKey{retired, over, key("c", evidence.KeyCurrent, "b-c"), key("d", evidence.KeyNext, "c-d")}},
	}
	var history targetHistory
	for _, e := range entries {
		before := history
		kept := slices.Clone(before.successions)
		history = history.after(e)
		if !slices.Equal(before.successions, kept) {
			t.Error("a history that was taken earlier has changed")
		}
	}
	accepted, withdrawn := targetKeys(entries[3].Keys, history, now)
	if want := []evidence.TargetKey{{State: "retired", Key: "a"}, {State: "current", Key: "c"}, {State: "next", Key: "d"}}; !slices.Equal(accepted, want) {
		t.Errorf("accepted: %+v", accepted)
	}
	if !slices.Equal(withdrawn, []string{"b"}) {
		t.Errorf("withdrawn: %q", withdrawn)
	}
	var named []string
	for _, s := range history.successions {
		named = append(named, s.Statement)
	}
	if !slices.Equal(named, []string{"a-b", "b-c", "c-d"}) {
		t.Errorf("successions: %q", named)
	}
	for n := range 50 {
		history = history.after(&evidence.KeysEntry{Keys: []evidence.SigningKey{key(string(rune('A'+n)), evidence.KeyWithdrawn, "")}})
	}
	if _, withdrawn := targetKeys(nil, history, now); len(withdrawn) != mostWithdrawn || withdrawn[mostWithdrawn-1] != string(rune('A'+49)) {
		t.Errorf("%d are told as withdrawn", len(withdrawn))
	}
	// Whoever rotates keys without end must not make the list longer than targets read.
	for n := range 3 * mostRemembered {
		history = history.after(&evidence.KeysEntry{Keys: []evidence.SigningKey{key(fmt.Sprint(n), evidence.KeyWithdrawn, fmt.Sprint("to ", n))}})
	}
	successions := history.successions
	if len(successions) != mostRemembered || successions[mostRemembered-1].Statement != fmt.Sprint("to ", 3*mostRemembered-1) || len(history.withdrawn) != mostRemembered {
		t.Errorf("%d successions and %d withdrawn keys are remembered", len(successions), len(history.withdrawn))
	}
}

func TestTargetTrustOverTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.realTime()
	address, stop := w.start()
	defer stop()
	broker, proxy := w.client(address, w.broker), w.client(address, w.proxy)
	ctx := context.Background()
	trust, err := broker.Trust(ctx)
	must(t, err)
	answer, err := broker.TargetTrust(ctx, 0)
	must(t, err)
	if _, err := evidence.OpenTargetTrust(answer.Note, trust.Trust.Log); err != nil {
		t.Error(err)
	}
	if _, err := proxy.TargetTrust(ctx, 0); code(err) != "not-allowed" {
		t.Errorf("a proxy: %v", err)
	}
	for _, from := range []int64{-1, 1 << 60} {
		if _, err := broker.TargetTrust(ctx, from); code(err) != "from" {
			t.Errorf("from %d: %v", from, err)
		}
	}
}
