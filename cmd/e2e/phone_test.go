//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/api"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

// TestOnThePhone has alice ask, bob decide and carol review on telephones, each
// page at two widths. Bob takes away without a passkey, there and at a command
// line, and takes a passkey out of the roster.
func TestOnThePhone(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	s.keepsSignInToItself()
	alice, bob := s.signIn("alice", "/", phone()), s.signIn("bob", "/", phone())
	id := s.askOnPhone(alice)
	s.considerOnPhone(bob, id)
	s.approve(id)
	s.reviewOnPhone(s.workByCopiedLine(alice, id))
	s.denyOnPhone(bob)
	s.takeAwayAtTerminal(id)
	s.renamePasskey(bob, "Key on the lanyard")
	s.removePasskey(bob, "Key on the lanyard")
}

// phone is how to open a profile on a telephone in the dark, which has no
// authenticator.
func phone() arguments {
	return arguments{"width": 360, "height": 740, "scheme": "dark", "touch": true, "authenticator": false, "permissions": []string{"clipboard-read", "clipboard-write"}}
}

// fitsPhone looks at the tab's page at two widths: axe finds nothing, nothing
// sticks out, and a finger can hit what the page is for.
func (b *tab) fitsPhone(what string, buttons ...string) {
	b.t.Helper()
	for _, width := range []int{360, 390} {
		b.do("resize", arguments{"width": width, "height": 740})
		b.accessible()
		if wide := get[int](b, "evaluate", arguments{"expression": "document.documentElement.scrollWidth"}); wide > width {
			b.t.Errorf("%s is %d pixels wide on a phone of %d", what, wide, width)
		}
		for _, button := range buttons {
			b.reaches(button, 44)
		}
	}
}

// reaches fails the test unless the one thing that the selector names can be
// brought into view, is so many pixels high, and nothing lies over it.
func (b *tab) reaches(selector string, high float64) {
	b.t.Helper()
	b.see(selector)
	at := get[struct {
		Width, Height float64
		Inside, Hit   bool
	}](b, "reach", arguments{"selector": selector})
	if at.Height < high || at.Width < high || !at.Inside || !at.Hit {
		b.t.Errorf("%s at %s: %s is %+v; it should be %v high, in view and on top", b.name, b.url(), selector, at, high)
	}
}

// keepsSignInToItself looks at who may read what alice's machine keeps.
func (s *story) keepsSignInToItself() {
	s.t.Helper()
	directory := filepath.Join(s.alice.home, ".stint")
	for path, want := range map[string]fs.FileMode{directory: fs.ModeDir | 0o700, filepath.Join(directory, "account.json"): 0o600} {
		info, err := os.Lstat(path)
		if err != nil {
			s.t.Error(err)
		} else if info.Mode() != want {
			s.t.Errorf("%s is %s, not %s", path, info.Mode(), want)
		}
	}
}

// askOnPhone has alice ask for web-1, and returns the request's id.
func (s *story) askOnPhone(alice *tab) string {
	s.t.Helper()
	alice.open(s.Portal + "/ask")
	alice.fill("role=combobox", "web-1")
	alice.press("Enter")
	alice.click(`role=radio[name=/^production-shell/]`)
	alice.click(`label:has-text("1 hour")`)
	alice.fill("textarea", "Orders fail since 09:40: look at /var/log/orders/worker-7/2026-11-23T09-40-00.000Z.log, then restart worker 7")
	alice.see("text=/^Needs /")
	ask := `role=button[name="Ask for ` + s.Login + ` on web-1 for 1 hour"]`
	alice.fitsPhone("asking", ask)
	alice.reaches(`label:has-text("1 hour")`, 24)
	alice.click(ask)
	alice.waitURL("/requests/req-")
	alice.see("role=main >> text=Orders fail since 09:40")
	alice.fitsPhone("the pending request", `role=button[name="Take back the request"]`)
	return path.Base(alice.url())
}

// considerOnPhone has bob look at the card of what alice asked for.
func (s *story) considerOnPhone(bob *tab, id string) {
	s.t.Helper()
	decisions := []string{`role=button[name="Approve with passkey"]`, `role=button[name="Deny"]`}
	bob.open(s.Portal + "/approvals/" + id)
	bob.see("role=article >> text=Orders fail since 09:40")
	bob.see(decisions[0])
	bob.fitsPhone("the card", decisions...)
	bob.click("summary:has-text('The exact text that you sign')")
	bob.see(`[aria-label="The text that you sign"]`)
	bob.fitsPhone("the card with the text", decisions...)
}

// workByCopiedLine has alice copy the line from her access and run it, and
// returns the session.
func (s *story) workByCopiedLine(alice *tab, id string) (session api.Session) {
	s.t.Helper()
	alice.open(s.Portal + "/requests/" + id)
	alice.see("role=timer")
	alice.fitsPhone("the approved request", `role=button[name="Give back `+s.Login+` on web-1"]`)
	alice.open(s.Portal + "/")
	copies := `role=article >> role=button[name="Copy the line to connect with"]`
	alice.see(copies)
	alice.fitsPhone("my access", copies, `role=button[name="I’m done"]`)
	alice.do("evaluate", arguments{"expression": "navigator.clipboard.writeText('nothing')"})
	alice.noteTexts()
	alice.click(copies)
	alice.showed("Copied")
	line := get[string](alice, "evaluate", arguments{"expression": "navigator.clipboard.readText()"})
	if want := "stint ssh " + s.Login + "@web-1"; line != want {
		s.t.Errorf("the clipboard holds %q, not %q", line, want)
	}
	shell := s.alice.open("sh", "-c", line)
	shell.enter(`PS1='\w $ '; clear; ls -la /etc | head -20; sleep 1; echo "at"-work; exit 3`)
	shell.sees("at-work")
	if code := shell.wait(); code != 3 {
		s.t.Errorf("%q ended with %d, the shell with 3:\n%s", line, code, shell.screen)
	}
	s.eventually("the session is over and its recording whole", func() error {
		if session = s.alice.lastSession("web-1"); session.Live || session.ChainVerified != "verified" || session.Request != id {
			return fmt.Errorf("it is %+v", session)
		}
		return nil
	})
	return session
}

// reviewOnPhone has carol look at what there is to review.
func (s *story) reviewOnPhone(session api.Session) {
	s.t.Helper()
	carol := s.signIn("carol", "/sessions", phone())
	link := fmt.Sprintf(`a[href="/sessions/%s"]`, session.ID)
	carol.see(link)
	carol.fitsPhone("the sessions")
	carol.reaches(link, 24)
	carol.click(link)
	play := `role=button[name="Play"]`
	carol.see(play)
	carol.fitsPhone("the replay", play)
	carol.click(play)
	carol.see(`role=button[name="Play again"]`)
	carol.see(screenAt + `:has-text("at-work")`)
	carol.open(s.Portal + "/audit")
	carol.see("text=approved")
	carol.fitsPhone("the audit log")
	carol.open(s.Portal + "/requests/" + session.Request)
	carol.see("text=Who agreed")
	carol.fitsPhone("the request that is reviewed", `role=button[name=/^Revoke/]`)
}

// denyOnPhone has bob deny what alice waits for; his phone has no passkey.
func (s *story) denyOnPhone(bob *tab) {
	s.t.Helper()
	waiting := s.alice.open("stint", "request", "production-shell", "--target", "web-1", "--duration", "15m", "--reason", "Restart everything", "--wait")
	id := waiting.seesMatch(0, `req-[0-9a-z]{10}`)
	bob.open(s.Portal + "/approvals/" + id)
	bob.see("role=article >> text=Restart everything")
	bob.click(`role=button[name="Deny"]`)
	bob.fill("role=alertdialog >> textarea", "Restart worker 7 alone")
	deny := `role=alertdialog >> role=button[name="Deny ` + s.Login + ` on web-1"]`
	bob.fitsPhone("denying", deny)
	bob.click(deny)
	bob.gone("role=alertdialog")
	if code := waiting.wait(); code != 3 {
		s.t.Errorf("stint request --wait ended with %d:\n%s", code, waiting.screen)
	}
	if !strings.Contains(waiting.screen.String(), "State: denied") {
		s.t.Errorf("stint request --wait says:\n%s", waiting.screen)
	}
	s.shows(id, "State: denied", "bob denied alice's ", ": Restart worker 7 alone.")
	bob.open(s.Portal + "/requests/" + id)
	bob.see("text=Restart worker 7 alone")
	bob.fitsPhone("the denied request")
}

// shows fails the test unless stint show says all the words about a request.
func (s *story) shows(id string, words ...string) {
	s.t.Helper()
	text := s.alice.must("stint", "show", id)
	for _, word := range words {
		if !strings.Contains(text, word) {
			s.t.Errorf("stint show does not say %q:\n%s", word, text)
		}
	}
}

// takeAwayAtTerminal has bob deny one request and revoke a grant, with a session
// on it, at his command line.
func (s *story) takeAwayAtTerminal(grant string) {
	s.t.Helper()
	bob := s.openTerminal()
	bob.signIn("bob")
	asked := s.asked("web-1", "20m").ID
	s.alice.refused([]string{"stint: You cannot deny this"}, "stint", "deny", asked)
	if state := s.alice.request(asked).State; state != "pending" {
		s.t.Errorf("after alice tried to deny it herself, her request is %s", state)
	}
	bob.must("stint", "deny", asked, "--reason", "Not while orders are taken")
	s.shows(asked, "State: denied", "bob denied alice's ", ": Not while orders are taken.")

	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	if out := bob.must("stint", "revoke", grant); !strings.Contains(out, "State: ended, revoked") {
		s.t.Errorf("stint revoke says:\n%s", out)
	}
	shell.wait()
	if text := shell.screen.String(); !strings.Contains(text, "stint: access revoked by bob") {
		s.t.Errorf("the terminal does not say why the session ended:\n%s", text)
	}
	s.shows(grant, "State: ended, revoked", "bob revoked alice's ")
	s.alice.refused([]string{"you hold no grant for web-1"}, "stint", "ssh", "web-1", "true")
}

// renamePasskey has bob call his passkey something else.
func (s *story) renamePasskey(phone *tab, name string) {
	s.t.Helper()
	phone.open(s.Portal + "/passkeys")
	phone.see("text=Pinned in the roster")
	phone.fitsPhone("the passkeys", `role=button[name="Add a passkey"]`)
	phone.reaches(`role=button[name="Rename"]`, 24)
	phone.reaches(`role=button[name=/^Remove /]`, 24)
	phone.click(`role=button[name="Rename"]`)
	phone.fill(`form >> role=textbox`, name)
	phone.fitsPhone("renaming", `role=button[name="Save"]`)
	phone.click(`role=button[name="Save"]`)
	phone.see(fmt.Sprintf(`role=article[name="%s"]`, name))
	phone.open(s.Portal + "/passkeys")
	phone.see(fmt.Sprintf(`role=article[name="%s"] >> text=Pinned in the roster`, name))
}

// removePasskey has bob remove his passkey. What it signed and was not handed in
// before counts for nothing then: neither with the broker nor with the signer.
func (s *story) removePasskey(phone *tab, name string) {
	s.t.Helper()
	passkey := s.passkeyOf("bob")
	if passkey.Removed != nil {
		s.t.Fatalf("bob's passkey is removed before he removes it: %+v", passkey)
	}
	before, after := s.asked("web-1", "25m"), s.asked("web-1", "35m")
	inTime, late := s.agreement(before, passkey), s.agreement(after, passkey)
	bundleInTime, bundleLate := s.bundle(before.Statement), s.bundle(after.Statement)
	signer := s.signerAs("broker")
	if status, problem := s.postAsBob("/api/requests/"+before.ID+"/approvals", inTime, nil); status != http.StatusOK || s.alice.request(before.ID).State != "approved" {
		s.t.Errorf("handing in what bob's passkey signed: %d %+v", status, problem)
	}
	if _, err := signer.SignSession(s.t.Context(), wire.SessionRequest{Bundle: bundleInTime}); err != nil {
		s.t.Errorf("the signer refuses an approval by bob's passkey: %v", err)
	}

	phone.click(fmt.Sprintf(`role=article >> role=button[name="Remove %s"]`, name))
	remove := fmt.Sprintf(`role=alertdialog >> role=button[name="Remove “%s”"]`, name)
	phone.fitsPhone("removing", remove)
	phone.click(remove)
	phone.see("text=You have no passkey")

	if passkey := s.passkeyOf("bob"); passkey.Removed == nil {
		s.t.Errorf("the roster still has %+v", passkey)
	}
	if status, problem := s.postAsBob("/api/requests/"+after.ID+"/approvals", late, nil); status != http.StatusNotFound || problem.Code != "request.not-found" {
		s.t.Errorf("handing in what the removed passkey signed: %d %+v", status, problem)
	}
	if state := s.alice.request(after.ID).State; state != "pending" {
		s.t.Errorf("with an approval by the removed passkey, the request is %s", state)
	}
	answer, err := signer.SignSession(s.t.Context(), wire.SessionRequest{Bundle: bundleLate})
	var refusal *wire.Error
	if !errors.As(err, &refusal) || refusal.Code != "evidence.approval-passkey" {
		s.t.Errorf("with an approval by the removed passkey, the signer says %v and issues %q", err, answer.Certificate)
	}
}

// passkeyOf is somebody's only passkey, as the roster has it.
func (s *story) passkeyOf(name string) evidence.Passkey {
	s.t.Helper()
	trust := s.alice.trust()
	for _, one := range trust.Roster.People {
		if one.Person.Name == name && len(one.Passkeys) == 1 {
			return one.Passkeys[0]
		}
	}
	s.t.Fatalf("%s has not one passkey in the roster: %+v", name, trust.Roster)
	return evidence.Passkey{}
}

// agreement is bob's approval of a request, signed and not handed in yet.
func (s *story) agreement(request api.Request, by evidence.Passkey) evidence.SignedByPasskey {
	s.t.Helper()
	var challenge api.SigningChallenge
	if status, problem := s.postAsBob("/api/requests/"+request.ID+"/challenge", api.ApprovalDraft{}, &challenge); status != http.StatusOK {
		s.t.Fatalf("the text to sign for %s: %d %+v", request.ID, status, problem)
	}
	return s.bobSigns(challenge.Statement, by.Credential)
}

// postAsBob calls the API as the page in bob's tab would. It decodes the answer,
// or returns why there is none.
func (s *story) postAsBob(path string, body, into any) (status int, problem api.Error) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Portal+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header = http.Header{"Cookie": {s.sessionCookie(s.bob)}, "Origin": {s.Portal}, "Content-Type": {"application/json"}}
	answer, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 400 {
		into = &problem
	}
	if into != nil {
		err = json.NewDecoder(answer.Body).Decode(into)
	}
	if err != nil {
		s.t.Fatalf("%s: %s, %v", path, answer.Status, err)
	}
	return answer.StatusCode, problem
}
