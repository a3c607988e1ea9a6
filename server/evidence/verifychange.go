package evidence

import (
	"maps"
	"slices"
	"time"

	"stint/policies"
)

const (
	// LongestChange is how long after its making administrators may still sign a
	// change of somebody's standing, or a policy.
	LongestChange = 7 * 24 * time.Hour
	// LongestInventory is how long the targets of an inventory may stay without
	// being stated anew.
	LongestInventory = 31 * 24 * time.Hour
)

// VerifiedChange is a change of somebody's standing that VerifyChange found proven.
// Only it makes one that holds anything; the methods of any other panic.
type VerifiedChange struct{ held *verifiedChange }

type verifiedChange struct {
	change   RosterChange
	evidence ChangeEvidence
	by       []policies.Subject
}

func (v VerifiedChange) must() *verifiedChange {
	if v.held == nil {
		panic("evidence: a VerifiedChange that VerifyChange did not return")
	}
	return v.held
}

// Change is the statement.
func (v VerifiedChange) Change() RosterChange { return v.must().change }

// By are the administrators who signed it.
func (v VerifiedChange) By() []policies.Subject { return slices.Clone(v.must().by) }

// Entry is what the ledger records of it.
func (v VerifiedChange) Entry() *ChangeEntry {
	return &ChangeEntry{Evidence: v.must().evidence, By: v.By()}
}

// VerifyChange checks that a change of somebody's standing fits the roster, that a
// quorum of administrators signed it, and that it leaves a quorum. A refusal is a
// *Failure.
func VerifyChange(e ChangeEvidence, trust Trust, now time.Time) (VerifiedChange, error) {
	none := VerifiedChange{}

	// 1. The statement, and its time.
	change, err := openChange(e.Statement, trust, now)
	if err != nil {
		return none, err
	}

	// 2. It says of the person what the roster has.
	if err := checkChange(change, trust, now); err != nil {
		return none, err
	}

	// 3. A quorum of administrators signed it, the person not among them.
	concerned := policies.Person{Subject: change.Person, Name: change.Name, Email: change.Email}
	by, err := verifyQuorum(e.Administrators, e.Statement, &concerned, trust, now)
	if err != nil {
		return none, within("authority", err)
	}

	// 4. It leaves a quorum.
	after := trust
	if after.Roster, err = trust.Roster.Change(*change, now); err != nil {
		return none, err
	}
	if err := checkLeft(trust, after, now); err != nil {
		return none, err
	}
	return VerifiedChange{&verifiedChange{change: *change, evidence: e, by: by}}, nil
}

func openChange(statement string, trust Trust, now time.Time) (*RosterChange, error) {
	if trust.Version != 1 {
		return nil, fail("version", "this version reads trust of version 1")
	}
	change, err := DecodeAs[*RosterChange](statement)
	if err != nil {
		return nil, fail("change", "%v", err)
	}
	if change.Instance != trust.Instance {
		return nil, fail("instance", "the change is for another installation")
	}
	return change, within("change", checkSpan(change.Issued, change.Expires, LongestChange, now))
}

// checkChange holds a change against the roster: those who sign it read there who
// the person is and what they have.
func checkChange(c *RosterChange, trust Trust, now time.Time) error {
	p, ok := trust.Roster.Find(c.Person)
	if !ok || p.Deleted != nil && c.Change != ChangeUnsuspend {
		return fail("change-roster", "%s is not in the roster", c.Person)
	}
	if c.Change != ChangeGroups {
		if c.Name != p.Person.Name || c.Email != p.Person.Email {
			return fail("change-name", "the change names the person otherwise than the roster does")
		}
		if !sameGroups(c.Groups, p.Person.Groups) {
			return fail("change-groups", "the change states other groups than the roster has")
		}
	}
	switch c.Change {
	case ChangeGroups:
		return checkSpeaking(c, p, trust, now)
	case ChangeRemovePasskey:
		if len(c.Passkeys) != 1 {
			return fail("change-passkeys", "one passkey is removed at a time")
		}
	default:
		if len(c.Passkeys) > 0 {
			return fail("change-passkeys", "this change is of no passkey")
		}
	}
	return nil
}

// checkSpeaking checks which passkeys are to speak for the person's new groups.
func checkSpeaking(c *RosterChange, p RosterPerson, trust Trust, now time.Time) error {
	policy, err := trust.policy(now)
	if err != nil {
		return err
	}
	for _, credential := range c.Passkeys {
		k := slices.IndexFunc(p.Passkeys, func(k Passkey) bool { return k.Credential == credential && k.Active(now) })
		if k < 0 {
			return fail("change-passkeys", "%s has no such passkey", p.Person.Name)
		}
		passkey := p.Passkeys[k]
		added := slices.DeleteFunc(slices.Clone(c.Groups), func(g string) bool { return slices.Contains(passkey.Groups, g) })
		if passkey.Attested == "" && policy.NeedsAttestation(added) {
			return fail("change-attestation", "the passkey %q was enrolled without attestation, which the policy demands for these groups; enrol another", passkey.Name)
		}
	}
	return nil
}

// VerifiedPolicy is a new policy that VerifyPolicy found proven. Only it makes one
// that holds anything; the methods of any other panic.
type VerifiedPolicy struct{ held *verifiedPolicy }

type verifiedPolicy struct {
	change   PolicyChange
	evidence PolicyEvidence
	bundle   *policies.Bundle
	by       []policies.Subject
}

func (v VerifiedPolicy) must() *verifiedPolicy {
	if v.held == nil {
		panic("evidence: a VerifiedPolicy that VerifyPolicy did not return")
	}
	return v.held
}

// Change is the statement.
func (v VerifiedPolicy) Change() PolicyChange { return v.must().change }

// Bundle is the new policy.
func (v VerifiedPolicy) Bundle() *policies.Bundle { return v.must().bundle }

// By are the administrators who signed it.
func (v VerifiedPolicy) By() []policies.Subject { return slices.Clone(v.must().by) }

// Entry is what the ledger records of it.
func (v VerifiedPolicy) Entry() *PolicyEntry {
	held := v.must()
	return &PolicyEntry{Digest: held.change.After, Evidence: &held.evidence}
}

// VerifyPolicy checks that a new policy is sound, follows the one in force, is
// described in the words that administrators saw, that a quorum of them signed it,
// and that it leaves a quorum. A refusal is a *Failure.
func VerifyPolicy(e PolicyEvidence, trust Trust, now time.Time) (VerifiedPolicy, error) {
	none := VerifiedPolicy{}

	// 1. The statement, and its time.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	change, err := DecodeAs[*PolicyChange](e.Statement)
	switch {
	case err != nil:
		return none, fail("policy-statement", "%v", err)
	case change.Instance != trust.Instance:
		return none, fail("instance", "the policy is for another installation")
	}
	if err := checkSpan(change.Issued, change.Expires, LongestChange, now); err != nil {
		return none, within("policy", err)
	}

	// 2. It follows the policy in force, and is another.
	before, err := trust.loaded()
	if err != nil {
		return none, err
	}
	switch {
	case change.Before != before.Digest():
		return none, fail("policy-before", "another policy came into force since this one was proposed; propose it anew")
	case change.After == change.Before:
		return none, fail("policy-after", "this policy is in force already")
	}

	// 3. A quorum signed it, as the policy in force states it.
	by, err := verifyQuorum(e.Administrators, e.Statement, nil, trust, now)
	if err != nil {
		return none, within("authority", err)
	}

	// 4. The files are exactly those that the statement names, and it says what they
	// change. Nothing of theirs is read before a quorum vouches for them.
	after, err := policies.Parse(e.Files)
	switch {
	case err != nil:
		return none, fail("policy-files", "the new policy cannot be loaded: %v", err)
	case !maps.Equal(after.Files(), e.Files):
		return none, fail("policy-files", "the new policy holds a file that is no policy")
	case after.Digest() != change.After:
		return none, fail("policy-after", "the files are not those of the statement")
	case !slices.Equal(policies.Difference(before, after), change.Changes):
		return none, fail("policy-changes", "the statement describes the change in other words than this version does")
	}

	// 5. It leaves a quorum, as the new one states it.
	then := trust.WithPolicy(after)
	then.Inventories = fitting(after, trust.Inventories)
	if err := checkLeft(trust, then, now); err != nil {
		return none, err
	}
	return VerifiedPolicy{&verifiedPolicy{change: *change, evidence: e, bundle: after, by: by}}, nil
}

// VerifiedInventory is a statement of targets that VerifyInventory found proven.
// Only it makes one that holds anything; the methods of any other panic.
type VerifiedInventory struct{ held *verifiedInventory }

type verifiedInventory struct {
	change   InventoryChange
	evidence InventoryEvidence
	targets  []policies.Target
}

func (v VerifiedInventory) must() *verifiedInventory {
	if v.held == nil {
		panic("evidence: a VerifiedInventory that VerifyInventory did not return")
	}
	return v.held
}

// Change is the statement.
func (v VerifiedInventory) Change() InventoryChange { return v.must().change }

// Targets are all that the inventory holds from then on.
func (v VerifiedInventory) Targets() []policies.Target { return slices.Clone(v.must().targets) }

// Entry is what the ledger records of it.
func (v VerifiedInventory) Entry() *InventoryEntry {
	return &InventoryEntry{Evidence: v.must().evidence}
}

// VerifyInventory checks that targets come from an inventory that the policy names,
// are newer than what it said last, and are such as it may bring. A refusal is a
// *Failure.
func VerifyInventory(e InventoryEvidence, trust Trust, now time.Time) (VerifiedInventory, error) {
	none := VerifiedInventory{}

	// 1. The statement, and its time.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	change, err := DecodeAs[*InventoryChange](e.Statement)
	switch {
	case err != nil:
		return none, fail("inventory", "%v", err)
	case change.Instance != trust.Instance:
		return none, fail("instance", "the inventory is for another installation")
	}
	if err := checkSpan(change.Issued, change.Expires, LongestInventory, now); err != nil {
		return none, within("inventory", err)
	}

	// 2. The policy names it, and its key signed.
	policy, err := trust.loaded()
	if err != nil {
		return none, err
	}
	source, ok := policy.Inventory(change.Inventory)
	if !ok {
		return none, fail("inventory-name", "the policy names no inventory %q", change.Inventory)
	}
	if !verifyAuthority(e.Statement, e.Signature, source.Key) {
		return none, fail("inventory-signature", "the key that the policy names for %s did not sign this", source.Name)
	}

	// 3. It is newer than all that the inventory said before.
	others := slices.Clone(trust.Inventories)
	if i := slices.IndexFunc(others, func(i Inventory) bool { return i.Name == change.Inventory }); i >= 0 {
		if change.Number <= others[i].Number {
			return none, fail("inventory-number", "%s has said number %d already; count on from there", source.Name, others[i].Number)
		}
		others = slices.Delete(others, i, i+1)
	}

	// 4. The targets are those of the statement, and such as it may bring.
	if Digest(e.Targets) != change.Targets {
		return none, fail("inventory-targets", "the targets are not those of the statement")
	}
	targets, err := policies.ParseTargets(e.Targets)
	if err != nil {
		return none, fail("inventory-targets", "the targets cannot be read: %v", err)
	}
	for _, t := range targets {
		if err := source.Admits(t); err != nil {
			return none, fail("inventory-label", "%v", err)
		}
	}

	// 5. None takes the name of another: not of the policy's, nor of another
	// inventory's.
	for _, t := range targets {
		if taken(policy, others, t.Name) {
			return none, fail("inventory-collision", "there is another target with the name %s", t.Name)
		}
	}
	return VerifiedInventory{&verifiedInventory{change: *change, evidence: e, targets: targets}}, nil
}
