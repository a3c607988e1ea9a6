package document

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// placeIn finds where a character of a scalar's value stands in the file that it was read
// from: folded lines, indentation, quotes and escapes lie between the two. Lines and
// columns count characters from 1. Where it cannot be told it is the place of the scalar.
func placeIn(file string, scalar *yaml.Node, line, column int) (int, int) {
	value := []rune(scalar.Value)
	wanted := 0
	for ; line > 1 && wanted < len(value); wanted++ {
		if value[wanted] == '\n' {
			line--
		}
	}
	w := walker{lines: strings.Split(strings.ReplaceAll(file, "\r\n", "\n"), "\n"), value: value, style: scalar.Style}
	if scalar.Line < 1 || scalar.Column < 1 || !w.start(scalar) || !w.walk(min(wanted+column-1, len(value))) {
		return scalar.Line, scalar.Column
	}
	return w.line + 1, w.column + 1
}

// walker goes through a scalar in its file and through its value, side by side.
type walker struct {
	lines  []string
	value  []rune
	style  yaml.Style
	indent int // of a block

	line, column int // in the file, from 0
	at           int // in the value
}

const inBlock = yaml.LiteralStyle | yaml.FoldedStyle

// start goes to the scalar's first character.
func (w *walker) start(scalar *yaml.Node) bool {
	w.line, w.column = scalar.Line-1, scalar.Column-1
	if scalar.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		w.column++
	}
	if scalar.Style&inBlock == 0 {
		return w.line < len(w.lines)
	}
	// The text begins behind the line of the indicator, as deep as its first line that
	// is not blank, less what of that is its own.
	w.line++
	text := strings.TrimLeft(scalar.Value, "\n")
	own := len(text) - len(strings.TrimLeft(text, " "))
	for _, line := range w.lines[min(w.line, len(w.lines)):] {
		if strings.TrimSpace(line) != "" {
			w.indent = len(line) - len(strings.TrimLeft(line, " ")) - own
			w.column = w.indent
			return w.indent >= 0
		}
	}
	return false
}

// walk goes on to a character of the value, and says whether it came there.
func (w *walker) walk(to int) bool {
	for {
		rest, ok := w.rest()
		if !ok {
			return false
		}
		next, _ := utf8.DecodeRuneInString(rest)
		joined := w.style&yaml.DoubleQuotedStyle != 0 && next == '\\' && strings.TrimSpace(rest[1:]) == ""
		switch {
		case joined:
			// The end of the line is escaped: the next goes on as if there were none.
			w.line++
			below := ""
			if w.line < len(w.lines) {
				below = w.lines[w.line]
			}
			w.column = len(below) - len(strings.TrimLeft(below, " \t"))
		case w.at >= to: // several ends of lines are one character less: it may have been among them
			return true
		case w.blank(rest):
			if !w.fold() {
				return false
			}
		case w.style&yaml.DoubleQuotedStyle != 0 && next == '\\':
			w.escape(rest)
		case w.style&yaml.SingleQuotedStyle != 0 && strings.HasPrefix(rest, "''"):
			w.column, w.at = w.column+2, w.at+1
		case next == w.value[w.at]:
			w.column, w.at = w.column+1, w.at+1
		default:
			return false
		}
	}
}

// rest is what is left of the line.
func (w *walker) rest() (string, bool) {
	if w.line >= len(w.lines) {
		return "", false
	}
	line := w.lines[w.line]
	for range w.column {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	return line, true
}

// blank tells whether the line ends here; a block's spaces at the end of a line are its own.
func (w *walker) blank(rest string) bool {
	if w.style&inBlock != 0 {
		return rest == ""
	}
	return strings.TrimSpace(rest) == ""
}

// fold goes over the end of a line and what is blank behind it. Outside a literal block
// one end of a line is a space in the value, and more are one line less.
func (w *walker) fold() bool {
	ends := 0
	for {
		w.line, w.column = w.line+1, 0
		ends++
		rest, ok := w.rest()
		if !ok {
			return false
		}
		if w.style&yaml.LiteralStyle != 0 || strings.TrimSpace(rest) != "" {
			w.column = len(rest) - len(strings.TrimLeft(rest, " \t"))
			if w.style&inBlock != 0 {
				w.column = min(w.indent, len(rest))
			}
			break
		}
	}
	for range max(1, ends-1) {
		if w.at >= len(w.value) || w.value[w.at] != ' ' && w.value[w.at] != '\n' {
			return false
		}
		w.at++
	}
	return true
}

// escape goes over one character that is written with a backslash.
func (w *walker) escape(rest string) {
	length := 2
	switch rest[1] {
	case 'x':
		length = 4
	case 'u':
		length = 6
	case 'U':
		length = 10
	}
	w.column, w.at = w.column+length, w.at+1
}
