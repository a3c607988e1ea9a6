//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"path"
	"testing"
	"time"

	"stint/server/api"
)

// TestKeyboardAlone walks the portal without a pointer: asking, approving with a
// passkey, giving back, replaying. The focus can be seen at every stop, and
// after every act it is where the person goes on.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := &story{world: startWorld(t)}
	s.beginApprovals()
	alice := s.signIn("alice", "/", nil)
	id := s.askByKeyboard(alice)
	s.approveByKeyboard(id)
	s.replayByKeyboard(s.workRecorded())
	s.giveBackByKeyboard(alice)
}

// page is all that a page of the portal shows beside its frame; a new page has
// the focus there, or itself gives it to what it is for.
const page = "#content, #content *"

// askByKeyboard has alice ask for production-shell on web-1, beginning at the
// home page, and returns the request's id.
func (s *story) askByKeyboard(alice *tab) string {
	s.t.Helper()
	alice.see("text=What you may ask for")
	alice.tabTo("text=Skip to the page")
	alice.press("Enter")
	alice.focusOn("#content")
	alice.tabTo(`role=main >> role=link[name="Ask for access"]`)
	alice.press("Enter")

	alice.focusOn("role=combobox")
	alice.types("env=prod")
	alice.see("role=option")
	alice.press("Enter")
	alice.focusOn("role=combobox")
	alice.tabTo(`role=radio[name=/^production-shell/]`)
	alice.press("Space")
	alice.tabTo(`role=group[name="For how long"] >> role=radio`)
	alice.press("ArrowLeft")
	alice.focusOn(`role=radio[name="15 minutes"]`)
	alice.tabTo("textarea")
	alice.types("Look into the queue")
	alice.tabTo(`role=button[name="Ask for ` + s.Login + ` on web-1 for 15 minutes"]`)
	alice.press("Space")
	alice.waitURL("/requests/req-")
	alice.see(`role=button[name="Take back the request"]`)
	alice.focusOn(page)

	// A dialog keeps the focus to itself, and gives it back.
	alice.tabTo(`role=button[name="Take back the request"]`)
	alice.press("Enter")
	alice.focusOn("role=alertdialog >> role=button")
	for range 2 {
		alice.press("Tab")
		alice.focusOn("role=alertdialog >> role=button")
	}
	alice.press("Escape")
	alice.gone("role=alertdialog")
	alice.focusOn(`role=button[name="Take back the request"]`)
	// So does the palette.
	alice.press("Control+k")
	alice.focusOn(`role=dialog[name="Go to"] >> role=combobox`)
	alice.press("Escape")
	alice.gone(`role=dialog[name="Go to"]`)
	alice.focusOn(`role=button[name="Take back the request"]`)
	return path.Base(alice.url())
}

// approveByKeyboard has bob find the request and approve it, beginning at the
// home page.
func (s *story) approveByKeyboard(id string) {
	s.t.Helper()
	s.bob.open(s.Portal + "/")
	s.bob.see("text=What you may ask for")
	s.bob.tabTo(`role=navigation[name="Places"] >> role=link[name=/^Approvals/]`)
	s.bob.press("Enter")
	s.bob.see("role=article >> text=Look into the queue")
	s.bob.focusOn(page)

	s.bob.tabTo(`role=button[name="Deny"]`)
	s.bob.press("Enter")
	s.bob.focusOn("role=alertdialog >> textarea")
	s.bob.press("Escape")
	s.bob.gone("role=alertdialog")
	s.bob.focusOn(`role=button[name="Deny"]`)

	s.bob.press("Shift+Tab")
	s.bob.focusOn("summary")
	s.bob.press("Enter")
	s.bob.see(fmt.Sprintf(`[aria-label="The text that you sign"]:has-text("%s")`, id))
	s.bob.tabTo(`role=button[name="Approve with passkey"]`)
	s.bob.noteTexts()
	s.bob.press("Enter")
	s.bob.showed("Approved")
	s.bob.see("text=Nothing waits for you")
	s.bob.focusOn(page)
}

// workRecorded has alice work on web-1 for the replay, and returns the session. It is
// shorter than what one key goes through, on a machine that did not stand still meanwhile.
func (s *story) workRecorded() (session api.Session) {
	s.t.Helper()
	s.alice = s.openTerminal()
	s.alice.signIn("alice")
	for range tries {
		s.alice.exits(0, "begun\nover\n", "", "stint", "ssh", "web-1", "echo begun; sleep 2; echo over")
		s.eventually("the session is over and its recording whole", func() error {
			if session = s.alice.lastSession("web-1"); session.Live || session.ChainVerified != "verified" {
				return fmt.Errorf("it is %+v", session)
			}
			return nil
		})
		if session.Ended.Sub(session.Started) < 4*time.Second {
			break
		}
	}
	return session
}

// replayByKeyboard has carol find the session and replay it, beginning at the
// list of sessions.
func (s *story) replayByKeyboard(session api.Session) {
	s.t.Helper()
	carol := s.signIn("carol", "/sessions", nil)
	carol.see("role=table")
	carol.tabTo(fmt.Sprintf(`a[href="/sessions/%s"]`, session.ID))
	carol.press("Enter")
	const screen, slider = `role=group[name="Screen"]`, `role=slider[name="Moment"]`
	carol.see(slider)
	carol.focusOn(page)
	shows := func(words string) { s.t.Helper(); carol.see(fmt.Sprintf(`%s:has-text("%s")`, screenAt, words)) }
	hides := func(words string) {
		s.t.Helper()
		carol.see(fmt.Sprintf(`%s:not(:has-text("%s"))`, screenAt, words))
	}

	// The keys work wherever in the player the focus is: on the screen,
	carol.tabTo(screen)
	carol.press("End")
	shows("over")
	carol.press("ArrowLeft")
	hides("over")
	carol.press("ArrowRight")
	shows("over")
	carol.press("Home")
	hides("over")
	carol.press(".")
	shows("begun")
	hides("over")
	// on the slider,
	carol.tabTo(slider)
	carol.press("ArrowRight")
	shows("over")
	carol.press("ArrowLeft")
	hides("over")
	// and on the buttons. Nothing holds the focus back.
	carol.tabTo(`role=checkbox[name="Skip idle"]`)
	carol.press("Space")
	carol.tabTo(`role=radiogroup[name="Speed"] >> role=radio`)
	carol.press("ArrowLeft")
	carol.focusOn(`role=radio[name="0.5×"]`)
	for range 6 {
		carol.press("Shift+Tab")
	}
	carol.focusOn(screen)
	for _, at := range []string{screen, slider, `role=button[name="Play"]`} {
		if at != screen {
			carol.tabTo(at)
		}
		carol.press("Home")
		carol.press("Space")
		carol.see(`role=button[name="Pause"]`)
		s.eventually("it plays", func() error {
			if now := get[float64](carol, "evaluate", arguments{"expression": `document.querySelector("[aria-label=Moment]").valueAsNumber`}); now == 0 {
				return errors.New("it is at its beginning")
			}
			return nil
		})
		carol.press("Space")
		carol.see(`role=button[name="Play"]`)
	}
	carol.press("ArrowRight")
	shows("over")
}

// giveBackByKeyboard has alice end her access, beginning at the home page.
func (s *story) giveBackByKeyboard(alice *tab) {
	s.t.Helper()
	alice.open(s.Portal + "/")
	alice.see("role=timer")
	alice.tabTo(`role=button[name="I’m done"]`)
	alice.press("Enter")
	alice.focusOn("role=alertdialog >> role=button")
	alice.tabTo(fmt.Sprintf(`role=alertdialog >> role=button[name="Give back %s on web-1"]`, s.Login))
	alice.press("Enter")
	alice.gone("role=alertdialog")
	alice.see(`role=region[name="What you hold now"] >> text=/^Nothing/`)
	alice.focusOn(page) // though the button that began it is gone
}

// tabTo presses Tab until the focus is on what the selector names. It fails the
// test where that is far, or where a stop on the way cannot be seen.
func (b *tab) tabTo(selector string) { b.t.Helper(); b.do("tabTo", arguments{"selector": selector}) }

// focusOn waits until the focus is on what the selector names, and stays.
func (b *tab) focusOn(selector string) {
	b.t.Helper()
	b.do("focusOn", arguments{"selector": selector})
}

// types presses the keys of a text.
func (b *tab) types(text string) { b.t.Helper(); b.do("type", arguments{"text": text}) }
