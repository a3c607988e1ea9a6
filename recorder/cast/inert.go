package cast

import "io"

// InertWriter passes terminal output on and leaves out what could act on the
// reviewer's terminal instead of showing something.
type InertWriter struct {
	w      io.Writer
	filter inert
	out    []byte
}

// NewInertWriter returns a filter in front of w, for playing a recording in a real
// terminal. Text, colours, cursor movement, erasing, scrolling regions, line
// drawing and the alternate screen pass. Titles, hyperlinks and clipboard (OSC),
// DCS, APC, PM, SOS, queries that the terminal would answer as if typed, mouse and
// keyboard modes, window operations, printing, the bell and the erasing of
// scrollback do not, nor do C1 and bidirectional controls. Bytes that are not
// UTF-8 become U+FFFD. A control string without its end does not hide what
// follows: after 4 KiB, or at the end of the line in an OSC, its bytes are shown
// as text.
//
// Sequences may be split over writes anywhere. Use one for each of a channel's
// streams. Not for concurrent use.
func NewInertWriter(w io.Writer) *InertWriter { return &InertWriter{w: w} }

// Write filters p. It returns len(p) unless w fails.
func (i *InertWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part := rest[:min(len(rest), 32<<10)] // bounds the buffer
		rest = rest[len(part):]
		i.out = i.filter.feed(i.out[:0], part)
		if _, err := i.w.Write(i.out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close shows what is pending and puts the terminal's modes back (colours, cursor,
// scrolling region, character set, alternate screen). It does not close w.
func (i *InertWriter) Close() error {
	out := i.filter.finish(i.out[:0])
	_, err := i.w.Write(i.filter.reset(out))
	return err
}

// inert is the filter itself: a parser of ECMA-48 control functions that passes
// only what is on its lists. What it does not know it drops, so that a terminal's
// next invention is not an opening.
type inert struct {
	// plain drops every control function and every control character but tab,
	// line feed and carriage return.
	plain bool

	state   state
	osc     bool   // the control string is an OSC
	pending []byte // of a sequence or control string, without its introducer
	runes   []byte // of a character that is not complete
	hidden  int64  // bytes of control strings that were not shown

	alternate, region, origin bool // what reset has to undo
}

type state uint8

const (
	ground state = iota
	escape
	escapeIntermediate
	controlSequence
	controlString
	controlStringEscape
)

const (
	maxSequence = 128
	maxString   = 4 << 10
)

const (
	esc = 0x1b
	can = 0x18
	sub = 0x1a
	bel = 0x07
	del = 0x7f
)

// feed filters p and appends what passes to dst.
func (f *inert) feed(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		if f.state == ground && len(f.runes) == 0 {
			n := i
			for n < len(p) && p[n] >= ' ' && p[n] < del {
				n++
			}
			dst = append(dst, p[i:n]...)
			if i = n; i == len(p) {
				break
			}
		}
		dst = f.step(dst, p[i])
	}
	return dst
}

// finish shows what would still have been waited for.
func (f *inert) finish(dst []byte) []byte {
	return f.incomplete(f.abort(dst))
}

// abort leaves a sequence or string that has no end, and shows its bytes.
func (f *inert) abort(dst []byte) []byte {
	shown := f.pending
	f.state, f.pending = ground, f.pending[:0]
	for _, b := range shown {
		// No escape is among them, so this only decodes characters.
		dst = f.character(dst, b)
	}
	return dst
}

func (f *inert) step(dst []byte, b byte) []byte {
	switch f.state {
	case escape, escapeIntermediate, controlSequence:
		return f.sequence(dst, b)
	case controlString, controlStringEscape:
		return f.string(dst, b)
	}
	if b == esc {
		dst = f.incomplete(dst)
		f.state = escape
		return dst
	}
	return f.character(dst, b)
}

// sequence takes a byte of an escape or control sequence.
func (f *inert) sequence(dst []byte, b byte) []byte {
	switch {
	case b == esc:
		f.state, f.pending = escape, f.pending[:0]
		return dst
	case b == can || b == sub:
		f.state, f.pending = ground, f.pending[:0]
		return dst
	case b < ' ' || b == del:
		return f.control(dst, b) // terminals act on it in the midst of a sequence
	case b > del || len(f.pending) == maxSequence:
		return f.character(f.abort(dst), b)
	}
	if f.state == escape {
		switch b {
		case '[':
			f.state = controlSequence
			return dst
		case ']', 'P', 'X', '^', '_':
			f.state, f.osc = controlString, b == ']'
			return dst
		}
	}
	final := byte('0')
	if f.state == controlSequence {
		final = '@'
	}
	f.pending = append(f.pending, b)
	if b < final {
		if f.state == escape {
			f.state = escapeIntermediate
		}
		return dst
	}
	if !f.plain {
		if f.state == controlSequence {
			dst = f.passControl(dst, f.pending)
		} else {
			dst = f.passEscape(dst, f.pending)
		}
	}
	f.state, f.pending = ground, f.pending[:0]
	return dst
}

// string takes a byte of an OSC, DCS, APC, PM or SOS. Its end is ST, or BEL for an
// OSC; then nothing of it is shown, as no terminal shows it; in plain text see ended.
func (f *inert) string(dst []byte, b byte) []byte {
	if f.state == controlStringEscape {
		if b == '\\' {
			return f.ended(dst)
		}
		dst = f.abort(dst)
		f.state = escape
		return f.sequence(dst, b)
	}
	last := len(f.pending) - 1
	switch {
	case b == esc:
		f.state = controlStringEscape
		return dst
	case b == bel && f.osc:
		return f.ended(dst)
	case b == 0x9c && last >= 0 && f.pending[last] == 0xc2: // ST as the character U+009C
		f.pending = f.pending[:last]
		return f.ended(dst)
	case b == can, b == sub, f.osc && b < ' ', len(f.pending) == maxString:
		return f.step(f.abort(dst), b)
	}
	f.pending = append(f.pending, b)
	return dst
}

// ended leaves a control string that has its end. Whoever reads plain text has to
// see it all the same, since a client that is no terminal did; but for an OSC, of
// which every prompt holds one: what those held is counted.
func (f *inert) ended(dst []byte) []byte {
	if f.plain && !f.osc {
		return f.abort(dst)
	}
	f.hidden += int64(len(f.pending))
	f.state, f.pending = ground, f.pending[:0]
	return dst
}
