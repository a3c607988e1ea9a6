package screen

import "unicode/utf8"

// The bounds of a screen. A size beyond them is taken as the bound. xterm.js has
// the same lower bounds and no upper ones.
const (
	MinColumns = 2
	MinRows    = 1
	MaxColumns = 1000
	MaxRows    = 1000
)

// MaxScrollback is the most lines that a screen keeps above the visible ones.
const MaxScrollback = 10_000

// Options say what the screen is like. The player's xterm.js has to have the same.
type Options struct {
	Columns, Rows int
	// Scrollback is the number of lines kept above the visible ones, up to
	// MaxScrollback.
	Scrollback int
	// LineFeedReturns makes a line feed return to the first column too: for output
	// that went through no terminal (xterm.js's convertEol).
	LineFeedReturns bool
	// Hooks are told what is of use to search. They may be nil.
	Hooks Hooks
}

// Screen is a terminal's state. It is xterm.js 6.0.0's for the same bytes, but:
//
//   - the size, the scrollback, and the bytes of one cell (96) have bounds;
//   - a character split over two writes is whole (xterm.js 6.0.0 loses some);
//   - where xterm.js 6.0.0 throws, nothing happens;
//   - hyperlinks, titles, colours of the palette, and answers to questions are
//     taken and dropped, as the player does.
//
// A Screen must not be used by two goroutines at once.
type Screen struct {
	columns, rows int
	normal, alt   *buffer
	active        *buffer

	attributes attributes
	charsets   [4]*charset
	level      int      // which of charsets is in use
	charset    *charset // and which really is: a restored cursor has its own

	modes modes

	decoder  decoder
	parser   parser
	printing bool // the last code point was printed

	hooks Hooks
	input place  // where the shell's command line began
	told  string // the command line, if the shell said it

	scrollback int
}

// modes are the switches of the terminal.
type modes struct {
	insert, origin, wrap, reverseWrap bool
	applicationCursor                 bool
	applicationKeypad                 bool
	bracketedPaste                    bool
	focus                             bool
	synchronized                      bool
	mouseProtocol, mouseEncoding      int32 // the number of the private mode, 0 for none
	cursorShape                       int32 // 1 block, 2 underline, 3 bar, 0 for the player's own
	cursorBlink                       int32 // 1 no, 2 yes, 0 for the player's own

	// These are the player's options, which no reset touches.
	lineFeedReturns bool
	cursorBlinks    bool
	cursorHidden    bool
}

// New returns an empty screen.
func New(options Options) *Screen {
	s := &Screen{
		columns:    clamp(options.Columns, MinColumns, MaxColumns),
		rows:       clamp(options.Rows, MinRows, MaxRows),
		scrollback: clamp(options.Scrollback, 0, MaxScrollback),
		hooks:      options.Hooks,
	}
	s.modes.lineFeedReturns = options.LineFeedReturns
	s.parser.clear()
	s.reset()
	return s
}

func clamp(value, low, high int) int { return min(max(value, low), high) }

func appendRune(text []byte, code rune) []byte { return utf8.AppendRune(text, code) }

// reset is what RIS does: everything anew, but for the options.
func (s *Screen) reset() {
	trimmed := int64(0)
	if s.normal != nil {
		s.Settle()
		trimmed = s.normal.lines.trimmed + int64(s.normal.lines.count)
	}
	s.normal = newBuffer(s.columns, s.rows, s.scrollback, true)
	s.normal.lines.trimmed = trimmed
	s.normal.fillRows(cell{})
	s.alt = newBuffer(s.columns, s.rows, 0, false)
	s.active = s.normal
	s.attributes = attributes{}
	s.resetCharsets()
	s.resetModes()
	s.modes.mouseProtocol, s.modes.mouseEncoding = 0, 0
}

func (s *Screen) resetCharsets() {
	s.charsets, s.level, s.charset = [4]*charset{}, 0, nil
}

func (s *Screen) resetModes() {
	kept := s.modes
	s.modes = modes{
		wrap:            true,
		mouseProtocol:   kept.mouseProtocol,
		mouseEncoding:   kept.mouseEncoding,
		lineFeedReturns: kept.lineFeedReturns,
		cursorBlinks:    kept.cursorBlinks,
		cursorHidden:    kept.cursorHidden,
	}
}

// Columns and Rows are the size of the screen.
func (s *Screen) Columns() int { return s.columns }

// Rows is the number of visible lines.
func (s *Screen) Rows() int { return s.rows }

// Resize gives the screen another size, within the bounds.
func (s *Screen) Resize(columns, rows int) {
	columns, rows = clamp(columns, MinColumns, MaxColumns), clamp(rows, MinRows, MaxRows)
	if columns == s.columns && rows == s.rows {
		return
	}
	s.Settle()
	s.input = place{} // what was on the lines is elsewhere now
	s.columns, s.rows = columns, rows
	s.normal.resize(columns, rows)
	s.alt.resize(columns, rows)
	s.normal.tabs.extend(columns)
	s.alt.tabs.extend(columns)
}

// Text returns what can be read on the screen now, without spaces and empty lines
// at the end.
func (s *Screen) Text() string {
	var text []byte
	for y := range s.rows {
		if y > 0 {
			text = append(text, '\n')
		}
		if row := s.active.row(y); row != nil {
			text = row.appendText(text, 0, row.textLength(s.columns))
		}
	}
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == ' ') {
		text = text[:len(text)-1]
	}
	return string(text)
}
