package policies

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	fields := []string{"name", "description", "requesters", "targets", "logins", "approval", "breakGlass", "single"}
	for word, want := range map[string]string{
		"requester": "requesters", "requestors": "requesters", "reqeusters": "requesters", "Requesters": "requesters", "target": "targets", "nmae": "name", "NAME": "name",
		"breakglass": "breakGlass", "break-glass": "breakGlass", "aproval": "approval", "descripton": "description",
		"": "", "x": "", "nothing": "", "owner": "", "name": "", "signal": "", "game": "name", "logs": "", "loginsss": "logins",
		strings.Repeat("a", 100): "",
	} {
		if got := Meant(word, fields); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := Meant(strings.Repeat("\u023a", 32), []string{strings.Repeat("\u023a", 33)}); got != "" {
		t.Errorf("a word that is longer in small letters: %q", got)
	}
	if got := Meant("web", []string{"wed", "wet", "we"}); got != "wed" {
		t.Errorf("of several, %q", got)
	}
	if got := Meant("ca", []string{"abc"}); got != "" {
		t.Errorf("three slips in two letters: %q", got)
	}
}

func TestSlips(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abcd", "badc", 2}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"abcdef", "uvwxyz", 5},
	} {
		if got := slips(c.a, c.b, 5); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := slips(c.b, c.a, 5); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

// A policy of many names that are nearly what others meant takes no longer than it may.
func TestSuggestionsAreCheap(t *testing.T) {
	t.Parallel()
	name := func(i int) string { return fmt.Sprintf("%s%06d", strings.Repeat("a", 57), i) }
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "kind: Role\nname: %s\nrequesters: [a]\ntargets: {labels: {a: b}}\nlogins: [a]\nduration: {default: 1h, longest: 1h}\nreason: optional\napproval: []\n---\n", name(i))
	}
	text.WriteString("kind: Separation\nname: many\nforbid: held\nroles:\n")
	for i := range mostApart {
		fmt.Fprintf(&text, "  - %s\n", name(900_000+i))
	}
	began := time.Now()
	_, err := Parse(map[string]string{"f.yaml": text.String()})
	if err == nil || strings.Count(err.Error(), "There is no role") != mostApart {
		t.Errorf("the faults are %.300v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
