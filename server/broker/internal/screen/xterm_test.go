package screen

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// xterm is xterm.js in a process of node, with one terminal at a time.
type xterm struct {
	t   *testing.T
	in  *bufio.Writer
	out *bufio.Reader
}

func startXterm(t *testing.T) *xterm {
	t.Helper()
	module, err := filepath.Abs("../../../../web/node_modules/@xterm/headless")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		t.Fatalf("The terminal is compared with xterm.js, which is not there; run npm ci in web: %v", err)
	}
	node := exec.CommandContext(t.Context(), "node", "testdata/xterm.cjs", module)
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatalf("The terminal is compared with xterm.js, which needs node: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		node.Wait()
	})
	return &xterm{t, bufio.NewWriterSize(in, 1<<16), bufio.NewReaderSize(out, 1<<16)}
}

func (x *xterm) send(kind byte, data []byte, numbers ...int) {
	head := make([]uint32, 6)
	head[0], head[5] = uint32(kind), uint32(len(data))
	for i, n := range numbers {
		head[1+i] = uint32(n)
	}
	if err := binary.Write(x.in, binary.LittleEndian, head); err != nil {
		x.t.Fatal(err)
	}
	if _, err := x.in.Write(data); err != nil {
		x.t.Fatal(err)
	}
}

func (x *xterm) open(options Options) {
	returns := 0
	if options.LineFeedReturns {
		returns = 1
	}
	x.send('N', nil, options.Columns, options.Rows, options.Scrollback, returns)
}

func (x *xterm) write(data []byte)        { x.send('W', data) }
func (x *xterm) resize(columns, rows int) { x.send('R', nil, columns, rows) }

// observe tells the whole state, with so many lines of scrollback.
func (x *xterm) observe(above int) observed {
	x.t.Helper()
	x.send('D', nil, above)
	if err := x.in.Flush(); err != nil {
		x.t.Fatal(err)
	}
	var sizes [2]uint32
	if err := binary.Read(x.out, binary.LittleEndian, &sizes); err != nil {
		x.t.Fatalf("xterm.js does not answer: %v", err)
	}
	data := make([]byte, sizes[0]+sizes[1])
	if _, err := io.ReadFull(x.out, data); err != nil {
		x.t.Fatal(err)
	}
	var seen observed
	if err := json.Unmarshal(data[:sizes[0]], &seen); err != nil {
		x.t.Fatal(err)
	}
	cells := data[sizes[0]:]
	word := func() (w uint32) {
		w, cells = binary.LittleEndian.Uint32(cells), cells[4:]
		return w
	}
	for _, b := range []*observedBuffer{&seen.Normal, &seen.Alt} {
		for i := range b.Lines {
			b.Lines[i].cells = make([]observedCell, b.Lines[i].Length)
			for at := range b.Lines[i].cells {
				c := observedCell{word(), word(), word(), word(), ""}
				if c.content&combinedFlag != 0 {
					c.text = b.Lines[i].Combined[strconv.Itoa(at)]
				}
				b.Lines[i].cells[at] = c
			}
		}
	}
	return seen
}

// observed is a terminal's state, ours or xterm.js's.
type observed struct {
	Thrown        string
	Columns, Rows int
	Alternate     bool
	Attributes    [3]uint32
	Charset       string
	Charsets      [4]string
	Level         int
	State, Join   int
	Modes         observedModes
	Normal, Alt   observedBuffer
}

type observedModes struct {
	Insert, Origin, Wrap, ReverseWrap, ApplicationCursor, ApplicationKeypad, BracketedPaste, Focus, Synchronized bool

	MouseProtocol, MouseEncoding, CursorShape, CursorBlink int32
	LineFeedReturns, CursorBlinks, CursorHidden            bool
}

type observedBuffer struct {
	Base, X, Y, Top, Bottom int
	Saved                   [4]int
	SavedCharset            string
	Tabs                    []int
	First                   int // the first of Lines, counted from the top of the scrollback
	Lines                   []observedLine
}

type observedLine struct {
	Wrapped  bool
	Length   int
	Combined map[string]string
	cells    []observedCell
}

// observedCell is a cell as xterm.js has it.
type observedCell struct {
	content, fg, bg, extended uint32
	text                      string
}

// observe tells our own state.
func (s *Screen) observe(above int) observed {
	m := s.modes
	seen := observed{
		Columns: s.columns, Rows: s.rows, Alternate: s.active == s.alt,
		Attributes: [3]uint32{s.attributes.fg, s.attributes.bg, s.attributes.underline},
		Charset:    s.charset.letters(), Level: s.level,
		State: int(s.parser.state), Join: s.parser.joinWidth,
		Modes: observedModes{
			m.insert, m.origin, m.wrap, m.reverseWrap, m.applicationCursor, m.applicationKeypad, m.bracketedPaste, m.focus,
			m.synchronized, m.mouseProtocol, m.mouseEncoding, m.cursorShape, m.cursorBlink,
			m.lineFeedReturns, m.cursorBlinks, m.cursorHidden,
		},
		Normal: s.normal.observe(above), Alt: s.alt.observe(above),
	}
	for i, set := range s.charsets {
		seen.Charsets[i] = set.letters()
	}
	return seen
}

func (c *charset) letters() string {
	if c == nil {
		return ""
	}
	var all []rune
	for code := rune(0x20); code < 0x7F; code++ {
		if to, ok := c.runes[code]; ok {
			all = append(all, to)
		} else {
			all = append(all, code)
		}
	}
	return string(all)
}

func (b *buffer) observe(above int) observedBuffer {
	seen := observedBuffer{
		Base: b.base, X: b.x, Y: b.y, Top: b.top, Bottom: b.bottom,
		Saved:        [4]int{b.saved.x, b.saved.y, int(b.saved.attributes.fg), int(b.saved.attributes.bg)},
		SavedCharset: b.saved.charset.letters(),
		First:        max(b.base-above, 0),
		Tabs:         []int{},
	}
	for x := range b.columns {
		if b.tabs.at(x) {
			seen.Tabs = append(seen.Tabs, x)
		}
	}
	for y := seen.First; y < b.lines.count; y++ {
		l := b.lines.get(y)
		row := observedLine{Wrapped: l.wrapped, Length: len(l.cells), cells: make([]observedCell, len(l.cells))}
		for x, c := range l.cells {
			row.cells[x] = observedCell{c.content ^ 1<<widthShift, c.fg, c.bg, 0, ""}
			if c.bg&flagExtended != 0 {
				row.cells[x].extended = c.underline
			}
			if c.isCombined() {
				row.cells[x].text = l.combined[x]
			}
		}
		seen.Lines = append(seen.Lines, row)
	}
	return seen
}

// differences says in words where two states differ; nothing if they do not.
func (o observed) differences(other observed) (found []string) {
	note := func(what string, ours, theirs any) {
		if a, b := fmt.Sprintf("%+v", ours), fmt.Sprintf("%+v", theirs); a != b {
			found = append(found, fmt.Sprintf("%s is %s, and in xterm.js %s", what, a, b))
		}
	}
	heads := [2]observed{o, other}
	for i := range heads {
		heads[i].Normal, heads[i].Alt = observedBuffer{}, observedBuffer{}
		if heads[i].State != int(ground) {
			heads[i].Join = 0
		}
	}
	note("the state", heads[0], heads[1])
	found = append(found, o.Normal.differences("normal", other.Normal)...)
	return append(found, o.Alt.differences("alternate", other.Alt)...)
}

func (b observedBuffer) differences(name string, other observedBuffer) (found []string) {
	heads := [2]observedBuffer{b, other}
	for i := range heads {
		heads[i].Lines = nil
		slices.Sort(heads[i].Tabs)
	}
	if ours, theirs := fmt.Sprintf("%+v", heads[0]), fmt.Sprintf("%+v", heads[1]); ours != theirs {
		found = append(found, fmt.Sprintf("the %s buffer is %s, and in xterm.js %s", name, ours, theirs))
	}
	if len(b.Lines) != len(other.Lines) {
		return append(found, fmt.Sprintf("the %s buffer has %d lines, and in xterm.js %d", name, len(b.Lines), len(other.Lines)))
	}
	for y, ours := range b.Lines {
		theirs := other.Lines[y]
		if ours.Wrapped != theirs.Wrapped || ours.Length != theirs.Length || !slices.Equal(ours.cells, theirs.cells) {
			found = append(found, fmt.Sprintf("line %d of the %s buffer is\n\t%s\nand in xterm.js\n\t%s", b.First+y, name, ours.describe(theirs), theirs.describe(ours)))
		}
	}
	return found
}

// describe shows a line: its text, and the cells that the other has otherwise.
func (l observedLine) describe(other observedLine) string {
	var text, cells strings.Builder
	fmt.Fprintf(&text, "wrapped %v, %d long: ", l.Wrapped, l.Length)
	for x, c := range l.cells {
		switch code := c.content & codePointMask; {
		case c.text != "":
			text.WriteString(c.text)
		case code != 0:
			text.WriteRune(rune(code))
		default:
			text.WriteByte('_')
		}
		if x < len(other.cells) && c != other.cells[x] && cells.Len() < 300 {
			fmt.Fprintf(&cells, " %d:{%X %X %X %X %q}", x, c.content, c.fg, c.bg, c.extended, c.text)
		}
	}
	return text.String() + cells.String()
}
