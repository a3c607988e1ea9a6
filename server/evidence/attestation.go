package evidence

import (
	"time"
)

// checkAttested checks the attestation of a new passkey, where there is one, and
// returns the make of its authenticator. Where the policy demands one for the groups
// that the enrolment states, there must be one.
func checkAttested(a *Attestation, e *Enrolment, trust Trust, now time.Time) (string, error) {
	policy, err := trust.policy(now)
	if err != nil {
		return "", err
	}
	if a == nil {
		if policy.NeedsAttestation(e.Groups) {
			return "", fail("attestation-missing", "the policy wants to know on which authenticator this passkey lives; register it with attestation")
		}
		return "", nil
	}
	return "", fail("attestation", "the attestation cannot be checked")
}
