package proxies

import (
	"testing"
	"time"

	"stint/server/access"
)

// One proxy that does not read neither blocks the others nor is told less: it
// loses its stream.
func TestNotifyNeverBlocks(t *testing.T) {
	t.Parallel()
	endings := NewEndings()
	slow, stopSlow := endings.listen()
	fast, stopFast := endings.listen()
	defer stopSlow()
	defer stopFast()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range backlog + 10 {
			endings.Notify(access.Notice{Request: "req-1", Reason: "revoked"})
			<-fast.news
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a slow proxy blocks")
	}
	select {
	case <-slow.lost:
	default:
		t.Error("a proxy that fell behind keeps its stream")
	}
	select {
	case <-fast.lost:
		t.Error("a proxy that reads lost its stream")
	default:
	}
	stopFast()
	if len(endings.listeners) != 0 {
		t.Errorf("%d listeners are left", len(endings.listeners))
	}
}
