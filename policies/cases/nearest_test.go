package cases

import (
	"fmt"
	"strings"
	"testing"
)

func TestUnknownNamesWhatIsNear(t *testing.T) {
	t.Parallel()
	many := []string{
		"production: a lead agrees", "production: nobody agrees", "customers: both agree", "customers: security alone", "customers: on production meanwhile", "an emergency of yesterday", "limits: too long",
	}
	for _, c := range []struct {
		name  string
		names []string
		says  string
	}{
		{"production-shel", []string{"customer-data", "production-shell"}, "did you mean production-shell?"},
		{"production", []string{"customer-data", "production-shell", "production-database"}, "did you mean production-shell or production-database?"},
		{"shell", []string{"customer-data", "production-shell"}, "did you mean production-shell?"},
		{"both agree", many, `did you mean "customers: both agree"?`},
		{"costumers meanwhile", many, `did you mean "customers: on production meanwhile"?`},
		{"Lovelace", []string{"Ada Lovelace", "Alan Turing"}, `did you mean "Ada Lovelace"?`},
		{"agrees", many, `did you mean "production: a lead agrees" or "production: nobody agrees"?`},
		{"customer", many, `did you mean "customers: both agree", "customers: security alone" or "customers: on production meanwhile"?`},
		{"xyz", many, `there are "production: a lead agrees", "production: nobody agrees", "customers: both agree", "customers: security alone", "customers: on production meanwhile" and 2 more`},
		{"xyz", []string{"a", "b"}, "there are a and b"},
		{"xyz", []string{"abc"}, "there is abc"},
		{"xyz", nil, "nor any other"},
		{"", []string{"a"}, "there is a"},
		{"on a b", []string{"c d e"}, `there is "c d e"`},
	} {
		if said := Unknown("case", c.name, c.names).Error(); !strings.HasPrefix(said, fmt.Sprintf("there is no case %q", c.name)) || !strings.HasSuffix(said, c.says) {
			t.Errorf("of %q it says: %s", c.name, said)
		}
	}
	long := strings.Repeat("word ", 100_000)
	if said := Unknown("case", long, []string{long + "x", "other"}).Error(); !strings.Contains(said, "did you mean") {
		t.Errorf("of a long name it says %d characters", len(said))
	}
}

// TestCasesNameWhatThereIs: a name that is misspelt is a fault where it stands, also in a row.
func TestCasesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	const rest = "by: ada\nexpect: {outcome: refused}\n"
	for text, fault := range map[string]string{
		"kind: Case\nname: a\nask: {role: shel}\n" + rest:                                                                      `3:13: There is no role "shel"; did you mean shell?`,
		"kind: Case\nname: a\nask: {role: shell, target: web}\n" + rest:                                                        `3:28: There is no target "web"; did you mean web-1?`,
		"kind: Case\nname: a\nask: {role: shell}\ncases:\n- {name: b}\n- {name: c, ask: {target: web-2}}\n" + rest:             `6:27: There is no target "web-2"; did you mean web-1?`,
		"kind: Case\nname: a\nask: {role: shell}\nheld: [shell, shelf]\n" + rest:                                               `4:15: There is no role "shelf"; did you mean shell?`,
		"kind: Case\nname: a\nask: {role: shell}\nhistory: {grants: [{role: shell, ago: 1d}, {role: sell, ago: 1d}]}\n" + rest: `4:51: There is no role "sell"; did you mean shell?`,
		"kind: Case\nname: a\nask: {role: shell}\nchanges: [{by: [bob], ago: 1d, roles: [sell]}]\n" + rest:                     `4:40: There is no role "sell"; did you mean shell?`,
		"kind: Case\nname: a\nask: {role: shell}\nasserted: {rsk: 1}\n" + rest:                                                 `4:17: There is no fact "rsk"; did you mean risk?`,
		"kind: Case\nname: a\nask: {role: shell, target: web-1}\nheld: [shell]\nasserted: {risk: 1}\n" + rest:                  "",
	} {
		s, err := parse(map[string]string{"tests/b.yaml": strings.TrimSuffix(targetText, "---\n"), "tests/a.yaml": text}, cast())
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		b, err := s.Bundle(bundleOf(t, "kind: Organization\nfacts: [{name: risk, type: number, description: How unusual it is.}]\n---\n"+policyText))
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		if err := s.Fits(b); err != nil {
			said = strings.TrimPrefix(err.Error(), "tests/a.yaml:")
		}
		if said != fault {
			t.Errorf("it says %q, want %q of\n%s", said, fault, text)
		}
	}
}
