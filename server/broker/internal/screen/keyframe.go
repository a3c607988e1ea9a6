package screen

import (
	"strconv"
	"unicode/utf8"
)

// keyframeScrollback is how many lines above the screen a keyframe has.
const keyframeScrollback = 200

// Keyframe returns what brings an xterm.js that is new, or was reset, and has the
// same size and options, to where this screen is: both buffers with the last 200
// lines of scrollback, the cursors, modes, attributes, character sets, tab stops
// and scroll regions, and the control sequence or character that is not complete.
//
// It leaves out what no bytes can bring about: what the alternate buffer keeps
// beyond its right margin after it became narrower, halves of wide characters
// without the other half, an empty last column while a wrap is pending (it holds
// a space), the attributes of a line's first cell if its first two are empty and
// were halves of wide characters, and a character set that is in use although
// another one was chosen since, unless the saved cursor has it.
func (s *Screen) Keyframe() []byte {
	k := keyframe{s: s}
	// 1. The alternate buffer's saved cursor, which outlives what else it had.
	if s.active == s.normal && s.alt.saved != (savedCursor{}) {
		k.add("\x1b[?47h")
		k.save(s.alt.saved, clamp(s.alt.saved.y, 0, s.rows-1))
		k.add("\x1b[?47l\x1b[H")
	}
	// 2. The buffers.
	k.page(s.normal)
	if s.active == s.alt {
		k.moveTo(s.normal.x, s.normal.y)
		k.setAttributes(attributes{})
		k.add("\x1b[?47h\x1b[H")
		k.page(s.alt)
	}
	// 3. The character sets, and the cursor.
	if s.modes.origin {
		k.add("\x1b[?6h")
		k.origin = s.active.top
	}
	if s.charset != s.charsets[s.level] && s.charset == s.active.saved.charset {
		// Which one is in use was restored with the cursor.
		k.charsets(s.charsets)
		k.add("\x1b8\x1b[m")
		k.attributes, k.charset = attributes{}, s.charset
		k.cursor()
	} else {
		k.cursor()
		sets := s.charsets
		sets[s.level] = s.charset
		k.charsets(sets)
		k.charset = s.charset
	}
	// 4. The modes, and the attributes of what is written next.
	k.modes()
	k.setAttributes(s.attributes)
	if s.attributes.underlineStyle() == 0 && s.attributes.underline&colourMask != 0 {
		k.add("\x1b[10") // no other font, so that what follows has something to follow
		k.colour(50, s.attributes.underline)
		k.add("m")
	}
	// 5. What is not complete.
	k.lastCharacter()
	k.sequence()
	return append(k.text, s.decoder.pending()...)
}

// keyframe writes the text. It keeps to what does the same whatever the terminal
// holds already.
type keyframe struct {
	s          *Screen
	text       []byte
	attributes attributes // of the terminal that reads
	charset    *charset   // which it uses
	x          int        // its column, while it writes a line
	origin     int        // the row that counts as the first one
}

func (k *keyframe) add(text string) { k.text = append(k.text, text...) }

// control adds a control sequence: ESC [, numbers, the end.
func (k *keyframe) control(end string, numbers ...int) {
	k.add("\x1b[")
	for i, n := range numbers {
		if i > 0 {
			k.add(";")
		}
		k.text = strconv.AppendInt(k.text, int64(n), 10)
	}
	k.add(end)
}

func (k *keyframe) moveTo(x, y int) {
	k.x = min(x, k.s.columns-1)
	k.control("H", max(y-k.origin, 0)+1, k.x+1)
}

func (k *keyframe) column(x int) {
	k.control("G", x+1)
	k.x = x
}

// page writes a buffer, from the first row on: its lines, tab stops, saved cursor,
// and scroll region.
func (k *keyframe) page(b *buffer) {
	k.x = 0
	first := max(b.base-min(b.scrollback, keyframeScrollback), 0)
	for first < b.base && b.lines.get(first).wrapped {
		first++
	}
	if k.s.rows > 1 && b.lines.get(first).wrapped {
		// A line that goes on from one that is gone.
		k.column(k.s.columns - 1)
		k.add("  \x1b[H\x1b[M")
		k.control("X", k.s.columns)
		k.x = 0
	}
	saved := clamp(b.saved.y, first, b.base+k.s.rows-1)
	for i := first; i < b.base+k.s.rows; i++ {
		if i > first {
			k.nextLine(b.lines.get(i-1), b.lines.get(i).wrapped)
		}
		if i == saved && (b.saved != savedCursor{y: b.saved.y} || b.saved.y > first) {
			k.save(b.saved, min(i-first, k.s.rows-1))
			k.column(0)
		}
		k.line(b.lines.get(i), i+1 < b.base+k.s.rows && b.lines.get(i+1).wrapped)
	}
	k.tabs(b)
	if b.top > 0 || b.bottom < k.s.rows-1 {
		k.control("r", b.top+1, b.bottom+1)
	}
}

// nextLine goes to the next line, by a wrap if it goes on there.
func (k *keyframe) nextLine(from *line, wrapped bool) {
	columns := k.s.columns
	if !wrapped {
		k.setAttributes(attributes{})
		k.add("\r\n")
		k.x = 0
		return
	}
	last := from.at(columns - 1)
	if k.x < columns {
		// The last column is empty: a wide character did not fit.
		if last.hasContent() {
			last = blank(last.erased())
		}
		k.setAttributes(last.attributes)
		k.column(columns - 1)
		k.add("　")
	} else {
		k.add(" ")
	}
	k.setAttributes(attributes{})
	k.add("\r")
	k.control("X", columns)
	k.x = 0
}

// line writes a line's cells into an empty one. If the next one goes on from it,
// an empty last column is left to the wrap.
func (k *keyframe) line(l *line, continued bool) {
	k.strangeBlanks(l, continued)
	for x := 0; x < k.s.columns; {
		c := l.at(x)
		switch {
		case l.isWhole(x, k.s.columns):
			k.setAttributes(c.attributes)
			// A character without width would join the one before.
			if k.x != x || c.width() == 0 {
				k.column(x)
			}
			k.text = l.appendCell(k.text, x)
			x += max(c.width(), 1)
			k.x = x
		case c.bg&colourMask == 0 || isStrange(c):
			x++
		default:
			n := 1
			for x+n < k.s.columns && !c.hasContent() && l.at(x+n) == c {
				n++
			}
			k.setAttributes(c.attributes)
			k.column(x)
			k.control("X", n)
			x += n
		}
	}
}

// isWhole says that a cell has content that can be written. xterm.js has some that
// cannot: a wide character that lost its other half, or a combining one that took
// another's place or width.
func (l *line) isWhole(x, columns int) bool {
	c := l.at(x)
	if !c.hasContent() || c.width() == 2 && (x+2 > columns || l.at(x+1).content != newCell(0, 0, attributes{}).content) {
		return false
	}
	first, _ := utf8.DecodeRune(l.appendCell(nil, x))
	return runeWidth(first) == c.width()
}

// isStrange says that a cell is empty but has attributes that erasing does not
// leave: once it was half a wide character.
func isStrange(c cell) bool {
	return !c.hasContent() && c.width() == 1 && visible(c.attributes) != visible(c.erased())
}

// strangeBlanks writes the strange cells of a line, from its end on: each by
// breaking a wide character. What is left before them is erased.
func (k *keyframe) strangeBlanks(l *line, continued bool) {
	last := k.s.columns - 1
	if continued {
		last--
	}
	for x := last; x >= 0; x-- {
		c := l.at(x)
		if !isStrange(c) || x == 0 && last >= 1 && isStrange(l.at(1)) {
			continue
		}
		k.setAttributes(c.attributes)
		broken, scratch := x-1, x-1
		if x == 0 {
			broken, scratch = 0, 1
		}
		k.column(broken)
		k.add("　")
		k.column(scratch)
		k.add(" ")
		k.setAttributes(attributes{})
		k.column(scratch)
		k.control("X", 1)
	}
}

// save saves a cursor. The row is the screen's.
func (k *keyframe) save(saved savedCursor, y int) {
	k.moveTo(saved.x, y)
	// Of an underline, only that there is one is saved.
	saved.attributes.underline = 1 << underlineStyleShift
	k.setAttributes(saved.attributes)
	if saved.charset != nil {
		k.add("\x1b(" + string(rune(saved.charset.final)) + "\x1b7\x1b(B")
	} else {
		k.add("\x1b7")
	}
	k.setAttributes(attributes{})
}

func (k *keyframe) tabs(b *buffer) {
	var usual tabStops
	usual.reset(k.s.columns)
	same := true
	for x := range k.s.columns {
		same = same && usual.at(x) == b.tabs.at(x)
	}
	if same {
		return
	}
	k.control("g", 3)
	for x := range k.s.columns {
		if b.tabs.at(x) {
			k.column(x)
			k.add("\x1bH")
		}
	}
}

func (k *keyframe) charsets(sets [4]*charset) {
	for level, set := range sets {
		if set != nil {
			k.add("\x1b" + string("()*+"[level]) + string(rune(set.final)))
		}
	}
	k.add([]string{"", "\x0e", "\x1bn", "\x1bo"}[k.s.level])
}

// cursor moves the cursor, behind the last column while a wrap is pending.
func (k *keyframe) cursor() {
	s, b := k.s, k.s.active
	if b.x < s.columns {
		k.moveTo(b.x, b.y)
		return
	}
	row, x := b.current(), s.columns-1
	if row.at(x).width() == 0 && row.at(x-1).width() == 2 {
		x--
	}
	c := row.at(x)
	k.moveTo(x, b.y)
	k.setAttributes(c.attributes)
	text, ok := k.typed(row, x)
	if !ok || x+max(c.width(), 1) != s.columns {
		text = []byte{' '}
	}
	k.text = append(k.text, text...)
	if b.x > s.columns {
		// A character without width went there, to be seen nowhere.
		k.setAttributes(attributes{})
		k.add("\x1b[m\u0300")
	}
}

// typed returns what prints a cell with the character set that is in use.
func (k *keyframe) typed(l *line, x int) (text []byte, ok bool) {
	text = l.appendCell(nil, x)
	if len(text) == 0 {
		return nil, false
	}
	if text[0] < 0x7F {
		var code rune
		code, ok = k.charset.typed(rune(text[0]))
		text[0] = byte(code)
		return text, ok
	}
	return text, true
}

func (k *keyframe) modes() {
	m := k.s.modes
	onOff := func(mode string, on bool) {
		if on {
			k.add("\x1b[" + mode + "h")
		} else {
			k.add("\x1b[" + mode + "l")
		}
	}
	// These outlive a reset.
	onOff("20", m.lineFeedReturns)
	onOff("?12", m.cursorBlinks)
	onOff("?25", !m.cursorHidden)
	if !m.wrap {
		k.add("\x1b[?7l")
	}
	for _, mode := range []struct {
		number string
		on     bool
	}{
		{"4", m.insert}, {"?1", m.applicationCursor}, {"?45", m.reverseWrap}, {"?66", m.applicationKeypad},
		{"?1004", m.focus}, {"?2004", m.bracketedPaste}, {"?2026", m.synchronized},
		{"?" + strconv.Itoa(int(m.mouseProtocol)), m.mouseProtocol != 0},
		{"?" + strconv.Itoa(int(m.mouseEncoding)), m.mouseEncoding != 0},
	} {
		if mode.on {
			onOff(mode.number, true)
		}
	}
	if m.cursorShape != 0 || m.cursorBlink != 0 {
		style := int(m.cursorShape)*2 - int(m.cursorBlink) + 1
		if m.cursorShape == 0 {
			style = 9 - int(m.cursorBlink)
		}
		k.control(" q", style)
	}
}

// lastCharacter prints the last character once more where it is, so that what
// joins it or repeats it does.
func (k *keyframe) lastCharacter() {
	s, b := k.s, k.s.active
	width := s.parser.joinWidth
	row, x := b.current(), b.x-width
	if width == 0 || x < 0 || b.x > s.columns {
		return
	}
	c := row.at(x)
	text, ok := k.typed(row, x)
	if !ok || c.width() != width || visible(c.attributes) != visible(s.attributes) {
		return
	}
	k.moveTo(x, b.y)
	if s.modes.insert {
		k.control("P", width)
	}
	k.text = append(k.text, text...)
}

// sequence begins the control sequence that is not complete. Of one that nobody
// takes, it is enough that it is one.
func (k *keyframe) sequence() {
	p := &k.s.parser
	var collected []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if c := byte(p.collected >> shift); c != 0 {
			collected = append(collected, c)
		}
	}
	prefix := 0
	if len(collected) > 0 && collected[0] >= '<' {
		prefix = 1
	}
	switch p.state {
	case escape:
		k.add("\x1b")
	case escapeIntermediate:
		k.add("\x1b" + string(collected))
	case csiEntry:
		k.add("\x1b[")
	case csiParameter, csiIntermediate:
		k.add("\x1b[" + string(collected[:prefix]))
		k.parameters(&p.parameters)
		k.add(string(collected[prefix:]))
	case csiIgnore:
		k.add("\x1b[0<")
	case ignoredString:
		k.add("\x1bX")
	case oscString:
		k.add("\x1b]0;")
	case dcsEntry:
		k.add("\x1bP")
	case dcsParameter:
		k.add("\x1bP0")
	case dcsIntermediate:
		k.add("\x1bP$")
	case dcsIgnore:
		k.add("\x1bP0<")
	case dcsPassthrough:
		k.add("\x1bPp")
	}
}

func (k *keyframe) parameters(p *parameters) {
	for i := range p.length {
		if i > 0 {
			k.add(";")
		}
		k.text = strconv.AppendInt(k.text, int64(p.values[i]), 10)
		for _, value := range p.sub(i) {
			k.add(":")
			if value >= 0 {
				k.text = strconv.AppendInt(k.text, int64(value), 10)
			}
		}
	}
	if p.rejectDigit {
		k.add(";")
	}
}
