//go:build e2e

package recorder_test

import (
	"strings"
	"testing"
	"time"

	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// A session whose person does not say again that they are there ends; that the broker
// alone says so moves nothing.
func TestOpenSSHReauthenticates(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	const every = 8 * time.Second // longer than the proxy is without news of the broker
	terms := map[string]*terminal{}
	for request, told := range map[string]bool{"r-nobody": false, "r-broker-alone": true} {
		r.as(t, request, signer.SessionRules{ReauthenticateSeconds: int64(every / time.Second)})
		terms[request] = r.terminal(t, "one-hop")
		if told {
			r.Broker.TellPresent(request, time.Now().Add(time.Hour))
		}
	}
	for request, term := range terms {
		err := term.wait(t)
		if status(err) != 255 || !strings.Contains(term.all(), ": nobody confirmed for 8s that they are there") {
			t.Errorf("%s: it ended with %v; the terminal shows %q", request, err, term.all())
		}
		if session := r.Broker.AwaitDelivered(t, request); session.End.Reason != wire.ReasonReauthentication {
			t.Errorf("%s: it ended %+v", request, session.End)
		}
	}
}

// Whoever says that they are there goes on, in the same connection.
func TestOpenSSHGoesOnReauthenticated(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for _, way := range ways {
		request := "r-there-" + way
		r.as(t, request, signer.SessionRules{ReauthenticateSeconds: 3600})
		term := r.terminal(t, way)
		term.settle(t)
		at := time.Now().UTC().Truncate(time.Second)
		r.Signer.IsPresent(request, at)
		r.Broker.TellPresent(request, at)
		const clock = "15:04:05 UTC"
		term.expect(t, "stint: you confirmed that you are there; you are asked again before ")
		term.typed(t, "echo goes-$((1+1))-on; exit\r")
		term.expect(t, "goes-2-on\r\n")
		if err := term.wait(t); err != nil {
			t.Errorf("%s: it ended with %v", way, err)
		}
		if tr := read(t, r.Broker.AwaitDelivered(t, request).Recording); !tr.holds("the person confirmed at " + at.Format(clock)) {
			t.Errorf("%s: the recording holds %q", way, tr.events)
		}
	}
}
