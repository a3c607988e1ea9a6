package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// turning is a ledger whose target CA turns: target-1 is current, target-2 is next.
type turning struct {
	*history
	list []evidence.SigningKey
}

func newTurning(t *testing.T) *turning {
	h := newHistory(t)
	w := &turning{history: h, list: slices.Clone(h.beliefs.Keys())}
	w.list = append(w.list, w.next("target-2", "target-1"))
	h.add(w.entry())
	return w
}

func (w *turning) entry() evidence.Entry {
	return evidence.Entry{Keys: &evidence.KeysEntry{Keys: w.list}}
}

// next is a new key for the target CA, which predecessor vouches for.
func (w *turning) next(name, predecessor string) evidence.SigningKey {
	w.t.Helper()
	key := w.key(name)
	return evidence.SigningKey{
		Purpose: evidence.PurposeTargetCA, Key: key, State: evidence.KeyNext, Made: w.Now,
		Succession: evidencetest.Succession(w.t, evidencetest.Instance, evidence.PurposeTargetCA, w.keys[name], w.keys[predecessor], w.Now),
	}
}

func (w *turning) at(name string) *evidence.SigningKey {
	w.t.Helper()
	i := slices.IndexFunc(w.list, func(k evidence.SigningKey) bool { return k.Key == w.key(name) })
	if i < 0 {
		w.t.Fatalf("there is no key %s", name)
	}
	return &w.list[i]
}

// turn makes the next key current, retires the current one, and makes a fresh next.
func (w *turning) turn(current, next, fresh string, state string) {
	now := w.Now
	old, new := w.at(current), w.at(next)
	old.State, old.Retired = state, &now
	if until := now.Add(time.Hour); state == evidence.KeyRetired {
		old.Accepted = &until
	}
	new.State, new.Current = evidence.KeyCurrent, &now
	w.list = append(w.list, w.next(fresh, next))
}

func (w *turning) accepts(now time.Time) string {
	var names []string
	for _, key := range w.beliefs.Trust(now).TargetCA {
		for name := range w.keys {
			if w.key(name) == key {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " ")
}

func TestKeysTurn(t *testing.T) {
	t.Parallel()
	w := newTurning(t)
	if got := w.accepts(w.Now); got != "target-1 target-2" {
		t.Errorf("accepted: %s", got)
	}
	w.turn("target-1", "target-2", "target-3", evidence.KeyRetired)
	w.add(w.entry())
	if got := w.accepts(w.Now); got != "target-2 target-3 target-1" {
		t.Errorf("accepted: %s", got)
	}
	if got := w.accepts(w.Now.Add(2 * time.Hour)); got != "target-2 target-3" {
		t.Errorf("accepted later: %s", got)
	}
	// Now at once: the one that signed is withdrawn.
	w.turn("target-2", "target-3", "target-4", evidence.KeyWithdrawn)
	w.add(w.entry())
	if got := w.accepts(w.Now); got != "target-3 target-4 target-1" {
		t.Errorf("accepted: %s", got)
	}
	// What is over may be left out.
	w.Now = w.Now.Add(2 * time.Hour)
	w.list = slices.DeleteFunc(w.list, func(k evidence.SigningKey) bool { return k.Key == w.key("target-1") || k.Key == w.key("target-2") })
	w.add(w.entry())
	// A key for another purpose may begin later.
	w.list = append(w.list, evidence.SigningKey{Purpose: evidence.PurposeToken, Key: w.key("token-1"), State: evidence.KeyNext, Made: w.Now})
	w.add(w.entry())
	if len(w.beliefs.Keys()) != 4 {
		t.Errorf("the keys are %+v", w.beliefs.Keys())
	}
}

func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		forge func(w *turning)
	}{
		"a key that is none":     {"keys-key", func(w *turning) { w.at("target-2").Key = "ssh-rsa AAAA" }},
		"a key for nothing":      {"keys-key", func(w *turning) { w.at("target-2").Purpose = "log" }},
		"a state there is not":   {"keys-state", func(w *turning) { w.at("target-2").State = "new" }},
		"current since never":    {"keys-state", func(w *turning) { w.at("target-2").State = evidence.KeyCurrent }},
		"retired without an end": {"keys-state", func(w *turning) { k := w.at("target-1"); k.State, k.Retired = evidence.KeyRetired, &w.Now }},
		"withdrawn, and accepted": {"keys-state", func(w *turning) {
			k := w.at("target-1")
			k.State, k.Retired, k.Accepted = evidence.KeyWithdrawn, &w.Now, &w.Now
		}},
		"two that sign":             {"keys-state", func(w *turning) { k := w.at("target-2"); k.State, k.Current = evidence.KeyCurrent, &w.Now }},
		"two that are next":         {"keys-state", func(w *turning) { w.list = append(w.list, w.next("target-3", "target-1")) }},
		"made in the future":        {"keys-times", func(w *turning) { w.at("target-2").Made = w.Now.Add(time.Hour) }},
		"made at no time":           {"keys-times", func(w *turning) { w.at("target-2").Made = time.Time{} }},
		"made at another time":      {"keys-times", func(w *turning) { w.at("target-2").Made = w.Now.Add(-time.Hour) }},
		"signed before it was made": {"keys-times", func(w *turning) { early := w.Now.Add(-time.Hour); w.at("target-1").Current = &early }},
		"current since another day": {"keys-times", func(w *turning) { k := w.at("target-1"); k.Current = &w.Now }},
		"the current one left out":  {"keys-gone", func(w *turning) { w.list = slices.Delete(w.list, 1, 2) }},
		"a retired one left out early": {"keys-gone", func(w *turning) {
			w.turn("target-1", "target-2", "target-3", evidence.KeyRetired)
			w.add(w.entry())
			w.list = slices.Delete(w.list, 1, 2)
		}},
		"a key twice": {"keys-twice", func(w *turning) {
			k := *w.at("target-1")
			k.State, k.Retired = evidence.KeyWithdrawn, &w.Now
			w.list = append(w.list, k)
		}},
		"a key for another purpose": {"keys-gone", func(w *turning) { w.at("target-2").Purpose = evidence.PurposeHostCA }},
		"a withdrawn one that is back": {"keys-state", func(w *turning) {
			w.turn("target-1", "target-2", "target-3", evidence.KeyWithdrawn)
			w.add(w.entry())
			until := w.Now.Add(time.Hour)
			w.at("target-1").State, w.at("target-1").Accepted = evidence.KeyRetired, &until
		}},
		"a retired one that signs again": {"keys-state", func(w *turning) {
			w.turn("target-1", "target-2", "target-3", evidence.KeyRetired)
			w.add(w.entry())
			one, two := w.at("target-1"), w.at("target-2")
			one.State, one.Retired, one.Accepted = evidence.KeyCurrent, nil, nil
			until := w.Now.Add(time.Hour)
			two.State, two.Retired, two.Accepted = evidence.KeyRetired, &w.Now, &until
		}},
		"one accepted for longer": {"keys-times", func(w *turning) {
			w.turn("target-1", "target-2", "target-3", evidence.KeyRetired)
			w.add(w.entry())
			until := w.Now.Add(100 * time.Hour)
			w.at("target-1").Accepted = &until
		}},
		"no succession":             {"succession", func(w *turning) { w.fresh(func(k *evidence.SigningKey) { k.Succession = nil }) }},
		"a succession that is none": {"succession", func(w *turning) { w.fresh(func(k *evidence.SigningKey) { k.Succession.Statement = "x" }) }},
		"a succession from elsewhere": {"succession-instance", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) {
				k.Succession = evidencetest.Succession(w.t, "other", k.Purpose, w.keys["target-3"], w.keys["target-2"], w.Now)
			})
		}},
		"a succession for another purpose": {"succession-key", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) {
				k.Succession = evidencetest.Succession(w.t, evidencetest.Instance, evidence.PurposeHostCA, w.keys["target-3"], w.keys["target-2"], w.Now)
			})
		}},
		"a succession of another key": {"succession-key", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) { k.Succession = w.at("target-2").Succession })
		}},
		"a succession from the future": {"succession-issued", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) {
				k.Succession = evidencetest.Succession(w.t, evidencetest.Instance, k.Purpose, w.keys["target-3"], w.keys["target-2"], w.Now.Add(time.Hour))
			})
		}},
		"a succession of itself": {"succession-predecessor", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) {
				k.Succession = evidencetest.Succession(w.t, evidencetest.Instance, k.Purpose, w.keys["target-3"], w.keys["target-3"], w.Now)
			})
		}},
		"a succession of another purpose's key": {"succession-predecessor", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) {
				k.Succession = evidencetest.Succession(w.t, evidencetest.Instance, k.Purpose, w.keys["target-3"], w.keys["user-1"], w.Now)
			})
		}},
		"a succession of one withdrawn": {"succession-predecessor", func(w *turning) {
			w.turn("target-1", "target-2", "target-3", evidence.KeyWithdrawn)
			w.add(w.entry())
			now := w.Now
			w.at("target-3").State, w.at("target-3").Current = evidence.KeyCurrent, &now
			w.at("target-2").State, w.at("target-2").Retired = evidence.KeyWithdrawn, &now
			w.list = append(w.list, w.next("target-4", "target-1"))
		}},
		"a succession that nobody signed": {"succession-signature", func(w *turning) {
			w.fresh(func(k *evidence.SigningKey) { k.Succession.Signature = w.at("target-2").Succession.Signature })
		}},
		"another succession afterwards": {"keys-times", func(w *turning) { w.at("target-2").Succession = w.next("target-2", "target-1").Succession }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTurning(t)
			c.forge(w)
			refusedBy(t, w.try(w.entry()), c.check)
		})
	}
}

// fresh turns once, with an altered fresh key.
func (w *turning) fresh(alter func(k *evidence.SigningKey)) {
	w.turn("target-1", "target-2", "target-3", evidence.KeyRetired)
	alter(w.at("target-3"))
}
