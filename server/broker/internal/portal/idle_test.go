package portal

import (
	"testing"
	"time"

	"stint/policies"
)

func TestIdleness(t *testing.T) {
	t.Parallel()
	i := newIdleness()
	now := time.Unix(1e9, 0)
	ends := now.Add(SessionLife)
	token, other := [32]byte{1}, [32]byte{2}
	for _, c := range []struct {
		after time.Duration
		token [32]byte
		want  bool
	}{
		{0, token, true}, {IdleLife, token, true}, {2 * IdleLife, token, true}, {2*IdleLife + time.Second, other, true},
		{4*IdleLife + time.Second, token, false}, {4*IdleLife + 2*time.Second, token, false},
	} {
		if got := i.touch(c.token, ends, now.Add(c.after)); got != c.want {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
	i.touch([32]byte{3}, ends.Add(time.Hour), ends.Add(time.Minute))
	if len(i.seen) != 1 {
		t.Errorf("%d sessions are remembered", len(i.seen))
	}
}

func TestReplays(t *testing.T) {
	t.Parallel()
	r := newReplays()
	now := time.Unix(1e9, 0)
	alice := policies.Subject{Issuer: "i", Subject: "alice"}
	if r.recent(alice, "s", now) {
		t.Error("nothing was opened yet")
	}
	r.note(alice, "s", now)
	if !r.recent(alice, "s", now.Add(sameReplay-1)) || r.recent(alice, "s", now.Add(sameReplay)) || r.recent(alice, "t", now) {
		t.Error("what was opened is remembered wrongly")
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=1.0, br": true, "gzip;q=0": false, "gzip; q=0": false, "GZIP": true, "br": false, "xgzip": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
