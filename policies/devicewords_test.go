package policies

import (
	"slices"
	"testing"
	"time"
)

func TestDeviceRuleAsks(t *testing.T) {
	t.Parallel()
	const enrolled = "It is used from an enrolled device only."
	const said = "What it says of its state is less than 5m old; `stint ssh` and `stint device watch` see to that."
	tests := map[string]struct {
		rule DeviceRule
		want []string
	}{
		"any machine": {},
		"a device":    {DeviceRule{Required: true}, []string{enrolled}},
		"its word":    {DeviceRule{Required: true, Posture: &PostureRule{Period: 5 * time.Minute}}, []string{enrolled, said}},
		"one fact of each kind": {
			DeviceRule{Required: true, Posture: &PostureRule{
				Period: 5 * time.Minute, Require: []string{FactDiskEncryption}, SystemAgeDays: new(1), Protection: []string{"Falcon"},
			}},
			[]string{enrolled, "Its disk encryption is on.", "Its system was updated at most 1 day ago.", "Falcon runs on it.", said},
		},
		"a TPM, and Fleet's word": {
			DeviceRule{Required: true, Held: HeldTPM, Fleet: &FleetRule{Period: 2 * time.Hour, Require: []string{FactDiskEncryption}, Policies: CriticalPolicies, Named: []string{"Updated", "Locked"}}},
			[]string{
				enrolled, "Its key is in a TPM of a maker that the policy lists.", "Fleet says that its disk encryption is on.", "It passes Fleet's critical policies.",
				"It passes, of Fleet's policies, “Updated” and “Locked”.", "What it told Fleet of its state is less than 2h old.",
			},
		},
		"many": {
			DeviceRule{Required: true, Posture: &PostureRule{
				Period: 5 * time.Minute, Require: []string{FactDiskEncryption, FactFirewall, FactScreenLock}, SystemAgeDays: new(30), Protection: []string{"Falcon", "Wazuh"},
			}},
			[]string{
				enrolled, "Its disk encryption, firewall and screen lock are on.", "Its system was updated at most 30 days ago.", "Falcon or Wazuh runs on it.", said,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.rule.Asks(); !slices.Equal(got, test.want) {
				t.Errorf("it asks %q, not %q", got, test.want)
			}
		})
	}
}
