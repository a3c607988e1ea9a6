package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// Check verifies the evidence inside an entry that changes beliefs against the
// beliefs in front of it, at the entry's own time: signatures, successions of keys,
// numbers, and that a quorum is left. It is what an auditor runs; Apply follows. A
// refusal is a *Failure. Other entries need no check here.
//
// It cannot check what nobody signs: the first policy, the provider's keys, who
// took something away, and for whom the ceremony was held.
func (b Beliefs) Check(e Entry) error {
	trust := b.Trust(e.Time)
	after := trust
	switch {
	case e.Enrolment != nil:
		return b.checkEnrolment(e, trust)
	case e.Removal != nil && b.bundle != nil:
		after.Roster, _ = trust.Roster.Remove(e.Removal.Credential, e.Time)
		return checkLeft(trust, after, e.Time)
	case e.Suspension != nil && b.bundle != nil:
		after.Roster, _ = trust.Roster.Suspend(e.Suspension.Person, e.Suspension.Name, e.Time)
		return checkLeft(trust, after, e.Time)
	case e.Change != nil:
		verified, err := VerifyChange(e.Change.Evidence, trust, e.Time)
		if err != nil {
			return err
		}
		return checkBy(e.Change.By, verified.By())
	case e.Policy != nil && e.Policy.Evidence != nil:
		verified, err := VerifyPolicy(*e.Policy.Evidence, trust, e.Time)
		if err != nil {
			return err
		}
		if e.Policy.Digest != verified.Bundle().Digest() {
			return fail("policy-digest", "the entry names another policy than its evidence")
		}
		return nil
	case e.Policy != nil:
		return b.checkFirstPolicy(e.Policy)
	case e.Inventory != nil:
		_, err := VerifyInventory(e.Inventory.Evidence, trust, e.Time)
		return err
	case e.Device != nil:
		return checkDevice(e.Device, trust, e.Time)
	case e.Delegation != nil:
		_, err := VerifyDelegation(e.Delegation.Evidence, trust, e.Time)
		return err
	case e.Keys != nil && len(e.Keys.Keys) > 0:
		return checkKeys(b.keys, e.Keys.Keys, b.instance, e.Time)
	}
	return nil
}

func (b Beliefs) checkEnrolment(e Entry, trust Trust) error {
	given := e.Enrolment
	verify := VerifyEnrolment
	if given.Evidence.Ceremony {
		if b.over {
			return fail("authority-ceremony", "the ceremony is over")
		}
		verify = VerifyCeremony
	}
	verified, err := verify(given.Evidence, trust, e.Time)
	if err != nil {
		return err
	}
	if given.Authority != verified.Authority() || given.Attested != verified.Attested() {
		return fail("entry-authority", "the entry states another authority or authenticator than its evidence")
	}
	if given.Last && !given.Evidence.Ceremony {
		return fail("entry-authority", "the entry ends the ceremony, and is not of it")
	}
	return checkBy(given.By, verified.By())
}

// checkDevice cannot see that the TPM answered: whoever makes a challenge knows its
// answer.
func checkDevice(e *DeviceEntry, trust Trust, at time.Time) error {
	verified, err := VerifyDevice(e.Evidence, trust, at)
	switch {
	case err != nil:
		return err
	case e.MakerRoot != verified.MakerRoot():
		return fail("entry-maker", "the entry names another maker of the device's TPM than its evidence")
	case e.Answered != (e.Evidence.TPM != nil):
		return fail("entry-answered", "a device's TPM has answered no challenge, or there is an answer and no TPM")
	}
	return nil
}

func (b Beliefs) checkFirstPolicy(e *PolicyEntry) error {
	bundle, err := policies.Parse(e.Files)
	switch {
	case b.policy.Digest != "":
		return fail("policy-first", "there is a policy already, and nobody signed this one")
	case err != nil:
		return fail("policy-files", "the first policy cannot be loaded: %v", err)
	case bundle.Digest() != e.Digest:
		return fail("policy-digest", "the entry names another policy than its files")
	}
	return nil
}

func checkBy(stated, proven []policies.Subject) error {
	if !slices.Equal(stated, proven) {
		return fail("entry-by", "the entry names other people than its evidence")
	}
	return nil
}
