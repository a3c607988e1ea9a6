package signer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

func TestSignForAProxy(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	ends := w.clock.Now().Add(time.Hour)
	w.clock.add(40 * time.Minute) // the ID token is over; the grant is not
	key := newKey(t)
	got, err := w.signer.signTarget(context.Background(), w.config.Proxies[0], wire.TargetRequest{Request: "r1", PublicKey: key})
	must(t, err)
	if got.Login != "postgres" || got.Target != "db1" || got.Address != "db1.example.com:22" || got.HostKey != hostKeys()[0] ||
		!got.GrantEnds.Equal(ends) || !got.Ends.Equal(w.clock.Now().Add(wire.TargetLife)) ||
		got.Role != "db-read" || got.Requester != w.subject(w.alice) {
		t.Errorf("answer %+v", got)
	}
	c := parse(t, got.Certificate)
	if c.CertType != ssh.UserCert || !slices.Equal(c.ValidPrincipals, []string{"postgres@db1"}) || c.KeyId != "r1" ||
		c.ValidBefore != uint64(got.Ends.Unix()) || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c.Key))) != key {
		t.Errorf("certificate %+v", c)
	}
	entry, err := w.signer.book.settle(context.Background(), w.entries()-1)
	must(t, err)
	if e := entry.entry.Target; e == nil || e.Proxy != "proxy-1" || e.PublicKey != key || e.Serial != c.Serial || e.Principal != "postgres@db1" {
		t.Errorf("entry %+v", entry.entry)
	}
	// Near the end of the grant the certificate ends with it.
	w.clock.add(20*time.Minute - 10*time.Second)
	got, err = w.signTarget("r1")
	must(t, err)
	if !got.Ends.Equal(ends) || parse(t, got.Certificate).ValidBefore != uint64(ends.Unix()) {
		t.Errorf("a certificate of %s outlives the grant's end %s", got.Ends, ends)
	}
}

func TestWhatAProxyIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(w *world)
		code    string
	}{
		"ended":             {func(w *world) { w.endRequest("r1") }, "ended"},
		"over":              {func(w *world) { w.clock.add(time.Hour) }, "over"},
		"target gone":       {func(w *world) { w.enforce("targets.yaml", strings.Split(targetsText(t, "prod"), "---\n")[1]) }, "evidence.policy"},
		"target relabelled": {func(w *world) { w.enforce("targets.yaml", targetsText(t, "staging")) }, "evidence.policy"},
		"role gone": {func(w *world) {
			w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "db-read", "db-look"))
		}, "evidence.policy"},
		"login gone":     {func(w *world) { w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "[postgres]", "[reader]")) }, "evidence.policy"},
		"two must agree": {func(w *world) { w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "count: 1", "count: 2")) }, "evidence.policy"},
		"requester's group is not asked": {func(w *world) {
			w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "[engineering]", "[operations]"))
		}, "evidence.policy"},
		"approver's passkey removed": {func(w *world) {
			_, err := w.signer.removePasskey(context.Background(), wire.RemovePasskeyRequest{Credential: w.bob.credential(), By: w.subject(w.carol)})
			must(t, err)
		}, "evidence.approval-passkey"},
		"approver demoted": {func(w *world) {
			again := newPerson(t, "bob", "Bob Brown")
			w.enrolBy(w.carol, again) // a passkey and no group
		}, "evidence.policy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			w.mustSign(w.bundle("r1", newKey(t)))
			_, err := w.signTarget("r1")
			must(t, err)
			w.clock.add(time.Minute)
			c.happens(w)
			before := w.entries()
			_, err = w.signTarget("r1")
			refused(t, err, c.code)
			if w.entries() != before {
				t.Error("an entry was made")
			}
		})
	}
	t.Run("not activated", func(t *testing.T) {
		t.Parallel()
		w := openWorld(t)
		_, err := w.signTarget("r1")
		refused(t, err, "not-activated")
		_, err = w.sign(evidence.Bundle{Version: 1, Request: w.ask(w.alice, "r1")})
		refused(t, err, "evidence.bundle")
		_, err = w.signTarget("r1")
		refused(t, err, "not-activated")
	})
	t.Run("malformed", func(t *testing.T) {
		t.Parallel()
		w := openWorld(t)
		w.mustSign(w.bundle("r1", newKey(t)))
		for _, c := range []struct {
			in   wire.TargetRequest
			code string
		}{
			{wire.TargetRequest{Request: "r1", PublicKey: "ssh-rsa AAAA"}, "public-key"},
			{wire.TargetRequest{Request: "r1", PublicKey: newKey(t) + " comment"}, "public-key"},
			{wire.TargetRequest{Request: "r1 r2", PublicKey: newKey(t)}, "request-id"},
		} {
			_, err := w.signer.signTarget(context.Background(), w.config.Proxies[0], c.in)
			refused(t, err, c.code)
		}
	})
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		w := openWorld(t)
		w.signer.targets = newLimiter(2, 1)
		w.mustSign(w.bundle("r1", newKey(t)))
		for range 2 {
			_, err := w.signTarget("r1")
			must(t, err)
		}
		_, err := w.signTarget("r1")
		refused(t, err, "rate-limited")
		// Another proxy is not held up by it.
		_, err = w.signer.signTarget(context.Background(), ProxyConfig{Name: "proxy-2"}, wire.TargetRequest{Request: "r1", PublicKey: newKey(t)})
		must(t, err)
	})
}

// TestAGrantOutlivesTheProvidersKey: that a provider changes its keys takes
// nothing away from who signed in before.
func TestAGrantOutlivesTheProvidersKey(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	w.clock.add(issuerPause)
	w.provider.rotate(t, "second")
	w.provider.withdraw()
	must(t, w.signer.refreshKeys(context.Background()))
	_, err := w.signTarget("r1")
	must(t, err)
}

func TestAnExtensionMovesTheEnd(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Ask.Duration = 10 * time.Minute }))
	w.clock.add(5 * time.Minute)
	w.mustSign(w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Revision = 2; r.Ask.Duration = 30 * time.Minute }))
	w.clock.add(20 * time.Minute)
	got, err := w.signTarget("r1")
	must(t, err)
	if want := w.clock.Now().Add(10 * time.Minute); !got.GrantEnds.Equal(want) {
		t.Errorf("the grant ends %s, want %s", got.GrantEnds, want)
	}
}

// TestEndingRacesSigning: whatever is signed has its entry in front of the ending.
func TestEndingRacesSigning(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				if _, err := w.signTarget("r1"); err != nil {
					refused(t, err, "ended")
					return
				}
			}
		})
	}
	time.Sleep(30 * time.Millisecond)
	w.endRequest("r1")
	group.Wait()
	ended := false
	for index := range w.entries() {
		e, err := w.signer.book.settle(context.Background(), index)
		must(t, err)
		if e.entry.Ending != nil {
			ended = true
		} else if ended && e.entry.Target != nil {
			t.Fatalf("entry %d signs past the ending", index)
		}
	}
	if !ended {
		t.Fatal("there is no ending")
	}
}

func TestSignForAHost(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ctx, proxy, key := context.Background(), w.config.Proxies[0], newKey(t)
	got, err := w.signer.signHost(ctx, proxy, wire.HostRequest{PublicKey: key})
	must(t, err)
	want := []string{"db1", "db2", "dev1", "localhost", "stint"}
	if !slices.Equal(got.Principals, want) || !got.Ends.Equal(w.clock.Now().Add(hostLife)) {
		t.Errorf("answer %+v", got)
	}
	c := parse(t, got.Certificate)
	if c.CertType != ssh.HostCert || !slices.Equal(c.ValidPrincipals, want) || len(c.Extensions) != 0 ||
		signedBy(c) != w.key(evidence.PurposeHostCA, evidence.KeyCurrent).Key {
		t.Errorf("certificate %+v", c)
	}
	size := w.entries()
	again, err := w.signer.signHost(ctx, proxy, wire.HostRequest{PublicKey: key})
	must(t, err)
	if again.Certificate != got.Certificate || w.entries() != size {
		t.Error("a proxy that restarts fills the ledger")
	}
	w.enforce("targets.yaml", targetsText(t, "prod")+
		"---\nkind: Target\nname: db9\naddress: db9.example.com:22\nhostKey: "+newKey(t)+"\nlabels: {env: prod}\n")
	more, err := w.signer.signHost(ctx, proxy, wire.HostRequest{PublicKey: key})
	must(t, err)
	if !slices.Contains(more.Principals, "db9") {
		t.Error("a new target has no name at the proxy")
	}
	w.clock.add(hostLife/2 + time.Hour)
	renewed, err := w.signer.signHost(ctx, proxy, wire.HostRequest{PublicKey: key})
	must(t, err)
	if !renewed.Ends.After(more.Ends) {
		t.Error("the certificate was not renewed in time")
	}
	_, err = w.signer.signHost(ctx, proxy, wire.HostRequest{PublicKey: "no key"})
	refused(t, err, "public-key")
}

// A proxy opens only what the signer's configuration lets it, and can pass for nothing else.
func TestAProxyHasItsReach(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	proxy := w.config.Proxies[0]
	for name, c := range map[string]struct {
		reach wire.Reach
		opens bool
	}{
		"all":                  {wire.Reach{}, true},
		"by its name":          {wire.Reach{Targets: []policies.Selector{{Names: []string{"db*"}}}}, true},
		"another's name":       {wire.Reach{Targets: []policies.Selector{{Names: []string{"web*"}}}}, false},
		"an address by a name": {wire.Reach{Networks: []string{"0.0.0.0/0", "::/0"}}, false},
	} {
		proxy.Name = "proxy-" + strings.ReplaceAll(name, " ", "-")
		proxy.Reach = c.reach
		_, err := w.signer.signTarget(context.Background(), proxy, wire.TargetRequest{Request: "r1", PublicKey: newKey(t)})
		if c.opens {
			must(t, err)
		} else if refused := (*refusal)(nil); !errors.As(err, &refused) || refused.problem.Code != "proxy-reach" {
			t.Errorf("%s: %v", name, err)
		}
		host, err := w.signer.signHost(context.Background(), proxy, wire.HostRequest{PublicKey: newKey(t)})
		must(t, err)
		if slices.Contains(host.Principals, "db1") != c.opens || !slices.Contains(host.Principals, wire.AnyProxy) {
			t.Errorf("%s: the host certificate is for %v", name, host.Principals)
		}
	}
}
