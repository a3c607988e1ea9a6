package signer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/mod/sumdb/note"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/ledger"
	"stint/server/signer/wire"
)

func openCheckpoint(t testing.TB, verifierKey, signed string) ledger.Checkpoint {
	t.Helper()
	verifier, err := note.NewVerifier(verifierKey)
	must(t, err)
	checkpoint, err := ledger.Open([]byte(signed), verifier.Name(), verifier)
	must(t, err)
	return checkpoint
}

// lived is a world in which everything happened once.
func lived(t *testing.T) *world {
	w := openWorld(t)
	ctx := context.Background()
	request := w.ask(w.alice, "r1")
	w.mustSign(w.bundleOf(request, newKey(t)))
	w.mustSign(w.bundleOf(request, newKey(t)))
	w.mustSign(w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Revision = 2 }))
	w.mustSign(w.bundle("r2", newKey(t), func(r *evidence.Request) { r.Ask.Target = "db2" }))
	_, err := w.signTarget("r1")
	must(t, err)
	_, err = w.signer.signHost(ctx, w.config.Proxies[0], wire.HostRequest{PublicKey: newKey(t)})
	must(t, err)
	w.endRequest("r2")
	w.endRequest("r9")
	w.enrolBy(w.carol, w.mallory)
	_, err = w.signer.removePasskey(ctx, wire.RemovePasskeyRequest{Credential: w.mallory.credential(), By: w.subject(w.carol)})
	must(t, err)
	w.enforce("targets.yaml", targetsText(t, "prod")+"# changed\n")
	w.clock.add(time.Minute)
	w.provider.rotate(t, "second")
	must(t, w.signer.refreshKeys(ctx))
	w.signer.refusals.add("broker", wire.PathEnd, wire.Error{Code: "reason", Title: "No."})
	must(t, w.signer.recordRefusals(ctx))
	return w
}

func TestARestartKeepsEverything(t *testing.T) {
	t.Parallel()
	w := lived(t)
	before, size := w.signer.book.state, w.entries()
	trust, err := w.signer.trust(context.Background())
	must(t, err)
	for range 2 {
		w.shut()
		w.open()
		options := cmp.Options{cmp.AllowUnexported(state{}, past{}, emergency{}, targetHistory{}, grant{}, entered{}, issued{}, hosted{}, evidence.Beliefs{}), cmpopts.IgnoreUnexported(evidence.Roster{}),
			cmpopts.IgnoreFields(evidence.Beliefs{}, "present"), cmp.Comparer(func(a, b *policies.Bundle) bool { return a.Digest() == b.Digest() })}
		if diff := cmp.Diff(before, w.signer.book.state, options); diff != "" {
			t.Fatalf("the state is another after a restart:\n%s", diff)
		}
		again, err := w.signer.trust(context.Background())
		must(t, err)
		if diff := cmp.Diff(trust, again, cmpopts.IgnoreUnexported(evidence.Trust{}, evidence.Roster{})); diff != "" || w.entries() != size {
			t.Fatalf("the signer says otherwise after a restart:\n%s", diff)
		}
	}
	_, err = w.sign(w.bundle("r2", newKey(t)))
	refused(t, err, "ended")
	_, err = w.sign(w.bundle("r1", newKey(t)))
	refused(t, err, "revision-replaced")
	_, err = w.signTarget("r1")
	must(t, err)
}

func TestTheWholeLedgerVerifies(t *testing.T) {
	t.Parallel()
	w := lived(t)
	verifyLedger(t, w.signer.ring.VerifierKey(), func(from int64, limit int) wire.LedgerPage {
		page, err := w.signer.page(from, limit)
		must(t, err)
		return page
	}, 3)
}

// verifyLedger reads all pages, checks them against the last checkpoint, and
// returns the entries.
func verifyLedger(t testing.TB, verifierKey string, read func(from int64, limit int) wire.LedgerPage, limit int) []evidence.Entry {
	t.Helper()
	var leaves []string
	var signed string
	for {
		page := read(int64(len(leaves)), limit)
		if page.From != int64(len(leaves)) || len(page.Entries) > limit {
			t.Fatalf("page from %d with %d entries", page.From, len(page.Entries))
		}
		signed = page.Checkpoint
		if len(page.Entries) == 0 {
			break
		}
		leaves = append(leaves, page.Entries...)
	}
	must(t, ledger.VerifyAll(func(yield func(ledger.Leaf, error) bool) {
		for _, leaf := range leaves {
			if !yield(ledger.Leaf{Data: []byte(leaf)}, nil) {
				return
			}
		}
	}, openCheckpoint(t, verifierKey, signed)))
	var entries []evidence.Entry
	var last time.Time
	for _, leaf := range leaves {
		entry, err := decodeEntry([]byte(leaf))
		must(t, err)
		if entry.Time.Before(last) {
			t.Fatalf("time goes back in %s", leaf)
		}
		last = entry.Time
		entries = append(entries, entry)
	}
	return entries
}

func TestWhatMustNotStart(t *testing.T) {
	t.Parallel()
	remove := func(names ...string) func(*world) {
		return func(w *world) {
			for _, name := range names {
				must(w.t, os.RemoveAll(filepath.Join(w.config.Data, name)))
			}
		}
	}
	for name, c := range map[string]struct {
		harm func(w *world)
		says string
	}{
		"keys gone":        {remove("keys"), "its keys"},
		"the log key gone": {remove("keys/log"), "the key log"},
		"ledger gone":      {remove("ledger"), "cut short"},
		"open to others":   {func(w *world) { must(w.t, os.Chmod(w.config.Data, 0o755)) }, "open to others"},
		"another instance": {func(w *world) { w.config.Instance = "zzzzzzzz" }, "instance"},
		"passphrase empty": {func(w *world) {
			w.config.KeyPassphraseFile = filepath.Join(w.config.Policy, "..", "passphrase")
			write(w.t, w.config.KeyPassphraseFile, "\n")
		}, "empty"},
		"keys of another": {func(w *world) {
			other := newWorld(w.t)
			other.open()
			other.shut()
			remove("keys")(w)
			must(w.t, os.Rename(filepath.Join(other.config.Data, "keys"), filepath.Join(w.config.Data, "keys")))
		}, "checkpoint"},
		"ledger altered": {func(w *world) {
			path := filepath.Join(w.config.Data, "ledger")
			data, err := os.ReadFile(path)
			must(w.t, err)
			write(w.t, path, strings.Replace(string(data), "Bob Brown", "Rob Brown", 1))
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			w.shut()
			c.harm(w)
			s, err := openSigner(context.Background(), w.config, w.clock.Now, w.quiet())
			if err == nil {
				s.close()
				t.Fatal("it starts")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, not %q", err, c.says)
			}
		})
	}
}

func TestABrokenPolicyAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	write(t, filepath.Join(w.config.Policy, "roles.yaml"), "kind: Nonsense\n")
	if s, err := openSigner(context.Background(), w.config, w.clock.Now, w.quiet()); err == nil {
		s.close()
		t.Fatal("it starts without any policy")
	}
	w.setPolicy(defaultPolicy(t))
	w.open()
	w.staff()
	w.shut()
	write(t, filepath.Join(w.config.Policy, "roles.yaml"), "kind: Nonsense\n")
	w.open() // by the policy that was in force
	defer w.shut()
	w.mustSign(w.bundle("r1", newKey(t)))
}

func TestEncryptedKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.KeyPassphraseFile = filepath.Join(t.TempDir(), "passphrase")
	write(t, w.config.KeyPassphraseFile, "correct horse\n")
	w.open()
	w.staff()
	w.shut()
	w.open()
	w.mustSign(w.bundle("r1", newKey(t)))
	w.shut()
	w.config.KeyPassphraseFile = ""
	if s, err := openSigner(context.Background(), w.config, w.clock.Now, w.quiet()); err == nil {
		s.close()
		t.Fatal("encrypted keys open without the passphrase")
	}
}

func TestRefusalsAreGathered(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	for range 1000 {
		w.signer.refusals.add("broker", wire.PathSignSession, wire.Error{Code: "ended", Title: "This request was ended."})
	}
	w.signer.refusals.add("proxy-1", wire.PathSignTarget, wire.Error{Code: "ended", Title: "This request was ended."})
	before := w.entries()
	must(t, w.signer.recordRefusals(context.Background()))
	must(t, w.signer.recordRefusals(context.Background()))
	if n := w.entries() - before; n != 2 {
		t.Fatalf("%d entries, want 2", n)
	}
	e, err := w.signer.book.settle(context.Background(), before)
	must(t, err)
	if r := e.entry.Refusal; r == nil || r.Caller != "broker" || r.Call != wire.PathSignSession || r.Check != "ended" || r.Count != 1000 {
		t.Errorf("entry %+v", r)
	}
	// However many kinds there are, what waits has a bound.
	for i := range 10 * maxGathered {
		w.signer.refusals.add("broker", wire.PathSignSession, wire.Error{Code: nonce(), Title: "No."})
		_ = i
	}
	total := 0
	kinds := w.signer.refusals.take()
	for _, r := range kinds {
		total += r.Count
	}
	if len(kinds) > maxGathered+1 || total != 10*maxGathered {
		t.Errorf("%d kinds and %d refusals", len(kinds), total)
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	l := newLimiter(2, 0.5)
	l.maxKeys = 3
	now := time.Unix(1000, 0)
	for i, want := range []bool{true, true, false} {
		if l.allow("a", now) != want {
			t.Errorf("call %d: want %v", i, want)
		}
	}
	if !l.allow("b", now) || !l.allow("c", now) {
		t.Error("one key takes from another")
	}
	if l.allow("d", now) {
		t.Error("it remembers more keys than it may")
	}
	if l.allow("a", now.Add(-time.Hour)) {
		t.Error("a clock that goes back refills")
	}
	now = now.Add(10 * time.Second)
	if !l.allow("d", now) || !l.allow("a", now) {
		t.Error("it does not refill, or does not forget")
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		"the end":               "The end.",
		"élan\n  and more!":     "Élan and more!",
		"sign in `stint login`": "Sign in `stint login`",
		"broken \xff bytes.":    "Broken ? bytes.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
	if long := sentence(strings.Repeat("ä", 1000)); len([]rune(long)) > 401 {
		t.Error("a sentence has no bound")
	}
}

// FuzzDecodeEntry: what is read as an entry is written and read alike, and folds
// or refuses without a panic.
func FuzzDecodeEntry(f *testing.F) {
	f.Fuzz(func(t *testing.T, leaf []byte) {
		entry, err := decodeEntry(leaf)
		if err != nil {
			return
		}
		again, err := encodeEntry(entry)
		must(t, err)
		decoded, err := decodeEntry(again)
		must(t, err)
		s := newState(Config{Issuer: IssuerConfig{URL: "https://id.example.com"}})
		if change, err := s.fold(0, decoded); err == nil {
			change()
		}
	})
}

func FuzzKeyID(f *testing.F) {
	f.Fuzz(func(t *testing.T, token string) { keyID(token) })
}
