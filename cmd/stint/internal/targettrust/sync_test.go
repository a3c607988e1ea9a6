package targettrust

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// host is a target in a directory.
type host struct {
	t      testing.TB
	origin *origin
	config Config
}

func newHost(t testing.TB, o *origin) *host {
	t.Helper()
	config := hostAt(t, o.broker.URL, t.TempDir())
	config.Pins, config.Now = o.pins(), o.clock
	return &host{t: t, origin: o, config: config}
}

// hostAt is the configuration of a target with its files in a directory.
func hostAt(t testing.TB, broker, dir string) Config {
	t.Helper()
	client, err := api.NewClient(broker, "", nil)
	must(t, err)
	return Config{
		Broker: client, CA: filepath.Join(dir, "ca.pub"), KRL: filepath.Join(dir, "revoked.krl"), State: filepath.Join(dir, "state"),
		MaxAge: 24 * time.Hour, Now: time.Now,
	}
}

func (h *host) sync() (Result, error) { return Sync(h.t.Context(), h.config) }

func (h *host) mustSync() Result {
	h.t.Helper()
	result, err := h.sync()
	must(h.t, err)
	return result
}

// files are what sshd reads, and the state.
func (h *host) files() (contents [3]string) {
	h.t.Helper()
	for i, path := range []string{h.config.CA, h.config.KRL, h.config.State} {
		text, err := os.ReadFile(path)
		must(h.t, err)
		contents[i] = string(text)
	}
	return contents
}

// trusts lists the keys of the CA file.
func (h *host) trusts() []string {
	text, err := os.ReadFile(h.config.CA)
	must(h.t, err)
	return keyLines(text)
}

// refuses checks that a sync says no, with a sentence, and leaves everything as it was.
func (h *host) refuses(part string) {
	h.t.Helper()
	before := h.files()
	_, err := h.sync()
	if _, ok := errors.AsType[*RefusedError](err); !ok || !strings.Contains(err.Error(), part) {
		h.t.Errorf("got %v, want a refusal with %q", err, part)
	}
	if h.files() != before {
		h.t.Error("something was changed all the same")
	}
}

func TestRotationsAreFollowed(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	first := o.current()
	if result := h.mustSync(); !result.Changed || !slices.Equal(h.trusts(), []string{first, o.in(evidence.KeyNext)}) {
		t.Errorf("%+v %q", result, h.trusts())
	}
	if result := h.mustSync(); result.Changed {
		t.Error("nothing was new, and files were written")
	}
	o.rotate()
	h.mustSync()
	if want := []string{o.current(), o.in(evidence.KeyNext), first}; !slices.Equal(h.trusts(), want) {
		t.Errorf("after one: %q", h.trusts())
	}
	o.rotate()
	h.mustSync()
	if slices.Contains(h.trusts(), first) || len(h.trusts()) != 3 {
		t.Errorf("after two: %q", h.trusts())
	}
	// Long away: the keys between are gone from the document, the chain leads on.
	for range 5 {
		o.rotate()
	}
	h.mustSync()
	if h.trusts()[0] != o.current() {
		t.Errorf("after seven: %q", h.trusts())
	}
	gone := o.withdraw()
	h.mustSync()
	if slices.Contains(h.trusts(), gone) {
		t.Errorf("a withdrawn key is trusted: %q", h.trusts())
	}
	state, err := Load(h.config.State)
	must(t, err)
	if !state.withdrawn(gone) || state.withdrawn(o.current()) {
		t.Errorf("%+v", state.Authorities)
	}
	// A withdrawal that the document forgets is not forgotten here.
	o.set(func() { o.withdrawn = nil; o.append("more") })
	h.mustSync()
	if state, err = Load(h.config.State); err != nil || !state.withdrawn(gone) {
		t.Errorf("%v %+v", err, state.Authorities)
	}
}

// A target that was away while its only key was withdrawn: the chain from that key
// counts this once, since the log key vouches for the rest.
func TestWithdrawnWhileAway(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	h.mustSync()
	o.withdraw()
	o.withdraw()
	h.mustSync()
	if !slices.Equal(h.trusts(), []string{o.current(), o.in(evidence.KeyNext)}) {
		t.Errorf("%q", h.trusts())
	}
}

func TestHostileBroker(t *testing.T) {
	t.Parallel()
	edit := func(from, to string) func(*origin) {
		return func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Note = strings.Replace(e.Note, from, to, 1) }
		}
	}
	for name, c := range map[string]struct {
		attack func(o *origin)
		part   string
	}{
		"an edited line": {edit("target-ca next", "target-ca retired"), "not signed, whole and unchanged"},
		"a dropped line": {func(o *origin) { edit("target-ca next "+o.in(evidence.KeyNext)+"\n", "")(o) }, "not signed, whole and unchanged"},
		"an edited time": {edit("issued 2", "issued 3"), "not signed, whole and unchanged"},
		"nothing":        {func(o *origin) { o.tamper = func(e *evidence.TargetTrustEvidence) { e.Note = "" } }, "not signed, whole and unchanged"},
		"a plain checkpoint": {func(o *origin) {
			signed, err := ledger.Sign(ledger.Checkpoint{Origin: o.log.Name(), Size: o.size}, o.log)
			must(o.t, err)
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Note = string(signed) }
		}, "no extension lines"},
		"another log key": {func(o *origin) {
			secret, _, err := ledger.NewKey(strings.NewReader(strings.Repeat("x", 64)), o.log.Name())
			must(o.t, err)
			o.log, err = note.NewSigner(secret)
			must(o.t, err)
		}, "not signed, whole and unchanged"},
		"another log": {func(o *origin) { o.become(newOrigin(o.t)) }, "not signed, whole and unchanged"},
		"a shorter ledger": {func(o *origin) {
			other := o.fork()
			other.hashes, other.size = nil, 0
			other.append("all anew")
			o.become(other)
		}, "is older than the one before"},
		"a longer ledger from before": {func(o *origin) { o.now = o.now.Add(-4 * time.Second) }, "is older than the one before"},
		"an earlier document":         {func(o *origin) { o.now = o.now.Add(-time.Minute) }, "is older than the one before"},
		"a document of tomorrow": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { o.now = o.now.Add(-time.Hour) } // the clock, once the note is written
		}, "ahead of this machine's clock"},
		"a forked ledger": {func(o *origin) {
			other := o.fork()
			other.append("more")
			o.become(other)
		}, "does not continue the one"},
		"a forked ledger of the same size": {func(o *origin) { o.become(o.fork()) }, "does not continue the one"},
		"no proof": {func(o *origin) {
			o.append("more")
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Consistency = ledger.Consistency{} }
		}, "does not continue the one"},
		"a dropped succession": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Successions = e.Successions[:1] }
		}, "was not named by any key that this target trusts"},
		"no successions": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Successions = nil }
		}, "was not named by any key that this target trusts"},
		"an edited succession": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) {
				e.Successions[1].Statement = strings.Replace(e.Successions[1].Statement, "instance: test", "instance: best", 1)
			}
		}, "the signature does not fit"},
		"a succession signed by another": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Successions[1].Signature = e.Successions[0].Signature }
		}, "the signature does not fit"},
		"a succession that is none": {func(o *origin) {
			o.tamper = func(e *evidence.TargetTrustEvidence) { e.Successions[1].Statement = "stint end 1\n" }
		}, "kind end"},
		// Who holds the log key too, and no CA key.
		"a key from nowhere, signed by the log": {func(o *origin) {
			o.keys = append(o.keys, evidence.TargetKey{State: evidence.KeyRetired, Key: o.newKey()})
		}, "was not named by any key that this target trusts"},
		"a key that names itself": {func(o *origin) {
			key := o.newKey()
			o.keys = append(o.keys, evidence.TargetKey{State: evidence.KeyRetired, Key: key})
			o.successions = append(o.successions, o.succession(key, key))
		}, "was not named by any key that this target trusts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			h := newHost(t, o)
			o.append("one", "two")
			h.mustSync()
			o.set(func() { o.append("more") })
			o.rotate()
			o.set(func() { c.attack(o) })
			h.refuses(c.part)
			if _, err := os.Stat(h.config.CA); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWithdrawnKeyComesBack(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	h.mustSync()
	gone := o.withdraw()
	h.mustSync()
	o.set(func() {
		o.withdrawn = nil
		o.keys = append(o.keys, evidence.TargetKey{State: evidence.KeyRetired, Key: gone})
		o.append("back")
	})
	h.refuses("brings back the key " + fingerprint(gone))
	// Nor does it vouch for anybody.
	o.set(func() {
		o.keys = o.keys[:len(o.keys)-1]
		o.follow(gone)
		o.keys = slices.DeleteFunc(o.keys, func(k evidence.TargetKey) bool {
			return k.State == evidence.KeyNext && k.Key != o.keys[len(o.keys)-1].Key
		})
	})
	h.refuses("was not named by any key that this target trusts")
}

func TestKeptAnswerIsNoNews(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	h.mustSync()
	before := h.files()
	o.set(func() { o.now = o.now.Add(-time.Second) })
	if result := h.mustSync(); result.Changed || h.files() != before {
		t.Errorf("an answer of a second ago: %+v", result)
	}
	o.set(func() { o.now = o.now.Add(-10 * time.Second) })
	h.refuses("is older than the one before")
}

func TestBrokerAway(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	o.set(func() { o.away = true })
	if _, err := h.sync(); err == nil || strings.Contains(err.Error(), "trusted before") {
		t.Errorf("away at the first time: %v", err)
	}
	if _, err := os.Stat(h.config.CA); err == nil {
		t.Error("files were written from nothing")
	}
	o.set(func() { o.away = false })
	h.mustSync()
	before := h.files()
	o.set(func() { o.away = true })
	if result := h.mustSync(); len(result.Warnings) != 1 || result.Changed || h.files() != before {
		t.Errorf("%+v", result)
	}
	// What somebody did to the files is undone, broker or not.
	must(t, os.WriteFile(h.config.CA, []byte("ssh-ed25519 AAAA\n"), 0o644))
	must(t, os.Chmod(h.config.CA, 0o600))
	must(t, os.Remove(h.config.KRL))
	if result := h.mustSync(); !result.Changed || h.files() != before {
		t.Errorf("%+v", result)
	}
	if info, err := os.Stat(h.config.CA); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is not kept: %v", info.Mode())
	}
	o.set(func() { o.now = o.now.Add(25 * time.Hour) })
	if _, err := h.sync(); !errors.Is(err, ErrStale) {
		t.Errorf("a day later: %v", err)
	}
	if h.files() != before {
		t.Error("what is out of date is still all there is")
	}
	// A broker that only repeats itself is as good as away.
	o.set(func() { o.away = false; o.now = o.now.Add(-25 * time.Hour) })
	h.config.Now = func() time.Time { return o.clock().Add(25 * time.Hour) }
	if _, err := h.sync(); !errors.Is(err, ErrStale) {
		t.Errorf("a frozen document: %v", err)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	times := filepath.Join(t.TempDir(), "times")
	h.config.Reload = "echo once >> '" + times + "'; test ! -e '" + times + ".fail'"
	ran := func() int {
		text, _ := os.ReadFile(times)
		return strings.Count(string(text), "once")
	}
	h.mustSync()
	h.mustSync()
	if ran() != 1 {
		t.Errorf("ran %d times", ran())
	}
	o.rotate()
	must(t, os.WriteFile(times+".fail", nil, 0o600))
	if _, err := h.sync(); err == nil || !strings.Contains(err.Error(), "--reload failed") {
		t.Errorf("a reload that failed: %v", err)
	}
	if h.trusts()[0] != o.current() {
		t.Error("the files wait for the reload")
	}
	must(t, os.Remove(times+".fail"))
	h.mustSync()
	h.mustSync()
	if ran() != 3 {
		t.Errorf("ran %d times", ran())
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	h := newHost(t, o)
	h.config.Pins = nil
	if _, err := h.sync(); err == nil || !strings.Contains(err.Error(), "--trust") {
		t.Errorf("without a pin: %v", err)
	}
	stranger := newOrigin(t)
	h.config.Pins = &State{Version: 1, Log: o.verifier, Authorities: stranger.pins().Authorities}
	if _, err := h.sync(); err == nil || !strings.Contains(err.Error(), "was not named by") {
		t.Errorf("another CA is pinned: %v", err)
	}
	if _, err := os.Stat(h.config.State); err == nil {
		t.Error("a refused first document left a state")
	}
	// Once there is a state, a pin changes nothing.
	h.config.Pins = o.pins()
	h.mustSync()
	h.config.Pins = stranger.pins()
	h.mustSync()
	for _, c := range []struct {
		log  string
		keys []string
	}{{"", []string{o.current()}}, {o.verifier, nil}, {o.verifier, []string{""}}, {o.verifier + "x", []string{o.current()}}, {o.verifier, []string{"SHA256:x"}}} {
		if _, err := Pin(c.log, c.keys); err == nil {
			t.Errorf("pinned %q %q", c.log, c.keys)
		}
	}
	must(t, os.WriteFile(h.config.State, []byte(`{"version":1}`), 0o600))
	if _, err := h.sync(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged state: %v", err)
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	h := newHost(t, newOrigin(t))
	unlock, err := lock(h.config.State)
	must(t, err)
	if _, err := h.sync(); !errors.Is(err, errLocked) {
		t.Errorf("beside another: %v", err)
	}
	must(t, unlock())
	h.mustSync()
}
