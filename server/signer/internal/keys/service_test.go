package keys

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestAKeyServiceNeedsItsBuild(t *testing.T) {
	t.Parallel()
	s := settings(filepath.Join(t.TempDir(), "keys"))
	s.Service = &Service{Name: "nokms", Place: "nowhere"}
	if _, err := Generate(s); err == nil || !strings.Contains(err.Error(), "-tags nokms") {
		t.Errorf("a signer without it says %v", err)
	}
	// What did not come to be begun can be begun.
	if _, err := Load(s); !errors.Is(err, ErrNone) {
		t.Errorf("it left something: %v", err)
	}
}
