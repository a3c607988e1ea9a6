package cases

import (
	"strings"
	"testing"
)

// FuzzCases: whatever a file holds, it is read or refused with faults that say where, and
// what was read can be decided and explained.
func FuzzCases(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(map[string]string{"tests/c.yaml": text}, cast())
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "tests/c.yaml:") {
					t.Fatalf("a fault does not say where: %q", line)
				}
			}
			return
		}
		b, err := s.Bundle(bundleOf(t, policyText))
		if err != nil {
			t.Fatalf("the targets that were read are no targets: %v", err)
		}
		results := s.Run(b)
		if results.Passed+results.Failed != len(s.Cases) {
			t.Errorf("%d and %d are not %d", results.Passed, results.Failed, len(s.Cases))
		}
		for _, r := range results.Cases {
			if len(r.Explained.Lines(80)) < 2 {
				t.Errorf("%s is not explained", r.Name)
			}
		}
	})
}
