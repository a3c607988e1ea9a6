package account

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"stint/server/evidence"
)

// FuzzPin: whatever a broker says of the signer, a line that goes into known_hosts
// holds one key and nothing else; and once there are pins, they move to no other log
// and to no authority that a pinned one has not named.
func FuzzPin(f *testing.F) {
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var trust, next evidence.Trust
		if json.Unmarshal(first, &trust) != nil {
			return
		}
		var a Account
		if err := a.pin(trust); err != nil {
			return
		}
		if a.Log == "" && trust.Log != "" || a.Log != trust.Log {
			t.Fatalf("pinned is %q", a.Log)
		}
		lines := strings.Split(strings.TrimSuffix(a.KnownHostsLines(), "\n"), "\n")
		if len(lines) != len(a.HostCA) {
			t.Fatalf("%d authorities make %q", len(a.HostCA), lines)
		}
		for _, line := range lines {
			key, found := strings.CutPrefix(line, "@cert-authority * ")
			if _, err := evidence.ParseAuthorityKey(key); !found || err != nil {
				t.Fatalf("%q would go into known_hosts", line)
			}
		}
		if json.Unmarshal(second, &next) != nil {
			return
		}
		before := slices.Clone(a.HostCA)
		err := a.pin(next)
		if err != nil && (!errors.Is(err, ErrOther) || !slices.Equal(before, a.HostCA)) {
			t.Fatalf("refused with %v, and %q became %q", err, before, a.HostCA)
		}
		unnamed := slices.ContainsFunc(a.HostCA, func(key string) bool {
			return !slices.Contains(before, key) && !slices.ContainsFunc(next.Keys, func(k evidence.SigningKey) bool {
				return k.Key == key && k.Succession != nil && evidence.VerifySuccession(*k.Succession)
			})
		})
		if a.Log != trust.Log || unnamed {
			t.Fatalf("%q moved to %q", before, a.HostCA)
		}
	})
}
