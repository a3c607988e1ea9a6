package signer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

func (w *world) reissue(serial uint64) (wire.SessionCertificate, error) {
	return w.signer.reissue(context.Background(), wire.ReissueRequest{Serial: serial})
}

// withdraw replaces the user CA at once.
func (w *world) withdraw() {
	w.t.Helper()
	_, err := w.rotateNow(evidence.PurposeUserCA)
	must(w.t, err)
}

// auditReissue checks an entry of a certificate that was issued once more as an auditor does.
func (w *world) auditReissue(serial uint64) {
	w.t.Helper()
	entries := w.replay()
	at := func(index int64) (b evidence.Beliefs) {
		b = evidence.NewBeliefs(w.config.Instance, w.config.Issuer.URL, w.config.Issuer.ClientID, w.config.RelyingParty, w.config.Origins)
		for i, e := range entries[:index] {
			var err error
			b, err = b.Apply(int64(i), e)
			must(w.t, err)
		}
		return b
	}
	again := *entries[serial-1].Session
	r := evidence.Reissue{Earlier: *entries[again.Reissues-1].Session, Authority: at(int64(again.Reissues - 1)).Authority()}
	for r.Origin = r.Earlier; r.Origin.Reissues != 0; {
		r.Origin = *entries[r.Origin.Reissues-1].Session
	}
	if _, err := at(int64(serial-1)).CheckReissue(again, r); err != nil {
		w.t.Errorf("the entry does not hold: %v", err)
	}
}

// TestWhatIsLiveIsIssuedOnceMore: the certificate stays what it was but for its
// serial, its beginning and its key, long after the sign-in has ended, and the same
// call gives the same answer.
func TestWhatIsLiveIsIssuedOnceMore(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	key := newKey(t)
	first := w.mustSign(w.bundle("r1", key))
	w.clock.add(45 * time.Minute) // the ID token was good for 30
	_, err := w.reissue(first.Serial)
	refused(t, err, "evidence.reissue-key")
	w.withdraw()

	second, err := w.reissue(first.Serial)
	must(t, err)
	was, is := parse(t, first.Certificate), parse(t, second.Certificate)
	if second.Serial == first.Serial || is.Serial != second.Serial || signedBy(is) != w.key(evidence.PurposeUserCA, evidence.KeyCurrent).Key {
		t.Errorf("it is number %d, signed by %s", second.Serial, signedBy(is))
	}
	if !slices.Equal(is.Key.Marshal(), was.Key.Marshal()) || is.KeyId != was.KeyId || !slices.Equal(is.ValidPrincipals, was.ValidPrincipals) ||
		is.ValidBefore != was.ValidBefore || !second.Ends.Equal(first.Ends) || fmt.Sprint(is.Permissions) != fmt.Sprint(was.Permissions) {
		t.Errorf("it says %+v, and the one before %+v", is, was)
	}
	entry := w.prove(second.Proof)
	if s := entry.Session; s.Reissues != first.Serial || s.Bundle.Request != "" || strings.Contains(second.Proof.Entry, `"bundle"`) {
		t.Errorf("its entry is %s", second.Proof.Entry)
	}
	w.auditReissue(second.Serial)
	if _, err := w.signTarget("r1"); err != nil {
		t.Errorf("the grant opens its target no more: %v", err)
	}

	size := w.entries()
	third, err := w.reissue(first.Serial)
	must(t, err)
	_, err = w.reissue(second.Serial)
	refused(t, err, "evidence.reissue-key")
	if third.Certificate != second.Certificate || w.entries() != size {
		t.Error("asked again, it is another")
	}
	// Withdrawn once more, whichever of them the broker has leads to one that counts.
	w.withdraw()
	fourth, err := w.reissue(first.Serial)
	must(t, err)
	fifth, err := w.reissue(second.Serial)
	must(t, err)
	if fourth.Certificate != fifth.Certificate || w.prove(fourth.Proof).Session.Reissues != second.Serial {
		t.Errorf("the third stands in the place of %d", w.prove(fourth.Proof).Session.Reissues)
	}
	w.auditReissue(fourth.Serial)

	w.shut()
	w.open()
	if again, err := w.reissue(first.Serial); err != nil || again.Certificate != fourth.Certificate {
		t.Errorf("after a restart it is another, %v", err)
	}
	// What was issued once more is not told any more to somebody suspended.
	must(t, failure(w.suspend(w.alice)))
	_, err = w.reissue(first.Serial)
	refused(t, err, "evidence.requester-suspended")
}

// TestAKillBetweenEntryAndAnswer: whoever asks again gets the certificate of the entry
// that is there.
func TestAKillBetweenEntryAndAnswer(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	first := w.mustSign(w.bundle("r1", newKey(t)))
	w.withdraw()
	settled, err := w.signer.book.settle(context.Background(), int64(first.Serial-1))
	must(t, err)
	index, err := w.signer.admitReissue(context.Background(), settled.entry.Session, first.Serial)
	must(t, err)
	must(t, w.signer.book.journal.Wait(context.Background(), index))
	w.shut()
	w.open()
	second, err := w.reissue(first.Serial)
	must(t, err)
	if second.Serial != serialOf(index) {
		t.Errorf("it is number %d, and the entry's is %d", second.Serial, serialOf(index))
	}

	// A key that was withdrawn before it signed for its entry never does.
	w.withdraw()
	index, err = w.signer.admitReissue(context.Background(), settled.entry.Session, first.Serial)
	must(t, err)
	w.withdraw()
	third, err := w.reissue(first.Serial)
	must(t, err)
	if third.Serial <= serialOf(index) || signedBy(parse(t, third.Certificate)) != w.key(evidence.PurposeUserCA, evidence.KeyCurrent).Key {
		t.Errorf("number %d is signed by %s", third.Serial, signedBy(parse(t, third.Certificate)))
	}
	w.auditReissue(third.Serial)
}

// TestNothingIsIssuedOnceMore: what would refuse a new activation refuses this too.
func TestNothingIsIssuedOnceMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*world)
		code    string
	}{
		"it was ended":                {func(w *world) { w.endRequest("r1") }, "ended"},
		"its time is over":            {func(w *world) { w.clock.add(time.Hour) }, "over"},
		"its requester is suspended":  {func(w *world) { must(w.t, failure(w.suspend(w.alice))) }, "evidence.requester-suspended"},
		"its approver is suspended":   {func(w *world) { must(w.t, failure(w.suspend(w.bob))) }, "evidence.approval-suspended"},
		"its approver lost the group": {func(w *world) { must(w.t, failure(w.change(w.standing(evidence.ChangeGroups, w.bob, nil), w.carol))) }, "evidence.policy"},
		"policy gives nothing so long": {func(w *world) {
			w.enforce("roles.yaml", strings.ReplaceAll(rolesText, "default: 1h, longest: 4h", "default: 10m, longest: 10m"))
		}, "evidence.policy"},
		"policy demands a device": {func(w *world) {
			must(w.t, failure(w.signer.changePolicy(context.Background(), wire.PolicyRequest{Evidence: w.proposed(w.demanding(), nil, w.carol)})))
		}, "evidence.device-policy"},
		"a conflicting role is held": {func(w *world) {
			// The signer is made to forget for a moment that the first is live.
			w.signer.book.view(func(s *state) { clear(s.past.grants) })
			w.mustSign(w.bundle("r2", newKey(w.t), func(r *evidence.Request) { r.Ask.Role = "db-write" }))
		}, "evidence.policy"},
		"a later revision is active": {func(w *world) {
			w.mustSign(w.bundle("r1", newKey(w.t), func(r *evidence.Request) { r.Revision = 2 }))
		}, "revision-replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			first := w.mustSign(w.bundle("r1", newKey(t)))
			w.withdraw()
			c.happens(w)
			size := w.entries()
			_, err := w.reissue(first.Serial)
			refused(t, err, c.code)
			if w.entries() != size {
				t.Error("it left an entry")
			}
		})
	}

	w := openWorld(t)
	device := w.enrolledDevice()
	w.clock.add(10 * time.Minute)
	first := w.mustSign(w.from(device, w.bundle("r1", newKey(t)), nil))
	targetOf, err := w.signer.signTarget(context.Background(), w.config.Proxies[0], wire.TargetRequest{Request: "r1", PublicKey: newKey(t)})
	must(t, err)
	w.withdraw()
	for _, serial := range []uint64{0, 1, parse(t, targetOf.Certificate).Serial, uint64(w.entries()) + 1, 1 << 63, 1<<64 - 1} {
		_, err := w.reissue(serial)
		refused(t, err, "not-issued")
	}
	w.clock.add(10 * time.Minute)
	must(t, failure(w.reissue(first.Serial))) // what the device said has aged, and was right
	w.withdraw()
	must(t, failure(w.block(device.ID)))
	_, err = w.reissue(first.Serial)
	refused(t, err, "evidence.device-blocked")
}

// TestAnEarlierEndIsNotIssuedOnceMore: where a later revision was activated for the same
// session key, the certificate before leads to nothing, rather than to one that the
// broker has to take for another's.
func TestAnEarlierEndIsNotIssuedOnceMore(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	key := newKey(t)
	first := w.mustSign(w.bundle("r1", key))
	w.clock.add(time.Minute)
	second := w.mustSign(w.bundle("r1", key, func(r *evidence.Request) { r.Revision = 2 }))
	w.withdraw()
	size := w.entries()
	_, err := w.reissue(first.Serial)
	refused(t, err, "revision-replaced")
	if w.entries() != size {
		t.Error("it left an entry")
	}
	third, err := w.reissue(second.Serial)
	must(t, err)
	if !third.Ends.Equal(second.Ends) {
		t.Errorf("it ends at %s", third.Ends)
	}
}

// TestWhoWasLinkedSinceIsOnePerson: where the approver turns out to be the requester's
// other identity, a live grant opens nothing more, and is not issued once more either.
func TestWhoWasLinkedSinceIsOnePerson(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(w *world, second *person){
		"and known": func(*world, *person) {},
		"by somebody without a passkey by now": func(w *world, second *person) {
			_, err := w.signer.removePasskey(context.Background(), wire.RemovePasskeyRequest{Credential: second.credential(), By: w.subject(w.carol)})
			must(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t)
			// Bob has a second account, alice-2, of which nobody knew.
			w.enforce("organization.yaml", fmt.Sprintf("kind: Organization\nreviewers: [auditors]\nquorum: 1\naliases:\n  - [{issuer: %q, subject: alice-2}, {issuer: %q, subject: bob}]\n",
				w.provider.server.URL, w.provider.server.URL))
			first := w.mustSign(w.bundle("r1", newKey(t)))
			w.withdraw()
			w.clock.add(time.Minute)
			second := w.secondAccount()
			after(w, second)
			_, err := w.sign(w.bundle("r2", newKey(t)))
			refused(t, err, "evidence.policy")
			_, err = w.signTarget("r1")
			refused(t, err, "evidence.policy")
			_, err = w.reissue(first.Serial)
			refused(t, err, "evidence.policy")
		})
	}
}

// failure is the error of a call whose answer does not matter.
func failure[T any](_ T, err error) error { return err }

// TestRevokingAndIssuingOnceMore: whichever is first, nothing is issued behind an
// ending.
func TestRevokingAndIssuingOnceMore(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	var serials []uint64
	const grants = 24
	for i := range grants {
		serials = append(serials, w.mustSign(w.bundle(fmt.Sprintf("r%d", i), newKey(t))).Serial)
	}
	w.withdraw()
	var group sync.WaitGroup
	for i, serial := range serials {
		for range 2 {
			group.Go(func() {
				if _, err := w.reissue(serial); err != nil {
					if no, ok := err.(*refusal); !ok || no.problem.Code != "ended" && no.problem.Code != "busy" {
						t.Error(err)
					}
				}
			})
		}
		group.Go(func() { w.endRequest(fmt.Sprintf("r%d", i)) })
	}
	group.Wait()
	ended, again := map[string]bool{}, map[string]int{}
	for index, e := range w.replay() {
		switch {
		case e.Ending != nil:
			ended[e.Ending.Request] = true
		case e.Session != nil && ended[e.Session.Request]:
			t.Errorf("entry %d issues a certificate under %s, which had ended", index, e.Session.Request)
		case e.Session != nil && e.Session.Reissues != 0:
			again[e.Session.Request]++
		}
	}
	for request, count := range again {
		if count > 1 {
			t.Errorf("%s has %d certificates for one key", request, count)
		}
	}
	if len(ended) != grants {
		t.Errorf("%d requests have ended", len(ended))
	}
}

// TestIssuingOnceMoreLeavesRoomToActivate: whoever has a certificate, and nothing else,
// can have it issued once more as often as they like. That must not keep its requester
// from activating.
func TestIssuingOnceMoreLeavesRoomToActivate(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	activation := w.bundle("r1", newKey(t))
	first := w.mustSign(activation)
	w.withdraw()
	for range 1000 {
		if _, err := w.reissue(first.Serial); err != nil {
			refused(t, err, "rate-limited")
			w.mustSign(activation)
			return
		}
	}
	t.Error("it has no bound")
}
