//go:build e2e

package e2e

import "testing"

func TestSignInToThePortal(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	for _, scheme := range []string{"light", "dark"} {
		alice := w.signIn("alice", "/", arguments{"scheme": scheme})
		alice.see(`role=button[name=/^alice/]`)
		alice.accessible()
		alice.noTroubles()
	}
}
