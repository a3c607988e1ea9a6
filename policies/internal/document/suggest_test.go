package document

import (
	"fmt"
	"strings"
	"testing"
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

// What is searched has bounds, whatever a policy holds.
func TestSuggestionsAreCheap(t *testing.T) {
	t.Parallel()
	names := make([]string, mostAmong, mostAmong+1)
	for i := range names {
		names[i] = strings.Repeat("a", mostMeant-6) + fmt.Sprintf("%06d", i)
	}
	names = append(names, "requesters")
	if got := Meant("requester", names); got != "" {
		t.Errorf("it looked at more than %d words, and found %q", mostAmong, got)
	}
	if got := Meant("requester", names[1:]); got != "requesters" {
		t.Errorf("the last of as many as are looked at was not found: %q", got)
	}
	if got := Meant(names[1]+"00", names); got != "" {
		t.Errorf("for a word that is too long, it found %q", got)
	}
}
