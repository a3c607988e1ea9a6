package screen

import (
	"bytes"
	"hash/maphash"
)

// Hooks are told what a search wants to know, while Write, Resize or Settle runs.
// They must not use the screen.
type Hooks struct {
	// Line is told each line of text that was on the screen: when it leaves it
	// (scrolled off, erased by the screen, deleted, or with its buffer) and, as it
	// stands, at Settle. Rows that wrap are one line, up to 64 rows of it. A line
	// is told once as long as it stays the same, and again when it changed.
	Line func(text string)
	// Mark is told what a shell said about its prompt and commands.
	Mark func(Mark)
}

// mostRows is the most rows that are told as one line.
const mostRows = 64

// lineSeed makes what a line held comparable, within one process.
var lineSeed = maphash.MakeSeed()

// Settle tells Hooks.Line the lines on the screen that changed since they were
// told. Call it now and then, so that what is overwritten in place is found too:
// its work is that of one screen.
func (s *Screen) Settle() {
	if s.hooks.Line == nil {
		return
	}
	b := s.active
	for y := range s.rows {
		if y == 0 || !b.row(y).wrapped {
			s.tell(b.base + y)
		}
	}
}

// leave is called before a line scrolls off the top. If it goes on below and stays
// in the scrollback, its end will tell it.
func (s *Screen) leave(i int) {
	if s.hooks.Line == nil {
		return
	}
	b := s.active
	if next := b.lines.get(i + 1); next != nil && next.wrapped && b.scrollback > mostRows {
		return
	}
	s.tell(i)
}

// drop is called before a line is erased or deleted.
func (s *Screen) drop(i int) {
	if s.hooks.Line != nil {
		s.tell(i)
	}
}

// tell tells the line that the row is part of, if it changed.
func (s *Screen) tell(i int) {
	lines := &s.active.lines
	first, changed := i, false
	for first > 0 && i-first < mostRows && lines.get(first).wrapped {
		first--
	}
	var text []byte
	last := first
	for ; ; last++ {
		row := lines.get(last)
		changed = changed || row.changed
		if next := lines.get(last + 1); next == nil || !next.wrapped || last-first >= mostRows {
			break
		}
	}
	if !changed {
		return
	}
	for at := first; at <= last; at++ {
		row := lines.get(at)
		row.changed = false
		to := min(s.columns, len(row.cells))
		if at == last {
			to = row.textLength(s.columns)
		}
		text = row.appendText(text, 0, to)
	}
	text = bytes.TrimRight(text, " ")
	if len(text) == 0 {
		return
	}
	if told := maphash.Bytes(lineSeed, text); told != lines.get(first).reported {
		lines.get(first).reported = told
		s.hooks.Line(string(text))
	}
}
