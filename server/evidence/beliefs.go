package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Beliefs is what the ledger's entries amount to as far as Verify depends on it.
// It never changes: Apply returns the next. The signer folds its own entries into
// one, and an auditor replays an export with Check and Apply.
type Beliefs struct {
	instance, issuerURL, clientID, relyingParty string
	origins                                     []string

	latest int64     // the last entry that changed any of this
	at     time.Time // of that entry

	keys    []SigningKey
	log     string
	issued  []IssuerKey // every key that the provider ever had, as first seen
	inUse   []IssuerKey // those that it has now
	roster  Roster
	devices Devices

	policy PolicyEntry
	files  map[string]string // of policy
	bundle *policies.Bundle  // of policy; nil where this version cannot load it
	full   *policies.Bundle  // bundle, with the targets of all inventories

	delegations []GivenDelegation       // in the order in which they were given
	altered     []policies.PolicyChange // of the policy, in the order of their times

	present *present // what is left of roster, devices and delegations

	inventories []Inventory // by name
	spent       []spent     // changes that took effect and could be sent again
	ceremony    []policies.Subject
	over        bool // the ceremony is
}

// spent is a statement that took effect.
type spent struct {
	Digest  string
	Expires time.Time
}

// NewBeliefs are what an empty ledger amounts to, for an installation with these
// settings.
func NewBeliefs(instance, issuerURL, clientID, relyingParty string, origins []string) Beliefs {
	return Beliefs{
		instance: instance, issuerURL: issuerURL, clientID: clientID, relyingParty: relyingParty, origins: slices.Clone(origins),
		latest: -1, present: new(present),
	}
}

// Latest is the index of the last entry that changed any of this, and -1 where
// none has: the next entry's Believed.
func (b Beliefs) Latest() int64 { return b.latest }

// Roster is who may sign what. Do not write to it.
func (b Beliefs) Roster() Roster { return b.roster }

// Devices are the devices that were ever enrolled. Do not write to them.
func (b Beliefs) Devices() Devices { return b.devices }

// Keys are the signer's keys, with their states. Do not write to them.
func (b Beliefs) Keys() []SigningKey { return b.keys }

// Authority is the key that signs for people; empty where there is none.
func (b Beliefs) Authority() string {
	for _, k := range b.keys {
		if k.Purpose == PurposeUserCA && k.State == KeyCurrent {
			return k.Key
		}
	}
	return ""
}

// Log is the verifier key of the ledger's checkpoints; empty before the first Keys
// entry.
func (b Beliefs) Log() string { return b.log }

// IssuerKeys are the provider's keys: those that it has now, and all that it ever
// had, in the order first seen. Do not write to them.
func (b Beliefs) IssuerKeys() (inUse, issued []IssuerKey) { return b.inUse, b.issued }

// PolicyDigest names the policy in force; empty before the first.
func (b Beliefs) PolicyDigest() string { return b.policy.Digest }

// Policy is the policy in force, with the targets of the inventories that have not
// expired at a moment. It is nil before the first, and where this version cannot
// load it: then nothing is allowed.
func (b Beliefs) Policy(now time.Time) *policies.Bundle {
	if b.bundle == nil {
		return nil
	}
	bundle, err := b.Trust(now).Bundle(now)
	if err != nil {
		return nil
	}
	return bundle
}

// Ceremony tells who was enrolled in the ceremony, and whether it is over for good:
// it is once everybody listed has joined, or a quorum has signed anything.
func (b Beliefs) Ceremony() (enrolled []policies.Subject, over bool) {
	return slices.Clone(b.ceremony), b.over
}

// Trust is what to verify with at a moment: with the keys that the provider has now,
// and without the targets of inventories that have expired.
func (b Beliefs) Trust(now time.Time) Trust {
	t := Trust{
		Version:      1,
		Instance:     b.instance,
		RelyingParty: b.relyingParty,
		Origins:      slices.Clone(b.origins),
		Issuer:       Issuer{URL: b.issuerURL, ClientID: b.clientID, Keys: listed(b.inUse)},
		Roster:       Roster{People: listed(b.roster.People), index: b.roster.index},
		Policy:       b.files,
		Inventories:  listed(b.inventories),
		Devices:      listed(b.devices),
		Delegations:  listed(b.delegations),
		Changes:      listed(b.altered),
		Spent:        b.spentDigests(),
		Log:          b.log,
		UserCA:       accepted(b.keys, PurposeUserCA, now),
		TargetCA:     accepted(b.keys, PurposeTargetCA, now),
		HostCA:       accepted(b.keys, PurposeHostCA, now),
		Keys:         listed(b.keys),
		base:         b.bundle,
		full:         b.full,
	}
	if slices.ContainsFunc(b.inventories, func(i Inventory) bool { return !now.Before(i.Expires) && len(i.Targets) > 0 }) {
		// Gone for good: verifying anew at a time in the past must not bring them back.
		t.Inventories, t.full = standing(b.inventories, now), nil
	}
	return t
}

// trustAnew is what to verify with, at a time in the past, what must still hold at a
// moment: whatever was taken away by then never counted, whom the roster links by then
// always was one person, and a token counts by every key that the provider ever had.
func (b Beliefs) trustAnew(now time.Time) Trust {
	t := b.Trust(now)
	t.Issuer.Keys = listed(b.issued)
	t.linking = t.Roster.Known(now)
	if now.Before(b.present.from) {
		t.Roster, t.Devices, t.Delegations = t.Roster.Present(now), t.Devices.Present(now), presentDelegations(t.Delegations, now)
		return t
	}
	left := b.present.made(&b)
	t.Roster, t.Devices, t.Delegations = left.roster, listed(left.devices), listed(left.delegations)
	return t
}

func (b Beliefs) spentDigests() []string {
	digests := []string{}
	for _, s := range b.spent {
		digests = append(digests, s.Digest)
	}
	return digests
}

// spend remembers a statement that takes effect, and forgets those that are over.
func (b *Beliefs) spend(statement string, expires, at time.Time) {
	left := slices.DeleteFunc(slices.Clone(b.spent), func(s spent) bool { return !at.Before(s.Expires) })
	b.spent = append(left, spent{Digest(statement), expires})
}

// listed is a list even where it is empty, so that it is written as one.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Apply is what the beliefs are after an entry. It takes the entry at its word,
// whose evidence Check verifies. An error means that the entry may not be there: it
// states another entry as Believed, or has nothing to change. An entry that changes
// no beliefs, such as a Session, is checked for what it states as Believed.
func (b Beliefs) Apply(index int64, e Entry) (Beliefs, error) {
	if index <= b.latest {
		return b, fmt.Errorf("entry %d is not after entry %d", index, b.latest)
	}
	if e.Believed != b.latest {
		return b, fmt.Errorf("entry %d names entry %d as the last that changed beliefs, which is entry %d", index, e.Believed, b.latest)
	}
	if e.Time.Before(b.at) {
		return b, fmt.Errorf("entry %d is from before entry %d", index, b.latest)
	}
	next := b
	changes := next.changes(e)
	var err error
	for _, change := range changes {
		err = errors.Join(err, change())
	}
	switch {
	case err != nil:
		return b, fmt.Errorf("entry %d: %w", index, err)
	case len(changes) > 1:
		return b, fmt.Errorf("entry %d changes %d things, not one", index, len(changes))
	case len(changes) == 0:
		return b, nil
	}
	next.latest, next.at = index, e.Time
	next.roster, next.present = indexed(next.roster, e.Time), &present{from: e.Time}
	return next, nil
}

// changes are what an entry changes in b, each to be called once: the one list of
// the kinds of entry that change beliefs.
func (b *Beliefs) changes(e Entry) (changes []func() error) {
	for _, is := range []struct {
		there bool
		apply func() error
	}{
		{e.Enrolment != nil, func() error { return b.applyEnrolment(e.Enrolment, e.Time) }},
		{e.Removal != nil, func() error { return b.applyRemoval(e.Removal, e.Time) }},
		{e.Suspension != nil, func() error { return b.applySuspension(e.Suspension, e.Time) }},
		{e.Change != nil, func() error { return b.applyChange(e.Change, e.Time) }},
		{e.Policy != nil, func() error { return b.applyPolicy(e.Policy, e.Time) }},
		{e.Inventory != nil, func() error { return b.applyInventory(e.Inventory, e.Time) }},
		{e.Keys != nil, func() error { return b.applyKeys(e.Keys) }},
		{e.Device != nil, func() error { return b.applyDevice(e.Device, e.Time) }},
		{e.DeviceBlock != nil, func() error { return b.applyDeviceBlock(e.DeviceBlock, e.Time) }},
		{e.Delegation != nil, func() error { return b.applyDelegation(e.Delegation, e.Time) }},
		{e.DelegationEnd != nil, func() error { return b.applyDelegationEnd(e.DelegationEnd, e.Time) }},
	} {
		if is.there {
			changes = append(changes, is.apply)
		}
	}
	return changes
}

// ChangesBeliefs tells the entries that change what the signer believes: those that
// Beliefs.Check and Beliefs.Apply are for, and that later entries name as Believed.
func (e Entry) ChangesBeliefs() bool { return len(new(Beliefs).changes(e)) > 0 }

func (b *Beliefs) applyEnrolment(e *EnrolmentEntry, at time.Time) error {
	statement, err := DecodeAs[*Enrolment](e.Evidence.Statement)
	if err != nil {
		return fmt.Errorf("its enrolment statement: %w", err)
	}
	switch e.Authority {
	case AuthorityCeremony:
		if b.over {
			return errors.New("it enrols in the ceremony, which is over")
		}
		b.ceremony = append(slices.Clone(b.ceremony), statement.Person)
		b.over = e.Last
	case AuthorityAdministrators:
		b.over = true
	case AuthorityPasskey, AuthorityLogin:
	default:
		return fmt.Errorf("its authority %q is not known", e.Authority)
	}
	b.roster = b.roster.Enrol(*statement, e.Attested, at)
	return nil
}

func (b *Beliefs) applyRemoval(e *RemovalEntry, at time.Time) error {
	after, ok := b.roster.Remove(e.Credential, at)
	if !ok {
		return errors.New("it removes a passkey that is not in the roster")
	}
	b.roster = after
	return nil
}

func (b *Beliefs) applySuspension(e *SuspensionEntry, at time.Time) error {
	after, ok := b.roster.Suspend(e.Person, e.Name, at)
	if !ok {
		return errors.New("it suspends somebody who is suspended")
	}
	b.roster = after
	return nil
}

func (b *Beliefs) applyChange(e *ChangeEntry, at time.Time) error {
	change, err := DecodeAs[*RosterChange](e.Evidence.Statement)
	if err != nil {
		return fmt.Errorf("its roster statement: %w", err)
	}
	b.over = true
	b.spend(e.Evidence.Statement, change.Expires, at)
	b.roster, err = b.roster.Change(*change, at)
	return err
}

// applyPolicy loads the policy. One that this version refuses is in force all the
// same, and allows nothing.
func (b *Beliefs) applyPolicy(e *PolicyEntry, at time.Time) error {
	files := e.Files
	switch {
	case (e.Evidence == nil) == (e.Files == nil):
		return errors.New("its files stand in its evidence, or beside it, and in one place only")
	case e.Evidence == nil && b.policy.Digest != "":
		return errors.New("it states a first policy, and there is one")
	case e.Evidence != nil && b.policy.Digest == "":
		return errors.New("it replaces a policy, and there is none")
	case e.Evidence != nil:
		change, err := DecodeAs[*PolicyChange](e.Evidence.Statement)
		if err != nil {
			return fmt.Errorf("its policy statement: %w", err)
		}
		files, b.over = e.Evidence.Files, true
		b.spend(e.Evidence.Statement, change.Expires, at)
	}
	before := b.bundle
	b.policy, b.files = *e, files
	b.bundle, b.full = nil, nil
	if bundle, err := policies.Parse(files); err == nil && bundle.Digest() == e.Digest {
		b.bundle = bundle
		b.inventories = fitting(bundle, b.inventories)
	}
	if e.Evidence != nil {
		b.remember(e.Evidence.Administrators, before, at)
	}
	return b.compose()
}

func (b *Beliefs) applyInventory(e *InventoryEntry, at time.Time) error {
	change, err := DecodeAs[*InventoryChange](e.Evidence.Statement)
	if err != nil {
		return fmt.Errorf("its inventory statement: %w", err)
	}
	targets, err := policies.ParseTargets(e.Evidence.Targets)
	if err != nil {
		return fmt.Errorf("its targets: %w", err)
	}
	if b.bundle == nil {
		return errors.New("there is no policy that names an inventory")
	}
	source, ok := b.bundle.Inventory(change.Inventory)
	if !ok {
		return fmt.Errorf("the policy names no inventory %q", change.Inventory)
	}
	inventory := Inventory{Name: change.Inventory, Key: source.Key, Number: change.Number, Targets: targets, Expires: change.Expires}
	b.inventories = standing(b.inventories, at)
	i, known := slices.BinarySearchFunc(b.inventories, change.Inventory, func(i Inventory, name string) int {
		return strings.Compare(i.Name, name)
	})
	if known {
		if change.Number <= b.inventories[i].Number {
			return errors.New("its number is not greater than the last")
		}
		b.inventories[i] = inventory
	} else {
		b.inventories = slices.Insert(b.inventories, i, inventory)
	}
	return b.compose()
}

// compose puts the targets of all inventories beside the policy's.
func (b *Beliefs) compose() error {
	if b.bundle == nil {
		return nil
	}
	var targets []policies.Target
	for _, i := range b.inventories {
		targets = append(targets, i.Targets...)
	}
	full, err := b.bundle.WithTargets(targets...)
	if err != nil {
		return err
	}
	b.full = full
	return nil
}

// applyKeys takes over the lists that the entry states; an absent one changes
// nothing.
func (b *Beliefs) applyKeys(e *KeysEntry) error {
	if len(e.Keys) == 0 && e.Log == "" && len(e.Issuer) == 0 {
		return errors.New("it states no keys")
	}
	if len(e.Keys) > 0 {
		b.keys = e.Keys
	}
	if e.Log != "" {
		if b.log != "" && b.log != e.Log {
			return errors.New("it names another log key, which a new ledger would have")
		}
		b.log = e.Log
	}
	if len(e.Issuer) > 0 {
		b.inUse = e.Issuer
		all := slices.Clone(b.issued)
		for _, key := range e.Issuer {
			if !slices.ContainsFunc(all, func(known IssuerKey) bool { return known.JWK == key.JWK }) {
				all = append(all, key)
			}
		}
		b.issued = all
	}
	return nil
}
