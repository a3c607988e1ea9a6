package document

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

type thing struct {
	Name   string        `yaml:"name"`
	Groups []string      `yaml:"groups"`
	Wait   time.Duration `yaml:"wait"`
	Part   *part         `yaml:"part"`
	Own    int           `yaml:"-"`
}

type part struct {
	Count int               `yaml:"count"`
	Marks map[string]string `yaml:"marks"`
}

var things = []Kind{
	{Name: "Other"},
	{Name: "Thing", New: func() any { return new(thing) }},
	{Name: "Away", Refuse: "It stands elsewhere."},
}

func TestDocumentsAreRead(t *testing.T) {
	t.Parallel()
	r := NewReader(things)
	r.Read("a", "kind: Other\nwhatever: 1\n---\nkind: Thing\nname: one\ngroups:\n  - a\nwait: 90s\npart: {count: 2, marks: {x: y}}\n")
	r.Read("b", "kind: Thing\nname: two\n")
	all := r.Documents()
	if r.Err() != nil || r.Partial() || len(all) != 2 {
		t.Fatalf("%d documents were read: %v", len(all), r.Err())
	}
	one := all[0].Value.(*thing)
	if all[0].File != "a" || all[0].Kind != "Thing" || one.Name != "one" || one.Wait != 90*time.Second || one.Part.Count != 2 || one.Part.Marks["x"] != "y" {
		t.Errorf("read %+v", one)
	}
	if !all[0].Has("part", "marks", "x") || all[0].Has("part", "marks", "z") || all[1].Has("groups") {
		t.Error("what stands in a document is not told apart from what does not")
	}
	for want, at := range map[string][]any{"a:7:5: x": {"groups", 0}, "a:5:7: x": {"name", "deeper"}, "a:4:1: x": {"none"}, "a:9:15: x": {"part", "count"}} {
		if got := all[0].Fault("x", at...).Error(); got != want {
			t.Errorf("the place of %v is %s, want %s", at, got, want)
		}
	}
}

func TestNothingAfterTheLastSeparatorIsNoDocument(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kind: Other\n---\n":                      "",
		"kind: Other\n---\n# that is all\n\n":     "",
		"kind: Other\n---":                        "",
		"---\n":                                   "",
		"kind: Other\n---\n---\n":                 "f:3:1: A document begins with",
		"kind: Other\n---\n---\nkind: Other\n":    "f:3:1: A document begins with",
		"kind: Other\n---\n---\nkind: Other\n---": "f:3:1: A document begins with",
		"kind: Other\n---\nnull\n":                "f:3:1: A document begins with",
		"kind: Other\n--- !!null\n":               "f:2:5: Tags and merges",
		"kind: Other\n--- &a\n":                   "f:2:5: Anchors and aliases",
		"kind: Other\n---\n''\n":                  "f:3:1: A document begins with",
	} {
		r := NewReader(things)
		r.Read("f", text)
		err := r.Err()
		if want == "" && (err != nil || r.Partial()) || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestReadingIsStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kind: Thing\nnam: x\n":             "f:2:1: There is no field \"nam\" here. Did you mean `name`?",
		"kind: Thing\ncount: 1\n":           "f:2:1: There is no field \"count\" here. It stands under `part`.",
		"kind: Thing\nown: 1\n":             "f:2:1: There is no field \"own\" here. There are name, groups, wait and part.",
		"kind: Thing\npart:\n  kind: x\n":   "f:3:3: There is no field \"kind\" here. There are count and marks.",
		"kind: Thin\n":                      "f:1:7: There is no kind \"Thin\" here; use Other or Thing. Did you mean `Thing`?",
		"kind: Away\n":                      "f:1:7: It stands elsewhere.",
		"kind: Thing\nname: [x]\n":          "f:2:7: A list does not fit here: text is wanted.",
		"kind: Thing\nname:\n":              "f:2:6: `name` is left empty: write text, or leave it out.",
		"kind: Thing\npart: {count: 1.5}\n": "f:2:15: \"1.5\" does not fit here: a whole number is wanted.",
		"kind: Thing\npart: {count: 010}\n": "f:2:15: \"010\" does not fit here: a whole number is wanted.",
		"kind: Thing\nwait: 1500ms\n":       "f:2:7: \"1500ms\" does not fit here: durations are whole seconds.",
		"kind: Thing\nname: &a x\n":         "f:2:7: Anchors and aliases are not used in policies; write it out.",
		"kind: Other\nname: *x\n":           "f:1:1: This is not YAML: unknown anchor 'x' referenced.",
		"kind: Other\nname: !!str x\n":      "f:2:7: Tags and merges are not used in policies; write it out.",
		"kind: Thing\nname: x\nname: y\n":   "f:3:1: \"name\" already stands at line 2.",
		"name: x\nkind: Thing\n":            "f:1:1: A document begins with `kind:` and one of Other or Thing.",
		"[]\n":                              "f:1:1: A document begins with `kind:` and one of Other or Thing.",
		"kind: Thing\nwait: " + strings.Repeat("x", 2*mostQuoted) + "\n": "f:2:7: \"" + strings.Repeat("x", mostQuoted) + "…\" does not fit here",
	} {
		r := NewReader(things)
		r.Read("f", text)
		if err := r.Err(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v\nwant %s", text, err, want)
		}
	}
}

// What was refused while it was read is not spoken of again.
func TestOneFaultIsToldOnce(t *testing.T) {
	t.Parallel()
	r := NewReader(things)
	r.Read("f", "kind: Thing\nname: [x]\ngroups:\n  - a &&\n    b\n")
	d := r.Documents()[0]
	r.At(d, []any{"name"}, "It is empty.")
	if r.Doubts(d, "groups") || !r.Doubts(d, "name") || r.Doubts(d, "part") {
		t.Error("it is the name that is doubtful")
	}
	r.AtCharacter(d, []any{"groups", 0}, 1, 6, "There is no b.")
	r.At(d, []any{"groups", 0}, "It is no group.")
	r.AtCharacter(d, []any{"groups", 0}, 1, 6, "There is no b.")
	const want = "f:2:7: A list does not fit here: text is wanted.\nf:4:5: It is no group.\nf:5:5: There is no b."
	if got := r.Err(); got == nil || got.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
}

func TestSchemaOfTypes(t *testing.T) {
	t.Parallel()
	text := Schema(things, About{
		Title: "Things", Kinds: map[string]string{"Thing": "One of them."},
		Fields: map[string]Field{
			"Thing.name": {Always: true}, "thing.name": {Says: "Its name.", Always: true, Pattern: "^[a-z]+$"},
			"part.marks": {Keys: "^[x-z]$", Most: 3}, "part.count": {Least: 1, Most: 9, Without: "1"},
		},
		Shapes: map[string]Shape{"thing": {AnyOf: []string{"groups", "part"}}, "part": {Needs: []Need{{"count", "2", "marks"}}}},
	})
	var plain bytes.Buffer
	if err := json.Compact(&plain, text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"enum":["Thing"]`, `"required":["kind","name"]`, `"name":{"description":"Its name.","type":"string","pattern":"^[a-z]+$"}`, `"part":{"$ref":"#/$defs/part"}`,
		`"count":{"type":"integer","default":1,"minimum":1,"maximum":9}`, `"propertyNames":{"pattern":"^[x-z]$"}`, `"maxProperties":3`, `"additionalProperties":false`,
		`"anyOf":[{"required":["groups"]},{"required":["part"]}]`, `"then":{"required":["marks"]}`,
	} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("there is no %s in %s", want, &plain)
		}
	}
	if strings.Contains(plain.String(), "Own") || strings.Contains(plain.String(), "Away") {
		t.Errorf("it says too much: %s", &plain)
	}
}
