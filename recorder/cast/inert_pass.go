package cast

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"
)

// character takes a byte of text, or a control character.
func (f *inert) character(dst []byte, b byte) []byte {
	if len(f.runes) == 0 && b < utf8.RuneSelf {
		return f.ascii(dst, b)
	}
	f.runes = append(f.runes, b)
	for len(f.runes) > 0 && utf8.FullRune(f.runes) {
		r, n := utf8.DecodeRune(f.runes)
		switch {
		case n == 1 && r != utf8.RuneError:
			dst = f.ascii(dst, f.runes[0])
		case passes(r):
			dst = utf8.AppendRune(dst, r)
		}
		f.runes = f.runes[:copy(f.runes, f.runes[n:])]
	}
	return dst
}

// incomplete gives up on a character that something else interrupts.
func (f *inert) incomplete(dst []byte) []byte {
	for range f.runes {
		dst = append(dst, "\uFFFD"...)
	}
	f.runes = f.runes[:0]
	return dst
}

func (f *inert) ascii(dst []byte, b byte) []byte {
	if b < ' ' || b == del {
		return f.control(dst, b)
	}
	return append(dst, b)
}

// control passes the control characters that move the cursor or choose the
// character set. Not among them: bell, and ENQ, which a terminal answers.
func (f *inert) control(dst []byte, b byte) []byte {
	switch b {
	case '\t', '\n', '\r':
		return append(dst, b)
	case '\b', '\v', '\f', 0x0e, 0x0f:
		if !f.plain {
			return append(dst, b)
		}
	}
	return dst
}

// passes tells of a character beyond ASCII whether it may be shown: C1 controls
// act, bidirectional controls reorder what the reviewer reads, and the separators
// begin a line where there is none.
func passes(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f,
		r == 0x061c, r == 0x200e, r == 0x200f,
		r == 0x2028, r == 0x2029,
		r >= 0x202a && r <= 0x202e,
		r >= 0x2066 && r <= 0x2069:
		return false
	}
	return true
}

// passEscape passes an escape sequence that only draws. seq is without ESC.
func (f *inert) passEscape(dst, seq []byte) []byte {
	switch string(seq) {
	case "7", "8", // save and restore the cursor
		"D", "E", "M", // index, next line, reverse index
		"(0", "(A", "(B", ")0", ")A", ")B": // line drawing and back
		return append(append(dst, esc), seq...)
	case "c":
		// A full reset would take the reviewer's own settings and scrollback with it.
		dst = f.reset(dst)
		return append(dst, "\x1b[H\x1b[2J"...)
	}
	return dst
}

// The final bytes of control sequences that move, erase, insert, delete, scroll,
// repeat and colour. Setting tabs is not among them: reset could not undo it.
const (
	passingFinals = "@ABCDEFGHIJKLMPSTXZ`abdefmr"
	maxParameter  = 9999 // more is no screen; some terminals loop that often
)

// Modes that may be set: reverse video, origin, wrap, visible cursor, alternate
// screen and saved cursor. reset puts each of them back.
var passingModes = []int{5, 6, 7, 25, 47, 1047, 1048, 1049}

// passControl passes a control sequence that only draws. seq is without CSI.
func (f *inert) passControl(dst, seq []byte) []byte {
	parameters, final := seq[:len(seq)-1], seq[len(seq)-1]
	if len(parameters) > 0 && parameters[0] == '?' && (final == 'h' || final == 'l') {
		return f.modes(dst, parameters[1:], final)
	}
	numbers, ok := parse(parameters)
	if !ok {
		// Private prefixes and intermediates make other functions of the same letter.
		return dst
	}
	switch {
	case final == 'm':
	case slices.ContainsFunc(numbers, func(n int) bool { return n > maxParameter }):
		return dst
	case final == 'J' && slices.Contains(numbers, 3): // erases the scrollback
		return dst
	case final == 'T' && len(numbers) > 1: // mouse tracking
		return dst
	case (final == 'h' || final == 'l') && bytes.Equal(parameters, []byte("4")): // insert mode
	case (final == 's' || final == 'u') && len(parameters) == 0: // save and restore the cursor
	case bytes.IndexByte([]byte(passingFinals), final) < 0:
		return dst
	}
	if final == 'r' {
		f.region = true
	}
	return append(append(dst, esc, '['), seq...)
}

// modes passes those of several modes that are on the list.
func (f *inert) modes(dst, parameters []byte, final byte) []byte {
	numbers, ok := parse(parameters)
	if !ok {
		return dst
	}
	for _, n := range numbers {
		if !slices.Contains(passingModes, n) {
			continue
		}
		switch n {
		case 6:
			f.origin = final == 'h'
		case 47, 1047, 1049:
			f.alternate = final == 'h'
		}
		dst = append(dst, esc, '[', '?')
		dst = append(strconv.AppendInt(dst, int64(n), 10), final)
	}
	return dst
}

// parse splits parameters, which are digits, semicolons and colons, into numbers; an
// empty one counts as 0.
func parse(parameters []byte) (numbers []int, ok bool) {
	if len(parameters) == 0 {
		return nil, true
	}
	n := 0
	for _, b := range parameters {
		switch {
		case b == ';' || b == ':':
			numbers = append(numbers, n)
			n = 0
		case b < '0' || b > '9' || n > 1<<24:
			return nil, false
		default:
			n = 10*n + int(b-'0')
		}
	}
	return append(numbers, n), true
}

// reset puts back what passed sequences may have left behind, and moves the cursor
// only where it must.
func (f *inert) reset(dst []byte) []byte {
	if f.alternate {
		dst = append(dst, "\x1b[?1049l"...)
	}
	if f.origin {
		dst = append(dst, "\x1b[?6l"...)
	}
	if f.region {
		dst = append(dst, "\x1b7\x1b[r\x1b8"...)
	}
	f.alternate, f.origin, f.region = false, false, false
	return append(dst, "\x0f\x1b(B\x1b)B\x1b[m\x1b[4l\x1b[?5l\x1b[?7h\x1b[?25h"...)
}
