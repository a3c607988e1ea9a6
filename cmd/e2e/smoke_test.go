//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

func TestSignInToThePortal(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	for _, scheme := range []string{"light", "dark"} {
		alice := w.signIn("alice", "/", arguments{"scheme": scheme})
		if text := alice.see("body"); !strings.Contains(strings.ToLower(text), "alice") {
			t.Errorf("the portal does not say who is signed in:\n%s", text)
		}
		alice.accessible()
		alice.noTroubles()
	}
}
