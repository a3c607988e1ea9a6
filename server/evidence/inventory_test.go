package evidence_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// stocking is a world whose policy names the inventory fleet, with a target on its
// way.
type stocking struct {
	*evidencetest.World
	t         *testing.T
	key       *ecdsa.PrivateKey
	targets   string
	statement *evidence.InventoryChange
	after     func(e *evidence.InventoryEvidence)
}

func newStocking(t *testing.T) *stocking {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &stocking{World: evidencetest.NewWorld(t), t: t, key: key}
	w.SetOrganization(1, evidencetest.InventoryYAML(t, key))
	w.bring(7, evidencetest.TargetYAML("staging-2", "env: staging", "tier: web"))
	return w
}

func (w *stocking) bring(number int64, targets ...string) {
	w.targets = strings.Join(targets, "---\n")
	w.statement = w.InventoryChange(number, w.targets)
}

func (w *stocking) verify() (evidence.VerifiedInventory, error) {
	w.t.Helper()
	e := evidencetest.InventoryBy(w.t, w.statement, w.targets, w.key)
	if w.after != nil {
		w.after(&e)
	}
	return evidence.VerifyInventory(e, w.Trust, w.Now)
}

// had gives the world an inventory from before.
func (w *stocking) had(name string, number int64, targets ...policies.Target) {
	w.Trust.Inventories = append(w.Trust.Inventories, evidence.Inventory{Name: name, Number: number, Targets: targets, Expires: w.Now.Add(time.Hour)})
}

func stagingTarget(name string) policies.Target {
	return policies.Target{Name: name, Address: "127.0.0.1:2210", HostKey: strings.TrimSpace(vectorKey(5)), Labels: map[string]string{"env": "staging"}}
}

func TestVerifyInventoryAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter func(w *stocking)
		names string
	}{
		"a target":        {func(*stocking) {}, "staging-2"},
		"two targets":     {func(w *stocking) { w.bring(1, evidencetest.TargetYAML("b", "tier: db"), evidencetest.TargetYAML("a")) }, "a b"},
		"none":            {func(w *stocking) { w.bring(1, "") }, ""},
		"the next number": {func(w *stocking) { w.had("fleet", 6, stagingTarget("staging-2")) }, "staging-2"},
		"a name that another inventory had": {func(w *stocking) {
			w.had("other", 6, stagingTarget("staging-2"))
			w.Trust.Inventories[0].Targets = nil
		}, "staging-2"},
		"after another inventory": {func(w *stocking) { w.had("other", 9, stagingTarget("staging-3")) }, "staging-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStocking(t)
			c.alter(w)
			v, err := w.verify()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, target := range v.Targets() {
				names = append(names, target.Name)
			}
			if strings.Join(names, " ") != c.names || v.Change().Number != w.statement.Number || v.Entry().Evidence.Targets != w.targets {
				t.Errorf("%v: %+v", names, v.Change())
			}
		})
	}
}

func TestVerifyInventoryRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		forge func(w *stocking)
	}{
		"trust of another version": {"version", func(w *stocking) { w.Trust.Version = 0 }},
		"no statement":             {"inventory", func(w *stocking) { w.after = func(e *evidence.InventoryEvidence) { e.Statement = "" } }},
		"of another installation":  {"instance", func(w *stocking) { w.statement.Instance = "other" }},
		"from the future":          {"inventory-issued", func(w *stocking) { w.statement.Issued = w.Now.Add(31 * time.Second) }},
		"over":                     {"inventory-expires", func(w *stocking) { w.statement.Expires = w.Now }},
		"endless": {"inventory-expires", func(w *stocking) {
			w.statement.Expires = w.statement.Issued.Add(evidence.LongestInventory + time.Second)
		}},
		"of another name":    {"inventory-name", func(w *stocking) { w.statement.Inventory = "other" }},
		"named by no policy": {"inventory-name", func(w *stocking) { w.SetOrganization(1, "") }},
		"by another key": {"inventory-signature", func(w *stocking) {
			w.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}},
		"unsigned":                    {"inventory-signature", func(w *stocking) { w.after = func(e *evidence.InventoryEvidence) { e.Signature = "" } }},
		"a number back":               {"inventory-number", func(w *stocking) { w.had("fleet", 8) }},
		"a number again":              {"inventory-number", func(w *stocking) { w.had("fleet", 7) }},
		"other targets":               {"inventory-targets", func(w *stocking) { w.after = func(e *evidence.InventoryEvidence) { e.Targets += "\n" } }},
		"no target, but a role":       {"inventory-targets", func(w *stocking) { w.bring(1, "kind: Organization\n") }},
		"a target without an address": {"inventory-targets", func(w *stocking) { w.bring(1, strings.Replace(w.targets, "127.0.0.1:2210", "here", 1)) }},
		"a target twice":              {"inventory-targets", func(w *stocking) { w.bring(1, w.targets, w.targets) }},
		"a label of production":       {"inventory-label", func(w *stocking) { w.bring(1, evidencetest.TargetYAML("a", "env: production")) }},
		"a label nobody listed":       {"inventory-label", func(w *stocking) { w.bring(1, evidencetest.TargetYAML("a", "env: staging", "data: keys")) }},
		"a name of the policy's":      {"inventory-collision", func(w *stocking) { w.bring(1, evidencetest.TargetYAML("web-1", "env: staging")) }},
		"a name of another's":         {"inventory-collision", func(w *stocking) { w.had("other", 1, stagingTarget("staging-2")) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStocking(t)
			c.forge(w)
			_, err := w.verify()
			refusedBy(t, err, c.check)
		})
	}
}
