package signer

import (
	"context"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// presentAt asks, as proxy-1, when whose session it is was last there.
func (w *world) presentAt(session, opened string) time.Time {
	w.t.Helper()
	got, err := w.signer.present(wire.PresentRequest{Session: session, Opened: opened})
	must(w.t, err)
	return got.At
}

func TestWhoseSessionItIsIsThere(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.enrolBy(w.carol, w.alice, "leads")
	bundle := w.bundle("r1", newKey(t))
	w.mustSign(bundle)
	says := func() evidence.SignedByPasskey {
		p, err := evidence.PresenceOf(bundle.Request, liveID, w.clock.Now(), nonce())
		must(t, err)
		text := w.encode(p)
		return evidence.SignedByPasskey{Statement: text, Assertion: w.alice.sign(t, text)}
	}
	if at := w.presentAt(liveID, "r1"); !at.IsZero() {
		t.Errorf("they were there at %s, and never said so", at)
	}

	w.clock.add(10 * time.Minute)
	first := says()
	at := w.clock.Now()
	_, err := w.signer.presence(context.Background(), wire.PresenceRequest{Evidence: first})
	must(t, err)
	if got := w.presentAt(liveID, "r1"); !got.Equal(at) {
		t.Errorf("they were there at %s, want %s", got, at)
	}

	// Said once more it is the same entry; what was signed too long ago counts for nothing.
	before := w.entries()
	_, err = w.signer.presence(context.Background(), wire.PresenceRequest{Evidence: first})
	must(t, err)
	kept := says()
	w.clock.add(evidence.PresenceLife + time.Second)
	_, err = w.signer.presence(context.Background(), wire.PresenceRequest{Evidence: kept})
	refused(t, err, "evidence.presence-issued")
	if w.entries() != before {
		t.Errorf("%d more entries", w.entries()-before)
	}

	// It is of this session and this request alone, and is known after a restart.
	w.shut()
	w.open()
	for _, c := range []struct {
		session, opened string
		want            time.Time
	}{
		{liveID, "r1", at}, {"fedcba9876543210fedcba9876543210", "r1", time.Time{}}, {liveID, "r2", time.Time{}},
	} {
		if got := w.presentAt(c.session, c.opened); !got.Equal(c.want) {
			t.Errorf("%s under %s: %s, want %s", c.session, c.opened, got, c.want)
		}
	}

	// Nobody is there for what nobody opened.
	statement, err := evidence.DecodeAs[*evidence.Presence](says().Statement)
	must(t, err)
	statement.Request = "r3"
	_, err = w.signer.presence(context.Background(), wire.PresenceRequest{Evidence: evidence.SignedByPasskey{Statement: w.encode(statement)}})
	refused(t, err, "not-activated")
	_, err = w.signer.presence(context.Background(), wire.PresenceRequest{Evidence: evidence.SignedByPasskey{Statement: "stint"}})
	refused(t, err, "evidence.presence")
	_, err = w.signer.present(wire.PresentRequest{Session: "short", Opened: "r1"})
	refused(t, err, "session-id")
}
