package screen

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// step is a part of a stream: what is written, or a new size.
type step struct {
	data          string
	columns, rows int
}

func (s step) String() string {
	if s.columns > 0 {
		return fmt.Sprintf("resize(%d, %d)", s.columns, s.rows)
	}
	return fmt.Sprintf("%q", s.data)
}

func (s *Screen) take(next step) {
	if next.columns > 0 {
		s.Resize(next.columns, next.rows)
	} else {
		s.Write([]byte(next.data))
	}
}

func (x *xterm) take(next step) {
	if next.columns > 0 {
		x.resize(next.columns, next.rows)
	} else {
		x.write([]byte(next.data))
	}
}

// compare has both take the steps, and says where they first differ. Where
// xterm.js throws, it ends.
func compare(x *xterm, options Options, steps []step, every, above int) []string {
	s := New(options)
	x.open(options)
	for i, next := range steps {
		s.take(next)
		x.take(next)
		if (i+1)%every == 0 || i == len(steps)-1 {
			theirs := x.observe(above)
			if theirs.Thrown != "" {
				return nil
			}
			if found := s.observe(above).differences(theirs); found != nil {
				return found
			}
		}
	}
	return nil
}

func TestRandomStreamsLookAsInXterm(t *testing.T) {
	t.Parallel()
	x := startXterm(t)
	for seed := range uint64(1500) {
		random := rand.New(rand.NewPCG(seed, 1))
		options := Options{Columns: 2 + random.IntN(24), Rows: 1 + random.IntN(9), Scrollback: random.IntN(12), LineFeedReturns: random.IntN(8) == 0}
		g := generator{random, options.Columns, options.Rows, 0}
		var steps []step
		for range 40 {
			steps = append(steps, g.step())
		}
		if compare(x, options, steps, 20, 100) == nil {
			continue
		}
		// Find the step that it takes, and show it.
		for n := 1; n <= len(steps); n++ {
			if found := compare(x, options, steps[:n], n, 100); found != nil {
				t.Errorf("seed %d, %+v: after %s\n%s", seed, options, steps[max(n-6, 0):n], found)
				break
			}
		}
		t.FailNow()
	}
}

// generator makes streams of a grammar of sequences.
type generator struct {
	*rand.Rand
	columns, rows int
	resized       int
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) step() step {
	if g.IntN(25) == 0 {
		return step{columns: 2 + g.IntN(24), rows: 1 + g.IntN(9)}
	}
	text := ""
	for range 1 + g.IntN(4) {
		text += g.piece()
	}
	return step{data: text}
}

func (g *generator) piece() string {
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.text()
	case 3:
		return pick(g, "\r", "\n", "\r\n", "\b", "\t", "\v", "\f", "\a", "\x0e", "\x0f", "\x00", "\x7f", "\u0084", "\u0085", "\u0088", "\r\n\r\n")
	case 4:
		return pick(g, "\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bH", "\x1bM", "\x1b=", "\x1b>", "\x1bn", "\x1bo", "\x1b|", "\x1b}", "\x1b~",
			"\x1b%@", "\x1b%G", "\x1b#8", "\x1b(0", "\x1b)0", "\x1b*A", "\x1b+4", "\x1b-R", "\x1b.K", "\x1b(B", "\x1b/0", "\x1b(!", "\x1b\\", "\x1bc", "\x1b(C", "\x1b(=")
	case 5:
		return g.graphics()
	case 6:
		return g.mode()
	case 7:
		return g.odd()
	default:
		return "\x1b[" + pick(g, "", "", "", "", "?", ">") + g.parameters() + pick(g, "", "", "", "", "", " ", "'", "\"", "$", "!") +
			pick(g, "@", "A", "B", "C", "D", "E", "F", "G", "H", "H", "H", "I", "J", "K", "L", "M", "P", "S", "T", "X", "Z", "`", "a", "d", "e",
				"f", "g", "n", "p", "q", "r", "r", "s", "u", "t", "}", "~", "c")
	}
}

func (g *generator) parameters() string {
	number := func() string {
		return pick(g, "", "0", "1", "2", "3", fmt.Sprint(g.IntN(12)), fmt.Sprint(g.IntN(30)), "999")
	}
	switch g.IntN(4) {
	case 0:
		return ""
	case 1, 2:
		return number()
	default:
		return number() + ";" + number()
	}
}

func (g *generator) text() string {
	text := ""
	for range 1 + g.IntN(14) {
		text += pick(g, "a", "b", "Z", " ", "#", "[", "]", "q", "x", "~", "word", "é", "漢", "字", "한", "e\u0301", "\u0301", "😀", "👩\u200d👧", "🇩🇪", "שלום",
			"\u0600", "─", "｡", "Ａ", "\U00020000", "\U0001D167", "\u200b", "ก\u0e33", "\u00ad", "\ufeff")
	}
	return text
}

func (g *generator) graphics() string {
	text := "\x1b["
	for i := range 1 + g.IntN(3) {
		if i > 0 {
			text += pick(g, ";", ";", ":")
		}
		text += pick(g, fmt.Sprint(g.IntN(110)), "0", "1", "4", "7", "4:3", "4:0", "4:9", "38;5;200", "48;5;17", "38;2;1;2;3", "48:2::9:8:7", "58;5;99", "58:2::1:2:3",
			"38:5:7", "48:2:1:2:3", "38;2;1", "38:5", "48;5", "59", "38;2:1:2:3:4:5:6", "")
	}
	return text + "m"
}

func (g *generator) mode() string {
	text := "\x1b[" + pick(g, "?", "?", "?", "")
	for i := range 1 + g.IntN(2) {
		if i > 0 {
			text += ";"
		}
		text += pick(g, "1", "2", "4", "6", "7", "9", "12", "20", "25", "45", "47", "66", "1000", "1002", "1003", "1004", "1006", "1016", "1047", "1048", "1049", "2004", "2026")
	}
	return text + pick(g, "h", "h", "l")
}

// odd makes strings, and what is malformed.
func (g *generator) odd() string {
	return pick(g, "\x1b]0;title\a", "\x1b]8;;https://example.org\x1b\\", "\x1b]133;A\x1b\\", "\x1b]52;c;aGk=\a", "\x1bP$qm\x1b\\", "\x1bPq#0!10~\x1b\\", "\x1b_apc\x1b\\", "\x1bXsos\x1b\\",
		"\x1b^pm\u009c", "\u009b3C", "\u009d0;x\u009c", "\x1b[1\x182", "\x1b[3\x1b[2C", "\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27;28;29;30;31;32;33;34m",
		"\x1b[99999999999C", "\x1b[<1;2", "\x1b[?", "\x1b[ ", "\x1b", "\x1b(", "\x1b]0;open", "\x1bPopen", "\x1b[1?2", "\x1b[1 2A", "\xff\xfe", "\xc3", "\xe6\xbc", "\xf0\x9f", "\xc0\x80", "\x80", "\xed\xa0\x80",
		"\x1b[4\nC", "\x1b[é", "\u0090$q\u009c", "\x1b[!p", "\x1b[ q", "\x1b[5 q", "\x1b[9 q", "\x1b[1\"q", "\x1b[2\"q", "\x1b[3J", "\x1b[2J", "\x1b[H", "\x1b[1:2:3C", "\x1b[b", "\x1b[3b", "e\u0301\x1b[2b", "\x1b[17b")
}

// readRecording reads an asciicast of a real program in a real terminal.
func readRecording(t testing.TB, name string) (Options, []step) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(unpacked)
	var head struct{ Width, Height int }
	if err := lines.Decode(&head); err != nil {
		t.Fatal(err)
	}
	var steps []step
	for {
		var event [3]any
		if err := lines.Decode(&event); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		next := step{data: event[2].(string)}
		if event[1] == "r" {
			if _, err := fmt.Sscanf(next.data, "%dx%d", &next.columns, &next.rows); err != nil {
				t.Fatal(err)
			}
		}
		steps = append(steps, next)
	}
	return Options{Columns: head.Width, Rows: head.Height, Scrollback: 2000}, steps
}

// recordings are of real programs, whose output was kept by a pseudoterminal.
func recordings(t testing.TB) []string {
	names, err := filepath.Glob("testdata/recordings/*.cast.gz")
	if err != nil || len(names) < 7 {
		t.Fatalf("There are only %d recordings: %v", len(names), err)
	}
	return names
}

// cut splits what was written at random places, but for the middle of a character,
// where xterm.js 6.0.0 loses some.
func cut(random *rand.Rand, steps []step, parts int) (pieces []step) {
	bytes := 0
	for _, s := range steps {
		bytes += len(s.data)
	}
	for _, s := range steps {
		for s.columns == 0 && len(s.data) > 0 {
			n := 1 + random.IntN(2*bytes/parts+1)
			for n < len(s.data) && !utf8.RuneStart(s.data[n]) {
				n++
			}
			n = min(n, len(s.data))
			pieces = append(pieces, step{data: s.data[:n]})
			s.data = s.data[n:]
		}
		if s.columns > 0 {
			pieces = append(pieces, s)
		}
	}
	return pieces
}

func TestRecordedProgramsLookAsInXterm(t *testing.T) {
	t.Parallel()
	x := startXterm(t)
	for i, name := range recordings(t) {
		options, steps := readRecording(t, name)
		steps = cut(rand.New(rand.NewPCG(uint64(i), 2)), steps, 400)
		if found := compare(x, options, steps, len(steps)/30, 40); found != nil {
			t.Errorf("%s: %s", name, found)
		}
	}
}
