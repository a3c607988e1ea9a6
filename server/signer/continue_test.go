package signer

import (
	"context"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

const liveID = "0123456789abcdef0123456789abcdef"

// continued asks, as proxy-1, whether the session that was opened under one request by a
// key goes on under the next.
func (w *world) continued(opened, key, next string) (wire.ContinueResult, error) {
	return w.signer.continueSession(context.Background(), w.config.Proxies[0],
		wire.ContinueRequest{Session: liveID, Opened: opened, SessionKey: key, Next: next})
}

func TestASessionGoesOnUnderAnotherGrant(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	first := newKey(t)
	w.mustSign(w.bundle("r1", first))
	w.clock.add(50 * time.Minute)
	w.mustSign(w.bundle("r2", newKey(t)))
	ends := w.clock.Now().Add(time.Hour)
	got, err := w.continued("r1", first, "r2")
	must(t, err)
	if !got.GrantEnds.Equal(ends) {
		t.Errorf("it goes on until %s, want %s", got.GrantEnds, ends)
	}
	entry, err := w.signer.book.settle(context.Background(), w.entries()-1)
	must(t, err)
	want := evidence.ExtensionEntry{Session: liveID, Proxy: "proxy-1", Request: "r2", Extends: "r1", Opened: "r1", Principal: "postgres@db1", Ends: ends}
	if e := entry.entry.Extension; e == nil || *e != want {
		t.Errorf("entry %+v", entry.entry)
	}

	// Asked again, after the first grant is over and after a restart, it is the same.
	w.clock.add(20 * time.Minute)
	w.shut()
	w.open()
	before := w.entries()
	got, err = w.continued("r1", first, "r2")
	must(t, err)
	if !got.GrantEnds.Equal(ends) || w.entries() != before {
		t.Errorf("asked again: %+v, and %d more entries", got, w.entries()-before)
	}
	// And once more, under a third.
	w.mustSign(w.bundle("r3", newKey(t)))
	_, err = w.continued("r1", first, "r3")
	must(t, err)
	// It has r3 from here on: what r2 gave is behind it.
	w.endRequest("r3")
	_, err = w.continued("r1", first, "r2")
	refused(t, err, "ended")
}

func TestWhatExtendsNoSession(t *testing.T) {
	t.Parallel()
	apart := strings.Split(rolesText, "---\nkind: Separation")[0]
	for name, c := range map[string]struct {
		// happens readies r2, which is to extend r1, which key opened.
		happens func(w *world, key string)
		code    string
	}{
		"nobody activated it":     {func(*world, string) {}, "not-activated"},
		"the old grant was ended": {func(w *world, _ string) { w.mustSign(w.bundle("r2", newKey(t))); w.endRequest("r1") }, "ended"},
		"the new grant was ended": {func(w *world, _ string) { w.mustSign(w.bundle("r2", newKey(t))); w.endRequest("r2") }, "ended"},
		"the old grant is over": {func(w *world, _ string) {
			w.clock.add(59 * time.Minute)
			w.mustSign(w.bundle("r2", newKey(t)))
			w.clock.add(time.Minute)
		}, "over"},
		"the person is suspended": {func(w *world, _ string) {
			w.mustSign(w.bundle("r2", newKey(t)))
			_, err := w.suspend(w.alice)
			must(t, err)
		}, "evidence.requester-suspended"},
		"another target": {func(w *world, _ string) {
			w.mustSign(w.bundle("r2", newKey(t), func(r *evidence.Request) { r.Ask.Target = "db2" }))
		}, "other-principal"},
		"another role": {func(w *world, _ string) {
			w.enforce("roles.yaml", apart)
			w.mustSign(w.bundle("r2", newKey(t), func(r *evidence.Request) { r.Ask.Role = "db-write" }))
		}, "other-role"},
		"somebody else's": {func(w *world, _ string) {
			request := w.ask(w.mallory, "r2")
			w.mustSign(evidence.Bundle{
				Version: 1, Request: request, Approvals: []evidence.SignedByPasskey{w.approve(request, w.bob, time.Hour)},
				Login: w.login(w.mallory), Activation: w.activate(request, w.mallory, newKey(t)),
			})
		}, "other-requester"},
		"another machine": {func(w *world, _ string) {
			w.mustSign(w.from(w.enrolledDevice(), w.bundle("r2", newKey(t)), nil))
		}, "other-device"},
		"it is for a single session": {func(w *world, _ string) {
			w.enforce("roles.yaml", strings.Replace(rolesText, "reason: required", "reason: required\nsingleUse: true", 1))
			w.mustSign(w.bundle("r2", newKey(t)))
		}, "single-use"},
		"policy would not give it any more": {func(w *world, _ string) {
			w.mustSign(w.bundle("r2", newKey(t)))
			w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "count: 1", "count: 2"))
		}, "evidence.policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			key := newKey(t)
			w.mustSign(w.bundle("r1", key))
			c.happens(w, key)
			before := w.entries()
			_, err := w.continued("r1", key, "r2")
			refused(t, err, c.code)
			if w.entries() != before {
				t.Error("an entry was made")
			}
		})
	}
	t.Run("what a broker or a proxy makes up", func(t *testing.T) {
		t.Parallel()
		w := openWorld(t)
		key := newKey(t)
		w.mustSign(w.bundle("r1", key))
		w.mustSign(w.bundle("r2", newKey(t)))
		for _, c := range []struct{ opened, key, next, code string }{
			{"r0", key, "r2", "not-activated"},
			{"r1", newKey(t), "r2", "not-issued"},
			{"r1 r2", key, "r2", "request-id"},
			{"r1", key, "", "request-id"},
		} {
			_, err := w.continued(c.opened, c.key, c.next)
			refused(t, err, c.code)
		}
		_, err := w.signer.continueSession(context.Background(), w.config.Proxies[0], wire.ContinueRequest{Session: "short", Opened: "r1", SessionKey: key, Next: "r2"})
		refused(t, err, "session-id")
	})
}
