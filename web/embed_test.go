package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// A binary without the portal must still have a page that says so and names the command that helps.
func TestPlaceholderTeachesTheNextStep(t *testing.T) {
	t.Parallel()
	assets, _ := Assets()
	page, err := fs.ReadFile(assets, Placeholder)
	if err != nil {
		t.Fatalf("reading the placeholder: %v", err)
	}
	for _, sentence := range []string{"built without the portal", "make build"} {
		if !strings.Contains(string(page), sentence) {
			t.Errorf("the placeholder does not say %q", sentence)
		}
	}
}

func TestBuiltMeansAnIndexPage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files fstest.MapFS
		built bool
	}{
		"placeholder only":     {fstest.MapFS{Placeholder: {Data: []byte("x")}}, false},
		"index":                {fstest.MapFS{Placeholder: {Data: []byte("x")}, Index: {Data: []byte("x")}}, true},
		"a folder named index": {fstest.MapFS{Index + "/x": {Data: []byte("x")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := hasIndex(test.files); got != test.built {
				t.Errorf("hasIndex = %v, want %v", got, test.built)
			}
		})
	}
}

var (
	scriptTag   = regexp.MustCompile(`(?i)<script\b[^>]*>`)
	inlineStyle = regexp.MustCompile(`(?i)<style\b|\sstyle=|\son[a-z]+=`)
)

// No page may need what ContentSecurityPolicy refuses. This reads whatever was built; the placeholder is always there.
func TestPagesHoldUnderTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	assets, _ := Assets()
	pages, err := fs.Glob(assets, "*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages found: %v", err)
	}
	for _, name := range pages {
		page, err := fs.ReadFile(assets, name)
		if err != nil {
			t.Fatal(err)
		}
		if found := inlineStyle.Find(page); found != nil {
			t.Errorf("%s holds an inline style or handler: %q", name, found)
		}
		for _, tag := range scriptTag.FindAll(page, -1) {
			if !strings.Contains(string(tag), ` src="/`) {
				t.Errorf("%s holds a script that is not a file of this origin: %q", name, tag)
			}
		}
	}
}
