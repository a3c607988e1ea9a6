package cast

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Asciicast2 writes the recording as asciicast version 2, for players of terminal
// sessions. Output and error output are "o" events, window changes "r", input "i"
// if asked for, and what else happened "m" markers.
//
// Bytes that are not UTF-8 become U+FFFD, one for each; characters split over
// events of one stream are joined first, and appear at the time of their last
// byte. It writes all that can be read and then returns [ErrCut] or [ErrCorrupt]
// if the recording is not whole.
func Asciicast2(w io.Writer, r io.Reader, o ExportOptions) error { return asciicast(w, r, o, 2) }

// Asciicast3 is [Asciicast2] in asciicast version 3: times are intervals, and the
// exit status of the exported channel, or of the first one, is an "x" event.
func Asciicast3(w io.Writer, r io.Reader, o ExportOptions) error { return asciicast(w, r, o, 3) }

func asciicast(w io.Writer, stream io.Reader, o ExportOptions, version int) error {
	r, err := NewReader(stream)
	if err != nil {
		return err
	}
	p := player{
		out: bufio.NewWriter(w), o: o, version: version, header: r.Header(),
		streams: make(tracks[filter]), raw: make(map[uint32]bool), columns: 80, rows: 24,
	}
	err = events(r, o, p.event)
	if errors.Is(err, ErrCut) || errors.Is(err, ErrCorrupt) {
		p.finish(oneLine(err.Error()))
	} else if err == nil {
		p.finish("")
	}
	return errors.Join(err, p.out.Flush())
}

// filter makes bytes fit for JSON, and inert unless faithful was asked for.
type filter struct {
	inert  inert
	joiner joiner
}

type player struct {
	out     *bufio.Writer
	o       ExportOptions
	version int
	header  Header
	streams tracks[filter]
	scratch []byte
	// raw holds the channels without a terminal. Their line feeds are shown as new
	// lines, as the terminal of whoever sat before it did.
	raw map[uint32]bool

	// The header of an asciicast needs the terminal of the channel, which comes
	// some events later; these wait for it.
	begun         bool
	early         []Event
	terminal      string
	columns, rows uint32

	last  time.Duration // time of the last line, for intervals
	first uint32        // the channel whose exit status counts
	exit  *ExitStatus
}

// maxEarly bounds the events that wait for a terminal.
const maxEarly = 16

func (p *player) event(e Event) error {
	if !p.begun {
		open, opens := e.Body.(ChannelOpen)
		_, carries := data(e.Body)
		if opens {
			p.first = e.Channel
			if open.Terminal != "" {
				p.terminal = open.Terminal
				p.columns, p.rows = bounded(open.Size.Columns, 80), bounded(open.Size.Rows, 24)
			}
		}
		if !opens && !carries && len(p.early) < maxEarly {
			p.early = append(p.early, e)
			return nil
		}
		if err := p.begin(); err != nil {
			return err
		}
	}
	return p.line(e)
}

// bounded keeps a terminal size to what players can draw.
func bounded(v, otherwise uint32) uint32 {
	if v == 0 {
		return otherwise
	}
	return min(v, 1000)
}

func (p *player) begin() error {
	p.begun = true
	h := p.header
	title := oneLine(fmt.Sprintf("%s@%s, %s, session %s", h.Login, h.Target, h.Person.Name, h.Session))
	type term struct {
		Columns uint32 `json:"cols"`
		Rows    uint32 `json:"rows"`
		Type    string `json:"type,omitempty"`
	}
	var head any
	if p.version == 3 {
		head = struct {
			Version   int    `json:"version"`
			Term      term   `json:"term"`
			Timestamp int64  `json:"timestamp"`
			Title     string `json:"title"`
		}{3, term{p.columns, p.rows, oneLine(p.terminal)}, h.Started.Unix(), title}
	} else {
		env := map[string]string{}
		if p.terminal != "" {
			env["TERM"] = oneLine(p.terminal)
		}
		head = struct {
			Version   int               `json:"version"`
			Width     uint32            `json:"width"`
			Height    uint32            `json:"height"`
			Timestamp int64             `json:"timestamp"`
			Title     string            `json:"title"`
			Env       map[string]string `json:"env,omitempty"`
		}{2, p.columns, p.rows, h.Started.Unix(), title, env}
	}
	if err := p.json(head); err != nil {
		return err
	}
	if err := p.out.WriteByte('\n'); err != nil {
		return err
	}
	for _, e := range p.early {
		if err := p.line(e); err != nil {
			return err
		}
	}
	p.early = nil
	return nil
}

func (p *player) line(e Event) error {
	if raw, ok := data(e.Body); ok {
		code := byte('o')
		if e.Body.Kind() == KindInput {
			code = 'i'
		}
		f := p.streams.of(e)
		if p.o.Faithful || code == 'i' {
			p.scratch = f.joiner.feed(p.scratch[:0], raw)
		} else {
			p.scratch = f.inert.feed(p.scratch[:0], raw)
			if p.raw[e.Channel] {
				p.scratch = bytes.ReplaceAll(p.scratch, []byte("\n"), []byte("\r\n"))
			}
		}
		if len(p.scratch) == 0 {
			return nil
		}
		return p.write(e.Offset, code, string(p.scratch))
	}
	switch body := e.Body.(type) {
	case WindowChange:
		return p.resize(e.Offset, body.Columns, body.Rows)
	case ExitStatus:
		if e.Channel == p.o.Channel || p.o.Channel == 0 && e.Channel == p.first {
			p.exit = &body
		}
	case ChannelClose:
		delete(p.raw, e.Channel)
		if err := p.close(e.Offset, e.Channel); err != nil {
			return err
		}
	case ChannelOpen:
		delete(p.raw, e.Channel)
		if body.Terminal == "" && len(p.raw) < maxTracks {
			p.raw[e.Channel] = true
		}
		if body.Terminal != "" {
			if err := p.resize(e.Offset, body.Size.Columns, body.Size.Rows); err != nil {
				return err
			}
		}
	}
	label := Remark(e.Body)
	if e.Channel != 0 {
		label = "channel " + strconv.FormatUint(uint64(e.Channel), 10) + ": " + label
	}
	return p.write(e.Offset, 'm', label)
}

// resize writes a new size of the screen, if it is one.
func (p *player) resize(at time.Duration, columns, rows uint32) error {
	columns, rows = bounded(columns, p.columns), bounded(rows, p.rows)
	if columns == p.columns && rows == p.rows {
		return nil
	}
	p.columns, p.rows = columns, rows
	return p.write(at, 'r', fmt.Sprintf("%dx%d", columns, rows))
}

// close shows what the streams of a closed channel still waited with.
func (p *player) close(at time.Duration, channel uint32) error {
	for _, kind := range [...]Kind{KindOutput, KindErrorOutput, KindInput} {
		key := track{channel, kind}
		f := p.streams[key]
		if f == nil {
			continue
		}
		delete(p.streams, key)
		code := byte('o')
		if kind == KindInput {
			code = 'i'
		}
		if rest := f.inert.finish(f.joiner.finish(nil)); len(rest) > 0 {
			if err := p.write(at, code, string(rest)); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish writes what comes last: header, if there was no reason for it yet, the
// remainders of channels that were never closed, why the recording stops, and the
// exit status.
func (p *player) finish(broken string) {
	if !p.begun {
		_ = p.begin() // a failed writer fails its Flush, too
	}
	open := make(map[uint32]bool)
	for key := range p.streams {
		open[key.channel] = true
	}
	for _, channel := range slices.Sorted(maps.Keys(open)) {
		_ = p.close(p.last, channel)
	}
	if broken != "" {
		_ = p.write(p.last, 'm', broken)
	}
	if p.exit != nil && p.version == 3 {
		_ = p.write(p.last, 'x', strconv.FormatUint(uint64(*p.exit), 10))
	}
}

// write writes one event line.
func (p *player) write(at time.Duration, code byte, text string) error {
	when := at
	if p.version == 3 {
		when -= p.last
	}
	p.last = at
	micros := when / time.Microsecond
	if _, err := fmt.Fprintf(p.out, "[%d.%06d, \"%c\", ", micros/1e6, micros%1e6, code); err != nil {
		return err
	}
	if err := p.json(text); err != nil {
		return err
	}
	_, err := p.out.WriteString("]\n")
	return err
}

// json writes a value without the newline that an encoder adds.
func (p *player) json(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := p.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}
