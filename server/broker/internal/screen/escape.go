package screen

// execute does what a control character says.
func (s *Screen) execute(code rune) {
	b := s.active
	switch code {
	case '\n', '\v', '\f':
		s.lineFeed()
	case '\r':
		b.x = 0
	case '\b':
		s.backspace()
	case '\t':
		if b.x < s.columns {
			b.x = b.tabs.after(b.x, s.columns)
		}
	case 0x0E:
		s.shift(1)
	case 0x0F:
		s.shift(0)
	case 0x84:
		s.index()
	case 0x85:
		b.x = 0
		s.index()
	case 0x88:
		b.tabs.set(b.x)
	}
}

func (s *Screen) lineFeed() {
	b := s.active
	if s.modes.lineFeedReturns {
		b.x = 0
	}
	b.y++
	switch {
	case b.y == b.bottom+1:
		b.y--
		s.scroll(false)
	case b.y >= s.rows:
		b.y = s.rows - 1
	default:
		b.current().wrapped = false
	}
	if b.x >= s.columns {
		b.x--
	}
}

func (s *Screen) backspace() {
	b := s.active
	if !s.modes.reverseWrap {
		s.restrict(s.columns - 1)
		b.x = max(b.x-1, 0)
		return
	}
	s.restrict(s.columns)
	if b.x > 0 {
		b.x--
	} else if b.y > b.top && b.y <= b.bottom && b.current().wrapped {
		b.current().wrapped = false
		b.y--
		b.x = s.columns - 1
		// A wide character did not fit there.
		if last := b.current().at(b.x); last.width() != 0 && !last.hasContent() {
			b.x--
		}
	}
	s.restrict(s.columns - 1)
}

func (s *Screen) index() {
	b := s.active
	s.restrict(s.columns - 1)
	b.y++
	if b.y == b.bottom+1 {
		b.y--
		s.scroll(false)
	} else if b.y >= s.rows {
		b.y = s.rows - 1
	}
	s.restrict(s.columns - 1)
}

func (s *Screen) reverseIndex() {
	b := s.active
	s.restrict(s.columns - 1)
	if b.y != b.top {
		b.y--
		s.restrict(s.columns - 1)
		return
	}
	s.drop(b.base + b.bottom)
	b.lines.rotate(b.base+b.bottom, b.base+b.top).reset(s.columns, blank(s.attributes.erased()), false)
}

// escape does what an escape sequence says: its intermediate characters, and the
// final one lowest.
func (s *Screen) escape(id uint32) {
	if id > 0xFF {
		s.designate(byte(id>>8), byte(id), id>>16)
		return
	}
	b := s.active
	switch id {
	case '7':
		s.saveCursor()
	case '8':
		s.restoreCursor()
	case 'D':
		s.index()
	case 'E':
		b.x = 0
		s.index()
	case 'H':
		b.tabs.set(b.x)
	case 'M':
		s.reverseIndex()
	case '=':
		s.modes.applicationKeypad = true
	case '>':
		s.modes.applicationKeypad = false
	case 'c':
		s.parser.clear()
		s.reset()
	case 'n', '}':
		s.shift(2)
	case 'o', '|':
		s.shift(3)
	case '~':
		s.shift(1)
	}
}

// designate does the escape sequences with an intermediate character: they choose
// character sets, but for DECALN.
func (s *Screen) designate(intermediate, final byte, more uint32) {
	if more != 0 {
		return
	}
	switch intermediate {
	case '#':
		if final == '8' {
			s.align()
		}
		return
	case '%':
		if final == '@' || final == 'G' {
			s.shift(0)
			s.setCharset(0, nil)
		}
		return
	}
	set, known := findCharset(final)
	if !known {
		return
	}
	switch intermediate {
	case '(':
		s.setCharset(0, set)
	case ')', '-':
		s.setCharset(1, set)
	case '*', '.':
		s.setCharset(2, set)
	case '+':
		s.setCharset(3, set)
	}
}

func (s *Screen) shift(level int) {
	s.level, s.charset = level, s.charsets[level]
}

func (s *Screen) setCharset(level int, set *charset) {
	s.charsets[level] = set
	if s.level == level {
		s.charset = set
	}
}

func (s *Screen) saveCursor() {
	b := s.active
	b.saved = savedCursor{b.x, b.base + b.y, s.attributes, s.charset}
}

// restoreCursor takes colours and flags, but no underline style, as in xterm.js.
func (s *Screen) restoreCursor() {
	b := s.active
	b.x, b.y = b.saved.x, max(b.saved.y-b.base, 0)
	s.attributes.fg, s.attributes.bg = b.saved.attributes.fg, b.saved.attributes.bg
	s.charset = b.saved.charset
	s.restrict(s.columns - 1)
}

// align is DECALN: it fills the screen with E.
func (s *Screen) align() {
	fill := newCell('E', 1, attributes{fg: s.attributes.fg, bg: s.attributes.bg})
	b := s.active
	s.moveTo(0, 0)
	for y := range s.rows {
		// In origin mode xterm.js begins at the region, and beyond the buffer's end
		// goes on at its top.
		at := (b.base + b.y + y) % b.lines.bound()
		if row := b.lines.get(at); row != nil {
			s.drop(at)
			row.fill(fill)
			row.wrapped = false
		}
	}
	s.moveTo(0, 0)
}

// softReset is DECSTR.
func (s *Screen) softReset() {
	b := s.active
	s.modes.cursorHidden = false
	b.top, b.bottom = 0, s.rows-1
	s.attributes = attributes{}
	s.resetModes()
	s.resetCharsets()
	b.saved = savedCursor{y: b.base}
}
