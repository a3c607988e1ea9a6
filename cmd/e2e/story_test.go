//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"stint/server/api"
)

// story is a world with the people of the path in it: dana, whose passkey signs
// enrolments; bob, who approves; alice, who asks. Each does what they do in the
// portal's pages and at a command line, and each page they come by is checked
// for accessibility.
type story struct {
	*world
	dana, bob *tab
	alice     *terminal
}

// beginStory starts a world in which bob can approve and alice is signed in at
// her command line.
func beginStory(t *testing.T, flags ...string) *story {
	t.Helper()
	s := &story{world: startWorld(t, flags...)}
	s.dana = s.makeFirstAdministrator("dana")
	s.bob = s.signIn("bob", "/", nil)
	s.enrolPasskey(s.bob, "bob", "sre-leads")
	s.alice = s.openTerminal()
	s.alice.signIn("alice")
	return s
}

// makeFirstAdministrator opens the link that stint-dev printed, as somebody who
// is not signed in yet, and makes the passkey.
func (s *story) makeFirstAdministrator(name string) *tab {
	s.t.Helper()
	b := openTab(s.t, name, nil)
	b.open(s.Bootstrap)
	b.see("text=Sign in with your organisation")
	b.accessible()
	b.click("text=Sign in with your organisation")
	s.fillSignIn(b, name)
	b.waitURL("/bootstrap$") // the code is out of the address
	b.see(`role=heading[name="The first administrator"]`)
	b.accessible()
	b.click(`role=button[name="Make my passkey"]`)
	b.see("text=the roster has its first administrator")
	b.accessible()
	return b
}

// enrolPasskey lets a person add a passkey for groups, and dana sign for it.
func (s *story) enrolPasskey(person *tab, name string, groups ...string) {
	s.t.Helper()
	person.open(s.Portal + "/passkeys")
	person.click(`role=button[name="Add a passkey"]`)
	person.see("role=dialog")
	person.accessible()
	for _, group := range groups {
		person.click(fmt.Sprintf(`role=dialog >> role=checkbox[name=/^%s/]`, group))
	}
	person.click(`role=dialog >> role=button[name="Make the passkey"]`)
	person.see("text=Waits for an administrator")
	person.accessible()

	s.dana.open(s.Portal + "/passkeys")
	sign := fmt.Sprintf(`role=article[name="Passkey of %s"] >> role=button[name="Sign with my passkey"]`, name)
	s.dana.see(sign)
	s.dana.accessible()
	s.dana.click(sign)
	s.dana.see("text=Signed: it is in the roster")
	person.see("text=Pinned in the roster")
	person.accessible()
}

// askInPortal fills in the page for asking and returns the new request's id.
func (s *story) askInPortal(b *tab, target, duration, reason string) string {
	s.t.Helper()
	b.open(s.Portal + "/")
	b.see("text=What you may ask for")
	b.accessible()
	b.click(`role=main >> role=link[name="Ask for access"] >> nth=0`)
	b.fill(`role=combobox`, target)
	b.press("Enter")
	b.click(fmt.Sprintf(`label:has-text("%s")`, duration))
	b.fill(`textarea`, reason)
	b.see("text=/^Needs /") // policy's sentence: who must agree
	b.accessible()
	b.click(`role=button[name=/^Ask for .* on ` + target + `/]`)
	b.waitURL("/requests/req-")
	b.see("text=" + reason)
	b.accessible()
	return path.Base(b.url())
}

// approve opens the request's card, reads the text to sign, and signs it.
func (s *story) approve(id string) {
	s.t.Helper()
	s.bob.open(s.Portal + "/approvals/" + id)
	s.bob.see(`role=button[name=/^Approve with passkey/]`)
	s.bob.click("summary:has-text('The exact text that you sign')")
	if text := s.bob.see(`[aria-label="The text that you sign"]`); !strings.Contains(text, id) {
		s.t.Errorf("the text that bob signs does not name %s:\n%s", id, text)
	}
	s.bob.accessible()
	s.bob.click(`role=button[name=/^Approve with passkey/]`)
	s.bob.see("text=/^Approved$/")
}

// grant has alice ask for a target at her command line and bob approve it.
func (s *story) grant(target, duration string) api.Request {
	s.t.Helper()
	request := s.asked(target, duration)
	s.approve(request.ID)
	return s.alice.request(request.ID)
}

// asked has alice ask at her command line.
func (s *story) asked(target, duration string) (request api.Request) {
	s.t.Helper()
	s.alice.json(&request, "request", "production-shell", "--target", target, "--duration", duration, "--reason", "Look into the queue")
	return request
}

// request is a request as the person at the terminal sees it.
func (c *terminal) request(id string) (request api.Request) {
	c.w.t.Helper()
	c.json(&request, "show", id)
	return request
}

// lastSession is the newest session on a target that has ended, or the live one.
func (c *terminal) lastSession(target string) api.Session {
	c.w.t.Helper()
	var page api.Sessions
	c.json(&page, "sessions", "--target", target, "--limit", "1")
	if len(page.Items) == 0 {
		c.w.t.Fatalf("there is no session on %s", target)
	}
	return page.Items[0]
}

// json runs stint with -o json and decodes what it prints.
func (c *terminal) json(into any, arguments ...string) {
	c.w.t.Helper()
	out := c.must("stint", append(arguments, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.w.t.Fatalf("stint %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}
