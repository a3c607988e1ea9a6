package signer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
	"stint/server/signer/internal/keys"
	"stint/server/signer/wire"
)

// key is the signer's key of a purpose that is in a state.
func (w *world) key(purpose, in string) evidence.SigningKey {
	w.t.Helper()
	var found *evidence.SigningKey
	w.signer.book.view(func(s *state) { found = keyIn(s.beliefs.Keys(), purpose, in) })
	if found == nil {
		w.t.Fatalf("no key for %s is %s", purpose, in)
	}
	return *found
}

// rotate is what the timer does.
func (w *world) rotate() {
	w.t.Helper()
	_, err := w.signer.turn(context.Background(), rotation{scheduled: true})
	must(w.t, err)
}

func (w *world) rotateNow(purpose string) (wire.RotateResult, error) {
	return w.signer.rotate(context.Background(), wire.RotateRequest{Purpose: purpose, Reason: "a laptop is gone", By: w.subject(w.carol)})
}

func signedBy(c *ssh.Certificate) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(c.SignatureKey)))
}

// replay reads the whole ledger as an auditor does, and returns its entries.
func (w *world) replay() (entries []evidence.Entry) {
	w.t.Helper()
	b := evidence.NewBeliefs(w.config.Instance, w.config.Issuer.URL, w.config.Issuer.ClientID, w.config.RelyingParty, w.config.Origins)
	for index := range w.entries() {
		settled, err := w.signer.book.settle(context.Background(), index)
		must(w.t, err)
		if err := b.Check(settled.entry); err != nil {
			w.t.Fatalf("entry %d: %v", index, err)
		}
		b, err = b.Apply(index, settled.entry)
		must(w.t, err)
		entries = append(entries, settled.entry)
	}
	return entries
}

// checkSigned makes sure that a certificate is under the key that was the current
// one where its entry stands in the ledger.
func checkSigned(t *testing.T, entries []evidence.Entry, purpose string, c *ssh.Certificate) {
	t.Helper()
	current := ""
	for _, e := range entries[:c.Serial-1] {
		if e.Keys != nil {
			if key := keyIn(e.Keys.Keys, purpose, evidence.KeyCurrent); key != nil {
				current = key.Key
			}
		}
	}
	if signedBy(c) != current {
		t.Errorf("the certificate %d is under another key than the ledger says", c.Serial)
	}
}

func TestAKeyGivesWayToTheNextOne(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	first, next := w.key(evidence.PurposeUserCA, evidence.KeyCurrent), w.key(evidence.PurposeUserCA, evidence.KeyNext)
	host := w.key(evidence.PurposeHostCA, evidence.KeyCurrent)
	before := w.entries()
	w.rotate()
	if w.entries() != before {
		t.Error("keys changed though none was due")
	}
	w.clock.add(keyLife - time.Minute)
	ask, session := w.bundle("r1", newKey(t)), wire.SessionCertificate{}
	session = w.mustSign(ask)
	w.clock.add(time.Minute)
	w.rotate()

	// What was next signs, what signed is accepted until its last certificate ends,
	// and the host CA, which lives longer, is as it was.
	retired := w.key(evidence.PurposeUserCA, evidence.KeyRetired)
	if now := w.key(evidence.PurposeUserCA, evidence.KeyCurrent); now.Key != next.Key || retired.Key != first.Key ||
		!retired.Accepted.Equal(session.Ends) || w.key(evidence.PurposeHostCA, evidence.KeyCurrent).Key != host.Key {
		t.Errorf("after the first rotation: %s, %+v", now.Key, retired)
	}
	following := w.key(evidence.PurposeUserCA, evidence.KeyNext)
	if following.Succession == nil || !evidence.VerifySuccession(*following.Succession) || !strings.Contains(following.Succession.Statement, next.Key) {
		t.Errorf("nobody vouches for the next key: %+v", following)
	}
	if trust := w.beliefs().trust; !slices.Equal(trust.UserCA, []string{next.Key, following.Key, first.Key}) {
		t.Errorf("accepted: %v", trust.UserCA)
	}
	// The same key and grant get a certificate under the new key, on record for itself.
	again := w.mustSign(ask)
	if a, b := parse(t, session.Certificate), parse(t, again.Certificate); a.Serial == b.Serial || signedBy(a) != first.Key || signedBy(b) != next.Key {
		t.Error("the certificate was not made anew under the new key")
	}
	target, err := w.signTarget("r1")
	must(t, err)
	// The old private key is nowhere any more.
	if _, err := w.signer.ring.Signer(first.Key); !errors.Is(err, keys.ErrMissing) {
		t.Error("the retired key could still sign")
	}
	if files, err := os.ReadDir(filepath.Join(w.config.Data, "keys")); err != nil || len(files) != 1+2*len(purposes) {
		t.Errorf("%d key files, %v", len(files), err)
	}
	// When its last certificate is over, nobody takes it.
	w.clock.add(time.Hour)
	if trust := w.beliefs().trust; slices.Contains(trust.UserCA, first.Key) {
		t.Error("a retired key is accepted for ever")
	}
	entries := w.replay()
	checkSigned(t, entries, evidence.PurposeUserCA, parse(t, session.Certificate))
	checkSigned(t, entries, evidence.PurposeUserCA, parse(t, again.Certificate))
	checkSigned(t, entries, evidence.PurposeTargetCA, parse(t, target.Certificate))
}

func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	hostKey := newKey(t)
	signHost := func() *ssh.Certificate {
		answer, err := w.signer.signHost(context.Background(), w.config.Proxies[0], wire.HostRequest{PublicKey: hostKey})
		must(t, err)
		return parse(t, answer.Certificate)
	}
	ask := w.bundle("r1", newKey(t))
	old, oldHost := parse(t, w.mustSign(ask).Certificate), signHost()
	if same := signHost(); same.Serial != oldHost.Serial {
		t.Error("a host certificate was made for nothing")
	}
	result, err := w.rotateNow(wire.AllPurposes)
	must(t, err)
	entry := w.prove(result.Proof)
	if entry.Keys == nil || entry.Keys.Reason != "a laptop is gone" {
		t.Errorf("entry %+v", entry)
	}
	for _, purpose := range purposes {
		withdrawn := w.key(purpose, evidence.KeyWithdrawn)
		if _, err := w.signer.ring.Signer(withdrawn.Key); !errors.Is(err, keys.ErrMissing) {
			t.Errorf("the withdrawn key for %s could still sign", purpose)
		}
	}
	trust := w.beliefs().trust
	if slices.Contains(trust.UserCA, signedBy(old)) || slices.Contains(trust.HostCA, signedBy(oldHost)) {
		t.Error("a withdrawn key is still accepted")
	}
	// What is live is issued anew, and nobody is asked.
	if now := parse(t, w.mustSign(ask).Certificate); !slices.Contains(trust.UserCA, signedBy(now)) || now.ValidBefore != old.ValidBefore {
		t.Error("the person's certificate is not issued anew")
	}
	if now := signHost(); !slices.Contains(trust.HostCA, signedBy(now)) || now.Serial == oldHost.Serial {
		t.Error("the proxy's certificate is not issued anew")
	}
	if _, err := w.signTarget("r1"); err != nil {
		t.Errorf("the session can open no connection: %v", err)
	}
	w.replay()
	// Across a restart.
	w.shut()
	w.open()
	w.mustSign(ask)

	for name, c := range map[string]struct {
		in   wire.RotateRequest
		code string
	}{
		"purpose":   {wire.RotateRequest{Purpose: "log", Reason: "why not"}, "purpose"},
		"no reason": {wire.RotateRequest{Purpose: evidence.PurposeUserCA}, "reason"},
		"lines":     {wire.RotateRequest{Purpose: evidence.PurposeUserCA, Reason: "a\nb"}, "reason"},
		"long":      {wire.RotateRequest{Purpose: evidence.PurposeUserCA, Reason: strings.Repeat("a", 301)}, "reason"},
	} {
		before := w.entries()
		_, err := w.signer.rotate(context.Background(), c.in)
		if refused(t, err, c.code); w.entries() != before {
			t.Errorf("%s: it left an entry", name)
		}
	}
	for range 6 {
		if _, err = w.rotateNow(evidence.PurposeTargetCA); err != nil {
			break
		}
	}
	_, err = w.rotateNow(evidence.PurposeTargetCA)
	refused(t, err, "rate-limited")
}

// settleKeys is what a signer does first once it is confirmed.
func (w *world) settleKeys() {
	w.t.Helper()
	_, err := w.signer.turn(context.Background(), rotation{})
	must(w.t, err)
}

// TestKeysThatAKillLeft: whatever a kill leaves in the directory, the next start
// has the ledger's keys and no other.
func TestKeysThatAKillLeft(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	directory := filepath.Join(w.config.Data, "keys")
	user := w.key(evidence.PurposeUserCA, evidence.KeyCurrent)
	aside := map[string][]byte{}
	files, err := os.ReadDir(directory)
	must(t, err)
	for _, file := range files {
		aside[file.Name()], err = os.ReadFile(filepath.Join(directory, file.Name()))
		must(t, err)
	}
	// Killed after a key was made, and before the entry that names it.
	_, err = w.signer.ring.Make(evidence.PurposeUserCA)
	must(t, err)
	write(t, filepath.Join(directory, "user-ca-0123456789abcdef.tmp"), "half a k")
	w.shut()
	w.open()
	w.settleKeys()
	if now := w.key(evidence.PurposeUserCA, evidence.KeyCurrent); now.Key != user.Key {
		t.Error("a start rotated a key")
	}
	if files, err := os.ReadDir(directory); err != nil || len(files) != len(aside) {
		t.Errorf("%d files instead of %d, %v", len(files), len(aside), err)
	}
	// Killed after the entry, and before the old key was deleted.
	_, err = w.rotateNow(wire.AllPurposes)
	must(t, err)
	w.shut()
	for name, data := range aside {
		write(t, filepath.Join(directory, name), string(data))
	}
	w.open()
	w.settleKeys()
	if files, err := os.ReadDir(directory); err != nil || len(files) != len(aside) {
		t.Errorf("%d files instead of %d, %v", len(files), len(aside), err)
	}
	w.replay()
	// A key that the ledger names and that is gone stops the start.
	w.shut()
	files, err = os.ReadDir(directory)
	must(t, err)
	for _, file := range files {
		if strings.HasPrefix(file.Name(), "target-ca") {
			must(t, os.Remove(filepath.Join(directory, file.Name())))
		}
	}
	if s, err := openSigner(context.Background(), w.config, w.clock.Now, w.quiet()); err == nil || !strings.Contains(err.Error(), "restore") {
		t.Errorf("a missing key: %v", err)
		if s != nil {
			s.close()
		}
	}
}

// unlessBusy calls again where the signer says so: on a slow machine keys change here
// faster than it verifies, and the provider may not answer in time.
func unlessBusy[T any](call func() (T, error)) (T, error) {
	for {
		answer, err := call()
		if no, ok := errors.AsType[*refusal](err); !ok || no.problem.Code != "busy" && no.problem.Code != "issuer-away" {
			return answer, err
		}
	}
}

// TestRotationsUnderLoad: certificates are asked for while keys change; each is under
// the key that was current where its entry stands.
func TestRotationsUnderLoad(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.unlimited()
	var mu sync.Mutex
	signed := map[string][]*ssh.Certificate{}
	var load sync.WaitGroup
	for worker := range 10 {
		load.Go(func() {
			for n := range 10 {
				id := fmt.Sprintf("r%d-%d", worker, n)
				bundle := w.bundle(id, newKey(t))
				session, err := unlessBusy(func() (wire.SessionCertificate, error) { return w.sign(bundle) })
				if err != nil {
					t.Errorf("a session in the middle of a rotation: %v", err)
					return
				}
				target, err := unlessBusy(func() (wire.TargetCertificate, error) { return w.signTarget(id) })
				if err != nil {
					t.Errorf("a connection in the middle of a rotation: %v", err)
					return
				}
				mu.Lock()
				signed[evidence.PurposeUserCA] = append(signed[evidence.PurposeUserCA], parse(t, session.Certificate))
				signed[evidence.PurposeTargetCA] = append(signed[evidence.PurposeTargetCA], parse(t, target.Certificate))
				mu.Unlock()
			}
		})
	}
	stop := make(chan struct{})
	var turning sync.WaitGroup
	turning.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			asked := rotation{scheduled: true}
			if n%3 == 0 {
				asked = rotation{withdraw: purposes, reason: "because"}
			}
			if _, err := w.signer.turn(context.Background(), asked); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(50 * time.Millisecond) // on a slow machine a signature takes as long
		}
	})
	load.Wait()
	close(stop)
	turning.Wait()
	entries := w.replay()
	for purpose, certificates := range signed {
		under := map[string]bool{}
		for _, c := range certificates {
			checkSigned(t, entries, purpose, c)
			under[signedBy(c)] = true
		}
		if len(under) < 2 {
			t.Errorf("all certificates of %s are under one key; this proves nothing", purpose)
		}
	}
}

// TestTheListOfKeysIsBounded: grants outlive very short-lived keys.
func TestTheListOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config.Keys.Life = "1m"
	w.open()
	t.Cleanup(w.shut)
	w.staff()
	for n := range maxAccepted + 10 {
		w.mustSign(w.bundle(fmt.Sprintf("r%d", n), newKey(t)))
		w.clock.add(time.Minute)
		w.rotate()
	}
	counts := map[string]int{}
	w.signer.book.view(func(s *state) {
		for _, key := range s.beliefs.Keys() {
			counts[key.Purpose]++
		}
	})
	if counts[evidence.PurposeUserCA] != maxAccepted+2 || counts[evidence.PurposeTargetCA] != maxPast+2 {
		t.Errorf("keys on record: %v", counts)
	}
	w.clock.add(3 * time.Hour)
	w.rotate()
	w.rotate()
	w.replay()
}

// TestKillsInRotations kills a signer whose keys live a second.
func TestKillsInRotations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.realTime()
	w.config.Keys.Life = "1s"
	told := &acknowledged{}
	for cycle := range 6 {
		c := w.spawn()
		broker, proxy := w.client(c.address, w.broker), w.client(c.address, w.proxy)
		if cycle == 0 {
			w.staffOver(broker)
		} else {
			_, err := broker.Confirm(context.Background(), wire.ConfirmRequest{Checkpoint: told.newest()})
			must(t, err)
		}
		stop, cancel := context.WithCancel(context.Background())
		var load sync.WaitGroup
		load.Go(func() {
			for n := 0; stop.Err() == nil; n++ {
				w.use(stop, broker, proxy, fmt.Sprintf("r%d-%d", cycle, n), false, told)
			}
		})
		told.wait(t, cycle+1)
		// About the time of the next rotation.
		time.Sleep(900*time.Millisecond + time.Duration(rand.IntN(200))*time.Millisecond)
		c.kill(t)
		cancel()
		load.Wait()
		broker.Close()
		proxy.Close()
	}
	w.open()
	defer w.shut()
	entries := w.replay()
	rotations := 0
	for _, e := range entries {
		if e.Keys != nil {
			rotations++
		}
	}
	for _, session := range told.sessions {
		checkSigned(t, entries, evidence.PurposeUserCA, parse(t, session.Certificate))
	}
	for _, target := range told.targets {
		checkSigned(t, entries, evidence.PurposeTargetCA, parse(t, target.Certificate))
	}
	if rotations < 6 {
		t.Errorf("%d changes of keys only; this proves little", rotations)
	}
}
