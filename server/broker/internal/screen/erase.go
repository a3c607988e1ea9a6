package screen

// edit does the sequences that erase, insert and delete.
func (s *Screen) edit(id uint32, p *parameters) bool {
	b, n := s.active, p.count(0)
	fill := blank(s.attributes.erased())
	switch id {
	case 'J', '?'<<8 | 'J':
		s.eraseDisplay(p.values[0], fill, id != 'J')
	case 'K', '?'<<8 | 'K':
		s.eraseLine(p.values[0], fill, id != 'K')
	case '@', 'P', 'X':
		s.restrict(s.columns - 1)
		switch row := b.current(); id {
		case '@':
			row.insert(b.x, n, fill)
		case 'P':
			row.remove(b.x, n, fill)
		default:
			row.replace(b.x, b.x+n, fill, false)
		}
	case 'L', 'M':
		s.restrict(s.columns - 1)
		if b.y < b.top || b.y > b.bottom {
			break
		}
		if id == 'L' {
			s.shiftLines(b.y, n, false, fill)
		} else {
			s.shiftLines(b.y, n, true, fill)
		}
		b.x = 0
	case 'S':
		s.shiftLines(b.top, n, true, fill)
	case 'T':
		s.shiftLines(b.top, n, false, cell{})
	case ' '<<8 | '@', '\''<<8 | '~':
		s.editColumns(id, func(row *line, x int) { row.remove(x, n, fill) })
	case ' '<<8 | 'A', '\''<<8 | '}':
		s.editColumns(id, func(row *line, x int) { row.insert(x, n, fill) })
	default:
		return false
	}
	return true
}

// editColumns edits all lines of the scroll region alike: at the cursor's column,
// or at the first one.
func (s *Screen) editColumns(id uint32, edit func(row *line, x int)) {
	b, x := s.active, 0
	if b.y < b.top || b.y > b.bottom {
		return
	}
	if id>>8 == '\'' {
		x = b.x
	}
	for y := b.top; y <= b.bottom; y++ {
		row := b.row(y)
		edit(row, x)
		row.wrapped = false
	}
}

// shiftLines moves the lines from top to the end of the scroll region by n.
func (s *Screen) shiftLines(top, n int, up bool, fill cell) {
	b := s.active
	from, to := b.base+top, b.base+b.bottom
	if !up {
		from, to = to, from
	}
	for range min(n, b.bottom-top+1) {
		s.drop(from)
		b.lines.rotate(from, to).reset(s.columns, fill, false)
	}
}

func (s *Screen) eraseDisplay(what int32, fill cell, respectProtected bool) {
	b := s.active
	s.restrict(s.columns)
	switch what {
	case 0:
		if b.x == 0 {
			s.drop(b.base + b.y)
		}
		b.current().replace(b.x, s.columns, fill, respectProtected)
		if b.x == 0 {
			b.current().wrapped = false
		}
		for y := b.y + 1; y < s.rows; y++ {
			s.eraseRow(y, fill, respectProtected)
		}
	case 1:
		b.current().replace(0, b.x+1, fill, respectProtected)
		b.current().wrapped = false
		if b.x+1 >= s.columns {
			// xterm.js means the next row, and takes one without counting the scrollback.
			if next := b.lines.get((b.y + 1) % b.lines.bound()); next != nil {
				next.wrapped = false
			}
		}
		for y := range b.y {
			s.eraseRow(y, fill, respectProtected)
		}
	case 2:
		for y := range s.rows {
			s.eraseRow(y, fill, respectProtected)
		}
	case 3:
		if n := b.lines.count - s.rows; n > 0 {
			b.lines.trim(n)
			b.base = max(b.base-n, 0)
		}
	}
}

func (s *Screen) eraseRow(y int, fill cell, respectProtected bool) {
	row := s.active.row(y)
	if row == nil {
		return
	}
	s.drop(s.active.base + y)
	if respectProtected {
		row.fillUnprotected(fill)
	} else {
		row.fill(fill)
	}
	row.wrapped = false
}

func (s *Screen) eraseLine(what int32, fill cell, respectProtected bool) {
	b := s.active
	s.restrict(s.columns)
	row := b.current()
	switch what {
	case 0:
		row.replace(b.x, s.columns, fill, respectProtected)
		if b.x == 0 {
			row.wrapped = false
		}
	case 1:
		row.replace(0, b.x+1, fill, respectProtected)
	case 2:
		row.replace(0, s.columns, fill, respectProtected)
		row.wrapped = false
	}
}
