package policies

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSelectorsSelect(t *testing.T) {
	t.Parallel()
	target := Target{Name: "web-prod-1", Labels: map[string]string{"env": "production", "tier": "web", "owner": "payments"}}
	for name, c := range map[string]struct {
		selector Selector
		want     bool
	}{
		"nothing":               {Selector{}, false},
		"empty lists":           {Selector{Names: []string{}, Labels: map[string]string{}}, false},
		"its name":              {Selector{Names: []string{"web-prod-1"}}, true},
		"the front of its name": {Selector{Names: []string{"web-prod"}}, false},
		"one of two names":      {Selector{Names: []string{"db-1", "web-*"}}, true},
		"neither of two":        {Selector{Names: []string{"db-1", "web"}}, false},
		"every name":            {Selector{Names: []string{"*"}}, true},
		"its label":             {Selector{Labels: map[string]string{"env": "production"}}, true},
		"a label's pattern":     {Selector{Labels: map[string]string{"env": "prod*"}}, true},
		"any value of a label":  {Selector{Labels: map[string]string{"owner": "*"}}, true},
		"a label it lacks":      {Selector{Labels: map[string]string{"data": "*"}}, false},
		"one label of two":      {Selector{Labels: map[string]string{"env": "production", "tier": "db"}}, false},
		"both labels":           {Selector{Labels: map[string]string{"env": "production", "tier": "web"}}, true},
		"name and label":        {Selector{Names: []string{"web-*"}, Labels: map[string]string{"env": "production"}}, true},
		"name, not the label":   {Selector{Names: []string{"web-*"}, Labels: map[string]string{"env": "staging"}}, false},
		"label, not the name":   {Selector{Names: []string{"db-*"}, Labels: map[string]string{"env": "production"}}, false},
		"capitals":              {Selector{Labels: map[string]string{"env": "Production"}}, false},
	} {
		if got := c.selector.selects(target); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestPatternsFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true},
		{"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*a", "a", true}, {"*a", "ba", true}, {"*a", "ab", false},
		{"a*a", "a", false}, {"a*a", "aa", true}, {"a*a", "aba", true}, {"ab*ba", "aba", false}, {"ab*ba", "abba", true},
		{"*ab*ab*", "abab", true}, {"*ab*ab*", "aab", false}, {"*ab*ab", "abxab", true}, {"*a*b*c*", "xaxbxcx", true}, {"*a*b*c", "acb", false},
		{"web-*-1", "web-prod-1", true}, {"web-*-1", "web-1", false}, {"web*-1", "web-1", true}, {"*.*", "a.b", true}, {"a.c", "abc", false},
	} {
		if got := globFits(c.pattern, c.text); got != c.want {
			t.Errorf("%q in %q: %t", c.text, c.pattern, got)
		}
	}
}

// A pattern of many asterisks over a text that almost fits takes no longer than others:
// with a search that goes back, this one would not end.
func TestPatternsAreCheap(t *testing.T) {
	t.Parallel()
	pattern, text := strings.Repeat("a*", 10_000)+"b", strings.Repeat("a", 1_000_000)
	began := time.Now()
	if globFits(pattern, text) {
		t.Error("it fits")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// FuzzPatterns holds patterns against what the regular expression of the same meaning says.
func FuzzPatterns(f *testing.F) {
	f.Add("web-*", "web-1")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		expression, err := regexp.Compile(`^(?s:` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `)$`)
		if err != nil || !utf8Both(pattern, text) {
			return
		}
		if got, want := globFits(pattern, text), expression.MatchString(text); got != want {
			t.Errorf("%q in %q: %t", text, pattern, got)
		}
	})
}

// utf8Both leaves out what a regular expression reads otherwise than byte by byte.
func utf8Both(texts ...string) bool {
	for _, text := range texts {
		if strings.ToValidUTF8(text, "") != text {
			return false
		}
	}
	return true
}
