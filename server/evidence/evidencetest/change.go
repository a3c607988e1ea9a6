package evidencetest

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// SetOrganization puts another quorum and more YAML into the Organization of the
// world's policy, such as an attestation or inventories.
func (w *World) SetOrganization(quorum int, more string) {
	w.Trust.Policy = map[string]string{"policy.yaml": strings.Replace(Policy, "quorum: 1\n", fmt.Sprintf("quorum: %d\n%s", quorum, more), 1)}
}

// NewAdministrator pins one more administrator beside Dana.
func (w *World) NewAdministrator(t testing.TB, name string) *Member {
	t.Helper()
	m := &Member{Person(name, policies.AdministratorsGroup), NewPasskey(t, RelyingParty, Origin)}
	w.Pin(m, m.Person.Groups)
	return m
}

// SignedBy are the members' assertions over a statement's text.
func SignedBy(t testing.TB, text string, members ...*Member) []evidence.Assertion {
	t.Helper()
	assertions := []evidence.Assertion{}
	for _, m := range members {
		assertions = append(assertions, m.Passkey.Sign(t, text))
	}
	return assertions
}

// EnrolledBy is the evidence of an enrolment that the new passkey and administrators
// signed.
func EnrolledBy(t testing.TB, e *evidence.Enrolment, k *Passkey, administrators ...*Member) evidence.EnrolmentEvidence {
	t.Helper()
	given := Possessed(t, e, k)
	given.Administrators = SignedBy(t, given.Statement, administrators...)
	return given
}

// RosterChange is a change of somebody in the world's roster, made now, that states
// what the roster has. Alter what is to be another.
func (w *World) RosterChange(t testing.TB, change string, who policies.Subject) *evidence.RosterChange {
	t.Helper()
	p, ok := w.Trust.Roster.Find(who)
	if !ok {
		t.Fatalf("%s is not in the roster", who)
	}
	return &evidence.RosterChange{
		Instance: w.Trust.Instance, Change: change, Person: who, Name: p.Person.Name, Email: p.Person.Email, Groups: p.Person.Groups,
		Issued: w.Now, Expires: w.Now.Add(time.Hour), Nonce: Nonce(),
	}
}

// ChangedBy is the evidence of a change that administrators signed.
func ChangedBy(t testing.TB, c *evidence.RosterChange, administrators ...*Member) evidence.ChangeEvidence {
	t.Helper()
	text := Text(t, c)
	return evidence.ChangeEvidence{Statement: text, Administrators: SignedBy(t, text, administrators...)}
}

// PolicyChange puts files in the place of the world's policy, in the words of
// policies.Difference.
func (w *World) PolicyChange(t testing.TB, files map[string]string) *evidence.PolicyChange {
	t.Helper()
	before, err := policies.Parse(w.Trust.Policy)
	check(t, err)
	after, err := policies.Parse(files)
	check(t, err)
	return &evidence.PolicyChange{
		Instance: w.Trust.Instance, Before: before.Digest(), After: after.Digest(), Changes: policies.Difference(before, after),
		Reason: "OPS-12", Issued: w.Now.Add(-time.Minute), Expires: w.Now.Add(time.Hour), Nonce: Nonce(),
	}
}

// PolicyBy is the evidence of a new policy that administrators signed.
func PolicyBy(t testing.TB, c *evidence.PolicyChange, files map[string]string, administrators ...*Member) evidence.PolicyEvidence {
	t.Helper()
	text := Text(t, c)
	return evidence.PolicyEvidence{Statement: text, Files: files, Administrators: SignedBy(t, text, administrators...)}
}

// InventoryYAML is an Organization's inventory for SetOrganization: fleet, which may
// bring targets with the label env: staging and a label tier.
func InventoryYAML(t testing.TB, key crypto.Signer) string {
	t.Helper()
	text, err := evidence.FormatAuthorityKey(key.Public())
	check(t, err)
	return "inventories:\n  - {name: fleet, key: " + text + ", labels: {env: [staging], tier: [web, db]}}\n"
}

// TargetYAML is a target for an inventory's document.
func TargetYAML(name string, labels ...string) string {
	slices.Sort(labels)
	return "kind: Target\nname: " + name + "\naddress: 127.0.0.1:2210\n" +
		"hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM\nlabels: {" + strings.Join(labels, ", ") + "}\n"
}

// InventoryChange states what the inventory fleet holds, made a minute ago and good
// for a day.
func (w *World) InventoryChange(number int64, targets string) *evidence.InventoryChange {
	return &evidence.InventoryChange{
		Instance: w.Trust.Instance, Inventory: "fleet", Number: number, Targets: evidence.Digest(targets),
		Issued: w.Now.Add(-time.Minute), Expires: w.Now.Add(24 * time.Hour), Nonce: Nonce(),
	}
}

// InventoryBy is the evidence of an inventory that a key signed.
func InventoryBy(t testing.TB, c *evidence.InventoryChange, targets string, key crypto.Signer) evidence.InventoryEvidence {
	t.Helper()
	signed, err := evidence.SignWithAuthority(Text(t, c), key)
	check(t, err)
	return evidence.InventoryEvidence{Statement: signed.Statement, Targets: targets, Signature: signed.Signature}
}

// Succession says that key follows predecessor for a purpose, signed by predecessor.
func Succession(t testing.TB, instance, purpose string, key, predecessor crypto.Signer, issued time.Time) *evidence.SignedByKey {
	t.Helper()
	s := &evidence.Succession{Instance: instance, Purpose: purpose, Issued: issued.Truncate(time.Second), Nonce: Nonce()}
	var err error
	s.Key, err = evidence.FormatAuthorityKey(key.Public())
	check(t, err)
	s.Predecessor, err = evidence.FormatAuthorityKey(predecessor.Public())
	check(t, err)
	signed, err := evidence.SignWithAuthority(Text(t, s), predecessor)
	check(t, err)
	return &signed
}
