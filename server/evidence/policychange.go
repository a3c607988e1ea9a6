package evidence

import (
	"maps"
	"slices"
	"time"

	"stint/policies"
)

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

	// 2. It took no effect yet, follows the policy in force, and is another.
	if slices.Contains(trust.Spent, Digest(e.Statement)) {
		return none, fail("policy-spent", "this change took effect already; it does so once")
	}
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
