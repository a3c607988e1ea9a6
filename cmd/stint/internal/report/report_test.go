package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/cmd/stint/internal/report"
	"stint/server/api"
)

func page(t *testing.T, w *prooftest.World) []byte {
	t.Helper()
	text, err := report.Page(w.Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The command line takes the page as it takes the file.
func TestThePageCarriesTheEvidence(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	data, err := report.Evidence(page(t, w))
	if err != nil {
		t.Fatal(err)
	}
	file, err := proof.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := proof.Verify(file, w.Anchor); err != nil || !found.Whole {
		t.Errorf("it is not proven: %v", err)
	}
	if same, err := report.Evidence([]byte(`{"version": 1}`)); err != nil || string(same) != `{"version": 1}` {
		t.Errorf("a file that is no page is %q, %v", same, err)
	}
	for _, bad := range []string{"<!doctype html>", "<!doctype html>" + `<script type="application/json" id="evidence">{}`, string(page(t, w)) + string(page(t, w))} {
		if _, err := report.Evidence([]byte(bad)); err == nil {
			t.Errorf("%.80s… is read", bad)
		}
	}
}

// What the command line reads as an empty list is one for the page too, which would
// break off at anything else.
func TestThePageCarriesEmptyLists(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	bare := w.Export(true)
	bare.Certificates, bare.Entries[0].Path = nil, nil
	for _, file := range []api.Evidence{bare, {Version: 1, Request: "req-1", Agreed: "{}"}} {
		text, err := report.Page(file, w.Anchor)
		if err != nil {
			t.Fatal(err)
		}
		carried, err := report.Evidence(text)
		for _, list := range []string{`"entries":null`, `"certificates":null`, `"path":null`} {
			if err != nil || strings.Contains(string(carried), list) {
				t.Errorf("%v: it carries %s", err, list)
			}
		}
	}
	if bare.Entries[0].Path != nil {
		t.Error("the file was written to")
	}
}

// What people wrote cannot end the element that it stands in, nor be put in the
// place of anything else.
func TestWhatPeopleWroteStaysData(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	w.Request.Ask.Reason = `</script><script>alert(1)</script><!-- {{script}} {{evidence}}`
	w.Issue()
	text := page(t, w)
	plain, err := report.Page(prooftest.Story(t).Export(true), w.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"<script", "</script", "<!--", "Content-Security-Policy"} {
		if got, want := bytes.Count(text, []byte(mark)), bytes.Count(plain, []byte(mark)); got != want {
			t.Errorf("%s stands there %d times, not %d", mark, got, want)
		}
	}
	data, err := report.Evidence(text)
	if err != nil || !json.Valid(data) || !strings.Contains(string(data), `{{script}} {{evidence}}`) {
		t.Errorf("the evidence is %.80s…, %v", data, err)
	}
}

func FuzzEvidence(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := report.Evidence(data)
		if err == nil && !bytes.Contains(data, found) {
			t.Errorf("it finds what is not there: %q", found)
		}
	})
}
