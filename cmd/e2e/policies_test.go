//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestPolicyPages has carol read what the policy says, try another one and propose it,
// dana sign it below what it would have decided, and bob let carol approve for him; then
// alice act alone, in an emergency, and carol review it; each page at two widths, and what
// has to be typed or pressed without a pointer.
func TestPolicyPages(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t)}
	s.beginApprovals()
	alice := s.signIn("alice", "/ask", nil)
	carol := s.signIn("carol", "/policies", nil)
	s.enrolPasskey(carol, "carol", "security")
	s.askInPortal(alice, "web-1", "15 minutes", "Look into the queue")

	s.readsRoles(carol, alice)
	s.triesAsk(carol)
	s.delegatesByKeyboard(carol)
	s.signsBelowBacktest(s.triesPolicy(carol))
	s.actsAlone(alice, carol)
}

// readsRoles: reviewers read every role, others those that they may ask for.
func (s *story) readsRoles(carol, alice *tab) {
	s.t.Helper()
	carol.open(s.Portal + "/policies")
	carol.see(`role=table[name="Roles"] >> role=link[name="contractor-shell"]`)
	s.wideAndNarrow(carol, "policies")
	carol.tabTo(`role=link[name="customer-data"]`)
	carol.press("Enter")
	carol.waitURL("/policies/roles/customer-data$")
	carol.focusOn(page)
	carol.see(`role=region[name="How few people together"]`)
	text := carol.see(`role=region[name="Who can do what"]`)
	for _, want := range []string{"Approve, security: 1 of 1", "in sre-leads"} {
		if !strings.Contains(text, want) {
			s.t.Errorf("who can do what with customer-data does not say %q:\n%s", want, text)
		}
	}
	s.wideAndNarrow(carol, "policy-role")
	carol.open(s.Portal + "/policies/roles/no-such")
	carol.see("text=There is no such role")

	carol.open(s.Portal + "/policies/separation")
	carol.see(`role=region[name="The rules"] >> text=/^keys-or-customers: /`)
	carol.tabTo(`role=region[name="People and roles, scrolls"]`)
	carol.see(`role=row >> text=alice`)
	s.wideAndNarrow(carol, "separation")

	alice.open(s.Portal + "/policies")
	alice.see(`role=link[name="production-shell"]`)
	if n := get[int](alice, "count", arguments{"selector": `role=link[name="contractor-shell"]`}); n != 0 {
		s.t.Error("alice sees a role that she may not ask for")
	}
	s.wideAndNarrow(alice, "policies-own")
	alice.click(`role=link[name="production-shell"]`)
	alice.see(`role=region[name="What it says"]`)
	alice.gone(`role=region[name="Who can do what"]`)
	alice.accessible()
	for path, says := range map[string]string{"/policies/what-if": "What if is for administrators", "/policies/separation": "Separation of duty is for administrators"} {
		alice.open(s.Portal + path)
		alice.see("text=" + says)
		alice.accessible()
	}
}

// triesAsk has carol read what would happen if alice asked.
func (s *story) triesAsk(carol *tab) {
	s.t.Helper()
	carol.open(s.Portal + "/policies/what-if")
	carol.tabTo(`role=radio[name="Another policy"]`)
	carol.press("ArrowRight")
	carol.fill(`role=combobox[name="Who asks"]`, "alice")
	carol.see("role=option")
	carol.press("Enter")
	carol.fill(`role=combobox[name="Role"]`, "production-shell")
	carol.see("role=option")
	carol.press("Enter")
	would := `role=region[name="What would happen"]`
	carol.see(would + ` >> [data-state="refused"]`)
	carol.see(would + ` >> text="Say why you need it."`)
	carol.fill("textarea", "Look into the queue")
	carol.see(would + ` >> [data-state="needs-approval"]`)
	carol.see(would + ` >> text=/could agree: bob/`)
	s.wideAndNarrow(carol, "what-would-happen")
}

// triesPolicy has carol edit the policy: a fault is gone to, what widens is named as
// such, and what she settles on is proposed. It returns the proposal's address.
func (s *story) triesPolicy(carol *tab) string {
	s.t.Helper()
	carol.open(s.Portal + "/policies/what-if")
	carol.see("text=Edit a file")
	carol.click("role=combobox")
	carol.click("role=option[name=/^roles.yaml/]")
	text := get[string](carol, "evaluate", arguments{"expression": `document.querySelector("textarea").value`})
	carol.fill("textarea", strings.Replace(text, "description: A shell on a production host, to", "descripton: A shell on a production host, to", 1))
	fault := `role=button[name=/^roles.yaml:\d+:\d+$/] >> nth=0`
	carol.see(fault)
	s.wideAndNarrow(carol, "what-if-fault")
	carol.click(fault)
	carol.focusOn("textarea")
	if rest := get[string](carol, "evaluate", arguments{"expression": `document.activeElement.value.slice(document.activeElement.selectionStart)`}); !strings.HasPrefix(rest, "descripton") {
		s.t.Errorf("the fault leads to %.40q", rest)
	}

	alone := strings.Replace(text, "  - name: lead\n    groups: [sre-leads]\n    count: 1\n", "  []\n", 1)
	if alone == text {
		s.t.Fatal("the policy has no such stage any more")
	}
	carol.fill("textarea", alone)
	carol.see(`text=/^It widens: The one recorded request would be decided otherwise/`)
	carol.see(`role=list[name="Requests that would be decided otherwise"] >> [data-state="wider"]`)
	carol.see(`role=region[name="What it changes"] >> text=/^production-shell: /`)
	s.wideAndNarrow(carol, "what-if-wider")

	carol.fill("textarea", strings.Replace(text, "  default: 30m\n", "  default: 20m\n", 1))
	carol.see(`text="The one recorded request would be decided as it was."`)
	carol.tabTo(`role=button[name="Propose this change"]`)
	carol.press("Enter")
	carol.focusOn("role=dialog >> textarea")
	carol.types("Twenty minutes are enough for most")
	carol.accessible()
	carol.tabTo(`role=dialog >> role=button[name="Propose this change"]`)
	carol.press("Enter")
	carol.waitURL("/changes/chg-")
	return carol.url()
}

// signsBelowBacktest: dana reads what recorded requests would come to, above the button.
func (s *story) signsBelowBacktest(link string) {
	s.t.Helper()
	s.dana.open(link)
	s.dana.see(`role=region[name="Recorded requests, decided by it"] >> text="The one recorded request would be decided as it was."`)
	s.wideAndNarrow(s.dana, "change-backtest")
	s.dana.click(`role=button[name="Sign with my passkey"]`)
	s.dana.see(`[data-state] >> text="In force"`)
}

// delegatesByKeyboard has bob let carol approve for him, carol read it, and bob end it.
func (s *story) delegatesByKeyboard(carol *tab) {
	s.t.Helper()
	s.bob.open(s.Portal + "/approvals")
	s.bob.tabTo(`role=link[name="Delegations"]`)
	s.bob.press("Enter")
	s.bob.see(`role=button[name="Let somebody approve for me"]`)
	s.bob.focusOn(page)
	s.bob.tabTo(`role=button[name="Let somebody approve for me"]`)
	s.bob.press("Enter")
	s.bob.tabTo("role=combobox")
	s.bob.types("carol")
	s.bob.see("role=option")
	s.bob.press("Enter")
	s.wideAndNarrow(s.bob, "delegate")
	s.bob.tabTo(`role=button[name="Let carol approve for me, with passkey"]`)
	s.bob.press("Enter")
	given := `role=article[name="carol approves for me"]`
	s.bob.see(given + ` >> [data-state="in-force"]`)
	s.wideAndNarrow(s.bob, "delegations")

	carol.open(s.Portal + "/approvals")
	carol.see("text=/You decide on behalf of bob, by a delegation/")
	carol.see(`role=button[name="Approve with passkey"]`)
	s.wideAndNarrow(carol, "approval-on-behalf")
	carol.open(s.Portal + "/approvals/reviews")
	carol.see("text=No emergency waits for a review")
	carol.accessible()

	s.bob.tabTo(given + ` >> role=button[name="End it now"]`)
	s.bob.press("Enter")
	s.bob.focusOn("role=alertdialog >> *")
	s.bob.tabTo(`role=alertdialog >> role=button[name="End this delegation"]`)
	s.bob.press("Enter")
	s.bob.see(given + ` >> [data-state="ended"]`)
	s.bob.focusOn(page)
	carol.open(s.Portal + "/approvals")
	carol.see("text=Nothing waits for you")
}
