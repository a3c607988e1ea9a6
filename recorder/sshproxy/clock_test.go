package sshproxy

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stint/recorder/wire"
)

// Where the machine's clock is set, forwards or back, live sessions end when they would have:
// their lease and their grant run on the monotonic clock from when they began.
func TestClockStepsNeitherReviveNorEnd(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"none": 0, "forwards": 10 * time.Hour, "back": -10 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var wrong atomic.Int64 // by how much the clock is, in nanoseconds
				p := &Proxy{now: func() time.Time { return time.Now().Round(0).Add(time.Duration(wrong.Load())) }, live: newLive(nil, slog.New(slog.DiscardHandler))}
				ends := p.now().Add(time.Hour)
				begin := func() *session {
					s := &session{proxy: p, id: newSessionID(), pass: pass{Request: "req-1", Ends: ends}, over: make(chan struct{}), cut: make(chan struct{})}
					_, s.cancel = context.WithCancel(t.Context())
					s.arm(time.Now(), wire.Session{Lease: wire.Lease, GrantEnds: ends})
					return s
				}
				renewed, left := begin(), begin()
				wrong.Store(int64(step))
				reason := func(s *session) string {
					synctest.Wait()
					select {
					case <-s.over:
						return s.ending.reason
					default:
						return ""
					}
				}
				renew := func() {
					renewed.judge(time.Now(), wire.Verdict{Session: renewed.id, Lease: wire.Lease, GrantEnds: ends})
				}
				renew()
				if reason(renewed) != "" || reason(left) != "" {
					t.Fatalf("the step ended them: %q, %q", reason(renewed), reason(left))
				}
				began := time.Now()
				for time.Since(began) < time.Hour-wire.LeaseRenewal {
					time.Sleep(wire.LeaseRenewal)
					renew()
					if after := time.Since(began); (reason(left) == wire.ReasonLeaseLost) != (after >= wire.Lease) || reason(renewed) != "" {
						t.Fatalf("after %v the one that is renewed no more ended by %q, and the other by %q", after, reason(left), reason(renewed))
					}
				}
				time.Sleep(wire.LeaseRenewal)
				if reason(renewed) != wire.ReasonExpired {
					t.Errorf("at the end of its grant it ended by %q", reason(renewed))
				}
			})
		})
	}
}
