//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// TestAdministrationByKeyboard walks the pages of administrators without a pointer,
// at two widths: a change proposed and signed, somebody suspended, an alarm
// acknowledged, a device blocked. What a role asks of machines is told to whoever
// is about to ask for it.
func TestAdministrationByKeyboard(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t), looking: true}
	s.makeAdministratorByKeyboard("dana")
	s.bob = s.signIn("bob", "/", nil)
	s.enrolPasskey(s.bob, "bob", "sre-leads")
	administrator := s.openTerminal()
	administrator.signIn("dana")
	s.alice = s.openTerminal()
	s.alice.signIn("alice")

	link := s.proposePolicy(administrator, "longest: 4h\nreason: required\n",
		"longest: 4h\nreason: required\ndevice: {required: true, posture: {require: [firewall], protection: [Wazuh]}}\n", "Machines are looked after")
	s.signByKeyboard(link)
	if out := s.alice.must("stint", "roles"); !strings.Contains(out, "\nproduction-shell: ") || !strings.Contains(out, " It is used from an enrolled device only. Its firewall is on. Wazuh runs on it.") {
		t.Errorf("stint roles says\n%s", out)
	}
	alice := s.signIn("alice", "/ask", nil)
	s.readsWhatRoleAsks(alice)
	s.proposeByKeyboard()
	s.acknowledgeByKeyboard()
	s.alice.must("stint", "device", "enroll", "--file", "--name", "Alice's laptop")
	s.readsOfDevice(alice)
	s.blockByKeyboard()
	s.suspendByKeyboard("alice")
	s.readsLargeChange(administrator)
}

// wideAndNarrow looks at a page with axe, wide and light, narrow and dark: nothing
// sticks out.
func (s *story) wideAndNarrow(b *tab, name string) {
	s.t.Helper()
	for _, look := range []struct {
		width  int
		scheme string
	}{{390, "dark"}, {1280, "light"}} {
		b.do("scheme", arguments{"scheme": look.scheme})
		b.do("resize", arguments{"width": look.width, "height": 800})
		b.accessible()
		s.look(b, fmt.Sprintf("%s-%d", name, look.width))
		if wide := get[int](b, "evaluate", arguments{"expression": "document.documentElement.scrollWidth"}); wide > look.width {
			s.t.Errorf("%s is %d pixels wide in a window of %d", name, wide, look.width)
		}
	}
}

// makeAdministratorByKeyboard has somebody join at the signer's own page.
func (s *story) makeAdministratorByKeyboard(name string) {
	s.t.Helper()
	s.dana = openTab(s.t, name, nil)
	s.dana.open(s.Ceremony)
	s.dana.see(fmt.Sprintf(`role=heading[name="Welcome, %s"]`, name))
	s.wideAndNarrow(s.dana, "ceremony")
	s.dana.tabTo("#passkey")
	s.dana.press("Control+a")
	s.dana.types("Laptop")
	s.dana.tabTo("#make-button")
	s.dana.press("Enter")
	s.dana.see(`[aria-label="The text that you sign"]`)
	s.dana.focusOn("#title")
	s.dana.accessible()
	s.dana.tabTo(`[aria-label="The text that you sign"]`)
	s.dana.tabTo("#sign-button")
	s.dana.press("Enter")
	s.dana.see("text=Your passkey is in the signer’s roster")
	s.dana.focusOn("#title")
	s.dana.open(s.Portal + "/auth/login?return_to=/")
	s.fillSignIn(s.dana, name)
	s.dana.waitURL("^" + s.Portal + "/")
}

// signByKeyboard has dana read a change of the policy, and sign it.
func (s *story) signByKeyboard(link string) {
	s.t.Helper()
	s.dana.open(link)
	s.dana.see(`[data-mark="+"] >> text=/device: /`)
	s.wideAndNarrow(s.dana, "change-policy")
	s.dana.tabTo(`summary:has-text("roles.yaml")`)
	s.dana.press("Enter")
	s.dana.gone(`[data-mark="+"]`)
	s.dana.press("Enter")
	s.dana.tabTo(`pre[aria-label="roles.yaml, changed"]`)
	s.dana.tabTo("summary:has-text('The exact text that administrators sign')")
	s.dana.press("Enter")
	s.dana.see(`[aria-label="The text of the change"]`)
	s.dana.tabTo(`role=button[name="Sign with my passkey"]`)
	s.dana.press("Enter")
	s.dana.see(`[data-state] >> text="In force"`)
	s.dana.focusOn(page)
}

// readsWhatRoleAsks: before asking, alice reads that the role is used from an
// enrolled device, what that must say, and how to enrol one.
func (s *story) readsWhatRoleAsks(alice *tab) {
	s.t.Helper()
	for page, who := range map[string]string{"/people": "People are for administrators", "/changes": "Changes are for administrators", "/alarms": "Alarms are for reviewers"} {
		alice.open(s.Portal + page)
		alice.see("text=" + who)
		alice.accessible()
	}
	alice.open(s.Portal + "/ask")
	alice.fill("role=combobox", "web-1")
	alice.press("Enter")
	alice.see(`label:has-text("production-shell") >> text=/From an enrolled device only/`)
	machine := `role=region[name="The machine for production-shell"]`
	alice.see(machine)
	alice.see(machine + ` >> text="You have enrolled no device that counts. On the machine that you will work from:"`)
	text := alice.see(machine)
	for _, want := range []string{"It is used from an enrolled device only.", "Its firewall is on.", "Wazuh runs on it.", "stint device enroll"} {
		if !strings.Contains(text, want) {
			s.t.Errorf("%q is not in what alice reads before she asks:\n%s", want, text)
		}
	}
	s.wideAndNarrow(alice, "ask-without-device")
	alice.tabTo(machine + ` >> role=button[name="Copy the command that enrols a device"]`)
}

// readsOfDevice: with a device, alice reads what the role makes of it now.
func (s *story) readsOfDevice(alice *tab) {
	s.t.Helper()
	machine := `role=region[name="The machine for production-shell"]`
	alice.see(machine + ` >> text=/Alice's laptop is enrolled, and in what state it is was not heard lately/`) // the page is live
	alice.accessible()
}

// proposeByKeyboard has dana propose other groups for bob, and sign.
func (s *story) proposeByKeyboard() {
	s.t.Helper()
	s.dana.open(s.Portal + "/people")
	groups := `role=article[name="bob"] >> role=button[name="Change groups…"]`
	s.dana.see(groups)
	s.wideAndNarrow(s.dana, "people")
	s.dana.tabTo(groups)
	s.dana.press("Enter")
	s.dana.focusOn("role=dialog >> *")
	s.dana.press("Escape")
	s.dana.gone("role=dialog")
	s.dana.focusOn(groups)
	s.dana.press("Enter")
	s.dana.tabTo(`role=dialog >> role=checkbox[name=/^security/]`)
	s.dana.press("Space")
	s.dana.tabTo(`role=dialog >> textarea`)
	s.dana.types("He moved to the security team")
	s.dana.accessible()
	s.dana.tabTo(`role=dialog >> role=button[name="Propose"]`)
	s.dana.press("Enter")
	s.dana.waitURL("/changes/chg-")
	s.dana.see("text=bob is to be in security, sre-leads")
	s.dana.focusOn(page)
	s.dana.tabTo(`role=button[name="Sign with my passkey"]`)
	s.dana.press("Enter")
	s.dana.see(`[data-state] >> text="In force"`)
	s.dana.focusOn(page)
}

// acknowledgeByKeyboard has dana look into alarms. What comes meanwhile moves
// nothing while the focus is in the list.
func (s *story) acknowledgeByKeyboard() {
	s.t.Helper()
	database := s.openDatabase()
	raise := func(number int, kind, title string) {
		database.exec(`INSERT INTO alarms (id, number, kind, cause, title, request, session, detail, raised, acknowledged, acknowledged_by, reason)
			VALUES (?, ?, ?, ?, ?, '', '', 'Entry 17: as it was found', ?, 0, '', '')`,
			fmt.Sprintf("alm-made-%05d", number), 1_000_000+number, kind, title, title, time.Now().UnixMicro())
	}
	raise(1, "serial-without-entry", "The first finding.")
	raise(2, "signature-by-wrong-key", "The second finding.")
	s.dana.open(s.Portal + "/alarms")
	s.dana.see(`role=article[name="The first finding."] >> text=/stint keys rotate --now --purpose target-ca/`)
	acknowledge := `role=button[name="Acknowledge this alarm: The second finding."]`
	s.dana.tabTo(acknowledge)

	// Somebody is at the list: what is new waits.
	raise(3, "ledger-forked", "The third finding.")
	s.dana.see(`role=button[name="Show 1 new entry"]`)
	s.dana.focusOn(acknowledge)
	if first := s.dana.see("role=article >> nth=0 >> h2"); first != "The second finding." {
		s.t.Errorf("%q has come in front while somebody was at the list", first)
	}
	s.dana.press("Enter")
	s.dana.focusOn("role=dialog >> *")
	s.dana.tabTo("role=dialog >> textarea")
	s.dana.types("A drill with a copied key")
	s.dana.accessible()
	s.dana.tabTo(`role=dialog >> role=button[name="Acknowledge with this reason"]`)
	s.dana.press("Enter")
	s.dana.gone("role=dialog")
	s.dana.focusOn(page)
	s.dana.see(`role=article[name="The third finding."]`)
	s.dana.gone(`role=article[name="The second finding."]`)
	s.dana.tabTo(`role=radio[name="Open"]`)
	s.dana.press("ArrowRight")
	s.dana.see(`role=article[name="The second finding."] >> text=A drill with a copied key`)
	s.wideAndNarrow(s.dana, "alarms-all")
}

// blockByKeyboard has dana block alice's laptop.
func (s *story) blockByKeyboard() {
	s.t.Helper()
	s.dana.open(s.Portal + "/devices")
	s.dana.see("text=You have enrolled no device")
	s.dana.accessible()
	s.dana.tabTo(`role=radio[name="Mine"]`)
	s.dana.press("ArrowRight")
	block := `role=button[name="Block Alice's laptop"]`
	s.dana.see(block)
	s.wideAndNarrow(s.dana, "devices-all")
	s.dana.tabTo(block)
	s.dana.press("Enter")
	s.dana.focusOn("role=alertdialog >> *")
	s.dana.tabTo("role=alertdialog >> textarea")
	s.dana.types("Left on a train")
	s.dana.tabTo(`role=alertdialog >> ` + block)
	s.dana.press("Enter")
	s.dana.gone("role=alertdialog")
	s.dana.see(`role=article[name="Alice's laptop"] >> text=Left on a train`)
	s.dana.focusOn(page)
}

// suspendByKeyboard has dana suspend somebody.
func (s *story) suspendByKeyboard(whom string) {
	s.t.Helper()
	s.dana.open(s.Portal + "/people?everybody=true")
	suspend := fmt.Sprintf(`role=button[name="Suspend %s"]`, whom)
	s.dana.see(suspend)
	s.dana.tabTo(suspend)
	s.dana.press("Enter")
	s.dana.focusOn("role=alertdialog >> *")
	s.dana.tabTo("role=alertdialog >> " + suspend)
	s.dana.press("Enter")
	s.dana.gone("role=alertdialog")
	s.dana.see(fmt.Sprintf(`role=article[name="%s"] >> text=Suspended`, whom))
	s.dana.focusOn(page)
	s.dana.accessible()
}

// readsLargeChange: of a change that is as large as they come, dana reads the words
// first. What is not on the screen cannot be signed, the files are asked for once, and
// no more of them is shown at once than a telephone bears.
func (s *story) readsLargeChange(by *terminal) {
	s.t.Helper()
	dir := filepath.Join(by.home, "large")
	by.must("stint", "policy", "show", "--write", dir)
	var roles, remarks strings.Builder
	for n := range 30 {
		fmt.Fprintf(&roles, "---\nkind: Role\nname: team-%02d\ndescription: A shell for a team.\nrequesters: [engineering]\n"+
			"targets: {labels: {env: demo}}\nlogins: [%q]\nduration: {default: 15m, longest: 1h}\nreason: required\napproval: []\n", n, s.Login)
	}
	for n := range 9000 {
		fmt.Fprintf(&remarks, "# Remark %d, which somebody wrote and nobody reads, about nothing at all\n", n)
	}
	for name, text := range map[string]string{"teams.yaml": strings.TrimPrefix(roles.String(), "---\n"), "roles.yaml": remarks.String()} {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			s.t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	var change api.Change
	by.json(&change, "policy", "propose", dir, "--reason", "Thirty teams join")

	s.dana.open(s.Portal + "/changes")
	read := `role=link[name="Read the rest, and sign"]`
	s.dana.see(read)
	if signs := get[int](s.dana, "count", arguments{"selector": `role=button[name="Sign with my passkey"]`}); signs > 0 {
		s.t.Error("a change of which a part is shown can be signed in the list")
	}
	s.dana.tabTo(read)
	s.dana.press("Enter")
	s.dana.waitURL("/changes/" + change.ID)
	s.dana.see("text=/more changes stand in the files only/")
	s.dana.see(`role=button[name="Sign with my passkey"]`)
	lines := func() int {
		s.t.Helper()
		return get[int](s.dana, "count", arguments{"selector": `pre[aria-label="roles.yaml, changed"] > [data-mark]`})
	}
	s.dana.see(`summary:has-text("roles.yaml")`)
	if shown := lines(); shown != 0 {
		s.t.Errorf("%d lines of the long file stand open", shown)
	}
	s.dana.tabTo(`summary:has-text("roles.yaml")`)
	s.dana.press("Enter")
	more := `role=button[name="Show 400 more of roles.yaml"]`
	s.dana.see(more)
	if shown := lines(); shown != 400 {
		s.t.Errorf("%d lines of the long file are shown at once", shown)
	}
	s.dana.tabTo(more)
	s.dana.press("Enter")
	s.dana.see(`pre[aria-label="roles.yaml, changed"] > [data-mark] >> nth=799`)
	s.dana.focusOn(more)

	type calls struct{ Short, Whole int }
	s.eventually("the page asks for the change over and over, and for its files once", func() error {
		made := get[calls](s.dana, "evaluate", arguments{"expression": fmt.Sprintf(`(() => {
			const made = performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.includes("/api/changes/%s"));
			const short = made.filter((name) => name.endsWith("?files=false")).length;
			return { short, whole: made.length - short };
		})()`, change.ID)})
		switch {
		case made.Whole != 1:
			s.t.Fatalf("the files were asked for %d times", made.Whole)
		case made.Short < 3:
			return errors.New("it has asked a few times only")
		}
		return nil
	})
}
