package recorder_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

// outer opens the outer connection of -J by a grant.
func (r *rig) outer(t *testing.T, g recordertest.Grant) *ssh.Client {
	t.Helper()
	client, err := r.client(t, "anybody", r.Signer.Identity(t, g))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// another is one more grant for web@db1, which is live.
func (r *rig) another(request string) recordertest.Grant {
	g := hour(grant)
	g.Request = request
	r.Signer.Allow(g)
	return g
}

// ended is closed when a connection is.
func ended(client *ssh.Client) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		_ = client.Wait()
		close(gone)
	}()
	return gone
}

func mustBeGone(t *testing.T, what string, gone <-chan struct{}) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatalf("%s is still there after %v", what, patience)
	}
}

// A session that is refused while its client opens no channel, as with ssh -N,
// goes alone: others may share its outer connection.
func TestRefusedSessionLeavesItsSiblings(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	refused := r.another("r-2")
	outer := r.outer(t, hour(grant))
	sibling := r.mustInside(t, outer, r.Signer.Identity(t, hour(grant)))
	h := hold(t, sibling)
	r.Broker.RevokeQuietly("r-2", "Bob")
	mustBeGone(t, "the refused session", ended(r.mustInside(t, outer, r.Signer.Identity(t, refused))))
	select {
	case err := <-h.ended:
		t.Fatalf("its sibling ended with it: %v %s", err, h.output.String())
	case <-time.After(5 * time.Second): // as long as it would have had to agree
	}
	if got := execute(t, sibling, "echo lives", ""); got.stdout != "lives\n" {
		t.Errorf("its sibling says %+v", got)
	}
}

// Where a session's client does not agree to its end, the outer connection is cut
// as a last resort. What else was inside has then not completed.
func TestSiblingThatIsCutHasFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := r.another("r-2")
	deafen, outer := r.deafClient(t, "anybody")
	hold(t, r.mustInside(t, outer, r.Signer.Identity(t, hour(grant))))
	hold(t, r.mustInside(t, outer, r.Signer.Identity(t, other)))
	deafen()
	r.Broker.Revoke("r-2", "Bob")
	if session := r.Broker.AwaitDelivered(t, "r-2"); session.End.Reason != "revoked" {
		t.Errorf("it ended %+v", session.End)
	}
	session := r.Broker.AwaitDelivered(t, "r-1")
	if tr := read(t, session.Recording); session.End.Reason != "failed" || !tr.holds("another session in it would not end") {
		t.Errorf("its sibling ended %+v: %q", session.End, tr.events)
	}
}

// The outer connection of -J asks no broker. Its certificate ends it.
func TestOuterConnectionEndsWithItsCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	soonest(t, "from the certificate's end to the connection's", 3*time.Second, func() time.Duration {
		short, life := grant, 3*time.Second
		short.Ends = time.Now().Add(life)
		outer, err := r.client(t, "anybody", r.Signer.Identity(t, short))
		for ; err != nil && life < patience; outer, err = r.client(t, "anybody", r.Signer.Identity(t, short)) { // this machine stood still
			life *= 3
			short.Ends = time.Now().Add(life)
		}
		if err != nil {
			t.Fatal(err)
		}
		mustBeGone(t, "the outer connection", ended(outer))
		late := time.Since(short.Ends)
		if late < -time.Second {
			t.Error("it ended before its certificate")
		}
		return late
	})
}

// So does what is heard of its grant, and no new one is let in.
func TestOuterConnectionEndsWithItsGrant(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(*testing.T, *rig){
		"heard": func(_ *testing.T, r *rig) {
			r.Broker.Revoke("r-1", "Bob")
		},
		"in a verdict": func(t *testing.T, r *rig) {
			client := r.connect(t)
			hold(t, client)
			r.Broker.RevokeQuietly("r-1", "Bob")
			mustBeGone(t, "the session", ended(client))
		},
		"when a session asks": func(t *testing.T, r *rig) {
			r.Broker.RevokeQuietly("r-1", "Bob")
			if got := execute(t, r.connect(t), "echo never", ""); got.stdout != "" {
				t.Errorf("a session after the end: %+v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			gone := ended(r.outer(t, hour(grant)))
			other := r.outer(t, r.another("r-2"))
			revoke(t, r)
			mustBeGone(t, "the outer connection", gone)
			if _, err := r.client(t, "anybody", r.Signer.Identity(t, hour(grant))); err == nil || !strings.Contains(err.Error(), "revoked by Bob") {
				t.Errorf("a new outer connection: %v", err)
			}
			if got := execute(t, r.mustInside(t, other, r.Signer.Identity(t, r.another("r-2"))), "echo in", ""); got.stdout != "in\n" {
				t.Errorf("another grant's: %+v", got)
			}
		})
	}
}

// Sessions inside go by grants of their own and keep the outer connection until
// they end; nothing more comes in.
func TestOuterConnectionStaysForWhatIsInside(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	other := r.another("r-2")
	outer := r.outer(t, hour(grant))
	gone := ended(outer)
	inner := r.mustInside(t, outer, r.Signer.Identity(t, other))
	h := hold(t, inner)
	r.Broker.Revoke("r-1", "Bob")
	raw, err := outer.Dial("tcp", "db1:22")
	for deadline := time.Now().Add(patience); err == nil && time.Now().Before(deadline); raw, err = outer.Dial("tcp", "db1:22") {
		raw.Close() // the proxy has not heard yet
		time.Sleep(50 * time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "stint: access revoked by Bob at ") || !strings.Contains(err.Error(), " UTC. Ask again: stint request") {
		t.Errorf("one more: %v", err)
	}
	select {
	case err := <-h.ended:
		t.Fatalf("the session inside ended: %v", err)
	case <-gone:
		t.Fatal("the outer connection ended")
	default:
	}
	inner.Close()
	mustBeGone(t, "the outer connection", gone)
}

// What one grant may have at once is bounded, and others do not suffer.
func TestOneGrantCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const most, each = 256, 63
	var outers []*ssh.Client
	for range most / (each + 1) { // each with handshakes that do not begin
		client := r.outer(t, hour(grant))
		outers = append(outers, client)
		for i := range each {
			if _, err := client.Dial("tcp", "db1:22"); err != nil {
				t.Fatalf("handshake %d: %v", i, err)
			}
		}
	}
	const want = "has 256 connections here already"
	if _, err := outers[0].Dial("tcp", "db1:22"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("one more inside: %v", err)
	}
	for _, user := range []string{"anybody", "web@db1"} {
		if _, err := r.client(t, user, r.Signer.Identity(t, hour(grant))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("one more as %s: %v", user, err)
		}
	}
	other := r.another("r-2")
	if got := execute(t, r.mustInside(t, r.outer(t, other), r.Signer.Identity(t, other)), "echo in", ""); got.stdout != "in\n" {
		t.Errorf("another grant's: %+v", got)
	}
	outers[0].Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		client, err := r.client(t, "web@db1", r.Signer.Identity(t, hour(grant)))
		if err == nil {
			if got := execute(t, client, "echo again", ""); got.stdout != "again\n" {
				t.Errorf("after some left: %+v", got)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after some left: %v", err)
		}
	}
}
