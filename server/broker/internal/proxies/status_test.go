package proxies

import (
	"testing"
	"time"

	"stint/recorder/wire"
)

func TestOnlyProxiesThatServeArePicked(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := NewStatuses(func() time.Time { return now })
	serves := func(when string, want bool) {
		t.Helper()
		if s.Of("proxy-1").Serves() != want {
			t.Errorf("%s: it serves: %v", when, !want)
		}
	}
	serves("before it can have said anything", true)
	s.hear("proxy-1", wire.ProxyStatus{Process: "first", State: wire.ProxyServes})
	serves("it said so", true)
	s.hear("proxy-1", wire.ProxyStatus{Process: "first", State: wire.ProxyDrains})
	serves("draining", false)
	s.hear("proxy-1", wire.ProxyStatus{Process: "second", State: wire.ProxyServes})
	serves("another process took over", true)
	now = now.Add(wire.StatusLost + time.Second)
	serves("silent for too long", false)
	s.hear("proxy-1", wire.ProxyStatus{Process: "second", State: wire.ProxyStopped})
	serves("stopped", false)
	if !s.Of("proxy-2").Serves() {
		t.Error("one that never said anything here is left out")
	}
}
