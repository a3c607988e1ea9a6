package access

import (
	"slices"
	"testing"

	"stint/recorder/wire"
)

// The flow may not import the wire, so it has words and bounds again; this is
// what keeps the two the same.
func TestSessionReasonsAreTheWires(t *testing.T) {
	t.Parallel()
	if own, theirs := slices.Sorted(slices.Values(sessionReasons)), slices.Sorted(slices.Values(wire.Reasons())); !slices.Equal(own, theirs) {
		t.Errorf("the flow takes %q, proxies report %q", own, theirs)
	}
}

func TestBoundsAndCodesAreTheWires(t *testing.T) {
	t.Parallel()
	if mostSessions != wire.MaxSessions || maxRenewal != wire.MaxLeases || CodeNotLive != wire.CodeNotLive {
		t.Errorf("the flow has %d, %d, %q, proxies have %d, %d, %q", mostSessions, maxRenewal, CodeNotLive, wire.MaxSessions, wire.MaxLeases, wire.CodeNotLive)
	}
}
