package document

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestPlacesInScalarsAreFound(t *testing.T) {
	t.Parallel()
	// Each @ of the value is looked for, and must be found at an @ of the file.
	for _, file := range []string{
		"a: x @ y @", "a: 'x '' @ ''@'", `a: "x \" @ \x41 \u0041\U00000041@ \\@"`, "a: x @\n  @ y\n\n  @", "a: 'x\n\n  @''@\n  @'",
		"a: |\n  x @\n    @\n\n  @\n", "a: |2-\n    x @\n  @\n", "a: >\n  x @\n  @\n\n  @\n", "a: \"x \\\n    @ \\\n  @\"", "- - |+\n    @\n\n    ü@\n\n",
		"a: ü@ ü\n  ü@", "a: [x, y @, '@']", "a: \"x @\n  @\n\n\n  @\"", "a:\n  x @\n  @\n", "a: >-\n  x\n    @ y\n    @\n  @\n", "a: x @\r\n  @ y\r\n",
	} {
		var top yaml.Node
		if err := yaml.Unmarshal([]byte(file), &top); err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		lines := strings.Split(file, "\n")
		var visit func(n *yaml.Node)
		visit = func(n *yaml.Node) {
			for _, child := range n.Content {
				visit(child)
			}
			line, column := 1, 0
			for _, r := range n.Value {
				if column++; r == '\n' {
					line, column = line+1, 0
				}
				if r != '@' {
					continue
				}
				l, c := placeIn(file, n, line, column)
				if row := []rune(lines[l-1]); c > len(row) || row[c-1] != '@' {
					t.Errorf("%q: %d:%d of %q is placed at %d:%d", file, line, column, n.Value, l, c)
				}
			}
		}
		visit(&top)
	}
}

// FuzzPlaces: wherever a character of a scalar stands, it is looked for without harm and
// said to be in the file.
func FuzzPlaces(f *testing.F) {
	f.Fuzz(func(t *testing.T, file string) {
		var top yaml.Node
		if len(file) > 2000 || yaml.Unmarshal([]byte(file), &top) != nil {
			return
		}
		lines := strings.Count(file, "\n") + strings.Count(file, "\r") + strings.Count(file, "\u0085") + strings.Count(file, "\u2028") + strings.Count(file, "\u2029") + 1
		var visit func(n *yaml.Node)
		visit = func(n *yaml.Node) {
			for _, child := range n.Content {
				visit(child)
			}
			for line := range min(strings.Count(n.Value, "\n")+2, 20) {
				for column := range 20 {
					if l, c := placeIn(file, n, line+1, column+1); n.Line > 0 && (l < 1 || l > lines || c < 1) {
						t.Fatalf("%d:%d of %q is placed at %d:%d of %q", line+1, column+1, n.Value, l, c, file)
					}
				}
			}
		}
		visit(&top)
	})
}
