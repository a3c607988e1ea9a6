//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// bin is the directory of the binaries under test; root that of the repository.
var bin, root string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if root, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	if bin = os.Getenv("STINT_BIN"); bin == "" {
		if bin, err = os.MkdirTemp("", "stint-e2e-bin-"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(bin)
		build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/...")
		build.Dir, build.Stdout, build.Stderr = root, os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return 0, fmt.Errorf("building the binaries: %w", err)
		}
	}
	// The tests wait for browsers and clocks more than they compute.
	flag.Parse()
	if at := flag.Lookup("test.parallel"); at != nil && at.Value.String() == at.DefValue {
		if err := flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+2)); err != nil {
			return 0, err
		}
	}
	defer stopDriver()
	return m.Run(), nil
}
