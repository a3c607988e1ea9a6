package policies

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// MostReason and MostName bound free text, in characters (Unicode code points).
const (
	MostReason = 500
	MostName   = 200
)

var (
	namePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	loginPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,31}$`)
)

// CheckName refuses what is no name of a role, target or stage: 1 to 63 small
// letters, digits and hyphens, the first no hyphen.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q is not a name: use 1 to 63 small letters, digits and hyphens, and do not begin with a hyphen", name)
	}
	return nil
}

// CheckLogin refuses what is no login on a target: 1 to 32 ASCII letters,
// digits, dots, underscores and hyphens, the first a letter or an underscore.
// There is no "@" in a login, so login@target has one reading.
func CheckLogin(login string) error {
	if !loginPattern.MatchString(login) {
		return fmt.Errorf("%q is not a login: use 1 to 32 letters, digits, dots, underscores and hyphens, and begin with a letter or an underscore", login)
	}
	return nil
}

// CheckText refuses free text that is longer than most characters, or that
// could look like something other than it is: text that is not UTF-8, and
// characters that are invisible, break the line or change the direction of
// writing. The list is fixed, not taken from the Unicode tables at hand, so
// that what was signed this year reads the same in ten.
func CheckText(text string, most int) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the text is not UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Errorf("the text has %d characters; at most %d fit", n, most)
	}
	for _, r := range text {
		if what, refused := refusedRune(r); refused {
			return fmt.Errorf("the text holds the character U+%04X (%s), which cannot be seen or changes how the rest is read", r, what)
		}
	}
	return nil
}

// refusedRune tells whether a character stands in no text, and what it is.
func refusedRune(r rune) (what string, refused bool) {
	if ' ' <= r && r <= '~' {
		return "", false // most of them
	}
	for _, refused := range refusedRunes {
		if r >= refused.first && r <= refused.last {
			return refused.what, true
		}
	}
	return "", false
}

// refusedRunes is part of the statement format: docs/formats/evidence.md holds
// the same table, and a change to it is a new version of the format.
var refusedRunes = []struct {
	first, last rune
	what        string
}{
	{0x0000, 0x001F, "a control character"},
	{0x007F, 0x009F, "a control character"},
	{0x00AD, 0x00AD, "a soft hyphen"},
	{0x034F, 0x034F, "an invisible joiner"},
	{0x061C, 0x061C, "a direction mark"},
	{0x115F, 0x1160, "an invisible filler"},
	{0x17B4, 0x17B5, "an invisible vowel"},
	{0x180B, 0x180F, "an invisible selector"},
	{0x200B, 0x200F, "a zero-width character or direction mark"},
	{0x2028, 0x2029, "a line or paragraph separator"},
	{0x202A, 0x202E, "a direction mark"},
	{0x2060, 0x206F, "an invisible operator or direction mark"},
	{0x3164, 0x3164, "an invisible filler"},
	{0xFEFF, 0xFEFF, "a byte order mark"},
	{0xFFA0, 0xFFA0, "an invisible filler"},
	{0xFFF9, 0xFFFB, "an annotation mark"},
	{0x1BCA0, 0x1BCA3, "a format control"},
	{0x1D173, 0x1D17A, "a format control"},
	{0xE0000, 0xE0FFF, "a tag or selector"},
}
