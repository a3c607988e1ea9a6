package recordings

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builtS3 builds testdata/s3 once, where nobody did before. It is a module of its own:
// the product needs no server of S3.
var builtS3 = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("STINT_BIN"); bin != "" {
		return filepath.Join(bin, "s3"), nil
	}
	directory, err := os.MkdirTemp("", "stint-s3-")
	if err != nil {
		return "", err
	}
	removeAfterTests = directory
	built := filepath.Join(directory, "s3")
	build := exec.Command("go", "build", "-o", built, ".")
	build.Dir = filepath.Join("testdata", "s3")
	build.Stderr = os.Stderr
	return built, build.Run()
})

var removeAfterTests string

func TestMain(m *testing.M) {
	code := m.Run()
	if removeAfterTests != "" {
		_ = os.RemoveAll(removeAfterTests)
	}
	os.Exit(code)
}

func serverOfS3(t *testing.T, address, directory string) *exec.Cmd {
	t.Helper()
	program, err := builtS3()
	if err != nil {
		t.Fatalf("building the server of S3: %v", err)
	}
	return exec.Command(program, address, directory)
}
