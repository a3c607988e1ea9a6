//go:build e2e

package recorder_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"stint/recorder/recordertest"
	signer "stint/server/signer/wire"
)

// opened is a terminal under a grant of its own that ends soon.
type opened struct {
	*terminal
	request string
	ends    time.Time
}

// openFor opens a terminal by a grant that ends in a while, and puts the one that is to
// extend it into the ledger.
func (r *real) openFor(t *testing.T, while time.Duration, request, way string, next recordertest.Grant, arguments ...string) opened {
	t.Helper()
	ends := time.Now().Add(while).Truncate(time.Second)
	g := r.grant
	g.Request, g.Ends = request, ends
	r.Signer.Allow(g)
	r.writeConfig(t, r.Signer.IdentityFile(t, g))
	next.Request = request + "-next"
	r.Signer.Allow(next)
	term := r.terminal(t, way, arguments...)
	term.settle(t)
	return opened{term, request, ends}
}

// Sessions go on over the end of the grant that opened them, when another extends it; and
// end with it where that is refused.
func TestOpenSSHExtended(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	directory, err := os.MkdirTemp("", "stint-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(directory) })
	shared := []string{"-o", "ControlPath=" + directory + "/s"}
	next, other, held := hour(r.grant), hour(r.grant), hour(r.grant)
	other.Login, held.Rules = "nobody", signer.SessionRules{Channels: []string{"shell"}}

	const while = 25 * time.Second
	going := []opened{
		r.openFor(t, while, "r-jump", "db1", next),
		r.openFor(t, while, "r-hop", "one-hop", next, append(shared, "-o", "ControlMaster=yes")...),
	}
	over := []opened{
		r.openFor(t, while, "r-other", "one-hop", other),
		r.openFor(t, while, "r-rules", "one-hop", held),
	}
	for _, o := range append(going, over...) {
		r.Broker.Extend(o.request, o.request+"-next")
	}
	for _, o := range going {
		o.expect(t, "stint: this session goes on until ")
		o.expect(t, "extended by "+o.request+"-next")
	}
	over[0].expect(t, "stint: this session is not extended by r-other-next: The extension is for another login or target.")
	over[1].expect(t, "stint: this session is not extended by r-rules-next: the role says other things")

	// 1. What was not extended ends when it would have.
	for _, o := range over {
		if err := o.wait(t); status(err) != 255 || !strings.Contains(o.all(), "stint: this grant ended at ") {
			t.Errorf("%s ended with %v; the terminal shows %q", o.request, err, o.all())
		}
		if session := r.Broker.AwaitDelivered(t, o.request); session.End.Reason != "expired" || session.End.Ended.Before(o.ends.Add(-time.Second)) {
			t.Errorf("%s ended %+v, and its grant at %s", o.request, session.End, o.ends)
		}
	}
	// 2. What was extended goes on, whatever the broker tells of the old grant's time; new
	// channels of its connection open too.
	for _, o := range going {
		r.Broker.Expire(o.request)
		o.typed(t, "echo af''ter\r")
		o.expect(t, "after\r\n")
	}
	if got := r.run(t, nil, "ssh", append(shared, "one-hop", "echo shared")...); got.stdout != "shared\n" {
		t.Errorf("another channel of the connection: %+v", got)
	}
	// 3. It ends when either grant is taken away.
	r.Broker.Revoke("r-jump-next", "Bob")
	r.Broker.Revoke("r-hop", "Bob")
	for _, o := range going {
		if err := o.wait(t); status(err) != 255 || !strings.Contains(o.all(), "stint: access revoked by Bob at ") {
			t.Errorf("%s ended with %v; the terminal shows %q", o.request, err, o.all())
		}
		session := r.Broker.AwaitDelivered(t, o.request)
		if session.End.Reason != "revoked" || !read(t, session.Recording).holds("extended by "+o.request+"-next") {
			t.Errorf("%s ended %+v", o.request, session.End)
		}
	}
}

// A session is told of its end a minute before it, and how to go on.
func TestOpenSSHCountdown(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for range 5 {
		o := r.openFor(t, 68*time.Second, "r-soon", "one-hop", hour(r.grant))
		if time.Until(o.ends) < time.Minute {
			continue // this machine stood still meanwhile
		}
		o.expect(t, "stint: this session ends at "+o.ends.UTC().Format("15:04:05")+" UTC, in 1 minute. To go on, in another terminal: stint extend r-soon")
		if left := time.Until(o.ends); left > time.Minute {
			t.Errorf("it was told %v before", left)
		}
		return
	}
	t.Error("no session was opened in good time")
}
