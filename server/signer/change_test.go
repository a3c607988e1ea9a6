package signer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// quorumWorld is an open world in which carol and dave together change things, and
// bob is a lead.
func quorumWorld(t *testing.T) (*world, *person) {
	w, dave := twoAdministrators(t)
	w.open()
	t.Cleanup(w.shut)
	w.join(w.carol)
	w.join(dave)
	given := w.enrolledBy(w.carol, w.bob, "leads")
	given.Administrators = w.signed(given.Statement, w.carol, dave)
	_, err := w.pin(given)
	must(t, err)
	return w, dave
}

func TestAChangeNeedsTheQuorum(t *testing.T) {
	t.Parallel()
	w, dave := quorumWorld(t)
	b := w.bundle("r1", newKey(t))
	demote := w.standing(evidence.ChangeGroups, w.bob, nil)
	before := w.entries()
	for name, c := range map[string]struct {
		by   []*person
		code string
	}{
		"nobody":          {nil, "evidence.authority-quorum"},
		"one of two":      {[]*person{w.carol}, "evidence.authority-quorum"},
		"one, twice":      {[]*person{w.carol, w.carol}, "evidence.authority-twice"},
		"and a lead":      {[]*person{w.carol, w.bob}, "evidence.authority-administrator"},
		"and a stranger":  {[]*person{w.carol, w.mallory}, "evidence.authority-passkey"},
		"more than is so": {[]*person{w.carol, dave, w.mallory}, "evidence.authority-passkey"},
	} {
		_, err := w.change(demote, c.by...)
		if err == nil {
			t.Fatalf("%s changed it", name)
		}
		refused(t, err, c.code)
	}
	if w.entries() != before {
		t.Error("a refused change made an entry")
	}
	first, err := w.change(demote, w.carol, dave)
	must(t, err)
	if e := w.prove(first.Proof); e.Change == nil || len(e.Change.By) != 2 {
		t.Errorf("entry %+v", e)
	}
	// The answer was lost, and the call made again, also after a restart.
	for range 2 {
		again, err := w.change(demote, w.carol, dave)
		must(t, err)
		if again.Proof.Entry != first.Proof.Entry {
			t.Error("the same change made another entry")
		}
		w.shut()
		w.open()
	}
	_, err = w.sign(b)
	refused(t, err, "evidence.policy")

	// Groups come back for the passkey that is named.
	_, err = w.change(w.standing(evidence.ChangeGroups, w.bob, []string{"leads"}, w.bob.credential()), dave, w.carol)
	must(t, err)
	w.mustSign(b)

	// Nobody goes below the quorum, whoever signs.
	_, err = w.remove(dave)
	refused(t, err, "evidence.quorum-left")
	erin := newPerson(t, "erin", "Erin East")
	given := w.enrolledBy(w.carol, erin, "administrators")
	given.Administrators = w.signed(given.Statement, w.carol, dave)
	_, err = w.pin(given)
	must(t, err)
	_, err = w.change(w.standing(evidence.ChangeDelete, dave, []string{"administrators"}), w.carol, erin)
	must(t, err)
	_, err = w.suspend(erin)
	refused(t, err, "evidence.quorum-left")
}

func TestAPolicyNeedsTheQuorum(t *testing.T) {
	t.Parallel()
	w, dave := quorumWorld(t)
	tight := w.policyWith("roles.yaml", strings.Replace(rolesText, "[leads], count: 1", "[chiefs], count: 1", 1))
	change := func(given evidence.PolicyEvidence) (wire.Done, error) {
		return w.signer.changePolicy(context.Background(), wire.PolicyRequest{Evidence: given})
	}
	alone := w.policyWith("organization.yaml", "kind: Organization\nreviewers: [auditors]\nquorum: 1\n")
	crowd := w.policyWith("organization.yaml", "kind: Organization\nreviewers: [auditors]\nquorum: 3\n")
	digest, before := w.beliefs().digest, w.entries()
	for name, c := range map[string]struct {
		given evidence.PolicyEvidence
		code  string
	}{
		"one of two":             {w.proposed(tight, nil, w.carol), "evidence.authority-quorum"},
		"one of the new one":     {w.proposed(alone, nil, w.carol), "evidence.authority-quorum"},
		"a quorum that is not":   {w.proposed(crowd, nil, w.carol, dave), "evidence.quorum-left"},
		"other words":            {w.proposed(tight, func(p *evidence.PolicyChange) { p.Changes = []string{"Nothing of note."} }, w.carol, dave), "evidence.policy-changes"},
		"after another":          {w.proposed(tight, func(p *evidence.PolicyChange) { p.Before = p.After }, w.carol, dave), "evidence.policy-before"},
		"another installation's": {w.proposed(tight, func(p *evidence.PolicyChange) { p.Instance = "zzzzzzzz" }, w.carol, dave), "evidence.instance"},
		"for ever":               {w.proposed(tight, func(p *evidence.PolicyChange) { p.Expires = p.Expires.AddDate(1, 0, 0) }, w.carol, dave), "evidence.policy-expires"},
		"other files": {func() evidence.PolicyEvidence {
			given := w.proposed(tight, nil, w.carol, dave)
			given.Files = alone
			return given
		}(), "evidence.policy-after"},
		"broken files": {func() evidence.PolicyEvidence {
			given := w.proposed(tight, nil, w.carol, dave)
			given.Files = map[string]string{"roles.yaml": "kind: Nonsense\n"}
			return given
		}(), "evidence.policy-files"},
	} {
		_, err := change(c.given)
		if err == nil {
			t.Fatalf("%s is in force", name)
		}
		t.Run(name, func(t *testing.T) { refused(t, err, c.code) })
	}
	if w.beliefs().digest != digest || w.entries() != before {
		t.Error("a refused policy changed something")
	}
	b := w.bundle("r1", newKey(t))
	given, late := w.proposed(tight, nil, w.carol, dave), w.proposed(alone, nil, w.carol, dave)
	first, err := change(given)
	must(t, err)
	_, err = w.sign(b)
	refused(t, err, "evidence.policy")
	// What was proposed beside it is about a policy that is no longer in force.
	_, err = change(late)
	refused(t, err, "evidence.policy-before")
	// The same again is the same; an older one comes back by signatures only.
	for range 2 {
		again, err := change(given)
		must(t, err)
		if again.Proof.Entry != first.Proof.Entry {
			t.Error("the same policy made another entry")
		}
		w.shut()
		w.open()
	}
	if w.beliefs().digest == digest {
		t.Error("the new policy is not in force after a restart")
	}
	_, err = change(w.proposed(w.policyWith("roles.yaml", rolesText), nil, w.carol, dave))
	must(t, err)
	w.mustSign(b)
}

func TestAnInventoryBringsTargets(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	w.enforce("organization.yaml", "kind: Organization\nreviewers: [auditors]\nquorum: 1\ninventories:\n- name: autoscaled\n  key: "+
		evidence.FormatKey(key.Public().(ed25519.PublicKey))+"\n  labels: {env: [prod]}\n")
	target := func(name, env string) string {
		return fmt.Sprintf("kind: Target\nname: %s\naddress: %s.example.com:22\nhostKey: %s\nlabels: {env: %s}\n", name, name, hostKeys()[0], env)
	}
	state := func(number int64, targets string, key ed25519.PrivateKey) evidence.InventoryEvidence {
		now := w.clock.Now().Truncate(time.Second)
		statement := w.encode(&evidence.InventoryChange{
			Instance: instance, Inventory: "autoscaled", Number: number, Targets: evidence.Digest(targets),
			Issued: now, Expires: now.Add(2 * time.Hour), Nonce: nonce(),
		})
		return evidence.InventoryEvidence{Statement: statement, Targets: targets, Signature: evidence.SignWithKey(statement, key).Signature}
	}
	push := func(given evidence.InventoryEvidence) (wire.Done, error) {
		return w.signer.changeInventory(context.Background(), wire.InventoryRequest{Evidence: given})
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	onNew := func(id string) evidence.Bundle {
		return w.bundle(id, newKey(t), func(r *evidence.Request) { r.Ask.Target = "web-7" })
	}
	_, err = w.sign(onNew("r1"))
	refused(t, err, "evidence.policy")
	for name, given := range map[string]evidence.InventoryEvidence{
		"another key":      state(1, target("web-7", "prod"), other),
		"another label":    state(1, target("web-7", "dev"), key),
		"a name of ours":   state(1, target("db1", "prod"), key),
		"another document": {Statement: state(1, target("web-7", "prod"), key).Statement, Targets: target("web-8", "prod"), Signature: state(1, "", key).Signature},
	} {
		size := w.entries()
		if _, err := push(given); err == nil || w.entries() != size {
			t.Errorf("%s: %v", name, err)
		}
	}
	given := state(1, target("web-7", "prod"), key)
	first, err := push(given)
	must(t, err)
	w.mustSign(onNew("r2"))
	again, err := push(given)
	must(t, err)
	if first.Proof.Entry != again.Proof.Entry {
		t.Error("the same inventory made another entry")
	}
	host, err := w.signer.signHost(context.Background(), w.config.Proxies[0], wire.HostRequest{PublicKey: newKey(t)})
	must(t, err)
	if !strings.Contains(strings.Join(host.Principals, " "), "web-7") {
		t.Errorf("the proxy may not stand for the new target: %v", host.Principals)
	}
	// What it no longer holds opens nothing, what is live included; nor once it has expired.
	_, err = push(state(2, target("web-8", "prod"), key))
	must(t, err)
	_, err = w.signTarget("r2")
	refused(t, err, "evidence.policy")
	_, err = push(state(1, target("web-7", "prod"), key))
	refused(t, err, "evidence.inventory-number")
	_, err = push(state(3, target("web-7", "prod"), key))
	must(t, err)
	_, err = w.signTarget("r2")
	must(t, err)
	w.shut()
	w.open()
	w.clock.add(2 * time.Hour)
	_, err = w.sign(onNew("r3"))
	refused(t, err, "evidence.policy")
}

// TestEndingsAreKeptWithTheirEvidence: a person's word is kept where it is about
// this ending, and is never needed.
func TestEndingsAreKeptWithTheirEvidence(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	said := func(change func(*evidence.End)) *evidence.SignedByKey {
		end := &evidence.End{
			Instance: instance, Request: "r1", Change: evidence.EndRevoked, Person: w.subject(w.alice), Reason: "Done.",
			Issued: w.clock.Now().Truncate(time.Second), Nonce: nonce(),
		}
		change(end)
		signed := evidence.SignWithKey(w.encode(end), w.alice.login)
		return &signed
	}
	end := func(given *evidence.SignedByKey) (wire.Done, error) {
		return w.signer.end(context.Background(), wire.EndRequest{Request: "r1", Reason: "revoked", By: w.subject(w.alice), Evidence: given})
	}
	for name, change := range map[string]func(*evidence.End){
		"another request":      func(e *evidence.End) { e.Request = "r2" },
		"another installation": func(e *evidence.End) { e.Instance = "zzzzzzzz" },
		"another way":          func(e *evidence.End) { e.Change = evidence.EndDropped },
		"another person":       func(e *evidence.End) { e.Person = w.subject(w.bob) },
	} {
		if _, err := end(said(change)); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			refused(t, err, "evidence.end")
		}
	}
	given := said(func(*evidence.End) {})
	done, err := end(given)
	must(t, err)
	if e := w.prove(done.Proof); e.Ending == nil || e.Ending.Evidence == nil || *e.Ending.Evidence != *given {
		t.Errorf("entry %+v", e.Ending)
	}
	if again, err := end(nil); err != nil || again.Proof.Entry != done.Proof.Entry {
		t.Errorf("once more: %v", err)
	}
}

// TestEndingsHaveABound: endings of invented requests cannot fill the disk, and
// those of grants are always taken.
func TestEndingsHaveABound(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	w.mustSign(w.bundle("r1", newKey(t)))
	w.signer.unknown = newLimiter(1, 0)
	w.endRequest("r2")
	_, err := w.signer.end(context.Background(), wire.EndRequest{Request: "r3", Reason: "denied"})
	refused(t, err, "rate-limited")
	w.endRequest("r1")
}

// TestAFirstPolicyOnly: the directory begins the ledger, and is not looked at again.
func TestAFirstPolicyOnly(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	before := w.beliefs().digest
	w.setPolicy(map[string]string{"roles.yaml": "kind: Nonsense\n"})
	w.shut()
	w.config.Policy = filepath.Join(w.config.Policy, "gone")
	w.open()
	if w.beliefs().digest != before {
		t.Error("another policy is in force")
	}
	if _, err := policies.Parse(w.beliefs().trust.Policy); err != nil {
		t.Error(err)
	}
	w.mustSign(w.bundle("r1", newKey(t)))
}
