package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// words returns the values of the constants that a file declares and that
// chosen picks.
func words(t *testing.T, path string, chosen func(*ast.ValueSpec) bool) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			spec := spec.(*ast.ValueSpec)
			if !chosen(spec) {
				continue
			}
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, word)
		}
	}
	slices.Sort(found)
	return found
}

// A reason that is declared and not listed would be refused by the broker; one
// that the format lacks would be kept under a word that FORMAT.md does not have.
func TestReasonsAreComplete(t *testing.T) {
	t.Parallel()
	listed := slices.Sorted(slices.Values(Reasons()))
	if declared := words(t, "reason.go", func(*ast.ValueSpec) bool { return true }); !slices.Equal(listed, declared) {
		t.Errorf("Reasons lists %q, declared are %q", listed, declared)
	}
	recorded := words(t, "../cast/event.go", func(spec *ast.ValueSpec) bool {
		name, ok := spec.Type.(*ast.Ident)
		return ok && name.Name == "Reason"
	})
	if !slices.Equal(listed, recorded) {
		t.Errorf("Reasons lists %q, recordings know %q", listed, recorded)
	}
}
