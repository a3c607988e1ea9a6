package evidence

import (
	"slices"
	"time"

	"stint/policies"
)

// LongestInventory is how long the targets of an inventory may stay without being
// stated anew.
const LongestInventory = 31 * 24 * time.Hour

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

// fitting are inventories as far as a new policy lets them be. One that it names no
// longer, or with another key, holds nothing; a target that it does not admit, or
// whose name it takes, is gone. What an inventory said last keeps its number, so
// that none of it can be said again.
func fitting(policy *policies.Bundle, inventories []Inventory) []Inventory {
	fit := slices.Clone(inventories)
	for i := range fit {
		source, named := policy.Inventory(fit[i].Name)
		fit[i].Targets = slices.DeleteFunc(slices.Clone(fit[i].Targets), func(t policies.Target) bool {
			_, taken := policy.Target(t.Name)
			return !named || source.Key != fit[i].Key || source.Admits(t) != nil || taken
		})
	}
	return fit
}

// standing are inventories at a moment: one that has expired holds nothing.
func standing(inventories []Inventory, now time.Time) []Inventory {
	left := slices.Clone(inventories)
	for i := range left {
		if !now.Before(left[i].Expires) {
			left[i].Targets = nil
		}
	}
	return left
}

// taken tells whether a target has that name in the policy or in one of the
// inventories.
func taken(policy *policies.Bundle, inventories []Inventory, name string) bool {
	_, there := policy.Target(name)
	return there || slices.ContainsFunc(inventories, func(i Inventory) bool {
		return slices.ContainsFunc(i.Targets, func(t policies.Target) bool { return t.Name == name })
	})
}
