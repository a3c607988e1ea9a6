package evidence_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func TestBeliefsAreWhatTheLedgerAmountsTo(t *testing.T) {
	t.Parallel()
	h := full(t)
	trust := h.beliefs.Trust(h.Now)
	bob, key, ok := trust.Roster.Holder(h.Bob.Passkey.Credential, h.Now)
	if !ok || bob.Person.Name != "Bob" || !slices.Equal(bob.With(key).Groups, []string{"security", "sre-leads"}) {
		t.Errorf("Bob is %+v", bob)
	}
	if _, _, ok := trust.Roster.Holder(h.Carol.Passkey.Credential, h.Now); ok {
		t.Error("a removed passkey counts")
	}
	if mallory, ok := trust.Roster.Find(evidencetest.Person("mallory").Subject); !ok || !mallory.IsSuspended(h.Now) || len(trust.Roster.Known(h.Now).All()) != 4 {
		t.Errorf("Mallory is %+v", mallory)
	}
	bundle, err := trust.Bundle(h.Now)
	if err != nil {
		t.Fatal(err)
	}
	if role, _ := bundle.Role("production-shell"); len(role.Logins) != 3 || bundle.Digest() != h.beliefs.PolicyDigest() || h.beliefs.Policy(h.Now).Digest() != bundle.Digest() {
		t.Errorf("the policy gives %v", role.Logins)
	}
	if target, ok := bundle.Target("staging-2"); !ok || target.Labels["env"] != "staging" {
		t.Errorf("the target is %+v", target)
	}
	if enrolled, over := h.beliefs.Ceremony(); len(enrolled) != 2 || !over {
		t.Errorf("the ceremony enrolled %v, over %v", enrolled, over)
	}
	if !slices.Equal(trust.UserCA, []string{h.key("user-1")}) || len(trust.HostCA) != 0 || trust.Log != "log" || h.beliefs.Log() != "log" {
		t.Errorf("the keys are %v", trust)
	}
	if inUse, issued := h.beliefs.IssuerKeys(); len(inUse) != 1 || len(issued) != 1 {
		t.Errorf("the provider's keys are %v and %v", inUse, issued)
	}
	// A trust that was written and read believes the same.
	text, err := json.Marshal(trust)
	if err != nil || strings.Contains(string(text), ":null") {
		t.Errorf("%s, %v", text, err)
	}
	var read evidence.Trust
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	for _, trust := range []evidence.Trust{trust, read} {
		h.Trust = trust
		h.Request.Ask = policies.Ask{Role: "staging-shell", Target: "staging-2", Login: "app", Duration: time.Hour}
		h.Approvers = nil
		if v, err := evidence.Verify(h.Bundle(t), trust, evidence.Circumstances{Now: h.Now}); err != nil || v.Target().Address != "127.0.0.1:2210" {
			t.Errorf("an inventory's target: %v", err)
		}
	}
	// What has expired is gone, also for who looks into the past.
	later := h.beliefs.Trust(h.Now.Add(25 * time.Hour))
	if bundle, err := later.Bundle(h.Now); err != nil || len(bundle.TargetsOf("staging-shell")) != 1 {
		t.Errorf("an expired inventory still brings targets (%v)", err)
	}
	if policy := h.beliefs.Policy(h.Now.Add(25 * time.Hour)); policy == nil || len(policy.TargetsOf("staging-shell")) != 1 {
		t.Error("an expired inventory still brings targets")
	}
}

// An export in which one entry is missing, or stands elsewhere, shows it: every
// entry names the one before it that counts. Where the last is missing, the Session
// entry that is exported with them does.
func TestAnExportIsCompleteOrShowsIt(t *testing.T) {
	t.Parallel()
	h := full(t)
	replay := func(indices []int) error {
		b := evidence.NewBeliefs(h.Trust.Instance, h.Trust.Issuer.URL, h.Trust.Issuer.ClientID, h.Trust.RelyingParty, h.Trust.Origins)
		for _, i := range indices {
			if err := b.Check(h.entries[i]); err != nil {
				return err
			}
			var err error
			if b, err = b.Apply(int64(i), h.entries[i]); err != nil {
				return err
			}
		}
		if whole := slices.Contains(indices, len(h.entries)-1); whole && !reflect.DeepEqual(evidencetest.Clone(t, b.Trust(h.Now)), evidencetest.Clone(t, h.beliefs.Trust(h.Now))) {
			t.Error("a replay came to something else")
		}
		return nil
	}
	var all []int
	for i := range h.entries {
		all = append(all, i)
	}
	if err := replay(all); err != nil {
		t.Fatal(err)
	}
	for i, e := range h.entries {
		err := replay(slices.Delete(slices.Clone(all), i, i+1))
		if counts := e.Refusal == nil && i < len(h.entries)-1; counts && err == nil {
			t.Errorf("entry %d could be left out", i)
		} else if e.Refusal != nil && err != nil {
			t.Errorf("entry %d says nothing to believe, and was needed: %v", i, err)
		}
		if i > 0 && e.Refusal == nil && h.entries[i-1].Refusal == nil {
			swapped := slices.Clone(all)
			swapped[i-1], swapped[i] = i, i-1
			if replay(swapped) == nil {
				t.Errorf("entries %d and %d could be exchanged", i-1, i)
			}
		}
	}
}

// TestTheLastToJoinEndsTheCeremony: nobody joins after them, with or without evidence.
func TestTheLastToJoinEndsTheCeremony(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	member := func(name string) *evidencetest.Member {
		return &evidencetest.Member{Person: evidencetest.Person(name, policies.AdministratorsGroup), Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	}
	last, late := h.ceremony(member("heidi")), h.ceremony(member("ivan"))
	last.Enrolment.Last = true
	h.add(last)
	if enrolled, over := h.beliefs.Ceremony(); len(enrolled) != 3 || !over {
		t.Errorf("the ceremony enrolled %v, over %v", enrolled, over)
	}
	late.Time, late.Believed = h.Now, h.beliefs.Latest()
	failure, ok := errors.AsType[*evidence.Failure](h.beliefs.Check(late))
	if !ok || failure.Check != "authority-ceremony" {
		t.Errorf("somebody joined later: %v", failure)
	}
	if _, err := h.beliefs.Apply(h.beliefs.Latest()+1, late); err == nil {
		t.Error("the ledger takes somebody who joined later")
	}
}

func TestBeliefsRefuse(t *testing.T) {
	t.Parallel()
	heidi := &evidencetest.Member{Person: evidencetest.Person("heidi", policies.AdministratorsGroup), Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	for name, c := range map[string]struct {
		check string // empty: Apply refuses
		forge func(h *history) evidence.Entry
	}{
		"a ceremony after a quorum signed": {"authority-ceremony", func(h *history) evidence.Entry {
			e := evidencetest.Possessed(h.t, h.Enrolment(heidi.Person, heidi.Passkey, heidi.Person.Groups...), heidi.Passkey)
			e.Ceremony = true
			return evidence.Entry{Enrolment: &evidence.EnrolmentEntry{Evidence: e, Authority: evidence.AuthorityCeremony, By: []policies.Subject{heidi.Person.Subject}}}
		}},
		"an enrolment that ends a ceremony that it is not of": {"entry-authority", func(h *history) evidence.Entry {
			e := h.enrolment(heidi)
			e.Enrolment.Last = true
			return e
		}},
		"an enrolment by one": {"authority-quorum", func(h *history) evidence.Entry {
			h.Approvers = h.Approvers[:1]
			return h.enrolment(heidi)
		}},
		"an enrolment by others than it says": {"entry-by", func(h *history) evidence.Entry {
			e := h.enrolment(heidi)
			e.Enrolment.By[1] = h.Bob.Person.Subject
			return e
		}},
		"an enrolment that claims a make": {"entry-authority", func(h *history) evidence.Entry {
			e := h.enrolment(heidi)
			e.Enrolment.Attested = "Test authenticator"
			return e
		}},
		"an enrolment that claims another authority": {"entry-authority", func(h *history) evidence.Entry {
			e := h.enrolment(heidi)
			e.Enrolment.Authority = evidence.AuthorityLogin
			return e
		}},
		"an unsigned change": {"authority-quorum", func(h *history) evidence.Entry {
			h.Approvers = nil
			return h.change(evidence.ChangeGroups, h.Bob, nil)
		}},
		"a change by others than it says": {"entry-by", func(h *history) evidence.Entry {
			e := h.change(evidence.ChangeGroups, h.Bob, nil)
			slices.Reverse(e.Change.By)
			return e
		}},
		"a suspension that leaves one of two": {"quorum-left", func(h *history) evidence.Entry {
			return evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: h.Dana.Person.Subject, Name: "Dana"}}
		}},
		"a removal that leaves one of two": {"quorum-left", func(h *history) evidence.Entry {
			return evidence.Entry{Removal: &evidence.RemovalEntry{Credential: h.Dana.Passkey.Credential}}
		}},
		"a second first policy": {"policy-first", func(h *history) evidence.Entry {
			files := h.beliefs.Trust(h.Now).Policy
			return evidence.Entry{Policy: &evidence.PolicyEntry{Digest: h.digest(files), Files: files}}
		}},
		"a policy under another's digest": {"policy-digest", func(h *history) evidence.Entry {
			e := h.policy("quorum: 2", "quorum: 1")
			e.Policy.Digest = h.beliefs.PolicyDigest()
			return e
		}},
		"a policy by one": {"authority-quorum", func(h *history) evidence.Entry {
			h.Approvers = h.Approvers[:1]
			return h.policy("quorum: 2", "quorum: 1")
		}},
		"a policy with files of its own": {"", func(h *history) evidence.Entry {
			e := h.policy("quorum: 2", "quorum: 1")
			e.Policy.Files = e.Policy.Evidence.Files
			return e
		}},
		"an inventory's number again": {"inventory-number", func(h *history) evidence.Entry { return h.inventory(3) }},
		"an inventory of another key": {"inventory-signature", func(h *history) evidence.Entry { h.pipe = newP256(h.t); return h.inventory(4) }},
		"a passkey that nobody has": {"", func(h *history) evidence.Entry {
			return evidence.Entry{Removal: &evidence.RemovalEntry{Credential: "AAAA"}}
		}},
		"a suspension again": {"", func(h *history) evidence.Entry {
			return evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: evidencetest.Person("mallory").Subject}}
		}},
		"no keys":         {"", func(h *history) evidence.Entry { return evidence.Entry{Keys: &evidence.KeysEntry{}} }},
		"another log key": {"", func(h *history) evidence.Entry { return evidence.Entry{Keys: &evidence.KeysEntry{Log: "other"}} }},
		"two things": {"", func(h *history) evidence.Entry {
			return evidence.Entry{Keys: &evidence.KeysEntry{Issuer: h.Trust.Issuer.Keys}, Removal: &evidence.RemovalEntry{Credential: h.Bob.Passkey.Credential}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := full(t)
			before := h.beliefs.Trust(h.Now)
			err := h.try(c.forge(h))
			if c.check != "" {
				refusedBy(t, err, c.check)
			} else if err == nil {
				t.Error("it was applied")
			}
			if now := h.beliefs.Trust(h.Now); !reflect.DeepEqual(now.Roster, before.Roster) || h.beliefs.Latest() != int64(len(h.entries)-1) {
				t.Error("a refused entry changed something")
			}
		})
	}
	t.Run("an entry out of place", func(t *testing.T) {
		t.Parallel()
		h := full(t)
		good := h.entries[len(h.entries)-1]
		for name, alter := range map[string]func(e *evidence.Entry) int64{
			"an index that was":     func(*evidence.Entry) int64 { return 0 },
			"another one before it": func(e *evidence.Entry) int64 { e.Believed--; return 99 },
			"a time before":         func(e *evidence.Entry) int64 { e.Time = e.Time.Add(-time.Hour); return 99 },
		} {
			e := good
			e.Believed = h.beliefs.Latest()
			e.Removal = &evidence.RemovalEntry{Credential: h.Bob.Passkey.Credential}
			if _, err := h.beliefs.Apply(alter(&e), e); err == nil {
				t.Errorf("%s was applied", name)
			}
		}
	})
}

// A new policy lets go of what inventories may no longer bring, for good.
func TestAPolicyBoundsItsInventories(t *testing.T) {
	t.Parallel()
	other := newP256(t)
	for name, c := range map[string]struct{ old, new string }{
		"the inventory is gone":     {"inventories:\n  - {name: fleet, key: KEY, labels: {env: [staging], tier: [web, db]}}\n", ""},
		"its key is another":        {"KEY", "OTHER"},
		"its label is gone":         {"env: [staging], ", ""},
		"the policy takes the name": {"kind: Role\nname: key-management", evidencetest.TargetYAML("staging-2", "env: keys") + "---\nkind: Role\nname: key-management"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := full(t)
			key, _ := evidence.FormatAuthorityKey(h.pipe.Public())
			otherKey, _ := evidence.FormatAuthorityKey(other.Public())
			fill := strings.NewReplacer("KEY", key, "OTHER", otherKey)
			inventories := evidencetest.InventoryYAML(t, h.pipe)
			files := h.beliefs.Trust(h.Now).Policy["policy.yaml"]
			h.add(h.policy(fill.Replace(c.old), fill.Replace(c.new)))
			target, _ := h.beliefs.Policy(h.Now).Target("staging-2")
			if target.Labels["env"] == "staging" {
				t.Error("the target is still there")
			}
			// The old policy once more brings nothing back, nor does the old statement.
			h.Trust = h.beliefs.Trust(h.Now)
			back := map[string]string{"policy.yaml": files}
			given := evidencetest.PolicyBy(t, h.PolicyChange(t, back), back, h.Approvers...)
			h.add(evidence.Entry{Policy: &evidence.PolicyEntry{Digest: h.digest(back), Evidence: &given}})
			if _, ok := h.beliefs.Policy(h.Now).Target("staging-2"); ok {
				t.Error("the target is back")
			}
			refusedBy(t, h.try(h.inventory(3, evidencetest.TargetYAML("staging-2", "env: staging"))), "inventory-number")
			if !strings.Contains(files, inventories) {
				t.Fatal("the policy names no inventory")
			}
			h.add(h.inventory(4, evidencetest.TargetYAML("staging-2", "env: staging")))
		})
	}
}

// A name that an inventory had is free once its targets have expired.
func TestAnExpiredInventoryFreesItsNames(t *testing.T) {
	t.Parallel()
	h := full(t)
	h.add(h.policy("inventories:\n", "inventories:\n  - {name: harbour, key: "+h.key("harbour")+", labels: {env: [staging]}}\n"))
	text := evidencetest.TargetYAML("staging-2", "env: staging")
	bring := func() evidence.Entry {
		c := h.InventoryChange(1, text)
		c.Inventory = "harbour"
		return evidence.Entry{Inventory: &evidence.InventoryEntry{Evidence: evidencetest.InventoryBy(t, c, text, h.keys["harbour"])}}
	}
	refusedBy(t, h.try(bring()), "inventory-collision")
	h.Now = h.Now.Add(25 * time.Hour)
	h.add(bring())
	if _, ok := h.beliefs.Policy(h.Now).Target("staging-2"); !ok {
		t.Error("the target is not there")
	}
	refusedBy(t, h.try(h.inventory(4, text)), "inventory-collision")
}

// What was signed takes effect once, and not at all where things changed meanwhile:
// a broker gains nothing by keeping it.
func TestNothingTakesEffectTwiceOrLate(t *testing.T) {
	t.Parallel()
	h := full(t)
	suspend := func() {
		h.add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: h.Bob.Person.Subject, Name: "Bob"}})
	}
	suspend()
	kept, applied := h.change(evidence.ChangeUnsuspend, h.Bob, nil), h.change(evidence.ChangeUnsuspend, h.Bob, nil)
	h.add(applied)
	suspend()
	refusedBy(t, h.try(kept), "change-stale")
	refusedBy(t, h.try(applied), "change-spent")

	grown := h.change(evidence.ChangeGroups, h.Carol, func(c *evidence.RosterChange) { c.Groups = []string{"security", "sre-leads"} })
	h.add(grown)
	h.add(h.change(evidence.ChangeGroups, h.Carol, func(c *evidence.RosterChange) { c.Groups = nil }))
	refusedBy(t, h.try(grown), "change-spent")

	late := h.enrolment(&evidencetest.Member{
		Person:  evidencetest.Person("carol", "security"),
		Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin),
	})
	h.Now = h.Now.Add(time.Minute)
	h.add(h.change(evidence.ChangeDelete, h.Carol, nil))
	refusedBy(t, h.try(late), "enrolment-stale")

	there := h.policy("quorum: 2", "quorum: 1")
	h.add(there)
	h.add(h.policy("quorum: 1", "quorum: 2"))
	refusedBy(t, h.try(there), "policy-spent")
	// Once a statement is over nobody need remember it.
	if n := len(h.beliefs.Trust(h.Now).Spent); n != 9 {
		t.Errorf("%d statements are remembered", n)
	}
	h.Now = h.Now.Add(2 * time.Hour)
	h.add(h.change(evidence.ChangeUnsuspend, h.Bob, nil))
	if n := len(h.beliefs.Trust(h.Now).Spent); n != 1 {
		t.Errorf("%d statements are remembered", n)
	}
}
