// Package cmd_test keeps the house in order: which of our packages may import
// which (the table of docs; a border crossed by accident fails here first).
package cmd_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "stint"

// mayImport lists every package of ours, and the packages of ours that its
// product code may import. A pattern ending in "/..." stands for a package and
// everything below it; the most exact pattern that fits a package counts. A
// package that no row names fails the test: add the row, or find the right room.
var mayImport = []struct {
	pkg     string
	imports []string
}{
	// Contracts: pure, or nearly so.
	{"policies", []string{"policies/internal/condition", "policies/internal/document"}},
	{"policies/internal/condition", nil},
	{"policies/internal/document", nil},
	{"policies/bundle", nil},
	{"policies/analysis", []string{"policies", "policies/cases"}},
	{"policies/cases", []string{"policies", "policies/analysis"}},
	{"server", nil},
	{"server/api", nil},
	{"server/ledger", nil},
	{"server/border", nil},
	{"server/evidence", []string{"policies", "server/ledger"}},
	{"recorder/cast", []string{"server/evidence", "server/ledger"}},
	// People are policies.Subject on every wire; that type is all they take from there.
	{"server/signer/wire", []string{"server/border", "server/evidence", "server/ledger", "policies"}},
	{"recorder/wire", []string{"server/border", "server/evidence", "server/ledger", "policies"}},
	{"migrations", nil},
	{"web", nil},

	// The flow.
	{"server/access", []string{"policies", "policies/analysis", "server/evidence"}},

	// Processes.
	{"server/signer/...", []string{"server/signer/...", "server/border", "server/evidence", "policies", "server/ledger"}},
	{"recorder/...", []string{"recorder/...", "server/border", "server/signer/wire", "server/evidence", "server/ledger"}},
	{"server/broker/...", []string{
		"server/broker/...", "server/access", "server/border", "server/evidence", "policies", "policies/analysis", "server/ledger", "server/api",
		"server/signer/wire", "recorder/cast", "recorder/wire", "web", "migrations",
	}},

	// Commands.
	{"cmd/stint/...", []string{"cmd/stint/...", "server/api", "server/border", "server/evidence", "policies", "policies/analysis", "policies/cases", "server/ledger", "recorder/cast"}},
	{"cmd/stint-broker", []string{"cmd/internal/process", "server/broker"}},
	{"cmd/stint-signer", []string{"cmd/internal/process", "server/signer", "server/signer/witness"}},
	{"cmd/stint-proxy", []string{"cmd/internal/process", "recorder"}},
	{"cmd/internal/process", nil},
	// It starts the other binaries and links none of them. The default policies
	// are YAML in an embed.FS of their own.
	{"cmd/stint-dev/...", []string{"cmd/stint-dev/...", "server/api", "server/evidence", "policies/bundle"}},

	// Tests only.
	{"cmd", nil},
}

// neverLinks names what must not be in a binary or package even indirectly.
var neverLinks = []struct {
	pkgs  []string
	never []string
}{
	{
		[]string{"server/signer", "cmd/stint-signer"},
		[]string{"github.com/gin-gonic/...", "gorm.io/...", "github.com/slack-go/...", "stint/server/broker/...", "stint/server/access", "stint/recorder/...",
			// Behind build tags only: the plain signer stays small.
			"github.com/ThalesGroup/...", "github.com/miekg/...",
			"github.com/aws/...", "github.com/Azure/...", "cloud.google.com/...", "google.golang.org/api/...", "google.golang.org/grpc/..."},
	},
	{
		[]string{"recorder", "cmd/stint-proxy"},
		[]string{"github.com/gin-gonic/...", "gorm.io/...", "github.com/slack-go/...", "stint/server/broker/...", "stint/server/access"},
	},
	{
		[]string{"server/broker", "cmd/stint-broker", "cmd/stint", "cmd/stint-dev"},
		[]string{"stint/server/signer", "stint/server/signer/internal/...", "stint/recorder", "stint/recorder/sshproxy/...", "stint/recorder/spool/..."},
	},
	{
		[]string{"cmd/stint-dev", "cmd/stint"},
		[]string{"stint/server/broker/...", "stint/server/access"},
	},
}

// neverImports names what product code of a package must not import directly.
// (Indirectly is not the question there: fmt itself imports os.)
var neverImports = []struct {
	pkg   string
	never []string
}{
	// net/netip only reads addresses.
	{"policies", []string{"net", "net/http", "net/url", "net/rpc", "os", "os/...", "syscall", "cel.dev/...", "go.yaml.in/..."}},
	{"policies/internal/condition", []string{"net", "net/...", "os", "os/...", "syscall"}},
	{"policies/internal/document", []string{"net", "net/...", "os", "os/...", "syscall"}},
	{"policies/analysis", []string{"net", "net/...", "os", "os/...", "syscall", "cel.dev/..."}},
	{"server/evidence", []string{"net", "net/http", "os", "os/...", "database/sql"}},
	{"server/ledger", []string{"net", "net/...", "os", "os/...", "database/sql"}},
	{"server/access", []string{"net", "net/...", "os", "os/...", "syscall", "database/...", "io/fs", "log", "embed", "github.com/...", "gorm.io/...", "modernc.org/..."}},
}

// clockless packages are handed the time; they never read it.
var clockless = []string{"policies", "policies/analysis", "policies/internal/condition", "policies/internal/document", "server/evidence", "server/ledger", "server/access"}

// pkgInfo is the part of `go list -json` that matters here.
type pkgInfo struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
	Deps       []string
	Standard   bool
	Error      *struct{ Err string }
}

// packages lists our packages as built with the tag e2e, which sees every file.
var packages = sync.OnceValues(func() ([]pkgInfo, error) {
	command := exec.Command("go", "list", "-e", "-tags", "e2e", "-json=ImportPath,Dir,GoFiles,CgoFiles,Imports,Deps,Standard,Error", "./...")
	command.Dir = ".."
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []pkgInfo
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p pkgInfo
		if err := decoder.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		all = append(all, p)
	}
})

func ours(t *testing.T) []pkgInfo {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("go list named only %d packages; this test would prove nothing", len(all))
	}
	return all
}

func find(t *testing.T, name string) pkgInfo {
	t.Helper()
	for _, p := range ours(t) {
		if p.ImportPath == module+"/"+name {
			return p
		}
	}
	t.Fatalf("there is no package %s; the row is out of date", name)
	return pkgInfo{}
}

// fits tells whether an import path is named by a pattern.
func fits(pattern, importPath string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return importPath == tree || strings.HasPrefix(importPath, tree+"/")
	}
	return pattern == importPath
}

func fitsAny(patterns []string, importPath string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, importPath) })
}

// row finds the most exact pattern of mayImport that names a package.
func row(name string) (imports []string, ok bool) {
	best := -1
	for _, r := range mayImport {
		if fits(r.pkg, name) && len(r.pkg) > best {
			best, imports, ok = len(r.pkg), r.imports, true
		}
	}
	return imports, ok
}

// isTestCode tells packages that exist for tests: a conformance suite, a
// fixture builder, the end to end tests. Their names say so.
func isTestCode(name string) bool {
	return strings.HasSuffix(path.Base(name), "test") || fits("cmd/e2e/...", name)
}

func TestEachPackageImportsOnlyWhatItsRowAllows(t *testing.T) {
	for _, p := range ours(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if isTestCode(name) {
			continue
		}
		allowed, ok := row(name)
		if !ok {
			t.Errorf("package %s has no row in mayImport: say what it may import, or move it to a room that has one", name)
			continue
		}
		for _, imported := range p.Imports {
			own, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case isOurs && isTestCode(own), fits("testing/...", imported), imported == "net/http/httptest":
				t.Errorf("%s is product code and imports test code: %s", name, imported)
			case isOurs && !fitsAny(allowed, own):
				t.Errorf("%s may not import %s (its row allows %v)", name, own, allowed)
			}
		}
	}
}

func TestSomeThingsAreNeverLinked(t *testing.T) {
	for _, rule := range neverLinks {
		for _, name := range rule.pkgs {
			p := find(t, name)
			if len(p.Deps) == 0 {
				t.Errorf("%s has no dependencies at all; is it there?", name)
			}
			for _, dependency := range p.Deps {
				if fitsAny(rule.never, dependency) {
					t.Errorf("%s links %s (find the way with: go mod why, or go list -deps)", name, dependency)
				}
			}
		}
	}
}

func TestPurePackagesImportNoInputOrOutput(t *testing.T) {
	for _, rule := range neverImports {
		for _, imported := range find(t, rule.pkg).Imports {
			if fitsAny(rule.never, imported) {
				t.Errorf("%s may not import %s", rule.pkg, imported)
			}
		}
	}
}

func TestTimeIsInjectedWherePromised(t *testing.T) {
	reads := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	for _, name := range clockless {
		p := find(t, name)
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(node ast.Node) bool {
				selector, ok := node.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if base, ok := selector.X.(*ast.Ident); ok && base.Name == "time" && slices.Contains(reads, selector.Sel.Name) {
					t.Errorf("%s/%s reads the clock: time.%s; it must be handed the time", name, file, selector.Sel.Name)
				}
				return true
			})
		}
	}
}

func TestRowsAreRead(t *testing.T) {
	for name, want := range map[string]bool{
		"policies": true, "server/signer/internal/keys": true, "server/newcomer": false,
		"cmd/stint-newcomer": false, "policies/deep": false, "utilities": false,
	} {
		if _, ok := row(name); ok != want {
			t.Errorf("row(%q) found: %v, want %v", name, ok, want)
		}
	}
	if imports, _ := row("server/signer/wire"); fitsAny(imports, "server/signer/internal/keys") {
		t.Error("the row of signer/wire must win over that of its tree")
	}
}
