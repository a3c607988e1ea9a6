//go:build e2e

package e2e

import (
	"net/url"
	"path"
)

// administrator signs dana in and makes her the first administrator, with the
// one-time code of the ready file.
func (w *world) administrator() *tab {
	w.t.Helper()
	if w.Bootstrap == "" {
		w.t.Fatal("the ready file holds no bootstrap link")
	}
	dana := openTab(w.t, "dana", nil)
	dana.open(w.Bootstrap)
	// The link works for whoever is not signed in: it comes back after the sign-in.
	dana.click("role=link[name=/Sign in/]")
	w.fillSignIn(dana, "dana")
	dana.click(`role=button[name="Make my passkey"]`)
	dana.see("text=Done: the roster has its first administrator")
	return dana
}

// approver signs somebody in, enrols a passkey of theirs for a group, and has
// the administrator sign it.
func (w *world) approver(name, group string, administrator *tab) *tab {
	w.t.Helper()
	b := w.signIn(name, "/passkeys", nil)
	b.click(`role=button[name="Add a passkey"]`)
	b.click(`role=dialog >> role=checkbox[name=/^` + group + `/]`)
	b.click(`role=dialog >> role=button[name="Make the passkey"]`)
	b.see("text=Waits for an administrator")
	administrator.open(w.Portal + "/passkeys")
	administrator.click(`role=article[name="Passkey of ` + name + `"] >> role=button[name="Sign with my passkey"]`)
	administrator.see("text=Signed: it is in the roster")
	b.see("text=Pinned in the roster")
	return b
}

// ask fills in and sends the portal's form, and returns the request's id.
func (w *world) ask(b *tab, role, target, duration, reason string) string {
	w.t.Helper()
	b.open(w.Portal + "/ask?" + url.Values{"role": {role}, "target": {target}, "duration": {duration}, "reason": {reason}}.Encode())
	b.click("role=button[name=/^Ask for/]")
	b.waitURL("/requests/req-")
	at, err := url.Parse(b.url())
	if err != nil {
		w.t.Fatal(err)
	}
	return path.Base(at.Path)
}

// approve signs a request with the tab's passkey.
func (w *world) approve(b *tab, request string) {
	w.t.Helper()
	b.open(w.Portal + "/approvals/" + request)
	b.click("role=button[name=/Approve with passkey/]")
	b.see("text=/^(Approved|You agreed; others must agree as well)$/")
}
