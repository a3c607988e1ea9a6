package bundle_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"stint/policies"
	"stint/policies/analysis"
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

// company is the default policies on the targets of the cases, and the cases.
func company(t *testing.T) (*policies.Bundle, *cases.Suite) {
	t.Helper()
	s := suite(t)
	b, err := policies.Load(bundle.Files)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = s.Bundle(b); err != nil {
		t.Fatal(err)
	}
	return b, s
}

// Every rule of the default policies is seen fulfilled and refusing by some case.
func TestTheDefaultCases(t *testing.T) {
	t.Parallel()
	b, s := company(t)
	results := s.Run(b)
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

// outsider is who tests/outsiders.yaml makes up.
var outsider = regexp.MustCompile("^(all|everybody) but ")

// How few of the people of the cases, but for outsiders, get each role together. Whoever changes a number here
// changes what the company promises.
func TestHowFewGetARole(t *testing.T) {
	t.Parallel()
	b, s := company(t)
	fewest := map[string]int{
		"demo-shell":      1, // a host that holds nothing
		"on-call-shell":   1, // where the paging schedule says so, or whoever tampers with the broker
		"emergency-shell": 1, // loudly, and reviewed

		"production-shell": 2,
		"app-release":      3, "contractor-shell": 3, "audit-read": 3, "customer-data": 3, "database-administration": 3, "key-management": 3,
		"root-key-ceremony": 4,
	}
	staff := slices.DeleteFunc(slices.Clone(s.People.People()), func(p analysis.Person) bool { return outsider.MatchString(p.Name) })
	for _, r := range analysis.New(b, analysis.NewPopulation(staff, s.People.Delegations())).Collusions() {
		if r.People != fewest[r.Role] {
			t.Errorf("%d people together get %s, and it should be %d: %+v", r.People, r.Role, fewest[r.Role], r.Ways)
		}
		delete(fewest, r.Role)
	}
	if len(fewest) > 0 {
		t.Errorf("nothing is said of %v", fewest)
	}
}

// Lint has no error to tell of, and names the roles that one person gets alone.
func TestWhatLintSaysOfTheDefaults(t *testing.T) {
	t.Parallel()
	b, s := company(t)
	said := map[string][]string{}
	for _, f := range analysis.New(b, nil).Lint(analysis.Options{Tested: s.Tested()}) {
		if f.Severity == analysis.SeverityError {
			t.Errorf("%s:%d: %s", f.File, f.Line, f.Text)
		}
		if !slices.Contains(said[f.Rule], f.Role) {
			said[f.Rule] = append(said[f.Rule], f.Role)
		}
	}
	for rule, roles := range map[string][]string{
		"alone":         {"demo-shell", "emergency-shell", "on-call-shell"},
		"trusted-fact":  {"on-call-shell"},
		"no-recipients": {""}, // whose keys there are is the installation's to say
	} {
		if got := slices.Sorted(slices.Values(said[rule])); !slices.Equal(got, roles) {
			t.Errorf("%s is said of %v, and should be of %v", rule, got, roles)
		}
		delete(said, rule)
	}
	if len(said) > 0 {
		t.Errorf("lint says besides %v", said)
	}
}
