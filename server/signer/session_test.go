package signer

import (
	"context"
	"fmt"
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

func TestSignForAPerson(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	key := newKey(t)
	got := w.mustSign(w.bundle("r1", key))

	ends := w.clock.Now().Add(time.Hour)
	if !got.Ends.Equal(ends) {
		t.Errorf("ends %s, want %s", got.Ends, ends)
	}
	c := parse(t, got.Certificate)
	if c.CertType != ssh.UserCert || c.KeyId != "r1" || !slices.Equal(c.ValidPrincipals, []string{"postgres@db1"}) || c.Serial != got.Serial {
		t.Errorf("certificate %+v", c)
	}
	if c.ValidBefore != uint64(ends.Unix()) || c.ValidAfter != uint64(w.clock.Now().Add(-time.Minute).Unix()) {
		t.Errorf("valid from %d to %d", c.ValidAfter, c.ValidBefore)
	}
	if len(c.CriticalOptions) != 0 || len(c.Extensions) != 1 {
		t.Errorf("permissions %+v", c.Permissions)
	}
	if got := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c.Key))); got != key {
		t.Errorf("certified %s, want %s", got, key)
	}
	entry := w.prove(got.Proof)
	if entry.Session == nil || entry.Session.SessionKey != key || entry.Session.Serial != uint64(got.Proof.Inclusion.Index)+1 ||
		entry.Session.PolicyDigest != w.beliefs().digest || entry.Session.Requester != w.subject(w.alice) {
		t.Errorf("entry %+v", entry.Session)
	}
	// An auditor runs the same decision again.
	if _, err := evidence.Verify(entry.Session.Bundle, w.beliefs().trust, entry.Session.Circumstances); err != nil {
		t.Errorf("the entry does not verify by itself: %v", err)
	}
}

func TestAnApproverMayShorten(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	b := w.bundle("r1", newKey(t))
	b.Approvals = []evidence.SignedByPasskey{w.approve(b.Request, w.bob, 20*time.Minute)}
	if got := w.mustSign(b); !got.Ends.Equal(w.clock.Now().Add(20 * time.Minute)) {
		t.Errorf("ends %s", got.Ends)
	}
}

func TestNothingIsSignedPastAnEnding(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.endRequest("r1") // before the signer ever saw it
	_, err := w.sign(w.bundle("r1", newKey(t)))
	refused(t, err, "ended")

	b := w.bundle("r2", newKey(t))
	w.mustSign(b)
	w.endRequest("r2")
	_, err = w.sign(b)
	refused(t, err, "ended")
	_, err = w.sign(w.bundle("r2", newKey(t), func(r *evidence.Request) { r.Revision = 2 }))
	refused(t, err, "ended")
}

func TestEndingIsIdempotent(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	ctx := context.Background()
	first, err := w.signer.end(ctx, wire.EndRequest{Request: "r1", Reason: "dropped", By: w.subject(w.alice)})
	must(t, err)
	second, err := w.signer.end(ctx, wire.EndRequest{Request: "r1", Reason: "revoked"})
	must(t, err)
	if first.Proof.Entry != second.Proof.Entry {
		t.Error("the second ending made an entry")
	}
	if e := w.prove(second.Proof); e.Ending == nil || e.Ending.Request != "r1" || e.Ending.Reason != "dropped" {
		t.Errorf("entry %+v", e.Ending)
	}
	for _, bad := range []wire.EndRequest{
		{Request: "", Reason: "dropped"}, {Request: "r 1", Reason: "dropped"}, {Request: "r1", Reason: "bored"},
		{Request: "r1", Reason: "dropped", By: policies.Subject{Subject: "alice\n"}},
	} {
		if _, err := w.signer.end(ctx, bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func TestTheSameKeyAgainGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	key := newKey(t)
	b := w.bundle("r1", key)
	first := w.mustSign(b)
	size := w.entries()
	second := w.mustSign(b)
	if first.Certificate != second.Certificate || first.Serial != second.Serial {
		t.Error("the answers differ")
	}
	w.clock.add(10 * time.Minute)
	b.Activation = w.activate(b.Request, w.alice, key)
	if third := w.mustSign(b); third.Certificate != first.Certificate {
		t.Error("the answer changed with the time")
	}
	if w.entries() != size {
		t.Error("an entry was made for nothing")
	}
	b.Activation = w.activate(b.Request, w.alice, newKey(t))
	if other := w.mustSign(b); other.Serial == first.Serial || w.entries() != size+1 {
		t.Error("another key did not get its own entry")
	}
	w.endRequest("r1")
	_, err := w.sign(b)
	refused(t, err, "ended")
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	second := w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Revision = 2 })
	w.mustSign(second)
	_, err := w.sign(w.bundle("r1", newKey(t)))
	refused(t, err, "revision-replaced")
	_, err = w.sign(w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Revision = 2; r.Ask.Reason = "Another text." }))
	refused(t, err, "revision-changed")
	w.mustSign(w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Revision = 3 }))
	_, err = w.sign(second)
	refused(t, err, "revision-replaced")

	// A key that an earlier revision certified has no certificate of the next one's.
	key := newKey(t)
	fourth := w.mustSign(w.bundle("r1", key, func(r *evidence.Request) { r.Revision = 4 }))
	next := w.ask(w.alice, "r1", func(r *evidence.Request) { r.Revision = 5 })
	w.mustSign(w.bundleOf(next, newKey(t)))
	fifth := w.mustSign(w.bundleOf(next, key))
	if fourth.Serial == fifth.Serial {
		t.Error("the next revision has the entry of the one before")
	}

	// The id of a request is its requester's.
	request := w.ask(w.mallory, "r1", func(r *evidence.Request) { r.Revision = 9 })
	_, err = w.sign(evidence.Bundle{
		Version: 1, Request: request, Approvals: []evidence.SignedByPasskey{w.approve(request, w.bob, time.Hour)},
		Login: w.login(w.mallory), Activation: w.activate(request, w.mallory, newKey(t)),
	})
	refused(t, err, "requester-changed")
}

func TestTheEnd(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	b := w.bundle("r1", newKey(t), func(r *evidence.Request) { r.Ask.Duration = 25 * time.Minute })
	w.clock.add(25*time.Minute - time.Second)
	b.Activation = w.activate(b.Request, w.alice, newKey(t))
	got := w.mustSign(b)
	c := parse(t, got.Certificate)
	if c.ValidBefore != uint64(w.clock.Now().Add(time.Second).Unix()) {
		t.Error("the certificate outlives the grant")
	}
	w.clock.add(time.Second)
	b.Activation = w.activate(b.Request, w.alice, newKey(t))
	_, err := w.sign(b)
	refused(t, err, "evidence.policy")
}

func TestConflictingRolesAreNeverHeldTogether(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	read := w.bundle("r1", newKey(t))
	writes := w.bundle("r2", newKey(t), func(r *evidence.Request) { r.Ask.Role = "db-write" })
	must(t, w.signer.needKeys(context.Background(), ""))
	// Both at once, again and again: exactly one may win.
	var group sync.WaitGroup
	var mu sync.Mutex
	won := map[string]bool{}
	for _, b := range []evidence.Bundle{read, writes, read, writes, read, writes} {
		group.Go(func() {
			got, err := w.sign(b)
			if err != nil {
				if no, ok := err.(*refusal); !ok || no.problem.Code != "evidence.policy" {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won[parse(t, got.Certificate).KeyId] = true
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Fatalf("%v were given together", won)
	}
	for id := range won {
		w.endRequest(id)
	}
	for _, b := range []evidence.Bundle{read, writes} {
		if r, _ := evidence.DecodeAs[*evidence.Request](b.Request); !won[r.Request] {
			w.mustSign(b) // dropped, so the other may be had
		}
	}
}

func TestThePolicyOfTheSignerCounts(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	b := w.bundle("r1", newKey(t))
	before := w.beliefs().digest
	w.enforce("roles.yaml", strings.Replace(rolesText, "[leads], count: 1", "[chiefs], count: 1", 1))
	if w.beliefs().digest == before {
		t.Fatal("the policy was not taken over")
	}
	_, err := w.sign(b)
	refused(t, err, "evidence.policy")

	// What is in the directory is nothing to the signer by now.
	size := w.entries()
	w.setPolicy(map[string]string{"roles.yaml": strings.ReplaceAll(rolesText, "db-read", "db-look")})
	w.shut()
	w.open()
	if _, err = w.sign(b); err == nil || w.entries() != size {
		t.Fatal("the directory changed something")
	}
	w.enforce("roles.yaml", rolesText)
	w.mustSign(b)
}

func TestProviderKeys(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	asked := w.provider.asked()
	w.mustSign(w.bundle("r2", newKey(t)))
	if w.provider.asked() != asked {
		t.Error("a known key was fetched again")
	}
	// The provider goes away: what is known stays in force.
	w.provider.setAway(true)
	w.mustSign(w.bundle("r3", newKey(t)))
	w.provider.setAway(false)
	// It signs with a new key: fetched at once, but not in a burst.
	w.clock.add(time.Minute)
	w.provider.rotate(t, "second")
	w.mustSign(w.bundle("r4", newKey(t)))
	old := w.bundle("r5", newKey(t))
	w.provider.rotate(t, "third")
	asked = w.provider.asked()
	_, err := w.sign(w.bundle("r6", newKey(t)))
	refused(t, err, "evidence.id-token")
	if w.provider.asked() != asked {
		t.Error("the provider was asked in a burst")
	}
	w.clock.add(issuerPause)
	w.mustSign(w.bundle("r6", newKey(t)))
	// It withdraws the key that leaked.
	w.clock.add(issuerPause)
	w.provider.withdraw()
	must(t, w.signer.refreshKeys(context.Background()))
	_, err = w.sign(old)
	refused(t, err, "evidence.id-token")
	trust, err := w.signer.trust(context.Background())
	must(t, err)
	if n := len(trust.Trust.Issuer.Keys); n != 3 {
		t.Errorf("auditors are told of %d keys, want all 3", n)
	}
	if n := len(w.beliefs().trust.Issuer.Keys); n != 1 {
		t.Errorf("%d keys are in force, want 1", n)
	}
}

func TestWithoutTheProvider(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.provider.setAway(true)
	_, err := w.sign(w.bundle("r1", newKey(t)))
	refused(t, err, "issuer-away")
	w.provider.setAway(false)
	w.clock.add(issuerRetry)
	w.mustSign(w.bundle("r1", newKey(t)))
}

func TestAClockThatIsBehindStopsGivingAndNotTaking(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	b := w.bundle("r1", newKey(t))
	w.mustSign(b)
	w.clock.add(-time.Second) // as a steered clock does
	got := w.mustSign(w.bundle("r2", newKey(t)))
	if e := w.prove(got.Proof); e.Time.Before(w.clock.Now().Add(time.Second)) {
		t.Error("time went back in the ledger")
	}
	w.clock.add(-time.Hour)
	_, err := w.sign(w.bundle("r3", newKey(t)))
	refused(t, err, "clock-behind")
	_, err = w.signTarget("r1")
	refused(t, err, "clock-behind")
	w.endRequest("r1")
	_, err = w.signer.removePasskey(context.Background(), wire.RemovePasskeyRequest{Credential: w.bob.credential()})
	must(t, err)
	// A new start does not make time go back either.
	w.shut()
	w.open()
	_, err = w.signTarget("r2")
	refused(t, err, "clock-behind")
}

func TestTooManyCertificatesUnderOneGrant(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.signer.sessions = newLimiter(3, 1)
	b := w.bundle("r1", newKey(t))
	for range 3 {
		w.mustSign(b)
	}
	_, err := w.sign(b)
	refused(t, err, "rate-limited")
	w.mustSign(w.bundle("r2", newKey(t)))
	w.clock.add(time.Second)
	w.mustSign(b)
}

// TestTwoAuthorities: a certificate for the proxy opens no target, and one for a
// target no proxy.
func TestTwoAuthorities(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	session := parse(t, w.mustSign(w.bundle("r1", newKey(t))).Certificate)
	answer, err := w.signTarget("r1")
	must(t, err)
	target := parse(t, answer.Certificate)
	accepts := func(authority string, principal string, c *ssh.Certificate) bool {
		checker := &ssh.CertChecker{
			IsUserAuthority: func(key ssh.PublicKey) bool {
				return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) == authority
			},
			Clock: w.clock.Now,
		}
		return checker.IsUserAuthority(c.SignatureKey) && checker.CheckCert(principal, c) == nil
	}
	user, targets := w.key(evidence.PurposeUserCA, evidence.KeyCurrent).Key, w.key(evidence.PurposeTargetCA, evidence.KeyCurrent).Key
	for _, c := range []struct {
		what, authority, principal string
		certificate                *ssh.Certificate
		want                       bool
	}{
		{"session at the proxy", user, "postgres@db1", session, true},
		{"session at the target", targets, "postgres@db1", session, false},
		{"target's at the target", targets, "postgres@db1", target, true},
		{"target's at the proxy", user, "postgres@db1", target, false},
		{"target's at another target", targets, "postgres@db2", target, false},
		{"target's for another login", targets, "root@db1", target, false},
	} {
		if got := accepts(c.authority, c.principal, c.certificate); got != c.want {
			t.Errorf("%s: accepted %v, want %v", c.what, got, c.want)
		}
	}
}

// TestARoleConflictsAcrossIdentities: also those that only somebody else in the roster
// links.
func TestARoleConflictsAcrossIdentities(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	// Alice has a second account, alice-2, that the policy calls one with mallory's.
	w.enforce("organization.yaml", fmt.Sprintf("kind: Organization\nreviewers: [auditors]\nquorum: 1\naliases:\n  - [{issuer: %q, subject: alice-2}, {issuer: %q, subject: mallory}]\n",
		w.provider.server.URL, w.provider.server.URL))
	w.secondAccount()
	request := w.ask(w.mallory, "r1", func(r *evidence.Request) { r.Ask.Role = "db-write" })
	key := newKey(t)
	w.mustSign(evidence.Bundle{
		Version: 1, Request: request, Approvals: []evidence.SignedByPasskey{w.approve(request, w.bob, time.Hour)},
		Login: w.login(w.mallory), Activation: w.activate(request, w.mallory, key),
	})
	_, err := w.sign(w.bundle("r2", newKey(t)))
	if err == nil {
		t.Fatal("one person holds both of two roles that conflict")
	}
	refused(t, err, "evidence.policy")
}
