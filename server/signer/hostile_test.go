package signer

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
)

// TestHostileBroker is a broker whose database was edited: each edit is refused,
// by name, and nothing is signed.
func TestHostileBroker(t *testing.T) {
	t.Parallel()
	// reAsk writes alice's request otherwise, after bob approved it.
	reAsk := func(change func(*evidence.Request)) func(*world, *evidence.Bundle) {
		return func(w *world, b *evidence.Bundle) {
			r, err := evidence.DecodeAs[*evidence.Request](b.Request)
			must(w.t, err)
			change(r)
			b.Request = w.encode(r)
		}
	}
	cases := map[string]struct {
		edit func(w *world, b *evidence.Bundle)
		code string
	}{
		"no approval": {func(w *world, b *evidence.Bundle) { b.Approvals = nil }, "evidence.policy"},
		"an approval inserted": {func(w *world, b *evidence.Bundle) {
			made := w.approve(b.Request, w.bob, time.Hour)
			made.Assertion = w.mallory.sign(t, made.Statement) // the broker holds no passkey of bob's
			made.Assertion.Credential = w.bob.credential()
			b.Approvals = []evidence.SignedByPasskey{made}
		}, "evidence.approval-signature"},
		"an approval by a stranger": {func(w *world, b *evidence.Bundle) {
			b.Approvals = []evidence.SignedByPasskey{w.approve(b.Request, w.mallory, time.Hour)}
		}, "evidence.approval-roster"},
		"an approval by the requester": {func(w *world, b *evidence.Bundle) {
			b.Approvals = []evidence.SignedByPasskey{w.approve(b.Request, w.alice, time.Hour)}
		}, "evidence.approval-roster"},
		"an approval by somebody without the group": {func(w *world, b *evidence.Bundle) {
			b.Approvals = []evidence.SignedByPasskey{w.approve(b.Request, w.carol, time.Hour)}
		}, "evidence.policy"},
		"an approval of another request": {func(w *world, b *evidence.Bundle) {
			b.Approvals = []evidence.SignedByPasskey{w.approve(w.ask(w.alice, "r1"), w.bob, time.Hour)}
		}, "evidence.approval-repeats"},
		"duration lengthened": {reAsk(func(r *evidence.Request) { r.Ask.Duration = 4 * time.Hour }), "evidence.approval-repeats"},
		"duration lengthened in the approval": {func(w *world, b *evidence.Bundle) {
			b.Approvals[0].Statement = strings.Replace(b.Approvals[0].Statement, "1h", "2h", 1)
		}, ""},
		"role changed":   {reAsk(func(r *evidence.Request) { r.Ask.Role = "db-write" }), "evidence.approval-repeats"},
		"target changed": {reAsk(func(r *evidence.Request) { r.Ask.Target = "db2" }), "evidence.approval-repeats"},
		"reason changed": {reAsk(func(r *evidence.Request) { r.Ask.Reason = "Something harmless." }), "evidence.approval-repeats"},
		"target relabelled to need nobody": {func(w *world, b *evidence.Bundle) {
			// The broker's policy says that db1 is a sandbox; the signer's does not.
			*b = w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Ask.Role, r.Ask.Target = "sandbox", "db1" })
			b.Approvals = nil
		}, "evidence.policy"},
		"approver swapped": {func(w *world, b *evidence.Bundle) {
			b.Approvals[0].Assertion = w.carol.sign(t, b.Approvals[0].Statement)
		}, "evidence.approval-passkey"},
		"approver swapped in the statement": {func(w *world, b *evidence.Bundle) {
			b.Approvals[0].Statement = strings.Replace(b.Approvals[0].Statement, "bob @", "carol @", 1)
		}, ""},
		"requester's key replaced": {func(w *world, b *evidence.Bundle) {
			_, key, err := ed25519.GenerateKey(nil)
			must(t, err)
			broker := &person{subject: "alice", name: w.alice.name, login: key}
			b.Login.LoginKey = broker.loginKey()
			b.Activation = w.activate(b.Request, broker, newKey(t))
		}, "evidence.nonce"},
		"session key replaced": {func(w *world, b *evidence.Bundle) {
			_, key, err := ed25519.GenerateKey(nil)
			must(t, err)
			b.Activation = w.activate(b.Request, &person{login: key}, newKey(t))
		}, "evidence.activation-signature"},
		"another person's login": {func(w *world, b *evidence.Bundle) {
			b.Login = w.login(w.mallory)
			b.Activation = w.activate(b.Request, w.mallory, newKey(t))
		}, "evidence.requester"},
		"a token of the portal, with a nonce that the broker picked": {func(w *world, b *evidence.Bundle) {
			_, key, err := ed25519.GenerateKey(nil)
			must(t, err)
			broker := &person{subject: "alice", name: w.alice.name, groups: w.alice.groups, login: key}
			salt := make([]byte, evidence.SaltSize)
			picked, err := evidence.LoginNonce(broker.loginKey(), salt)
			must(t, err)
			b.Login = &evidence.LoginBinding{
				IDToken:  w.provider.token(t, broker, portal, picked, w.clock.Now()),
				LoginKey: broker.loginKey(), NonceSalt: b64(salt),
			}
			b.Activation = w.activate(b.Request, broker, newKey(t))
		}, "evidence.id-token-audience"},
		"a token that is over": {func(w *world, b *evidence.Bundle) {
			w.clock.add(31 * time.Minute)
			b.Activation = w.activate(b.Request, w.alice, newKey(t))
		}, "evidence.id-token-expired"},
		"an activation kept for later": {func(w *world, b *evidence.Bundle) { w.clock.add(5 * time.Minute) }, "evidence.activation-issued"},
		"no login":                     {func(w *world, b *evidence.Bundle) { b.Login = nil }, "evidence.bundle"},
		"no activation":                {func(w *world, b *evidence.Bundle) { b.Activation = nil }, "evidence.bundle"},
		"another installation's request": {func(w *world, b *evidence.Bundle) {
			*b = w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Instance = "zzzzzzzz" })
		}, "evidence.instance"},
		"a request that is none": {func(w *world, b *evidence.Bundle) { b.Request += "More: text\n" }, "evidence.request"},
		"nothing at all":         {func(w *world, b *evidence.Bundle) { *b = evidence.Bundle{} }, "evidence.request"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			b := w.bundle("r1", newKey(t))
			c.edit(w, &b)
			before := w.entries()
			got, err := w.sign(b)
			if err == nil || got.Certificate != "" {
				t.Fatalf("signed: %+v", got)
			}
			no, ok := err.(*refusal)
			if !ok || c.code != "" && no.problem.Code != c.code {
				t.Fatalf("refused with %v, want %s", err, c.code)
			}
			if w.signer.book.state.grants["r1"] != nil {
				t.Error("the state holds a grant")
			}
			if after := w.entries(); after > before+1 { // the provider's keys may have been recorded
				t.Errorf("%d entries were made", after-before)
			}
		})
	}
}
