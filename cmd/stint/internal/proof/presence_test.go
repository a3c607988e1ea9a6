package proof_test

import (
	"strings"
	"testing"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/server/evidence/evidencetest"
)

// Whoever confirmed during a session that they were there is in the proof of the request.
func TestPresenceIsProven(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	alice := &evidencetest.Member{Person: w.Alice, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	w.Add(w.Enrolled(alice, w.Dana, w.Frank))
	w.Issue()
	w.SayPresent(alice.Passkey, nil)
	for _, history := range []bool{true, false} {
		found, err := proof.Verify(w.Export(history), w.Anchor)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Presences) != 1 || !found.Presences[0].Signed.Equal(w.Now) {
			t.Errorf("with history %v: %+v", history, found.Presences)
		}
		if words := strings.Join(found.Report().Words(), "\n"); !strings.Contains(words, "confirmed with a passkey to be there, in the session c0ffee") {
			t.Errorf("it reads %q", words)
		}
	}
}
