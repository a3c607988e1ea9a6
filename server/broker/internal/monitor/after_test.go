package monitor

import (
	"testing"
	"time"

	"stint/server/access"
)

// TestManyCertificatesDoNotHoldTheMonitorUp: each round must begin behind the last
// one, however many certificates there are within the overlap.
func TestManyCertificatesDoNotHoldTheMonitorUp(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	many := make([]access.Certificate, mostCertificates)
	for i := range many {
		many[i].Issued = begin.Add(time.Duration(i) * time.Millisecond)
	}
	last := many[len(many)-1].Issued
	if next := after(many).Add(-overlap); !next.Equal(last) {
		t.Errorf("after a round that was cut off the next begins at %s, not at %s", next, last)
	}
	if next := after(many[:10]); !next.Equal(many[9].Issued) {
		t.Errorf("after a whole round the position is %s", next)
	}
}
