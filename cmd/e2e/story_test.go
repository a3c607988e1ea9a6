//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// story is a world with the people of the path in it: dana, whose passkey signs
// enrolments; bob, who approves; alice, who asks; carol, who reviews. Each does
// what they do in the portal's pages or at a command line.
type story struct {
	*world
	dana, bob    *tab
	alice, carol *terminal
	// looking has axe look at every page on the way. Once in a run is enough.
	looking bool
}

// beginStory starts a world in which bob can approve, and alice and carol are
// signed in at their command lines.
func beginStory(t *testing.T, flags ...string) *story {
	t.Helper()
	s := &story{world: startWorld(t, flags...)}
	s.begin()
	return s
}

func (s *story) begin() {
	s.t.Helper()
	s.beginApprovals()
	s.alice, s.carol = s.openTerminal(), s.openTerminal()
	s.alice.signIn("alice")
	s.carol.signIn("carol")
}

// beginApprovals makes dana the first administrator, and bob an approver.
func (s *story) beginApprovals() {
	s.t.Helper()
	s.dana = s.makeFirstAdministrator("dana")
	s.bob = s.signIn("bob", "/", nil)
	s.enrolPasskey(s.bob, "bob", "sre-leads")
}

// accessible fails the test for everything that axe finds on a tab's page.
func (s *story) accessible(b *tab) {
	s.t.Helper()
	if s.looking {
		b.accessible()
	}
}

// makeFirstAdministrator opens the link to the signer's own page that stint-dev
// printed, makes the passkey there, and signs the text that the page shows. Then the person
// signs in to the portal with the same browser.
func (s *story) makeFirstAdministrator(name string) *tab {
	s.t.Helper()
	b := openTab(s.t, name, nil)
	b.open(s.Ceremony)
	b.see(fmt.Sprintf(`role=heading[name="Welcome, %s"]`, name))
	b.waitURL("^http://localhost:[0-9]+/$") // the secret is out of the address
	s.accessible(b)
	b.fill("#passkey", "Laptop")
	b.click(`role=button[name="Make my passkey"]`)
	if text := b.see(`[aria-label="The text that you sign"]`); !strings.Contains(text, "\nname: \""+name+"\"\n") {
		s.t.Errorf("the text that %s signs does not name them:\n%s", name, text)
	}
	s.accessible(b)
	b.click(`role=button[name="Sign with my passkey"]`)
	b.see("text=Your passkey is in the signer’s roster")
	s.accessible(b)
	b.open(s.Portal + "/auth/login?return_to=/")
	s.fillSignIn(b, name)
	b.waitURL("^" + s.Portal + "/")
	return b
}

// enrolPasskey lets a person add a passkey for groups, and dana sign for it.
func (s *story) enrolPasskey(person *tab, name string, groups ...string) {
	s.t.Helper()
	person.open(s.Portal + "/passkeys")
	person.click(`role=button[name="Add a passkey"]`)
	person.see("role=dialog")
	s.accessible(person)
	for _, group := range groups {
		if name == "carol" { // who may ask for nothing is not offered what approves it
			person.fill(`role=dialog >> role=textbox[name=/^Another group/]`, group)
			continue
		}
		person.click(fmt.Sprintf(`role=dialog >> role=checkbox[name=/^%s/]`, group))
	}
	person.click(`role=dialog >> role=button[name="Make the passkey"]`)
	person.see("text=Waits for an administrator")
	s.accessible(person)

	s.dana.open(s.Portal + "/passkeys")
	sign := fmt.Sprintf(`role=article[name="Passkey of %s"] >> role=button[name="Sign with my passkey"]`, name)
	s.dana.see(sign)
	s.accessible(s.dana)
	s.dana.noteTexts()
	s.dana.click(sign)
	s.dana.showed("Signed: it is in the roster")
	person.see("text=Pinned in the roster")
	s.accessible(person)
}

// askInPortal fills in the page for asking and returns the new request's id.
func (s *story) askInPortal(b *tab, target, duration, reason string) string {
	s.t.Helper()
	b.open(s.Portal + "/")
	b.see("text=What you may ask for")
	s.accessible(b)
	b.click(`role=main >> role=link[name="Ask for access"] >> nth=0`)
	b.fill(`role=combobox`, target)
	b.press("Enter")
	b.click(fmt.Sprintf(`label:has-text("%s")`, duration))
	b.fill(`textarea`, reason)
	b.see("text=/^Needs /") // policy's sentence: who must agree
	s.accessible(b)
	b.click(`role=button[name=/^Ask for .* on ` + target + `/]`)
	b.waitURL("/requests/req-")
	b.see("text=" + reason)
	s.accessible(b)
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
	s.accessible(s.bob)
	s.bob.noteTexts()
	s.bob.click(`role=button[name=/^Approve with passkey/]`)
	s.bob.showed("Approved")
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

// tries is how often what is promised within a second is tried: this machine may stand
// still meanwhile, though not each time.
const tries = 3

// soonest does something that must take less than a second, and again where it took longer.
func (w *world) soonest(what string, try func() time.Duration) {
	w.t.Helper()
	for range tries {
		took := try()
		w.t.Logf("%s: %s", what, took)
		if took < time.Second {
			return
		}
	}
	w.t.Errorf("%s: not once within a second", what)
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
