package proof_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func TestAStoryIsProven(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	found, err := proof.Verify(w.Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(found.Report().Words(), "\n")
	for _, want := range []string{
		`Alice (alice @ http://localhost:5556/dex) asked for production-shell on web-1 as app for 1h`,
		`because: disk full on "web-1", see OPS-12`,
		`Bob (bob @ http://localhost:5556/dex) agreed with a passkey, "Laptop" (authenticator 00000000000000000000000000000000), to 1h`,
		`Carol (carol @ http://localhost:5556/dex) agreed`,
		`Certificate 12 for app@web-1 was issued on 2026-03-04T05:10:00Z`,
		`It is signed by the signer's key ssh-ed25519 `,
		`the proxy proxy-1 was let in`,
		`It ended on 2026-03-04T05:30:01Z: dropped, by Alice (alice @ http://localhost:5556/dex), whose own key signed that`,
		`Dana (dana @ http://localhost:5556/dex) enrolled the passkey "Laptop" (authenticator 00000000000000000000000000000000), in administrators. By: the ceremony at the signer itself`,
		`Bob (bob @ http://localhost:5556/dex) enrolled the passkey "Laptop" (authenticator 00000000000000000000000000000000), in sre-leads. By: Dana (dana @ http://localhost:5556/dex) with the passkey "Laptop"; Frank`,
		`Erin, signed in at the identity provider`,
		`Reason: Four hours were never used By: Dana`,
		`Erin (erin @ http://localhost:5556/dex) is suspended no longer. By: Dana`,
		`Erin (erin @ http://localhost:5556/dex) was suspended. By: Carol (carol @ http://localhost:5556/dex), as the broker said.`,
		`Keys (user-ca: current, next). By: the signer`,
		`Not proven:`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say: %s", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}

// Whose word an end is, is told exactly: who the broker named, whom the statement
// names, and whose key signed that.
func TestAnEndIsTheWordOfWhoSignedIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(*prooftest.World)
		signed bool
		says   string
	}{
		"nobody's statement": {func(w *prooftest.World) {
			w.Add(evidence.Entry{Ending: &evidence.EndingEntry{Request: w.Request.Request, Reason: "revoked", By: w.Bob.Person.Subject}})
		}, false, "revoked, by Bob (bob @ http://localhost:5556/dex) as the broker said (entry"},
		"time": {func(w *prooftest.World) {
			w.Add(evidence.Entry{Ending: &evidence.EndingEntry{Request: w.Request.Request, Reason: "expired"}})
		}, false, "expired, by nobody as the broker said (entry"},
		"her own": {func(w *prooftest.World) { w.EndAs(w.Alice.Subject, w.Alice.Subject, w.Login.Private) }, true,
			"revoked, by Alice (alice @ http://localhost:5556/dex), whose own key signed that (entry"},
		"hers, and the broker names another": {func(w *prooftest.World) { w.EndAs(w.Bob.Person.Subject, w.Alice.Subject, w.Login.Private) }, false,
			"by Bob (bob @ http://localhost:5556/dex) as the broker said, but the key of Alice (alice @ http://localhost:5556/dex) signed that they did it themselves (entry"},
		"an approver's, whose key is not there": {func(w *prooftest.World) {
			w.EndAs(w.Bob.Person.Subject, w.Bob.Person.Subject, evidencetest.NewKey(t).Private)
		}, false,
			"by Bob (bob @ http://localhost:5556/dex) as the broker said; a statement of theirs is beside it, and it is not shown whose key signed that (entry"},
		"hers by another key": {func(w *prooftest.World) { w.EndAs(w.Alice.Subject, w.Alice.Subject, evidencetest.NewKey(t).Private) }, false,
			"by Alice (alice @ http://localhost:5556/dex) as the broker said; a statement of theirs"},
		"in her name, signed by her key for another": {func(w *prooftest.World) { w.EndAs(w.Alice.Subject, w.Bob.Person.Subject, w.Login.Private) }, false,
			"by Alice (alice @ http://localhost:5556/dex) as the broker said; a statement beside it is in the name of Bob (bob @ http://localhost:5556/dex)"},
	} {
		w := prooftest.New(t)
		w.Issue()
		c.end(w)
		found, err := proof.Verify(w.Export(true), w.Anchor)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		told := found.Report()
		if said := strings.Join(told.Words(), "\n"); !strings.Contains(said, c.says) || told.Ending.Signed != c.signed {
			t.Errorf("%s: signed %v, and it says:\n%s", name, told.Ending.Signed, said)
		}
	}
}

// Each session has a certificate of its own; what was agreed is told once.
func TestAnAgreementIsToldOnce(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	w.Issue()
	w.World.Session = evidencetest.NewKey(t)
	w.Issue()
	found, err := proof.Verify(w.Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(found.Report().Words(), "\n")
	if strings.Count(said, "Alice (alice") != 1 || strings.Count(said, "Certificate ") != 2 {
		t.Errorf("it says:\n%s", said)
	}
}

// What a withdrawn key had signed is signed once more, with nobody asked; and once more
// when that key is withdrawn too.
func TestACertificateThatWasIssuedOnceMoreIsProven(t *testing.T) {
	t.Parallel()
	w := prooftest.Renewed(t)
	found, err := proof.Verify(w.Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	told := found.Report()
	said := strings.Join(told.Words(), "\n")
	first, last := told.Agreements[0].Certificate, told.Agreements[2].Certificate
	if len(told.Agreements) != 3 || told.Agreements[1].Certificate.Reissues != first.Serial || last.Reissues != told.Agreements[1].Certificate.Serial ||
		last.Authority == "" || last.Authority == first.Authority || !last.Ends.Equal(first.Ends) || !strings.Contains(said, "whose own key signed that") {
		t.Errorf("it says:\n%s", said)
	}
	if strings.Count(said, "Alice (alice @ http://localhost:5556/dex) asked") != 1 || strings.Count(said, "whose key was withdrawn; nobody was asked again.") != 2 ||
		!strings.Contains(said, "Keys (user-ca: withdrawn, withdrawn, current, next), because: a backup is missing.") {
		t.Errorf("it says:\n%s", said)
	}
	if found, err := proof.Verify(w.Export(false), w.Anchor); err != nil || found.Whole || len(found.Issues) != 3 {
		t.Errorf("without the history: %+v, %v", found.Issues, err)
	}
	// Without the one that it stands in the place of, it stands on nothing.
	file := w.Export(true)
	file.Entries = slices.DeleteFunc(file.Entries, func(e api.ProvenEntry) bool { return strings.Contains(e.Entry, `"bundle"`) })
	file.Certificates = nil
	if _, err := proof.Verify(file, w.Anchor); checkOf(err) != "reissue" {
		t.Errorf("without the first: %v", err)
	}
}

// Without the history, what the ledger states is all that is known.
func TestWithoutTheHistoryNobodyIsKnown(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	found, err := proof.Verify(w.Export(false), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	told := found.Report()
	said := strings.Join(told.Words(), "\n")
	if told.Proven || !strings.Contains(said, "The ledger holds a certificate 12 for app@web-1") || strings.Contains(said, "agreed with") {
		t.Errorf("it says (proven: %v):\n%s", told.Proven, said)
	}
}

func TestApprovalsBeforeACertificateAreProven(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	found, err := proof.Verify(w.Agreed(), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(found.Report().Words(), "\n")
	if !found.Whole || strings.Count(said, "agreed with a passkey") != 2 || !strings.Contains(said, "shows no certificate") {
		t.Errorf("it says:\n%s", said)
	}
}

// A second spelling of a name in the approvals' text is another request for one reader and
// nothing for the other, such as the offline page.
func TestApprovalsHaveOneEncoding(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	file := w.Agreed()
	text := file.Agreed
	for name, text := range map[string]string{
		"a name twice":          `{"request":"shown",` + text[1:],
		"a space":               " " + text,
		"a name with a capital": strings.Replace(text, `"request":`, `"Request":`, 1),
	} {
		file.Agreed = text
		if _, err := proof.Verify(file, w.Anchor); checkOf(err) != "bundle" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same, exported by somebody who may not see the history: there is nothing of
// the ledger in it.
func TestApprovalsWithoutTheHistoryProveNobody(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	file := w.Agreed()
	file.Entries = []api.ProvenEntry{}
	found, err := proof.Verify(file, w.Anchor)
	if err != nil || found.Whole || found.Agreed != nil {
		t.Errorf("it is proven: %+v, %v", found, err)
	}
	file.Agreed = ""
	if _, err := proof.Verify(file, w.Anchor); checkOf(err) != "entries" {
		t.Errorf("a file of nothing: %v", err)
	}
}

// Whoever has the file of a certificate can leave it out, and show the approvals as
// if nothing had come of them. The words must not say more than is there.
func TestNothingIsSaidOfWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	whole := w.Export(true)
	file := whole
	file.Certificates, file.Entries = nil, nil
	for _, e := range whole.Entries {
		var entry evidence.Entry
		if err := json.Unmarshal([]byte(e.Entry), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.ChangesBeliefs() {
			file.Entries = append(file.Entries, e)
		}
		if entry.Session != nil && file.Agreed == "" {
			bundle, err := json.Marshal(entry.Session.Bundle)
			if err != nil {
				t.Fatal(err)
			}
			file.Agreed = string(bundle)
		}
	}
	found, err := proof.Verify(file, w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	told := found.Report()
	said := strings.Join(told.Words(), "\n")
	if strings.Contains(said, "No certificate") || !strings.Contains(strings.Join(told.NotProven, "\n"), "That no certificate was issued") {
		t.Errorf("it says:\n%s", said)
	}
}

func TestACheckpointMayNeedAWitness(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	witness, other := prooftest.NewWitness(t, "witness.example.com"), prooftest.NewWitness(t, "other.example.com")
	w.Anchor.Witnesses = []string{witness.Verifier, other.Verifier}
	if _, err := proof.Verify(w.Export(true), w.Anchor); checkOf(err) != "witness" {
		t.Fatalf("without a cosignature: %v", err)
	}
	w.Others = append(w.Others, witness.Signer)
	found, err := proof.Verify(w.Export(true), w.Anchor)
	if err != nil || !slices.Equal(found.Witnesses, []string{"witness.example.com"}) {
		t.Fatalf("with one: %v, %v", found.Witnesses, err)
	}
}

func checkOf(err error) string {
	var failure *evidence.Failure
	if errors.As(err, &failure) {
		return failure.Check
	}
	return ""
}
