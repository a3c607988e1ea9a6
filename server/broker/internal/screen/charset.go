package screen

// charset is a national replacement character set: what stands for some of the
// ASCII characters. nil stands for ASCII itself.
type charset struct {
	final byte // as in ESC ( final
	runes map[rune]rune
}

// charsets are the sets by their final byte, as xterm.js knows them. B is nil.
var charsets = map[byte]*charset{
	'B': nil,
	'0': {'0', map[rune]rune{
		'`': '◆', 'a': '▒', 'b': '␉', 'c': '␌', 'd': '␍', 'e': '␊', 'f': '°', 'g': '±', 'h': '␤', 'i': '␋',
		'j': '┘', 'k': '┐', 'l': '┌', 'm': '└', 'n': '┼', 'o': '⎺', 'p': '⎻', 'q': '─', 'r': '⎼', 's': '⎽',
		't': '├', 'u': '┤', 'v': '┴', 'w': '┬', 'x': '│', 'y': '≤', 'z': '≥', '{': 'π', '|': '≠', '}': '£',
		'~': '·',
	}},
	'A': {'A', map[rune]rune{
		'#': '£',
	}},
	'4': {'4', map[rune]rune{
		'#': '£', '@': '¾', '[': 'i', '\\': '½', ']': '|', '{': '¨', '|': 'f', '}': '¼', '~': '´',
	}},
	'C': {'C', map[rune]rune{
		'[': 'Ä', '\\': 'Ö', ']': 'Å', '^': 'Ü', '`': 'é', '{': 'ä', '|': 'ö', '}': 'å', '~': 'ü',
	}},
	'R': {'R', map[rune]rune{
		'#': '£', '@': 'à', '[': '°', '\\': 'ç', ']': '§', '{': 'é', '|': 'ù', '}': 'è', '~': '¨',
	}},
	'Q': {'Q', map[rune]rune{
		'@': 'à', '[': 'â', '\\': 'ç', ']': 'ê', '^': 'î', '`': 'ô', '{': 'é', '|': 'ù', '}': 'è',
		'~': 'û',
	}},
	'K': {'K', map[rune]rune{
		'@': '§', '[': 'Ä', '\\': 'Ö', ']': 'Ü', '{': 'ä', '|': 'ö', '}': 'ü', '~': 'ß',
	}},
	'Y': {'Y', map[rune]rune{
		'#': '£', '@': '§', '[': '°', '\\': 'ç', ']': 'é', '`': 'ù', '{': 'à', '|': 'ò', '}': 'è',
		'~': 'ì',
	}},
	'E': {'E', map[rune]rune{
		'@': 'Ä', '[': 'Æ', '\\': 'Ø', ']': 'Å', '^': 'Ü', '`': 'ä', '{': 'æ', '|': 'ø', '}': 'å',
		'~': 'ü',
	}},
	'Z': {'Z', map[rune]rune{
		'#': '£', '@': '§', '[': '¡', '\\': 'Ñ', ']': '¿', '{': '°', '|': 'ñ', '}': 'ç',
	}},
	'H': {'H', map[rune]rune{
		'@': 'É', '[': 'Ä', '\\': 'Ö', ']': 'Å', '^': 'Ü', '`': 'é', '{': 'ä', '|': 'ö', '}': 'å',
		'~': 'ü',
	}},
	'=': {'=', map[rune]rune{
		'#': 'ù', '@': 'à', '[': 'é', '\\': 'ç', ']': 'ê', '^': 'î', '_': 'è', '`': 'ô', '{': 'ä',
		'|': 'ö', '}': 'ü', '~': 'û',
	}},
}

// findCharset returns the set that a final byte selects, and whether there is one.
func findCharset(final byte) (*charset, bool) {
	switch final {
	case '5':
		final = 'C'
	case '6':
		final = 'E'
	case '7':
		final = 'H'
	}
	set, known := charsets[final]
	return set, known
}

// typed is what prints as r while the set is in use.
func (c *charset) typed(r rune) (code rune, ok bool) {
	if c == nil || c.runes[r] == 0 {
		return r, true
	}
	for from, to := range c.runes {
		if to == r {
			return from, true
		}
	}
	return 0, false
}
