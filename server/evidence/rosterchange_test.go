package evidence_test

import (
	"reflect"
	"slices"
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
			return !ok && len(r.Known(w.Now).All()) == len(w.Trust.Roster.Known(w.Now).All())
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
			return there && !ok && len(p.Person.Groups) == 0 && p.Passkeys[0].Removed != nil && len(r.Known(w.Now).All()) == len(w.Trust.Roster.Known(w.Now).All())-1
		}},
		"a suspended person less, who stays suspended": {func(w *changing) { w.suspend("bob"); w.change(evidence.ChangeDelete, "bob") }, func(w *changing, r evidence.Roster) bool {
			p, _ := r.Find(w.Bob.Person.Subject)
			return p.IsSuspended(w.Now)
		}},
		"of an administrator, by two others": {func(w *changing) {
			w.by = []*evidencetest.Member{w.grace, w.NewAdministrator(w.t, "heidi")}
			w.groups("dana", "security")
		}, nil},
		"signed with passkeys of every algorithm": {func(w *changing) {
			for name, k := range map[string]*evidencetest.Passkey{
				"heidi": evidencetest.NewEd25519Passkey(w.t, evidencetest.RelyingParty, evidencetest.Origin),
				"ivan":  evidencetest.NewRSAPasskey(w.t, evidencetest.RelyingParty, evidencetest.Origin, 2048),
			} {
				m := &evidencetest.Member{Person: evidencetest.Person(name, policies.AdministratorsGroup), Passkey: k}
				w.Pin(m, m.Person.Groups)
				w.by = append(w.by, m)
			}
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

		"taken effect already": {"change-spent", func(w *changing) {
			w.after = func(e *evidence.ChangeEvidence) { w.Trust.Spent = []string{evidence.Digest(e.Statement)} }
		}},
		"older than a change since": {"change-stale", func(w *changing) {
			w.statement.Issued = w.Now.Add(-time.Minute)
			w.Member("bob").Changed = &w.Now
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
