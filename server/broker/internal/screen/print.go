package screen

// A run of printed characters begins and ends with a look at the wide characters
// that it may have cut in half. xterm.js takes the end of a write for the end of
// a run too.

func (s *Screen) beginRun() {
	s.printing = true
	b := s.active
	if row := b.current(); b.x > 0 && row.at(b.x-1).width() == 2 {
		row.set(b.x-1, blank(s.attributes))
	}
}

func (s *Screen) endRun() {
	if !s.printing {
		return
	}
	s.printing = false
	b := s.active
	if b.x >= s.columns {
		return
	}
	if row := b.current(); row.at(b.x).width() == 0 && !row.at(b.x).hasContent() {
		row.set(b.x, blank(s.attributes))
	}
}

// printASCII prints characters of one column.
func (s *Screen) printASCII(text []byte) {
	if !s.printing {
		s.beginRun()
	}
	for len(text) > 0 {
		b := s.active
		if s.charset != nil || s.modes.insert || b.x >= s.columns {
			s.print(rune(text[0]))
			text = text[1:]
			continue
		}
		row := b.current()
		n := min(len(text), s.columns-b.x, len(row.cells)-b.x)
		if n <= 0 {
			s.print(rune(text[0]))
			text = text[1:]
			continue
		}
		cells := row.cells[b.x : b.x+n]
		c := cell{attributes: s.attributes}
		for i, code := range text[:n] {
			c.content = uint32(code)
			cells[i] = c
		}
		b.x += n
		row.used = max(row.used, b.x)
		row.changed = true
		s.parser.joinWidth = 1
		text = text[n:]
	}
}

// print prints one code point within a run.
func (s *Screen) print(code rune) {
	b := s.active
	if code < 0x7F && s.charset != nil {
		if to, ok := s.charset.runes[code]; ok {
			code = to
		}
	}
	width, joined := runeWidth(code), 0
	if width == 0 {
		joined = s.parser.joinWidth
		width = joined
	}
	s.parser.joinWidth = width
	row := b.current()
	if b.x+width-joined > s.columns {
		if !s.modes.wrap {
			b.x = s.columns - 1
			if width == 2 {
				return
			}
		} else {
			s.wrap(row)
			row = b.current()
		}
	}
	if joined > 0 && b.x > 0 {
		at := b.x - 1
		if row.at(at).width() == 0 {
			at--
		}
		row.join(at, code, width)
		return
	}
	if s.modes.insert {
		row.insert(b.x, width-joined, blank(s.attributes))
		if row.at(s.columns-1).width() == 2 {
			row.set(s.columns-1, blank(s.attributes))
		}
	}
	row.set(b.x, newCell(code, width, s.attributes))
	b.x++
	for range width - 1 {
		row.set(b.x, newCell(0, 0, s.attributes))
		b.x++
	}
}

// wrap goes on in the next line; what is left of this one becomes empty.
func (s *Screen) wrap(row *line) {
	b := s.active
	from := b.x
	b.x = 0
	b.y++
	if b.y == b.bottom+1 {
		b.y--
		s.scroll(true)
	} else {
		b.y = min(b.y, s.rows-1)
		b.current().wrapped = true
	}
	for ; from < s.columns; from++ {
		row.set(from, blank(s.attributes))
	}
}

// fewestRepeats is how often REP may print a character on the smallest screen.
const fewestRepeats = 1000

// repeat is REP: it prints the last character again. So that a few bytes cannot
// ask for the work of millions, it does not print much more than a screen has cells.
func (s *Screen) repeat(times int) {
	b, width := s.active, s.parser.joinWidth
	if width == 0 {
		return
	}
	row, x := b.current(), b.x-width
	text := []rune(string(row.appendCell(nil, x)))
	if len(text) == 0 {
		return
	}
	if most, perLine := max(s.columns*s.rows, fewestRepeats), max(s.columns/width, 1); times > most {
		times = most + (times-most)%perLine
	}
	s.beginRun()
	for range times {
		for _, code := range text {
			s.print(code)
		}
	}
	s.endRun()
}

// scroll moves the scroll region up by one line; the top one of the whole normal
// screen goes to the scrollback.
func (s *Screen) scroll(wrapped bool) {
	b := s.active
	fill := blank(s.attributes.erased())
	top, bottom := b.base+b.top, b.base+b.bottom
	s.leave(top)
	if b.top > 0 {
		b.lines.rotate(top, bottom).reset(s.columns, fill, wrapped)
		return
	}
	switch last := bottom == b.lines.count-1; {
	case b.lines.isFull() && last:
		b.lines.recycle().reset(s.columns, fill, wrapped)
	case b.lines.isFull():
		b.lines.recycleTo(bottom).reset(s.columns, fill, wrapped)
	default:
		added := newLine(s.columns, fill)
		added.wrapped = wrapped
		b.lines.insert(bottom+1, added)
		b.base++
	}
}
