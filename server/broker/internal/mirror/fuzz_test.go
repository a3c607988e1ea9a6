package mirror

import (
	"encoding/json"
	"testing"

	"stint/server/evidence"
)

// FuzzLeaf: what the mirror notes of a leaf is what everybody who reads it as an entry
// finds in it.
func FuzzLeaf(f *testing.F) {
	f.Fuzz(func(t *testing.T, leaf string) {
		request, keys := requestOf(leaf), statesKeys(leaf)
		var entry evidence.Entry
		if json.Unmarshal([]byte(leaf), &entry) != nil {
			return // nobody's; the monitor raises an alarm
		}
		want := ""
		switch {
		case entry.Session != nil:
			want = entry.Session.Request
		case entry.Target != nil:
			want = entry.Target.Request
		case entry.Ending != nil:
			want = entry.Ending.Request
		}
		if request != want || keys != (entry.Keys != nil && len(entry.Keys.Keys) > 0) {
			t.Errorf("%q is noted as of %q, keys %v; it is %+v", leaf, request, keys, entry)
		}
	})
}
