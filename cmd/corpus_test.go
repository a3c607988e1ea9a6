package cmd_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// Bounds of the corpora that are kept. They run as ordinary tests do, so they are
// small; what a long run of the fuzzer finds beside them stays in Go's own cache.
const (
	fewestEntries  = 3
	mostEntries    = 40
	mostCorpora    = 1 << 20 // bytes of all together
	corpusHeading  = "go test fuzz v1"
	corporaFolder  = "testdata/fuzz"
	fuzzTargetName = "Fuzz"
)

// TestEveryFuzzTargetHasACorpus: a target without seeds begins in the dark, and a
// corpus without its target, or one that does not fit it, proves nothing.
func TestEveryFuzzTargetHasACorpus(t *testing.T) {
	targets, faults := checkCorpora(os.DirFS(".."))
	for _, fault := range faults {
		t.Error(fault)
	}
	if targets < 60 {
		t.Errorf("only %d fuzz targets were found; this test would prove little", targets)
	}
}

// checkCorpora holds the fuzz targets of a tree, whatever their build tags, against
// the corpora beside them. It counts the targets and names what is wrong.
func checkCorpora(tree fs.FS) (count int, faults []string) {
	fault := func(format string, values ...any) { faults = append(faults, fmt.Sprintf(format, values...)) }
	targets, corpora, err := findCorpora(tree)
	if err != nil {
		return 0, []string{err.Error()}
	}
	total := int64(0)
	for _, at := range slices.Sorted(maps.Keys(targets)) {
		arguments := targets[at]
		if len(arguments) == 0 {
			fault("%s: what it fuzzes is not found; have f.Fuzz called with a function literal, there or in what it calls", at)
			continue
		}
		entries := corpora[at]
		if len(entries) < fewestEntries || len(entries) > mostEntries {
			fault("%s has %d entries in its corpus; keep %d to %d, small and chosen by hand", at, len(entries), fewestEntries, mostEntries)
		}
		for _, name := range entries {
			data, err := fs.ReadFile(tree, name)
			if err == nil {
				err = checkEntry(string(data), arguments)
			}
			if err != nil {
				fault("%s: %v", name, err)
			}
			total += int64(len(data))
		}
	}
	for _, at := range slices.Sorted(maps.Keys(corpora)) {
		if _, ok := targets[at]; !ok {
			fault("%s: the corpus belongs to no fuzz target", at)
		}
	}
	if total > mostCorpora {
		fault("the corpora have %d bytes together, more than %d", total, mostCorpora)
	}
	return len(targets), faults
}

// findCorpora reads a tree: the types of the arguments of each fuzz target, and the
// files of each corpus, both by the path where the target's corpus belongs.
func findCorpora(tree fs.FS) (targets, corpora map[string][]string, err error) {
	targets, corpora = map[string][]string{}, map[string][]string{}
	tests := map[string][]*ast.FuncDecl{} // by folder
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		folder, base := path.Split(name)
		folder = path.Clean(folder)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && base != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "node_modules"):
			return fs.SkipDir
		case fits(corporaFolder, folder) || strings.HasSuffix(folder, "/"+corporaFolder):
			corpora[name] = nil
		case fits(corporaFolder, path.Dir(folder)) || strings.HasSuffix(path.Dir(folder), "/"+corporaFolder):
			corpora[folder] = append(corpora[folder], name)
		case !entry.IsDir() && strings.HasSuffix(base, "_test.go"):
			text, err := fs.ReadFile(tree, name)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, declared := range file.Decls {
				if f, ok := declared.(*ast.FuncDecl); ok {
					tests[folder] = append(tests[folder], f)
				}
			}
		}
		return nil
	})
	for folder, functions := range tests {
		for _, f := range functions {
			if f.Recv == nil && strings.HasPrefix(f.Name.Name, fuzzTargetName) {
				targets[path.Join(folder, corporaFolder, f.Name.Name)] = fuzzed(f, functions)
			}
		}
	}
	return targets, corpora, err
}

// fuzzed are the types of what a target fuzzes: the arguments behind *testing.T of
// the function that it gives to f.Fuzz, itself or by another function of its package.
func fuzzed(target *ast.FuncDecl, functions []*ast.FuncDecl) (arguments []string) {
	var called []string
	look := func(f *ast.FuncDecl) {
		ast.Inspect(f, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			called = append(called, name)
			if name != "Fuzz" || len(call.Args) != 1 {
				return true
			}
			if literal, ok := call.Args[0].(*ast.FuncLit); ok {
				arguments = nil
				for _, field := range literal.Type.Params.List {
					for range max(len(field.Names), 1) {
						arguments = append(arguments, plainType(types.ExprString(field.Type)))
					}
				}
				arguments = arguments[1:]
			}
			return true
		})
	}
	look(target)
	for _, f := range functions {
		if len(arguments) == 0 && slices.Contains(called, f.Name.Name) {
			look(f)
		}
	}
	return arguments
}

// plainType is one name for types that have two.
func plainType(name string) string {
	return cmp.Or(map[string]string{"uint8": "byte", "int32": "rune", "[]uint8": "[]byte"}[name], name)
}

// checkEntry reads a corpus file as Go's fuzzer does: a heading, then a line for each
// argument, a Go literal converted to the argument's type.
func checkEntry(text string, arguments []string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] != corpusHeading {
		return fmt.Errorf("it does not begin with %q", corpusHeading)
	}
	if lines = lines[1:]; len(lines) != len(arguments) {
		return fmt.Errorf("it has %d values, and its target takes %d", len(lines), len(arguments))
	}
	for i, line := range lines {
		value, err := parser.ParseExpr(line)
		if err != nil {
			return fmt.Errorf("value %d: %w", i+1, err)
		}
		call, ok := value.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 || plainType(types.ExprString(call.Fun)) != arguments[i] {
			return fmt.Errorf("value %d is not a %s", i+1, arguments[i])
		}
		if err := checkLiteral(call.Args[0], arguments[i]); err != nil {
			return fmt.Errorf("value %d: %w", i+1, err)
		}
	}
	return nil
}

func checkLiteral(value ast.Expr, kind string) error {
	if sign, ok := value.(*ast.UnaryExpr); ok && sign.Op == token.SUB {
		value = sign.X
	}
	if name, ok := value.(*ast.Ident); ok && kind == "bool" && (name.Name == "true" || name.Name == "false") {
		return nil
	}
	literal, ok := value.(*ast.BasicLit)
	isText := kind == "string" || kind == "[]byte"
	if !ok || kind == "bool" || isText != (literal.Kind == token.STRING) {
		return errors.New("it is not a literal of its type")
	}
	if isText {
		_, err := strconv.Unquote(literal.Value)
		return err
	}
	return nil
}

func TestCorporaAreRead(t *testing.T) {
	t.Parallel()
	const target = "//go:build e2e\n\npackage p\n\nfunc FuzzA(f *testing.F) { f.Fuzz(func(t *testing.T, a []byte, b, c int) {}) }\n"
	const entry = corpusHeading + "\n[]byte(\"x\")\nint(1)\nint(-2)\n"
	good := func() map[string]string {
		return map[string]string{
			"a/a_test.go": target, "a/testdata/fuzz/FuzzA/1": entry, "a/testdata/fuzz/FuzzA/2": entry, "a/testdata/fuzz/FuzzA/3": entry,
		}
	}
	for name, c := range map[string]struct {
		alter func(tree map[string]string)
		fault string // part of the one fault; empty: none
	}{
		"good":               {func(map[string]string) {}, ""},
		"at the root":        {func(tree map[string]string) { atRoot(tree) }, ""},
		"none":               {func(tree map[string]string) { clear(tree); tree["a/a_test.go"] = target }, "has 0 entries"},
		"too few":            {func(tree map[string]string) { delete(tree, "a/testdata/fuzz/FuzzA/1") }, "has 2 entries"},
		"too many":           {func(tree map[string]string) { many(tree, entry) }, "has 41 entries"},
		"another heading":    {func(tree map[string]string) { tree["a/testdata/fuzz/FuzzA/2"] = "go test fuzz v2\n" }, "does not begin"},
		"an empty file":      {func(tree map[string]string) { tree["a/testdata/fuzz/FuzzA/2"] = "" }, "FuzzA/2: it does not begin"},
		"too few values":     {func(tree map[string]string) { tree["a/testdata/fuzz/FuzzA/2"] = corpusHeading + "\n[]byte(\"x\")\n" }, "has 1 values"},
		"another type":       {func(tree map[string]string) { replaceIn(tree, "int(1)", "bool(true)") }, "value 2 is not a int"},
		"a wrong literal":    {func(tree map[string]string) { replaceIn(tree, "int(1)", `int("1")`) }, "value 2: it is not a literal"},
		"no literal":         {func(tree map[string]string) { replaceIn(tree, `"x"`, "x") }, "value 1: it is not a literal"},
		"a torn string":      {func(tree map[string]string) { replaceIn(tree, `"x"`, `"x`) }, "value 1: "},
		"a target that left": {func(tree map[string]string) { tree["a/a_test.go"] = "package p\n" }, "a/testdata/fuzz/FuzzA: the corpus belongs to no"},
		"a stray corpus":     {func(tree map[string]string) { tree["b/testdata/fuzz/FuzzB/1"] = entry }, "b/testdata/fuzz/FuzzB: the corpus belongs to no"},
		"a target in another folder": {func(tree map[string]string) {
			tree["b/b_test.go"] = target
		}, "b/testdata/fuzz/FuzzA has 0 entries"},
		"by a helper": {func(tree map[string]string) {
			tree["a/a_test.go"] = "package p\n\nfunc FuzzA(f *testing.F) { table{}.fuzz(f) }\n"
			tree["a/helper_test.go"] = "package p\n\nfunc (table) fuzz(f *testing.F) { f.Fuzz(func(*testing.T, []uint8, int, int) {}) }\n"
		}, ""},
		"nothing fuzzed":     {func(tree map[string]string) { tree["a/a_test.go"] = "package p\n\nfunc FuzzA(f *testing.F) {}\n" }, "what it fuzzes is not found"},
		"no Go":              {func(tree map[string]string) { tree["a/a_test.go"] = "hello" }, "expected 'package'"},
		"someone else's":     {func(tree map[string]string) { tree["web/node_modules/a/a_test.go"] = target }, ""},
		"a sign and a space": {func(tree map[string]string) { replaceIn(tree, "int(-2)", "int(- 2)") }, ""},
		"a heavy one":        {func(tree map[string]string) { replaceIn(tree, `"x"`, `"`+strings.Repeat("x", mostCorpora)+`"`) }, "bytes together"},
	} {
		tree := good()
		c.alter(tree)
		files := fstest.MapFS{}
		for path, text := range tree {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		_, faults := checkCorpora(files)
		if c.fault == "" && len(faults) > 0 || c.fault != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.fault)) {
			t.Errorf("%s: %q, want %q", name, faults, c.fault)
		}
	}
}

func atRoot(tree map[string]string) {
	for name, text := range maps.Clone(tree) {
		delete(tree, name)
		tree[strings.TrimPrefix(name, "a/")] = text
	}
}

func many(tree map[string]string, entry string) {
	for i := range mostEntries - 2 {
		tree[fmt.Sprintf("a/testdata/fuzz/FuzzA/more-%d", i)] = entry
	}
}

func replaceIn(tree map[string]string, old, now string) {
	const name = "a/testdata/fuzz/FuzzA/2"
	tree[name] = strings.Replace(tree[name], old, now, 1)
}
