package screen

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// FuzzScreen: whatever is written, nothing panics, it does not matter where the
// bytes are split, and a keyframe is taken by a new terminal.
func FuzzScreen(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, columns, rows uint8, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 5))
		options := Options{Columns: int(columns), Rows: int(rows), Scrollback: int(seed % 50), Hooks: Hooks{Line: func(string) {}, Mark: func(Mark) {}}}
		whole, split := New(options), New(options)
		for len(data) > 0 {
			part := data[:1+random.IntN(len(data))]
			data = data[len(part):]
			whole.Write(part)
			for len(part) > 0 {
				n := 1 + random.IntN(len(part))
				split.advance(part[:n])
				part = part[n:]
			}
			split.endRun()
			if random.IntN(4) == 0 {
				columns, rows := random.IntN(90), random.IntN(40)
				whole.Resize(columns, rows)
				split.Resize(columns, rows)
			}
			if random.IntN(4) == 0 {
				whole.Settle()
			}
		}
		if found := whole.observe(50).differences(split.observe(50)); found != nil {
			t.Fatalf("split otherwise, (the second) it is another screen: %s", found)
		}
		again := New(Options{Columns: whole.columns, Rows: whole.rows, Scrollback: options.Scrollback})
		again.Write(whole.Keyframe())
		if shownText(again) != shownText(whole) && !slices.ContainsFunc(whole.active.lines.all(), func(l *line) bool { return !l.isPlain(whole.columns) }) {
			t.Fatalf("The keyframe shows %q, and should show %q.", again.Text(), whole.Text())
		}
	})
}

// shownText is the text without the spaces at the lines' ends, of which a keyframe
// may have one more.
func shownText(s *Screen) string {
	lines := strings.Split(s.Text(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// isPlain says that all of the line's content can be written again.
func (l *line) isPlain(columns int) bool {
	for x := range columns {
		if l.at(x).hasContent() && !l.isWhole(x, columns) {
			return false
		}
	}
	return true
}
