package evidence_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

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
		"in force already": {"policy-spent", func(w *ruling) {
			w.after = func(e *evidence.PolicyEvidence) { w.Trust.Spent = []string{evidence.Digest(e.Statement)} }
		}},
		"before itself":  {"policy-after", func(w *ruling) { w.statement.After = w.statement.Before }},
		"another digest": {"policy-after", func(w *ruling) { w.statement.After = "sha256:" + strings.Repeat("0", 64) }},
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
