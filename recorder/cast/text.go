package cast

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Text writes the recording as lines of text:
//
//	00:00:01.500 1 | total 12
//
// that is time since the start (of the line's first byte), channel, a mark, and
// the text. The mark is | for output, ! for error output, < for input and * for a
// remark of the recorder's, so that no output can pass for a remark. Control
// sequences are left out, and how much an OSC held is told at the end; a carriage return begins a new line, so that nothing
// overwritten is hidden. It writes all that can be read and then returns [ErrCut]
// or [ErrCorrupt] if the recording is not whole.
func Text(w io.Writer, stream io.Reader, o ExportOptions) error {
	r, err := NewReader(stream)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	t := text{out: out, lines: make(tracks[line])}
	t.opening(r.Header())
	err = events(r, o, t.event)
	t.flush(0, true)
	if errors.Is(err, ErrCut) || errors.Is(err, ErrCorrupt) {
		fmt.Fprintf(out, "# %s\n", oneLine(err.Error()))
	}
	return errors.Join(err, out.Flush())
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// maxLine bounds what is kept of a line; a longer one is written in parts.
const maxLine = 4 << 10

type text struct {
	out     *bufio.Writer
	lines   tracks[line]
	scratch []byte
}

// line is a line of one track that has not ended yet.
type line struct {
	filter   inert
	channel  uint32
	kind     Kind
	began    time.Duration
	text     []byte
	returned bool // the last byte was a carriage return
}

func (t *text) opening(h Header) {
	fmt.Fprintf(t.out, "# session %s, request %s\n", oneLine(h.Session), oneLine(h.Request))
	fmt.Fprintf(t.out, "# %s (%s at %s) as %s on %s, through %s\n", oneLine(h.Person.Name), oneLine(h.Person.Subject),
		oneLine(h.Person.Issuer), oneLine(h.Login), oneLine(h.Target), oneLine(h.Proxy))
	fmt.Fprintf(t.out, "# client %s\n", oneLine(h.Client))
	fmt.Fprintf(t.out, "# started %s; times are since then\n", h.Started.Format(timeFormat))
}

func (t *text) event(e Event) error {
	p, ok := data(e.Body)
	if !ok {
		t.flush(e.Channel, e.Body.Kind() == KindChannelClose)
		return t.write(e.Offset, e.Channel, '*', []byte(Remark(e.Body)))
	}
	l := t.lines.of(e)
	if l.channel != e.Channel || l.kind != e.Body.Kind() { // new, or shared beyond maxTracks
		if len(l.text) > 0 {
			if err := t.end(l, l.began); err != nil {
				return err
			}
		}
		l.filter.plain = true
		l.channel, l.kind = e.Channel, e.Body.Kind()
	}
	t.scratch = l.filter.feed(t.scratch[:0], p)
	return t.add(l, e.Offset, t.scratch)
}

func (t *text) add(l *line, at time.Duration, p []byte) error {
	for _, b := range p {
		if b == '\r' || b == '\n' {
			// CR LF, and the CR CR LF of some terminals, end one line.
			again := l.returned && len(l.text) == 0
			l.returned = b == '\r'
			if !again {
				if err := t.end(l, at); err != nil {
					return err
				}
			}
			continue
		}
		l.returned = false
		if len(l.text) >= maxLine && utf8.RuneStart(b) {
			if err := t.end(l, at); err != nil {
				return err
			}
		}
		if len(l.text) == 0 {
			l.began = at
		}
		l.text = append(l.text, b)
	}
	return nil
}

func (t *text) end(l *line, at time.Duration) error {
	if len(l.text) > 0 {
		at = l.began
	}
	mark := byte('|')
	switch l.kind {
	case KindErrorOutput:
		mark = '!'
	case KindInput:
		mark = '<'
	}
	err := t.write(at, l.channel, mark, l.text)
	l.text = l.text[:0]
	return err
}

func (t *text) write(at time.Duration, channel uint32, mark byte, text []byte) error {
	_, err := fmt.Fprintf(t.out, "%02d:%02d:%02d.%03d %d %c %s\n", at/time.Hour, at/time.Minute%60, at/time.Second%60,
		at/time.Millisecond%1000, channel, mark, text)
	return err
}

// flush ends the open lines of a channel, or of all for channel 0, in the order in
// which they began. With last set, nothing more is expected of the channel.
func (t *text) flush(channel uint32, last bool) {
	var open []*line
	for key, l := range t.lines {
		if channel != 0 && l.channel != channel {
			continue
		}
		open = append(open, l)
		if last {
			delete(t.lines, key)
		}
	}
	slices.SortFunc(open, func(a, b *line) int {
		return cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(a.channel, b.channel), cmp.Compare(a.kind, b.kind))
	})
	for _, l := range open { // a writer that fails here fails its Flush, too
		if last {
			_ = t.add(l, l.began, l.filter.finish(nil))
		}
		if len(l.text) > 0 {
			_ = t.end(l, l.began)
		}
		if last && l.filter.hidden > 0 {
			_ = t.write(l.began, l.channel, '*', fmt.Appendf(nil, "%d bytes of titles and other commands to the terminal are not shown", l.filter.hidden))
		}
	}
}
