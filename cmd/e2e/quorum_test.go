//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/api"
)

// TestQuorum: administrators change the policy and somebody's groups, in the
// portal and with their own passkeys; once the policy says two, neither alone can.
// Then somebody is suspended, and reads why.
func TestQuorum(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t), looking: true}
	s.dana = s.makeFirstAdministrator("dana")
	s.bob = s.signIn("bob", "/", nil)
	s.enrolPasskey(s.bob, "bob", "sre-leads")
	// What he is in stays, whatever else a passkey is to count for.
	s.bob.click(`role=button[name="Add a passkey"]`)
	s.bob.see(`role=dialog >> role=checkbox[name=/^sre-leads/][checked][disabled]`)
	s.accessible(s.bob)
	s.bob.press("Escape")
	carol := s.signIn("carol", "/", arguments{"width": 390, "height": 844, "scheme": "dark", "touch": true})
	s.enrolPasskey(carol, "carol", "administrators")
	proposer := s.openTerminal()
	proposer.signIn("dana")

	// 1. One administrator is enough to say that it takes two.
	first := s.proposePolicy(proposer, "quorum: 1\n", "quorum: 2\n", "Nobody should do this alone")
	s.signChange(s.dana, first, "In force")
	s.dana.see("text=The broker and the signer decide by different policies")

	// 2. Groups: proposed on the page People, signed by both.
	s.dana.open(s.Portal + "/people")
	s.dana.see(`role=article[name="bob"] >> text=counts for sre-leads`)
	s.accessible(s.dana)
	s.look(s.dana, "people")
	s.dana.click(`role=article[name="bob"] >> role=button[name="Change groups…"]`)
	s.dana.see("role=dialog")
	s.accessible(s.dana)
	s.look(s.dana, "groups")
	s.dana.click(`role=dialog >> role=checkbox[name=/^security/]`)
	s.dana.fill(`role=dialog >> textarea`, "He moved to the security team")
	s.dana.click(`role=dialog >> role=button[name="Propose"]`)
	s.dana.waitURL("/changes/chg-")
	if text := s.readChange(s.dana); !strings.Contains(text, "\nchange: groups\n") || !strings.Contains(text, `groups: "security", "sre-leads"`) {
		t.Errorf("the text to sign is\n%s", text)
	}
	groups := s.dana.url()
	s.signChange(s.dana, groups, "Needs 1 signature")
	s.dana.see("text=1 of 2 administrators have signed")
	s.look(s.dana, "change")
	carol.open(s.Portal + "/changes")
	carol.see("text=bob is to be in security, sre-leads")
	s.accessible(carol)
	s.look(carol, "changes")
	s.signChange(carol, groups, "In force")
	s.dana.open(s.Portal + "/people")
	s.dana.see(`role=article[name="bob"] >> text=counts for security, sre-leads`)

	// 3. The policy, by both.
	second := s.proposePolicy(proposer, "longest: 4h", "longest: 1h", "Four hours are too many")
	s.signChange(s.dana, second, "Needs 1 signature")
	carol.open(second)
	carol.see("text=Change the policy: Four hours are too many")
	carol.see(`[data-mark="-"] >> text=/longest: 4h/`)
	carol.see(`[data-mark="+"] >> text=/longest: 1h/`)
	s.accessible(carol)
	s.look(carol, "policy")
	s.signChange(carol, second, "In force")
	carol.open(s.Portal + "/changes?over=true")
	carol.see("text=Change the policy: Four hours are too many")
	s.accessible(carol)
	s.look(carol, "history")

	// 4. Suspending is one person's act, but for one of the last two who can undo it.
	s.alice = s.openTerminal()
	s.alice.signIn("alice")
	pending := s.asked("web-1", "30m")
	alice := s.signIn("alice", "/", nil)
	s.suspend(s.dana, "/people", "carol", "role=dialog >> text=Enrol another administrator first.")
	s.suspend(s.dana, "/people?everybody=true", "alice", `role=article[name="alice"] >> text=Suspended`)
	alice.open(s.Portal + "/")
	alice.see("text=/You were suspended by dana .*left the company/")
	s.look(alice, "suspended")
	if out, complaints, err := s.alice.run("stint", "roles"); err == nil || !strings.Contains(complaints, "You were suspended by dana") {
		t.Errorf("at her command line: %s%s, %v", out, complaints, err)
	}
	var ended api.Request
	proposer.json(&ended, "show", pending.ID)
	if ended.State != "withdrawn" {
		t.Errorf("her request is %s", ended.State)
	}
}

// proposePolicy edits the policy in force and proposes it, at a terminal. It
// returns the page where it is signed.
func (s *story) proposePolicy(by *terminal, old, new, reason string) string {
	s.t.Helper()
	dir := filepath.Join(by.home, "policy")
	if err := os.RemoveAll(dir); err != nil {
		s.t.Fatal(err)
	}
	by.must("stint", "policy", "show", "--write", dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("the policy was not written: %v", err)
	}
	changed := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		after := strings.ReplaceAll(string(text), old, new)
		changed = changed || after != string(text)
		if err := os.WriteFile(file, []byte(after), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	if !changed {
		s.t.Fatalf("the policy has no %q", old)
	}
	var change api.Change
	by.json(&change, "policy", "propose", dir, "--reason", reason)
	return strings.TrimSpace(by.must("stint", "changes", "sign-link", change.ID))
}

// readChange opens the exact text of the change that a tab shows.
func (s *story) readChange(b *tab) string {
	s.t.Helper()
	b.click("summary:has-text('The exact text that administrators sign')")
	return b.see(`[aria-label="The text of the change"]`)
}

// signChange signs a change on its page and waits for what it is then.
func (s *story) signChange(b *tab, page, becomes string) {
	s.t.Helper()
	b.open(page)
	b.click(`role=button[name="Sign with my passkey"]`)
	b.see(`[data-state] >> text="` + becomes + `"`)
	s.accessible(b)
}

// suspend tries to suspend somebody on a page of people, and waits for what the
// page says then.
func (s *story) suspend(b *tab, page, whom, becomes string) {
	s.t.Helper()
	b.open(s.Portal + page)
	b.click(`role=button[name="Suspend ` + whom + `"]`)
	b.fill(`role=alertdialog >> textarea`, "left the company")
	s.accessible(b)
	s.look(b, "suspend-"+whom)
	b.click(`role=alertdialog >> role=button[name="Suspend ` + whom + `"]`)
	b.see(strings.Replace(becomes, "role=dialog", "role=alertdialog", 1))
}

// look keeps a picture of a page where STINT_LOOK names a directory.
func (s *story) look(b *tab, name string) {
	if dir := os.Getenv("STINT_LOOK"); dir != "" {
		b.do("screenshot", arguments{"path": filepath.Join(dir, name+".png"), "fullPage": true})
	}
}
