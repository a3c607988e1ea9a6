package files

import "strings"

// scpCommand is what scp is asked for at the target.
type scpCommand struct {
	sends bool // -f: the target sends; else, -t, it is sent to
	path  string
}

// readCommand reads a command that runs scp at the target and can run nothing else:
// the word scp, its options, and one path, between single spaces. Whatever a shell
// would read otherwise than letter by letter makes it another command.
func readCommand(command string) (c scpCommand, ok bool) {
	words := strings.Split(command, " ")
	if words[0] != "scp" {
		return c, false
	}
	words = words[1:]
	receives := false
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		option := words[0]
		words = words[1:]
		if option == "--" {
			break
		}
		if len(option) == 1 {
			return c, false
		}
		for _, letter := range option[1:] {
			switch letter {
			case 'f':
				c.sends = true
			case 't':
				receives = true
			case 'r', 'p', 'd', 'v', 'q':
			default:
				return c, false
			}
		}
	}
	if len(words) != 1 || c.sends == receives || !isPlainWord(words[0]) {
		return c, false
	}
	c.path = words[0]
	return c, true
}

// isPlainWord tells whether any shell takes a word for itself. A ~ at its beginning only
// names a home.
func isPlainWord(word string) bool {
	for _, c := range []byte(word) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case strings.IndexByte("/._-+,:@%=~", c) >= 0:
		default:
			return false
		}
	}
	return word != ""
}
