package screen

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// maxCombined bounds the bytes of one cell's string: what is more is dropped.
// Real text stays far below it.
const maxCombined = 96

// line is one row of a buffer. Writes beyond its end are dropped, reads there
// give an empty cell without width: the ways of a typed array, on which the
// handling of the right margin relies.
type line struct {
	cells []cell
	// used is one more than the last cell that may differ from the zero cell.
	used int
	// wrapped says that the line goes on from the one above it.
	wrapped bool
	// combined holds the strings of cells that have more than one code point.
	// Entries may outlive their cell; only the flag in the content counts.
	combined map[int]string
	// changed says that the line differs from what Hooks.Line was told.
	changed bool
	// reported is a hash of what Hooks.Line was told last about this row.
	reported uint64
}

func newLine(columns int, fill cell) *line {
	l := &line{cells: make([]cell, columns)}
	l.reset(columns, fill, false)
	return l
}

// reset makes the line a new one.
func (l *line) reset(columns int, fill cell, wrapped bool) {
	if len(l.cells) != columns {
		l.resize(columns)
	}
	l.fill(fill)
	l.wrapped, l.changed, l.reported = wrapped, false, 0
}

func (l *line) at(x int) cell {
	if uint(x) < uint(len(l.cells)) {
		return l.cells[x]
	}
	return cell{content: 1 << widthShift}
}

func (l *line) set(x int, c cell) {
	if uint(x) >= uint(len(l.cells)) {
		return
	}
	l.cells[x] = c
	l.used = max(l.used, x+1)
	l.changed = true
}

// move sets a cell from another place, with its string.
func (l *line) move(x int, from *line, source int) {
	c := from.at(source)
	if c.isCombined() {
		l.combine(x, from.combined[source])
	}
	l.set(x, c)
}

func (l *line) combine(x int, text string) {
	if l.combined == nil {
		l.combined = make(map[int]string)
	}
	l.combined[x] = text
}

// join adds a combining code point to a cell.
func (l *line) join(x int, code rune, width int) {
	if uint(x) >= uint(len(l.cells)) {
		return
	}
	c := l.cells[x]
	switch {
	case c.isCombined():
		if text := l.combined[x]; len(text) < maxCombined {
			l.combined[x] = appendCode(text, code)
		}
	case c.codePoint() != 0:
		l.combine(x, appendCode(appendCode("", c.codePoint()), code))
		c.content = c.content&^codePointMask | combinedFlag
	default:
		c.content = newCell(code, 1, attributes{}).content
	}
	if width != 0 {
		c.content = c.content&contentMask | uint32(width^1)<<widthShift
	}
	l.set(x, c)
}

func appendCode(text string, code rune) string {
	return string(utf8.AppendRune([]byte(text), code))
}

// fill makes every cell the same and forgets all strings.
func (l *line) fill(c cell) {
	l.combined = nil
	l.changed = true
	if c == (cell{}) {
		clear(l.cells[:l.used])
		l.used = 0
		return
	}
	for x := range l.cells {
		l.cells[x] = c
	}
	l.used = len(l.cells)
}

// fillUnprotected fills the cells that are not protected.
func (l *line) fillUnprotected(c cell) {
	for x := range l.cells {
		if l.cells[x].bg&flagProtected == 0 {
			l.set(x, c)
		}
	}
}

// replace sets the cells from start to before end. A wide character that loses
// one half loses the other.
func (l *line) replace(start, end int, c cell, respectProtected bool) {
	protected := func(x int) bool { return respectProtected && l.at(x).bg&flagProtected != 0 }
	if start > 0 && l.at(start-1).width() == 2 && !protected(start-1) {
		l.set(start-1, blank(c.attributes))
	}
	if end < len(l.cells) && l.at(end-1).width() == 2 && !protected(end) {
		l.set(end, blank(c.attributes))
	}
	end = min(end, len(l.cells))
	if !respectProtected && c == (cell{}) && start < end {
		end = min(end, l.used)
		if start < end {
			clear(l.cells[start:end])
		}
		l.changed = true
		return
	}
	for x := start; x < end; x++ {
		if !protected(x) {
			l.set(x, c)
		}
	}
}

// insert shifts the cells from x on to the right by n.
func (l *line) insert(x, n int, c cell) {
	length := len(l.cells)
	x %= length
	if x > 0 && l.at(x-1).width() == 2 {
		l.set(x-1, blank(c.attributes))
	}
	n = min(n, length-x)
	for i := length - x - n - 1; i >= 0; i-- {
		l.move(x+n+i, l, x+i)
	}
	for i := range n {
		l.set(x+i, c)
	}
	if l.at(length-1).width() == 2 {
		l.set(length-1, blank(c.attributes))
	}
}

// remove shifts the cells behind x to the left by n.
func (l *line) remove(x, n int, c cell) {
	length := len(l.cells)
	x %= length
	n = min(n, length-x)
	for i := range length - x - n {
		l.move(x+i, l, x+n+i)
	}
	for i := length - n; i < length; i++ {
		l.set(i, c)
	}
	if x > 0 && l.at(x-1).width() == 2 {
		l.set(x-1, blank(c.attributes))
	}
	if l.at(x).width() == 0 && !l.at(x).hasContent() {
		l.set(x, blank(c.attributes))
	}
}

// resize cuts the line, or adds empty cells.
func (l *line) resize(columns int) {
	if columns < len(l.cells) {
		clear(l.cells[columns:])
		l.cells = l.cells[:columns]
		l.used = min(l.used, columns)
		maps.DeleteFunc(l.combined, func(x int, _ string) bool { return x >= columns })
		return
	}
	if columns <= cap(l.cells) {
		l.cells = l.cells[:columns]
		return
	}
	cells := make([]cell, columns)
	copy(cells, l.cells)
	l.cells = cells
}

// trimmedLength is the number of columns up to the last one with content.
func (l *line) trimmedLength() int {
	for x := l.used - 1; x >= 0; x-- {
		if l.cells[x].hasContent() {
			return x + l.cells[x].width()
		}
	}
	return 0
}

// textLength is that within the screen's columns.
func (l *line) textLength(columns int) int {
	for x := min(l.used, columns) - 1; x >= 0; x-- {
		if l.cells[x].hasContent() {
			return min(x+l.cells[x].width(), columns)
		}
	}
	return 0
}

// copyFrom copies cells of another line, or of this one. As in xterm.js, all
// strings of the source from there on come along, wanted or not.
func (l *line) copyFrom(from *line, source, target, length int) {
	n := max(min(length, len(from.cells)-source, len(l.cells)-target), 0)
	if n > 0 {
		copy(l.cells[target:target+n], from.cells[source:source+n])
		l.used = max(l.used, target+n)
		l.changed = true
	}
	for ; n < length; n++ {
		l.set(target+n, from.at(source+n))
	}
	if len(from.combined) == 0 {
		return
	}
	for _, x := range slices.Sorted(maps.Keys(from.combined)) {
		if x >= source {
			l.combine(x-source+target, from.combined[x])
		}
	}
}

// appendCell adds what a cell says to text; nothing for an empty one.
func (l *line) appendCell(text []byte, x int) []byte {
	c := l.at(x)
	switch {
	case c.isCombined():
		return append(text, l.combined[x]...)
	case c.codePoint() != 0:
		return utf8.AppendRune(text, c.codePoint())
	default:
		return text
	}
}

// appendText adds the columns from start to before end to text; an empty cell
// is a space.
func (l *line) appendText(text []byte, start, end int) []byte {
	for x := start; x < end; {
		c := l.at(x)
		if c.hasContent() {
			text = l.appendCell(text, x)
		} else {
			text = append(text, ' ')
		}
		x += max(c.width(), 1)
	}
	return text
}
