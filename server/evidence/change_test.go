package evidence_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// changing is a world of a quorum of two, Dana and Grace, with a change on its way.
type changing struct {
	*evidencetest.World
	t         *testing.T
	grace     *evidencetest.Member
	statement *evidence.RosterChange
	by        []*evidencetest.Member
	after     func(e *evidence.ChangeEvidence)
}

// newChanging makes Bob, who is in sre-leads, one of security too.
func newChanging(t *testing.T) *changing {
	w := &changing{World: evidencetest.NewWorld(t), t: t}
	w.SetOrganization(2, "")
	w.grace = w.NewAdministrator(t, "grace")
	w.by = []*evidencetest.Member{w.Dana, w.grace}
	w.groups("bob", "security", "sre-leads")
	return w
}

// groups puts somebody into groups, with the passkeys that they have.
func (w *changing) groups(name string, groups ...string) {
	w.statement = w.RosterChange(w.t, evidence.ChangeGroups, w.Member(name).Person.Subject)
	w.statement.Groups = groups
	for _, k := range w.Member(name).Passkeys {
		w.statement.Passkeys = append(w.statement.Passkeys, k.Credential)
	}
	slices.Sort(w.statement.Passkeys)
}

// change makes another change of somebody.
func (w *changing) change(word, name string, passkeys ...string) {
	w.statement = w.RosterChange(w.t, word, w.Member(name).Person.Subject)
	w.statement.Passkeys = passkeys
}

// suspend suspends somebody of the roster a while ago.
func (w *changing) suspend(name string) { w.Member(name).Suspended = &w.Request.Issued }

func (w *changing) verify() (evidence.VerifiedChange, error) {
	w.t.Helper()
	e := evidencetest.ChangedBy(w.t, w.statement, w.by...)
	if w.after != nil {
		w.after(&e)
	}
	return evidence.VerifyChange(e, w.Trust, w.Now)
}

func TestVerifyChangeAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter func(w *changing)
		then  func(w *changing, r evidence.Roster) bool
	}{
		"groups that a passkey speaks for from then on": {nil, func(w *changing, r evidence.Roster) bool {
			p, k, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return ok && slices.Equal(p.With(k).Groups, []string{"security", "sre-leads"})
		}},
		"groups, and no passkey that speaks for them": {func(w *changing) { w.statement.Passkeys = nil }, func(w *changing, r evidence.Roster) bool {
			p, k, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return ok && len(p.With(k).Groups) == 0 && len(p.Person.Groups) == 2
		}},
		"no groups": {func(w *changing) { w.statement.Groups = nil }, func(w *changing, r evidence.Roster) bool {
			p, ok := r.Find(w.Bob.Person.Subject)
			return ok && len(p.Person.Groups) == 0
		}},
		"another name and address": {func(w *changing) { w.statement.Name, w.statement.Email = "Robert", "" }, func(w *changing, r evidence.Roster) bool {
			p, _ := r.Find(w.Bob.Person.Subject)
			return p.Person.Name == "Robert" && p.Person.Email == ""
		}},
		"a suspension": {func(w *changing) { w.change(evidence.ChangeSuspend, "bob") }, func(w *changing, r evidence.Roster) bool {
			_, _, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return !ok && len(r.Known(w.Now)) == len(w.Trust.Roster.Known(w.Now))
		}},
		"its end": {func(w *changing) { w.suspend("bob"); w.change(evidence.ChangeUnsuspend, "bob") }, func(w *changing, r evidence.Roster) bool {
			_, _, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return ok
		}},
		"a passkey less": {func(w *changing) { w.change(evidence.ChangeRemovePasskey, "bob", w.Bob.Passkey.Credential) }, func(w *changing, r evidence.Roster) bool {
			_, _, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return !ok
		}},
		"a person less": {func(w *changing) { w.change(evidence.ChangeDelete, "bob") }, func(w *changing, r evidence.Roster) bool {
			p, there := r.Find(w.Bob.Person.Subject)
			_, _, ok := r.Holder(w.Bob.Passkey.Credential, w.Now)
			return there && !ok && len(p.Person.Groups) == 0 && p.Passkeys[0].Removed != nil && len(r.Known(w.Now)) == len(w.Trust.Roster.Known(w.Now))-1
		}},
		"a suspended person less, who stays suspended": {func(w *changing) { w.suspend("bob"); w.change(evidence.ChangeDelete, "bob") }, func(w *changing, r evidence.Roster) bool {
			p, _ := r.Find(w.Bob.Person.Subject)
			return p.IsSuspended(w.Now)
		}},
		"of an administrator, by two others": {func(w *changing) {
			w.by = []*evidencetest.Member{w.grace, w.NewAdministrator(w.t, "heidi")}
			w.groups("dana", "security")
		}, nil},
		"signed by three": {func(w *changing) { w.by = append(w.by, w.NewAdministrator(w.t, "heidi")) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newChanging(t)
			if c.alter != nil {
				c.alter(w)
			}
			v, err := w.verify()
			if err != nil {
				t.Fatal(err)
			}
			if len(v.By()) != len(w.by) || v.By()[0] != w.by[0].Person.Subject || !reflect.DeepEqual(v.Change(), *w.statement) {
				t.Errorf("%v: %+v", v.By(), v.Change())
			}
			before := evidencetest.Clone(t, w.Trust.Roster)
			after, err := w.Trust.Roster.Change(v.Change(), w.Now)
			if err != nil || c.then != nil && !c.then(w, after) {
				t.Errorf("the roster has %+v, %v", after, err)
			}
			if !reflect.DeepEqual(evidencetest.Clone(t, w.Trust.Roster), before) {
				t.Error("the roster before was altered")
			}
		})
	}
}

func TestVerifyChangeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		forge func(w *changing)
	}{
		"trust of another version": {"version", func(w *changing) { w.Trust.Version = 2 }},
		"no statement":             {"change", func(w *changing) { w.after = func(e *evidence.ChangeEvidence) { e.Statement = "" } }},
		"another kind": {"change", func(w *changing) {
			w.after = func(e *evidence.ChangeEvidence) {
				e.Statement = evidencetest.Text(w.t, w.Enrolment(w.Bob.Person, w.Bob.Passkey))
			}
		}},
		"of another installation": {"instance", func(w *changing) { w.statement.Instance = "other" }},
		"from the future":         {"change-issued", func(w *changing) { w.statement.Issued = w.Now.Add(31 * time.Second) }},
		"over":                    {"change-expires", func(w *changing) { w.statement.Expires = w.Now }},
		"endless":                 {"change-expires", func(w *changing) { w.statement.Expires = w.statement.Issued.Add(evidence.LongestChange + time.Second) }},
		"over before it began":    {"change-expires", func(w *changing) { w.statement.Expires = w.statement.Issued }},
		"of nobody":               {"change-roster", func(w *changing) { w.statement.Person.Subject = "nobody" }},
		"of somebody deleted":     {"change-roster", func(w *changing) { w.Member("bob").Deleted = &w.Request.Issued }},
		"another name shown":      {"change-name", func(w *changing) { w.change(evidence.ChangeSuspend, "bob"); w.statement.Name = "Carol" }},
		"another address shown":   {"change-name", func(w *changing) { w.change(evidence.ChangeDelete, "bob"); w.statement.Email = "" }},
		"other groups shown": {"change-groups", func(w *changing) {
			w.suspend("bob")
			w.change(evidence.ChangeUnsuspend, "bob")
			w.statement.Groups = nil
		}},
		"a colleague's passkey":          {"change-passkeys", func(w *changing) { w.statement.Passkeys = []string{w.Carol.Passkey.Credential} }},
		"a removed passkey":              {"change-passkeys", func(w *changing) { w.Member("bob").Passkeys[0].Removed = &w.Request.Issued }},
		"a passkey in a suspension":      {"change-passkeys", func(w *changing) { w.change(evidence.ChangeSuspend, "bob", w.Bob.Passkey.Credential) }},
		"no passkey to remove":           {"change-passkeys", func(w *changing) { w.change(evidence.ChangeRemovePasskey, "bob") }},
		"two passkeys to remove":         {"change-passkeys", func(w *changing) { w.change(evidence.ChangeRemovePasskey, "bob", "AAAA", "AAAB") }},
		"a colleague's passkey, removed": {"change-passkeys", func(w *changing) { w.change(evidence.ChangeRemovePasskey, "bob", w.Carol.Passkey.Credential) }},
		"suspended already":              {"change-suspended", func(w *changing) { w.suspend("bob"); w.change(evidence.ChangeSuspend, "bob") }},
		"not suspended":                  {"change-suspended", func(w *changing) { w.change(evidence.ChangeUnsuspend, "bob") }},
		"a group that demands attestation": {"change-attestation", func(w *changing) {
			w.SetOrganization(2, evidencetest.NewMaker(w.t).YAML("security"))
		}},

		"nobody signed":                               {"authority-quorum", func(w *changing) { w.by = nil }},
		"one signed":                                  {"authority-quorum", func(w *changing) { w.by = w.by[:1] }},
		"one signed twice":                            {"authority-twice", func(w *changing) { w.by = []*evidencetest.Member{w.Dana, w.Dana} }},
		"one signed with two identities":              {"authority-twice", func(w *changing) { w.Member("grace").Person.Email = "dana@example.com" }},
		"an approver signed":                          {"authority-administrator", func(w *changing) { w.by[1] = w.Carol }},
		"an administrator with a passkey for nothing": {"authority-administrator", func(w *changing) { w.Member("grace").Passkeys[0].Groups = nil }},
		"a suspended administrator":                   {"authority-suspended", func(w *changing) { w.suspend("grace") }},
		"a removed administrator":                     {"authority-passkey", func(w *changing) { w.Member("grace").Passkeys[0].Removed = &w.Request.Issued }},
		"an administrator to be":                      {"authority-passkey", func(w *changing) { w.Member("grace").Passkeys[0].Enrolled = w.Now.Add(1) }},
		"a stranger": {"authority-passkey", func(w *changing) {
			w.by[1] = &evidencetest.Member{Passkey: evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)}
		}},
		"a stranger under an administrator's id": {"authority-signature", func(w *changing) {
			stranger := evidencetest.NewPasskey(w.t, "localhost", evidencetest.Origin)
			stranger.Credential = w.grace.Passkey.Credential
			w.by[1] = &evidencetest.Member{Passkey: stranger}
		}},
		"the person concerned":                     {"authority-self", func(w *changing) { w.groups("dana", "administrators", "security") }},
		"the person concerned, elsewhere":          {"authority-self", func(w *changing) { w.Member("bob").Person.Email = "dana@example.com"; w.groups("bob", "security") }},
		"the person concerned, by the new address": {"authority-self", func(w *changing) { w.statement.Email = "dana@example.com" }},
		"the person suspended, lifting it":         {"authority-suspended", func(w *changing) { w.suspend("dana"); w.change(evidence.ChangeUnsuspend, "dana") }},
		"signed on another page":                   {"authority-origin", func(w *changing) { w.grace.Passkey.Origin = "https://evil.example" }},
		"signed for another site":                  {"authority-relying-party", func(w *changing) { w.grace.Passkey.RelyingParty = "example.com" }},
		"signed unverified": {"authority-user-verified", func(w *changing) {
			w.after = func(e *evidence.ChangeEvidence) {
				e.Administrators[1] = w.grace.Passkey.Sign(w.t, e.Statement, flags(1))
			}
		}},
		"a policy that does not load": {"trust", func(w *changing) { w.Trust.Policy = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newChanging(t)
			c.forge(w)
			_, err := w.verify()
			refusedBy(t, err, c.check)
		})
	}
}

// Nothing of a statement can be altered under the signatures that were given for
// it: not one field of any kind.
func TestNoFieldCanBeAlteredUnderASignature(t *testing.T) {
	t.Parallel()
	altered := 0
	tryAll := func(t *testing.T, statement evidence.Statement, skip []string, verify func(text string) error) {
		t.Helper()
		if err := verify(evidencetest.Text(t, statement)); err != nil {
			t.Fatalf("unaltered: %v", err)
		}
		fields := reflect.ValueOf(statement).Elem()
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			if slices.Contains(skip, name) {
				continue
			}
			for _, other := range alterations(fields.Field(i)) {
				old := reflect.ValueOf(fields.Field(i).Interface())
				fields.Field(i).Set(other)
				text, err := evidence.Encode(statement)
				fields.Field(i).Set(old)
				if err != nil {
					continue
				}
				altered++
				if err := verify(text); err == nil {
					t.Errorf("%s of the %s statement could be altered", name, statement.Kind())
				}
			}
		}
	}
	w := newChanging(t)
	signed := evidencetest.ChangedBy(t, w.statement, w.by...)
	tryAll(t, w.statement, nil, func(text string) error {
		_, err := evidence.VerifyChange(evidence.ChangeEvidence{Statement: text, Administrators: signed.Administrators}, w.Trust, w.Now)
		return err
	})

	p := newRuling(t)
	ruled := evidencetest.PolicyBy(t, p.statement, p.files, p.by...)
	tryAll(t, p.statement, nil, func(text string) error {
		_, err := evidence.VerifyPolicy(evidence.PolicyEvidence{Statement: text, Files: ruled.Files, Administrators: ruled.Administrators}, p.Trust, p.Now)
		return err
	})

	s := newStocking(t)
	stocked := evidencetest.InventoryBy(t, s.statement, s.targets, s.key)
	tryAll(t, s.statement, nil, func(text string) error {
		_, err := evidence.VerifyInventory(evidence.InventoryEvidence{Statement: text, Targets: stocked.Targets, Signature: stocked.Signature}, s.Trust, s.Now)
		return err
	})

	e := byQuorum(t)
	enrolled := evidencetest.Possessed(t, e.statement, e.passkey)
	e.sign(enrolled.Statement, &enrolled)
	tryAll(t, e.statement, nil, func(text string) error {
		given := enrolled
		given.Statement = text
		_, err := evidence.VerifyEnrolment(given, e.Trust, e.Now)
		return err
	})

	b := newWorld(t)
	for i, m := range []*evidencetest.Member{b.Bob, b.Carol} {
		approval := b.Approval(t, m)
		b.bundle.Approvals[i] = evidencetest.Signed(t, approval, m.Passkey)
		tryAll(t, approval, nil, func(text string) error {
			bundle := b.bundle
			bundle.Approvals = slices.Clone(b.bundle.Approvals)
			bundle.Approvals[i].Statement = text
			_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
			return err
		})
	}
	activation := b.Activation(t)
	b.bundle.Activation = b.SignedActivation(t, activation)
	tryAll(t, activation, nil, func(text string) error {
		bundle := b.bundle
		bundle.Activation = &evidence.SignedByKey{Statement: text, Signature: b.bundle.Activation.Signature}
		_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
		return err
	})
	request := b.Request
	tryAll(t, &request, nil, func(text string) error {
		bundle := b.bundle
		bundle.Request = text
		_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
		return err
	})
	confirmed := newWorld(t)
	login := confirmed.Confirmation(confirmed.Erin, confirmed.Login)
	binding := confirmed.ConfirmedBinding(t, confirmed.Erin)
	confirmation := evidencetest.Signed(t, login, confirmed.Erin.Passkey)
	tryAll(t, login, nil, func(text string) error {
		given := *binding
		given.Confirmation = &evidence.SignedByPasskey{Statement: text, Assertion: confirmation.Assertion}
		_, err := evidence.VerifyLogin(given, confirmed.Trust, confirmed.Now)
		return err
	})
	if altered < 90 {
		t.Errorf("only %d alterations were tried", altered)
	}
}

// alterations are other values of a field, of which some can be written.
func alterations(v reflect.Value) (others []reflect.Value) {
	switch old := v.Interface().(type) {
	case string:
		for _, text := range []string{
			old + "x", "a", "0", "suspend", "groups", "sha256:" + strings.Repeat("7", 64), strings.Repeat("7", 32), vectorKey(9), "AAAA",
		} {
			others = append(others, reflect.ValueOf(text))
		}
	case int:
		others = append(others, reflect.ValueOf(old+1))
	case int64:
		others = append(others, reflect.ValueOf(old+1))
	case time.Time:
		others = append(others, reflect.ValueOf(old.Add(time.Second)), reflect.ValueOf(old.Add(-time.Second)))
	case policies.Subject:
		others = append(others, reflect.ValueOf(policies.Subject{Issuer: old.Issuer, Subject: "carol"}), reflect.ValueOf(policies.Subject{Issuer: old.Issuer + "x", Subject: old.Subject}))
	case []string:
		others = append(others, reflect.ValueOf([]string(nil)), reflect.ValueOf([]string{"AAAA"}), reflect.ValueOf(append([]string{"0000"}, old...)))
	case policies.Ask:
		for _, f := range []func(a *policies.Ask){
			func(a *policies.Ask) { a.Role = "staging-shell" }, func(a *policies.Ask) { a.Target = "staging-1" }, func(a *policies.Ask) { a.Login = "postgres" },
			func(a *policies.Ask) { a.Duration -= time.Second }, func(a *policies.Ask) { a.Reason += "." },
		} {
			other := old
			f(&other)
			others = append(others, reflect.ValueOf(other))
		}
	default:
		panic("no alterations of a " + v.Type().String())
	}
	return slices.DeleteFunc(others, func(o reflect.Value) bool { return reflect.DeepEqual(o.Interface(), v.Interface()) })
}

// ruling is a world of a quorum of two with a policy change on its way: one more
// login for a role.
type ruling struct {
	*evidencetest.World
	t         *testing.T
	by        []*evidencetest.Member
	files     map[string]string
	statement *evidence.PolicyChange
	after     func(e *evidence.PolicyEvidence)
}

func newRuling(t *testing.T) *ruling {
	w := &ruling{World: evidencetest.NewWorld(t), t: t}
	w.SetOrganization(2, "")
	w.by = []*evidencetest.Member{w.Dana, w.NewAdministrator(t, "grace")}
	w.edit("logins: [app, postgres]", "logins: [app, postgres, root]")
	return w
}

// edit proposes the world's policy with one text in the place of another.
func (w *ruling) edit(old, new string) {
	w.t.Helper()
	w.files = maps.Clone(w.Trust.Policy)
	if !strings.Contains(w.files["policy.yaml"], old) {
		w.t.Fatalf("the policy does not hold %q", old)
	}
	w.files["policy.yaml"] = strings.Replace(w.files["policy.yaml"], old, new, 1)
	w.statement = w.PolicyChange(w.t, w.files)
}

func (w *ruling) verify() (evidence.VerifiedPolicy, error) {
	w.t.Helper()
	e := evidencetest.PolicyBy(w.t, w.statement, w.files, w.by...)
	if w.after != nil {
		w.after(&e)
	}
	return evidence.VerifyPolicy(e, w.Trust, w.Now)
}

func TestVerifyPolicyAccepts(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(w *ruling){
		"one login more":     func(*ruling) {},
		"nothing in meaning": func(w *ruling) { w.edit("kind: Organization", "# Ours.\nkind: Organization") },
		"a lower quorum":     func(w *ruling) { w.edit("quorum: 2", "quorum: 1") },
		"a higher quorum, where there are enough": func(w *ruling) {
			w.NewAdministrator(w.t, "heidi")
			w.edit("quorum: 2", "quorum: 3")
		},
		"another file": func(w *ruling) {
			w.files = maps.Clone(w.Trust.Policy)
			w.files["more.yaml"] = evidencetest.TargetYAML("web-2", "env: production")
			w.statement = w.PolicyChange(w.t, w.files)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRuling(t)
			alter(w)
			v, err := w.verify()
			if err != nil {
				t.Fatal(err)
			}
			if v.Bundle().Digest() != w.statement.After || !maps.Equal(v.Bundle().Files(), w.files) || len(v.By()) != 2 || v.Change().Reason != "OPS-12" {
				t.Errorf("%v: %+v", v.By(), v.Change())
			}
		})
	}
}

func TestVerifyPolicyRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		forge func(w *ruling)
	}{
		"trust of another version": {"version", func(w *ruling) { w.Trust.Version = 0 }},
		"no statement":             {"policy-statement", func(w *ruling) { w.after = func(e *evidence.PolicyEvidence) { e.Statement = "" } }},
		"of another installation":  {"instance", func(w *ruling) { w.statement.Instance = "other" }},
		"from the future":          {"policy-issued", func(w *ruling) { w.statement.Issued = w.Now.Add(31 * time.Second) }},
		"over":                     {"policy-expires", func(w *ruling) { w.statement.Expires = w.Now }},
		"endless":                  {"policy-expires", func(w *ruling) { w.statement.Expires = w.statement.Issued.Add(evidence.LongestChange + time.Second) }},
		"after another one":        {"policy-before", func(w *ruling) { w.SetOrganization(2, "# Since then.\n") }},
		"before itself":            {"policy-after", func(w *ruling) { w.statement.After = w.statement.Before }},
		"another digest":           {"policy-after", func(w *ruling) { w.statement.After = "sha256:" + strings.Repeat("0", 64) }},
		"other files": {"policy-after", func(w *ruling) {
			w.after = func(e *evidence.PolicyEvidence) {
				e.Files = map[string]string{"policy.yaml": strings.Replace(e.Files["policy.yaml"], "root", "toor", 1)}
			}
		}},
		"a file too many": {"policy-files", func(w *ruling) {
			w.after = func(e *evidence.PolicyEvidence) { e.Files = maps.Clone(e.Files); e.Files["README.md"] = "x" }
		}},
		"a file too few": {"policy-files", func(w *ruling) { w.after = func(e *evidence.PolicyEvidence) { e.Files = nil } }},
		"a faulty policy": {"policy-files", func(w *ruling) {
			w.after = func(e *evidence.PolicyEvidence) { e.Files = map[string]string{"policy.yaml": "kind: Roll\n"} }
		}},
		"other words":       {"policy-changes", func(w *ruling) { w.statement.Changes = []string{"A comment is added."} }},
		"no words":          {"policy-changes", func(w *ruling) { w.statement.Changes = nil }},
		"fewer words":       {"policy-changes", func(w *ruling) { w.edit("[app, postgres]", "[root]"); w.statement.Changes = w.statement.Changes[1:] }},
		"nobody signed":     {"authority-quorum", func(w *ruling) { w.by = nil }},
		"one signed":        {"authority-quorum", func(w *ruling) { w.by = w.by[:1] }},
		"one signed twice":  {"authority-twice", func(w *ruling) { w.by[1] = w.by[0] }},
		"an approver":       {"authority-administrator", func(w *ruling) { w.by[1] = w.Carol }},
		"a suspended one":   {"authority-suspended", func(w *ruling) { w.Member("grace").Suspended = &w.Request.Issued }},
		"a removed passkey": {"authority-passkey", func(w *ruling) { w.Member("grace").Passkeys[0].Removed = &w.Request.Issued }},
		// Its own lower quorum does not count for it.
		"one, for a quorum of one":           {"authority-quorum", func(w *ruling) { w.edit("quorum: 2", "quorum: 1"); w.by = w.by[:1] }},
		"one, by a new alias":                {"authority-twice", func(w *ruling) { w.Member("grace").Person.Email = "dana@example.com" }},
		"a quorum beyond the administrators": {"quorum-left", func(w *ruling) { w.edit("quorum: 2", "quorum: 3") }},
		"aliases that leave too few": {"quorum-left", func(w *ruling) {
			w.edit("aliases:\n", "aliases:\n  - - {issuer: \"http://localhost:5556/dex\", subject: dana}\n    - {issuer: \"http://localhost:5556/dex\", subject: grace}\n")
		}},
		"a policy signed for another text": {"authority-challenge", func(w *ruling) {
			w.after = func(e *evidence.PolicyEvidence) {
				other := *w.statement
				other.Reason = "another"
				e.Administrators = evidencetest.SignedBy(w.t, evidencetest.Text(w.t, &other), w.by...)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRuling(t)
			c.forge(w)
			_, err := w.verify()
			refusedBy(t, err, c.check)
		})
	}
}

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
