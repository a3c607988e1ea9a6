package cases

import (
	"strings"
	"unicode/utf8"
)

// Lines is the explanation as lines of at most so many characters, where words allow it.
func (e Explanation) Lines(width int) []string {
	lines := append(Wrap(e.Ask, "", width), Wrap(e.Text, "", width)...)
	for _, branch := range e.Branches {
		lines = append(lines, branch.Text+":")
		for _, leaf := range branch.Branches {
			lines = append(lines, leaf.lines("  ", width)...)
		}
	}
	return lines
}

// marks say at a glance what a state is, in any font.
var marks = map[State]string{StateMet: "+ ", StateMissing: "x ", StateOpen: "? ", StateNote: "- "}

func (b Branch) lines(indent string, width int) []string {
	text := b.Text
	if b.Rule != "" {
		text += " [" + b.Rule + "]"
	}
	lines := Wrap(marks[b.State]+text, indent, width)
	if b.Remedy != "" {
		lines = append(lines, Wrap("> "+b.Remedy, indent+"  ", width)...)
	}
	for _, branch := range b.Branches {
		lines = append(lines, branch.lines(indent+"  ", width)...)
	}
	return lines
}

// Wrap breaks a text between words; what follows the first line is indented further.
func Wrap(text, indent string, width int) []string {
	var lines []string
	line := indent
	for i, part := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(part) > width {
			lines = append(lines, line)
			line = indent + "  "
		} else if i > 0 {
			line += " "
		}
		line += part
	}
	return append(lines, line)
}
