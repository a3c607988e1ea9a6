package screen

// buffer is one of a terminal's two pages: the normal one, with scrollback, or
// the alternate one, without.
type buffer struct {
	lines lineList
	// base is the index of the line at the top of the screen; x and y count from
	// there. x is the number of columns while a wrap is pending, or more.
	base, x, y int
	// top and bottom are the rows of the scroll region, both inclusive.
	top, bottom int
	tabs        tabStops
	saved       savedCursor

	columns, rows int
	scrollback    int // 0 for the alternate buffer
	reflows       bool
}

// savedCursor is what DECSC keeps. The row counts from the top of the scrollback.
type savedCursor struct {
	x, y       int
	attributes attributes
	charset    *charset
}

func newBuffer(columns, rows, scrollback int, reflows bool) *buffer {
	b := &buffer{columns: columns, rows: rows, scrollback: scrollback, reflows: reflows}
	b.clear()
	return b
}

// clear empties the buffer, without lines; the saved cursor stays.
func (b *buffer) clear() {
	trimmed := b.lines.trimmed + int64(b.lines.count)
	b.lines = newLineList(b.rows + b.scrollback)
	b.lines.trimmed = trimmed
	b.base, b.x, b.y = 0, 0, 0
	b.top, b.bottom = 0, b.rows-1
	b.tabs.reset(b.columns)
}

// fillRows gives an empty buffer its rows.
func (b *buffer) fillRows(fill cell) {
	if b.lines.count > 0 {
		return
	}
	for range b.rows {
		b.lines.push(newLine(b.columns, fill))
	}
}

// row returns a line of the screen.
func (b *buffer) row(y int) *line { return b.lines.get(b.base + y) }

// current returns the line with the cursor.
func (b *buffer) current() *line { return b.row(b.y) }

// resize gives the buffer another size. Rows go and come at the bottom, or
// through the scrollback; the normal buffer wraps its lines anew.
func (b *buffer) resize(columns, rows int) {
	bound := rows + b.scrollback
	if bound > b.lines.bound() {
		b.lines.setBound(bound)
	}
	if b.lines.count > 0 {
		if b.columns < columns {
			for i := range b.lines.count {
				b.lines.get(i).resize(columns)
			}
		}
		addToY := b.resizeRows(columns, rows)
		if bound < b.lines.bound() {
			if n := b.lines.count - bound; n > 0 {
				b.lines.trim(n)
				b.base = max(b.base-n, 0)
				b.saved.y = max(b.saved.y-n, 0)
			}
			b.lines.setBound(bound)
		}
		b.x = min(b.x, columns-1)
		b.y = min(b.y, rows-1) + addToY
		b.saved.x = min(b.saved.x, columns-1)
		b.top = 0
	}
	b.bottom = rows - 1
	if b.reflows {
		switch {
		case columns > b.columns:
			b.reflowLarger(columns, rows)
		case columns < b.columns:
			b.reflowSmaller(columns, rows)
		}
	}
	// The alternate buffer's lines keep what no longer fits, for when it fits again.
	if b.reflows && columns < b.columns {
		for i := range b.lines.count {
			b.lines.get(i).resize(columns)
		}
	}
	b.columns, b.rows = columns, rows
	// xterm.js can lose rows here, and throws when one of them is written to.
	b.base = min(b.base, b.lines.bound()-rows)
	for b.lines.count > 0 && b.lines.count < b.base+rows {
		b.lines.push(newLine(columns, cell{}))
	}
	b.y = min(b.y, rows-1)
}

func (b *buffer) resizeRows(columns, rows int) (addToY int) {
	for y := b.rows; y < rows; y++ {
		if b.lines.count >= rows+b.base {
			continue
		}
		if b.base > 0 && b.lines.count <= b.base+b.y+addToY+1 {
			b.base--
			addToY++
		} else {
			b.lines.push(newLine(columns, cell{}))
		}
	}
	for y := b.rows; y > rows; y-- {
		if b.lines.count <= rows+b.base {
			continue
		}
		if b.lines.count > b.base+b.y+1 {
			b.lines.pop()
		} else {
			b.base++
		}
	}
	return addToY
}

// tabStops are the columns where a tab stops, by bit.
type tabStops [(MaxColumns + 64) / 64]uint64

const tabWidth = 8

func (t *tabStops) at(x int) bool { return x >= 0 && x>>6 < len(t) && t[x>>6]>>(x&63)&1 != 0 }

func (t *tabStops) set(x int) {
	if x>>6 < len(t) {
		t[x>>6] |= 1 << (x & 63)
	}
}

func (t *tabStops) unset(x int) {
	if x>>6 < len(t) {
		t[x>>6] &^= 1 << (x & 63)
	}
}

func (t *tabStops) reset(columns int) {
	*t = tabStops{}
	for x := 0; x < columns; x += tabWidth {
		t.set(x)
	}
}

// extend sets stops in new columns, counting on from the last one.
func (t *tabStops) extend(columns int) {
	x := columns
	if !t.at(x) {
		x = t.before(x, columns)
	}
	for ; x < columns; x += tabWidth {
		t.set(x)
	}
}

func (t *tabStops) before(x, columns int) int {
	for x--; !t.at(x) && x > 0; x-- {
	}
	return max(min(x, columns-1), 0)
}

func (t *tabStops) after(x, columns int) int {
	for x++; !t.at(x) && x < columns; x++ {
	}
	return max(min(x, columns-1), 0)
}
