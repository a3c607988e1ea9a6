package cases

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stint/policies"
)

// Bounds of what somebody is told who wrote a name that there is not.
const (
	mostMeant   = 3     // names that may be meant
	mostListed  = 5     // names, where none is near
	mostLooked  = 5_000 // names that are looked at
	mostWords   = 16    // words of what was written
	fewestAlike = 3     // letters of a word that says something
)

// Unknown says that there is no such thing of that name, and which may be meant: one that
// differs by a slip of the pen, else those that share the most of its words.
func Unknown(what, name string, names []string) error {
	meant := []string{policies.Meant(name, names)}
	if meant[0] == "" {
		meant = alike(name, names)
	}
	switch {
	case len(meant) > 0:
		return fmt.Errorf("there is no %s %q; did you mean %s?", what, name, listed(quoted(meant), "or"))
	case len(names) == 0:
		return fmt.Errorf("there is no %s %q, nor any other", what, name)
	case len(names) > mostListed:
		return fmt.Errorf("there is no %s %q; there are %s and %d more", what, name, strings.Join(quoted(names[:mostListed]), ", "), len(names)-mostListed)
	case len(names) == 1:
		return fmt.Errorf("there is no %s %q; there is %s", what, name, quoted(names)[0])
	}
	return fmt.Errorf("there is no %s %q; there are %s", what, name, listed(quoted(names), "and"))
}

// quoted are names as they stand in a sentence, which those of several words could be taken
// for a part of.
func quoted(names []string) []string {
	shown := slices.Clone(names)
	for i, name := range shown {
		if strings.ContainsAny(name, " ,") {
			shown[i] = fmt.Sprintf("%q", name)
		}
	}
	return shown
}

// alike are the names that share most with one, by their words; none where no name does.
func alike(name string, names []string) []string {
	written := words(name)
	written = written[:min(len(written), mostWords)]
	type shares struct {
		name          string
		words, length int
	}
	var found []shares
	for _, other := range names[:min(len(names), mostLooked)] {
		has, s := words(other), shares{name: other}
		for _, word := range written {
			switch {
			case slices.Contains(has, word):
				s.words += 2
			case slices.ContainsFunc(has, func(w string) bool { return strings.HasPrefix(w, word) || strings.HasPrefix(word, w) }), policies.Meant(word, has) != "":
				s.words++
			}
		}
		if s.length = len(has); s.words > 0 {
			found = append(found, s)
		}
	}
	// Half of what the nearest shares is no likeness any more.
	slices.SortStableFunc(found, func(a, b shares) int { return cmp.Or(b.words-a.words, a.length-b.length) })
	var nearest []string
	for _, s := range found[:min(len(found), mostMeant)] {
		if 2*s.words > found[0].words {
			nearest = append(nearest, s.name)
		}
	}
	return nearest
}

// words are those of a name that say something, in small letters.
func words(name string) []string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(parts, func(word string) bool { return utf8.RuneCountInString(word) < fewestAlike })
}
