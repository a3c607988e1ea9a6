package evidence

import (
	"errors"
	"slices"
	"time"

	"stint/policies"
)

const (
	// LongestDelegation is how long after its making a delegation ends at the latest.
	LongestDelegation = 90 * 24 * time.Hour
	// DelegationWindow is how long after its making the signer takes a delegation: nobody
	// holds one back for a better moment.
	DelegationWindow = 24 * time.Hour
	// MostDelegations bounds the delegations of one person that are not over.
	MostDelegations = 20
)

// Delegation lets another approve on somebody's behalf, as a member of some of their
// groups. A passkey of the delegator's signs it that speaks for these groups.
type Delegation struct {
	Instance      string
	Delegator     policies.Subject
	DelegatorName string
	Delegate      policies.Subject
	DelegateName  string
	Groups        []string // sorted, distinct
	Issued        time.Time
	Begins        time.Time
	Ends          time.Time // within LongestDelegation of Issued
	Nonce         string
}

// Kind is KindDelegation.
func (*Delegation) Kind() Kind { return KindDelegation }

func (d *Delegation) walk(c *codec) {
	field(c, "instance", &d.Instance, nameForm)
	field(c, "delegator", &d.Delegator, subjectForm)
	field(c, "delegator-name", &d.DelegatorName, personForm)
	field(c, "delegate", &d.Delegate, subjectForm)
	field(c, "delegate-name", &d.DelegateName, personForm)
	field(c, "groups", &d.Groups, groupsForm)
	field(c, "issued", &d.Issued, timeForm)
	field(c, "begins", &d.Begins, timeForm)
	field(c, "ends", &d.Ends, timeForm)
	field(c, "nonce", &d.Nonce, hexForm)
}

// GivenDelegation is a delegation that the signer took.
type GivenDelegation struct {
	Digest    string           `json:"digest"` // of its statement
	Delegator policies.Subject `json:"delegator"`
	// Credential is the passkey that signed it. It falls with that, and covers only what
	// that speaks for.
	Credential string           `json:"credential"`
	Delegate   policies.Subject `json:"delegate"`
	Groups     []string         `json:"groups"`
	Begins     time.Time        `json:"begins"`
	Ends       time.Time        `json:"ends"`
	// Revoked is since when it counts for nothing, what was approved by it before included.
	Revoked *time.Time `json:"revoked,omitempty"`
}

// InForce tells whether the delegate may approve by it at a moment.
func (d GivenDelegation) InForce(at time.Time) bool {
	return !at.Before(d.Begins) && at.Before(d.Ends) && !d.isRevoked(at)
}

func (d GivenDelegation) isRevoked(now time.Time) bool {
	return d.Revoked != nil && !now.Before(*d.Revoked)
}

// VerifiedDelegation is a delegation that VerifyDelegation found proven. Only it makes
// one that holds anything; the methods of any other panic.
type VerifiedDelegation struct{ held *verifiedDelegation }

type verifiedDelegation struct {
	delegation Delegation
	evidence   SignedByPasskey
}

func (v VerifiedDelegation) must() *verifiedDelegation {
	if v.held == nil {
		panic("evidence: a VerifiedDelegation that VerifyDelegation did not return")
	}
	return v.held
}

// Delegation is the statement.
func (v VerifiedDelegation) Delegation() Delegation { return v.must().delegation }

// Entry is what the ledger records of it.
func (v VerifiedDelegation) Entry() *DelegationEntry {
	return &DelegationEntry{Evidence: v.must().evidence}
}

// VerifyDelegation checks that somebody may approve on another's behalf: that a passkey
// of the other's says so which speaks for these groups. A refusal is a *Failure.
func VerifyDelegation(signed SignedByPasskey, trust Trust, now time.Time) (VerifiedDelegation, error) {
	none := VerifiedDelegation{}

	// 1. The statement, and its times.
	if trust.Version != 1 {
		return none, fail("version", "this version reads trust of version 1")
	}
	d, err := DecodeAs[*Delegation](signed.Statement)
	switch {
	case err != nil:
		return none, fail("delegation", "%v", err)
	case d.Instance != trust.Instance:
		return none, fail("instance", "the delegation is for another installation")
	case len(d.Groups) == 0:
		return none, fail("delegation-groups", "a delegation names the groups that it is about")
	case d.Issued.After(now.Add(policies.Skew)):
		return none, fail("delegation-issued", "the delegation is dated in the future")
	case now.Sub(d.Issued) > DelegationWindow:
		return none, fail("delegation-issued", "the delegation was signed too long ago; sign it anew")
	case d.Begins.Before(d.Issued), !d.Ends.After(d.Begins), d.Ends.Sub(d.Issued) > LongestDelegation:
		return none, fail("delegation-ends", "a delegation begins no sooner than it is made, and ends within %s of that", policies.FormatDuration(LongestDelegation))
	case !now.Before(d.Ends):
		return none, fail("delegation-ends", "the time of the delegation is over")
	}

	// 2. Whose it is, and what they may delegate: what the passkey speaks for.
	holder, err := activePasskey(trust, d.Delegator, signed.Assertion.Credential, now)
	if err != nil {
		return none, within("delegation", err)
	}
	speaking := holder.person.With(holder.key)
	switch {
	case d.DelegatorName != holder.person.Person.Name:
		return none, fail("delegation-name", "the delegation calls its delegator %q, the roster %q", d.DelegatorName, holder.person.Person.Name)
	case holder.person.isStale(d.Issued):
		return none, fail("delegation-stale", "the delegator's standing changed since this was made; make it anew")
	case slices.ContainsFunc(d.Groups, func(g string) bool { return !slices.Contains(speaking.Groups, g) }):
		return none, fail("delegation-groups", "nobody delegates a group that their passkey does not speak for")
	}

	// 3. To whom: somebody else in the roster, whom it names as the roster does.
	if err := checkDelegate(d, holder.person.Person, trust, now); err != nil {
		return none, err
	}

	// 4. It is new, and not one too many.
	digest := Digest(signed.Statement)
	open := 0
	for _, given := range trust.Delegations {
		if given.Digest == digest {
			return none, fail("delegation-spent", "this delegation took effect already; it does so once")
		}
		if given.Delegator == d.Delegator && now.Before(given.Ends) && !given.isRevoked(now) {
			open++
		}
	}
	if open >= MostDelegations {
		return none, fail("delegation-many", "a person has at most %d delegations; end one first", MostDelegations)
	}

	// 5. The passkey signed it.
	if err := VerifyAssertion(signed.Assertion, signed.Statement, holder.key, trust); err != nil {
		return none, within("delegation", err)
	}
	return VerifiedDelegation{&verifiedDelegation{*d, signed}}, nil
}

func checkDelegate(d *Delegation, delegator policies.Person, trust Trust, now time.Time) error {
	delegate, ok := trust.Roster.Find(d.Delegate)
	if !ok || !slices.ContainsFunc(delegate.Passkeys, func(k Passkey) bool { return k.Active(now) }) {
		return fail("delegation-delegate", "%s has no passkey in the roster, and so cannot approve", d.Delegate)
	}
	if err := trust.checkSuspended(delegate.Person, now); err != nil {
		return within("delegation", err)
	}
	policy, err := trust.Bundle(now)
	switch {
	case err != nil:
		return err
	case d.DelegateName != delegate.Person.Name:
		return fail("delegation-name", "the delegation calls its delegate %q, the roster %q", d.DelegateName, delegate.Person.Name)
	case policy.Linked(delegator, delegate.Person, trust.known(now)):
		return fail("delegation-self", "nobody delegates to themselves")
	}
	return nil
}

// delegated is on whose behalf an approval is given, in those of the delegated groups
// that are still theirs to give; nil where the approver acts in their own right. The
// delegation was in force when the approval was given, and nobody has ended it early:
// that it is over since takes nothing back.
func (t Trust) delegated(a *Approval, with Passkey, now time.Time) (*policies.Person, error) {
	if a.For == (policies.Subject{}) {
		if a.ForName != "" {
			return nil, fail("for-name", "the approval is on nobody's behalf, and names somebody")
		}
		return nil, nil
	}
	// 1. Who it is.
	delegator, ok := t.Roster.Find(a.For)
	if !ok {
		return nil, fail("for-roster", "%s is not in the roster", a.For)
	}
	if a.ForName != delegator.Person.Name {
		return nil, fail("for-name", "the approval is on behalf of %q, whom the roster calls %q", a.ForName, delegator.Person.Name)
	}
	if err := t.checkSuspended(delegator.Person, now); err != nil {
		return nil, within("for", err)
	}
	// 2. What they delegated, of what the passkey that did so speaks for today: whoever
	// takes a stolen one away takes what it gave with it.
	person := delegator.Person
	person.Groups = nil
	for _, g := range delegator.Person.Groups {
		if t.isDelegated(a, delegator, g, now) {
			person.Groups = append(person.Groups, g)
		}
	}
	if len(person.Groups) == 0 {
		return nil, fail("for-delegation", "%s delegated nothing to %s that was in force when they approved, and is still theirs to give", a.ForName, a.ApproverName)
	}
	// 3. Where policy wants a known authenticator for these groups, the delegate has one.
	policy, err := t.Bundle(now)
	if err != nil {
		return nil, err
	}
	if with.Attested == "" && policy.NeedsAttestation(person.Groups) {
		return nil, fail("for-attestation", "the passkey %q was enrolled without attestation, which the policy demands for these groups", with.Name)
	}
	return &person, nil
}

func (t Trust) isDelegated(a *Approval, delegator RosterPerson, group string, now time.Time) bool {
	return slices.ContainsFunc(t.Delegations, func(d GivenDelegation) bool {
		signed, ok := delegator.Active(d.Credential, now)
		return ok && slices.Contains(signed.Groups, group) &&
			d.Delegator == a.For && d.Delegate == a.Approver && slices.Contains(d.Groups, group) &&
			!a.Issued.Before(d.Begins) && a.Issued.Before(d.Ends) && !d.isRevoked(now)
	})
}

// presentDelegations are delegations as Roster.Present gives the roster: what was ended
// early by a moment never counted.
func presentDelegations(all []GivenDelegation, now time.Time) []GivenDelegation {
	left := slices.Clone(all)
	for i := range left {
		if left[i].isRevoked(now) {
			left[i].Revoked = &time.Time{}
		}
	}
	return left
}

// HasDelegation tells whether there is a delegation of that digest that is not long over.
func (b Beliefs) HasDelegation(digest string) bool {
	return slices.ContainsFunc(b.delegations, func(d GivenDelegation) bool { return d.Digest == digest })
}

func (b *Beliefs) applyDelegation(e *DelegationEntry, at time.Time) error {
	d, err := DecodeAs[*Delegation](e.Evidence.Statement)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(b.delegations), func(d GivenDelegation) bool { return at.Sub(d.Ends) > longestMemory })
	b.delegations = append(left, GivenDelegation{
		Digest: Digest(e.Evidence.Statement), Delegator: d.Delegator, Credential: e.Evidence.Assertion.Credential, Delegate: d.Delegate, Groups: d.Groups, Begins: d.Begins, Ends: d.Ends,
	})
	return nil
}

func (b *Beliefs) applyDelegationEnd(e *DelegationEndEntry, at time.Time) error {
	i := slices.IndexFunc(b.delegations, func(d GivenDelegation) bool { return d.Digest == e.Digest })
	if i < 0 || b.delegations[i].Revoked != nil {
		return errors.New("it ends a delegation that is not there, or was ended")
	}
	b.delegations = slices.Clone(b.delegations)
	b.delegations[i].Revoked = &at
	return nil
}
