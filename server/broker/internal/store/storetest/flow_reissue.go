package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/evidence"
)

// newest is a request's certificate that was issued last.
func (h *House) newest(t testing.TB, request string) access.Certificate {
	t.Helper()
	return read(t, h.Store, func(r access.Reader) (access.Certificate, error) { return r.NewestCertificate(request) })
}

func reads(t testing.TB, c access.Certificate) evidence.UserCertificate {
	t.Helper()
	read, err := evidence.ReadUserCertificate(c.Certificate)
	return must(t, read, err)
}

// reissuing withdraws the key that has signed for live grants.
func reissuing(t *testing.T, h *House) {
	ctx, dana := t.Context(), h.World.Dana.Person
	live, first := h.Active(t)
	over, ended := h.Active(t)
	approved := h.Approved(t) // and never activated
	must(t, over, second(h.Drop(ctx, h.World.Alice, over.ID, "")))

	// 1. What is live, and nothing else, is issued once more.
	found, err := h.RotateKeys(ctx, dana, evidence.PurposeUserCA, "a laptop is gone")
	wantError(t, nil, err)
	if found.Done != 1 || len(found.Failed) > 0 || found.More {
		t.Fatalf("a rotation says %+v", found)
	}
	again := h.newest(t, live.ID)
	was, is := reads(t, first), reads(t, again)
	if again.Serial == first.Serial || is.Authority == was.Authority || is.SessionKey != was.SessionKey || is.Principal != was.Principal || !again.Ends.Equal(first.Ends) {
		t.Fatalf("it is %+v, and was %+v", is, was)
	}
	same(t, "the one that ended", ended.Serial, h.newest(t, over.ID).Serial)
	wantError(t, access.ErrNoRow, h.Store.Read(ctx, func(r access.Reader) error { return second(r.NewestCertificate(approved.ID)) }))
	if kinds := h.kinds(t, live.ID); kinds[len(kinds)-1] != access.EventCertificateReissued {
		t.Errorf("the audit log says %v", kinds)
	}

	// 2. It opens sessions with the same key, and the one before still explains its own.
	must(t, live, second(h.StartSession(ctx, Start(live, again, "session-of-the-second"))))

	// 3. Whoever shows either has the one that counts, and the signer is not asked for it:
	// nobody signed in, and whoever asked without end would use up what it does.
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away"})
	for _, shown := range []access.Certificate{first, again} {
		got, q, err := h.Reissue(ctx, shown.Certificate)
		wantError(t, nil, err)
		if got.Serial != again.Serial || q.ID != live.ID {
			t.Errorf("showing %d gives %d of %s", shown.Serial, got.Serial, q.ID)
		}
	}
	h.Signer.SetDown(nil)
	for name, refused := range map[string]struct{ shown, code string }{
		"no certificate":  {"ssh-ed25519 AAAA", access.CodeInvalid},
		"one never given": {h.forge(t, first), access.CodeCertificateUnknown},
		"one that ended":  {ended.Certificate, access.CodeNotLive},
		"one with a word": {first.Certificate + " word", access.CodeInvalid},
	} {
		if _, _, err := h.Reissue(ctx, refused.shown); !access.IsCode(err, refused.code) {
			t.Errorf("showing %s: %v", name, err)
		}
	}
	must(t, live, second(h.Revoke(ctx, h.World.Bob.Person, live.ID, "")))
	_, _, err = h.Reissue(ctx, again.Certificate)
	wantCode(t, access.CodeNotLive, err)
	if strings.Contains(messageOf(err), h.World.Bob.Person.Name) {
		t.Errorf("a stranger is told who revoked it: %v", err)
	}
	h.Signer.Withdraw(t)
	_, _, err = h.Reissue(ctx, again.Certificate)
	wantCode(t, access.CodeNotLive, err)
}

// forge is a certificate with the serial of one that was given, signed by the same key
// for another.
func (h *House) forge(t testing.TB, of access.Certificate) string {
	t.Helper()
	_, other := h.Active(t)
	h.Signer.mu.Lock()
	defer h.Signer.mu.Unlock()
	serial := h.Signer.serial
	h.Signer.serial = of.Serial - 1<<63 - 1
	c := reads(t, other)
	forged, err := h.Signer.certify(c.Request, c.Principal, c.SessionKey, c.Ends)
	wantError(t, nil, err)
	h.Signer.serial = serial
	return forged.Certificate
}

// messageOf is what is told of an error.
func messageOf(err error) string {
	var no *access.Error
	if errors.As(err, &no) {
		return no.Message
	}
	return ""
}

// reissuingLate has the broker find out by itself, after the signer was away, and what
// cannot be issued told apart.
func reissuingLate(t *testing.T, h *House) {
	ctx, dana := t.Context(), h.World.Dana.Person
	live, first := h.Active(t)
	lost, _ := h.Active(t)
	h.Signer.forget(t, h.newest(t, lost.ID).Serial)
	away := &access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away", Cause: errors.New("away")}

	// 1. The keys change, and the signer is gone before it can be asked for more.
	h.Signer.Withdraw(t)
	h.Signer.SetDown(away)
	stop := h.Running(t)
	h.Clock.Move(time.Second)
	same(t, "while the signer is away", first.Serial, h.newest(t, live.ID).Serial)
	h.Signer.SetDown(nil)
	h.hasten(t, func() bool { return h.newest(t, live.ID).Serial != first.Serial })
	stop()
	again := h.newest(t, live.ID)

	// 2. A broker that begins anew finds it done, and asks for no more.
	other := h.Another(t)
	found, err := other.RotateKeys(ctx, dana, evidence.PurposeHostCA, "nothing of these")
	wantError(t, nil, err)
	if found.Done != 0 || len(found.Failed) != 1 || found.Failed[0].Request != lost.ID || found.Failed[0].Why != "not issued" || found.More {
		t.Errorf("a rotation of other keys says %+v", found)
	}
	_, _, err = h.Reissue(ctx, h.newest(t, lost.ID).Certificate)
	wantCode(t, access.CodePolicyRefused, err)
	if messageOf(err) == found.Failed[0].Why {
		t.Errorf("a stranger is told what an administrator is: %v", err)
	}
	if kinds := h.kinds(t, live.ID); len(slices.DeleteFunc(kinds, func(k string) bool { return k != access.EventCertificateReissued })) != 1 {
		t.Errorf("the audit log says %v", kinds)
	}

	// 3. The grant ends while the signer signs: nobody gets it.
	h.Signer.Withdraw(t)
	h.Signer.Before = func() {
		h.Signer.Before = nil
		must(t, live, second(h.Drop(ctx, h.World.Alice, live.ID, "")))
	}
	_, _, err = h.Reissue(ctx, again.Certificate)
	wantCode(t, access.CodeCertificateHeld, err)
	same(t, "handed out", again.Serial, h.newest(t, live.ID).Serial)
	held := read(t, h.Store, func(r access.Reader) ([]access.Certificate, error) { return r.Certificates(live.ID) })
	if last := held[len(held)-1]; len(held) != 3 || !last.Withheld {
		t.Errorf("stored are %d certificates, the last %v", len(held), last.Withheld)
	}
}

// forget makes the signer know nothing of a certificate.
func (s *Signer) forget(t testing.TB, serial uint64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.signed, serial)
}
