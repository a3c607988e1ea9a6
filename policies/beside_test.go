package policies

import (
	"strings"
	"testing"
)

func TestDocumentsBesidePoliciesAreReadAsStrictly(t *testing.T) {
	t.Parallel()
	type thing struct {
		Name   string   `yaml:"name"`
		Groups []string `yaml:"groups"`
	}
	kinds := map[string]func() any{"Thing": func() any { return new(thing) }, "Other": nil}
	documents, err := ParseDocuments(map[string]string{
		"b.yaml":       "kind: Thing\nname: two\n",
		"tests/a.yaml": "kind: Other\nwhatever: 1\n---\nkind: Thing\nname: one\ngroups:\n  - a\n",
	}, kinds)
	if err != nil || len(documents) != 2 {
		t.Fatalf("%d documents were read: %v", len(documents), err)
	}
	last := documents[1]
	if last.File != "tests/a.yaml" || last.Kind != "Thing" || last.Value.(*thing).Name != "one" {
		t.Errorf("read %+v", last)
	}
	for want, at := range map[string][]any{"tests/a.yaml:7:5: x": {"groups", 0}, "tests/a.yaml:5:7: x": {"name", "deeper"}, "tests/a.yaml:4:1: x": {"none"}} {
		if got := last.Fault("x", at...).Error(); got != want {
			t.Errorf("the place of %v is %s, want %s", at, got, want)
		}
	}
	for text, want := range map[string]string{
		"kind: Thing\nnam: x\n":              "f.yaml:2:1: There is no field \"nam\" here. Did you mean `name`?",
		"kind: Thin\n":                       "f.yaml:1:7: There is no kind \"Thin\" here; use Other or Thing. Did you mean `Thing`?",
		"kind: Thing\nname: [x]\n":           "f.yaml:2:7: A list does not fit here: text is wanted.",
		"kind: Other\nname: *x\n":            "f.yaml:1:1: This is not YAML: unknown anchor 'x' referenced.",
		"kind: Thing\nname: x\nname: y\n":    "f.yaml:3:1: \"name\" already stands at line 2.",
		"[]\n":                               "f.yaml:1:1: A document begins with `kind:` and one of Other or Thing.",
		"kind: Thing\nname: x\x00\n":         "f.yaml:2:8: This cannot stand in a policy",
		"# " + strings.Repeat("x", mostFile): "f.yaml: a file holds at most",
	} {
		if _, err := ParseDocuments(map[string]string{"f.yaml": text}, kinds); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v\nwant %s", text, err, want)
		}
	}
}
