package evidence_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// history is a ledger as it grows: each entry is checked and applied as an auditor
// would.
type history struct {
	*evidencetest.World
	t       *testing.T
	beliefs evidence.Beliefs
	entries []evidence.Entry
	keys    map[string]crypto.Signer // by name
	pipe    *ecdsa.PrivateKey        // of the inventory
}

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (h *history) key(name string) string {
	h.t.Helper()
	if h.keys[name] == nil {
		h.keys[name] = newP256(h.t)
	}
	text, err := evidence.FormatAuthorityKey(h.keys[name].Public())
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// newHistory begins a ledger: the keys, the first policy, and a ceremony with Dana
// and Grace.
func newHistory(t *testing.T) *history {
	w := evidencetest.NewWorld(t)
	h := &history{World: w, t: t, keys: map[string]crypto.Signer{}, pipe: newP256(t)}
	h.beliefs = evidence.NewBeliefs(w.Trust.Instance, w.Trust.Issuer.URL, w.Trust.Issuer.ClientID, w.Trust.RelyingParty, w.Trust.Origins)
	w.SetOrganization(2, evidencetest.InventoryYAML(t, h.pipe))
	h.Trust.Roster = evidence.Roster{}
	h.add(evidence.Entry{Keys: &evidence.KeysEntry{Keys: []evidence.SigningKey{h.current(evidence.PurposeUserCA, "user-1"), h.current(evidence.PurposeTargetCA, "target-1")}, Log: "log"}})
	h.add(evidence.Entry{Policy: &evidence.PolicyEntry{Digest: h.digest(w.Trust.Policy), Files: w.Trust.Policy}})
	h.add(evidence.Entry{Keys: &evidence.KeysEntry{Issuer: w.Trust.Issuer.Keys}})
	for _, m := range []*evidencetest.Member{h.Dana, {Person: evidencetest.Person("grace", policies.AdministratorsGroup), Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}} {
		h.add(h.ceremony(m))
		h.Approvers = append(h.Approvers, m) // whoever signs below
	}
	h.Approvers = h.Approvers[2:]
	return h
}

func (h *history) current(purpose, name string) evidence.SigningKey {
	return evidence.SigningKey{Purpose: purpose, Key: h.key(name), State: evidence.KeyCurrent, Made: h.Now, Current: &h.Now}
}

func (h *history) digest(files map[string]string) string {
	bundle, err := policies.Parse(files)
	if err != nil {
		h.t.Fatal(err)
	}
	return bundle.Digest()
}

func (h *history) ceremony(m *evidencetest.Member) evidence.Entry {
	h.t.Helper()
	e := evidencetest.Possessed(h.t, h.Enrolment(m.Person, m.Passkey, m.Person.Groups...), m.Passkey)
	e.Ceremony = true
	v, err := evidence.VerifyCeremony(e, h.beliefs.Trust(h.Now), h.Now)
	if err != nil {
		h.t.Fatal(err)
	}
	return evidence.Entry{Enrolment: v.Entry()}
}

// enrolment brings a member into the roster by those who sign.
func (h *history) enrolment(m *evidencetest.Member) evidence.Entry {
	h.t.Helper()
	given := evidencetest.EnrolledBy(h.t, h.Enrolment(m.Person, m.Passkey, m.Person.Groups...), m.Passkey, h.Approvers...)
	return evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: given, Authority: evidence.AuthorityAdministrators, By: h.signers()}}
}

func (h *history) signers() (by []policies.Subject) {
	for _, m := range h.Approvers {
		by = append(by, m.Person.Subject)
	}
	return by
}

func (h *history) change(word string, m *evidencetest.Member, alter func(c *evidence.RosterChange)) evidence.Entry {
	h.t.Helper()
	h.Trust = h.beliefs.Trust(h.Now)
	c := h.RosterChange(h.t, word, m.Person.Subject)
	if alter != nil {
		alter(c)
	}
	return evidence.Entry{Change: &evidence.ChangeEntry{Evidence: evidencetest.ChangedBy(h.t, c, h.Approvers...), By: h.signers()}}
}

// delegation has somebody delegate groups for a day.
func (h *history) delegation(from, to *evidencetest.Member, groups ...string) evidence.Entry {
	h.t.Helper()
	h.Trust = h.beliefs.Trust(h.Now)
	d := h.Delegation(from, to, groups...)
	d.Issued = h.Now
	d.Begins = h.Now
	return evidence.Entry{Delegation: &evidence.DelegationEntry{Evidence: evidencetest.Signed(h.t, d, from.Passkey)}}
}

// policy replaces one text of the policy in force by another.
func (h *history) policy(old, new string) evidence.Entry {
	h.t.Helper()
	h.Trust = h.beliefs.Trust(h.Now)
	files := maps.Clone(h.Trust.Policy)
	if !strings.Contains(files["policy.yaml"], old) {
		h.t.Fatalf("the policy does not hold %q", old)
	}
	files["policy.yaml"] = strings.Replace(files["policy.yaml"], old, new, 1)
	given := evidencetest.PolicyBy(h.t, h.PolicyChange(h.t, files), files, h.Approvers...)
	return evidence.Entry{Policy: &evidence.PolicyEntry{Digest: h.digest(files), Evidence: &given}}
}

func (h *history) inventory(number int64, targets ...string) evidence.Entry {
	h.t.Helper()
	text := strings.Join(targets, "---\n")
	return evidence.Entry{Inventory: &evidence.InventoryEntry{Evidence: evidencetest.InventoryBy(h.t, h.InventoryChange(number, text), text, h.pipe)}}
}

// add checks and applies an entry, a second after the last.
func (h *history) add(e evidence.Entry) {
	h.t.Helper()
	if err := h.try(e); err != nil {
		h.t.Fatalf("entry %d: %v", len(h.entries), err)
	}
}

// try is add for an entry that may be refused; then nothing changes.
func (h *history) try(e evidence.Entry) error {
	h.t.Helper()
	h.Now = h.Now.Add(time.Second)
	e.Time, e.Believed = h.Now, h.beliefs.Latest()
	e = evidencetest.Clone(h.t, e) // as the ledger keeps it
	if err := h.beliefs.Check(e); err != nil {
		return err
	}
	next, err := h.beliefs.Apply(int64(len(h.entries)), e)
	if err != nil {
		return err
	}
	h.beliefs, h.entries = next, append(h.entries, e)
	return nil
}

// full is a history with an entry of each kind. Making it is slow, so that all tests
// go on from copies of one.
func full(t *testing.T) *history {
	t.Helper()
	fullHistory.Lock()
	defer fullHistory.Unlock()
	if fullHistory.made == nil {
		fullHistory.made = makeFull(t)
	}
	h, world := *fullHistory.made, *fullHistory.made.World
	h.t, h.World, h.keys = t, &world, maps.Clone(h.keys)
	h.entries, h.Approvers = slices.Clone(h.entries), slices.Clone(h.Approvers)
	return &h
}

var fullHistory struct {
	sync.Mutex
	made *history
}

func makeFull(t *testing.T) *history {
	h := newHistory(t)
	h.add(evidence.Entry{Refusal: &evidence.RefusalEntry{Caller: "broker"}})
	for _, m := range []*evidencetest.Member{h.Bob, h.Carol} {
		h.add(h.enrolment(m))
	}
	h.add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: evidencetest.Person("mallory").Subject, Name: "Mallory"}})
	h.add(h.change(evidence.ChangeGroups, h.Bob, func(c *evidence.RosterChange) {
		c.Groups, c.Passkeys = []string{"security", "sre-leads"}, []string{h.Bob.Passkey.Credential}
	}))
	h.add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: h.Bob.Person.Subject, Name: "somebody"}})
	h.add(h.change(evidence.ChangeUnsuspend, h.Bob, nil))
	h.add(h.delegation(h.Bob, h.Carol, "sre-leads"))
	h.add(h.delegation(h.Bob, h.Carol, "security"))
	h.add(evidence.Entry{DelegationEnd: &evidence.DelegationEndEntry{Digest: h.beliefs.Trust(h.Now).Delegations[1].Digest, By: h.Bob.Person.Subject}})
	h.add(h.inventory(3, evidencetest.TargetYAML("staging-2", "env: staging")))
	h.add(h.policy("logins: [app, postgres]", "logins: [app, postgres, root]"))
	h.add(evidence.Entry{Removal: &evidence.RemovalEntry{Credential: h.Carol.Passkey.Credential}})
	return h
}
