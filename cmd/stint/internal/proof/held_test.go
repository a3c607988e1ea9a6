package proof

import (
	"strings"
	"testing"

	"stint/server/evidence"
)

func TestHeldInWords(t *testing.T) {
	t.Parallel()
	inTPM := evidence.DeviceEvidence{TPM: &evidence.TPMProof{}}
	for want, entry := range map[string]evidence.DeviceEntry{
		"a file":                 {},
		"no maker in the policy": {Evidence: inTPM, Answered: true},
		"the root sha256:aa of":  {Evidence: inTPM, Answered: true, MakerRoot: "sha256:aa"},
	} {
		if got := heldInWords(&entry); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
