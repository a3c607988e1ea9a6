package screen

// control does what a control sequence says: its prefix and intermediate
// characters, and the final one lowest.
func (s *Screen) control(id uint32, p *parameters) {
	if s.move(id, p) || s.edit(id, p) {
		return
	}
	b := s.active
	switch id {
	case 'b':
		s.repeat(p.count(0))
	case 'g':
		switch p.values[0] {
		case 0:
			b.tabs.unset(b.x)
		case 3:
			b.tabs = tabStops{}
		}
	case 'h', 'l':
		for _, mode := range p.values[:p.length] {
			s.setMode(mode, id == 'h')
		}
	case '?'<<8 | 'h', '?'<<8 | 'l':
		for _, mode := range p.values[:p.length] {
			s.setPrivateMode(mode, id&0xFF == 'h')
		}
	case 'm':
		s.selectGraphics(p)
	case '!'<<8 | 'p':
		s.softReset()
	case ' '<<8 | 'q':
		s.setCursorStyle(p.values[0])
	case '"'<<8 | 'q':
		switch p.values[0] {
		case 1:
			s.attributes.bg |= flagProtected
		case 0, 2:
			s.attributes.bg &^= flagProtected
		}
	case 'r':
		s.setRegion(p)
	case 's':
		s.saveCursor()
	case 'u':
		s.restoreCursor()
	}
}

// move does the sequences that only move the cursor. In origin mode, xterm.js
// adds the region's top to relative moves as well.
func (s *Screen) move(id uint32, p *parameters) bool {
	b, n := s.active, p.count(0)
	switch id {
	case 'A', 'F':
		if up := b.y - b.top; up >= 0 {
			n = min(n, up)
		}
		s.moveBy(0, -n)
		if id == 'F' {
			b.x = 0
		}
	case 'B', 'E':
		if down := b.bottom - b.y; down >= 0 {
			n = min(n, down)
		}
		s.moveBy(0, n)
		if id == 'E' {
			b.x = 0
		}
	case 'C', 'a':
		s.moveBy(n, 0)
	case 'D':
		s.moveBy(-n, 0)
	case 'G', '`':
		s.moveTo(n-1, b.y)
	case 'H', 'f':
		s.moveTo(p.count(1)-1, n-1)
	case 'd':
		s.moveTo(b.x, n-1)
	case 'e':
		s.moveBy(0, n)
	case 'I':
		for range min(n, s.columns) {
			if b.x < s.columns {
				b.x = b.tabs.after(b.x, s.columns)
			}
		}
	case 'Z':
		for range min(n, s.columns) {
			if b.x < s.columns {
				b.x = b.tabs.before(b.x, s.columns)
			}
		}
	default:
		return false
	}
	return true
}

// restrict keeps the cursor within the columns up to most, and within the rows.
func (s *Screen) restrict(most int) {
	b := s.active
	b.x = clamp(b.x, 0, most)
	if s.modes.origin {
		b.y = clamp(b.y, b.top, b.bottom)
	} else {
		b.y = clamp(b.y, 0, s.rows-1)
	}
}

func (s *Screen) moveTo(x, y int) {
	b := s.active
	if s.modes.origin {
		y += b.top
	}
	b.x, b.y = x, y
	s.restrict(s.columns - 1)
}

func (s *Screen) moveBy(x, y int) {
	s.restrict(s.columns - 1)
	s.moveTo(s.active.x+x, s.active.y+y)
}

func (s *Screen) setRegion(p *parameters) {
	top, bottom := p.count(0), s.rows
	if p.length >= 2 && p.values[1] != 0 {
		bottom = min(int(p.values[1]), s.rows)
	}
	if bottom > top {
		s.active.top, s.active.bottom = top-1, bottom-1
		s.moveTo(0, 0)
	}
}

func (s *Screen) setCursorStyle(style int32) {
	m := &s.modes
	if style == 0 {
		m.cursorShape, m.cursorBlink = 0, 0
		return
	}
	if style <= 6 {
		m.cursorShape = (style + 1) / 2
	}
	m.cursorBlink = 1 + style%2
}

func (s *Screen) setMode(mode int32, on bool) {
	switch mode {
	case 4:
		s.modes.insert = on
	case 20:
		s.modes.lineFeedReturns = on
	}
}

func (s *Screen) setPrivateMode(mode int32, on bool) {
	m := &s.modes
	switch mode {
	case 1:
		m.applicationCursor = on
	case 2:
		if on {
			for level := range s.charsets {
				s.setCharset(level, nil)
			}
		}
	case 6:
		m.origin = on
		s.moveTo(0, 0)
	case 7:
		m.wrap = on
	case 12:
		m.cursorBlinks = on
	case 25:
		m.cursorHidden = !on
	case 45:
		m.reverseWrap = on
	case 66:
		m.applicationKeypad = on
	case 9, 1000, 1002, 1003:
		m.mouseProtocol = 0
		if on {
			m.mouseProtocol = mode
		}
	case 1006, 1016:
		m.mouseEncoding = 0
		if on {
			m.mouseEncoding = mode
		}
	case 1004:
		m.focus = on
	case 2004:
		m.bracketedPaste = on
	case 2026:
		m.synchronized = on
	case 47, 1047, 1048, 1049:
		s.switchBuffer(mode, on)
	}
}

// switchBuffer goes to the alternate buffer or back. 1048 and 1049 save and
// restore the cursor, each in the buffer that is in use then.
func (s *Screen) switchBuffer(mode int32, alternate bool) {
	if alternate && mode >= 1048 {
		s.saveCursor()
	}
	if from := s.active; mode != 1048 && alternate != (from == s.alt) {
		s.Settle()
		if alternate {
			s.alt.fillRows(blank(s.attributes.erased()))
			s.active = s.alt
		} else {
			s.active = s.normal
		}
		s.active.x, s.active.y = from.x, from.y
		if !alternate {
			s.alt.clear()
		}
	}
	if !alternate && mode >= 1048 {
		s.restoreCursor()
	}
}
