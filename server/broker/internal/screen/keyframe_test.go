package screen

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestKeyframesRestoreRandomStreams plays keyframes into our own terminal, which
// is xterm.js's equal as far as the differential test can tell.
func TestKeyframesRestoreRandomStreams(t *testing.T) {
	t.Parallel()
	joins, lost := 0, 0
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 3))
		options := Options{Columns: 2 + random.IntN(24), Rows: 1 + random.IntN(9), Scrollback: 20 + random.IntN(300)}
		g := generator{random, options.Columns, options.Rows, 0}
		s := New(options)
		var steps []step
		for range 30 {
			steps = append(steps, g.step())
			s.take(steps[len(steps)-1])
		}
		if s.charset != s.charsets[s.level] && s.charset != s.active.saved.charset {
			continue // which a keyframe cannot say
		}
		keyframe := s.Keyframe()
		again := New(Options{Columns: s.columns, Rows: s.rows, Scrollback: options.Scrollback})
		again.Write(keyframe)
		want, got := s.observe(keyframeScrollback), again.observe(keyframeScrollback)
		shown(&want, &got)
		// The last character may have been one for which there was no room.
		if want.Join != 0 {
			joins++
			if got.Join == 0 {
				lost++
				want.Join = 0
			}
		}
		if found := got.differences(want); found != nil {
			t.Fatalf("seed %d, %+v: after %s\nand the keyframe %q\n(xterm.js is what it should be)\n%s", seed, options, steps[20:], keyframe, strings.Join(found, "\n"))
		}
	}
	if lost > joins/4 {
		t.Errorf("of %d times that something could join the last character, %d were lost", joins, lost)
	}
}

// TestKeyframesRestoreRecordedPrograms plays keyframes of real programs into
// xterm.js, and the rest of the recording after them.
func TestKeyframesRestoreRecordedPrograms(t *testing.T) {
	t.Parallel()
	x := startXterm(t)
	for i, name := range recordings(t) {
		random := rand.New(rand.NewPCG(uint64(i), 4))
		options, steps := readRecording(t, name)
		steps = cut(random, steps, 400)
		s := New(options)
		for at, next := range steps {
			s.take(next)
			if at == 0 || random.IntN(len(steps)/15) != 0 {
				continue
			}
			here := options
			here.Columns, here.Rows = s.columns, s.rows
			x.open(here)
			x.write(s.Keyframe())
			got, want := x.observe(keyframeScrollback), s.observe(keyframeScrollback)
			shown(&want, &got)
			if found := want.differences(got); found != nil {
				t.Fatalf("%s, step %d: the keyframe %q\n%s", name, at, s.Keyframe(), strings.Join(found, "\n"))
			}
			// The rest, up to where the size changes: then what was on the lines above counts.
			rest := New(options)
			for _, next := range steps[:at+1] {
				rest.take(next)
			}
			for _, next := range steps[at+1 : min(at+60, len(steps))] {
				if next.columns > 0 {
					break
				}
				rest.take(next)
				x.take(next)
			}
			got, want = x.observe(0), rest.observe(0)
			shown(&want, &got)
			if found := want.differences(got); found != nil {
				t.Fatalf("%s, after what follows step %d: %s", name, at, strings.Join(found, "\n"))
			}
		}
	}
}

// shown leaves of two states what a keyframe is to restore. See Keyframe.
func shown(states ...*observed) {
	for _, o := range states {
		a := visible(attributes{o.Attributes[0], o.Attributes[1], o.Attributes[2]})
		o.Attributes = [3]uint32{a.fg, a.bg, a.underline}
		o.Normal.shown(o.Columns, o.Rows)
		o.Alt.shown(o.Columns, o.Rows)
		if o.Alternate {
			o.Normal.X, o.Normal.Y = 0, 0
		} else {
			o.Alt.Lines, o.Alt.X, o.Alt.Y, o.Alt.Top, o.Alt.Tabs = nil, 0, 0, 0, nil
		}
	}
	for _, pages := range [][2]*observedBuffer{{&states[0].Normal, &states[1].Normal}, {&states[0].Alt, &states[1].Alt}} {
		// What the keyframe left out at the top, for a line to begin there.
		n := min(len(pages[0].Lines), len(pages[1].Lines))
		for _, b := range pages {
			b.Lines = b.Lines[len(b.Lines)-n:]
			if n > 0 {
				b.Lines[0].Wrapped = false
			}
		}
	}
}

func (b *observedBuffer) shown(columns, rows int) {
	b.Saved[1] = max(b.Saved[1]-b.Base, 0)
	b.Saved[0], b.Saved[1] = min(b.Saved[0], columns-1), min(b.Saved[1], rows-1)
	saved := visible(attributes{uint32(b.Saved[2]), uint32(b.Saved[3]), 1 << underlineStyleShift})
	b.Saved[2], b.Saved[3] = int(saved.fg), int(saved.bg)
	for y := range b.Lines {
		l := &b.Lines[y]
		l.cells = l.cells[:columns]
		l.Length = columns
		for x := range l.cells {
			c := &l.cells[x]
			seen := visible(attributes{c.fg, c.bg, c.extended})
			c.fg, c.bg, c.extended = seen.fg, seen.bg, seen.underline
			width := c.content >> widthShift
			first := rune(c.content & codePointMask)
			if c.text != "" {
				first = []rune(c.text)[0]
			}
			half := first != 0 && runeWidth(first) != int(width) || width == 2 && (x == columns-1 || l.cells[x+1].content != 0) ||
				c.content == 0 && (x == 0 || l.cells[x-1].content>>widthShift != 2)
			if c.content == 0 && !half {
				*c = observedCell{} // the other half of a wide character
			}
			pending := y == b.Y+b.Base-b.First && b.X >= columns && x == columns-1
			if x == 0 && c.content == 1<<widthShift && columns > 1 && l.cells[1].content == c.content && l.cells[1].bg != 0 {
				*c = observedCell{content: c.content}
			}
			if half {
				*c = observedCell{content: 1 << widthShift, bg: c.bg & colourMask}
			} else if pending && (c.content == 1<<widthShift|' ' || c.content == 1<<widthShift) {
				*c = observedCell{content: 1 << widthShift}
			}
		}
	}
	b.Base, b.First = 0, 0
}
