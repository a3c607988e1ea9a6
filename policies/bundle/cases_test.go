package bundle_test

import (
	"os"
	"testing"

	"stint/policies"
	"stint/policies/bundle"
	"stint/policies/cases"
)

// suite reads the cases of the default policies.
func suite(t *testing.T) *cases.Suite {
	t.Helper()
	s, err := cases.Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every rule of the default policies is seen fulfilled and refusing by some case.
func TestTheDefaultCases(t *testing.T) {
	t.Parallel()
	b, err := policies.Load(bundle.Files)
	if err != nil {
		t.Fatal(err)
	}
	s := suite(t)
	if b, err = s.Bundle(b); err != nil {
		t.Fatal(err)
	}
	results := s.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results.Cases {
		for _, f := range r.Failures {
			t.Errorf("%s:%d: %s: %s came to %s instead of %s: %s", r.File, r.Line, r.Name, f.What, f.Came, f.Expected, policies.Objections(r.Decision.Reasons))
		}
	}
	if results.Passed == 0 {
		t.Error("there are no cases")
	}
	for _, rule := range results.Coverage(b).Unseen() {
		t.Error(rule)
	}
}
