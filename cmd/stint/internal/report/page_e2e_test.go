//go:build e2e

package report_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/cmd/stint/internal/report"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// browser is a Chromium behind web/e2e/driver.mjs.
type browser struct {
	t       *testing.T
	in      io.WriteCloser
	answers *bufio.Scanner
	next    int
}

// offline starts a browser on a machine without a network: in a namespace that has
// none, on Linux.
func offline(t *testing.T) *browser {
	t.Helper()
	line := []string{"node", filepath.Join("..", "..", "..", "..", "web", "e2e", "driver.mjs")}
	if runtime.GOOS == "linux" {
		line = append([]string{"unshare", "--map-root-user", "--net"}, line...)
	}
	command := exec.Command(line[0], line[1:]...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, in: in, answers: bufio.NewScanner(out)}
	b.answers.Buffer(nil, 16<<20)
	t.Cleanup(func() {
		in.Close() // it closes Chromium and ends
		timer := time.AfterFunc(30*time.Second, func() { command.Process.Kill() })
		defer timer.Stop()
		if err := command.Wait(); err != nil {
			t.Errorf("the browser's driver: %v", err)
		}
	})
	b.do("open", map[string]any{"authenticator": false})
	return b
}

// do makes one request of the driver and gives its value.
func (b *browser) do(op string, with map[string]any) any {
	b.t.Helper()
	b.next++
	request := map[string]any{"id": b.next, "op": op, "context": "auditor"}
	for key, value := range with {
		request[key] = value
	}
	line, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		b.t.Fatal(err)
	}
	var answer struct {
		Value any
		Error string
	}
	if !b.answers.Scan() {
		b.t.Fatalf("the browser's driver ended: %v", b.answers.Err())
	}
	if err := json.Unmarshal(b.answers.Bytes(), &answer); err != nil || answer.Error != "" {
		b.t.Fatalf("%s: %s %v", op, answer.Error, err)
	}
	return answer.Value
}

// open shows a page from a file and gives the verdict, once there is one, and the
// state of each check by its name.
func (b *browser) open(text []byte) (verdict string, states map[string]string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "evidence.html")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.do("goto", map[string]any{"url": "file://" + path})
	b.do("wait", map[string]any{"selector": ".verdict.holds, .verdict.fails, .verdict.open"})
	verdict = b.do("text", map[string]any{"selector": "#verdict"}).(string)
	states = map[string]string{}
	found := b.do("evaluate", map[string]any{"expression": `Object.fromEntries(Array.from(document.querySelectorAll("[data-check]"), (e) => [e.dataset.check, e.dataset.state]))`})
	for name, state := range found.(map[string]any) {
		states[name] = state.(string)
	}
	return verdict, states
}

// calm fails the test for violations of the content security policy and errors.
func (b *browser) calm() {
	b.t.Helper()
	for _, trouble := range b.do("troubles", nil).([]any) {
		b.t.Error(trouble)
	}
}

func TestThePageChecksItselfOffline(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	other := prooftest.Story(t)
	b := offline(t)

	// 1. As it was made.
	verdict, states := b.open(page(t, w))
	for name, state := range states {
		if want := map[string]string{"policy": "elsewhere"}[name]; state != "holds" && state != want {
			t.Errorf("%s: %s", name, state)
		}
	}
	if !strings.HasPrefix(verdict, "Verified") || len(states) < 12 {
		t.Fatalf("the page says: %s (%v)", verdict, states)
	}
	story := b.do("text", map[string]any{"selector": "main"}).(string)
	for _, want := range []string{
		"Alice asked for production-shell on web-1 as app", `disk full on "web-1", see OPS-12`, "Bob (bob @ http://localhost:5556/dex) agreed to 1h with the passkey",
		"The proxy proxy-1 was let in", "Ended: dropped, by Alice (alice @ http://localhost:5556/dex), whose own key signed that", "Dana with the passkey “Laptop”; Frank with the passkey “Laptop”", "stint evidence verify FILE --trust trust.json",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, look := range []map[string]any{{"scheme": "light", "width": 1280}, {"scheme": "dark", "width": 390}} {
		b.do("scheme", look)
		b.do("resize", map[string]any{"width": look["width"], "height": 844})
		for _, finding := range b.do("axe", nil).([]any) {
			t.Errorf("%v: %s", look, finding)
		}
		if wide := b.do("evaluate", map[string]any{"expression": "document.documentElement.scrollWidth - innerWidth"}).(float64); wide > 0 {
			t.Errorf("%v: it is %v pixels wider than the window", look, wide)
		}
	}
	// By keyboard: the exact texts unfold, and one's own trust can be chosen.
	b.do("tabTo", map[string]any{"selector": "summary"})
	b.do("press", map[string]any{"key": "Enter"})
	b.do("wait", map[string]any{"selector": `details[open] > pre:has-text("stint request 1")`})
	b.do("tabTo", map[string]any{"selector": `[role=region]`})
	b.do("tabTo", map[string]any{"selector": "#trust"})
	b.calm()

	// With certificates that were issued once more.
	verdict, states = b.open(page(t, prooftest.Renewed(t)))
	if !strings.HasPrefix(verdict, "Verified") || states["reissue-13"] != "holds" || states["certificate-13"] != "holds" || states["reissue-16"] != "holds" {
		t.Errorf("of certificates that were issued once more the page says: %s (%v)", verdict, states)
	}
	if story := b.do("text", map[string]any{"selector": "main"}).(string); !strings.Contains(story, "certificate 12, whose key was withdrawn; nobody was asked again") {
		t.Error("the page does not say what a certificate stands in the place of")
	}

	// 2. Made by somebody who may not see the history.
	short, err := report.Page(w.Export(false), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	if verdict, states := b.open(short); !strings.HasPrefix(verdict, "Not fully checked") || states["history"] != "open" {
		t.Errorf("without the history the page says: %s (%v)", verdict, states)
	}

	// 3. Tampered with: the check that fails has the name that stands here.
	index := func(f *api.Evidence, what string) *api.ProvenEntry {
		for i := range f.Entries {
			if strings.Contains(f.Entries[i].Entry, what) {
				return &f.Entries[i]
			}
		}
		t.Fatalf("no entry holds %s", what)
		return nil
	}
	session := fmt.Sprint(index(ptr(w.Export(true)), `"session":`).Index)
	tampered := map[string]struct {
		check string
		alter func(*api.Evidence, *proof.Anchor)
	}{
		"another reason": {"inclusion", func(f *api.Evidence, _ *proof.Anchor) {
			e := index(f, "disk full")
			e.Entry = strings.Replace(e.Entry, "disk full", "disk gone", 1)
		}},
		"another path":             {"inclusion", func(f *api.Evidence, _ *proof.Anchor) { f.Entries[0].Path = f.Entries[1].Path }},
		"an entry left out":        {"history", func(f *api.Evidence, _ *proof.Anchor) { f.Entries = append(f.Entries[:8:8], f.Entries[9:]...) }},
		"another log's checkpoint": {"checkpoint", func(f *api.Evidence, _ *proof.Anchor) { f.Checkpoint = other.Log.Checkpoint() }},
		"another log is trusted":   {"checkpoint", func(_ *api.Evidence, a *proof.Anchor) { a.Log = other.Anchor.Log }},
		"a witness that did not":   {"witness", func(_ *api.Evidence, a *proof.Anchor) { a.Witnesses = []string{prooftest.NewWitness(t, "w").Verifier} }},
		"another administrator":    {"roster", func(_ *api.Evidence, a *proof.Anchor) { a.Administrators = other.Anchor.Administrators }},
		"another first policy":     {"roster", func(_ *api.Evidence, a *proof.Anchor) { a.Policy = "sha256:" + strings.Repeat("0", 64) }},
		"another provider's keys":  {"roster", func(_ *api.Evidence, a *proof.Anchor) { a.Issuer.Keys = []string{other.Issuer.JWK(t)} }},
		"another origin":           {"roster", func(_ *api.Evidence, a *proof.Anchor) { a.Origins = []string{"https://example.com"} }},
		"another relying party":    {"roster", func(_ *api.Evidence, a *proof.Anchor) { a.RelyingParty = "example.com" }},
		"another installation":     {"request-" + session, func(_ *api.Evidence, a *proof.Anchor) { a.Instance = "elsewhere" }},
		"another request":          {"request-" + session, func(f *api.Evidence, _ *proof.Anchor) { f.Request = "req-another" }},
		"a certificate by a stranger": {"certificate-" + session, func(f *api.Evidence, _ *proof.Anchor) {
			forged := *w
			forged.CertifyByStranger()
			f.Certificates = forged.Certificates
		}},
		"a stranger's beside the real one": {"certificate-" + session + "-2", func(f *api.Evidence, _ *proof.Anchor) {
			forged := *w
			forged.CertifyByStranger()
			f.Certificates = append(f.Certificates, forged.Certificates...)
		}},
		"a certificate of another ledger": {"certificate-unknown", func(f *api.Evidence, _ *proof.Anchor) {
			longer := prooftest.New(t)
			longer.Issue()
			longer.Issue()
			f.Certificates = append(f.Certificates, longer.Certificates[1])
		}},
		"a key in a certificate's place": {"certificate-unknown", func(f *api.Evidence, _ *proof.Anchor) {
			f.Certificates = []string{evidencetest.NewKey(t).Public}
		}},
		"nothing": {"version", func(f *api.Evidence, _ *proof.Anchor) { f.Entries = f.Entries[:0] }},
	}
	for name, test := range tampered {
		file, anchor := evidencetest.Clone(t, w.Export(true)), evidencetest.Clone(t, w.Anchor)
		test.alter(&file, &anchor)
		text, err := report.Page(file, anchor)
		if err != nil {
			t.Fatal(err)
		}
		if verdict, states := b.open(text); !strings.HasPrefix(verdict, "Not verified") || states[test.check] != "fails" {
			t.Errorf("%s: the page says: %s (%s is %q)", name, verdict, test.check, states[test.check])
		}
	}

	// 4. Approved by signatures of a signer that broke its rules, all in the ledger.
	broken := map[string]struct {
		check string
		write func(*prooftest.World)
	}{
		"a signature by another passkey": {"approval-11-1", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Session.Bundle.Approvals[0].Assertion = w.Frank.Passkey.Sign(t, e.Session.Bundle.Approvals[0].Statement)
			w.Force(e)
		}},
		"a signature over another text": {"approval-11-2", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Session.Bundle.Approvals[1].Assertion = w.Carol.Passkey.Sign(t, "another text")
			w.Force(e)
		}},
		"a sign-in by another key": {"sign-in-11", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Session.Bundle.Login.LoginKey = evidencetest.NewKey(t).Public
			w.Force(e)
		}},
		"a sign-in that was over": {"sign-in-11", func(w *prooftest.World) {
			e := w.Session(nil)
			w.Now = w.Now.Add(2 * time.Hour)
			w.Force(e)
		}},
		"another session key": {"activation-11", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Session.SessionKey = evidencetest.NewKey(t).Public
			w.Force(e)
		}},
		"somebody else's certificate": {"entry-11", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Session.Requester = w.Bob.Person.Subject
			w.Force(e)
		}},
		"a certificate once more, though its key counts": {"reissue-12", func(w *prooftest.World) {
			w.Reissue(w.Issue(), func(*evidence.SessionEntry) {})
		}},
		"a certificate once more, for longer": {"reissue-13", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Ends = e.Ends.Add(time.Second) })
		}},
		"a certificate once more, for another key": {"reissue-13", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.SessionKey = evidencetest.NewKey(t).Public })
		}},
		"a certificate once more, for somebody suspended": {"reissue-14", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: w.Alice.Subject, Name: "Alice", By: w.Carol.Person.Subject}})
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		"a certificate once more, twice": {"reissue-14", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, nil)
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		"a certificate once more, of a revision that was replaced": {"reissue-14", func(w *prooftest.World) {
			first := w.Issue()
			w.Request.Revision, w.World.Session = 2, evidencetest.NewKey(t)
			w.Issue()
			w.Withdraw()
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		"a certificate after the end": {"ending", func(w *prooftest.World) {
			w.Issue()
			w.End()
			w.Issue()
		}},
	}
	for name, test := range broken {
		w := prooftest.New(t)
		test.write(w)
		if verdict, states := b.open(page(t, w)); !strings.HasPrefix(verdict, "Not verified") || states[test.check] != "fails" {
			t.Errorf("%s: the page says: %s (%s is %q)", name, verdict, test.check, states[test.check])
		}
	}
	b.calm()
}

// The reader's own trust counts in the place of the page's.
func TestThePageTakesTheReadersTrust(t *testing.T) {
	t.Parallel()
	w, other := prooftest.Story(t), prooftest.Story(t)
	b := offline(t)
	b.open(page(t, w))
	choose := func(anchor proof.Anchor) {
		b.do("evaluate", map[string]any{"expression": fmt.Sprintf(`(() => {
			const input = document.getElementById("trust");
			const files = new DataTransfer();
			files.items.add(new File([%q], "trust.json"));
			input.files = files.files;
			document.getElementById("verdict").className = "verdict";
			input.dispatchEvent(new Event("change"));
		})()`, prooftest.JSON(t, anchor))})
		b.do("wait", map[string]any{"selector": ".verdict.holds, .verdict.fails"})
	}
	choose(w.Anchor)
	if verdict := b.do("text", map[string]any{"selector": "#verdict"}).(string); !strings.HasPrefix(verdict, "Verified") || !strings.Contains(verdict, "that you chose") {
		t.Errorf("by the same trust: %s", verdict)
	}
	choose(other.Anchor)
	if verdict := b.do("text", map[string]any{"selector": "#verdict"}).(string); !strings.HasPrefix(verdict, "Not verified") {
		t.Errorf("by another trust: %s", verdict)
	}
	b.calm()
}

func ptr[T any](v T) *T { return &v }
